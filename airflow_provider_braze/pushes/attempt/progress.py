"""How far a push has come while it runs: counts, pace, waiting for Braze, and samples for a chart.

Above: an attempt, which asks for it, and the tab, which shows it. Below: the ledger.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES

PROGRESS_KEY = "braze_progress"
"""Key of Airflow's task state store (3.3+) under which a running push keeps its progress."""

MOST_SAMPLES = 60
"""Points of the chart; they fit a report, and a value of the task state store (65,535 bytes)."""

_MOST_NOTES, _LONGEST_NOTE = 5, 500
"""The newest notes of the report that is to come, and their characters: a value of that store has room for them."""

TICK = 1.0
"""Seconds between looks at the counts: the pace of a push of a few seconds can be seen, too."""

EVERY = 5.0
"""Seconds between two tellings."""

_RECENT = 10.0
"""Seconds over which the current pace is taken."""

_Found = TypeVar("_Found")

Tell = Callable[[dict[str, Any]], None]
"""Takes the progress every few seconds, and once more at the end. It is called on the event loop: it must not block."""


class Samples:
    """At most 60 points ``[seconds, settled records]``, evenly apart however long the push takes.

    When there are too many, every other one is dropped and the interval doubles.

    :param interval: seconds between two points, to start with.
    :param settled: records that were settled before.
    """

    def __init__(self, interval: float = TICK, settled: int = 0) -> None:
        self.interval = interval
        self._points: list[tuple[float, int]] = [(0.0, settled)]

    def add(self, seconds: float, settled: int) -> None:
        """Take a point, unless the last one is too near."""
        if seconds - self._points[-1][0] < self.interval:
            return
        self._points.append((seconds, settled))
        if len(self._points) >= MOST_SAMPLES:
            self._points = self._points[::2]
            self.interval *= 2

    def until(self, seconds: float, settled: int) -> list[list[float]]:
        """List the points up to now."""
        points = list(self._points)
        if seconds > points[-1][0]:
            points.append((seconds, settled))
        return [[round(at, 1), count] for at, count in points]


class Progress:
    """Watches one push.

    :param ledger: its counts.
    :param export: path of what is pushed; None for rows of an author's own.
    :param tell: takes the progress every few seconds.
    :param share: share of the file or of the rows that was read; None where nobody knows.
    :param about: what else to tell of what is pushed.
    :param in_flight: records in requests that are not answered yet.
    :param trouble: what Braze answers while something is tried again.
    :param paused_for: seconds for which Braze lets nothing through.
    :param waited: seconds for which Braze had it wait so far, with earlier tries.
    :param clock: monotonic seconds.
    :param wall: the time of day.
    """

    def __init__(
        self,
        ledger: Ledger,
        export: str | None = None,
        *,
        tell: Tell | None = None,
        about: Mapping[str, Any] | None = None,
        share: Callable[[], float] | None = None,
        in_flight: Callable[[], int] = lambda: 0,
        trouble: Callable[[], dict[str, Any] | None] = lambda: None,
        paused_for: Callable[[], float] = lambda: 0.0,
        waited: Callable[[], float] = lambda: 0.0,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger, self._tell = ledger, tell
        self._about = {"export": export, **(about or {})}
        self._in_flight, self._trouble = in_flight, trouble
        self._share, self._paused_for, self._waited = share, paused_for, waited
        self._clock, self._wall = clock, wall
        self._started = clock()
        self._told_at = float("-inf")
        self._ended: float | None = None
        self._left_waiting = False
        # What an earlier try has settled is no pace of this one.
        self._settled_before = self._settled
        self._recent: deque[tuple[float, int]] = deque([(0.0, self._settled_before)])
        self._samples = Samples(settled=self._settled_before)

    def tick(self) -> None:
        """Look at the counts, and tell when it is time."""
        now = self._elapsed
        self._look(now)
        if self._tell is not None and now - self._told_at >= EVERY:
            self._told_at = now
            self._tell(self.as_dict())

    def watching(self, found: Iterator[_Found]) -> Iterator[_Found]:
        """Pass on what a plan goes through, and look at the counts meanwhile: a plan has no loop that does."""
        looked_at = self._clock()
        for each in found:
            yield each
            if self._clock() - looked_at >= TICK:
                looked_at = self._clock()
                self.tick()

    def finish(self, *, waiting: bool = False) -> None:
        """Tell a last time, now that nothing moves any more.

        :param waiting: the push has left its worker until Braze lets it go on.
        """
        self._left_waiting = waiting
        self._look(self._elapsed)
        self._ended = self._elapsed
        if self._tell is not None:
            self._tell(self.as_dict())

    def samples(self) -> list[list[float]]:
        """Points ``[seconds, settled records]`` so far, at most 60."""
        return self._samples.until(self._elapsed, self._settled)

    def as_dict(self) -> dict[str, Any]:
        """Write the progress as JSON; times are ISO 8601 in UTC, durations seconds."""
        counts = self._ledger.outcomes
        paused_for = self._paused_for() if self._ended is None or self._left_waiting else 0.0
        waits = self._to_be_sent
        return {
            "at": self._wall_in(0.0),
            **self._about,
            "share": self._share_done(),
            "records": self._ledger.records,
            **{outcome: counts[outcome] for outcome in OUTCOMES},
            "not_sent": counts["not_sent"] - waits,
            "to_be_sent": waits,
            "in_flight": self._in_flight() if self._ended is None else 0,
            "failed": self._ledger.failed - waits,
            "records_per_second": round(self._pace(), 1),
            "requests": self._ledger.requests,
            "waiting_until": self._wall_in(paused_for) if paused_for > 0 else None,
            "waited_seconds": round(self._waited(), 1),
            "trouble": self._trouble() if self._ended is None else None,
            "notes": [note[:_LONGEST_NOTE] for note in self._ledger.notes[-_MOST_NOTES:]],
            "elapsed": round(self._elapsed, 1),
            "samples": self.samples(),
        }

    def _share_done(self) -> float | None:
        """Share of the whole that is settled: reading runs ahead of what Braze has answered."""
        if self._share is None:
            return None
        return round(self._share() * self._settled / max(self._ledger.records, 1), 4)

    @property
    def _elapsed(self) -> float:
        return self._clock() - self._started if self._ended is None else self._ended

    @property
    def _settled(self) -> int:
        return sum(self._ledger.outcomes.values()) - self._to_be_sent

    @property
    def _to_be_sent(self) -> int:
        """Records of a push that waits without a worker that are sent after the wait: they have not failed."""
        if not self._left_waiting:
            return 0
        # What was given up for good is in the settled beginning.
        return self._ledger.outcomes["not_sent"] - self._ledger.settled.outcomes["not_sent"]

    def _look(self, now: float) -> None:
        self._samples.add(now, self._settled)
        self._recent.append((now, self._settled))
        while len(self._recent) > 2 and self._recent[1][0] <= now - _RECENT:
            self._recent.popleft()

    def _pace(self) -> float:
        """Records that were settled in a second, lately; over the whole push once it has ended."""
        since, before = self._recent[0] if self._ended is None else (0.0, self._settled_before)
        seconds = self._elapsed - since
        return (self._settled - before) / seconds if seconds > 0 else 0.0

    def _wall_in(self, seconds: float) -> str:
        return (self._wall() + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def minute_after(moment: datetime) -> datetime:
    """Round up to a whole minute: until 12:02 is never over when 12:02 begins."""
    return moment + timedelta(seconds=-moment.second % 60, microseconds=-moment.microsecond)


def progress_line(progress: dict[str, Any]) -> str:
    """Say the progress in one line, for a log."""
    done = "" if progress["share"] is None else f"{progress['share']:.0%} done, "
    parts = [
        f"{done}{progress['records']:,} records",
        f"{progress['records_per_second']:,.0f} a second",
        f"{progress['accepted']:,} accepted",
        f"{progress['failed']:,} failed",
        f"{progress['requests']:,} requests",
    ]
    parts += [f"{progress[name]:,} {name}" for name in ("merged", "not_found") if progress[name]]
    if progress["to_be_sent"]:
        parts.append(f"{progress['to_be_sent']:,} to be sent after the wait")
    if trouble := progress["trouble"]:
        parts.append(f"{trouble['reason']}; try {trouble['next_try']} of {trouble['most_tries']}")
    if progress["waiting_until"]:
        until = minute_after(datetime.fromisoformat(progress["waiting_until"])).astimezone(UTC)
        parts.append(f"waiting for Braze until {until:%H:%M} UTC")
    return f"{', '.join(parts)}."
