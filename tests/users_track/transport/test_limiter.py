"""The limiter, in virtual time: what a server sees, what a pause does, and what headers say."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.limiter import LONGEST_PAUSE, Limiter
from tests.users_track import virtual_time
from tests.users_track.virtual_time import acquire, now

WALL = 1_790_000_000.0
"""What the clock on the wall shows when the virtual time is 1000."""


def limiter(rate: float = 1000.0, jitter: float = 0.0) -> Limiter:
    return Limiter(rate, clock=now, wall=lambda: WALL + now() - 1000.0, jitter=lambda: jitter)


def worst_window(arrivals: list[float], seconds: float = limits.WINDOW_SECONDS) -> int:
    """The most arrivals in any window of so many seconds, but for what rounding makes of two moments of it."""
    arrivals, most, first = sorted(arrivals), 0, 0
    for last, at in enumerate(arrivals):
        while arrivals[first] <= at - seconds + 1e-9:
            first += 1
        most = max(most, last - first + 1)
    return most


class Server:
    """Sees requests after a delay and answers after another; both differ from request to request."""

    def __init__(self, to: Callable[[], float], back: Callable[[], float]) -> None:
        self.to, self.back = to, back
        self.arrivals: list[float] = []

    async def post(self) -> None:
        await asyncio.sleep(self.to())
        self.arrivals.append(now())
        await asyncio.sleep(self.back())


async def send(
    under: Limiter,
    server: Server,
    seconds: float,
    workers: int = 96,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> float:
    """Send for so many seconds, and return the rate at the server once it runs."""
    end = now() + seconds

    async def work() -> None:
        while now() < end:
            await acquire(under, sleep)
            await server.post()
            under.answered(201, {})

    await asyncio.gather(*(work() for _ in range(workers)))
    settled = [at for at in server.arrivals if end - seconds + 4 < at <= end]
    return len(settled) / (seconds - 4)


class TestCeiling:
    @pytest.mark.parametrize(
        ("to", "back"),
        [
            ((0.0, 0.0), (0.0, 0.0)),
            ((0.0, 0.05), (0.0, 0.05)),
            ((0.0, 0.4), (0.0, 0.0)),
            ((0.0, 0.0), (0.0, 0.4)),
            ((0.0, 2.0), (0.0, 2.0)),
        ],
    )
    def test_no_three_seconds_hold_more_than_three_times_the_rate_whatever_the_delays(
        self, to: tuple[float, float], back: tuple[float, float]
    ) -> None:
        chance = random.Random(7)
        server = Server(lambda: chance.uniform(*to), lambda: chance.uniform(*back))
        virtual_time.run(self._send(server, 1000.0))
        assert worst_window(server.arrivals) <= 3000

    @staticmethod
    async def _send(server: Server, rate: float, seconds: float = 12.0) -> float:
        return await send(limiter(rate), server, seconds)

    def test_a_server_that_sees_requests_in_bursts_sees_no_more_either(self) -> None:
        """The network holds requests back and lets them through together, just before the time-out of some."""
        server = Server(lambda: 0.3 - now() % 0.3, lambda: 0.01)
        virtual_time.run(self._send(server, 300.0))
        assert worst_window(server.arrivals) <= 900

    @pytest.mark.parametrize(("latency", "share"), [(0.0, 0.995), (0.05, 0.97), (0.08, 0.96)])
    def test_almost_nothing_of_the_limit_is_wasted(self, latency: float, share: float) -> None:
        server = Server(lambda: latency / 2, lambda: latency / 2)
        rate = virtual_time.run(self._send(server, 1000.0))
        assert share * 1000 <= rate <= 1000
        assert worst_window(server.arrivals) <= 3000

    def test_late_wake_ups_cost_nothing(self) -> None:
        """A loop that is busy wakes a sleeper late; the pace makes up for it."""
        chance = random.Random(3)

        async def late(seconds: float) -> None:
            await asyncio.sleep(seconds + chance.uniform(0, 0.02))

        async def main() -> float:
            under = Limiter(100.0, clock=now, jitter=lambda: 0.0)
            return await send(under, server, 40.0, sleep=late)

        server = Server(lambda: 0.0, lambda: 0.001)
        assert virtual_time.run(main()) >= 99
        assert worst_window(server.arrivals) <= 300

    def test_the_first_second_is_paced_too(self) -> None:
        async def main() -> None:
            under = limiter(100.0)
            # Until the first batch is read.
            await asyncio.sleep(1.0)
            await send(under, server, 5.0)

        server = Server(lambda: 0.0, lambda: 0.0)
        virtual_time.run(main())
        assert worst_window(server.arrivals, 0.1) <= 12

    @pytest.mark.parametrize(("rate", "most"), [(0.1, 1), (0.5, 1), (0.7, 2), (1, 3), (1.5, 4), (2.5, 7)])
    def test_fractional_rates(self, rate: float, most: int) -> None:
        server = Server(lambda: 0.01, lambda: 0.01)
        virtual_time.run(self._send(server, rate, 60.0))
        assert worst_window(server.arrivals) <= most
        assert len(server.arrivals) >= 60 * min(rate, most / 3.1) * 0.9

    def test_a_share_is_kept_where_the_answers_tell_nothing(self) -> None:
        server = Server(lambda: 0.01, lambda: 0.01)

        async def main() -> float:
            return await send(Limiter(300.0, shards=3, clock=now, jitter=lambda: 0.0), server, 20.0)

        assert virtual_time.run(main()) >= 98
        assert worst_window(server.arrivals) <= 300

    def test_a_request_without_an_answer_holds_its_place(self) -> None:
        async def main() -> None:
            under = limiter(1.0)
            for _ in range(3):
                await acquire(under)
            waiting = asyncio.create_task(acquire(under))
            await asyncio.sleep(60)
            assert not waiting.done()
            under.answered()
            answered_at = now()
            await waiting
            assert now() - answered_at == pytest.approx(3.0, abs=0.01)

        virtual_time.run(main())

    @settings(max_examples=30, deadline=None)
    @given(
        rate=st.floats(0.4, 40),
        seed=st.integers(0, 10**6),
        most_to=st.floats(0, 3),
        most_back=st.floats(0, 3),
        workers=st.integers(1, 40),
    )
    # Arrivals at thirds of a second: what is 3 s apart is so only to the last bit.
    @example(rate=1.5, seed=0, most_to=0.0, most_back=0.0, workers=14)
    def test_any_rate_and_any_network(
        self, rate: float, seed: int, most_to: float, most_back: float, workers: int
    ) -> None:
        chance = random.Random(seed)
        server = Server(lambda: chance.uniform(0, most_to), lambda: chance.uniform(0, most_back))

        async def main() -> None:
            await send(limiter(rate), server, 15.0, workers)

        virtual_time.run(main())
        assert worst_window(server.arrivals) <= max(1, 3 * rate)


class TestPause:
    def test_a_429_pauses_everything_and_nothing_stampedes_after_it(self) -> None:
        async def main() -> list[float]:
            under = limiter(1000.0)
            sent: list[float] = []
            await acquire(under)

            async def work() -> None:
                for _ in range(5):
                    await acquire(under)
                    sent.append(now())
                    under.answered(201, {})

            under.answered(429, {"X-Ratelimit-Retry-After": "7"})
            await asyncio.gather(*(work() for _ in range(96)))
            return sent

        sent = virtual_time.run(main())
        assert min(sent) >= 1007.0
        assert worst_window(sent, 0.1) <= 101
        assert max(sent) <= 1007.6

    def test_it_is_jittered_and_never_shorter_than_ordered(self) -> None:
        async def main(jitter: float) -> float:
            under = limiter(jitter=jitter)
            await acquire(under)
            under.answered(429, {"Retry-After": "10"})
            await acquire(under)
            return now() - 1000.0

        assert virtual_time.run(main(0.0)) == pytest.approx(10.0, abs=0.01)
        assert virtual_time.run(main(0.999)) == pytest.approx(11.0, abs=0.01)

    def test_one_without_a_usable_header_waits_half_a_second_then_longer_then_no_longer(self) -> None:
        clock = [1000.0]
        under = Limiter(1000, clock=lambda: clock[0], jitter=lambda: 0.0)
        waits = []
        for _ in range(3000):
            under.answered(429, {})
            under.answered(429, {})
            waits.append(under.paused_for)
            clock[0] += waits[-1]
        assert waits[:8] == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30])
        assert waits[-1] == pytest.approx(30)

    def test_one_that_comes_during_a_pause_still_waits_half_a_second(self) -> None:
        clock = [1000.0]
        under = Limiter(1000, clock=lambda: clock[0], jitter=lambda: 0.0)
        under.answered(201, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "0.1"})
        under.answered(429, {})
        assert under.paused_for == pytest.approx(0.5)

    def test_requests_refused_together_are_one_refusal(self) -> None:
        async def main() -> float:
            under = limiter()
            for _ in range(50):
                await acquire(under)
            began = now()
            for _ in range(50):
                under.answered(429, {})
            await acquire(under)
            assert under.refusals == 50
            return now() - began

        assert virtual_time.run(main()) == pytest.approx(0.5, abs=0.06)

    def test_an_answer_resets_what_is_guessed(self) -> None:
        async def main() -> float:
            under = limiter()
            for status in (429, 429, 429, 201, 429):
                await acquire(under)
                under.answered(status, {})
            return under.paused_for

        assert virtual_time.run(main()) == pytest.approx(0.5)

    def test_the_longest_of_several_pauses_counts_once(self) -> None:
        async def main() -> None:
            under = limiter()
            for seconds in ("5", "2", "9"):
                await acquire(under) if under.paused_for == 0 else None
                under.answered(429, {"Retry-After": seconds})
            assert under.paused_for == pytest.approx(9)
            assert under.paused_seconds == pytest.approx(0)
            await asyncio.sleep(4)
            assert under.paused_seconds == pytest.approx(4)
            await asyncio.sleep(40)
            assert under.paused_seconds == pytest.approx(9)

        virtual_time.run(main())

    def test_an_empty_budget_pauses_until_the_reset(self) -> None:
        async def main(headers: dict[str, str]) -> float:
            under = limiter()
            await acquire(under)
            under.answered(201, headers)
            return under.paused_for

        for remaining, reset, paused in [
            ("0", "12", 12.0),
            ("0", str(int(WALL) + 12), 12.0),
            ("0", str(int(WALL) - 12), 0.0),
            ("0", "", 0.0),
            ("0", "0", 0.0),
            ("", "12", 0.0),
            ("1", "12", 0.0),
            ("-1", "12", 0.0),
        ]:
            headers = {"X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}
            assert virtual_time.run(main(headers)) == pytest.approx(paused)
        assert virtual_time.run(main({"X-RateLimit-Remaining": "0"})) == 0.0

    def test_a_longer_pause_reaches_those_who_wait_already(self) -> None:
        async def main() -> float:
            under = limiter()
            for _ in range(2):
                await acquire(under)
            under.answered(429, {"Retry-After": "5"})
            waiting = asyncio.create_task(acquire(under))
            await asyncio.sleep(1)
            under.answered(429, {"Retry-After": "20"})
            await waiting
            return now() - 1000

        assert virtual_time.run(main()) == pytest.approx(21, abs=0.1)


class TestHeaders:
    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"X-Ratelimit-Retry-After": "7"}, 7.0),
            ({"X-Ratelimit-Retry-After": "7", "Retry-After": "3", "X-RateLimit-Reset": "1"}, 7.0),
            ({"X-Ratelimit-Retry-After": "", "Retry-After": "3", "X-RateLimit-Reset": "1"}, 3.0),
            ({"X-Ratelimit-Retry-After": "soon", "X-RateLimit-Reset": "4"}, 4.0),
            ({"X-RateLimit-Reset": str(int(WALL) + 9)}, 9.0),
            ({"X-RateLimit-Reset": "9"}, 9.0),
            ({"Retry-After": formatdate(WALL + 60, usegmt=True)}, 60.0),
            ({"Retry-After": formatdate(WALL + 60)}, 60.0),
            ({"X-Ratelimit-Retry-After": "0.2"}, 0.5),
            ({"X-Ratelimit-Retry-After": "1e12"}, LONGEST_PAUSE),
            ({"X-RateLimit-Reset": "99999999999999"}, LONGEST_PAUSE),
            ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_PAUSE),
            ({"X-Ratelimit-Retry-After": "0"}, 0.5),
            ({"X-Ratelimit-Retry-After": "0", "X-RateLimit-Reset": str(int(WALL) + 3000)}, 0.5),
            ({"X-Ratelimit-Retry-After": "-5"}, None),
            ({"X-Ratelimit-Retry-After": "nan"}, None),
            ({"X-Ratelimit-Retry-After": "inf"}, None),
            ({"X-RateLimit-Reset": str(int(WALL) - 9)}, None),
            ({"X-RateLimit-Limit": "", "X-RateLimit-Remaining": "", "X-RateLimit-Reset": ""}, None),
            ({"Retry-After": formatdate(WALL - 60, usegmt=True)}, None),
            ({"Retry-After": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
            ({"Retry-After": "tomorrow"}, None),
            ({}, None),
        ],
    )
    def test_what_a_429_orders(self, headers: dict[str, str], seconds: float | None) -> None:
        found = Limiter(1, clock=lambda: 1000.0, wall=lambda: WALL).ordered_wait(headers)
        assert found == (None if seconds is None else pytest.approx(seconds))

    @pytest.mark.parametrize("wrong_by", [-3600, -6, 6, 3600])
    def test_braze_is_believed_where_the_clock_of_this_machine_is_wrong(self, wrong_by: int) -> None:
        under = Limiter(1, clock=lambda: 1000.0, wall=lambda: WALL + wrong_by)
        date = formatdate(WALL, usegmt=True)
        for asked in (
            {"X-RateLimit-Reset": str(int(WALL) + 30)},
            {"Retry-After": formatdate(WALL + 30, usegmt=True)},
        ):
            assert under.ordered_wait({**asked, "Date": date}) == pytest.approx(30)
            assert under.ordered_wait({**asked, "Date": "garbage"}) == (
                pytest.approx(30 - wrong_by) if wrong_by < 30 else None
            )

    @settings(max_examples=500, deadline=None)
    @given(
        st.dictionaries(
            st.sampled_from(
                [
                    "X-Ratelimit-Retry-After",
                    "Retry-After",
                    "X-RateLimit-Reset",
                    "X-RateLimit-Remaining",
                    "Date",
                ]
            ),
            st.text(max_size=30)
            | st.floats().map(str)
            | st.integers().map(str)
            | st.integers(-(10**11), 10**11).map(lambda at: formatdate(at) if at >= 0 else "-0000"),
        ),
        st.sampled_from([200, 201, 429, 500]),
    )
    def test_any_header_is_survived(self, headers: dict[str, str], status: int) -> None:
        under = Limiter(1000, clock=lambda: 1000.0, wall=lambda: WALL)
        under.answered(status, headers)
        assert 0 <= under.paused_for <= LONGEST_PAUSE * 1.1
        if status == 429:
            assert under.paused_for >= 0.5
        assert under.ordered_wait(headers) is None or 0.5 <= under.ordered_wait(headers) <= LONGEST_PAUSE  # type: ignore[operator]


def test_the_real_clock_is_the_default() -> None:
    under = Limiter(50.0)
    began = time.monotonic()
    for _ in range(11):
        while wait := under.ready_in():
            time.sleep(wait)
        under.take()
        under.answered(201, {})
    assert time.monotonic() - began >= 0.1


class TestAfterAnotherPush:
    """The pushes of a list follow each other at once, and are one load for Braze."""

    def test_no_window_holds_more_though_each_push_has_a_limiter_of_its_own(self) -> None:
        async def pushes() -> list[float]:
            server, last = Server(lambda: 0.001, lambda: 0.001), None
            for _ in range(100):
                last = Limiter(10, clock=now, wall=lambda: WALL, jitter=lambda: 0.0, after=last)
                await acquire(last)
                await server.post()
                last.answered(201, {})
            return server.arrivals

        assert worst_window(virtual_time.run(pushes())) <= 30

    def test_a_pause_that_was_ordered_holds_for_the_next_and_is_counted_there(self) -> None:
        async def pushes() -> tuple[float, float]:
            first = limiter()
            await acquire(first)
            first.answered(429, {"Retry-After": "5"})
            second = Limiter(1000, clock=now, wall=lambda: WALL, jitter=lambda: 0.0, after=first)
            began = now()
            await acquire(second)
            return now() - began, second.paused_seconds

        waited, counted = virtual_time.run(pushes())
        assert waited >= 5
        assert counted == pytest.approx(5, abs=0.2)
