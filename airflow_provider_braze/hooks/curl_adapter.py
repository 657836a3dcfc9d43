"""The hook's single calls over libcurl, as a push's: the same proxy and certificates, and bounds on time and size.

Below it stands the transfer of :mod:`airflow_provider_braze.users_track.transport.client`, above it a session of
``requests``, which alone bounds only the wait for the next byte: an answer that drips would hold a task for ever.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterable, Mapping
from http.client import responses
from typing import TYPE_CHECKING, Any, NamedTuple

import pycurl
import requests
from requests.adapters import BaseAdapter
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers

from airflow_provider_braze.users_track.transport import network
from airflow_provider_braze.users_track.transport.client import (
    MOST_ANSWER_BYTES,
    Answer,
    NoAnswerError,
    Transfer,
    milliseconds,
    options,
)
from airflow_provider_braze.users_track.transport.connections import Connections

if TYPE_CHECKING:
    from requests import PreparedRequest, Response

    from airflow_provider_braze.users_track.transport.workspace import Workspace

_LONGEST_LOOK = 1.0
"""Seconds after which a signal that came meanwhile is heeded at the latest."""

_SET_BY_LIBCURL = frozenset({"accept-encoding", "connection", "content-length", "transfer-encoding"})


class CallBounds(NamedTuple):
    """What a call may take, given as ``timeout`` of a session's ``send``.

    :param connect: seconds to connect.
    :param total: seconds for the whole call, from its start to the last byte of the answer.
    :param most_bytes: bytes of the answer, unpacked.
    """

    connect: float
    total: float
    most_bytes: int = MOST_ANSWER_BYTES


class Bearer(AuthBase):
    """Sets the key on each request, so that no ``.netrc`` entry can take its place."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Set the header."""
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class CurlAdapter(BaseAdapter):
    """Sends what a session of ``requests`` prepared; its sockets are reused, redirects and cookies are left alone.

    ``verify``, ``cert`` and ``proxies`` of the session mean nothing here: certificates and proxy are the machine's.

    :param workspace: gives the bounds of a call that names none.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._connections = Connections()
        self._idle: list[tuple[Transfer, pycurl.CurlMulti]] = []

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - the interface of requests
        timeout: float | tuple[float, float | None] | None = None,
        verify: bool | str = True,  # noqa: ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> Response:
        """Send one request, once.

        :raises requests.RequestException: no whole answer came within the bounds; it holds no request, and no key.
        :raises BrazeSetupError: the machine's proxy cannot be read.
        """
        bounds = self._bounds(timeout)
        try:
            transfer, transfers = self._idle.pop()
        except IndexError:
            transfer = Transfer(self._workspace, options(self._workspace), self._connections)
            transfers = pycurl.CurlMulti()
        _prepare(transfer, request, bounds)
        result = _perform(transfer, transfers)
        if isinstance(result, Answer):
            self._idle.append((transfer, transfers))
            return _response(result, request, self)
        raise result

    def _bounds(self, timeout: float | tuple[float, float | None] | None) -> CallBounds:
        if isinstance(timeout, CallBounds):
            return timeout
        connect, total = timeout if isinstance(timeout, tuple) else (None, timeout)
        return CallBounds(connect or self._workspace.connect_timeout, total or self._workspace.timeout)

    def close(self) -> None:
        """Close the sockets."""
        while self._idle:
            transfer, transfers = self._idle.pop()
            transfers.close()
            transfer.handle.close()


def _prepare(transfer: Transfer, request: PreparedRequest, bounds: CallBounds) -> None:
    handle, body = transfer.handle, _body(request.body)
    url = request.url or ""
    for option, value in network.proxy(url).items():
        handle.setopt(option, value)
    method = request.method or "GET"
    handle.setopt(pycurl.NOBODY, 0)
    if method in ("GET", "HEAD") and not body:
        handle.setopt(pycurl.HTTPGET, 1)
        handle.setopt(pycurl.NOBODY, int(method == "HEAD"))
        handle.unsetopt(pycurl.CUSTOMREQUEST)
    else:
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.CUSTOMREQUEST, method)
    # Where a reused connection breaks before the answer, libcurl by itself sends again what has no body to be read but
    # once: a call that starts something would start it twice.
    handle.setopt(pycurl.FRESH_CONNECT, int(not body and method not in ("GET", "HEAD")))
    handle.setopt(pycurl.HTTPHEADER, _header_lines(request))
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, milliseconds(bounds.connect))
    handle.setopt(pycurl.TIMEOUT_MS, milliseconds(bounds.total))
    transfer.prepare(url, body, most_bytes=bounds.most_bytes)


def _body(body: Any) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    if isinstance(body, str):
        return body.encode()
    if hasattr(body, "read"):
        return _body(body.read())
    return b"".join(map(_body, body)) if isinstance(body, Iterable) else bytes(body)


def _header_lines(request: PreparedRequest) -> list[bytes]:
    lines = [b"Expect:"]
    if "Content-Type" not in request.headers:
        lines.append(b"Content-Type:")
    for name, value in request.headers.items():
        pair = [each.encode() if isinstance(each, str) else each for each in (name, value)]
        if pair[0].decode().lower() not in _SET_BY_LIBCURL:
            # To libcurl a name with a colon and nothing more means: leave this header out.
            lines.append(b": ".join(pair) if pair[1] else pair[0] + b";")
    return lines


def _perform(
    transfer: Transfer, transfers: pycurl.CurlMulti
) -> Answer | requests.exceptions.RequestException:
    while True:
        transfers.add_handle(transfer.handle)
        try:
            failed = _finish(transfers)
        finally:
            transfers.remove_handle(transfer.handle)
        if failed is None:
            result = transfer.answer()
            return (
                result if isinstance(result, Answer) else requests.exceptions.ConnectionError(result.reason)
            )
        code, text = failed
        if code != pycurl.E_ABORTED_BY_CALLBACK:
            return _no_answer(transfer, code, text)
        # The connection was closed while it waited; nothing was sent, and the next may be open.


def _finish(transfers: pycurl.CurlMulti) -> tuple[int, str] | None:
    """Let libcurl work to the end of the transfer, within its own timeout; give its error, if any."""
    while True:
        _, running = transfers.perform()
        if not running:
            break
        transfers.select(_LONGEST_LOOK)
    _, _, failed = transfers.info_read()
    return (failed[0][1], failed[0][2]) if failed else None


def _no_answer(transfer: Transfer, code: int, text: str) -> requests.exceptions.RequestException:
    refused = transfer.handle.getinfo(pycurl.OS_ERRNO) == errno.ECONNREFUSED
    error: NoAnswerError = transfer.failure(code, text)
    if error.untrusted:
        return requests.exceptions.SSLError(error.reason)
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return (
            requests.exceptions.ReadTimeout(error.reason)
            if error.sent
            else requests.exceptions.ConnectTimeout(error.reason)
        )
    if code == pycurl.E_COULDNT_CONNECT and refused:
        return requests.exceptions.ConnectionError("the connection was refused")
    return requests.exceptions.ConnectionError(error.reason)


def _response(answer: Answer, request: PreparedRequest, adapter: CurlAdapter) -> Response:
    response = requests.Response()
    response.status_code = answer.status
    response.reason = responses.get(answer.status, "")
    response.headers = CaseInsensitiveDict(answer.headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response.raw = io.BytesIO(answer.body)
    response.url = request.url or ""
    response.request = request
    response.connection = adapter  # type: ignore[assignment]
    return response
