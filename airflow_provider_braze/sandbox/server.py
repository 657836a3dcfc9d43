"""The sandbox over HTTP: an ASGI application that reads requests, sends answers, and breaks connections on request.

Above: the command line. Below: the control routes, the API, and faults on request.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import struct
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast
from urllib.parse import parse_qsl

import uvicorn
from starlette.types import Receive, Scope, Send

from airflow_provider_braze.sandbox.control import PREFIX, Control
from airflow_provider_braze.sandbox.endpoints.api import MAX_BODY_BYTES, Api, Rules
from airflow_provider_braze.sandbox.endpoints.cdi import Cdi
from airflow_provider_braze.sandbox.endpoints.messaging import Messaging
from airflow_provider_braze.sandbox.endpoints.routes import BULK, TRACK
from airflow_provider_braze.sandbox.traffic.faults import Fault, Faults
from airflow_provider_braze.sandbox.traffic.http_answers import HttpAnswer, refusal, spoilt
from airflow_provider_braze.sandbox.traffic.recording import Recording
from airflow_provider_braze.sandbox.traffic.sent import Sent
from airflow_provider_braze.sandbox.traffic.stats import Stats
from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore

KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep an idle connection, so that it is never the sandbox that surprises them."""


class _Cycle(Protocol):
    """What uvicorn's ``send`` belongs to."""

    transport: asyncio.Transport


class _ClientLeftError(Exception):
    """The client closed the connection before it was answered."""


class Sandbox:
    """One workspace as an ASGI application.

    :param rules: keys, limits and options of the workspace.
    :param latency: seconds between a request's processing and its answer.
    :param lag: seconds after which ``/users/export/ids`` sees a write.
    :param keep_requests: how many requests ``GET /sandbox/requests`` shows.
    :param blocked: external ids that are refused.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        latency: float = 0,
        lag: float = 0,
        keep_requests: int = 20,
        blocked: Collection[str] = frozenset(),
    ) -> None:
        self.stats = Stats()
        self.faults = Faults()
        self.store = ProfileStore(lag=lag, blocked=blocked)
        self.refuse_connections: Callable[[float], None] = lambda _: None
        self._recording = Recording(keep_requests)
        self._latency = latency
        messaging, cdi = Messaging(), Cdi()
        self._api = Api(self.store, rules, self.stats, messaging, cdi)
        self._control = Control(self.store, self.stats, self.faults, self._recording, messaging, cdi).app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        if scope["path"].startswith(f"{PREFIX}/"):
            await self._control(scope, receive, send)
        elif scope["method"] not in ("GET", "POST"):
            await _send(send, refusal(404, "Not Found"))
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        counted = _CountedRequest(self.stats, scope["path"])
        try:
            sent = await _read(scope, receive)
        except _ClientLeftError:
            counted.end("client_left")
            return
        counted.received(sent)
        self._recording.add(sent, _headers(scope))
        fault = self.faults.next_for(sent.path)
        answer = self._api.answer(sent) if fault is None or fault.processed else None
        wait = self._latency
        if fault is not None:
            self.stats.by_fault[str(fault.status) if fault.kind == "status" else fault.kind] += 1
            wait += fault.seconds if fault.kind in ("late", "hang") else 0
            answer = spoilt(answer, fault, self._api.limit_of(sent))
        if wait and await _left_within(wait, receive):
            counted.end("client_left")
        elif fault is not None and fault.kind in _BREAKERS:
            counted.end(_BREAKERS[fault.kind])
            if fault.kind == "refuse":
                self.refuse_connections(fault.seconds)
            await _break(fault, answer, receive, send)
        else:
            assert answer is not None
            # Counted before it is sent: a client that has its answer may send the same user again at once.
            counted.end(str(answer.status))
            await _send(
                send, answer, pause=fault.seconds if fault is not None and fault.kind == "slow" else 0
            )


_BREAKERS = {"hang": "hung", "drop": "dropped", "reset": "reset", "cut": "cut", "refuse": "refused"}
"""Faults that end in a broken connection, and how the stats call it."""


class _CountedRequest:
    """One request in the stats, from its arrival until it is answered or given up."""

    def __init__(self, stats: Stats, path: str) -> None:
        self._stats = stats
        self._users: Sequence[Any] = ()
        stats.arrived(path)

    def received(self, sent: Sent) -> None:
        self._stats.sized(len(sent.body), sum(map(len, sent.arrays().values())))
        if sent.path in (TRACK, BULK):
            self._users = sent.users()
            self._stats.users_arrived(self._users)

    def end(self, status: str) -> None:
        self._stats.users_left(self._users)
        self._stats.left(status)


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def _read(scope: Scope, receive: Receive) -> Sent:
    """Read the whole body: a client that is still sending would not see an early refusal."""
    parts, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientLeftError
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY_BYTES:
            parts.append(part)
        more = message.get("more_body", False)
    headers = _headers(scope)
    oversize = size > MAX_BODY_BYTES
    return Sent(
        scope["path"],
        headers.get("authorization", ""),
        headers.get("content-type", ""),
        b"" if oversize else b"".join(parts),
        oversize,
        scope["method"],
        dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
    )


async def _left_within(seconds: float, receive: Receive) -> bool:
    """Wait, and tell whether the client closed the connection meanwhile."""
    try:
        await asyncio.wait_for(receive(), seconds)
    except TimeoutError:
        return False
    return True


async def _send(send: Send, answer: HttpAnswer, pause: float = 0) -> None:
    body = answer.body
    await _start(send, answer, len(body))
    if pause:
        for position in range(len(body)):
            await send(
                {"type": "http.response.body", "body": body[position : position + 1], "more_body": True}
            )
            await asyncio.sleep(pause)
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _start(send: Send, answer: HttpAnswer, length: int) -> None:
    headers = {
        "Content-Type": answer.content_type,
        "Content-Length": str(length),
        "X-Request-Id": secrets.token_hex(16),
        **answer.headers,
    }
    encoded = [(name.lower().encode("latin-1"), text.encode("latin-1")) for name, text in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})


async def _break(fault: Fault, answer: HttpAnswer | None, receive: Receive, send: Send) -> None:
    """Close the connection: in the middle of the answer, without one, or with a reset."""
    transport = cast("_Cycle", getattr(send, "__self__")).transport  # noqa: B009 - a bound method, to mypy a callable
    if fault.kind == "cut" and answer is not None:
        body = answer.body
        await _start(send, answer, len(body))
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    if fault.kind == "reset":
        # No lingering: what is closed so sends RST instead of FIN.
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
    transport.close()
    # uvicorn answers 500 for an application that returns in silence, unless it knows that the client is gone.
    while (await receive())["type"] != "http.disconnect":
        pass


class SandboxServer(uvicorn.Server):
    """A uvicorn that says when it is ready and ends with status 0 when told to end."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then say so in one line."""
        await super().startup(sockets=sockets)
        assert sockets
        host, port = sockets[0].getsockname()[:2]
        scheme = "https" if self.config.is_ssl else "http"
        print(
            f"Braze sandbox listening on {scheme}://{f'[{host}]' if ':' in host else host}:{port}", flush=True
        )

    def refuse_connections(self, seconds: float) -> None:
        """Close every connection and take no new one for a while, as a host that is down does."""
        if not self.servers[0].sockets:
            return
        (listener,) = self.servers[0].sockets
        address, family = listener.getsockname()[:2], listener.family
        self.servers[0].close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        self._coming_back = asyncio.create_task(self._come_back(seconds, address, family))

    async def _come_back(self, seconds: float, address: tuple[str, int], family: int) -> None:
        await asyncio.sleep(seconds)
        while True:
            try:
                listener = socket.create_server(address, family=family, backlog=1024)
            except OSError:
                # Somebody's outgoing connection has the port just now.
                await asyncio.sleep(0.05)
            else:
                await super().startup(sockets=[listener])
                return

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal without uvicorn's raising it again at the end, which would end in status -15."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


def serve(
    sandbox: Sandbox, host: str, port: int, *, certificate: str | None = None, key: str | None = None
) -> None:
    """Serve until SIGTERM or SIGINT; TLS when a certificate and its key are given as PEM files."""
    config = uvicorn.Config(
        sandbox,
        log_level="critical",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    server = SandboxServer(config)
    sandbox.refuse_connections = server.refuse_connections
    server.run(sockets=[listener])
