"""What the tab draws: positions for plain SVG, from numbers that may be anything that was once in an XCom.

Above: the cards and the pages. Below: the words for outcomes and for statuses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from airflow_provider_braze.pushes.exports.list_report import OTHERS
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES

IN_FLIGHT, READ_AHEAD, TO_BE_SENT, TO_COME = "in_flight", "read_ahead", "to_be_sent", "to_come"
"""No outcomes, only parts of a running push's bar: in a request that is not answered yet, read and not sent yet, to be
sent after a wait, and not read yet (an estimate)."""

_LARGEST = 10**15
"""No count or number of seconds of a push is larger; of what is, nothing can be drawn."""

SHORTEST = 1.0
"""Seconds of a push below which it has no pace: its start and end are most of it."""

WIDTH, HEIGHT = 1000.0, 100.0
"""Size of a drawing; the page stretches it."""


def count(record: Mapping[str, Any], name: str) -> int:
    """Read a count; what is none is 0."""
    value = record.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return value if 0 < value <= _LARGEST else 0


def number(record: Mapping[str, Any], name: str) -> float:
    """Read a number; what is none is 0."""
    value = record.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        return 0.0
    return float(value)


@dataclass(frozen=True, slots=True)
class BarPart:
    """One outcome in the bar: its records, where it begins and how wide it is."""

    outcome: str
    records: int
    start: float
    width: float
    share: float


def bar(record: Mapping[str, Any], *, running: bool = False) -> list[BarPart]:
    """Lay the outcomes of a report or a progress side by side; none with records is too narrow to be seen."""
    return lay(parts(record, running=running))


def parts(record: Mapping[str, Any], *, running: bool = False) -> dict[str, int]:
    """Count records by outcome; of a running push also those that have none yet, and those that are still to come."""
    counts = {outcome: count(record, outcome) for outcome in OUTCOMES}
    if running:
        read = count(record, "records")
        counts[TO_BE_SENT] = count(record, TO_BE_SENT)
        rest = max(0, read - sum(counts.values()))
        counts[IN_FLIGHT] = min(count(record, IN_FLIGHT), rest)
        counts[READ_AHEAD] = rest - counts[IN_FLIGHT]
        counts[TO_COME] = max(0, total_of(record) - read)
    return counts


def settled_of(progress: Mapping[str, Any]) -> int:
    """Count the records of a progress that have their outcome."""
    return sum(count(progress, outcome) for outcome in OUTCOMES)


def total_of(progress: Mapping[str, Any]) -> int:
    """Estimate the records of a whole file from the share of it that is done; 0 where that is not known."""
    share, settled = number(progress, "share"), settled_of(progress)
    total = settled / share if share else 0.0
    return round(total) if total <= _LARGEST else 0


def lay(counts: Mapping[str, int]) -> list[BarPart]:
    """Lay counts side by side."""
    total = sum(counts.values())
    shown = {outcome: records for outcome, records in counts.items() if records}
    widths = {outcome: max(records / total, 0.004) for outcome, records in shown.items()}
    scale = WIDTH / (sum(widths.values()) or 1)
    segments, start = [], 0.0
    for outcome, records in shown.items():
        width = widths[outcome] * scale
        segments.append(BarPart(outcome, records, round(start, 2), round(width, 2), records / total))
        start += width
    return segments


@dataclass(frozen=True, slots=True)
class CountBar:
    """One of several counts: its name, and how long its bar is beside the largest one's."""

    name: str
    count: int
    width: float


_MOST_SHARES = 12


def shares(counts: Mapping[str, Any]) -> list[CountBar]:
    """Lay counts below each other, the largest first; the smallest of many are counted together."""
    found = sorted(((str(name), count(counts, name)) for name in counts), key=lambda pair: -pair[1])
    found = [pair for pair in found if pair[1]]
    if len(found) > _MOST_SHARES:
        rest = sum(records for _, records in found[_MOST_SHARES - 1 :])
        found = [*found[: _MOST_SHARES - 1], (OTHERS, rest)]
    most = max((records for _, records in found), default=1)
    return [CountBar(name, records, round(records / most * WIDTH, 1)) for name, records in found]


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's count: where its bar begins, how wide and how high it is."""

    name: str
    count: int
    start: float
    width: float
    height: float


_GAP = 0.2
"""Share of a day's room that is left between two bars."""


def bars(counts: Mapping[str, int]) -> list[Bar]:
    """Stand counts side by side; each has its room, none has no bar, and the largest is as high as the drawing."""
    room, most = WIDTH / max(len(counts), 1), max(counts.values(), default=0)
    return [
        Bar(
            name,
            found,
            round((place + _GAP / 2) * room, 1),
            round(room * (1 - _GAP), 1),
            # What there is can be seen, however little it is.
            round(max(found / most * HEIGHT, 1.5), 1),
        )
        for place, (name, found) in enumerate(counts.items())
        if found
    ]


@dataclass(frozen=True, slots=True)
class RateChart:
    """Records a second over time: ``line`` and ``area`` are SVG paths, ``seconds`` how long it took."""

    line: str
    area: str
    peak: float
    seconds: float


def rate_chart(samples: Any) -> RateChart | None:
    """Draw the pace between each two of the samples ``[seconds, settled records]``; None where there is too little."""
    points = _points(samples)
    if len(points) < 3:
        return None
    rates = [(later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairwise(points)]
    peak, seconds = max(rates), points[-1][0]
    if peak <= 0:
        return None
    steps = []
    for ((since, _), (until, _)), rate in zip(pairwise(points), rates, strict=True):
        y = round(HEIGHT * (1 - rate / peak), 2)
        steps += [f"{since / seconds * WIDTH:.2f} {y}", f"{until / seconds * WIDTH:.2f} {y}"]
    line = "M" + "L".join(steps)
    return RateChart(line, f"{line}L{WIDTH} {HEIGHT}L0 {HEIGHT}Z", peak, seconds)


def _points(samples: Any) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for sample in samples if isinstance(samples, list) else ():
        if not _is_sample(sample):
            return []
        if not points or (sample[0] > points[-1][0] and sample[1] >= points[-1][1]):
            points.append((float(sample[0]), float(sample[1])))
    return points


def _is_sample(sample: Any) -> bool:
    if not isinstance(sample, Sequence) or isinstance(sample, str) or len(sample) != 2:
        return False
    return all(
        isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST
        for value in sample
    )
