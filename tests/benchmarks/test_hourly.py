from __future__ import annotations

import math

import pytest

from benchmarks import hourly


def test_shares_are_those_from_ten_seconds_after_somebody_came_or_went():
    # One alone, two with three quarters and a quarter, and one alone again.
    first = [100] * 20 + [5] * 10 + [60] * 20 + [0] * 10 + [90] * 20
    second = [0] * 20 + [95] * 10 + [30] * 20
    turn = {"budget": 0, "by_second": {"a": first, "b": second}}
    used, furthest = hourly.shares(turn)
    assert 0.9 < used < 0.97
    assert furthest == pytest.approx(0.4, abs=0.05)


def test_of_a_budget_that_is_used_up_each_has_what_the_others_have():
    first, second = [30] * 10 + [50] * 3, [20] * 10 + [0] * 3
    turn = {"budget": 500, "window": 10, "by_second": {"a": first, "b": second}}
    used, furthest = hourly.shares(turn)
    assert (used, furthest) == (1.0, pytest.approx(0.2))


def test_where_nothing_settled_nothing_is_known():
    assert all(map(math.isnan, hourly.shares({"budget": 0, "by_second": {"a": [3, 4], "b": [0, 5]}})))
