"""A push on a real Airflow whose task is killed, stopped or sent away goes on, and nothing is lost."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.reliability import compare
from tests.reliability.landed import BLOCKED_OPTIONS, MAPPING, Landed, land
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import REPOSITORY, RealAirflow

pytestmark = pytest.mark.system

DAG_ID, TASK_ID, WAITING_DAG_ID, EVENTS_DAG_ID = "push_one", "push", "push_one_and_wait", "push_events"
SYNC_DAG_ID, INTEGRATION = "sync_one", "11111111-2222-3333-4444-555555555555"
RECORDS = 12_000
SOME = 1500
HEARTBEAT_TIMEOUT = 15

newest = pytest.mark.skipif(
    importlib.util.find_spec("airflow.models.task_state_store") is None,
    reason="Airflow has a task state store from 3.3 on",
)

DAGS = f"""
from datetime import timedelta

from airflow.sdk import DAG, Param

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.cdi import BrazeCdiSyncOperator

with DAG("{SYNC_DAG_ID}", schedule=None) as sync_one:
    BrazeCdiSyncOperator(
        task_id="{TASK_ID}",
        integration_id="{INTEGRATION}",
        deferrable=False,
        poll_interval=1,
        retries=1,
        retry_delay=timedelta(seconds=1),
    )

for dag_id, wait in (("{DAG_ID}", 60), ("{WAITING_DAG_ID}", 2)):
    with DAG(dag_id, schedule=None, params={{"export": Param("", type="string")}}) as globals()[dag_id]:
        BrazeUserTrackOperator(
            task_id="{TASK_ID}",
            export="{{{{ params.export }}}}",
            mapping={MAPPING!r},
            max_rejected=0.5,
            max_wait_on_worker=wait,
            retries=1,
            retry_delay=timedelta(seconds=1),
        )


def events():
    time = "2026-11-22T10:00:00Z"
    return [dict(external_id=f"E{{n // 2}}", name=f"event {{n}}", time=time) for n in range({RECORDS})]


with DAG("{EVENTS_DAG_ID}", schedule=None) as push_events:
    BrazeUserTrackOperator(
        task_id="{TASK_ID}", events=events, max_rejected=0.9, retries=1, retry_delay=timedelta(seconds=1)
    )
"""


@pytest.fixture(scope="module")
def slow_process() -> Iterator[SandboxProcess]:
    """Answers late, so that a push takes its time."""
    with SandboxProcess("--latency-ms", "200", *BLOCKED_OPTIONS) as process:
        yield process


@pytest.fixture
def slow(slow_process: SandboxProcess) -> SandboxProcess:
    slow_process.reset()
    return slow_process


@pytest.fixture(scope="module")
def impatient(
    slow_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealAirflow]:
    """An Airflow that soon notices that a task is gone."""
    folder = tmp_path_factory.mktemp("dags")
    (folder / "push_one.py").write_text(DAGS)
    braze = {
        "conn_type": "braze",
        "host": slow_process.url,
        "password": slow_process.key,
        "extra": {"max_in_flight": 4},
    }
    with RealAirflow(
        dags_folder=folder,
        connections={"braze_default": braze},
        settings={
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "PYTHONPATH": str(REPOSITORY),
        },
    ) as running:
        running.unpause(DAG_ID)
        running.unpause(WAITING_DAG_ID)
        running.unpause(EVENTS_DAG_ID)
        running.unpause(SYNC_DAG_ID)
        yield running


class Run:
    """One run of a DAG that pushes."""

    def __init__(self, airflow: RealAirflow, sandbox: SandboxProcess, dag_id: str, **params: str) -> None:
        self.airflow, self.sandbox, self.dag_id = airflow, sandbox, dag_id
        self.run_id = airflow.trigger(dag_id, **params)

    @property
    def _path(self) -> str:
        return f"dags/{self.dag_id}/dagRuns/{self.run_id}/taskInstances/{TASK_ID}"

    def task(self) -> dict[str, Any]:
        found: dict[str, Any] = self.airflow.api("GET", self._path)
        return found

    def wait_for_state(self, *states: str) -> dict[str, Any]:
        self.airflow.wait_for(lambda: self.task()["state"] in states, f"a task that is {states}", 90, 0.2)
        return self.task()

    def wait_until_midway(self) -> int:
        """Wait until there is a checkpoint of some records; how many it settles."""
        return int(self.airflow.wait_for(lambda: self.kept() > SOME and self.kept(), "a checkpoint", 90, 0.2))

    def kept(self) -> int:
        """Records that the checkpoint in Airflow's task state store settles; 0 where there is none."""
        stored = self.stored()
        return int(stored["account"]["settled"]["records"]) if stored else 0

    def stored(self) -> dict[str, Any]:
        """What the push keeps in Airflow's task state store: a checkpoint, of rows that went through their report."""
        for entry in self.airflow.api("GET", f"{self._path}/state-store")["task_state_store"]:
            if entry["key"] == "braze_checkpoint":
                value = entry["value"]
                found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
                return found
        return {}

    def processes(self) -> tuple[psutil.Process, psutil.Process]:
        """Find the supervisor and the task: whoever has the connection to the sandbox, and its parent."""
        port = self.sandbox.port
        for process in psutil.Process(self.airflow.processes["scheduler"].pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(made.raddr and made.raddr.port == port for made in process.net_connections("tcp")):
                    supervisor = process.parent()
                    assert supervisor is not None
                    return supervisor, process
        raise AssertionError("no process of Airflow pushes")

    def succeed(self) -> dict[str, Any]:
        """Wait for the good end of the task; its report."""
        state = self.airflow.wait_for_run(self.dag_id, self.run_id)
        task = self.task()
        assert state == "success", self.airflow.log(
            self.dag_id, self.run_id, TASK_ID, try_number=task["try_number"]
        )[-3000:]
        report: dict[str, Any] = self.airflow.xcom(self.dag_id, self.run_id, TASK_ID)
        return report


class ExportRun(Run):
    """One run of a DAG that pushes one export."""

    def __init__(
        self, airflow: RealAirflow, sandbox: SandboxProcess, base: Path, dag_id: str = DAG_ID
    ) -> None:
        self.base = base
        self.export: Landed = land(base, RECORDS, random.Random(9))
        super().__init__(airflow, sandbox, dag_id, export=str(self.export.path))

    def report_file(self, number: int) -> Path | None:
        found = list((self.base / "_braze").glob(f"*/*--try{number}*/report.json"))
        return found[0] if found else None

    def finish(self) -> dict[str, Any]:
        """Wait for the good end of the task, and compare what came of it; its report."""
        report = self.succeed()
        assert (report["status"], report["records"]) == ("complete", RECORDS)
        assert compare.differences(self.export, report, self.sandbox.profiles()) == []
        assert json.loads(Path(report["report_path"]).read_text()) == report
        assert not list((self.base / "_braze").rglob("*.part"))
        return report


@newest
def test_a_task_that_is_killed_goes_on_where_it_was(
    impatient: RealAirflow, slow: SandboxProcess, tmp_path: Path
) -> None:
    run = ExportRun(impatient, slow, tmp_path)
    kept = run.wait_until_midway()
    _, task = run.processes()
    task.kill()

    report = run.finish()

    assert run.task()["try_number"] == 2
    assert kept <= report["resumed_after"] < RECORDS
    assert run.kept() == 0
    assert slow.stats()["objects"] < RECORDS + 3000


@newest
def test_so_does_one_whose_supervisor_is_killed_too(
    impatient: RealAirflow, slow: SandboxProcess, tmp_path: Path
) -> None:
    run = ExportRun(impatient, slow, tmp_path)
    kept = run.wait_until_midway()
    for process in run.processes():
        process.kill()

    report = run.finish()

    assert run.task()["try_number"] == 2
    assert kept <= report["resumed_after"] < RECORDS


@newest
def test_a_task_that_is_marked_as_failed_leaves_a_true_report_and_goes_on_when_it_is_cleared(
    impatient: RealAirflow, slow: SandboxProcess, tmp_path: Path
) -> None:
    run = ExportRun(impatient, slow, tmp_path)
    run.wait_until_midway()
    _, process = run.processes()
    impatient.api("PATCH", run._path, new_state="failed")
    marked = time.monotonic()
    impatient.wait_for(lambda: run.report_file(1), "a report of the stopped push", 60, 0.1)
    assert time.monotonic() - marked < 30
    path = run.report_file(1)
    assert path is not None
    partial = json.loads(path.read_text())
    assert partial["status"] == "partial"
    assert "stopped" in partial["error"]
    assert partial["not_sent"] > 0
    process.wait(timeout=30)
    assert compare.differences(run.export, partial, slow.profiles()) == []
    sent = slow.stats()["requests"]
    time.sleep(1)
    assert slow.stats()["requests"] == sent
    kept = run.kept()
    assert kept > SOME

    impatient.api(
        "POST",
        f"dags/{DAG_ID}/clearTaskInstances",
        dry_run=False,
        only_failed=True,
        dag_run_id=run.run_id,
        task_ids=[TASK_ID],
    )

    report = run.finish()
    assert report["resumed_after"] == kept
    # Clearing it now that it has gone through starts over.
    impatient.api(
        "POST",
        f"dags/{DAG_ID}/clearTaskInstances",
        dry_run=False,
        only_failed=False,
        dag_run_id=run.run_id,
        task_ids=[TASK_ID],
    )
    assert run.finish()["resumed_after"] == 0


def test_a_long_wait_frees_the_worker_on_the_oldest_airflow_too(
    impatient: RealAirflow, slow: SandboxProcess, tmp_path: Path
) -> None:
    slow.fault(status=429, retry_after=12, after=50, count=8)
    run = ExportRun(impatient, slow, tmp_path, WAITING_DAG_ID)
    run.wait_for_state("deferred")
    with pytest.raises(AssertionError, match="no process"):
        run.processes()
    assert impatient.api("GET", "pools/default_pool")["running_slots"] == 0
    slow.clear_faults()

    report = run.finish()

    assert run.task()["try_number"] == 1
    assert 0 < report["resumed_after"] < RECORDS
    assert report["waited_seconds"] >= 8
    assert report["rate_limited"] > 0
    assert "Pausing task as DEFERRED" in impatient.log(WAITING_DAG_ID, run.run_id, TASK_ID)


@newest
def test_events_of_a_dag_are_not_sent_twice_when_its_task_is_killed(
    impatient: RealAirflow, slow: SandboxProcess
) -> None:
    run = Run(impatient, slow, EVENTS_DAG_ID)
    kept = run.wait_until_midway()
    _, task = run.processes()
    task.kill()

    report = run.succeed()

    assert run.task()["try_number"] == 2
    assert report["records"] == RECORDS == report["accepted"] + report["unknown"]
    assert kept <= report["resumed_after"] < RECORDS
    arrived = Counter(
        event["name"] for profile in slow.profiles().values() for event in profile["events_received"]
    )
    assert set(arrived.values()) == {1}
    assert report["accepted"] <= len(arrived) <= RECORDS
    # Not a checkpoint any more: a retry after this would send nothing.
    assert run.stored()["went_through"]["report"]["accepted"] == report["accepted"]


def test_a_killed_wait_for_a_sync_starts_no_second_one_on_the_oldest_airflow_too(
    impatient: RealAirflow, slow: SandboxProcess
) -> None:
    slow.put_cdi(**{INTEGRATION: {"next": [{"rows_synced": 5, "running_for": 10**6}]}})
    run = Run(impatient, slow, SYNC_DAG_ID)

    def waiting() -> psutil.Process | None:
        with contextlib.suppress(AssertionError):
            return run.processes()[1] if slow.stats()["requests"] >= 4 else None
        return None

    task = impatient.wait_for(waiting, "a task that waits for its sync", 120, 0.2)
    task.kill()
    impatient.wait_for(lambda: run.task()["try_number"] == 2, "another try", 120, 0.2)
    looks = slow.stats()["requests"]
    impatient.wait_for(lambda: slow.stats()["requests"] >= looks + 3, "looks of the other try", 120, 0.2)
    (sync,) = slow.syncs(INTEGRATION)
    sync["plan"]["running_for"] = 0
    slow.put_cdi(**{INTEGRATION: {"syncs": [sync]}})

    assert run.succeed()["rows_synced"] == 5
    assert len(slow.syncs(INTEGRATION)) == 1
