"""One HTTP client for many requests in flight; it speaks bytes and knows nothing of what they mean."""

from __future__ import annotations

import platform
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from airflow_provider_braze import __version__
from airflow_provider_braze.users_track.workspace import Workspace, is_loopback

USER_AGENT = f"airflow-provider-braze-redpoint/{__version__} (Python/{platform.python_version()})"

MOST_ANSWER_BYTES = 4_000_000
"""An answer names at most every object of a request; what is longer is no answer of Braze's."""

_NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. Header names are looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswerError(Exception):
    """No answer came.

    :param reason: what happened, without the key.
    :param sent: whether the request may have reached Braze.
    :param untrusted: whether the host's TLS certificate was refused, which no retry mends.
    """

    def __init__(self, reason: str, *, sent: bool, untrusted: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent
        self.untrusted = untrusted


class Client:
    """Sends to one workspace, over connections that are reused.

    :param workspace: endpoint, key, timeouts and how many requests may be in flight.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._session: aiohttp.ClientSession | None = None
        self._proxy = _proxy(workspace.endpoint)

    async def __aenter__(self) -> Client:
        workspace = self._workspace
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=workspace.max_in_flight),
            timeout=aiohttp.ClientTimeout(total=workspace.timeout, connect=workspace.connect_timeout),
            headers={
                "Authorization": f"Bearer {workspace.api_key}",
                "Content-Type": "application/json",
                "User-Agent": USER_AGENT,
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def post(self, path: str, body: bytes) -> Answer:
        """Send one POST; redirects are not followed.

        :raises NoAnswerError: no whole answer came in time.
        """
        if self._session is None:
            raise RuntimeError("Client is used outside its async with block.")
        url = self._workspace.endpoint + path
        try:
            async with self._session.post(url, data=body, allow_redirects=False, **self._proxy) as response:
                return Answer(response.status, response.headers, await _read(response))
        except aiohttp.ClientConnectorCertificateError as error:
            failure = NoAnswerError(_describe(error), sent=False, untrusted=True)
        except _NEVER_SENT as error:
            failure = NoAnswerError(_describe(error), sent=False)
        except TimeoutError:
            failure = NoAnswerError(f"no answer within {self._workspace.timeout:g} s", sent=True)
        except (aiohttp.ClientError, OSError) as error:
            failure = NoAnswerError(_describe(error), sent=True)
        # Raised out here, so that the original, which holds the request and with it the key, is not its context.
        raise failure


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError(f"an answer of more than {MOST_ANSWER_BYTES} bytes")
    return b"".join(chunks)


def _proxy(endpoint: str) -> dict[str, Any]:
    """Find the proxy that this machine is set up with, once: aiohttp would look for it, and into netrc, every time."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    address = urllib.request.getproxies().get(parts.scheme)
    if not address or is_loopback(host) or urllib.request.proxy_bypass(host):
        return {}
    return {"proxy": address if "://" in address else f"http://{address}"}


def _describe(error: Exception) -> str:
    # Its own text would hold the proxy's URL, and with it the proxy's password.
    text = f"{error.status} {error.message}" if isinstance(error, aiohttp.ClientResponseError) else str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
