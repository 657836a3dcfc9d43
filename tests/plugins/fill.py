"""Fill a fresh Airflow database with runs, tasks, reports and progress, as pushes leave them: ``fill.py ROWS.json``.

It is run in the home of the API server that then reads them.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType
from sqlalchemy import insert, text
from sqlalchemy.orm import Session


def add_dag(session: Session, dag_id: str) -> None:
    """Add a DAG, unless it is there."""
    if session.get(DagBundleModel, "dags-folder") is None:
        session.add(DagBundleModel(name="dags-folder"))
        session.flush()
    if session.get(DagModel, dag_id) is None:
        session.add(DagModel(dag_id=dag_id, bundle_name="dags-folder", fileloc="/dags/a.py", is_paused=False))


def add_run(session: Session, dag_id: str, run_id: str) -> int:
    """Add a DAG and a run of it."""
    add_dag(session, dag_id)
    run = DagRun(dag_id=dag_id, run_id=run_id, run_type=DagRunType.MANUAL, state=DagRunState.RUNNING)
    session.add(run)
    session.flush()
    return int(run.id)


def add_task(session: Session, run: tuple[str, str, int], task: dict[str, Any]) -> None:
    """Add one task instance with its XComs and its progress."""
    dag_id, run_id, dag_run_id = run
    place = {
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task["task_id"],
        "map_index": task.get("map_index", -1),
    }
    columns = TaskInstance.__table__.c
    session.execute(
        insert(TaskInstance.__table__).values(
            # Airflow 3.1 keeps it as text.
            id=uuid.uuid4() if columns.id.type.python_type is uuid.UUID else str(uuid.uuid4()),
            **place,
            state=task.get("state"),
            start_date=datetime.fromisoformat(task["start"]) if "start" in task else None,
            try_number=task.get("try_number", 1),
            operator=task.get("operator", "BrazeUserTrackOperator"),
            custom_operator_name=task.get("operator", "BrazeUserTrackOperator"),
            task_display_name=task.get("name"),
            rendered_map_index=task.get("label"),
            pool="default_pool",
            pool_slots=1,
            max_tries=0,
            span_status="not_started",
        )
    )
    for key in ("return_value", "report", "nothing_found", "_link_BrazeDashboardLink"):
        if key in task:
            XComModel.set(key=key, value=task[key], session=session, **place)
    if "raw" in task:
        # As anybody can write it who may write to the database, or has Airflow write it.
        XComModel.set(key="return_value", value={}, session=session, **place)
        session.flush()
        session.execute(
            text("UPDATE xcom SET value = :value WHERE task_id = :task_id AND map_index = :map_index"),
            {"value": task["raw"], **{name: place[name] for name in ("task_id", "map_index")}},
        )
    if "progress" in task:
        from airflow.models.task_state_store import TaskStateStoreModel

        session.add(
            TaskStateStoreModel(
                dag_run_id=dag_run_id, key="braze_progress", value=json.dumps(task["progress"]), **place
            )
        )


def main(path: Path) -> None:
    """Add everything that a file names: ``{dag_id: {run_id: [task, ...]}}``."""
    with create_session(scoped=False) as session:
        for dag_id, runs in json.loads(path.read_text()).items():
            for run_id, tasks in runs.items():
                run = (dag_id, run_id, add_run(session, dag_id, run_id))
                for task in tasks:
                    add_task(session, run, task)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
