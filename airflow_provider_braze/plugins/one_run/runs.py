"""The pushes of a run, as Airflow's database knows them: task instances, XCom and the task state store.

Above: the pages. Below: Airflow's tables, and what of a stored value may be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, select

from airflow_provider_braze.airflow_compat.api_server import (
    DagRun,
    TaskInstance,
    TaskStateStoreModel,
    XComModel,
)
from airflow_provider_braze.plugins.cards.cards import PushTask
from airflow_provider_braze.plugins.one_run.stored import is_kept_elsewhere, read_object, read_text
from airflow_provider_braze.pushes.attempt.progress import PROGRESS_KEY
from airflow_provider_braze.redpoint.discovery.nothing_found import NOTHING_FOUND_KEY

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

OPERATOR = "BrazeUserTrackOperator"
"""``custom_operator_name`` of the operator and of whatever inherits from it."""

RETURN_VALUE, REPORT_KEY = "return_value", "report"
"""XCom keys of a report: of a task that succeeded, and of one that failed."""

_MOST_SAID = 4000

_NOTHING: Mapping[str, Any] = {}

_Place = tuple[str, int]
"""Task id and map index."""


def has_run(session: Session, dag_id: str, run_id: str) -> bool:
    """Tell whether there is such a run."""
    found = select(DagRun.id).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
    return session.scalar(found) is not None


def pushes_of(
    session: Session, dag_id: str, run_id: str, place: tuple[str, int | None] | None = None
) -> list[PushTask]:
    """Find the pushes of a run in the order of their tasks.

    :param place: only this task id and map index; None for all that a mapped task was expanded to.
    """
    rows = select(*_columns()).where(
        TaskInstance.dag_id == dag_id,
        TaskInstance.run_id == run_id,
        TaskInstance.custom_operator_name == OPERATOR,
    )
    if place is not None:
        rows = rows.where(TaskInstance.task_id == place[0])
        if place[1] is not None:
            rows = rows.where(TaskInstance.map_index == place[1])
    found = session.execute(rows.order_by(TaskInstance.task_id, TaskInstance.map_index)).all()
    task_ids = {row.task_id for row in found}
    reports = reports_of(session, dag_id, run_id, task_ids)
    progress = _progress(session, dag_id, run_id, task_ids)
    return [
        PushTask(
            task_id=row.task_id,
            map_index=row.map_index,
            state=None if row.state is None else str(row.state),
            try_number=row.try_number,
            name=row.task_display_name,
            label=row.rendered_map_index,
            report=reports.get((row.task_id, row.map_index)),
            has_no_report=reports.get((row.task_id, row.map_index), _NOTHING) is None,
            progress=progress.get((row.task_id, row.map_index)),
        )
        for row in found
    ]


def nothing_found(session: Session, dag_id: str, run_id: str, task_id: str | None = None) -> str:
    """Say why the sensor of a run found nothing to push, as it says itself; empty where it does not.

    :param task_id: only what this task says.
    """
    rows = select(cast(XComModel.value, Text)).where(
        XComModel.dag_id == dag_id, XComModel.run_id == run_id, XComModel.key == NOTHING_FOUND_KEY
    )
    if task_id is not None:
        rows = rows.where(XComModel.task_id == task_id)
    said = read_text(session.scalar(rows.order_by(XComModel.task_id).limit(1)))
    return said[:_MOST_SAID]


def _columns() -> list[Any]:
    names = ("task_id", "map_index", "state", "try_number", "task_display_name", "rendered_map_index")
    return [getattr(TaskInstance, name) for name in names]


def reports_of(
    session: Session, dag_id: str, run_id: str, task_ids: set[str]
) -> dict[_Place, Mapping[str, Any] | None]:
    """Read the reports of tasks; None stands for a value that is there, and is no report."""
    # As text: the database's own reading of JSON fails for all of them where one cannot be read.
    value = cast(XComModel.value, Text).label("value")
    rows = select(XComModel.task_id, XComModel.map_index, XComModel.key, value).where(
        XComModel.dag_id == dag_id,
        XComModel.run_id == run_id,
        XComModel.key.in_((RETURN_VALUE, REPORT_KEY)),
        XComModel.task_id.in_(task_ids),
    )
    reports: dict[_Place, Mapping[str, Any] | None] = {}
    # "report" sorts before "return_value", which is the later word where a task has both.
    for row in session.execute(rows.order_by(XComModel.key)).all():
        place = (row.task_id, row.map_index)
        if (found := read_report(row.value)) is not None:
            reports[place] = found
        elif not is_kept_elsewhere(row.value):
            reports.setdefault(place, None)
    return reports


def read_report(text: str | None) -> Mapping[str, Any] | None:
    """Read the report of any task of ours; None where it is none."""
    found = read_object(text)
    # A push says its status, and what Braze says of a sync that of its job.
    said = None if found is None else found.get("status", found.get("job_status"))
    return found if isinstance(said, str) else None


def _progress(
    session: Session, dag_id: str, run_id: str, task_ids: set[str]
) -> dict[_Place, Mapping[str, Any]]:
    if TaskStateStoreModel is None:
        return {}
    store = TaskStateStoreModel
    rows = select(store.task_id, store.map_index, store.value).where(
        store.dag_id == dag_id,
        store.run_id == run_id,
        store.key == PROGRESS_KEY,
        store.task_id.in_(task_ids),
    )
    return {
        (row.task_id, row.map_index): value
        for row in session.execute(rows).all()
        if (value := read_object(row.value)) is not None
    }
