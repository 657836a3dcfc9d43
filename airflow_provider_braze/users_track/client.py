"""One HTTP client for many requests in flight; it speaks bytes and knows nothing of what they mean."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

import aiohttp

from airflow_provider_braze import __version__
from airflow_provider_braze.users_track.workspace import Workspace

USER_AGENT = f"airflow-provider-braze-redpoint/{__version__} (Python/{platform.python_version()})"

_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_UNTRUSTED = (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)


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
            trust_env=True,
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
            async with self._session.post(url, data=body, allow_redirects=False) as response:
                return Answer(response.status, response.headers, await response.read())
        except _UNTRUSTED as error:
            raise NoAnswerError(_describe(error), sent=False, untrusted=True) from None
        except _NEVER_SENT as error:
            raise NoAnswerError(_describe(error), sent=False) from None
        except TimeoutError:
            raise NoAnswerError(f"no answer within {self._workspace.timeout:g} s", sent=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise NoAnswerError(_describe(error), sent=True) from None


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
