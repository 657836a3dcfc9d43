"""The loop of a push without sockets and without sleeping: its clock and its transport are given."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeError, BrazeServerError, BrazeUnreachableError
from airflow_provider_braze.users_track.delivery.push import Push
from airflow_provider_braze.users_track.transport.client import Answer, NoAnswerError
from airflow_provider_braze.users_track.transport.limiter import Limiter
from tests.users_track.pushing import Written, check_sum, event, people, profile_object, start, workspace

SUCCESS = Answer(201, {}, b'{"message": "success"}')
LATENCY = 0.05


class World:
    """A transport whose requests are answered after a while, and the clock that passes when somebody waits.

    :param answer: what comes back, by the ordinal of the request and its body; an error or answer, and its latency.
    """

    def __init__(self, answer: Callable[[int, bytes], Answer | NoAnswerError | tuple[Any, float]]) -> None:
        self.now = 1000.0
        self.answer = answer
        self.sent: list[tuple[float, bytes]] = []
        self.most_in_flight = self.waits = 0
        self.before_wait: Callable[[], object] = lambda: None
        self._under_way: list[tuple[float, int, Any, Any]] = []
        self._numbers = itertools.count()
        self._woken = False

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self._under_way.clear()

    def clock(self) -> float:
        return self.now

    def start(self, path: str, body: bytes, about: Any) -> None:
        number = next(self._numbers)
        self.sent.append((self.now, body))
        given = self.answer(number, body)
        result, latency = given if len(given) == 2 else (given, LATENCY)  # type: ignore[arg-type]
        heapq.heappush(self._under_way, (self.now + latency, number, about, result))
        self.most_in_flight = max(self.most_in_flight, len(self._under_way))

    def finished(self) -> Iterator[tuple[Any, Any]]:
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, about, result = heapq.heappop(self._under_way)
            yield about, result

    def wait(self, seconds: float) -> None:
        self.waits += 1
        assert self.waits < 100_000, "it waits for ever"
        self.before_wait()
        if self._woken:
            self._woken = False
            return
        assert seconds > 0, "the loop spins"
        until = self.now + seconds
        if self._under_way:
            until = min(until, max(self.now, self._under_way[0][0]))
        self.now = until

    def wake(self) -> None:
        self._woken = True


def begin(world: World, items: Any, **options: Any) -> tuple[Push, Any, Written]:
    where = workspace("http://127.0.0.1:1", **options.pop("settings", {}))
    limiter = Limiter(where.requests_per_second, clock=world.clock, wall=world.clock, jitter=lambda: 0.0)
    return start(items, where, limiter=limiter, client=world, clock=world.clock, **options)


def finish(push: Push, ledger: Any, written: Written, **options: Any) -> Any:
    push.run(**options)
    check_sum(ledger, written)
    return ledger


def lost(*, sent: bool = True) -> tuple[NoAnswerError, float]:
    return NoAnswerError("the connection was closed", sent=sent), LATENCY


def test_an_hour_that_braze_orders_passes_and_nothing_is_lost() -> None:
    ordered = Answer(429, {"X-Ratelimit-Retry-After": "3600"}, b"")
    world = World(lambda number, _: ordered if number == 0 else SUCCESS)
    ledger = finish(*begin(world, people(1000)))
    assert ledger.outcomes == {"accepted": 1000}
    assert ledger.requests == 15
    # What was in flight when it was ordered is answered; all else goes after the hour.
    assert [at for at, _ in world.sent if 1000.0 + 1 < at < 1000.0 + 3600] == []
    assert world.sent[-1][0] >= 1000.0 + 3600


def test_requests_are_paced_and_never_more_in_flight_than_allowed() -> None:
    world = World(lambda *_: (SUCCESS, 1.0))
    finish(*begin(world, people(75 * 60), settings={"requests_per_second": 20, "max_in_flight": 7}))
    assert world.most_in_flight == 7
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(world.sent)]
    assert min(gaps) >= 1 / 20 - 1e-9


@pytest.mark.parametrize("creep", [1e-5, 7e-5, 3e-4, 1.1e-3])
def test_the_loop_does_not_sleep_through_a_moment_that_comes_while_it_looks(creep: float) -> None:
    """A clock that goes on with each look at it: what was not yet allowed is allowed a line later."""

    class Creeping(World):
        def clock(self) -> float:
            self.now += creep
            return self.now

        def wait(self, seconds: float) -> None:
            super().wait(max(seconds, 1e-9))

    world = Creeping(lambda *_: SUCCESS)
    ledger = finish(*begin(world, people(75 * 300), settings={"requests_per_second": 20}))
    assert ledger.outcomes == {"accepted": 75 * 300}
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(world.sent)]
    # A twentieth of a second each, and what looking at the clock takes meanwhile.
    assert max(gaps) < 1 / 20 + 0.1 + 100 * creep
    assert world.sent[-1][0] - world.sent[0][0] == pytest.approx(299 / 20, rel=0.02)


def test_trouble_is_tried_six_times_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    world = World(lambda *_: Answer(500, {}, b""))
    push, ledger, written = begin(world, people(3))
    finish(push, ledger, written)
    assert ledger.outcomes == {"unknown": 3}
    assert isinstance(push.error, BrazeServerError)
    gaps = [
        round(later - earlier - LATENCY, 3) for (earlier, _), (later, _) in itertools.pairwise(world.sent)
    ]
    assert gaps == [1.0, 2.0, 4.0, 8.0, 16.0]


def test_trouble_is_told_with_its_try_until_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    world = World(lambda number, _: Answer(500, {}, b"") if number < 2 else SUCCESS)
    push, ledger, written = begin(world, people(3))
    told: list[Any] = []
    finish(push, ledger, written, watch=lambda: told.append(push.trouble), every=0.25)
    # 1 s and 2 s after the first two answers it is tried again.
    assert told[0] is not None
    assert [each for each, _ in itertools.groupby(told)] == [
        {"reason": "Braze answers 500", "next_try": number, "most_tries": 6} for number in (2, 3)
    ]
    assert push.trouble is None


def test_no_answer_is_trouble_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    world = World(lambda number, _: lost() if number == 0 else SUCCESS)
    push, ledger, written = begin(world, people(3))
    told: list[Any] = []
    finish(push, ledger, written, watch=lambda: told.append(push.trouble), every=0.25)
    assert told[0]["reason"] == "No answer from Braze: the connection was closed"


def test_what_is_in_flight_is_what_is_sent_and_not_answered() -> None:
    world = World(lambda *_: (SUCCESS, 10.0))
    push, ledger, written = begin(world, people(5000), settings={"max_in_flight": 3})
    told: list[int] = []
    finish(push, ledger, written, watch=lambda: told.append(push.in_flight), every=5.0)
    # Three requests of 75, whatever is read ahead.
    assert told[0] == 3 * 75
    assert push.in_flight == 0


def test_waiting_for_the_own_pace_is_told_apart_from_waiting_for_braze() -> None:
    world = World(lambda *_: SUCCESS)
    push, ledger, written = begin(world, people(75 * 21), settings={"requests_per_second": 2})
    finish(push, ledger, written)
    # Twenty half seconds between the requests; less only what answers took meanwhile.
    assert push.limiter.paced_seconds == pytest.approx(10.0, abs=0.5)
    assert push.limiter.paused_seconds == 0

    ordered = Answer(429, {"X-Ratelimit-Retry-After": "3600"}, b"")
    world = World(lambda number, _: ordered if number == 0 else SUCCESS)
    push, ledger, written = begin(world, people(100))
    finish(push, ledger, written)
    assert push.limiter.paced_seconds < 1
    assert push.limiter.paused_seconds >= 3600


def test_waiting_for_answers_is_no_waiting_for_the_pace() -> None:
    world = World(lambda *_: (SUCCESS, 10.0))
    push, ledger, written = begin(world, people(75 * 20), settings={"max_in_flight": 1})
    finish(push, ledger, written)
    assert push.limiter.paced_seconds < 1


def test_two_minutes_of_silence_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    world = World(lambda *_: (NoAnswerError("no answer within 50 s", sent=True), 50.0))
    push, ledger, written = begin(world, people(3))
    finish(push, ledger, written)
    assert (ledger.requests, ledger.outcomes) == (3, {"unknown": 3})
    assert isinstance(push.error, BrazeUnreachableError)


def test_while_one_waits_to_be_tried_again_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 1.0)
    world = World(lambda number, _: Answer(503, {}, b"") if number == 0 else SUCCESS)
    ledger = finish(*begin(world, people(750), settings={"max_in_flight": 2, "requests_per_second": 1000}))
    assert ledger.outcomes == {"accepted": 750}
    # The first batch is sent again after a second; everything else went out meanwhile.
    assert world.sent[-1][0] == pytest.approx(1000.0 + LATENCY + 1.0, abs=0.01)
    assert world.sent[-2][0] < 1000.0 + 1.0


def test_a_stop_ends_all_waiting_at_once() -> None:
    ordered = Answer(429, {"Retry-After": "3600"}, b"")
    world = World(lambda *_: ordered)
    push, ledger, written = begin(world, people(300))
    world.before_wait = lambda: (
        push.stop_from_outside(BrazeError("enough"), 5.0) if world.waits == 3 else None
    )
    finish(push, ledger, written)
    assert str(push.error) == "enough"
    assert ledger.outcomes == {"not_sent": 300}
    assert world.now < 1000.0 + 5


def test_a_stop_waits_a_little_for_what_is_in_flight_and_no_longer() -> None:
    world = World(lambda number, _: (SUCCESS, 1.0 if number == 0 else 60.0))
    push, ledger, written = begin(world, people(150), settings={"max_in_flight": 2})

    def look() -> None:
        if len(world.sent) == 2 and push.error is None:
            push.stop_from_outside(BrazeError("enough"), 1.5)

    world.before_wait = look
    finish(push, ledger, written)
    assert ledger.outcomes == {"accepted": 75, "unknown": 75}
    assert world.now < 1000.0 + 2


def test_one_user_is_never_in_two_requests_at_once() -> None:
    world = World(lambda *_: SUCCESS)
    items = [event("one", n) if n % 2 else profile_object("one", n, city=f"c{n}") for n in range(2000)]
    ledger = finish(*begin(world, items))
    assert ledger.outcomes["accepted"] + ledger.outcomes["merged"] == 2000
    assert world.most_in_flight == 1


def test_halves_go_out_one_after_the_other() -> None:
    refused = Answer(400, {}, b'{"message": "Bad Request"}')
    world = World(lambda _, body: refused if b"c7" in body else SUCCESS)
    ledger = finish(*begin(world, people(10)))
    assert ledger.outcomes == {"accepted": 9, "rejected": 1}
    assert world.most_in_flight == 1


def test_it_waits_for_what_it_reads_from_and_is_woken_by_it() -> None:
    class Feed:
        def __init__(self) -> None:
            self.asked = self.stops = 0

        def ready(self, wake: Callable[[], None]) -> bool:
            self.asked += 1
            if self.asked % 50:
                return True

            def wake_once() -> None:
                world.before_wait = lambda: None
                wake()

            world.before_wait = wake_once
            return False

        def stop(self) -> None:
            self.stops += 1

    feed, world = Feed(), World(lambda *_: SUCCESS)
    ledger = finish(*begin(world, people(400), feed=feed))
    assert ledger.outcomes == {"accepted": 400}
    assert feed.asked > 400
    assert world.now < 1000.0 + 1


def test_it_is_watched_in_time_however_long_nothing_happens() -> None:
    world = World(lambda *_: (SUCCESS, 30.0))
    push, ledger, written = begin(world, people(3))
    seen: list[float] = []
    finish(push, ledger, written, watch=lambda: seen.append(world.now), every=5.0)
    assert seen == pytest.approx([1005.0, 1010.0, 1015.0, 1020.0, 1025.0, 1030.0], abs=0.01)


def test_a_name_that_cannot_be_reached_sends_nothing() -> None:
    world = World(lambda *_: lost(sent=False))
    push, ledger, written = begin(world, people(80))
    finish(push, ledger, written)
    assert ledger.outcomes == {"not_sent": 80}
    assert ledger.requests == 0
