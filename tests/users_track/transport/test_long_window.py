"""Pushes that share a window of an hour, in virtual time: nobody tells them of each other but what remains of it."""

from __future__ import annotations

import pytest

from airflow_provider_braze.sandbox.traffic.rate import HOUR, RateLimit
from airflow_provider_braze.users_track.transport.limit_sharing import Share
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.long_window import LongWindow
from tests.users_track.transport.test_limit_sharing import NEAR, SETTLED, USUAL, assert_fair
from tests.users_track.transport.together import BEGAN, Pusher, Together, hourly

PLENTY = 200_000
LEFT = HOUR - BEGAN % HOUR
"""Seconds of the hour that are left when the virtual time begins."""


def pushers(*spans: tuple[float, float], latency: tuple[float, float] = USUAL) -> list[Pusher]:
    return [
        Pusher(begins=begins, ends=ends, latency=latency, requests_per_second=100) for begins, ends in spans
    ]


@pytest.mark.parametrize("family", ["epoch", "seconds"])
@pytest.mark.parametrize("latency", [NEAR, USUAL])
@pytest.mark.parametrize("count", [2, 4])
def test_each_gets_its_fair_share_of_what_one_alone_would_send(
    count: int, latency: tuple[float, float], family: str
) -> None:
    several = pushers(*[(0.1 * number, 60) for number in range(count)], latency=latency)
    together = Together(hourly(PLENTY, 300, family), *several)
    assert_fair(together, 100, 0.31, 60)
    assert together.refused < 0.005


@pytest.mark.parametrize("tells_always", [False, True])
@pytest.mark.parametrize("family", ["epoch", "seconds"])
def test_they_come_and_go(family: str, tells_always: bool) -> None:
    several = pushers((0, 140), (20, 110), (50, 80), (50.7, 80))
    together = Together(hourly(PLENTY, 300, family, tells_always=tells_always), *several)
    for since, until in [(0, 20), (20, 50), (50.7, 80), (80, 110), (110, 140)]:
        assert_fair(together, 100, since, until)
    assert together.refused < 0.005


@pytest.mark.parametrize("later", [0.8, 2.0])
@pytest.mark.parametrize(("count", "latency"), [(2, USUAL), (4, NEAR), (4, USUAL), (8, NEAR)])
def test_all_may_start_at_the_same_moment_whenever_the_burst_limits_windows_begin(
    count: int, latency: tuple[float, float], later: float
) -> None:
    several = pushers(*[(0.0, 40)] * count, latency=latency)
    together = Together(hourly(PLENTY, 300, later=later), *several)
    assert_fair(together, 100, 0.0, 40)
    assert together.refused < 0.005


@pytest.mark.parametrize("count", [2, 4])
def test_all_may_go_on_at_the_same_moment_in_a_new_hour(count: int) -> None:
    several = pushers(*[(0.03 * number, LEFT + 30) for number in range(count)])
    together = Together(hourly(round(90 * LEFT), 300, later=2.0), *several)
    assert min(pusher.rate(LEFT, LEFT + 30) for pusher in several) > 0.7 * 90 / count
    assert together.refused < 0.005


@pytest.mark.parametrize("family", ["epoch", "seconds"])
@pytest.mark.parametrize("count", [2, 4])
def test_an_hour_that_is_used_up_was_used_alike_and_the_next_one_is_too(count: int, family: str) -> None:
    budget = 6000
    several = pushers(*[(0.1 * number, LEFT + 90) for number in range(count)])
    together = Together(hourly(budget, 300, family), *several)
    for since, until in [(0.0, LEFT), (LEFT, LEFT + 90)]:
        used = [pusher.rate(since, until) * (until - since) for pusher in several]
        assert budget * 0.9 <= sum(used) <= budget + 1
        assert used == pytest.approx([sum(used) / count] * count, rel=0.25)
    assert together.refused < 0.005


def test_one_alone_is_never_slowed_down_nor_refused() -> None:
    (alone,) = several = pushers((0, 30))
    together = Together(hourly(PLENTY, 300), *several)
    assert alone.rate(0, 30) >= 98
    assert not together.refused
    (alone,) = several = pushers((0, 30))
    together = Together(hourly(1000, 300), *several)
    assert len(alone.accepted) == 1000
    assert not together.refused


def test_a_shard_that_is_left_alone_takes_all() -> None:
    together = Together(hourly(PLENTY, 300), Pusher(requests_per_second=100, shards=4))
    assert together.rate(SETTLED, 60) >= 97


class Vague(RateLimit):
    """Tells what remains as it was up to some seconds ago."""

    def headers(self) -> dict[str, str]:
        told = super().headers()
        second = int(self._clock())
        if getattr(self, "_second", None) != second:
            self._second, self._left = second, told["X-RateLimit-Remaining"]
        return {**told, "X-RateLimit-Remaining": self._left}


@pytest.mark.parametrize("kind", [Vague, RateLimit])
def test_a_number_that_stands_still_tells_of_nobody(kind: type[RateLimit]) -> None:
    """Neither one that is told late, nor 250,000 that always remain, slows anybody down, or makes a shard faster."""
    limit = PLENTY if kind is Vague else None
    several = [Pusher(requests_per_second=100, shards=shards) for shards in (1, 2)]
    together = Together(lambda clock: kind(limit, HOUR, clock=clock), *several)
    assert several[0].rate(SETTLED, 60) >= 97
    assert several[1].rate(SETTLED, 60) == pytest.approx(50, rel=0.05)
    assert not together.refused


def test_the_pace_is_not_that_of_the_hour() -> None:
    share = Share(1000.0, 1000.0)
    told = {"limit": 250_000, "until": None, "unanswered": 0, "own": 10}
    for number in range(20):
        share.observe(**told, remaining=1000 - number, reset=1800, now=1.0 + number / 1000)
    # Nor is it in its last seconds.
    share.observe(**told, remaining=900, reset=2, now=1799.0)
    assert share.pace(1799.0) == 1000.0
    assert share.hold(1799.0, 1) == 0.0
    assert share.left(1799.0) is None


def test_nothing_is_sent_until_the_next_hour_once_nothing_remains() -> None:
    now = [100.0]
    limiter = Limiter(1000, clock=lambda: now[0], wall=lambda: BEGAN + now[0])
    for remaining in range(7, -1, -1):
        limiter.take()
        told = {"X-RateLimit-Limit": "250000", "X-RateLimit-Remaining": str(remaining)}
        limiter.answered(201, {**told, "X-RateLimit-Reset": "1200"})
        now[0] += 0.01
    assert limiter.paused_for == pytest.approx(1200, abs=0.1)


def test_what_is_on_its_way_may_use_it_up() -> None:
    long = LongWindow()
    long.observe(250_000, 3, 1200, 5.0)
    assert long.hold(5.0, 2, 0.0) == 0.0
    assert long.hold(5.0, 3, 0.0) > 0.0
    assert long.hold(5.0, 1, 2.0) > 0.0
    # Somebody has to ask.
    assert long.hold(6.0, 3, 0.0) == 0.0
    assert long.hold(1300.0, 3, 0.0) == 0.0


def test_an_answer_of_the_hour_before_says_nothing_of_this_one() -> None:
    long = LongWindow()
    assert long.observe(1000, 10, 1, 100.0)
    assert long.observe(1000, 999, 3599, 102.0)
    assert not long.observe(1000, 5, 0, 102.1)
    assert (long.remaining, long.ends) == (999, 3701.0)
