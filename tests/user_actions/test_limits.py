"""The limits of a minute, in virtual time: what Braze sees of changes of users, several requests at a time."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Mapping

import pytest

from airflow_provider_braze.user_actions.actions import ACTIONS, ROWS_PER_REQUEST
from airflow_provider_braze.user_actions.delivery import room_after
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.limiter import Limiter
from tests.users_track.transport.test_limiter import worst_window
from tests.users_track.transport.together import BEGAN, Window, by_clock, sliding

SHARED = ("delete", "identify", "alias_new", "alias_update", "merge")
RAMP, LASTS = 10.0, 80.0
"""Seconds until as many requests as are needed are under way, and of the whole."""


class Sending:
    """One task that changes users, as ``Delivery`` does it: each request that there is room for waits for its turn.

    :param latency: least and most seconds of a round trip.
    """

    def __init__(
        self, action: str, window: Callable[[Callable[[], float]], Window], latency: tuple[float, float]
    ) -> None:
        self.now = 0.0
        self.arrived: list[float] = []
        self.refused = 0
        self.most_under_way = 0
        self._chance, self._latency = random.Random(5), latency
        self._window = window(lambda: BEGAN + self.now)
        self._limiter = Limiter(
            ACTIONS[action].pace(limits.REQUESTS_PER_SECOND),
            clock=lambda: self.now,
            wall=lambda: BEGAN + self.now,
            jitter=self._chance.random,
        )
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._smooth = self._under_way = self._waiting = 0
        self._fill()
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()

    def worst(self) -> int:
        """The most requests in any 60 s."""
        return worst_window(self.arrived, 60)

    def least(self) -> int:
        """The fewest requests in any minute of every ten seconds, once it runs."""
        begins = range(int(RAMP), int(LASTS - 60), 10)
        return min(sum(begin <= at < begin + 60 for at in self.arrived) for begin in begins)

    def _after(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + max(seconds, 1e-6), next(self._count), happen))

    def _fill(self) -> None:
        while self.now < LASTS and self._under_way < room_after(self._smooth):
            self._under_way += 1
            self._waiting += 1
            if self._waiting == 1:
                self._go()

    def _go(self) -> None:
        """Let those go that may, as each of them asks for itself."""
        while self._waiting:
            ready = self._limiter.ready_in()
            if ready is None or ready > 0:
                self._after(min(ready or 0.1, 1.0), self._go)
                return
            self._limiter.take()
            self._waiting -= 1
            self.most_under_way = max(self.most_under_way, self._under_way - self._waiting)
            trip = self._chance.uniform(*self._latency)
            there = trip * self._chance.uniform(0.2, 0.8)
            self._after(there, lambda back=trip - there: self._arrive(back))

    def _arrive(self, back: float) -> None:
        self.arrived.append(self.now)
        taken = self._window.take()
        self.refused += not taken
        headers = self._window.headers() if taken else self._window.refusal_headers()
        self._after(back, lambda: self._answer(201 if taken else 429, headers))

    def _answer(self, status: int, headers: Mapping[str, str]) -> None:
        self._limiter.answered(status, headers)
        self._under_way -= 1
        self._smooth = self._smooth + 1 if status == 201 else 0
        self._fill()


def test_all_of_them_share_one_limit_and_a_subscription_has_its_own() -> None:
    assert {name: each.per_minute for name, each in ACTIONS.items()} == {
        **dict.fromkeys(SHARED, 20_000),
        "subscription_status": 5_000,
    }
    assert ROWS_PER_REQUEST == 50


@pytest.mark.parametrize("action", SHARED)
def test_no_connection_makes_it_faster_and_a_slower_one_slows_it_down(action: str) -> None:
    assert ACTIONS[action].pace(1000.0) * 60 == pytest.approx(20_000)
    assert ACTIONS[action].pace(10.0) == 10.0


@pytest.mark.parametrize("latency", [(0.01, 0.05), (0.05, 0.2), (0.2, 0.2)])
@pytest.mark.parametrize(("action", "limit"), [("delete", 20_000), ("subscription_status", 5_000)])
def test_at_least_nine_tenths_of_the_limit_are_used_and_no_sixty_seconds_hold_more(
    action: str, limit: int, latency: tuple[float, float]
) -> None:
    # It refuses whatever is too much in any 60 s, which is stricter than windows by the clock.
    seen = Sending(action, sliding(limit, 60), latency)
    assert seen.refused == 0
    assert 0.9 * limit <= seen.least() <= seen.worst() <= limit
    assert seen.most_under_way > 1


@pytest.mark.parametrize("family", ["epoch", "seconds", "none"])
def test_whatever_the_answers_tell_of_a_minute(family: str) -> None:
    """A minute by the clock ends while it runs, so that answers tell of its last seconds, too."""
    seen = Sending("merge", by_clock(20_000, 60, family), (0.05, 0.2))
    assert seen.refused == 0
    assert 18_000 <= seen.least() <= seen.worst() <= 20_000
