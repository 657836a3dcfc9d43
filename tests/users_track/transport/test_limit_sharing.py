"""Several pushes on one workspace, in virtual time: nobody coordinates them but the headers of the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.users_track.transport.together import (
    EveryThirdTellsNothing,
    Pusher,
    Together,
    by_clock,
    hourly,
    sliding,
)

NEAR, USUAL, FAR = (0.001, 0.003), (0.02, 0.08), (0.1, 0.2)
SETTLED = 10.0
"""Seconds after which the shares are fair."""


def assert_fair(together: Together, rate: float, since: float, until: float) -> None:
    """Check that those who push in a span use nine tenths of the limit, each near its fair part of it."""
    pushers = [each for each in together.pushers if each.begins <= since and each.ends >= until]
    assert together.rate(since + SETTLED, until) >= 0.9 * rate
    for pusher in pushers:
        assert pusher.rate(since + SETTLED, until) == pytest.approx(rate / len(pushers), rel=0.25)


@pytest.mark.parametrize("family", ["epoch", "seconds"])
@pytest.mark.parametrize("latency", [NEAR, USUAL, FAR])
@pytest.mark.parametrize("count", [2, 4])
def test_each_gets_its_fair_share_within_ten_seconds(
    count: int, latency: tuple[float, float], family: str
) -> None:
    pushers = [
        Pusher(begins=0.1 * number, latency=latency, requests_per_second=100) for number in range(count)
    ]
    together = Together(by_clock(300, 3, family), *pushers)
    assert_fair(together, 100, 0.31, 60)
    assert together.refused < 0.005


@pytest.mark.parametrize("family", ["epoch", "seconds"])
@pytest.mark.parametrize("latency", [NEAR, USUAL])
def test_they_come_and_go(latency: tuple[float, float], family: str) -> None:
    spans = [(0, 140), (20, 110), (50, 80), (50.7, 80)]
    pushers = [
        Pusher(begins=begins, ends=ends, latency=latency, requests_per_second=100) for begins, ends in spans
    ]
    together = Together(by_clock(300, 3, family), *pushers)
    for since, until in [(0, 20), (20, 50), (50.7, 80), (80, 110), (110, 140)]:
        assert_fair(together, 100, since, until)
    assert together.rate(0, 140) >= 90
    assert together.refused < 0.005


@pytest.mark.parametrize("latency", [NEAR, USUAL])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_all_may_start_at_the_same_moment(count: int, latency: tuple[float, float]) -> None:
    together = Together(by_clock(3000, 3), *[Pusher(ends=25, latency=latency) for _ in range(count)])
    assert_fair(together, 1000, 0, 25)
    assert together.refused < 0.005


@pytest.mark.parametrize("latency", [NEAR, USUAL])
@pytest.mark.parametrize("count", [3, 4])
def test_many_may_join_one_at_the_same_moment(count: int, latency: tuple[float, float]) -> None:
    begins = [0.0, *[15.3] * (count - 1)]
    together = Together(
        by_clock(300, 3), *[Pusher(begins=each, latency=latency, requests_per_second=100) for each in begins]
    )
    assert_fair(together, 100, 15.3, 60)
    assert together.refused < 0.005


@pytest.mark.parametrize("window", [by_clock(300, 3), hourly(200_000, 300)])
@pytest.mark.parametrize("count", [1, 2])
def test_answers_without_headers_make_nobody_believe_in_others(
    count: int, window: Callable[..., Any]
) -> None:
    pushers = [Pusher(requests_per_second=100, ends=40) for _ in range(count)]
    together = Together(lambda clock: EveryThirdTellsNothing(window(clock)), *pushers)
    assert_fair(together, 100, 0, 40)
    assert together.refused < 0.005


@pytest.mark.parametrize("count", [2, 4])
def test_at_brazes_own_limit(count: int) -> None:
    together = Together(by_clock(3000, 3), *[Pusher(ends=30, begins=0.2 * number) for number in range(count)])
    assert_fair(together, 1000, 0.61, 30)
    assert together.refused < 0.005


def test_with_windows_of_a_second() -> None:
    pushers = [Pusher(begins=5.0 * number, requests_per_second=100) for number in range(4)]
    together = Together(by_clock(100, 1), *pushers)
    assert_fair(together, 100, 15, 60)
    assert together.refused < 0.005


def test_a_lower_limit_than_the_connection_says_is_learnt_from_the_headers() -> None:
    together = Together(by_clock(300, 3), *[Pusher(begins=10.0 * number) for number in range(2)])
    assert_fair(together, 100, 10, 60)
    assert together.refused < 0.005


@pytest.mark.parametrize("latency", [NEAR, USUAL])
@pytest.mark.parametrize("limit", [300, 3000])
@pytest.mark.parametrize("family", ["epoch", "seconds"])
def test_alone_nothing_is_lost_and_nothing_refused(
    family: str, limit: int, latency: tuple[float, float]
) -> None:
    together = Together(
        by_clock(limit, 3, family), Pusher(ends=30, latency=latency, requests_per_second=limit / 3)
    )
    assert together.rate(0, 30) >= 0.98 * limit / 3
    assert not together.refused


def test_what_one_cannot_use_is_for_the_others() -> None:
    slow = Pusher(requests_per_second=100, slowest=0.2)
    together = Together(by_clock(300, 3), slow, Pusher(requests_per_second=100))
    assert slow.rate(SETTLED, 60) >= 4
    assert together.rate(SETTLED, 60) >= 80
    assert together.refused < 0.005


@pytest.mark.parametrize("wrong_by", [-0.4, 0.4, 30.0])
def test_a_wrong_clock_costs_nobody_its_share(wrong_by: float) -> None:
    pushers = [Pusher(requests_per_second=100), Pusher(requests_per_second=100, wrong_by=wrong_by)]
    Together(by_clock(300, 3), *pushers)
    assert all(pusher.rate(SETTLED, 60) >= 35 for pusher in pushers)


def test_the_shards_of_a_push_keep_to_their_part_where_nothing_is_told() -> None:
    pushers = [Pusher(requests_per_second=100, shards=4) for _ in range(4)]
    together = Together(by_clock(300, 3, "none"), *pushers)
    assert together.rate(SETTLED, 60) >= 95
    assert together.refused < 0.005


@pytest.mark.parametrize("latency", [NEAR, USUAL])
@pytest.mark.parametrize("window", [by_clock, sliding])
@pytest.mark.parametrize("shards", [2, 4])
def test_the_shards_of_a_push_use_all_of_the_limit(
    shards: int, window: Callable[[int, int], Any], latency: tuple[float, float]
) -> None:
    pushers = [Pusher(begins=0.7 * number, latency=latency, shards=shards) for number in range(shards)]
    together = Together(window(3000, 3), *pushers)
    assert together.rate(0.7 * shards, 60) >= 970
    assert together.refused < 0.002


@pytest.mark.parametrize("shards", [2, 4])
def test_what_a_shard_that_has_ended_leaves_is_for_the_others(shards: int) -> None:
    ends = [20.0, *[60.0] * (shards - 1)]
    together = Together(
        by_clock(300, 3), *[Pusher(ends=end, requests_per_second=100, shards=shards) for end in ends]
    )
    assert_fair(together, 100, 20, 60)
    assert together.refused < 0.005


def test_a_shard_that_begins_late_gets_its_part() -> None:
    together = Together(
        by_clock(300, 3),
        *[Pusher(begins=begins, requests_per_second=100, shards=2) for begins in (0.0, 20.0)],
    )
    assert_fair(together, 100, 20, 60)
    assert together.refused < 0.005


@pytest.mark.parametrize("window", [by_clock, sliding])
def test_shards_share_with_strangers_too(window: Callable[[int, int], Any]) -> None:
    strangers = [Pusher(begins=20.0, requests_per_second=100)]
    shards = [Pusher(requests_per_second=100, shards=2) for _ in range(2)]
    together = Together(window(300, 3), *strangers, *shards)
    assert together.rate(3, 20) >= 96
    if window is by_clock:
        assert_fair(together, 100, 20, 60)
        assert together.refused < 0.005
    else:
        assert together.rate(40, 60) >= 80
        assert min(pusher.rate(40, 60) for pusher in together.pushers) >= 10
        assert together.refused < 0.05


def test_a_shard_that_is_slow_leaves_the_rest_to_the_others() -> None:
    slow = Pusher(requests_per_second=100, slowest=0.1, shards=2)
    together = Together(by_clock(300, 3), slow, Pusher(requests_per_second=100, shards=2))
    assert slow.rate(SETTLED, 60) >= 8
    assert together.rate(SETTLED, 60) >= 80
    assert together.refused < 0.005


def test_a_shard_that_is_left_alone_takes_all_where_the_headers_tell() -> None:
    together = Together(by_clock(300, 3), Pusher(requests_per_second=100, shards=4))
    assert together.rate(SETTLED, 60) >= 97


@pytest.mark.parametrize("count", [2, 4])
def test_a_window_that_slides_is_shared_too(count: int) -> None:
    pushers = [Pusher(begins=0.1 * number, requests_per_second=100) for number in range(count)]
    together = Together(sliding(300, 3), *pushers)
    assert together.rate(20, 60) >= 80
    assert min(pusher.rate(20, 60) for pusher in pushers) >= 0.3 * 100 / count
    assert together.refused < 0.05
