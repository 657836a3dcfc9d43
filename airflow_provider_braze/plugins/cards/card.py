"""What the tab shows of one push, and how its parts are read: above are the kinds of cards, below nothing but wording.

Reports come from XCom, which people may edit: nothing here relies on a value being what the operator wrote.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_provider_braze.plugins.rendering import wording
from airflow_provider_braze.plugins.rendering.charts import (
    BarPart,
    CountBar,
    RateChart,
    count,
    number,
    settled_of,
)
from airflow_provider_braze.users_track.transport.clusters import cluster_of, dashboard_of
from airflow_provider_braze.users_track.transport.workspace import TRACK

RUNNING = "running"
DEFERRED = "deferred"
UNDER_WAY = (RUNNING, DEFERRED)
WAITING, HELD_UP = "waiting", "held up"
"""Of an export in a list whose turn is yet to come, and of one whose list has stopped before it."""

UNFINISHED = frozenset(
    {None, "scheduled", "queued", *UNDER_WAY, "restarting", "up_for_retry", "up_for_reschedule"}
)
"""States that change by themselves: the page refreshes."""

TONES = {
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
    :param about: what is known of it before it has a report: ``export``, ``braze_conn_id``, ``endpoint``.
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
    about: Mapping[str, Any] | None = None

    @property
    def anchor(self) -> str:
        """Name it in a page and in an address."""
        number = f"-{self.number}" if self.number else ""
        return f"{self.task_id}-{self.map_index}{number}"


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
    whole: str = "file"
    """What it is a share of."""
    waiting_until: datetime | None = None
    workspace: str = ""
    trouble: str = ""
    next_step: str = ""
    segments: list[BarPart] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)
    chart: RateChart | None = None
    data_points: list[CountBar] = field(default_factory=list)
    reasons: list[tuple[str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dashboard: str | None = None
    report_path: str = ""
    rejects_path: str = ""
    name: str = ""
    """What its links are called by: its title, and a number where another card of the page has the same."""

    def __post_init__(self) -> None:
        """Call it by its title, until it is known what else is on the page."""
        self.name = self.name or self.title

    @property
    def anchor(self) -> str:
        """Id of the card in the page, the same after a refresh."""
        return self.task.anchor


def progress_of(task: PushTask) -> Mapping[str, Any] | None:
    """Progress of the current try: the store outlives a try, and a task that is cleared."""
    progress = task.progress
    if progress is None or count(progress, "try_number") != task.try_number:
        return None
    return _to_be_sent(progress) if task.state == DEFERRED and "to_be_sent" not in progress else progress


def said_of(task: PushTask) -> Mapping[str, Any]:
    """Give what the current try says of itself: under way that is its progress, as a report is of an earlier try."""
    return (progress_of(task) if task.state in UNDER_WAY else task.report) or task.about or {}


def _to_be_sent(progress: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read what an older version left of a push that waits: what is sent after the wait was counted as failed."""
    waits, settled = count(progress, "not_sent"), settled_of(progress)
    return {
        **progress,
        "to_be_sent": waits,
        "not_sent": 0,
        "failed": max(0, count(progress, "failed") - waits),
        "share": number(progress, "share") * (settled - waits) / settled if settled else 0,
        "samples": list(listed(progress.get("samples")))[:-1],
    }


def empty_card(task: PushTask) -> Card:
    """Make a card of what Airflow knows by itself, and a list of its exports."""
    about = task.about or {}
    word = state_word(task.state)
    return Card(
        task,
        title_of(task, about),
        place_of(about),
        [Badge(word, TONES.get(str(task.state), ""))],
        workspace=workspace_of(about),
        dashboard=dashboard(about),
    )


def title_of(task: PushTask, record: Mapping[str, Any]) -> str:
    """Name a push by the file that it pushes, and which shard of it, or else by its task."""
    named, shard = _slashed(record).rpartition("/")[2], text(record, "shard")
    return f"{named} (shard {shard})" if named and shard else named or name_of(task)


def place_of(record: Mapping[str, Any]) -> str:
    """Say of which channel, offer and workflow an export is."""
    return " / ".join(filter(None, places_of(record)))


def places_of(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Give channel, offer and workflow id of an export; before there is a report, its path says them."""
    if "channel" in record or "offer" in record or "workflow_id" in record:
        return text(record, "channel"), text(record, "offer"), text(record, "workflow_id")
    parts = _slashed(record).split("/")
    return (parts[-4], parts[-3], parts[-2]) if len(parts) > 3 else ("", "", "")


def workspace_of(record: Mapping[str, Any]) -> str:
    """Say which Braze it is: connection, endpoint and cluster, with the path where that is not the usual one."""
    endpoint = text(record, "endpoint")
    if not endpoint:
        return text(record, "braze_conn_id")
    try:
        cluster = cluster_of(endpoint)
    except ValueError:
        cluster = None
    path = text(record, "request_path")
    where = endpoint + path if path != TRACK else endpoint
    return " · ".join(filter(None, (text(record, "braze_conn_id"), where, cluster or wording.NO_CLUSTER)))


def name_of(task: PushTask) -> str:
    """Name a task instance as Airflow's own pages do."""
    return task.name if task.label is None else f"{task.name} [{task.label}]"


def own_names(titles: Iterable[str]) -> list[str]:
    """Name what stands on one page so that no two links of it are called the same: an export can be there twice."""
    seen: Counter[str] = Counter()
    names = []
    for title in titles:
        seen[title] += 1
        names.append(title if seen[title] == 1 else f"{title} ({seen[title]})")
    return names


def state_word(state: str | None) -> str:
    """Say a state of Airflow's as a word."""
    return (state or "not started").replace("_", " ")


def dashboard(record: Mapping[str, Any]) -> str | None:
    """Give the address of the workspace's dashboard, where Braze documents it."""
    try:
        return dashboard_of(text(record, "endpoint"))
    except ValueError:
        return None


def text(record: Mapping[str, Any], name: str) -> str:
    """Read a text; what is none is empty."""
    value = record.get(name)
    if not isinstance(value, str):
        return ""
    # Half a character can be in no page.
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def listed(value: Any) -> Sequence[Any]:
    """Read a list; what is none is empty."""
    return value if isinstance(value, list) else ()


def moment(value: Any) -> datetime | None:
    """Read a moment; what is none is None."""
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _slashed(record: Mapping[str, Any]) -> str:
    return text(record, "export").replace("\\", "/").rstrip("/")
