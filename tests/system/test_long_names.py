"""What is documented holds on the database that Airflow is run on, whose columns are as wide as they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.sandbox_process import SandboxProcess
from tests.system.postgres import IS_INSTALLED
from tests.system.real_airflow import REPOSITORY, RealAirflow

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(
        not IS_INSTALLED,
        reason="Debian's package postgresql is not installed, and SQLite takes names of any length",
    ),
]

MOST_CHARACTERS = 250
"""Of a mapped task's name in Airflow's database; a longer one fails the task after its push, which is then repeated."""

DAG = """
from airflow.sdk import DAG, Param
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

with DAG("{dag_id}", schedule=None, params={{"base_path": Param("", type="string")}}):
    exports = RedpointExportSensor(task_id="find", base_path="{{{{ params.base_path }}}}", settle_seconds=0)
    {push}
"""
LISTED = 'BrazeUserTrackOperator(task_id="push", export=exports.output)'


def documented() -> str:
    """The example of mapped tasks in docs/operator.md."""
    text = (REPOSITORY / "docs" / "operator.md").read_text("utf-8")
    found = re.search(
        r"^BrazeUserTrackOperator\.partial\((?:(?!```).)*map_index_template.*?output\)$", text, re.M | re.S
    )
    assert found is not None
    return found[0].replace("\n", "\n    ")


def test_exports_with_long_names_are_pushed_once_mapped_and_as_a_list(
    sandbox: SandboxProcess, tmp_path: Path
) -> None:
    (tmp_path / "dags").mkdir()
    for dag_id, push in (("mapped", documented()), ("listed", LISTED)):
        (tmp_path / "dags" / f"{dag_id}.py").write_text(DAG.format(dag_id=dag_id, push=push))
    connection = {"conn_type": "braze", "host": sandbox.url, "password": sandbox.key}
    with RealAirflow(
        dags_folder=tmp_path / "dags",
        connections={"braze_default": connection},
        settings={"PYTHONPATH": str(REPOSITORY)},
    ) as airflow:
        for dag_id in ("mapped", "listed"):
            base = tmp_path / dag_id
            folder = base / "Braze Onboarding and Upsert" / ("é" * 127) / "8828"
            folder.mkdir(parents=True)
            for number in (1, 2):
                name = f"RPI_Export_{number}_{'x' * 230}.txt"
                (folder / name).write_text(f"external_id,nickname\n{dag_id} {number},Ann\n")
            airflow.unpause(dag_id)
            run_id = airflow.trigger(dag_id, base_path=str(base))
            assert airflow.wait_for_run(dag_id, run_id) == "success"
            pushes = [task for task in airflow.tasks(dag_id, run_id) if task["task_id"] == "push"]
            assert {task["try_number"] for task in pushes} == {1}
            assert all(len(task["rendered_map_index"] or "") <= MOST_CHARACTERS for task in pushes)
            assert len(pushes) == (2 if dag_id == "mapped" else 1)
    assert sandbox.stats()["requests"] == 4
