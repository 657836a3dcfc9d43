"""Airflow connections to a sandbox, for tests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox_process import SandboxProcess


def connect(
    monkeypatch: pytest.MonkeyPatch,
    sandbox: SandboxProcess | None = None,
    *,
    conn_id: str = "braze_default",
    host: str | None = None,
    key: str | None = None,
    **extras: Any,
) -> None:
    """Define a connection of type ``braze``, to a sandbox unless another host or key is given."""
    connection = {
        "conn_type": "braze",
        "host": host if host is not None or sandbox is None else sandbox.url,
        "password": key if key is not None or sandbox is None else sandbox.key,
        "extra": extras,
    }
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
