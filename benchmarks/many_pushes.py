"""Fill an Airflow database with many pushes at once: ``python -m benchmarks.many_pushes PUSHES OTHERS``.

It is run in the home of the API server that then reads them. The pushes are spread over 30 days, four DAGs, and as many
channels, offers and workspaces as a company has; beside them stand tasks that push nothing, as in every Airflow.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from airflow.utils.types import DagRunType
from sqlalchemy import insert, select

from tests.plugins.fill import add_dag
from tests.plugins.invented import report

DAGS = [f"redpoint_to_braze_{number}" for number in range(4)]
DAYS = 30
TASKS_A_RUN = 10
ATTRIBUTES = [f"rpi_cdp_attributes.attribute_{number}" for number in range(15)]


def _report(number: int, began: datetime) -> dict[str, Any]:
    """Make a report of a usual size: with samples, the split by attribute, and reasons."""
    channel, offer = f"Braze Channel {number % 5}", f"Offer {number % 40}"
    failed = number % 20 == 0
    return report(
        accepted=16_000 + number % 997,
        invalid=number % 7,
        status="failed" if failed else "complete",
        error="The header has no identifier." if failed else None,
        set_aside=failed,
        late={"newer": f"/exports/{channel}/{offer}/8828/RPI_Export_9.txt", "fields": ["first_name"]}
        if number % 50 == 1
        else None,
        channel=channel,
        offer=offer,
        export=f"/exports/{channel}/{offer}/8828/RPI_Export_{number}.txt",
        fingerprint=f"{number:064x}",
        braze_conn_id=("braze_prod", "braze_sandbox")[number % 2],
        dry_run=number % 25 == 3,
        started_at=began.isoformat(),
        samples=[[second, second * 400] for second in range(60)],
        data_points_by_attribute=dict.fromkeys(ATTRIBUTES, 16_000),
        reasons={f"attribute_{n}: it is no date": 3 for n in range(5)},
        report_path=f"/reports/_braze/{number:064x}/{DAGS[0]}--run--push--1f0c/report.json",
        rejects_path=f"/reports/_braze/{number:064x}/{DAGS[0]}--run--push--1f0c/rejects.csv",
    )


def _tasks(pushes: int, others: int) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Give each task instance, and the report of those that push."""
    now, every = datetime.now(UTC), timedelta(days=DAYS - 1) / max(pushes, 1)
    for number in range(pushes + others):
        is_push = number < pushes
        began = now - every * (number % pushes)
        place = {
            "dag_id": DAGS[number % len(DAGS)] if is_push else "other",
            "run_id": f"run_{number // TASKS_A_RUN // len(DAGS)}" if is_push else f"run_{number // 500}",
            "task_id": "push_export" if is_push else "other",
            "map_index": number // len(DAGS) % TASKS_A_RUN if is_push else number % 500,
        }
        operator = "BrazeUserTrackOperator" if is_push else "PythonOperator"
        said = _report(number, began) if is_push else None
        task = {
            **place,
            "state": "failed" if said and said["error"] else "success",
            "start_date": began,
            "try_number": 1,
            "operator": operator,
            "custom_operator_name": operator,
            "task_display_name": "Push to Braze" if is_push else "Other",
            "pool": "default_pool",
            "pool_slots": 1,
            "max_tries": 0,
            "span_status": "not_started",
        }
        yield task, said


def main(pushes: int, others: int) -> None:
    """Fill the database."""
    with create_session(scoped=False) as session:
        made = list(_tasks(pushes, others))
        runs = sorted({(task["dag_id"], task["run_id"]) for task, _ in made})
        for dag_id in sorted({dag_id for dag_id, _ in runs}):
            add_dag(session, dag_id)
        for dag_id, run_id in runs:
            session.add(
                DagRun(dag_id=dag_id, run_id=run_id, run_type=DagRunType.MANUAL, state=DagRunState.SUCCESS)
            )
        session.flush()
        ids = {
            (dag_id, run_id): run
            for run, dag_id, run_id in session.execute(select(DagRun.id, DagRun.dag_id, DagRun.run_id))
        }
        table = TaskInstance.__table__
        is_uuid = table.c.id.type.python_type is uuid.UUID
        names = ("dag_id", "run_id", "task_id", "map_index")
        tasks = [{"id": (uuid.uuid4() if is_uuid else str(uuid.uuid4())), **task} for task, _ in made]
        # A report as a worker sends it: text in JSON.
        xcoms = [
            {
                "dag_run_id": ids[task["dag_id"], task["run_id"]],
                **{name: task[name] for name in names},
                "key": "report" if said["error"] else "return_value",
                "value": json.dumps(said),
                "timestamp": task["start_date"] + timedelta(seconds=60),
            }
            for task, said in made
            if said
        ]
        for model, rows in ((table, tasks), (XComModel.__table__, xcoms)):
            for first in range(0, len(rows), 1000):
                session.execute(insert(model), rows[first : first + 1000])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
