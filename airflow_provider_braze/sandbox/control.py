"""The routes below ``/sandbox``: what tests and demos look at and set. They need no key."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_braze.sandbox.endpoints.cdi import BadCdiError, Cdi
from airflow_provider_braze.sandbox.endpoints.messaging import BadMessagingError, Messaging
from airflow_provider_braze.sandbox.traffic.faults import BadFaultError, Faults
from airflow_provider_braze.sandbox.traffic.recording import Recording
from airflow_provider_braze.sandbox.traffic.stats import Stats
from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore
from airflow_provider_braze.sandbox.workspace.seeding import BadProfileError, seed

PREFIX = "/sandbox"


class Control:
    """The control routes of one sandbox."""

    def __init__(
        self,
        store: ProfileStore,
        stats: Stats,
        faults: Faults,
        recording: Recording,
        messaging: Messaging,
        cdi: Cdi,
    ) -> None:
        self._store = store
        self._stats = stats
        self._faults = faults
        self._recording = recording
        self._messaging = messaging
        self._cdi = cdi

    def app(self) -> Starlette:
        """Return the routes as an ASGI application."""
        return Starlette(
            routes=[
                Route("/sandbox/stats", self._stats_route, methods=["GET", "DELETE"]),
                Route("/sandbox/profiles", self._profiles_route, methods=["GET", "PUT", "DELETE"]),
                Route("/sandbox/faults", self._faults_route, methods=["GET", "PUT", "DELETE"]),
                Route("/sandbox/messaging", self._messaging_route, methods=["GET", "PUT", "DELETE"]),
                Route("/sandbox/cdi", self._cdi_route, methods=["GET", "PUT", "DELETE"]),
                Route("/sandbox/requests", self._requests_route, methods=["GET", "DELETE"]),
            ],
            exception_handlers={HTTPException: _say},  # type: ignore[dict-item]
        )

    async def _stats_route(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._stats.reset()
            self._recording.clear()
        return _json({**self._stats.as_dict(), "profiles": len(self._store.profiles)})

    async def _profiles_route(self, request: Request) -> Response:
        if request.method == "GET":
            shown = self._store.readable()
            wanted = set(request.query_params.getlist("external_id"))
            return _json([p for p in shown if p.get("external_id") in wanted] if wanted else shown)
        if request.method == "DELETE":
            self._store.clear()
        else:
            try:
                seed(self._store.profiles, await _body_of(request))
            except BadProfileError as error:
                raise HTTPException(400, str(error)) from None
        return _json({"profiles": len(self._store.profiles)})

    async def _faults_route(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._faults.clear()
        elif request.method == "PUT":
            try:
                self._faults.replace(await _body_of(request))
            except BadFaultError as error:
                raise HTTPException(400, str(error)) from None
        return _json(self._faults.as_list())

    async def _messaging_route(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._messaging.clear()
        elif request.method == "PUT":
            try:
                self._messaging.replace(await _body_of(request))
            except BadMessagingError as error:
                raise HTTPException(400, str(error)) from None
        return _json(self._messaging.as_dict())

    async def _cdi_route(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._cdi.clear()
        elif request.method == "PUT":
            try:
                self._cdi.replace(await _body_of(request))
            except BadCdiError as error:
                raise HTTPException(400, str(error)) from None
        return _json(self._cdi.as_dict())

    async def _requests_route(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._recording.clear()
        return _json(self._recording.as_list())


async def _body_of(request: Request) -> Any:
    try:
        return msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from None


async def _say(_: Request, error: HTTPException) -> Response:
    return _json({"message": error.detail}, error.status_code)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
