"""A server that takes every request to 127.0.0.1 and keeps nothing, at a few microseconds each.

    python -m benchmarks.sink --latency-ms 50 --limit 3000/3

It prints its address when it is ready, and on SIGTERM its counts as JSON. It parses just enough of HTTP/1.1 for
clients that send one request at a time on a connection, with a Content-Length: whoever is measured beside it should
have the machine for himself. What an answer means is the business of the sandbox.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import socket
import ssl
import tempfile
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any

from benchmarks.window import Crowd, Limit

READY = "Sink listening on "
OBJECT = b'"_update_existing_only"'
"""Every profile object has it once."""

_NO_LIMIT = 250_000
_SECONDS = 3.0
_RECEIVED_AT_ONCE = 1 << 18


class Stop(BaseException):
    """SIGTERM came."""


class Connection:
    """One client's connection, and how far its present request has come."""

    __slots__ = ("head", "key", "missing", "objects", "open", "shaking_hands", "socket", "tail")

    def __init__(self, accepted: socket.socket, *, encrypted: bool) -> None:
        self.socket = accepted
        self.shaking_hands = encrypted
        self.open = True
        self.head = self.key = b""
        self.tail = b""
        self.missing = 0
        self.objects = 0


class Sink:
    """The server.

    :param latency: seconds between the end of a request and its answer.
    :param limit: requests over it are answered 429, None for no limit.
    :param told: another one, of which the headers tell instead; who sends is noted then, second by second.
    :param count_objects: look into the bodies and count the profile objects.
    :param tls: serve https.
    :param port: where it listens (default: any that is free).
    """

    def __init__(
        self,
        *,
        latency: float,
        limit: Limit | None,
        told: Limit | None,
        count_objects: bool,
        tls: ssl.SSLContext | None,
        port: int = 0,
    ) -> None:
        self.requests = self.refused = self.connected = self.bytes = self.objects = 0
        self.crowd = Crowd(_SECONDS)
        self.began = 0.0
        self._started = time.monotonic()
        self.by_tenth: list[int] = []
        self.by_second: dict[bytes, Counter[int]] = {}
        self._latency = latency
        self._limit = limit
        self._told = told
        self._count_objects = count_objects
        self._tls = tls
        self._scratch = bytearray(_RECEIVED_AT_ONCE)
        self._due: deque[tuple[float, Connection, bytes]] = deque()
        self._connections: dict[int, Connection] = {}
        self._epoll = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._listener.setblocking(False)
        self._epoll.register(self._listener, select.EPOLLIN)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def counts(self) -> dict[str, Any]:
        """What came in, and what it cost; ``began`` is the monotonic second of the first request."""
        return {
            "requests": self.requests,
            "refused": self.refused,
            "connections": self.connected,
            "bytes": self.bytes,
            "objects": self.objects,
            "most_in_3s": self.crowd.most,
            "began": self.began,
            "by_tenth": self.by_tenth,
            "by_second": {
                key.decode(): [seconds[second] for second in range(max(seconds) + 1)]
                for key, seconds in self.by_second.items()
            },
            "cpu": round(time.process_time(), 3),
        }

    def serve(self) -> None:
        """Serve until a signal says otherwise."""
        listener = self._listener.fileno()
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            for number, _ in self._epoll.poll(wait):
                if number == listener:
                    self._accept()
                else:
                    self._receive(self._connections[number])
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                self._send(*self._due.popleft()[1:])

    def _accept(self) -> None:
        accepted, _ = self._listener.accept()
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            accepted = self._tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        self._connections[accepted.fileno()] = Connection(accepted, encrypted=bool(self._tls))
        self._epoll.register(accepted, select.EPOLLIN)
        self.connected += 1

    def _receive(self, connection: Connection) -> None:
        try:
            if connection.shaking_hands:
                connection.socket.do_handshake()  # type: ignore[attr-defined]
                connection.shaking_hands = False
            while True:
                size = connection.socket.recv_into(self._scratch)
                if not size:
                    self._close(connection)
                    return
                self._take(connection, size)
                # TLS may hold back what epoll no longer knows of, so there one reads until nothing is left.
                if not self._tls and size < _RECEIVED_AT_ONCE:
                    return
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            self._close(connection)

    def _take(self, connection: Connection, size: int) -> None:
        start = 0
        if not connection.missing:
            head = connection.head + self._scratch[: min(size, 4096)]
            end = head.find(b"\r\n\r\n") + 4
            if end < 4:
                connection.head += self._scratch[:size]
                return
            start = end - len(connection.head)
            connection.head = b""
            connection.missing = _content_length(head[:end])
            if self._told is not None and not connection.key:
                connection.key = _key(head[:end])
        if self._count_objects:
            self._look_for_objects(connection, self._scratch[start:size])
        connection.missing -= size - start
        self.bytes += size
        if connection.missing <= 0:
            self._answer(connection)

    def _look_for_objects(self, connection: Connection, body: bytes) -> None:
        seen = connection.tail + body
        connection.objects += seen.count(OBJECT)
        connection.tail = seen[-len(OBJECT) + 1 :]

    def _answer(self, connection: Connection) -> None:
        now = time.monotonic()
        self.requests += 1
        self.crowd.add(now)
        self._note(now)
        body = b'{"message":"success"}'
        status = b"201 Created"
        told, extra = self._told or self._limit, b""
        if told is None:
            most, remaining, reset = _NO_LIMIT, _NO_LIMIT - 1, int(time.time()) + 3600
        else:
            if not all(limit.take(now) for limit in (self._limit, self._told) if limit is not None):
                self.refused += 1
                status, body = b"429 Too Many Requests", b'{"message":"The rate limit is exceeded."}'
                if self._limit is not None and self._told is not None and self._told.remaining > 0:
                    # Of the limit of which the other headers do not tell.
                    wait = max(1, self._limit.reset(now) - int(time.time()))
                    extra = b"X-Ratelimit-Retry-After: %d\r\n" % wait
            elif self._told is not None:
                self.by_second.setdefault(connection.key, Counter())[int(now - self._started)] += 1
            most, remaining, reset = told.most, told.remaining, told.reset(now)
        if self._count_objects:
            if status.startswith(b"201"):
                self.objects += connection.objects
                body = b'{"attributes_processed":%d,"message":"success"}' % connection.objects
            connection.objects, connection.tail = 0, b""
        answer = (
            b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-RateLimit-Limit: %d\r\nX-RateLimit-Remaining: %d\r\n"
            b"X-RateLimit-Reset: %d\r\n%sContent-Length: %d\r\n\r\n%s"
        ) % (status, most, remaining, reset, extra, len(body), body)
        if self._latency:
            self._due.append((now + self._latency, connection, answer))
        else:
            self._send(connection, answer)

    def _note(self, now: float) -> None:
        """Count a request in its tenth of a second."""
        self.began = self.began or now
        tenth = int((now - self.began) * 10)
        while len(self.by_tenth) <= tenth:
            self.by_tenth.append(0)
        self.by_tenth[tenth] += 1

    def _send(self, connection: Connection, answer: bytes) -> None:
        if not connection.open:
            return
        try:
            # A few hundred bytes always fit the buffer of a connection whose client waits for them.
            connection.socket.sendall(answer)
        except OSError:
            self._close(connection)

    def _close(self, connection: Connection) -> None:
        if connection.open:
            connection.open = False
            del self._connections[connection.socket.fileno()]
            self._epoll.unregister(connection.socket)
            connection.socket.close()


def _content_length(head: bytes) -> int:
    head = head.lower()
    start = head.find(b"content-length:")
    return int(head[start + 15 : head.index(b"\r\n", start)]) if start >= 0 else 0


def _key(head: bytes) -> bytes:
    """Give the API key of a request."""
    name = b"\r\nauthorization: bearer "
    start = head.lower().find(name)
    return head[start + len(name) : head.index(b"\r\n", start + 2)] if start >= 0 else b"?"


def _limit(text: str | None, *, by_clock: bool, began: float = 0.0) -> Limit | None:
    if not text:
        return None
    most, _, seconds = text.partition("/")
    return Limit(int(most), float(seconds or 1), by_clock=by_clock, began=began)


def _context(folder: Path) -> ssl.SSLContext:
    from benchmarks import certificate

    certificate.write(folder)
    print(f"Certificate {folder / certificate.CERTIFICATE}", flush=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / certificate.CERTIFICATE, folder / certificate.KEY)
    return context


def _stop(*_: object) -> None:
    raise Stop


def main() -> None:
    """Serve from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--limit", help="N/S: at most N requests in any S seconds")
    parser.add_argument(
        "--told", help="N/S: a budget of which the headers tell instead, in windows from now on"
    )
    parser.add_argument(
        "--by-clock", action="store_true", help="count the limit in windows that follow the clock"
    )
    parser.add_argument(
        "--count-objects", action="store_true", help="count profile objects, which takes longer"
    )
    parser.add_argument("--tls", action="store_true", help="serve https with a certificate made on the spot")
    parser.add_argument("--port", type=int, default=0, help="default: any that is free")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)
    with tempfile.TemporaryDirectory(prefix="braze-benchmark-tls-") as folder:
        sink = Sink(
            latency=options.latency_ms / 1000,
            limit=_limit(options.limit, by_clock=options.by_clock),
            told=_limit(options.told, by_clock=True, began=time.time()),
            count_objects=options.count_objects,
            tls=_context(Path(folder)) if options.tls else None,
            port=options.port,
        )
        try:
            print(READY + sink.url, flush=True)
            sink.serve()
        except (Stop, KeyboardInterrupt):
            print(json.dumps(sink.counts()), flush=True)


if __name__ == "__main__":
    main()
