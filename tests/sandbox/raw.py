"""One POST at a time, without a client library that would retry, follow or repair anything."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple

from tests.sandbox_process import SandboxProcess


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def post(
    sandbox: SandboxProcess,
    path: str,
    body: Any,
    *,
    key: str | None = None,
    headers: dict[str, str] | None = None,
    method: str = "POST",
    timeout: float = 10,
) -> Reply:
    """Send ``body`` (bytes as they are, anything else as JSON); ``headers`` replace the usual ones."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    usual = {"Content-Type": "application/json", "Authorization": f"Bearer {key or sandbox.key}"}
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=timeout)
    try:
        connection.request(method, path, data, usual if headers is None else headers)
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def track(sandbox: SandboxProcess, *items: Any, **keywords: Any) -> Reply:
    return post(sandbox, "/users/track", {"attributes": list(items)}, **keywords)


def export(sandbox: SandboxProcess, **body: Any) -> Reply:
    return post(sandbox, "/users/export/ids", body)
