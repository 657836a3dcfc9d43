"""Feed a target, from a seed or from hypothesis."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS


@dataclass(slots=True)
class Fed:
    """What became of one target."""

    inputs: int = 0
    seconds: float = 0.0
    failure: str | None = None


def peak_mb() -> int:
    """Most memory that this process ever had, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1 << 20 if sys.platform == "darwin" else 1 << 10)


def feed(name: str, count: int, seed: int, *, first: int = 0) -> Fed:
    """Feed a target with so many inputs, or until one fails; the same seed and number give the same input."""
    target, rng, fed = TARGETS[name], Random(), Fed()
    started = time.monotonic()
    for number in range(first, first + count):
        rng.seed(seed * 1_000_000_007 + number)
        value = target.draw(rng)
        fed.inputs += 1
        try:
            target.check(value)
        except Exception as error:
            fed.failure = f"input {number} of seed {seed}: {type(error).__name__}: {error}\n{value!r}"
            break
    fed.seconds = time.monotonic() - started
    return fed


def feed_by_hypothesis(name: str, count: int, seed: int) -> None:
    """Let hypothesis draw the inputs: a hundred times slower, but it looks for new ones and makes a bad one small."""
    target = TARGETS[name]

    @hypothesis_seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False).map(target.draw))
    def one(value: Any) -> None:
        target.check(value)

    one()
