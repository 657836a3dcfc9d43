"""The sandbox over HTTP."""

from __future__ import annotations

import signal
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def build_app(keys: dict[str, frozenset[str] | None]) -> Starlette:
    profiles: dict[str, dict[str, Any]] = {}
    stats: Counter[str] = Counter()
    by_status: Counter[str] = Counter()
    faults: list[dict[str, Any]] = []

    async def api(request: Request) -> Response:
        stats["requests"] += 1
        body = await request.body()
        if faults:
            fault = faults[0]
            fault["count"] -= 1
            if not fault["count"]:
                faults.pop(0)
            by_status[str(fault["status"])] += 1
            return _json({"message": "fault"}, fault["status"])
        answer = handle(request, msgspec.json.decode(body))
        by_status[str(answer.status_code)] += 1
        return answer

    def handle(request: Request, body: dict[str, Any]) -> Response:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in keys:
            return _json({"message": f"Invalid API key: {key}"}, 401)
        sent = body.get("attributes", [])
        if len(sent) > 75:
            return _json({"message": "Max Input Length Exceeded"}, 400)
        errors = []
        for index, item in enumerate(sent):
            stats["objects"] += 1
            external_id = item.get("external_id")
            if not external_id:
                errors.append({"type": "required", "input_array": "attributes", "index": index})
                continue
            if external_id not in profiles and item.get("_update_existing_only") is True:
                continue
            profile = profiles.setdefault(external_id, {"external_id": external_id})
            profile.update({k: v for k, v in item.items() if not k.startswith("_")})
        return _json(
            {"attributes_processed": len(sent) - len(errors), "errors": errors, "message": "success"}, 201
        )

    async def get_stats(request: Request) -> Response:
        if request.method == "DELETE":
            stats.clear()
            by_status.clear()
        counts = {"requests": 0, "objects": 0, **stats}
        return _json({**counts, "by_status": by_status, "profiles": len(profiles)})

    async def get_profiles(request: Request) -> Response:
        if request.method == "DELETE":
            profiles.clear()
        if request.method == "PUT":
            profiles.update({p["external_id"]: p for p in msgspec.json.decode(await request.body())})
        return _json(list(profiles.values()))

    async def get_faults(request: Request) -> Response:
        if request.method == "DELETE":
            faults.clear()
        if request.method == "PUT":
            given = msgspec.json.decode(await request.body())
            faults[:] = [f for f in (given if isinstance(given, list) else [given]) if f["count"]]
        return _json(faults)

    methods = ["GET", "PUT", "DELETE"]
    return Starlette(
        routes=[
            Route("/users/track", api, methods=["POST"]),
            Route("/sandbox/stats", get_stats, methods=methods),
            Route("/sandbox/profiles", get_profiles, methods=methods),
            Route("/sandbox/faults", get_faults, methods=methods),
        ]
    )


class SandboxServer(uvicorn.Server):
    """A uvicorn that says when it is ready and ends with status 0 when told to."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        assert sockets
        host, port = sockets[0].getsockname()[:2]
        print(f"Braze sandbox listening on http://{host}:{port}", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal without uvicorn's raising it again at the end, which would end in status -15."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        yield


def serve(app: Starlette, host: str, port: int) -> None:
    config = uvicorn.Config(
        app,
        log_level="critical",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    listener = socket.create_server((host, port), backlog=1024)
    SandboxServer(config).run(sockets=[listener])
