"""Real OpenLineage events of a real run, as its own file transport writes them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox_process import ROOT, SandboxProcess

pytest.importorskip("airflow.providers.openlineage")
pytestmark = pytest.mark.system


DAG = """
from airflow.sdk import DAG
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator

with DAG("told", schedule=None) as dag:
    BrazeUserTrackOperator(task_id="push", export={export!r}, max_rejected=10_000)
    BrazeUserTrackOperator(task_id="refused", export={refused!r})

if __name__ == "__main__":
    dag.test()
"""


def test_real_events_of_a_real_run(sandbox: SandboxProcess, tmp_path: Path) -> None:
    folder = tmp_path / "rpi" / "Braze Onboarding and Upsert" / "Spring" / "1"
    folder.mkdir(parents=True)
    export, refused = folder / "RPI_Export_1.txt", folder / "RPI_Export_2.txt"
    export.write_text("external_id,name\nP1,Ann\n,Nobody\nP2,Ben\n", "utf-8")
    refused.write_text("name\nAnn\n", "utf-8")
    home, log = tmp_path / "airflow", tmp_path / "events.jsonl"
    (home / "dags").mkdir(parents=True)
    dag = home / "dags" / "told.py"
    dag.write_text(DAG.format(export=str(export), refused=str(refused)), "utf-8")
    transport = {"type": "file", "log_file_path": str(log), "append": True}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "tests",
        "AIRFLOW_CONN_BRAZE_DEFAULT": sandbox.connection(),
        "PYTHONPATH": str(ROOT),
    }
    for command in (["-m", "airflow", "db", "migrate"], [str(dag)]):
        ran = subprocess.run(
            [sys.executable, *command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert log.exists(), ran.stdout[-3000:] + ran.stderr[-3000:]

    events = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    ended = {
        (event["job"]["name"], event["eventType"]): event
        for event in events
        if event["eventType"] in ("COMPLETE", "FAIL") and "." in event["job"]["name"]
    }
    pushed, failed = ended["told.push", "COMPLETE"], ended["told.refused", "FAIL"]
    (read,), (written,) = pushed["inputs"], pushed["outputs"]
    assert (read["namespace"], read["name"]) == ("file", str(export))
    assert (written["namespace"], written["name"]) == (f"braze://127.0.0.1:{sandbox.port}", "users.track")
    facet = pushed["run"]["facets"]["braze_push"]
    assert facet["records"] == read["inputFacets"]["inputStatistics"]["rowCount"] == 3
    assert (facet["outcomes"]["accepted"], facet["outcomes"]["invalid"]) == (2, 1)
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == len(sandbox.profiles()) == 2
    assert facet["dataPoints"] > 0
    assert Path(facet["rejectsPath"]).read_text("utf-8").count("Nobody") == 1
    assert [each["name"] for each in failed["inputs"]] == [str(refused)]
    assert sandbox.key not in log.read_text("utf-8")
