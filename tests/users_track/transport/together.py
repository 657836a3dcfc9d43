"""Several pushes on one limit, in virtual time: each asks its own limiter, and nothing else connects them."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_braze.sandbox.traffic.rate import RateLimit
from airflow_provider_braze.users_track.transport.limiter import Limiter

BEGAN = 1_790_000_000.4
"""What the clock on the wall shows when the virtual time begins, somewhere in a window."""

_LONGEST_WAIT = 0.5
"""Seconds after which the loop of a push asks again."""


class Window(Protocol):
    """What takes requests, and tells of itself in headers."""

    def take(self) -> bool:
        """Take one; False when it is refused."""

    def headers(self) -> Mapping[str, str]:
        """Give the headers of what was taken."""

    def refusal_headers(self) -> Mapping[str, str]:
        """Give those of a 429."""


class SlidingWindow:
    """At most so many requests in any of so many seconds: stricter than what Braze documents."""

    def __init__(self, limit: int, seconds: float, *, clock: Callable[[], float]) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._taken: deque[float] = deque()

    def take(self) -> bool:
        while self._taken and self._taken[0] <= self._clock() - self._seconds:
            self._taken.popleft()
        if len(self._taken) >= self._limit:
            return False
        self._taken.append(self._clock())
        return True

    def headers(self) -> Mapping[str, str]:
        reset = (self._taken[0] if self._taken else self._clock()) + self._seconds
        return {
            "X-RateLimit-Limit": str(self._limit),
            "X-RateLimit-Remaining": str(self._limit - len(self._taken)),
            "X-RateLimit-Reset": str(math.ceil(reset)),
        }

    refusal_headers = headers


class HourAndBurst:
    """A window of an hour, of which headers tell, and a burst limit of 3 s, of which they say nothing.

    :param budget: requests in the hour.
    :param burst: requests in 3 s.
    :param tells_always: what the burst limit refuses tells of the hour, too.
    :param later: seconds by which the windows of the burst limit begin after the hour's intervals of 3 s.
    """

    def __init__(
        self,
        budget: int,
        burst: int,
        *,
        family: str,
        clock: Callable[[], float],
        tells_always: bool = False,
        later: float = 0.0,
    ) -> None:
        self._tells_always = tells_always
        self._hour = RateLimit(budget, 3600, family=family, clock=clock)
        self._burst = RateLimit(burst, 3, family="seconds", clock=lambda: clock() - later)
        self._refusal: Mapping[str, str] = {}

    def take(self) -> bool:
        for limit in (self._burst, self._hour):
            if not limit.take():
                told = self._hour.headers() if self._tells_always and limit is self._burst else {}
                self._refusal = {**told, **limit.refusal_headers()}
                return False
        return True

    def headers(self) -> Mapping[str, str]:
        return self._hour.headers()

    def refusal_headers(self) -> Mapping[str, str]:
        return self._refusal


class EveryThirdTellsNothing:
    """Another window, whose headers are missing in every third answer."""

    def __init__(self, window: Window) -> None:
        self._window, self._taken = window, 0

    def take(self) -> bool:
        self._taken += 1
        return self._window.take()

    def headers(self) -> Mapping[str, str]:
        return self._window.headers() if self._taken % 3 else {}

    def refusal_headers(self) -> Mapping[str, str]:
        return self._window.refusal_headers()


@dataclass(eq=False)
class Pusher:
    """One push: when it runs, how far away Braze is, and how fast it is at most.

    :param begins: second at which it starts.
    :param ends: second at which it has no more to send.
    :param latency: least and most seconds of a round trip.
    :param requests_per_second: of its connection.
    :param shards: of its push, itself included.
    :param slowest: seconds that it takes to make a request ready.
    :param wrong_by: seconds by which its clock on the wall is wrong.
    """

    begins: float = 0.0
    ends: float = 60.0
    latency: tuple[float, float] = (0.02, 0.08)
    requests_per_second: float = 1000.0
    shards: int = 1
    slowest: float = 0.0
    wrong_by: float = 0.0
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    limiter: Limiter = field(init=False)
    in_flight: int = 0
    next_at: float = 0.0
    asking_at: float = math.inf

    def rate(self, since: float, until: float) -> float:
        """Accepted requests a second."""
        return sum(since <= at < until for at in self.accepted) / (until - since)


class Together:
    """Runs pushers against one window.

    :param window: makes it, with the clock on the wall.
    """

    def __init__(
        self, window: Callable[[Callable[[], float]], Window], *pushers: Pusher, seed: int = 1
    ) -> None:
        self.now = 0.0
        self.pushers = pushers
        self._chance = random.Random(seed)
        self._window = window(lambda: BEGAN + self.now)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        for pusher in pushers:
            pusher.limiter = self._limiter(pusher)
            self._at(pusher.begins, lambda pusher=pusher: self._start(pusher))
        while self._events:
            self.now, _, happen = heapq.heappop(self._events)
            happen()

    def _limiter(self, pusher: Pusher) -> Limiter:
        return Limiter(
            pusher.requests_per_second,
            shards=pusher.shards,
            clock=lambda: self.now,
            wall=lambda: BEGAN + self.now + pusher.wrong_by,
            jitter=self._chance.random,
        )

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._count), happen))

    def _start(self, pusher: Pusher) -> None:
        pusher.limiter = self._limiter(pusher)
        self._go_on(pusher)

    def _go_on(self, pusher: Pusher) -> None:
        """Send what the limiter lets go, and ask again when it says."""
        limiter = pusher.limiter
        while self.now < pusher.ends and pusher.in_flight < 96:
            wait = limiter.ready_in()
            if wait is None:
                return
            wait = max(wait, pusher.next_at - self.now)
            if wait > 1e-9:
                when = self.now + min(wait, _LONGEST_WAIT)
                # One timer at a time, unless a new one is earlier.
                if when < pusher.asking_at - 1e-9:
                    pusher.asking_at = when
                    self._at(when, lambda: self._ask(pusher))
                return
            limiter.take()
            pusher.next_at = self.now + pusher.slowest
            pusher.in_flight += 1
            there = self._chance.uniform(*pusher.latency) * self._chance.uniform(0.3, 0.7)
            self._at(self.now + there, lambda: self._arrive(pusher))

    def _ask(self, pusher: Pusher) -> None:
        if self.now >= pusher.asking_at - 1e-9:
            pusher.asking_at = math.inf
        self._go_on(pusher)

    def _arrive(self, pusher: Pusher) -> None:
        taken = self._window.take()
        (pusher.accepted if taken else pusher.refused).append(self.now)
        status = 201 if taken else 429
        headers = self._window.headers() if taken else self._window.refusal_headers()
        back = self._chance.uniform(*pusher.latency) * 0.5
        self._at(self.now + back, lambda: self._answer(pusher, status, headers))

    def _answer(self, pusher: Pusher, status: int, headers: Mapping[str, str]) -> None:
        pusher.in_flight -= 1
        pusher.limiter.answered(status, headers)
        self._go_on(pusher)

    def rate(self, since: float, until: float) -> float:
        """Accepted requests a second of all together."""
        return sum(pusher.rate(since, until) for pusher in self.pushers)

    @property
    def refused(self) -> float:
        """The part of all requests that was answered 429."""
        refused = sum(len(pusher.refused) for pusher in self.pushers)
        return refused / (refused + sum(len(pusher.accepted) for pusher in self.pushers))


def by_clock(limit: int, seconds: float, family: str = "epoch") -> Callable[[Callable[[], float]], Window]:
    """Windows by the clock, as the sandbox has them."""
    return lambda clock: RateLimit(limit, seconds, family=family, clock=clock)


def sliding(limit: int, seconds: float) -> Callable[[Callable[[], float]], Window]:
    """One window that slides."""
    return lambda clock: SlidingWindow(limit, seconds, clock=clock)


def hourly(
    budget: int, burst: int, family: str = "epoch", *, tells_always: bool = False, later: float = 0.0
) -> Callable[[Callable[[], float]], Window]:
    """A window of an hour by the clock, with a burst limit."""
    return lambda clock: HourAndBurst(
        budget, burst, family=family, clock=clock, tells_always=tells_always, later=later
    )
