"""A short form of ``make fuzz``: some thousand inputs from seeds, and some hundred that hypothesis draws."""

from __future__ import annotations

import pytest

from airflow_provider_braze.rejects import reader as rejects
from tests.fuzz import inputs
from tests.fuzz.run import feed, feed_by_hypothesis
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("name", TARGETS)
def test_no_exception_but_ours(name: str) -> None:
    count = 4 * TARGETS[name].share
    fed = feed(name, count, seed=2)
    assert (fed.failure, fed.inputs) == (None, count)


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "client"])
def test_neither_when_hypothesis_draws(name: str) -> None:
    feed_by_hypothesis(name, 100, seed=2)


def test_a_seed_and_a_number_name_one_input(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[object] = []
    draw = TARGETS["export reader"].draw
    monkeypatch.setitem(TARGETS, "noted", Target(drawn.append, draw, 1))
    feed("noted", 5, seed=3)
    feed("noted", 1, seed=3, first=4)
    assert drawn[4] == drawn[5] != drawn[3]


def test_it_finds_what_it_is_meant_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    # Python refuses to read a number of thousands of digits, which a rejects file may come back with.
    monkeypatch.setattr(rejects, "_MOST_DIGITS", 10**9)
    monkeypatch.setattr(inputs, "REJECTS", (b"_line,external_id\n" + b"9" * 5000 + b",U1\n",))
    assert "4300 digits" in str(feed("export reader", 200, seed=1).failure)
