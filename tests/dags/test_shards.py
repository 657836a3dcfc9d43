"""Shards as mapped tasks of Airflow's own, one of which fails and is retried alone."""

from __future__ import annotations

import json
from pathlib import Path

from tests.dag_run import run_dag

A_DAG = """
import os
from datetime import timedelta
from airflow.sdk import DAG, task
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator

with DAG("sharded", schedule=None) as dag:
    @task
    def exports():
        return [os.environ["EXPORT"]]

    BrazeUserTrackOperator.partial(
        task_id="push", export=exports(), reports_path=os.environ["REPORTS"], retries=1, retry_delay=timedelta(0)
    ).expand(shard=["1/2", "2/2"])
"""

ITS_RUN = """
import json
from airflow_provider_braze.sandbox.testing import running_sandbox
from airflow_provider_braze.users_track.delivery import sender

sender._FIRST_BACKOFF = 0.01
with running_sandbox() as sandbox:
    sandbox.fault(status=500, after=1, count=5)
    run = dag.test()
    said = {
        "tasks": sorted([ti.task_id, ti.map_index, ti.try_number, str(ti.state)] for ti in run.get_task_instances()),
        "profiles": len(sandbox.all_profiles()),
        "objects": sandbox.stats()["objects"],
    }
print("said:", json.dumps(said))
"""


def test_a_mapped_task_pushes_in_shards(tmp_path: Path) -> None:
    export = tmp_path / "rpi" / "Braze Onboarding and Upsert" / "Spring" / "8828" / "RPI_Export_1.txt"
    export.parent.mkdir(parents=True)
    export.write_text("external_id,nickname\n" + "".join(f"U{n},Bo\n" for n in range(20)))
    reports = tmp_path / "reports"
    file = tmp_path / "dags" / "sharded.py"
    file.parent.mkdir()
    file.write_text(A_DAG)
    printed = run_dag(file, ITS_RUN, tmp_path, EXPORT=str(export), REPORTS=str(reports))
    said = json.loads(printed.rpartition("said: ")[2].splitlines()[0])
    assert [each[3] for each in said["tasks"]] == ["success"] * 3
    assert said["profiles"] == said["objects"] == 20
    assert len([*(reports / "pushed").glob("*/*")]) == 1
    found = [json.loads(path.read_text()) for path in reports.rglob("report.json")]
    whole = [report for report in found if report["status"] == "complete"]
    assert sorted(report["shard"] for report in whole) == ["1/2", "2/2"]
    assert sum(report["accepted"] for report in whole) == 20
