"""Several exports in two shards on two Celery workers, one of which is killed: every record is accounted for.

Each worker takes one task at a time, so that each pushes one shard when one of them is killed.
"""

from __future__ import annotations

import importlib.util
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.pushes.sources.shards import Shard
from tests.sandbox_process import SandboxProcess
from tests.system import redis
from tests.system.cluster import SLOTS, WORKERS, Cluster
from tests.system.real_airflow import FINISHED, REPOSITORY

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
EXPORTS, RECORDS = 3, 10_000
SHARDS = len(WORKERS) * SLOTS
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
        task_id="{TASK_ID}",
        export=exports(),
        retries=4,
        retry_delay=timedelta(seconds=1),
        retry_exponential_backoff=False,
    ).expand(shard={[f"{number}/{SHARDS}" for number in range(1, SHARDS + 1)]!r})
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


def person(export: int, number: int) -> str:
    return f"P{export}-{number}"


OF_SHARD = {
    (export, number): sum(
        Shard(number, SHARDS).takes(("external_id", person(export, n))) for n in range(RECORDS)
    )
    for export in range(EXPORTS)
    for number in range(1, SHARDS + 1)
}
"""Records of each shard of each export."""


def land(base: Path) -> None:
    """Land exports of different people; each record is one user, and taken."""
    for export in range(EXPORTS):
        path = base / CHANNEL / "Offer" / "8828" / f"RPI_Export_{export}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{person(export, n)},name {n}\n" for n in range(RECORDS)]
        path.write_text("external_id,first_name\n" + "".join(lines))
        os.utime(path, (1_790_000_000 + export,) * 2)


class Run:
    """One run, in which each shard of all exports is a mapped task."""

    def __init__(self, cluster: Cluster, slow: SandboxProcess, base: Path) -> None:
        self.cluster, self.slow, self.base = cluster, slow, base
        land(base)
        self.run_id = cluster.trigger(DAG_ID, base=str(base))

    def wait_until_midway(self) -> None:
        """Wait until both workers push, and a third of all records have arrived."""
        port = self.slow.port

        def are_busy() -> bool:
            return all(len(self.cluster.pushing(worker, port)) == SLOTS for worker in WORKERS)

        self.cluster.wait_for(are_busy, "both workers pushing", 240, 0.1)
        self.cluster.wait_for(lambda: self.arrived() > TOTAL // 3, "a third of all records", 120, 0.1)
        # Each shard has half of them, so that neither can be over by now.
        assert self.check_marks() < EXPORTS

    def check_marks(self) -> int:
        """Check that no export is marked as pushed of which a shard is not whole; how many are marked."""
        marked = {path.name for path in (self.base / "_braze" / "pushed").glob("*/*")}
        whole = {
            (report["fingerprint"], report["shard"])
            for report in self.reports()
            if report["status"] == "complete"
        }
        wanted = {(name, f"{number}/{SHARDS}") for name in marked for number in range(1, SHARDS + 1)}
        assert wanted <= whole
        return len(marked)

    def reports(self) -> list[dict[str, Any]]:
        """The reports so far, by try."""
        found = [json.loads(path.read_text()) for path in (self.base / "_braze").glob("*/*/report.json")]
        return sorted(found, key=lambda each: (each["try_number"], each["started_at"]))

    def arrived(self) -> int:
        """Objects that have arrived, those that did so twice among them."""
        return int(self.slow.stats()["objects"])

    def tries(self) -> dict[str, int]:
        """How many tries each shard took."""
        return {
            f"{task['map_index'] + 1}/{SHARDS}": task["try_number"]
            for task in self.cluster.tasks(DAG_ID, self.run_id)
            if task["task_id"] == TASK_ID
        }

    def finish(self) -> dict[tuple[int, str], dict[str, Any]]:
        """Wait for the good end of the run, and count what arrived; the last report of each shard of each export."""

        def is_over() -> bool:
            self.check_marks()
            return self.cluster.run_state(DAG_ID, self.run_id) in FINISHED

        self.cluster.wait_for(is_over, "the end of the run", 420)
        assert self.cluster.wait_for_run(DAG_ID, self.run_id) == "success"
        last = {
            (int(Path(report["export"]).stem.rpartition("_")[2]), report["shard"]): report
            for report in self.reports()
        }
        # What all shards count adds up to the exports, and each user is in the shard that they belong to.
        assert {key: report["records"] for key, report in last.items()} == {
            (export, f"{number}/{SHARDS}"): count for (export, number), count in OF_SHARD.items()
        }
        for report in last.values():
            assert (report["status"], report["accepted"]) == ("complete", report["records"])
        assert sum(report["records"] for report in last.values()) == TOTAL
        self._check_what_arrived()
        assert self.check_marks() == EXPORTS
        assert not list((self.base / "_braze" / "shards").glob("*/*"))
        again = self.arrived() - TOTAL
        assert 0 <= again <= sum(report["sent_again"] for report in last.values())
        for report in last.values():
            # One that was killed says that its number is a bound; of the others it is exact.
            assert (report["sent_again"] > 0) == (report["upper_bounds"] == ["sent_again"])
            assert report["sent_again"] == 0 or report["try_number"] > 1
        return last

    def _check_what_arrived(self) -> None:
        profiles = self.slow.profiles()
        assert set(profiles) == {person(export, n) for export in range(EXPORTS) for n in range(RECORDS)}
        assert all(f"name {name.rpartition('-')[2]}" == each["first_name"] for name, each in profiles.items())
        assert not list(self.base.rglob("*.part"))


def test_a_worker_is_killed_and_the_other_one_goes_on(
    cluster: Cluster, slow: SandboxProcess, tmp_path: Path
) -> None:
    run = Run(cluster, slow, tmp_path)
    run.wait_until_midway()
    cluster.kill(WORKERS[0])
    whole_before = {
        (report["fingerprint"], report["shard"]) for report in run.reports() if report["status"] == "complete"
    }

    last = run.finish()

    tries = run.tries()
    assert sorted(tries.values()) == [1] * (SHARDS - 1) + [2]
    for report in last.values():
        # What was whole before is not repeated, and the other shard never noticed.
        is_repeated = report["try_number"] > 1
        assert not is_repeated or (report["fingerprint"], report["shard"]) not in whole_before
        assert report["try_number"] <= tries[report["shard"]]
    assert any(report["try_number"] == 2 for report in last.values())
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
        if cluster.answers() and cluster.run_state(DAG_ID, run.run_id) in FINISHED:
            break

    run.finish()
