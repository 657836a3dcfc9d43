"""A bare HTTP server in a thread: what it answers is up to a function of the request's body."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any

Answer = Callable[[bytes], bytes | None]


def http(status: int, body: Any = None, headers: str = "") -> bytes:
    """Write an answer; a body that is not bytes is sent as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s" % (status, len(text), headers.encode(), text)


SUCCESS = http(201, {"message": "success"})


class _Connection(asyncio.Protocol):
    def __init__(self, server: Answering) -> None:
        self._server = server
        self._received = b""
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            head, end, rest = self._received.partition(b"\r\n\r\n")
            if not end:
                return
            lower = head.lower()
            length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(rest) < length:
                return
            body, self._received = rest[:length], rest[length:]
            self._server.requests += 1
            self._server.heads.append(head)
            if self._server.pool is not None:
                task = asyncio.ensure_future(self._answer_from(self._server.pool, body))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            elif not self._send(self._server.answer(body)):
                return

    async def _answer_from(self, pool: ThreadPoolExecutor, body: bytes) -> None:
        self._send(await asyncio.get_running_loop().run_in_executor(pool, self._server.answer, body))

    def _send(self, answer: bytes | None) -> bool:
        if answer is None:
            self._transport.close()
            return False
        self._transport.write(answer)  # type: ignore[attr-defined]
        return True


class Answering:
    """Serve on a port of 127.0.0.1 while the ``with`` block lasts.

    :param answer: gives the raw bytes of the answer to a body; None closes the connection.
    :param threads: how many answers may be given at once, so that one may wait for other requests (0: one by one).
    """

    def __init__(self, answer: Answer, threads: int = 0) -> None:
        self.answer = answer
        self.pool = ThreadPoolExecutor(threads) if threads else None
        self.requests = 0
        self.heads: list[bytes] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()

    def _serve(self) -> None:
        async def main() -> None:
            server = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            self._ended = asyncio.Event()
            self._ready.set()
            await self._ended.wait()
            server.close()

        self._loop.run_until_complete(main())
        self._loop.close()

    def __enter__(self) -> Answering:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def listening(
    handle: Callable[[socket.socket], None],
    tls: ssl.SSLContext | None = None,
    closed: Callable[[], object] = lambda: None,
) -> Iterator[int]:
    """Accept connections one by one on a port of 127.0.0.1, and hand each to a function; tell when it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                try:
                    with tls.wrap_socket(connection, server_side=True) if tls else connection as served:
                        handle(served)
                except OSError:
                    connection.close()
                closed()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(10)
