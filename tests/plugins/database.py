"""The tables of Airflow that the tab reads, in a database of a test's own, with rows as pushes leave them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from airflow.models import import_all_models
from sqlalchemy import create_engine, insert, text
from sqlalchemy.orm import Session

from airflow_provider_braze.airflow_compat.api_server import (
    DagRun,
    TaskInstance,
    TaskStateStoreModel,
    XComModel,
)

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@contextmanager
def database() -> Iterator[Session]:
    """Make the tables, and give a session with them while the ``with`` block lasts."""
    # Their foreign keys name tables of other modules.
    import_all_models()
    engine = create_engine("sqlite://")
    models = [model for model in (DagRun, TaskInstance, XComModel, TaskStateStoreModel) if model is not None]
    DagRun.metadata.create_all(engine, tables=[model.__table__ for model in models])
    with Session(engine) as session:
        yield session
    engine.dispose()


@contextmanager
def on_postgres(url: str) -> Iterator[Session]:
    """Give a session with Airflow's tables on a PostgreSQL; what is written is undone in the end.

    :param url: of a server that has them, see :func:`make_tables`.
    """
    engine = create_engine(url)
    with Session(engine) as session:
        # A push is looked at without all the rows that Airflow has beside it.
        session.execute(text("SET LOCAL session_replication_role = replica"))
        yield session
        session.rollback()
    engine.dispose()


def make_tables(url: str) -> None:
    """Make all of Airflow's tables."""
    import_all_models()
    engine = create_engine(url)
    DagRun.metadata.create_all(engine)
    engine.dispose()


def add_push(session: Session, run_id: str = "run", **given: Any) -> None:
    """Add a task that pushes; ``report`` is its report, ``value`` the text in XCom, ``progress`` its progress."""
    place = {
        "dag_id": given.pop("dag_id", "one"),
        "run_id": run_id,
        "task_id": given.pop("task_id", "push"),
        "map_index": given.pop("map_index", -1),
    }
    report, progress, number = given.pop("report", None), given.pop("progress", None), uuid.uuid4()
    value = given.pop("value", None if report is None else json.dumps(report))
    task = {
        "state": "success",
        "try_number": 1,
        "start_date": NOON,
        "updated_at": NOON,
        "custom_operator_name": "BrazeUserTrackOperator",
        "task_display_name": "Push",
        "pool": "default_pool",
        "pool_slots": 1,
        "max_tries": 0,
        "span_status": "not_started",
        **given,
    }
    is_uuid = TaskInstance.__table__.c.id.type.python_type is uuid.UUID
    session.execute(
        insert(TaskInstance.__table__).values(id=number if is_uuid else str(number), **place, **task)
    )
    run = number.int % 2**31
    if value is not None:
        key = "report" if task["state"] == "failed" else "return_value"
        row = {
            "dag_run_id": run,
            **place,
            "key": key,
            "value": value,
            "timestamp": task["start_date"] or NOON,
        }
        session.execute(insert(XComModel.__table__).values(**row))
    if progress is not None:
        session.add(
            TaskStateStoreModel(dag_run_id=run, key="braze_progress", value=json.dumps(progress), **place)
        )
    session.flush()
