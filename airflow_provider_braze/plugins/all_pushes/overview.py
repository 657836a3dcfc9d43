"""The page of all pushes: totals and a chart by day, then a row for each, all of it as the address asks.

Above: the web app. Below: what the database holds, and how one push is read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from airflow_provider_braze.plugins.all_pushes.history import History
from airflow_provider_braze.plugins.all_pushes.line import LATE, PUSHES, SET_ASIDE, UNDER_WAY, Line
from airflow_provider_braze.plugins.cards.card import own_names
from airflow_provider_braze.plugins.cards.sums import last_tries, whole_of
from airflow_provider_braze.plugins.cards.table import ROWS_PER_PAGE, TableQuery, rank, tone_of
from airflow_provider_braze.plugins.rendering.charts import Bar, bars

SPANS = {1: "today", 7: "7 days", 30: "30 days", 90: "90 days", 365: "365 days"}
"""Days that the page shows at a choice."""

_DEFAULT_SPAN = 30


@dataclass(frozen=True, slots=True)
class AskedOfAll(TableQuery):
    """What the address asks of the page; whatever stands there, it is no error.

    :param kind: only pushes, or only users or syncs.
    :param day: only pushes that began on it, in UTC.
    :param days: how many days, today among them, unless one day is asked for.
    """

    dag: str = ""
    workspace: str = ""
    kind: str = ""
    day: str = ""
    days: int = 0

    @property
    def one_day(self) -> date | None:
        """The day that is asked for; None where there is none."""
        try:
            day = date.fromisoformat(self.day)
        except ValueError:
            return None
        # Airflow was not there before, and the day after the last one has no date.
        return day if 2000 <= day.year < 9999 else None

    @property
    def span(self) -> int:
        """How many days are shown."""
        return self.days if self.days in SPANS else _DEFAULT_SPAN

    def between(self, now: datetime) -> tuple[date, date]:
        """Give the first day that is shown, and the last one."""
        if day := self.one_day:
            return day, day
        return now.date() - timedelta(days=self.span - 1), now.date()

    @property
    def is_filtered(self) -> bool:
        """Whether rows are left out, of the days that are shown."""
        return self.filtered or bool(self.dag or self.workspace or self.kind)


@dataclass(slots=True)
class Total:
    """What some pushes come to; ``day`` is empty for all of them."""

    day: str = ""
    pushes: int = 0
    records: int = 0
    failed: int = 0
    data_points: int = 0

    def add(self, line: Line, *, is_new: bool = True) -> None:
        """Add one push; a further shard of an export that is counted already is none."""
        self.pushes += is_new
        self.records += line.row.records
        self.failed += line.row.failed
        self.data_points += line.data_points


@dataclass(slots=True)
class Overview:
    """What the page shows.

    :param lines: the page's rows.
    :param found: how many rows there are on all pages.
    :param states: each with its colour, and how many pushes are in it.
    :param pushes: what was pushed; plans are in ``plans`` alone, and what is no push is only counted, in ``others``.
    :param days: the same by day, those without a push among them.
    :param live: something is under way.
    """

    asked: AskedOfAll
    lines: list[Line]
    found: int
    states: list[tuple[str, str, int]]
    choices: Mapping[str, list[str]]
    has_more: bool
    live: bool
    pushes: Total = field(default_factory=Total)
    plans: Total = field(default_factory=Total)
    others: int = 0
    days: list[Total] = field(default_factory=list)

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return -(-self.found // ROWS_PER_PAGE)

    @property
    def named_lines(self) -> list[tuple[Line, str]]:
        """The page's rows, each with what its links are called by: an export can have been pushed twice."""
        return list(zip(self.lines, own_names(line.row.title for line in self.lines), strict=True))

    @property
    def days_with_pushes(self) -> list[Total]:
        """The days on which anything was pushed, newest first."""
        return [day for day in reversed(self.days) if day.pushes]

    def chart(self, name: str) -> list[Bar]:
        """Draw one of the counts by day."""
        return bars({day.day: getattr(day, name) for day in self.days})


def overview(found: History, asked: AskedOfAll, now: datetime) -> Overview:
    """Lay out the page.

    :param now: this moment, in UTC.
    """
    first, last = asked.between(now)
    # A list that began before midnight has exports of the day after.
    lines = [line for line in found.lines if first <= line.began.date() <= last]
    of_any_state = [line for line in lines if _picks(asked, line)]
    states = Counter(state for line in of_any_state for state in line.states)
    states.update(found.idle)
    picked = [line for line in of_any_state if asked.state in ("", *line.states)]
    begin = (asked.page - 1) * ROWS_PER_PAGE
    page = Overview(
        asked,
        picked[begin : begin + ROWS_PER_PAGE],
        len(picked),
        [(state, _tone(state), states[state]) for state in sorted(states, key=rank)],
        {
            "dag": _choices(lines, lambda line: line.dag_id),
            "channel": _choices(lines, lambda line: line.row.channel),
            "offer": _choices(lines, lambda line: line.row.offer),
            "workspace": _choices(lines, lambda line: line.workspace),
            "kind": _choices(lines, lambda line: line.kind) if any(line.other for line in lines) else [],
        },
        found.has_more,
        any(UNDER_WAY in line.states for line in lines),
        days=[Total(str(first + timedelta(days=n))) for n in range((last - first).days + 1)],
    )
    page.others = sum(line.kind != PUSHES for line in picked)
    _add_up(page, [line for line in picked if line.kind == PUSHES])
    return page


def _picks(asked: AskedOfAll, line: Line) -> bool:
    return (
        asked.dag in ("", line.dag_id)
        and asked.workspace in ("", line.workspace)
        and asked.kind in ("", line.kind)
        and asked.picks_in_any_state(line.row)
    )


def _add_up(page: Overview, lines: Iterable[Line]) -> None:
    """Add up pushes and plans apart; of an export that a run tried more than once, its tries are one.

    An export that was pushed in shards is one push, with what all of them count.
    """
    by_day = {date.fromisoformat(day.day): day for day in page.days}
    runs: dict[tuple[str, str, bool], dict[int, Line]] = {}
    for line in lines:
        runs.setdefault((line.dag_id, line.run_id, line.is_plan), {})[id(line.push)] = line
    for (_, _, are_plans), of_run in runs.items():
        exports = set()
        for place, (push, said) in enumerate(last_tries([line.push for line in of_run.values()])):
            line, export = of_run[id(push)], whole_of(said) or place
            is_new = export not in exports
            exports.add(export)
            (page.plans if are_plans else page.pushes).add(line, is_new=is_new)
            if not are_plans:
                by_day[line.began.date()].add(line, is_new=is_new)


def _tone(state: str) -> str:
    return {UNDER_WAY: "waiting", LATE: "warning", SET_ASIDE: "error"}.get(state) or tone_of(state)


def _choices(lines: Iterable[Line], name: Callable[[Line], str]) -> list[str]:
    return sorted({name(line) for line in lines} - {""})
