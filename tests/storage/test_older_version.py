"""What version 0.1.0 left behind still counts, and is still read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests import older
from tests.jobs import export_push
from tests.sandbox_process import SandboxProcess


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return older.put(tmp_path)


@pytest.fixture
def find(base: Path) -> Callable[..., Any]:
    return lambda **given: poll(
        ExportSearch.read(base_path=str(base), settle_seconds=0, max_age=None, **given), PollState()
    )


def test_its_markers_count_with_one_warning(base: Path, find: Callable[..., Any]) -> None:
    found = find()
    assert [Path(item["path"]).name for item in found.items] == ["RPI_Export_5720.txt"]
    (warning,) = found.warnings
    assert warning.startswith("1 exports were marked as pushed by an older version")
    # Looked at once in a wait, also by a triggerer that goes on from what the sensor kept.
    for memory in (found.memory, PollState.of(found.memory.kept())):
        assert not poll(
            ExportSearch.read(base_path=str(base), settle_seconds=0, max_age=None), memory
        ).warnings
    reports = ReportsFolder.at(str(base / "_braze"))
    (fingerprint,) = reports.pushed("braze_default")
    assert reports.markers("braze_default") == {fingerprint: Marker()}


def test_its_refusals_are_counted(base: Path) -> None:
    reports = ReportsFolder.at(str(base / "_braze"))
    (fingerprint,) = reports.refused("braze_default")
    assert reports.refusals("braze_default", fingerprint) == 1


def test_its_report_is_named_where_there_is_nothing_to_wait_for(base: Path, find: Callable[..., Any]) -> None:
    next(base.rglob("RPI_Export_5720.txt")).unlink()
    assert str(next(base.rglob("rejects.csv")).with_name("report.json")) in find(workflow_id="8828").in_vain


def test_its_rejects_are_pushed_again_with_their_mapping(base: Path, sandbox: SandboxProcess) -> None:
    (rejects,) = base.rglob("rejects.csv")
    rejects.write_text(rejects.read_text().replace("Bo,nonsense", "Bo,bo@example.com"))
    sandbox.put_profiles({"external_id": "U2"})
    report = export_push(
        export=str(rejects),
        workspace=Workspace(endpoint=sandbox.url, api_key=sandbox.key),
        braze_conn_id="braze_default",
        run="again",
    ).execute()
    assert (report["accepted"], report["invalid"], report["mode"]) == (1, 1, "append")
    profile = sandbox.profile("U2")
    assert profile["email"] == "bo@example.com"
    assert "first_name" not in json.dumps(profile)
