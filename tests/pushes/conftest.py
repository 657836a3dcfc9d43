from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push, rows_push
from tests.sandbox_process import SandboxProcess

UPSERT = "Braze Onboarding and Upsert"
APPEND = "Braze Append"


@pytest.fixture
def workspace(sandbox: SandboxProcess) -> Workspace:
    return Workspace(endpoint=sandbox.url, api_key=sandbox.key)


@pytest.fixture
def land(tmp_path: Path) -> Callable[..., Path]:
    """Write an export in the three-segment layout."""

    def write(
        text: str, *, channel: str = UPSERT, offer: str = "Spring Welcome", name: str = "RPI_Export_5719.txt"
    ) -> Path:
        path = tmp_path / "rpi" / channel / offer / "8828" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def push(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    """Push an export and check that every record has exactly one outcome."""

    def run(export: Any, **given: Any) -> dict[str, Any]:
        given = {"workspace": workspace, "braze_conn_id": "braze_default", "run": "run-1", **given}
        return export_push(export=export if isinstance(export, dict) else str(export), **given).execute()

    return run


@pytest.fixture
def push_rows(workspace: Workspace) -> Callable[..., dict[str, Any]]:
    def run(**given: Any) -> dict[str, Any]:
        given = {"workspace": workspace, "braze_conn_id": "braze_default", "run": "run-1", **given}
        return rows_push(**given).execute()

    return run
