"""A push that runs, and what signal handlers raise meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.pushes.attempt import running, signals
from airflow_provider_braze.pushes.attempt.running import Running
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from tests.sandbox_process import SandboxProcess
from tests.users_track.pushing import check_sum, people, start, workspace


class TooLongError(BaseException):
    """As Airflow raises where a task takes too long."""


@contextmanager
def handling(handler: Any) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, handler)
    try:
        yield
        assert signal.getsignal(signal.SIGALRM) is handler, "the handler was not put back"
    finally:
        signal.signal(signal.SIGALRM, before)


def raise_it(*_: Any) -> None:
    raise TooLongError


def alarmed(at: int, items: list[ProfileObject]) -> Iterator[ProfileObject]:
    """Objects; before one of them comes a signal."""
    for n, item in enumerate(items):
        if n == at:
            signal.raise_signal(signal.SIGALRM)
        yield item


@pytest.fixture(scope="module")
def slow() -> Iterator[SandboxProcess]:
    """A sandbox that answers after 30 ms, so that requests overlap."""
    with SandboxProcess("--latency-ms", "30") as process:
        yield process


class TestSignalsThatRaise:
    def test_wherever_it_comes_the_push_is_stopped(self) -> None:
        with SandboxProcess("--latency-ms", "100") as sandbox, handling(raise_it):
            push, ledger, written = start(
                alarmed(10_000, people(60_000)), workspace(sandbox.url, max_in_flight=2)
            )
            Running().run(push, lambda: None)
        assert isinstance(push.error, TooLongError)
        check_sum(ledger, written)
        assert ledger.outcomes["accepted"] > 0
        assert ledger.outcomes["not_sent"] > 0

    def test_at_the_very_end_it_is_the_pushs_error_too(self) -> None:
        with SandboxProcess() as sandbox, handling(raise_it):
            push, ledger, _ = start(alarmed(74, people(75)), workspace(sandbox.url))
            Running().run(push, lambda: None)
        assert isinstance(push.error, TooLongError)
        assert ledger.records == 75
        assert ledger.outcomes.total() == 75

    def test_while_the_push_is_looked_at_it_stops_it_too(self) -> None:
        looks: list[int] = []

        def look() -> None:
            looks.append(1)
            if len(looks) == 1:
                signal.raise_signal(signal.SIGALRM)

        with SandboxProcess("--latency-ms", "100") as sandbox, handling(raise_it):
            push, ledger, written = start(people(60_000), workspace(sandbox.url, max_in_flight=2))
            Running().run(push, look)
        assert isinstance(push.error, TooLongError)
        check_sum(ledger, written)
        assert ledger.outcomes["not_sent"] > 0

    @pytest.mark.parametrize("moment", [n / 40 for n in range(1, 9)])
    def test_at_any_moment_the_push_ends_with_it(self, slow: SandboxProcess, moment: float) -> None:
        with handling(raise_it):
            push, ledger, written = start(people(60_000), workspace(slow.url, timeout=2))
            signal.setitimer(signal.ITIMER_REAL, moment)
            Running().run(push, lambda: None)
        assert isinstance(push.error, TooLongError)
        check_sum(ledger, written)

    def test_where_the_push_does_not_end_it_is_raised_after_all(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(running, "PATIENCE", 0.2)
        os.mkfifo(tmp_path / "share")

        def source() -> Iterator[ProfileObject]:
            signal.raise_signal(signal.SIGALRM)
            # As on a share that is gone: nobody ever writes.
            (tmp_path / "share").read_bytes()
            yield from people(1)

        with SandboxProcess() as sandbox, handling(raise_it):
            push, ledger, _ = start(source(), workspace(sandbox.url))
            with suppress(TooLongError):
                Running().run(push, lambda: None)
        assert isinstance(push.error, TooLongError)
        assert ledger.records == 0

    def test_a_handler_that_raises_nothing_is_called_and_the_push_goes_on(self) -> None:
        called: list[Any] = []

        def handler(*given: Any) -> None:
            called.append(given[0])

        with SandboxProcess() as sandbox, handling(handler):
            push, ledger, _ = start(alarmed(10, people(75)), workspace(sandbox.url))
            Running().run(push, lambda: None)
        assert called == [signal.SIGALRM]
        assert push.error is None
        assert ledger.outcomes == {"accepted": 75}

    def test_a_handler_that_was_changed_meanwhile_stays(self) -> None:
        def other(*_: Any) -> None: ...

        before = signal.signal(signal.SIGALRM, raise_it)
        try:
            with signals.held_back(lambda _: None, 1):
                signal.signal(signal.SIGALRM, other)
            assert signal.getsignal(signal.SIGALRM) is other
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_in_another_thread_handlers_are_left_alone(self) -> None:
        seen: list[Any] = []

        def look() -> None:
            with signals.held_back(lambda _: None, 1) as raised:
                seen.append((raised, signal.getsignal(signal.SIGALRM)))

        with handling(raise_it):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        assert seen == [([], raise_it)]
