"""Several pushes on one workspace, in virtual time: nobody coordinates them but the headers of the answers."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Mapping

import pytest

from airflow_provider_braze.users_track.transport.limit_sharing import Share
from airflow_provider_braze.users_track.transport.limiter import Limiter
from tests.users_track import virtual_time
from tests.users_track.virtual_time import acquire, now

SECONDS = 3.0
LIMIT = 3000


class Workspace:
    """Takes 3,000 requests in 3 s: in any 3 s, or in those of the clock."""

    def __init__(self, *, by_clock: bool, latency: float = 0.1) -> None:
        self.by_clock = by_clock
        self.latency = latency
        self.chance = random.Random(1)
        self.taken: deque[float] = deque()
        self.accepted: list[tuple[float, int]] = []
        self.refused: list[tuple[float, int]] = []

    async def post(self, who: int) -> tuple[int, Mapping[str, str]]:
        await asyncio.sleep(self.chance.uniform(0.05, 0.45) * self.latency)
        answer = self._answer(who)
        await asyncio.sleep(self.chance.uniform(0.05, 0.45) * self.latency)
        return answer

    def _answer(self, who: int) -> tuple[int, Mapping[str, str]]:
        start = now() // SECONDS * SECONDS if self.by_clock else now() - SECONDS
        while self.taken and (self.taken[0] < start if self.by_clock else self.taken[0] <= start):
            self.taken.popleft()
        status = 201 if len(self.taken) < LIMIT else 429
        (self.accepted if status == 201 else self.refused).append((now(), who))
        if status == 201:
            self.taken.append(now())
        reset = start + SECONDS if self.by_clock else self.taken[0] + SECONDS
        return status, {
            "X-RateLimit-Limit": str(LIMIT),
            "X-RateLimit-Remaining": str(LIMIT - len(self.taken)),
            "X-RateLimit-Reset": str(math.ceil(reset - now())),
        }

    def rate(self, since: float, until: float, who: int | None = None) -> float:
        found = [at for at, other in self.accepted if since <= at < until and who in (None, other)]
        return len(found) / (until - since)


async def push(who: int, workspace: Workspace, start: float, end: float) -> None:
    under = Limiter(LIMIT / SECONDS, clock=now, wall=now, jitter=random.Random(who).random)

    async def work() -> None:
        while now() < 1000 + end:
            await acquire(under)
            under.answered(*await workspace.post(who))

    await asyncio.sleep(start)
    await asyncio.gather(*(work() for _ in range(96)))


def together(workspace: Workspace, *spans: tuple[float, float]) -> None:
    async def main() -> None:
        await asyncio.gather(*(push(who, workspace, *span) for who, span in enumerate(spans)))

    virtual_time.run(main())


@pytest.mark.parametrize(("count", "by_clock", "rate"), [(4, False, 900), (4, True, 850), (6, False, 800)])
def test_several_use_nearly_the_whole_limit_and_are_hardly_refused(
    count: int, by_clock: bool, rate: float
) -> None:
    workspace = Workspace(by_clock=by_clock)
    together(workspace, *[(0.0, 40.0)] * count)
    assert workspace.rate(1000, 1040) >= rate
    assert len(workspace.refused) < 0.01 * len(workspace.accepted)


@pytest.mark.parametrize("latency", [0.1, 0.001])
@pytest.mark.parametrize("by_clock", [False, True])
def test_alone_nothing_is_lost_and_nothing_refused(by_clock: bool, latency: float) -> None:
    workspace = Workspace(by_clock=by_clock, latency=latency)
    together(workspace, (0.0, 30.0))
    assert workspace.rate(1004, 1030) >= 970
    assert not workspace.refused


def test_who_comes_later_gets_a_share_and_who_stays_takes_over() -> None:
    workspace = Workspace(by_clock=False)
    together(workspace, (0.0, 120.0), (10.0, 60.0))
    assert workspace.rate(1050, 1060, 1) >= 100
    assert workspace.rate(1030, 1060) >= 900
    assert workspace.rate(1090, 1120, 0) >= 960
    assert len(workspace.refused) < 0.01 * len(workspace.accepted)


def test_who_is_refused_before_the_crowd_is_seen_knows_its_share_at_once() -> None:
    """When many start together, the last answer before a refusal may tell of a limit that is half free."""

    async def main() -> int:
        under = Limiter(LIMIT / SECONDS, clock=now, wall=now, jitter=lambda: 0.0)
        for _ in range(100):
            await acquire(under)
        left = {"X-RateLimit-Limit": str(LIMIT), "X-RateLimit-Reset": "1"}
        for _ in range(99):
            under.answered(201, {**left, "X-RateLimit-Remaining": str(LIMIT // 2)})
        under.answered(429, {**left, "X-RateLimit-Remaining": "0"})
        await asyncio.sleep(SECONDS)
        sent, end = 0, now() + 1.0
        while now() < end:
            await acquire(under)
            sent += 1
        return sent

    assert virtual_time.run(main()) < 0.1 * LIMIT / SECONDS


def test_an_hourly_limit_tells_nothing_of_the_pace() -> None:
    share = Share(1000.0)
    share.observe(limit=250_000, remaining=1000, reset=1800, own=10, now=1.0)
    assert share.pace == 1000.0
