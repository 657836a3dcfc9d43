"""What the clients of object stores leave open: how long a store may be silent, and what their errors mean.

Each client has time limits of its own and tries of its own below them: left to themselves, one waits for a store that
takes connections and never answers for half an hour, another for ever. And each raises errors of its own, by which
nobody can tell a store that cannot be reached from one that refuses.

Above: locations, and the filesystems that Airflow gives. Below: sessions, whose words for both these errors become.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import inspect
import weakref
from collections.abc import Iterator
from typing import Any

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.storage.protocols.sessions import LostSessionError, Rest, is_answer

SILENCE = 20.0
"""Seconds that a store may say nothing in the middle of an answer, unless the connection says otherwise."""

WHOLE = 300.0
"""Seconds that any question may take altogether, or the writing of one block: where a store takes nothing any more, no
client has a limit of its own."""

_rests: weakref.WeakKeyDictionary[Any, Rest] = weakref.WeakKeyDictionary()

_QUESTIONS = (
    "info",
    "ls",
    "exists",
    "isdir",
    "makedirs",
    "rm_file",
    "call_s3",
    "_initiate_upload",
    "_upload_chunk",
)
"""What is asked of a filesystem, or of a file that is written."""

_NO_ANSWER = frozenset(
    {
        "TimeoutError",  # Python's own; gcsfs', adlfs' and s3fs' clients raise children of it, too
        "ConnectionError",  # Python's own, and that of requests, which gcsfs raises
        "FSTimeoutError",  # fsspec
        "HTTPClientError",  # botocore: not connected, cut off, or no answer in time
        "ClientConnectionError",  # aiohttp
        "ClientPayloadError",  # aiohttp: an answer that breaks off
        "ServiceRequestError",  # azure.core
        "ServiceResponseError",  # azure.core
        "TransportError",  # google.auth
    }
)
"""Classes of errors by which the clients say that nobody answered, any of their parents included."""

_REFUSED = frozenset({401, 403})

_S3 = frozenset({"s3", "s3a", "s3n"})
_GOOGLE = frozenset({"gs", "gcs"})
_AZURE = frozenset({"abfs", "abfss", "az", "adl"})
SCHEMES = _S3 | _GOOGLE | _AZURE
"""Of the stores whose clients take a time limit."""


def options(scheme: str, silence: float | None) -> dict[str, Any]:
    """Give what Airflow is to make the client of a scheme with.

    :param silence: seconds that the connection names; None: it names none.
    """
    if scheme in _GOOGLE:
        return {"requests_timeout": _google_limits(silence or SILENCE)}
    if scheme in _S3 and silence:
        return {"connect_timeout": silence, "read_timeout": silence}
    return {}


def bound(fs: Any, silence: float | None = None) -> None:
    """Have the client of a store wait no longer for an answer than that, and not multiply its tries.

    What a connection has set by its client's own means stays. What is used of ``adlfs`` is not public: where it is not
    there, Azure's client keeps its own limit of a minute.
    """
    schemes = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    if schemes & _S3:
        # botocore has tries of its own below them; and reading a file has both within a third kind.
        fs.retries = 1
        fs.connect_timeout = fs.read_timeout = SILENCE
        if (session := getattr(fs, "session", None)) is not None:
            session.register("before-call.s3", _send_at_once, unique_id="airflow-provider-braze")
    elif schemes & _GOOGLE and getattr(fs, "requests_timeout", None) is None:
        fs.requests_timeout = _google_limits(silence or SILENCE)
    elif schemes & _AZURE:
        pipeline = getattr(getattr(fs, "service_client", None), "_pipeline", None)
        limits = getattr(getattr(pipeline, "_transport", None), "connection_config", None)
        if limits is not None:
            limits.timeout = limits.read_timeout = silence or SILENCE
    bound_questions(fs)


def bound_questions(client: Any) -> None:
    """Give what is asked of a filesystem, or of an open file, fsspec's own time limit, where it goes by that."""
    for name in _QUESTIONS:
        method: Any = getattr(client, name, None)
        if inspect.iscoroutinefunction(getattr(method, "__wrapped__", None)):
            setattr(client, name, functools.partial(method, timeout=WHOLE))


def forget(fs: Any) -> None:
    """Leave a filesystem to the garbage collector: fsspec keeps one for each set of credentials that it was made with.

    What is used of fsspec is not public: where it is not there, it is kept.
    """
    kept, token = getattr(type(fs), "_cache", None), getattr(fs, "_fs_token_", None)
    if isinstance(kept, dict) and kept.get(token) is fs:
        del kept[token]


def _send_at_once(params: dict[str, Any], **_: Any) -> None:
    """Have botocore not ask whether it may send, for which aiohttp would wait for ever."""
    params["headers"].pop("Expect", None)


def _google_limits(silence: float) -> Any:
    from aiohttp import ClientTimeout

    # Without any, its client has each request wait for ever.
    return ClientTimeout(total=max(WHOLE, silence), sock_connect=silence, sock_read=silence)


@contextlib.contextmanager
def answered(fs: Any, url: str) -> Iterator[None]:
    """Raise what a store's client raises as an OSError of its kind, where its own classes do not tell.

    :param fs: the store's filesystem.
    :param url: for the message.
    :raises LostSessionError: nobody answered, now or a moment ago, or the store said that it cannot now.
    :raises PermissionError: it refused.
    """
    rest = _rests.setdefault(
        fs, Rest(url.partition("://")[0] + "://" + url.partition("://")[2].partition("/")[0])
    )
    rest.check()
    try:
        yield
    except BrazeError:
        raise
    except Exception as error:
        meant = meaning(error, url)
        if isinstance(meant, LostSessionError):
            rest.begin()
        if meant is error:
            raise
        raise meant from error


def meaning(error: Exception, url: str) -> Exception:
    """Give what a store's client meant by an error; the error itself where that tells."""
    if is_answer(error) or isinstance(error, LostSessionError):
        return error
    chain = list(_causes(error))
    status = next(filter(None, map(_status, chain)), 0)
    told = f"{type(error).__name__}: {str(error)[:200]}"
    if status in _REFUSED or (isinstance(error, OSError) and str(error).startswith("Forbidden: ")):
        return PermissionError(errno.EACCES, told, url)
    # 507: it has no room
    unable = 500 <= status != 507
    if unable or (not status and any(_NO_ANSWER & _names(each) for each in chain)):
        return LostSessionError(errno.ECONNABORTED, f"{url} does not answer ({told})")
    return error


def _causes(error: BaseException) -> Iterator[BaseException]:
    met: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in met:
        met.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _status(error: BaseException) -> int:
    """Give the status of the store's answer, as botocore, gcsfs and azure.core keep it; 0 where there was none."""
    response = getattr(error, "response", None)
    told = response.get("ResponseMetadata", {}).get("HTTPStatusCode") if isinstance(response, dict) else None
    for found in (told, getattr(error, "status_code", None), getattr(error, "code", None)):
        if isinstance(found, int | str) and str(found).isdecimal() and len(str(found)) == 3:
            return int(found)
    return 0
