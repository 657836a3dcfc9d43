"""One HTTP client for many requests in flight; it speaks bytes and knows nothing of what they mean."""

from __future__ import annotations

import io
import platform
import re
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

import pycurl

from airflow_provider_braze import __version__
from airflow_provider_braze.users_track.workspace import Workspace, is_loopback

USER_AGENT = f"airflow-provider-braze-redpoint/{__version__} (Python/{platform.python_version()})"

MOST_ANSWER_BYTES = 4_000_000
"""An answer names at most every object of a request; what is longer is no answer of Braze's."""

_MILLISECONDS = re.compile(r" after \d+ (?:ms|milliseconds)")


class Headers(Mapping[str, str]):
    """Headers of an answer, found by their names in any case.

    :param lines: as they came, with the status line, and with those of interim answers before.
    """

    def __init__(self, lines: list[bytes]) -> None:
        self._values: dict[str, str] = {}
        self.whole = False
        """Whether the empty line came that ends them."""
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                self._values[name.lower()] = value.strip()
            elif name.startswith("HTTP/"):
                self._values.clear()
                self.whole = False
            else:
                self.whole = True

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Answer(NamedTuple):
    """What came back."""

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
        self._transfers: pycurl.AsyncCurlMulti | None = None
        self._idle: list[_Transfer] = []

    async def __aenter__(self) -> Client:
        self._transfers = pycurl.AsyncCurlMulti()
        self._transfers.setopt(pycurl.M_MAXCONNECTS, self._workspace.max_in_flight)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transfers is not None:
            await self._transfers.aclose()

    async def post(self, path: str, body: bytes) -> Answer:
        """Send one POST; redirects are not followed.

        :raises NoAnswerError: no whole answer came in time.
        """
        if self._transfers is None:
            raise RuntimeError("Client is used outside its async with block.")
        transfer = self._idle.pop() if self._idle else _Transfer(self._workspace)
        transfer.prepare(path, body)
        try:
            await self._transfers.perform(transfer.handle)
            result: Answer | NoAnswerError = transfer.answer()
        except pycurl.error as error:
            result = transfer.failure(*error.args)
        # Raised out here, so that the original is not its context.
        if isinstance(result, NoAnswerError):
            raise result
        self._idle.append(transfer)
        return result


class _Transfer:
    """One handle of libcurl, which sends one POST after the other."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lines: list[bytes] = []
        self._answer = bytearray()
        self._body = io.BytesIO()
        self.handle = pycurl.Curl()
        for option, value in _options(workspace).items():
            self.handle.setopt(option, value)
        self.handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        self.handle.setopt(pycurl.WRITEFUNCTION, self._take)

    def prepare(self, path: str, body: bytes) -> None:
        """Make ready for the next POST."""
        self._lines.clear()
        self._answer.clear()
        self.handle.setopt(pycurl.URL, self._workspace.endpoint + path)
        self.handle.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        # Read once and never from its start again: given as POSTFIELDS, libcurl would by itself send it twice where
        # a reused connection breaks before the answer, and Braze would count an event twice.
        self._body = io.BytesIO(body)
        self.handle.setopt(pycurl.READFUNCTION, self._body.read)

    def _take(self, part: bytes) -> int:
        self._answer += part
        return len(part) if len(self._answer) <= MOST_ANSWER_BYTES else -1

    def answer(self) -> Answer | NoAnswerError:
        """Give the answer that has come."""
        headers = Headers(self._lines)
        if not headers.whole:
            # To libcurl a connection that closes within them ends them.
            return NoAnswerError("the answer broke off within its headers", sent=True)
        return Answer(self.handle.getinfo(pycurl.RESPONSE_CODE), headers, bytes(self._answer))

    def failure(self, code: int, text: str) -> NoAnswerError:
        """Say why no answer came; the handle is not used again."""
        # libcurl reads it when there is a connection, through any proxy and with TLS, on which it can go out.
        sent = self._body.tell() > 0
        self.handle.close()
        untrusted = code == pycurl.E_PEER_FAILED_VERIFICATION
        return NoAnswerError(self._reason(code, text, sent), sent=sent, untrusted=untrusted)

    def _reason(self, code: int, text: str, sent: bool) -> str:
        if code == pycurl.E_OPERATION_TIMEDOUT:
            workspace = self._workspace
            if sent:
                return f"no answer within {workspace.timeout:g} s"
            return f"no connection within {min(workspace.connect_timeout, workspace.timeout):g} s"
        if code == pycurl.E_WRITE_ERROR and len(self._answer) > MOST_ANSWER_BYTES:
            return f"an answer of more than {MOST_ANSWER_BYTES} bytes"
        if code == pycurl.E_SEND_FAIL_REWIND:
            return "the connection was closed before an answer came"
        # Without the time that it took, so that the same trouble reads the same each time.
        return _MILLISECONDS.sub("", text)


def _options(workspace: Workspace) -> dict[int, object]:
    return {
        pycurl.POST: 1,
        pycurl.HTTPHEADER: [
            f"Authorization: Bearer {workspace.api_key}",
            "Content-Type: application/json",
            "Expect:",
        ],
        pycurl.USERAGENT: USER_AGENT,
        pycurl.ACCEPT_ENCODING: "gzip, deflate",
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.CONNECTTIMEOUT_MS: _milliseconds(workspace.connect_timeout),
        pycurl.TIMEOUT_MS: _milliseconds(workspace.timeout),
        pycurl.NOSIGNAL: 1,
        pycurl.TCP_KEEPALIVE: 1,
        # An empty text means none, whatever the environment says.
        pycurl.PROXY: _proxy(workspace.endpoint),
        pycurl.NOPROXY: "",
    } | _trust()


def _milliseconds(seconds: float) -> int:
    # 0 would mean libcurl's own default.
    return max(1, round(seconds * 1000))


def _trust() -> dict[int, str]:
    """Find the authorities that Python itself trusts here: the libcurl that comes with pycurl may look elsewhere."""
    paths = ssl.get_default_verify_paths()
    found: dict[int, str] = {}
    if paths.cafile:
        found |= dict.fromkeys((pycurl.CAINFO, pycurl.PROXY_CAINFO), paths.cafile)
    if paths.capath:
        found |= dict.fromkeys((pycurl.CAPATH, pycurl.PROXY_CAPATH), paths.capath)
    return found


def _proxy(endpoint: str) -> str:
    """Find the proxy that this machine is set up with; empty: none."""
    parts = urlsplit(endpoint)
    host = parts.hostname or ""
    address = urllib.request.getproxies().get(parts.scheme)
    if not address or is_loopback(host) or urllib.request.proxy_bypass(host):
        return ""
    return address
