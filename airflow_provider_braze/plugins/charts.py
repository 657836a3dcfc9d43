"""What the tab draws: positions for plain SVG, from numbers that may be anything that was once in an XCom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from airflow_provider_braze.users_track.account import OUTCOMES

IN_FLIGHT = "in_flight"
"""Read and not settled yet: no outcome, only a part of a running push's bar."""

_LARGEST = 10**15
"""No count or number of seconds of a push is larger; of what is, nothing can be drawn."""

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
class Segment:
    """One outcome in the bar: its records, where it begins and how wide it is."""

    outcome: str
    records: int
    start: float
    width: float
    share: float


def bar(record: Mapping[str, Any], *, running: bool = False) -> list[Segment]:
    """Lay the outcomes of a report or a progress side by side; none with records is too narrow to be seen."""
    counts = {outcome: count(record, outcome) for outcome in OUTCOMES}
    if running:
        counts[IN_FLIGHT] = max(0, count(record, "records") - sum(counts.values()))
    total = sum(counts.values())
    shown = {outcome: records for outcome, records in counts.items() if records}
    widths = {outcome: max(records / total, 0.004) for outcome, records in shown.items()}
    scale = WIDTH / (sum(widths.values()) or 1)
    segments, start = [], 0.0
    for outcome, records in shown.items():
        width = widths[outcome] * scale
        segments.append(Segment(outcome, records, round(start, 2), round(width, 2), records / total))
        start += width
    return segments


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
