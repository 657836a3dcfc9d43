"""What stands before an object store: it can go away with all its connections, run out of room, and forbid to write."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.ports import free_port
from tests.storage.real.mounts import ROOM_BYTES

NO_ROOM, READ_ONLY = "no room", "read only"
"""Folders, by the names that the URL of a request has them under."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})


class Front:
    """A proxy for HTTP that hands everything on, but for what it shall refuse.

    :param port: of the store.
    :param full: status and code of the answer to what finds no room; the clients repeat some of them for a minute.
    """

    def __init__(self, port: int, full: tuple[int, str] = (403, "QuotaExceeded")) -> None:
        self.store, self._full = port, full
        self.port = free_port()
        self.requests = 0
        self.written = 0
        self.read = 0
        self._http: _Server | None = None

    def start(self) -> None:
        self._http = _Server(self)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go away: whoever is connected is cut off, and nobody else gets in."""
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http.cut()
            self._http = None

    def refusal(self, method: str, path: str, body: bytes) -> tuple[int, str] | None:
        """Status and code of what a store would answer here, or None where it is handed on."""
        name = path.replace("%20", " ").replace("+", " ")
        if method not in ("PUT", "POST"):
            return None
        if f"/{READ_ONLY}/" in name.replace("%2F", "/"):
            return 403, "AccessDenied"
        if f"/{NO_ROOM}/" in name.replace("%2F", "/") or f"/{NO_ROOM}/".encode() in body[:2_000]:
            self.written += len(body)
            if self.written > ROOM_BYTES:
                return self._full
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, front: Front) -> None:
        self.front = front
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", front.port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def cut(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of who was cut off."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _hand_on(self) -> None:
        front = self.server.front
        body = self._body()
        front.requests += 1
        refused = front.refusal(self.command, self.path, body)
        if refused is not None:
            status, code = refused
            text = (
                f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
            )
            self._answer(status, [("Content-Type", "application/xml")], text)
            return
        store = http.client.HTTPConnection("127.0.0.1", front.store, timeout=60)
        try:
            headers = {name: told for name, told in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            store.request(self.command, self.path, body or None, headers)
            answer = store.getresponse()
            told = [pair for pair in answer.getheaders() if pair[0].lower() not in _HOP_BY_HOP]
            self._answer(answer.status, told, answer.read())
        finally:
            store.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        length = str(len(body))
        front = self.server.front
        for name, told in headers:
            if name.lower() != "content-length":
                # Google's store says by it where the rest of an upload goes.
                self.send_header(name, told.replace(f"127.0.0.1:{front.store}", f"127.0.0.1:{front.port}"))
            elif self.command == "HEAD":
                length = told
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            front.read += len(body)
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _hand_on
