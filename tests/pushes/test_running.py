"""A push that runs, and what signal handlers raise meanwhile."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from airflow_provider_braze.pushes import signals
from airflow_provider_braze.pushes.running import Running
from airflow_provider_braze.users_track.outgoing import Outgoing
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


def swallowing(at: int, items: list[Outgoing]) -> Iterator[Outgoing]:
    """Objects; before one of them a handler raises where a library swallows it."""
    for n, item in enumerate(items):
        if n == at:
            with suppress(TooLongError):
                signal.raise_signal(signal.SIGALRM)
        yield item


class TestSignalsThatRaise:
    def test_what_a_library_swallows_stops_the_push_all_the_same(self) -> None:
        with SandboxProcess("--latency-ms", "100") as sandbox, handling(raise_it):
            push, account, written = start(
                swallowing(10_000, people(60_000)), workspace(sandbox.url, max_in_flight=2)
            )
            Running().run(push, lambda: None)
        assert isinstance(push.error, TooLongError)
        check_sum(account, written)
        assert account.outcomes["accepted"] > 0
        assert account.outcomes["not_sent"] > 0

    def test_swallowed_at_the_very_end_it_is_the_pushs_error_too(self) -> None:
        with SandboxProcess() as sandbox, handling(raise_it):
            push, account, _ = start(swallowing(74, people(75)), workspace(sandbox.url))
            Running().run(push, lambda: None)
        assert isinstance(push.error, TooLongError)
        assert account.outcomes == {"accepted": 75}

    def test_a_handler_that_raises_nothing_is_called_and_the_push_goes_on(self) -> None:
        called: list[Any] = []

        def handler(*given: Any) -> None:
            called.append(given[0])

        with SandboxProcess() as sandbox, handling(handler):
            push, account, _ = start(swallowing(10, people(75)), workspace(sandbox.url))
            Running().run(push, lambda: None)
        assert called == [signal.SIGALRM]
        assert push.error is None
        assert account.outcomes == {"accepted": 75}

    def test_a_handler_that_was_changed_meanwhile_stays(self) -> None:
        def other(*_: Any) -> None: ...

        before = signal.signal(signal.SIGALRM, raise_it)
        try:
            with signals.remembered():
                signal.signal(signal.SIGALRM, other)
            assert signal.getsignal(signal.SIGALRM) is other
        finally:
            signal.signal(signal.SIGALRM, before)

    def test_in_another_thread_handlers_are_left_alone(self) -> None:
        seen: list[Any] = []

        def look() -> None:
            with signals.remembered() as raised:
                seen.append((raised, signal.getsignal(signal.SIGALRM)))

        with handling(raise_it):
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        assert seen == [([], raise_it)]
