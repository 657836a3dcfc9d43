"""Many requests in flight on one thread: libcurl's multi interface, which speaks bytes and knows not what they mean.

Nothing here runs by itself: requests move on in :meth:`Client.finished` and :meth:`Client.wait`, which the loop of the
push calls. Any other thread may :meth:`Client.wake` it.

Above: the loop of a push, and the hook. Below: the workspace, and the machine's network.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import re
import select
import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple

import pycurl

from airflow_provider_braze import __version__
from airflow_provider_braze.users_track.transport import network
from airflow_provider_braze.users_track.transport.connections import Connections
from airflow_provider_braze.users_track.transport.workspace import Workspace

USER_AGENT = f"airflow-provider-braze-redpoint/{__version__} (Python/{platform.python_version()})"

MOST_ANSWER_BYTES = 4_000_000
"""An answer names at most every object of a request; what is longer is no answer of Braze's."""

_LONGEST_WAIT = 0.5
"""Seconds after which a wait ends for nothing: should a wake-up ever get lost, it costs no more than that."""

_BLIND_WAIT = 0.05

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

    :param workspace: endpoint, key, timeouts and how many connections may stay open.
    :raises BrazeSetupError: the machine's proxy cannot be read.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._options = options(workspace)
        self._connections = Connections()
        self._idle: list[Transfer] = []
        # Under way, by handle: the transfer, and what it is about.
        self._under_way: dict[pycurl.Curl, tuple[Transfer, Any]] = {}
        self._multi: pycurl.CurlMulti | None = None
        self._wake_end = self._waking_end = -1
        # Reentrant, because a signal handler may wake what its own thread is just closing.
        self._waking = threading.RLock()

    def __enter__(self) -> Client:
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._workspace.max_in_flight)
        self._wake_end, self._waking_end = os.pipe()
        os.set_blocking(self._wake_end, False)
        os.set_blocking(self._waking_end, False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        multi, self._multi = self._multi, None
        if multi is not None:
            for handle in self._under_way:
                # One that an interruption caught just before it was added, or after it was removed, is not on it.
                with contextlib.suppress(pycurl.error):
                    multi.remove_handle(handle)
                handle.close()
            self._under_way.clear()
            multi.close()
        with self._waking:
            ends = self._waking_end, self._wake_end
            # Before they are closed: a signal handler that wakes in between finds none, not another file's number.
            self._wake_end = self._waking_end = -1
            for end in ends:
                os.close(end)

    @property
    def _transfers(self) -> pycurl.CurlMulti:
        if self._multi is None:
            raise RuntimeError("Client is used outside its with block.")
        return self._multi

    def start(self, path: str, body: bytes, about: Any) -> None:
        """Begin one POST; redirects are not followed.

        :param about: comes back with the answer.
        """
        new = not self._idle
        transfer = Transfer(self._workspace, self._options, self._connections) if new else self._idle.pop()
        transfer.prepare(self._workspace.endpoint + path, body)
        self._under_way[transfer.handle] = transfer, about
        self._transfers.add_handle(transfer.handle)

    def finished(self) -> Iterator[tuple[Any, Answer | NoAnswerError]]:
        """Let every request move on as far as it can without waiting, and give those that have ended."""
        if not self._under_way:
            return
        self._transfers.perform()
        more = 1
        while more:
            more, answered, failed = self._transfers.info_read()
            for handle in answered:
                yield self._end(handle)
            for handle, code, text in failed:
                if code == pycurl.E_ABORTED_BY_CALLBACK:
                    # The connection was closed while it waited; nothing was sent, and the next may be open.
                    self._transfers.remove_handle(handle)
                    self._transfers.add_handle(handle)
                    continue
                yield self._end(handle, code, text)

    def _end(
        self, handle: pycurl.Curl, code: int | None = None, text: str = ""
    ) -> tuple[Any, Answer | NoAnswerError]:
        self._transfers.remove_handle(handle)
        transfer, about = self._under_way.pop(handle)
        if code is not None:
            return about, transfer.failure(code, text)
        answer = transfer.answer()
        if isinstance(answer, Answer):
            self._idle.append(transfer)
        else:
            handle.close()
        return about, answer

    def wait(self, seconds: float) -> None:
        """Wait until some request can move on, :meth:`wake` is called, a signal comes, or the time is over."""
        reading, writing, _ = self._transfers.fdset()
        libcurls = self._transfers.timeout()
        if libcurls >= 0:
            seconds = min(seconds, libcurls / 1000)
        elif self._under_way and not reading and not writing:
            # Nothing to look at yet, as while a name is resolved, or ever, beyond the 1024th open file of the process.
            seconds = min(seconds, _BLIND_WAIT)
        waiting = select.poll()
        waiting.register(self._wake_end, select.POLLIN)
        for fd in reading:
            waiting.register(fd, select.POLLIN)
        both = set(reading).intersection(writing)
        for fd in writing:
            waiting.register(fd, select.POLLIN | select.POLLOUT if fd in both else select.POLLOUT)
        # Rounded up, or the last fraction of a millisecond would be spent in turns of the loop.
        for fd, _ in waiting.poll(math.ceil(min(seconds, _LONGEST_WAIT) * 1000)):
            if fd == self._wake_end:
                os.read(self._wake_end, 4096)

    def wake(self) -> None:
        """End :meth:`wait`, from any thread or signal handler."""
        # When the pipe is full, it is awake already.
        with self._waking, contextlib.suppress(BlockingIOError):
            if self._waking_end >= 0:
                os.write(self._waking_end, b"!")


class Transfer:
    """One handle of libcurl, which sends one request after the other: POSTs, unless its options are changed."""

    def __init__(self, workspace: Workspace, options: network.Options, connections: Connections) -> None:
        self._workspace = workspace
        self._lines: list[bytes] = []
        self._answer = bytearray()
        self._body, self._length, self._given = b"", 0, 0
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
        self._body, self._length, self._given = body, len(body), 0

    def _read(self, size: int) -> bytes:
        # Once and never from its start again: given as POSTFIELDS, libcurl would by itself send the body twice where
        # a reused connection breaks before the answer, and Braze would count an event twice.
        part = self._body[self._given : self._given + size]
        self._given += len(part)
        if self._given == self._length:
            # libcurl keeps what it was given until that has gone out.
            self._body = b""
        return part

    def _take(self, part: bytes) -> int:
        self._answer += part
        return len(part) if len(self._answer) <= self._most_bytes else -1

    def answer(self) -> Answer | NoAnswerError:
        """Give the answer that has come, and let go of the body."""
        self._body = b""
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
        sent = self._given > 0 if self._length else self.handle.getinfo(pycurl.REQUEST_SIZE) > 0
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
