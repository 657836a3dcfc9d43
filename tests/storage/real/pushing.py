"""Exports on a storage, and pushes of them, for the contract tests."""

from __future__ import annotations

from typing import Any

from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import Door

HEADER = "RPContactID,ChannelExecutionID,external_id,first_name,email,output_name\n"
CHANNEL = "Braze Onboarding and Upsert"


def export(records: int, invalid_every: int = 0, start: int = 0, padding: int = 0) -> bytes:
    """Some records, of which every so many has a cell too few; padding makes each longer."""
    output = "High Value".ljust(padding, "x")
    lines = [HEADER]
    for n in range(start, start + records):
        cells = f"{n},5719,U{n},Ann,u{n}@example.org,{output}"
        lines.append(
            (f"{n},5719,U{n},{output}" if invalid_every and n % invalid_every == 1 else cells) + "\n"
        )
    return "".join(lines).encode()


def new_base(door: Door, name: str) -> str:
    """URL of a base path of its own, in a folder with an awkward name."""
    return f"{door.root.rstrip('/')}/{door.awkward} {name}"


def items(base: str, **parameters: Any) -> list[dict[str, Any]]:
    """What the sensor gives."""
    search = ExportSearch.read(base_path=base, settle_seconds=0, **parameters)
    return poll(search, PollState()).items


def push(item: Any, sandbox: SandboxProcess, **given: Any) -> dict[str, Any]:
    workspace = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
    given = {"workspace": workspace, "braze_conn_id": "braze_default", "run": "run-1", **given}
    return export_push(export=item, **given).execute()
