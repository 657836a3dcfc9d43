"""Pushes that share a budget of the hour: who sent how much, and when.

The sink's headers tell of the budget alone. Of the burst limit, a pace of 100 requests a second that each connection
names, they say nothing, and the pushes know nothing of each other.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks import generate
from benchmarks.measure import Child, SinkProcess
from benchmarks.runs import PRODUCT, run_of

if TYPE_CHECKING:
    from benchmarks.parts import Scale

PACE = 100
"""Requests a second that all together may send."""

SETTLED = 10
"""Seconds after one came or went, from which on each has its share."""

_PER_REQUEST = 75
_LATENCY = ("--latency-ms", "50", "--limit", f"{3 * PACE}/3", "--by-clock")
_PLENTY = "200000/3600"
_USED_UP = 0.75
"""Part of what the pace allows that a budget holds which is used up."""

_COMING_AND_GOING: Mapping[int, Sequence[tuple[float, float]]] = {
    2: ((0.0, 1.5), (0.5, 0.5)),
    4: ((0.0, 1.75), (0.5, 0.75), (1.0, 0.25), (1.02, 0.25)),
}
"""When each begins, and how much it sends, in what one alone sends of the records that are shared."""


def measure(scale: Scale, say: Callable[[str], None]) -> dict[str, Any]:
    """Two and four processes that come and go on a budget of the hour, and as many that use one up after the other."""
    alone = scale.shared / PACE / _PER_REQUEST
    window = max(8, round(3.5 * alone))
    budget = round(_USED_UP * PACE * window)
    turns = []
    for count, plan in _COMING_AND_GOING.items():
        spans = [(begins * alone, round(part * scale.shared)) for begins, part in plan]
        turns.append({"budget": 0, **_push(f"{count} that come and go", _PLENTY, spans)})
        say(f"{turns[-1]['variant']}: {turns[-1]['refused']} of {turns[-1]['requests']} answered 429")
        spans = [(0.0, 4 * scale.shared // count)] * count
        used_up = _push(f"{count} that use it up", f"{budget}/{window}", spans)
        turns.append({"budget": budget, "window": window, **used_up})
        say(f"{turns[-1]['variant']}: {turns[-1]['refused']} of {turns[-1]['requests']} answered 429")
    return {"turns": turns}


def _push(variant: str, told: str, spans: Sequence[tuple[float, int]]) -> dict[str, Any]:
    """Push with a process for each of the spans: the second when it starts, and its records."""
    paths = [str(generate.export(records)) for _, records in spans]
    with SinkProcess(*_LATENCY, "--told", told) as server:
        began, children = time.monotonic(), []
        for number, (path, (begins, _)) in enumerate(zip(paths, spans, strict=True)):
            time.sleep(max(0.0, began + begins - time.monotonic()))
            key = ("--api-key", f"pusher-{number}", "--requests-per-second", str(PACE))
            children.append(Child(PRODUCT, [path, "--host", server.url, *key]))
        ended = [child.reap() for child in children]
    counts = server.counts
    for measured in ended:
        run_of(variant, measured, counts)
    return {"variant": variant, **{key: counts[key] for key in ("requests", "refused", "by_second")}}


def shares(turn: Mapping[str, Any]) -> tuple[float, float]:
    """Tell how much of what is there was used, and how far from its fair share the furthest was; NaN where unknown.

    What is there is the pace, in the seconds from 10 s after one came or went; or a budget that was used up.
    """
    by_second = [*turn["by_second"].values()]
    seconds = max(map(len, by_second))
    each = [[*counts, *[0] * (seconds - len(counts))] for counts in by_second]
    stretches = _windows(turn, each, seconds) if turn["budget"] else _settled(each)
    used = there = furthest = 0.0
    for since, until in stretches:
        sent = [sum(counts[since:until]) for counts in each]
        present = [number for number in sent if number]
        most = turn["budget"] or PACE * (until - since)
        used, there = used + sum(sent), there + most
        # Of a budget that is used up, each has what the others have.
        fair = (sum(sent) if turn["budget"] else most) / len(present)
        furthest = max(furthest, *(abs(number / fair - 1) for number in present))
    return (used / there, furthest) if there else (float("nan"), float("nan"))


def _settled(each: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Give the stretches of seconds in which nobody came or went lately."""
    edges = set()
    for counts in each:
        sending = [second for second, number in enumerate(counts) if number]
        edges |= {sending[0], sending[-1]}
    pairs = itertools.pairwise(sorted(edges))
    return [(since + SETTLED, until) for since, until in pairs if until - since > SETTLED]


def _windows(turn: Mapping[str, Any], each: Sequence[Sequence[int]], seconds: int) -> list[tuple[int, int]]:
    """Give the windows whose budget was used up."""
    window = turn["window"]
    found = [(since, since + window) for since in range(0, seconds, window)]
    return [
        (since, until)
        for since, until in found
        if sum(sum(counts[since:until]) for counts in each) >= 0.99 * turn["budget"]
    ]
