"""One HTTP client for many requests in flight; it speaks bytes and knows nothing of what they mean."""

from __future__ import annotations

import asyncio
import io
import platform
import re
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

import pycurl

from airflow_provider_braze import __version__
from airflow_provider_braze.users_track import network
from airflow_provider_braze.users_track.connections import Connections
from airflow_provider_braze.users_track.workspace import Workspace

USER_AGENT = f"airflow-provider-braze-redpoint/{__version__} (Python/{platform.python_version()})"

MOST_ANSWER_BYTES = 4_000_000
"""An answer names at most every object of a request; what is longer is no answer of Braze's."""

_GRACE = 2.0
"""Seconds after libcurl's own timeout in which it must have told of it."""

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
            if line.startswith(b"HTTP/"):
                self._values.clear()
                self.whole = False
                continue
            name, colon, value = line.decode("latin-1").partition(":")
            if colon:
                self._values[name.lower()] = value.strip()
            elif not name.strip():
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
    :raises BrazeSetupError: the machine's proxy cannot be read.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._options = options(workspace)
        self._connections = Connections()
        self._transfers: pycurl.AsyncCurlMulti | None = None
        self._idle: list[Transfer] = []

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
        transfer = self._idle.pop() if self._idle else self._new()
        transfer.prepare(self._workspace.endpoint + path, body)
        try:
            async with asyncio.timeout(self._workspace.timeout + _GRACE):
                result = await self._perform(transfer, self._transfers)
        except TimeoutError:
            result = transfer.failure(None, "no answer in time")
        # Raised out here, so that the original is not its context.
        if isinstance(result, NoAnswerError):
            raise result
        self._idle.append(transfer)
        return result

    def _new(self) -> Transfer:
        return Transfer(self._workspace, self._options, self._connections)

    async def _perform(self, transfer: Transfer, transfers: pycurl.AsyncCurlMulti) -> Answer | NoAnswerError:
        while True:
            try:
                await transfers.perform(transfer.handle)
            except pycurl.error as error:
                code, *text = error.args
                if code != pycurl.E_ABORTED_BY_CALLBACK:
                    return transfer.failure(code, *text)
                # The connection was closed while it waited; nothing was sent, and the next may be open.
            else:
                return transfer.answer()


class Transfer:
    """One handle of libcurl, which sends one request after the other: POSTs, unless its options are changed."""

    def __init__(self, workspace: Workspace, options: network.Options, connections: Connections) -> None:
        self._workspace = workspace
        self._lines: list[bytes] = []
        self._answer = bytearray()
        self._body, self._length = io.BytesIO(), 0
        self._most_bytes = MOST_ANSWER_BYTES
        self.handle = pycurl.Curl()
        for option, value in options.items():
            if value is None:
                self.handle.unsetopt(option)
            else:
                self.handle.setopt(option, value)
        self.handle.setopt(pycurl.SOCKOPTFUNCTION, connections.opened)
        self.handle.setopt(pycurl.PREREQFUNCTION, connections.check)
        self.handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)
        self.handle.setopt(pycurl.READFUNCTION, self._read)
        self.handle.setopt(pycurl.WRITEFUNCTION, self._take)

    def prepare(self, url: str, body: bytes, most_bytes: int = MOST_ANSWER_BYTES) -> None:
        """Make ready for the next request."""
        self._most_bytes = most_bytes
        self._lines.clear()
        self._answer.clear()
        self.handle.setopt(pycurl.URL, url)
        self.handle.setopt(pycurl.POSTFIELDSIZE_LARGE, len(body))
        self._body, self._length = io.BytesIO(body), len(body)

    def _read(self, size: int) -> bytes:
        # Once and never from its start again: given as POSTFIELDS, libcurl would by itself send the body twice where
        # a reused connection breaks before the answer, and Braze would count an event twice.
        return self._body.read(size)

    def _take(self, part: bytes) -> int:
        self._answer += part
        return len(part) if len(self._answer) <= self._most_bytes else -1

    def answer(self) -> Answer | NoAnswerError:
        """Give the answer that has come, and let go of the body."""
        self._body = io.BytesIO()
        headers = Headers(self._lines)
        if not headers.whole:
            # To libcurl a connection that closes within them ends them.
            return NoAnswerError("the answer broke off within its headers", sent=True)
        return Answer(self.handle.getinfo(pycurl.RESPONSE_CODE), headers, bytes(self._answer))

    def failure(self, code: object, text: str = "") -> NoAnswerError:
        """Say why no answer came; the handle is not used again.

        :param code: libcurl's, or what pycurl says in its place.
        """
        # libcurl reads it when there is a connection, through any proxy and with TLS, on which it can go out.
        sent = self._body.tell() > 0 if self._length else self.handle.getinfo(pycurl.REQUEST_SIZE) > 0
        self.handle.close()
        untrusted = code == pycurl.E_PEER_FAILED_VERIFICATION
        return NoAnswerError(self._reason(code, text, sent), sent=sent, untrusted=untrusted)

    def _reason(self, code: object, text: str, sent: bool) -> str:
        if code == pycurl.E_OPERATION_TIMEDOUT:
            workspace = self._workspace
            if sent:
                return f"no answer within {workspace.timeout:g} s"
            return f"no connection within {min(workspace.connect_timeout, workspace.timeout):g} s"
        if code == pycurl.E_WRITE_ERROR and len(self._answer) > self._most_bytes:
            return f"an answer of more than {self._most_bytes} bytes"
        if code == pycurl.E_SEND_FAIL_REWIND:
            return "the connection was closed before an answer came"
        # Without the time that it took, so that the same trouble reads the same each time.
        return _MILLISECONDS.sub("", text) or f"libcurl's error {code}"


def options(workspace: Workspace) -> network.Options:
    """Give the options of each request to a workspace.

    :raises BrazeSetupError: the machine's proxy cannot be read.
    """
    fixed: network.Options = {
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
        pycurl.CONNECTTIMEOUT_MS: milliseconds(workspace.connect_timeout),
        pycurl.TIMEOUT_MS: milliseconds(workspace.timeout),
        pycurl.NOSIGNAL: 1,
        pycurl.TCP_KEEPALIVE: 1,
    }
    return fixed | network.proxy(workspace.endpoint) | network.trust()


def milliseconds(seconds: float) -> int:
    """Give seconds as libcurl takes them."""
    # 0 would mean libcurl's own default.
    return max(1, round(seconds * 1000))
