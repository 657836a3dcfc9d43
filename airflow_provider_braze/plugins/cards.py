"""One card of the tab for each push of a run: what its task, its report and its progress say.

Reports come from XCom, which people may edit: nothing here relies on a value being what the operator wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_braze.plugins import wording
from airflow_provider_braze.plugins.charts import RateChart, Segment, bar, count, number, rate_chart
from airflow_provider_braze.pushes.progress import minute_after
from airflow_provider_braze.users_track.clusters import dashboard_of

RUNNING = "running"
DEFERRED = "deferred"
UNDER_WAY = (RUNNING, DEFERRED)
WAITING, HELD_UP = "waiting", "held up"
"""Of an export in a list whose turn is yet to come, and of one whose list has stopped before it."""

UNFINISHED = frozenset(
    {None, "scheduled", "queued", *UNDER_WAY, "restarting", "up_for_retry", "up_for_reschedule"}
)
"""States that change by themselves: the page refreshes."""

_TONES = {
    "complete": "success",
    "success": "success",
    "partial": "warning",
    "up_for_retry": "warning",
    "failed": "error",
    "upstream_failed": "warning",
    "planned": "info",
    RUNNING: "running",
    DEFERRED: "waiting",
    WAITING: "waiting",
    HELD_UP: "warning",
    "held": "warning",
}


@dataclass(frozen=True, slots=True)
class PushTask:
    """One task instance that pushes, as Airflow's database knows it.

    :param name: what the UI calls the task.
    :param label: what the UI calls its map index, None where it is not mapped.
    :param report: report of its last try, None where there is none.
    :param progress: its progress in the task state store, None where there is none.
    :param number: of an export in a list that one task pushes, from 1 on; else 0.
    :param has_no_report: there is something in the place of its report, which is none.
    :param said: why there was nothing to push, as the sensor before it says.
    """

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    name: str
    label: str | None = None
    report: Mapping[str, Any] | None = None
    progress: Mapping[str, Any] | None = None
    number: int = 0
    has_no_report: bool = False
    said: str = ""


@dataclass(frozen=True, slots=True)
class Badge:
    """A word in a colour."""

    word: str
    tone: str


@dataclass(slots=True)
class Card:
    """What the template shows of one push."""

    task: PushTask
    title: str
    place: str
    badges: list[Badge]
    sentence: str = ""
    error: str = ""
    share: float | None = None
    waiting_until: datetime | None = None
    segments: list[Segment] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    chart: RateChart | None = None
    reasons: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dashboard: str | None = None
    report_path: str = ""
    rejects_path: str = ""

    @property
    def anchor(self) -> str:
        """Id of the card in the page, the same after a refresh."""
        number = f"-{self.task.number}" if self.task.number else ""
        return f"{self.task.task_id}-{self.task.map_index}{number}"


def card_of(task: PushTask, *, has_store: bool) -> Card:
    """Make the card of one push.

    :param has_store: whether this Airflow has a task state store (3.3+).
    """
    try:
        return _card_of(task, has_store=has_store)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        # Whatever people wrote there, the other cards of the page are shown.
        card = _empty(task)
        card.sentence = wording.NO_REPORT
        return card


def _card_of(task: PushTask, *, has_store: bool) -> Card:
    progress = _progress_of(task)
    if task.state == RUNNING or (task.state == DEFERRED and progress is not None):
        return _running(task, progress, has_store=has_store)
    if task.report is not None:
        return _ended(task, task.report)
    if progress is not None and task.state != "success":
        card = _of_progress(task, progress, Badge(_state_word(task.state), _TONES.get(str(task.state), "")))
        card.sentence = wording.NO_REPORT_YET.format(count(progress, "try_number") or 1)
        return card
    card = _empty(task)
    card.sentence = wording.STATE_SENTENCES.get(task.state, "")
    if task.has_no_report and task.state in ("success", "failed"):
        card.sentence = wording.NO_REPORT
    return card


def _progress_of(task: PushTask) -> Mapping[str, Any] | None:
    """Progress of the current try: the store outlives a try, and a task that is cleared."""
    if task.progress is None or count(task.progress, "try_number") != task.try_number:
        return None
    return task.progress


def _empty(task: PushTask) -> Card:
    word = _state_word(task.state)
    return Card(task, _name(task), "", [Badge(word, _TONES.get(str(task.state), ""))])


def _running(task: PushTask, progress: Mapping[str, Any] | None, *, has_store: bool) -> Card:
    if progress is None:
        card = _empty(task)
        card.sentence = wording.STARTING if has_store else wording.NO_STORE
        return card
    until = _moment(progress.get("waiting_until"))
    waits = until is not None or task.state == DEFERRED
    card = _of_progress(
        task, progress, Badge("waiting for Braze", "waiting") if waits else Badge(RUNNING, RUNNING)
    )
    card.waiting_until = minute_after(until) if until else None
    if task.state == DEFERRED:
        card.sentence = wording.STATE_SENTENCES[DEFERRED]
    return card


def _of_progress(task: PushTask, progress: Mapping[str, Any], badge: Badge) -> Card:
    share = progress.get("share")
    return Card(
        task,
        _title(task, progress),
        "",
        [badge],
        share=min(number(progress, "share"), 1.0) if isinstance(share, int | float) else None,
        segments=bar(progress, running=True),
        facts=[
            ("Records read", f"{count(progress, 'records'):,}"),
            ("Pace", wording.pace(number(progress, "records_per_second"))),
            ("Running for", wording.duration(number(progress, "elapsed"))),
            ("Failed", f"{count(progress, 'failed'):,}"),
            ("Requests", f"{count(progress, 'requests'):,}"),
        ],
        chart=rate_chart(progress.get("samples")),
        dashboard=_dashboard(progress),
    )


def _ended(task: PushTask, report: Mapping[str, Any]) -> Card:
    status = _text(report, "status") or "ended"
    badges = [Badge(status, _TONES.get(status, ""))]
    if task.state not in (None, "success") and task.state != status:
        badges.append(Badge(f"task {_state_word(task.state)}", _TONES.get(str(task.state), "")))
    if report.get("set_aside") is True:
        badges.append(Badge("set aside", "error"))
    if report.get("late"):
        badges.append(Badge("late", "warning"))
    if mode := _text(report, "mode"):
        badges.append(Badge(mode, ""))
    card = Card(
        task,
        _title(task, report),
        " / ".join(filter(None, (_text(report, name) for name in ("channel", "offer", "workflow_id")))),
        badges,
        error=_text(report, "error"),
        segments=bar(report),
        facts=_facts(report),
        chart=rate_chart(report.get("samples")),
        reasons=_reasons(report),
        notes=_notes(report),
        dashboard=_dashboard(report),
        report_path=_text(report, "report_path"),
        rejects_path=_text(report, "rejects_path"),
    )
    if task.state == "failed" and not card.error and count(report, "failed"):
        card.sentence = wording.TOO_MANY_FAILED
    return card


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    planned = report.get("dry_run") is True
    records, seconds = count(report, "records"), number(report, "seconds")
    requests, retries = count(report, "requests"), count(report, "retries")
    waited, refused = number(report, "waited_seconds"), count(report, "rate_limited")
    facts = [("Records", f"{records:,}")]
    if planned:
        facts += [
            ("Requests planned", f"{count(report, 'planned_requests'):,}"),
            ("Shortest at the limit", wording.duration(number(report, "seconds_at_limit"))),
            ("Data points it would cost", f"{count(report, 'data_points'):,}"),
        ]
        return facts
    return [
        *facts,
        ("Pace", wording.pace((records - count(report, "not_sent")) / seconds) if seconds else "none"),
        ("Duration", wording.duration(seconds)),
        ("Requests", f"{requests:,}" + (f" ({retries:,} again)" if retries else "")),
        (
            "Waited for the limit",
            f"{wording.duration(waited)} ({refused:,} refusals)" if waited or refused else "not at all",
        ),
        ("Data points", f"{count(report, 'data_points'):,}"),
    ]


def _reasons(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    reasons = report.get("reasons")
    if not isinstance(reasons, Mapping):
        return []
    counted = [(str(reason), count(reasons, reason)) for reason in reasons]
    return sorted(counted, key=lambda pair: -pair[1])


def _notes(report: Mapping[str, Any]) -> list[str]:
    interrupted = wording.interrupted(count(report, "resumed_after"), count(report, "sent_again"))
    given = [note for note in _list(report.get("notes")) if isinstance(note, str)]
    return [interrupted, *given] if interrupted else given


def _title(task: PushTask, record: Mapping[str, Any]) -> str:
    export = _text(record, "export").replace("\\", "/").rstrip("/")
    return export.rpartition("/")[2] or _name(task)


def _name(task: PushTask) -> str:
    """Name a task instance as Airflow's own pages do."""
    return task.name if task.label is None else f"{task.name} [{task.label}]"


def _state_word(state: str | None) -> str:
    return (state or "not started").replace("_", " ")


def _dashboard(record: Mapping[str, Any]) -> str | None:
    try:
        return dashboard_of(_text(record, "endpoint"))
    except ValueError:
        return None


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    # Half a character can be in no page.
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _moment(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Summary:
    """All pushes of a run together."""

    exports: int
    running: int
    records: int
    failed: int
    data_points: int
    segments: list[Segment]

    @classmethod
    def of(cls, tasks: Sequence[PushTask]) -> Summary:
        """Add up what the reports, and the progress of running pushes, say."""
        said = [(_progress_of(task) if task.state in UNDER_WAY else task.report) or {} for task in tasks]
        totals: dict[str, Any] = {}
        for record in said:
            # What a plan would cost is not spent.
            spent = () if record.get("dry_run") is True else ("data_points",)
            for name in (*wording.OUTCOME_MEANINGS, "records", "failed", *spent):
                totals[name] = totals.get(name, 0) + count(record, name)
        running = sum(task.state in UNDER_WAY for task in tasks)
        return cls(
            len(tasks),
            running,
            totals["records"],
            totals["failed"],
            totals.get("data_points", 0),
            bar(totals, running=bool(running)),
        )
