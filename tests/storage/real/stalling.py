"""What stands before a server and can fall silent: connections stay open, new ones are taken, nothing goes through."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from airflow_provider_braze.storage.protocols.sessions import LostSessionError

T = TypeVar("T")

_PIECE = 1 << 16


class Stalling:
    """A TCP proxy on loopback.

    :param port: of the server.
    """

    def __init__(self, port: int) -> None:
        self._server = port
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        self._left: int | None = None
        self.answered = 0
        """Bytes that came from the server."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self, after: int = 0) -> None:
        """Fall silent, both ways, once the server has said so many bytes more."""
        if after:
            self._left = after
        else:
            self._open.clear()

    def go_on(self) -> None:
        """Let everything through again, what has waited first."""
        self._left = None
        self._open.set()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else whoever accepts goes on waiting
        self._listener.close()
        self._open.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
            except OSError:
                return
            self._sockets += [client, server]
            for source, target, from_server in ((client, server, False), (server, client, True)):
                threading.Thread(
                    target=self._hand_on, args=(source, target, from_server), daemon=True
                ).start()

    def _hand_on(self, source: socket.socket, target: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._open.wait()
                piece = source.recv(_PIECE)
                if from_server:
                    piece = self._allowed(piece)
                self._open.wait()
                target.sendall(piece)
                if not piece:
                    target.shutdown(socket.SHUT_WR)
                    return

    def _allowed(self, piece: bytes) -> bytes:
        self.answered += len(piece)
        if self._left is None:
            return piece
        self._left -= len(piece)
        if self._left <= 0:
            self._open.clear()
        return piece


def recovered(act: Callable[[], T], seconds: float = 120) -> T:
    """Do again what a server that answers again may need longer for than a test has it wait."""
    end = time.monotonic() + seconds
    while True:
        try:
            return act()
        except LostSessionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def outcome_of(act: Callable[[], T], seconds: float = 300) -> T | Exception:
    """Do something in a thread, and give what it returned or raised; a failure where it never ends."""
    found: list[T | Exception] = []

    def run() -> None:
        try:
            found.append(act())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it waits for ever"
    return found[0]
