"""All pushes that Airflow's database holds, newest first, each with the little that a page of thousands shows of it.

Changes of users and syncs are among them. A report has some kilobytes, of which a row shows a dozen values: only these
are decoded, and rows of pushes that have ended are kept, so that ten thousand are shown in a fraction of a second.
Above: the page of all pushes. Below: Airflow's tables, and the row of one push.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
from sqlalchemy import Text, cast, func, literal_column, select

from airflow_provider_braze.airflow_compat.api_server import TaskInstance, TaskStateStoreModel, XComModel
from airflow_provider_braze.plugins.all_pushes.line import Line
from airflow_provider_braze.plugins.cards.card import UNDER_WAY, UNFINISHED, PushTask, moment, said_of
from airflow_provider_braze.plugins.one_run.lists import one_by_one
from airflow_provider_braze.plugins.one_run.others import OPERATORS, other_of
from airflow_provider_braze.plugins.one_run.runs import OPERATOR, REPORT_KEY, RETURN_VALUE, read_report
from airflow_provider_braze.plugins.one_run.stored import read_object
from airflow_provider_braze.pushes.attempt.progress import PROGRESS_KEY

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MOST = 20_000
"""Tasks, and pushes, of which the newest are read; the page says where there are more."""

NOTHING_TO_SAY = ("skipped", "removed")
"""States of tasks that had nothing to push. A scheduled DAG leaves one every few minutes: they are only counted."""

_SHOWN = (OPERATOR, *OPERATORS)

_FEW_RUNS = 500
"""Runs up to which a database looks each of them up, instead of reading all reports of a span of time."""

_Place = tuple[str, str, str, int]
"""DAG id, run id, task id and map index."""


class _ReportEntry(TypedDict, total=False):
    """What is read of an export in the report of a list, and of a push that has a report of its own."""

    status: Any
    export: Any
    path: Any
    channel: Any
    offer: Any
    workflow_id: Any
    fingerprint: Any
    shard: Any
    braze_conn_id: Any
    endpoint: Any
    dry_run: Any
    started_at: Any
    records: Any
    failed: Any
    data_points: Any
    counts: Any
    error: Any
    late: Any
    set_aside: Any
    max_rejected: Any


class _Report(_ReportEntry, total=False):
    exports: list[_ReportEntry]


_text = msgspec.json.Decoder(str)
_report = msgspec.json.Decoder(_Report)


@dataclass(frozen=True, slots=True)
class History:
    """What was found.

    :param lines: newest first, ``MOST`` at most.
    :param idle: how many tasks of each state in ``NOTHING_TO_SAY`` there are besides.
    :param has_more: there are older pushes that were not read.
    """

    lines: list[Line]
    idle: Mapping[str, int]
    has_more: bool = False


def dags_that_push(session: Session) -> list[str]:
    """List the DAGs that have pushed, changed users or synced, or are about to."""
    found = select(TaskInstance.dag_id).where(TaskInstance.custom_operator_name.in_(_SHOWN)).distinct()
    return list(session.scalars(found))


def history(
    session: Session, dag_ids: Iterable[str], since: datetime, until: datetime, *, idle: bool = False
) -> History:
    """Read what some DAGs pushed, and did else, in tasks that began in a span of time.

    :param idle: those that had nothing to do, instead of those that had.
    """
    began = func.coalesce(TaskInstance.start_date, TaskInstance.updated_at)
    asked = (
        TaskInstance.custom_operator_name.in_(_SHOWN),
        TaskInstance.dag_id.in_(list(dag_ids)),
        began >= since,
        began < until,
    )
    # A task that has not begun has no state, which no comparison is true of.
    is_idle = func.coalesce(TaskInstance.state, "").in_(NOTHING_TO_SAY)
    counted = session.execute(
        select(TaskInstance.state, func.count()).where(*asked, is_idle).group_by(TaskInstance.state)
    ).all()
    rows = session.execute(
        select(*_columns(), began)
        .where(*asked, is_idle if idle else ~is_idle)
        .order_by(began.desc(), TaskInstance.dag_id, TaskInstance.task_id, TaskInstance.map_index)
        .limit(MOST + 1)
    ).all()
    lines = _lines(session, rows[:MOST])
    return History(
        lines[:MOST],
        {str(state): int(number) for state, number in counted},
        len(rows) > MOST or len(lines) > MOST,
    )


def _columns() -> list[Any]:
    names = ("dag_id", "run_id", "task_id", "map_index", "state", "try_number", "task_display_name")
    # With the moment of its last change, two rows of a task that differ in nothing else do differ.
    others = ("rendered_map_index", "custom_operator_name", "updated_at")
    return [getattr(TaskInstance, name) for name in (*names, *others)]


class _Memory:
    """Rows of pushes that have ended, by what the database says of their tasks.

    Such a push changes only when its task does. Who edits its XCom by hand sees that in its card at once, and here
    after ten minutes. It knows nothing of users: only what a user may read is looked up in it.
    """

    SECONDS = 600

    def __init__(self) -> None:
        self._made: dict[Any, list[Line]] = {}
        self._since = time.monotonic()

    def look(self) -> dict[Any, list[Line]]:
        """Give what is kept; a new one where it has become too old or too much."""
        if time.monotonic() - self._since > self.SECONDS or len(self._made) > 2 * MOST:
            self._made, self._since = {}, time.monotonic()
        return self._made


_memory = _Memory()


def _lines(session: Session, rows: Sequence[Any]) -> list[Line]:
    """Make the rows of tasks, until there are too many."""
    kept = _memory.look()
    keys = [tuple(row) for row in rows]
    stored = _Stored(session, [row for row, key in zip(rows, keys, strict=True) if key not in kept])
    made: list[Line] = []
    for row, key in zip(rows, keys, strict=True):
        lines = kept.get(key)
        if lines is None:
            lines = _lines_of(row, stored)
            if row.state not in UNFINISHED:
                kept[key] = lines
        made += lines
        if len(made) > MOST:
            break
    return made


def _lines_of(row: Any, stored: _Stored) -> list[Line]:
    dag_id, run_id, task_id, map_index, state, try_number, name, label, operator, _, began = row
    place = (dag_id, run_id, task_id, map_index)
    if operator != OPERATOR:
        return [Line.of_other(dag_id, run_id, began, other_of(row, stored.reports.get(place)))]
    task = PushTask(
        task_id,
        map_index,
        None if state is None else str(state),
        try_number,
        name or task_id,
        label,
        stored.reports.get(place),
        stored.progress.get(place),
    )
    lines = [Line.of(dag_id, run_id, _began(push, began), push) for push in one_by_one([task])]
    return sorted(lines, key=lambda line: line.began, reverse=True) if len(lines) > 1 else lines


def _began(push: PushTask, task: datetime) -> datetime:
    """Say when a push began: an export in a list says so itself, where that can be."""
    said = moment(said_of(push).get("started_at")) if push.number else None
    if said is None or said.tzinfo is None or not task <= said < task + timedelta(days=30):
        return task
    return said.astimezone(UTC)


class _Stored:
    """Reports and progress of some tasks, which come newest first."""

    def __init__(self, session: Session, rows: Sequence[Any]) -> None:
        self.reports: dict[_Place, Mapping[str, Any]] = {}
        self.progress: dict[_Place, Mapping[str, Any]] = {}
        if rows:
            self._read_reports(session, rows)
            self._read_progress(session, {row.run_id for row in rows if row.state in UNDER_WAY})

    def _read_reports(self, session: Session, rows: Sequence[Any]) -> None:
        run_ids, oldest = {row.run_id for row in rows}, rows[-1][-1]
        # They are few, and say what no push says.
        others = {tuple(row)[:4] for row in rows if row.custom_operator_name != OPERATOR}
        place = (XComModel.dag_id, XComModel.run_id, XComModel.task_id, XComModel.map_index)
        asked = select(*place, XComModel.key, _as_text(session)).where(
            XComModel.dag_id.in_({row.dag_id for row in rows}),
            XComModel.task_id.in_({row.task_id for row in rows}),
            XComModel.key.in_((RETURN_VALUE, REPORT_KEY)),
            # A report is written after its task has begun.
            XComModel.timestamp >= oldest,
        )
        if len(run_ids) <= _FEW_RUNS:
            asked = asked.where(XComModel.run_id.in_(run_ids))
        for dag_id, run_id, task_id, map_index, key, text in session.execute(asked):
            where = (dag_id, run_id, task_id, map_index)
            # The return value is the later word where a task has both.
            if key == RETURN_VALUE or where not in self.reports:
                report = read_report(text) if where in others else _slim(text)
                if report is not None:
                    self.reports[where] = report

    def _read_progress(self, session: Session, run_ids: set[str]) -> None:
        store = TaskStateStoreModel
        if store is None or not run_ids:
            return
        found = session.execute(
            select(store.dag_id, store.run_id, store.task_id, store.map_index, store.value).where(
                store.key == PROGRESS_KEY, store.run_id.in_(run_ids)
            )
        )
        for dag_id, run_id, task_id, map_index, value in found:
            if (progress := read_object(value)) is not None:
                self.progress[dag_id, run_id, task_id, map_index] = progress


def _as_text(session: Session) -> Any:
    """Ask for a value as text: the database's own reading of JSON fails for all of them where one cannot be read."""
    if session.get_bind().dialect.name == "postgresql":
        # What is text in JSON comes as that text, which takes PostgreSQL a third of the time of writing it as JSON.
        return XComModel.value.op("#>>", return_type=Text())(literal_column("'{}'"))
    return cast(XComModel.value, Text)


def _slim(text: str | None) -> Mapping[str, Any] | None:
    """Read of a report what a row shows; None where it is none."""
    try:
        # Airflow serialises a value before it stores it as JSON, so that it is text in JSON.
        plain = _text.decode(text) if text and text[0] == '"' else text or ""
        report: Mapping[str, Any] | None = _report.decode(plain)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        # Whatever people wrote there: what the tab shows of it, this shows as well.
        report = read_object(text)
    return report if report is not None and isinstance(report.get("status"), str) else None
