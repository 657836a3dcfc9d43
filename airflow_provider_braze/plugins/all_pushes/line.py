"""One push as a row of the page of all pushes: where it is, what it came to, and why it waits, failed or was set aside.

What a task did to users, and a sync, is a row as well, and no push.

Above: what the database holds of thousands of them. Below: the table of one run, whose words are used here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_provider_braze.plugins.cards.card import (
    UNFINISHED,
    WAITING,
    PushTask,
    moment,
    progress_of,
    said_of,
    text,
)
from airflow_provider_braze.plugins.cards.table import (
    FAILED,
    SOME_FAILED,
    WAITING_FOR_BRAZE,
    TableRow,
    row_of,
)
from airflow_provider_braze.plugins.one_run.others import Other
from airflow_provider_braze.plugins.rendering import wording
from airflow_provider_braze.plugins.rendering.addresses import pages, quoted, root_path
from airflow_provider_braze.plugins.rendering.charts import count
from airflow_provider_braze.pushes.attempt.progress import minute_after

UNDER_WAY, LATE, SET_ASIDE = "waits or runs", "late", "set aside"
"""What can be asked for like a state, and stands beside it: a push can be failed, late and set aside."""

PUSHES = "pushes"
"""Kind of a row that is a push; those of the others are theirs."""

_MOST_WHY = 400


@dataclass(frozen=True, slots=True)
class Line:
    """What the page shows of one push, or of something else that a task did.

    :param began: when it began, in UTC; of one that has not, when its task was last touched.
    :param data_points: an estimate; of a plan, what it would cost.
    :param is_plan: nothing was sent.
    :param states: its state, and what else can be asked for like one.
    :param other: what it is instead of a push, which ``push`` then names only: it has no records and no data points.
    """

    dag_id: str
    run_id: str
    began: datetime
    push: PushTask
    row: TableRow
    workspace: str
    data_points: int
    is_plan: bool
    states: tuple[str, ...]
    other: Other | None = None

    @classmethod
    def of(cls, dag_id: str, run_id: str, began: datetime, push: PushTask) -> Line:
        """Make the row of a push."""
        row, of_this_try = row_of(push), said_of(push)
        said = of_this_try or push.report or {}
        states: tuple[str, ...] = (row.state,)
        if push.state in UNFINISHED or push.state == WAITING:
            states += (UNDER_WAY,)
        if isinstance(said.get("late"), dict):
            states += (LATE,)
        if said.get("set_aside") is True:
            states += (SET_ASIDE,)
        return cls(
            dag_id,
            run_id,
            began,
            push,
            row,
            text(said, "braze_conn_id") or text(said, "endpoint"),
            count(of_this_try, "data_points"),
            of_this_try.get("dry_run") is True,
            states,
        )

    @classmethod
    def of_other(cls, dag_id: str, run_id: str, began: datetime, other: Other) -> Line:
        """Make the row of what is no push."""
        task = PushTask(other.task_id, other.map_index, other.state, 0, other.name)
        row = TableRow(task, other.anchor, other.name, other.badge.word, "", "", 0, 0)
        states = (row.state, UNDER_WAY) if other.live else (row.state,)
        return cls(dag_id, run_id, began, task, row, other.workspace, 0, False, states, other)

    @property
    def kind(self) -> str:
        """Tell what it is: ``PUSHES``, or a kind of the others."""
        return PUSHES if self.other is None else self.other.kind

    @property
    def card(self) -> str:
        """Address of its card, or of its line, on the page of its run."""
        anchor = quoted(self.row.anchor)
        page = f"{pages()}/dags/{quoted(self.dag_id)}/runs/{quoted(self.run_id)}"
        return f"{page}?card={anchor}#{anchor}" if self.other is None else f"{page}#{anchor}"

    @property
    def run(self) -> str:
        """Address of its run, in Airflow."""
        return f"{root_path()}/dags/{quoted(self.dag_id)}/runs/{quoted(self.run_id)}"

    @property
    def why(self) -> str:
        """Say what keeps it waiting, why it failed, is late or was set aside; empty where there is nothing to say.

        Of what is no push, say what it did.
        """
        if self.other is not None:
            return ". ".join(filter(None, (self.other.said, self.other.error)))[:_MOST_WHY]
        report = said_of(self.push)
        said = []
        if isinstance(found := report.get("late"), dict):
            said.append(wording.late(found, text(report, "status")))
        error = text(report, "error")
        if SET_ASIDE in self.states:
            said.append(wording.set_aside(error))
        elif self.row.state == FAILED:
            said.append(error or f"{wording.TOO_MANY_FAILED} {wording.threshold(report)}".strip())
        elif self.row.state == SOME_FAILED:
            said.append(f"{wording.percent(self.row.failed / max(self.row.records, 1))} failed.")
        elif why := _why_unfinished(self):
            said.append(why)
        return " ".join(said)[:_MOST_WHY]


def _why_unfinished(line: Line) -> str:
    push = line.push
    progress = progress_of(push) or {}
    if line.row.state == WAITING_FOR_BRAZE and (until := moment(progress.get("waiting_until"))) is not None:
        return wording.RATE_LIMITED.format(f"{minute_after(until).astimezone(UTC):%H:%M}")
    if push.report is not None and push.state in ("success", "failed"):
        return ""
    if progress and push.state == "running":
        return wording.trouble(progress.get("trouble"))
    return "" if push.state == "success" else wording.STATE_SENTENCES.get(push.state, "")
