"""What else of ours a run did, a line for each task: changes of users, and syncs of Cloud Data Ingestion.

These are no pushes: they have a line on the page of all pushes, too, and count in no sum there or of a run.

Above: the pages. Below: the database, and what all cards have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from airflow_provider_braze.airflow_compat.api_server import TaskInstance
from airflow_provider_braze.plugins.cards.card import TONES, UNFINISHED, Badge, state_word, text
from airflow_provider_braze.plugins.one_run.runs import reports_of
from airflow_provider_braze.plugins.rendering import wording
from airflow_provider_braze.plugins.rendering.charts import count
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

USERS, SYNCS = "users", "syncs"

OPERATORS: Mapping[str, str] = {
    "BrazeUsersOperator": USERS,
    "BrazeCdiSyncOperator": SYNCS,
    "BrazeCdiSyncSensor": SYNCS,
}
"""``custom_operator_name`` of their tasks, and of which kind they are."""

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Other:
    """One task.

    :param kind: ``USERS`` or ``SYNCS``.
    :param state: Airflow's.
    :param name: what the UI calls it.
    :param said: what it did, in counts; empty while nothing is known.
    :param error: what ended it.
    :param workspace: its Airflow connection; empty where its report does not say it, as that of a sync.
    """

    task_id: str
    map_index: int
    kind: str
    state: str | None
    name: str
    badge: Badge
    said: str
    error: str
    report_path: str
    rejects_path: str
    workspace: str

    @property
    def live(self) -> bool:
        """Whether it is yet to end."""
        return self.state in UNFINISHED

    @property
    def anchor(self) -> str:
        """Name its row in the page of its run."""
        return f"other-{self.task_id}-{self.map_index}"


def others_of(
    session: Session, dag_id: str, run_id: str, place: tuple[str, int | None] | None = None
) -> list[Other]:
    """Find them in the order of their tasks.

    :param place: only this task id and map index; None for all that a mapped task was expanded to.
    """
    task = TaskInstance
    names: tuple[Any, ...] = (
        task.task_id,
        task.map_index,
        task.state,
        task.task_display_name,
        task.rendered_map_index,
        task.custom_operator_name,
    )
    rows = select(*names).where(
        task.dag_id == dag_id, task.run_id == run_id, task.custom_operator_name.in_(OPERATORS)
    )
    if place is not None:
        rows = rows.where(task.task_id == place[0])
        if place[1] is not None and place[1] >= 0:
            rows = rows.where(task.map_index == place[1])
    found = session.execute(rows.order_by(task.task_id, task.map_index)).all()
    reports = reports_of(session, dag_id, run_id, {row.task_id for row in found})
    return [other_of(row, reports.get((row.task_id, row.map_index))) for row in found]


def other_of(row: Any, report: Mapping[str, Any] | None) -> Other:
    """Say what one task did.

    :param row: its columns, by the names that they have in the database.
    """
    state = None if row.state is None else str(row.state)
    # Under way it is of an earlier try.
    report = _NOTHING if state in UNFINISHED or report is None else report
    name = row.task_display_name or row.task_id
    return Other(
        task_id=row.task_id,
        map_index=row.map_index,
        kind=OPERATORS[row.custom_operator_name],
        state=state,
        name=name if row.rendered_map_index is None else f"{name} [{row.rendered_map_index}]",
        badge=Badge(state_word(state), TONES.get(str(state), "")),
        said=_of_sync(report) if "job_status" in report else _of_users(report),
        error=text(report, "error"),
        report_path=text(report, "report_path"),
        rejects_path=text(report, "rejects_path"),
        workspace=text(report, "braze_conn_id") or text(report, "endpoint"),
    )


def _of_users(report: Mapping[str, Any]) -> str:
    if not report:
        return ""
    counts = [f"{count(report, 'records'):,} rows"]
    counts += [
        f"{found:,} {wording.spaced(outcome)}" for outcome in OUTCOMES if (found := count(report, outcome))
    ]
    return f"{wording.spaced(text(report, 'action'))}: {', '.join(counts)}"


def _of_sync(report: Mapping[str, Any]) -> str:
    status = text(report, "job_status").replace("_", " ")
    if status == "started":
        return "sync started; nothing waited for it here"
    synced, failed = count(report, "rows_synced"), count(report, "rows_failed_with_errors")
    said = f"sync {status}: {synced:,} rows synced, {failed:,} failed"
    if began := text(report, "sync_start_time"):
        said += f", begun {began}"
    return f"{said}; which sync it was is not certain" if report.get("ambiguous") is True else said
