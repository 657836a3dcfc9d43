"""Several exports on two Celery workers, one of which is killed: every record is accounted for, and none is lost."""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox_process import SandboxProcess
from tests.system import redis
from tests.system.cluster import SLOTS, WORKERS, Cluster
from tests.system.real_airflow import REPOSITORY

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not redis.IS_INSTALLED and os.environ.get("CI") != "true", reason="apt-get install redis-server"
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("airflow.providers.celery") is None,
        reason="the Celery provider is installed with the newest Airflow only",
    ),
]

DAG_ID, TASK_ID = "push_side_by_side", "push"
EXPORTS, RECORDS = len(WORKERS) * SLOTS, 9_000
CHANNEL = "Braze Onboarding and Upsert"
TOTAL = EXPORTS * RECORDS

DAG = f"""
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, Param, task

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator

with DAG("{DAG_ID}", schedule=None, params={{"base": Param("", type="string")}}):

    @task
    def exports(params: dict) -> list[str]:
        return sorted(map(str, Path(params["base"]).glob("*/*/*/RPI_Export_*.txt")))

    BrazeUserTrackOperator.partial(
        task_id="{TASK_ID}", retries=4, retry_delay=timedelta(seconds=1), retry_exponential_backoff=False
    ).expand(export=exports())
"""


@pytest.fixture(scope="module")
def slow_process() -> Iterator[SandboxProcess]:
    """Answers late, so that a push takes its time."""
    with SandboxProcess("--latency-ms", "300") as process:
        yield process


@pytest.fixture
def slow(slow_process: SandboxProcess) -> SandboxProcess:
    slow_process.reset()
    return slow_process


@pytest.fixture(scope="module")
def cluster(slow_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("dags")
    (folder / "push_side_by_side.py").write_text(DAG)
    braze = {
        "conn_type": "braze",
        "host": slow_process.url,
        "password": slow_process.key,
        "extra": {"max_in_flight": 4},
    }
    with Cluster(
        dags_folder=folder,
        connections={"braze_default": braze},
        settings={
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            # What a killed worker had taken and not begun is queued again.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
            "PYTHONPATH": str(REPOSITORY),
        },
    ) as running:
        running.unpause(DAG_ID)
        yield running


def land(base: Path) -> None:
    """Land exports of different people; each record is one user, and taken."""
    for number in range(EXPORTS):
        path = base / CHANNEL / f"Offer {number}" / "8828" / f"RPI_Export_{number}.txt"
        path.parent.mkdir(parents=True)
        lines = [f"P{number}-{n},name {n}\n" for n in range(RECORDS)]
        path.write_text("external_id,first_name\n" + "".join(lines))


class Run:
    """One run, in which each export is a mapped task."""

    def __init__(self, cluster: Cluster, slow: SandboxProcess, base: Path) -> None:
        self.cluster, self.slow = cluster, slow
        land(base)
        self.run_id = cluster.trigger(DAG_ID, base=str(base))

    def wait_until_midway(self) -> None:
        """Wait until both workers push as much as they can, and a third of all records have arrived."""
        port = self.slow.port

        def are_busy() -> bool:
            return all(len(self.cluster.pushing(worker, port)) == SLOTS for worker in WORKERS)

        self.cluster.wait_for(are_busy, "both workers pushing", 240, 0.1)
        self.cluster.wait_for(lambda: self.arrived() > TOTAL // 3, "a third of all records", 120, 0.1)

    def arrived(self) -> int:
        """Objects that have arrived, those that did so twice among them."""
        return int(self.slow.stats()["objects"])

    def tries(self) -> list[int]:
        """How many tries each export took."""
        found = self.cluster.api("GET", f"dags/{DAG_ID}/dagRuns/{self.run_id}/taskInstances?limit=100")
        return [each["try_number"] for each in found["task_instances"] if each["task_id"] == TASK_ID]

    def finish(self, base: Path) -> list[dict[str, Any]]:
        """Wait for the good end of the run, and count what arrived; the reports."""
        assert self.cluster.wait_for_run(DAG_ID, self.run_id, 420) == "success"
        reports = [json.loads(path.read_text()) for path in (base / "_braze").glob("*/*/report.json")]
        last = {report["export"]: report for report in sorted(reports, key=lambda each: each["try_number"])}
        assert len(last) == EXPORTS
        for report in last.values():
            assert (report["status"], report["records"], report["accepted"]) == ("complete", RECORDS, RECORDS)
        everybody = {f"P{number}-{n}" for number in range(EXPORTS) for n in range(RECORDS)}
        profiles = self.slow.profiles()
        assert set(profiles) == everybody
        assert all(f"name {name.rpartition('-')[2]}" == each["first_name"] for name, each in profiles.items())
        assert not list(base.rglob("*.part"))
        again = self.arrived() - TOTAL
        assert 0 <= again <= sum(report["sent_again"] for report in last.values())
        for report in last.values():
            # One that was killed says that its number is a bound; of the others it is exact.
            assert (report["sent_again"] > 0) == (report["upper_bounds"] == ["sent_again"])
            assert report["sent_again"] == 0 or report["try_number"] > 1
        return list(last.values())


def test_a_worker_is_killed_and_the_other_one_goes_on(
    cluster: Cluster, slow: SandboxProcess, tmp_path: Path
) -> None:
    run = Run(cluster, slow, tmp_path)
    run.wait_until_midway()
    cluster.kill(WORKERS[0])

    reports = run.finish(tmp_path)

    assert sorted(run.tries()) == [1] * SLOTS + [2] * SLOTS
    gone_on = [report for report in reports if report["try_number"] == 2]
    assert len(gone_on) == SLOTS
    assert all(0 < report["resumed_after"] < RECORDS for report in gone_on)
    cluster.spawn(WORKERS[0])


@pytest.mark.full
def test_broker_and_database_are_restarted_meanwhile(
    cluster: Cluster, slow: SandboxProcess, tmp_path: Path
) -> None:
    run = Run(cluster, slow, tmp_path)
    run.wait_until_midway()
    cluster.restart_servers()
    # What does not live through it ends a moment later, and is started again until the run is over.
    end = time.monotonic() + 300
    while time.monotonic() < end:
        cluster.bring_back()
        time.sleep(1)
        if cluster.answers() and cluster.run_state(DAG_ID, run.run_id) in ("success", "failed"):
            break

    run.finish(tmp_path)
