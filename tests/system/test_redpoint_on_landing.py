from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.expected import wrong_counts
from tests.samples import EXPORTS, SampleExport
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import FINISHED, RealAirflow

pytestmark = pytest.mark.system

DAG_ID = "redpoint_on_landing"
COMMA, TAB, WRAPPED, UTF16, SHORT_HEADER, BROKEN = EXPORTS
STATE_STORE = importlib.util.find_spec("airflow.models.asset_state_store") is not None  # Airflow 3.3
# A triggerer that was killed is given up by the next one after so many seconds, 30 by default.
TRIGGERER = {
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
}


@pytest.fixture
def watched(airflow: RealAirflow, sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Path]:
    """A base path that the DAG watches; nothing else runs by itself."""
    airflow.set_variable("redpoint_base_path", str(tmp_path))
    airflow.set_variable("redpoint_settle_seconds", "0")
    with airflow.started_by_landing(DAG_ID, paused="redpoint_to_braze"):
        yield tmp_path


def asset(airflow: RealAirflow) -> int:
    (found,) = airflow.api("GET", "assets?name_pattern=redpoint_exports")["assets"]
    return int(found["id"])


def kept(airflow: RealAirflow) -> list[str]:
    """The keys of Airflow's asset state store."""
    entries = airflow.api("GET", f"assets/{asset(airflow)}/state-store")["asset_state_store"]
    return [entry["key"] for entry in entries]


def events(airflow: RealAirflow) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = airflow.api("GET", f"assets/events?asset_id={asset(airflow)}")[
        "asset_events"
    ]
    return found


def reports(airflow: RealAirflow) -> list[dict[str, Any]]:
    """What every run pushed so far, in the order of the runs."""
    return [
        report
        for run in airflow.runs(DAG_ID)
        for task in airflow.tasks(DAG_ID, run["dag_run_id"])
        if task["task_id"] == "push_export" and task["state"] == "success"
        for report in airflow.reports(DAG_ID, run["dag_run_id"])
    ]


def pushed(airflow: RealAirflow, *exports: SampleExport) -> bool:
    """Tell whether exactly these have been pushed, and no run is left that is not over."""
    done = {int(report["channel_execution_id"]) for report in reports(airflow)}
    runs = airflow.runs(DAG_ID)
    assert not [run for run in runs if run["state"] == "failed"], airflow.states(
        DAG_ID, runs[-1]["dag_run_id"]
    )
    return done == {export.execution_id for export in exports} and all(
        run["state"] in FINISHED for run in runs
    )


def land(base: Path, *exports: SampleExport) -> None:
    for age, export in enumerate(reversed(exports), start=1):
        export.land(base, modified=time.time() - 60 * age)


def test_each_export_that_lands_starts_a_run_and_a_killed_triggerer_loses_none(
    airflow: RealAirflow, watched: Path
) -> None:
    land(watched, COMMA)
    airflow.wait_for(lambda: pushed(airflow, COMMA), "a run that started by itself", 150)
    if STATE_STORE:
        airflow.wait_for(lambda: len(kept(airflow)) == 2, "the offer, and the list of offers, kept", 90)

    # While nobody watches, two land together.
    airflow.kill("triggerer")
    land(watched, WRAPPED, UTF16)
    airflow.spawn("triggerer", **TRIGGERER)
    airflow.wait_for(lambda: pushed(airflow, COMMA, WRAPPED, UTF16), "the pushes after the restart", 150)

    assert len(events(airflow)) == 2, (
        "what was kept is not offered again, what landed together is offered together"
    )
    done = reports(airflow)
    assert [int(report["channel_execution_id"]) for report in done] == [5719, 5721, 5722]
    for report in done:
        assert wrong_counts(report, int(report["channel_execution_id"])) == []
    assert {run["run_type"] for run in airflow.runs(DAG_ID)} == {"asset_triggered"}
