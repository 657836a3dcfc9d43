"""Between a push and the sandbox: what arrived there, in which order, and whatever can go wrong on the way.

A relay serves one push at a time. It counts its requests, and at a chosen one it does what it is told: to have the
sandbox misbehave, to kill the push before or after the request arrived, or to hold it until it is let go.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.sandbox_process import SandboxProcess
from tests.waiting import until

PATIENCE = 120.0
"""Seconds for what surely happens."""


Answer = tuple[int, list[tuple[str, str]], bytes]
"""Status, headers, body."""


class Relay:
    """
    One of them.

    :param sandbox: where to.
    :param arrived: takes the user of each request that the sandbox has processed, with the name of the push.
    """

    def __init__(self, sandbox: SandboxProcess, arrived: list[tuple[str, str]]) -> None:
        self.sandbox, self.arrived = sandbox, arrived
        self.url = ""
        self.pid = 0
        self.held, self.let_go = threading.Event(), threading.Event()
        self._known, self._lock = threading.Event(), threading.Lock()
        self.open = 0
        self.begin("", None)

    def begin(self, push: str, trouble: dict[str, Any] | None) -> None:
        """Serve a push from here on.

        :param trouble: ``at``, the number of a request from 1 on, and ``kind``: a fault of the sandbox, ``kill before``
            or ``kill after`` it arrived; or to hold it, until ``let_go`` is set (``hold``, ``hold and kill``).
        """
        self._push, self._trouble, self._seen = push, trouble, 0
        for event in (self._known, self.held, self.let_go):
            event.clear()

    def is_of(self, pid: int) -> None:
        """Say which process pushes."""
        self.pid = pid
        self._known.set()

    def kill(self) -> None:
        """Kill the push."""
        assert self._known.wait(PATIENCE)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def connected(self, change: int) -> None:
        """Count connections."""
        with self._lock:
            self.open += change

    def settle(self) -> None:
        """Wait until all that a process has sent that ended is dealt with."""
        # Connections are taken in the order in which they were made.
        with socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])), PATIENCE) as last:
            last.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
            while last.recv(4096):
                pass
        until(lambda: not self.open, PATIENCE)

    def trouble(self) -> Any:
        """Count a request; give what is to happen to it."""
        with self._lock:
            self._seen += 1
            planned = self._trouble
            return planned["kind"] if planned is not None and planned["at"] == self._seen else None

    def forward(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Have the sandbox answer.

        :raises OSError: it gives no answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.sandbox.port, timeout=PATIENCE)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except http.client.HTTPException as error:
            raise ConnectionError from error
        finally:
            connection.close()

    def note(self, body: bytes) -> None:
        """Note whom a request that was processed is about."""
        for each in json.loads(body)["attributes"]:
            self.arrived.append((self._push, each["external_id"]))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    relay: Relay

    def handle(self) -> None:
        self.relay.connected(1)
        try:
            super().handle()
        finally:
            self.relay.connected(-1)

    def do_HEAD(self) -> None:
        self.send_response_only(200)
        self.end_headers()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        kind = self.relay.trouble() if len(body) == length else "cut short"
        if kind == "kill before":
            self.relay.kill()
        if kind in ("kill before", "cut short"):
            self.close_connection = True
            return
        if kind in ("hold", "hold and kill"):
            self.relay.held.set()
            assert self.relay.let_go.wait(PATIENCE)
        answer = self._forward(kind, body)
        dies = kind in ("kill after", "hold and kill")
        if dies:
            self.relay.kill()
        if dies or answer is None:
            self.close_connection = True
        else:
            self._answer(*answer)

    def _forward(self, kind: Any, body: bytes) -> Answer | None:
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
        }
        if isinstance(kind, dict):
            self.relay.sandbox.fault(**kind)
        answer = None
        with contextlib.suppress(OSError):
            answer = self.relay.forward(self.path, headers, body)
        if kind["processed"] if isinstance(kind, dict) else answer is not None and answer[0] == 201:
            self.relay.note(body)
        return answer

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        with contextlib.suppress(OSError):
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def relay(sandbox: SandboxProcess, arrived: list[tuple[str, str]]) -> Iterator[Relay]:
    """Start one, on a free port of 127.0.0.1."""
    found = Relay(sandbox, arrived)
    handler = type("Handler", (_Handler,), {"relay": found})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
