from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_braze.pushes.attempt.progress import (
    EVERY,
    MOST_SAMPLES,
    Progress,
    Samples,
    progress_line,
)
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink

NOON = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)


class Clock:
    """A clock that goes only when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A progress with everything that it looks at."""

    def __init__(self, **given: Any) -> None:
        self.clock, self.ledger, self.told = Clock(), Ledger(NullSink()), []
        self.paused_for = 0.0
        self.progress = Progress(
            self.ledger,
            "/exports/one.txt",
            tell=self.told.append,
            paused_for=lambda: self.paused_for,
            clock=self.clock,
            wall=lambda: NOON,
            **given,
        )

    def go(self, seconds: int, accepted_per_second: int) -> None:
        for _ in range(seconds):
            self.clock.now += 1
            self.ledger.settled.records += accepted_per_second
            self.ledger.settled.outcomes["accepted"] += accepted_per_second
            self.progress.tick()


class TestSamples:
    @pytest.mark.parametrize("seconds", [1, 58, 59, 60, 61, 1000, 7 * 3600])
    def test_never_more_than_sixty_and_evenly_apart(self, seconds: int) -> None:
        samples = Samples()
        for second in range(1, seconds + 1):
            samples.add(second, second * 10)
        points = samples.until(seconds + 0.5, seconds * 10)
        assert 2 <= len(points) <= MOST_SAMPLES
        assert (points[0], points[-1]) == ([0, 0], [seconds + 0.5, seconds * 10])
        gaps = {later[0] - earlier[0] for earlier, later in itertools.pairwise(points[:-1])}
        assert gaps <= {samples.interval}

    def test_keep_what_was_seen(self) -> None:
        samples = Samples()
        for second in range(1, 200):
            samples.add(second, second**2)
        assert all(count == at**2 for at, count in samples.until(199, 199**2))

    def test_of_a_push_that_was_over_before_the_first_look(self) -> None:
        assert Samples().until(0.31, 25) == [[0, 0], [0.3, 25]]


class TestProgress:
    def test_tells_at_once_and_then_every_few_seconds(self) -> None:
        watched = Watched()
        watched.go(11, 10)
        assert [told["elapsed"] for told in watched.told] == [1, 1 + EVERY, 1 + 2 * EVERY]

    def test_tells_what_a_person_wants_to_know(self) -> None:
        watched = Watched(share=lambda: 0.25)
        watched.ledger.begin(3)
        watched.ledger.settled.outcomes["invalid"] = 3
        watched.ledger.requests = 4
        watched.go(1, 100)
        (told,) = watched.told
        assert told["export"] == "/exports/one.txt"
        assert (told["share"], told["records"], told["accepted"], told["failed"]) == (0.25, 103, 100, 3)
        assert (told["invalid"], told["requests"], told["elapsed"]) == (3, 4, 1)
        assert told["samples"] == [[0, 0], [1, 103]]
        assert told["waiting_until"] is None
        assert json.loads(json.dumps(told)) == told

    def test_share_is_of_what_is_settled_not_of_what_is_read(self) -> None:
        watched = Watched(share=lambda: 0.5)
        watched.ledger.begin(100)
        assert watched.progress.as_dict()["share"] == 0
        watched.ledger.settled.outcomes["accepted"] = 50
        assert watched.progress.as_dict()["share"] == 0.25

    def test_pace_is_the_latest_and_in_the_end_that_of_the_whole_push(self) -> None:
        watched = Watched()
        watched.go(60, 10)
        watched.go(20, 100)
        assert watched.progress.as_dict()["records_per_second"] == 100
        watched.progress.finish()
        assert watched.told[-1]["records_per_second"] == (600 + 2000) / 80

    def test_names_the_time_until_which_braze_lets_nothing_through(self) -> None:
        watched = Watched()
        watched.paused_for = 90
        watched.go(1, 10)
        assert watched.told[0]["waiting_until"] == "2026-11-21T12:02:00+00:00"
        watched.progress.finish()
        assert watched.told[-1]["waiting_until"] is None

    def test_what_is_sent_after_a_wait_has_not_failed(self) -> None:
        watched = Watched(share=lambda: 0.8)
        # One was given up for good before; the push then leaves its worker, and 60 of what it has read are not sent.
        watched.ledger.settled.outcomes["not_sent"] = 1
        watched.go(3, 13)
        watched.ledger.begin(60)
        watched.ledger.settle_rest("not_sent")
        watched.paused_for = 600
        watched.progress.finish(waiting=True)
        told = watched.told[-1]
        assert (told["to_be_sent"], told["not_sent"], told["failed"], told["accepted"]) == (60, 1, 1, 39)
        assert told["share"] == pytest.approx(0.8 * 40 / 99, abs=0.001)
        assert told["samples"][-1] == [3, 40]
        assert told["records_per_second"] == pytest.approx(13, abs=0.5)
        assert "60 to be sent after the wait" in progress_line(told)

    def test_what_was_not_sent_when_a_push_was_stopped_has_failed(self) -> None:
        watched = Watched()
        watched.ledger.begin(60)
        watched.ledger.settle_rest("not_sent")
        watched.progress.finish()
        assert (watched.told[-1]["to_be_sent"], watched.told[-1]["failed"]) == (0, 60)

    def test_tells_what_is_under_way_and_what_braze_answers(self) -> None:
        trouble = {"reason": "Braze answers 500", "next_try": 3, "most_tries": 6}
        about = {"channel": "Braze Append", "offer": "Spring"}
        watched = Watched(about=about, in_flight=lambda: 75, trouble=lambda: trouble)
        watched.go(1, 10)
        told = watched.told[0]
        assert (told["in_flight"], told["trouble"], told["offer"]) == (75, trouble, "Spring")
        assert told["export"] == "/exports/one.txt"
        assert "Braze answers 500; try 3 of 6" in progress_line(told)
        watched.progress.finish()
        assert (watched.told[-1]["in_flight"], watched.told[-1]["trouble"]) == (0, None)

    def test_a_plan_is_looked_at_while_it_is_gone_through(self) -> None:
        watched = Watched()

        def source() -> Iterator[int]:
            for number in range(100):
                watched.clock.now += 0.2
                watched.ledger.settled.records += 1
                watched.ledger.settled.outcomes["planned"] += 1
                yield number

        assert list(watched.progress.watching(source())) == list(range(100))
        assert [round(told["elapsed"]) for told in watched.told] == [1, 6, 11, 16]
        assert watched.told[-1]["planned"] >= 75

    def test_stands_still_once_it_has_ended(self) -> None:
        watched = Watched()
        watched.go(3, 10)
        watched.progress.finish()
        watched.clock.now += 1000
        assert watched.progress.samples()[-1] == [3, 30]

    def test_the_largest_fits_a_value_of_the_task_state_store(self) -> None:
        watched = Watched()
        watched.ledger.settled.records = 10**12
        watched.go(7200, 10**9)
        assert len(json.dumps(watched.progress.as_dict())) < 10_000


class TestWords:
    def test_say_every_count(self) -> None:
        watched = Watched(share=lambda: 0.4235)
        watched.ledger.begin(9)
        watched.ledger.settled.outcomes.update(unknown=2, merged=7)
        watched.ledger.requests = 20
        watched.paused_for = 90
        watched.go(1, 1234)
        assert progress_line(watched.told[0]) == (
            "42% done, 1,243 records, 1,243 a second, 1,234 accepted, 2 failed, 20 requests, 7 merged, "
            "waiting for Braze until 12:02 UTC."
        )

    def test_leave_out_what_is_not(self) -> None:
        watched = Watched()
        watched.go(1, 5)
        assert progress_line(watched.told[0]) == "5 records, 5 a second, 5 accepted, 0 failed, 0 requests."


class TestRows:
    """Where it is known how many rows there are, so is how far a push has come."""

    @pytest.mark.parametrize("shard", ["1/1", "2/2"])
    def test_of_a_list_the_share_is_told(self, push_rows: Callable[..., Any], shard: str) -> None:
        told: list[dict[str, Any]] = []
        rows = [{"external_id": f"U{number}", "tier": "gold"} for number in range(500)]
        report = push_rows(attributes=rows, progress=told.append, shard=Shard.read("shard", shard))
        assert report["accepted"] == (500 if shard == "1/1" else pytest.approx(250, abs=50))
        assert told[-1]["share"] == 1.0

    def test_of_rows_that_come_one_by_one_nobody_knows(self, push_rows: Callable[..., Any]) -> None:
        told: list[dict[str, Any]] = []
        push_rows(attributes=iter([{"external_id": "U1", "tier": "gold"}]), progress=told.append)
        assert told[-1]["share"] is None
