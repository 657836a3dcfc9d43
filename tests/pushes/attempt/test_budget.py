"""A push says when it does not fit into what is left of an hour's requests, and goes on all the same."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.attempt.budget import Budget
from airflow_provider_braze.sandbox.traffic.rate import HOUR
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.transport.limiter import Limiter
from tests.connections import connect
from tests.operators.test_list import Share, TaskDeferred, TaskInstance
from tests.sandbox_process import SandboxProcess

BEGAN = datetime(2026, 11, 27, 14, 40, tzinfo=UTC)
FULL = 75


class Told:
    """A budget of which answers have told, and what it says."""

    def __init__(self, *, records: int, share: float | None = 1.0, before: int = 0) -> None:
        self.said: list[str] = []
        self.now = 1000.0
        self.limiter = Limiter(1000, clock=lambda: self.now, wall=BEGAN.timestamp)
        self.ledger = Ledger(NullSink())
        self._read(before, settled=before)
        given = None if share is None else lambda: share
        self.budget = Budget(
            self.limiter,
            self.ledger,
            given,
            FULL,
            self.said.append,
            clock=lambda: self.now,
            wall=lambda: BEGAN,
        )
        self._read(records - before, settled=0)

    def _read(self, records: int, *, settled: int) -> None:
        if records:
            self.ledger.begin(records)
            self.settle(settled)

    def settle(self, records: int) -> None:
        self.ledger.settled.outcomes["accepted"] += records

    def answer(self, remaining: int, reset: float = 1200, *, limit: int = 250_000) -> None:
        self.limiter.take()
        told = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": remaining, "X-RateLimit-Reset": reset}
        self.limiter.answered(201, {name: str(value) for name, value in told.items()})
        self.budget.look()


@pytest.mark.parametrize("share", [1.0, None])
def test_what_does_not_fit_is_said_once(share: float | None) -> None:
    told = Told(records=75_000, share=share)
    told.answer(999)
    assert told.said == [
        "About 1,000 more requests are needed, and 999 of Braze's 250,000 are left until 15:00 UTC, for all pushes "
        "together: once these are used up, the push waits until then."
    ]
    told.answer(998)
    assert len(told.said) == 1


def test_what_fits_is_not_said_until_others_have_used_it_up() -> None:
    told = Told(records=75_000)
    told.answer(1000)
    assert told.said == []
    told.answer(700)
    assert "and 700 of" in told.said[0]


def test_what_was_not_read_yet_is_estimated() -> None:
    told = Told(records=7500, share=0.1)
    told.answer(999)
    assert "About 1,000 more requests" in told.said[0]


def test_before_anything_was_read_nothing_is_known() -> None:
    told = Told(records=0, share=0.0)
    told.answer(1)
    assert told.said == []


def test_what_an_earlier_try_has_settled_needs_no_request() -> None:
    told = Told(records=75_000, before=60_000)
    told.answer(200)
    assert told.said == []
    told.answer(199)
    assert "About 200 more requests" in told.said[0]


def test_requests_that_are_not_full_are_counted_as_they_are() -> None:
    told = Told(records=7500)
    told.ledger.requests = 50
    told.settle(500)
    told.answer(699)
    assert "About 700 more requests" in told.said[0]


@pytest.mark.parametrize("reset", [0, 2, 4])
def test_a_limit_of_seconds_says_nothing_of_it(reset: int) -> None:
    told = Told(records=75_000)
    told.answer(1, reset, limit=3000)
    assert told.said == []


@pytest.fixture
def with_few_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxProcess]:
    # The sandbox's hour ends with the clock's, as Braze's does.
    if HOUR - time.time() % HOUR < 60:
        time.sleep(61)
    with SandboxProcess("--rate", "3/3600", "--rate-headers", "seconds") as process:
        connect(monkeypatch, process)
        yield process


def test_a_push_says_so_and_waits_for_the_next_hour(
    with_few_left: SandboxProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Share(tmp_path).land(
        1, "external_id,nickname\n" + "".join(f"U{number},Bo\n" for number in range(10 * FULL))
    )
    push = BrazeUserTrackOperator(task_id="push", export=path, max_wait_on_worker=1)
    with pytest.raises(TaskDeferred):
        push.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item]
    (file,) = (tmp_path / "_braze").rglob("report.json")
    report = json.loads(file.read_text())
    (note,) = report["notes"]
    # By how many answers had come when it was looked.
    assert re.match(
        r"About (7|8|9) more requests are needed, and [0-2] of Braze's 3 are left until \d\d:00 UTC", note
    )
    assert report["accepted"] == 3 * FULL
    assert note in capsys.readouterr().out
