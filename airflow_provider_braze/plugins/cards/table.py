"""The table of pushes: one row each, those that need somebody first, sorted and filtered by the page's address.

Above: the pages. Below: what all cards have in common, and which push has failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import urlencode

from airflow_provider_braze.plugins.cards.card import (
    DEFERRED,
    RUNNING,
    PushTask,
    moment,
    own_names,
    places_of,
    progress_of,
    said_of,
    state_word,
    text,
    title_of,
)
from airflow_provider_braze.plugins.cards.ended import is_failed
from airflow_provider_braze.plugins.rendering import wording
from airflow_provider_braze.plugins.rendering.charts import count

ROWS_PER_PAGE = 100
MOST_CARDS = 25
"""Rows of a page up to which their cards stand below them; of more, one card is shown at a time."""

FAILED, WAITING_FOR_BRAZE, SOME_FAILED = "failed", "waiting for Braze", "complete, some failed"
TROUBLE = "trouble at Braze"
"""Of a push that runs, and whose requests Braze answers with errors."""

_TONES = {FAILED: "error", "upstream failed": "error", "held up": "warning", "up for retry": "warning"} | {
    WAITING_FOR_BRAZE: "waiting",
    TROUBLE: "warning",
    RUNNING: "running",
    "waiting": "waiting",
    DEFERRED: "waiting",
    SOME_FAILED: "warning",
    "complete": "success",
    "success": "success",
    "planned": "info",
}
# What needs somebody first, then what is under way, then what has ended.
_FIRST = (
    FAILED,
    "upstream failed",
    "held up",
    "up for retry",
    TROUBLE,
    WAITING_FOR_BRAZE,
    RUNNING,
    "waiting",
)
_LAST = (SOME_FAILED, "held", "complete", "planned", "success", "skipped", "removed")


@dataclass(frozen=True, slots=True)
class TableRow:
    """What the table shows of one push; ``anchor`` is the id of its card."""

    task: PushTask
    anchor: str
    title: str
    state: str
    channel: str
    offer: str
    records: int
    failed: int

    @property
    def tone(self) -> str:
        """Give the colour of its state."""
        return tone_of(self.state)


_KEYS: dict[str, Callable[[TableRow], Any]] = {
    "name": lambda row: row.title.casefold(),
    "state": lambda row: rank(row.state),
    "channel": lambda row: row.channel.casefold(),
    "offer": lambda row: row.offer.casefold(),
    "records": lambda row: row.records,
    "failed": lambda row: row.failed,
}


@dataclass(frozen=True, slots=True)
class TableQuery:
    """What the address asks of the table; whatever stands there, it is no error.

    :param sort: a column's key, with a minus in front the other way round.
    :param card: anchor of the push whose card is shown.
    """

    state: str = ""
    channel: str = ""
    offer: str = ""
    text: str = ""
    sort: str = ""
    card: str = ""
    page: int = 1

    def link(self, **changes: Any) -> str:
        """Give the address that asks for something else besides."""
        asked = replace(self, **changes)
        given = {field.name: getattr(asked, field.name) for field in fields(asked)}
        return f"?{urlencode({name: value for name, value in given.items() if value and (name, value) != ('page', 1)})}"

    def sorted_by(self, key: str) -> str:
        """Give the address that sorts by a column, or by the same one the other way round."""
        return self.link(sort=f"-{key}" if self.sort == key else key, page=1)

    @property
    def filtered(self) -> bool:
        """Whether rows are left out."""
        return bool(self.state or self.channel or self.offer or self.text)

    def picks(self, row: TableRow) -> bool:
        """Tell whether a row is shown."""
        return self.state in ("", row.state) and self.picks_in_any_state(row)

    def picks_in_any_state(self, row: TableRow) -> bool:
        """Tell whether a row would be shown in another state."""
        return (
            self.channel in ("", row.channel)
            and self.offer in ("", row.offer)
            and (not self.text or self.text.casefold() in f"{row.title} {row.channel} {row.offer}".casefold())
        )


@dataclass(frozen=True, slots=True)
class Table:
    """One page of the table.

    :param states: how many pushes are in each state.
    :param found: how many rows there are on all pages.
    :param names: what the links of each row of this page are called, by its anchor.
    """

    asked: TableQuery
    rows: list[TableRow]
    found: int
    states: list[tuple[str, str, int]]
    channels: list[str]
    offers: list[str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, pushes: Sequence[PushTask], asked: TableQuery) -> Table:
        """Lay the table of some pushes."""
        rows = [row_of(push) for push in pushes]
        states = Counter(row.state for row in rows)
        key, backwards = asked.sort.removeprefix("-"), asked.sort.startswith("-")
        picked = sorted(filter(asked.picks, rows), key=_KEYS.get(key, _KEYS["state"]), reverse=backwards)
        first = (asked.page - 1) * ROWS_PER_PAGE
        shown = picked[first : first + ROWS_PER_PAGE]
        names = own_names(row.title for row in shown)
        return cls(
            asked,
            shown,
            len(picked),
            [(state, tone_of(state), states[state]) for state in sorted(states, key=rank)],
            sorted({row.channel for row in rows} - {""}),
            sorted({row.offer for row in rows} - {""}),
            {row.anchor: name for row, name in zip(shown, names, strict=True)},
        )

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-self.found // ROWS_PER_PAGE)

    @property
    def all_cards(self) -> bool:
        """Whether the cards of all rows are shown."""
        return len(self.rows) <= MOST_CARDS

    def href(self, row: TableRow) -> str:
        """Give the address of a row's card."""
        return f"#{row.anchor}" if self.all_cards else self.asked.link(card=row.anchor)

    def shown(self, pushes: Sequence[PushTask]) -> list[PushTask]:
        """List the pushes whose cards are shown."""
        if self.all_cards:
            return [row.task for row in self.rows]
        return [push for push in pushes if push.anchor == self.asked.card][:1]


def row_of(task: PushTask) -> TableRow:
    """Make the row of a push."""
    record = said_of(task)
    # The names of what is pushed are those of an earlier try, too.
    named = record or task.report or {}
    channel, offer, _ = places_of(named)
    return TableRow(
        task,
        task.anchor,
        title_of(task, named),
        _state_of(task),
        channel,
        offer,
        count(record, "records"),
        count(record, "failed"),
    )


def _state_of(task: PushTask) -> str:
    progress, report = progress_of(task), task.report
    if task.state == RUNNING or (task.state == DEFERRED and progress is not None):
        waits = task.state == DEFERRED or moment((progress or {}).get("waiting_until")) is not None
        if waits:
            return WAITING_FOR_BRAZE
        return TROUBLE if wording.trouble((progress or {}).get("trouble")) else RUNNING
    if report is None or task.state not in ("success", "failed"):
        return state_word(task.state)
    if is_failed(task, report):
        return FAILED
    status = text(report, "status")
    return SOME_FAILED if status == "complete" and count(report, "failed") else status or "success"


def tone_of(state: str) -> str:
    """Give the colour of a state."""
    return _TONES.get(state, "")


def rank(state: str) -> tuple[int, str]:
    """Sort states: first what needs somebody, then what is under way, then what has ended."""
    if state in _FIRST:
        return _FIRST.index(state), state
    return (len(_FIRST) + 1 + _LAST.index(state) if state in _LAST else len(_FIRST)), state
