"""The thread that writes checkpoints may be at its last when the push ends: what that one meets is heard as well."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import RejectsError
from airflow_provider_braze.pushes import checkpoint as checkpoints
from airflow_provider_braze.pushes.checkpoint import Checkpoints
from airflow_provider_braze.rejects.writer import RejectsFile, RejectsInReport
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import keep_often
from tests.jobs import export_push

TEXT = "external_id,email\n" + "".join(f"U{n},{'odd' if n % 5 else 'ann@example.com'}\n" for n in range(3000))


class Killed(BaseException):
    """Nothing that catches an ``Exception`` may take it for one."""


def at_its_last(ledger: Ledger, save: Callable[[Any], None], rejects: Any = None) -> Checkpoints:
    """Checkpoints whose only write has begun, and ends once the push waits for it."""
    ledger.settled.records = 1
    written = Checkpoints("bound", ledger, rejects or RejectsInReport(), save=save)
    written._saved_records = 0
    written.tick()
    return written


@pytest.mark.parametrize("error", [Killed(), KeyboardInterrupt(), SystemExit(1)])
def test_what_is_no_exception_ends_the_push(error: BaseException) -> None:
    may_fail = threading.Event()

    def save(_: Any) -> None:
        assert may_fail.wait(60)
        raise error

    written = at_its_last(Ledger(NullSink()), save)
    may_fail.set()
    assert written.finish(None) is error
    # What had stopped the push before stays what stopped it.
    assert at_its_last(Ledger(NullSink()), save).finish(stopped := ValueError()) is stopped


def test_that_one_could_not_be_saved_is_noted_and_no_more() -> None:
    ledger = Ledger(NullSink())

    def save(_: Any) -> None:
        raise OSError("full")

    assert at_its_last(ledger, save).finish(None) is None
    assert any("last checkpoint could not be saved" in note for note in ledger.notes)


def test_rejects_that_cannot_be_written_end_it() -> None:
    class Full(RejectsInReport):
        def finish_parts(self) -> None:
            raise RejectsError("no room")

    with pytest.raises(RejectsError, match="no room"):
        raise at_its_last(Ledger(NullSink()), lambda _: None, Full()).finish(None) or AssertionError


def test_a_push_whose_last_part_is_lost_is_not_called_complete(
    workspace: Workspace, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the thread closes the part that the last checkpoint has ended."""
    keep_often(monkeypatch)
    over, finish = threading.Event(), RejectsFile.finish_parts

    def finish_parts(self: RejectsFile) -> None:
        if threading.current_thread() is not threading.main_thread() and self._ended and self.written > 600:
            assert over.wait(60)
            raise self._trouble(OSError(28, "No space left on device"))
        finish(self)

    flush = Ledger.flush

    def flushed(self: Ledger) -> None:
        flush(self)
        if self.records == 3000 and not sum(self.outcomes.values()) < 3000:
            flushes.append(1)
            # The second time is after the loop: from then on nothing but the end looks at the thread.
            if len(flushes) > 1:
                over.set()

    flushes: list[int] = []
    monkeypatch.setattr(RejectsFile, "finish_parts", finish_parts)
    monkeypatch.setattr(Ledger, "flush", flushed)
    push = export_push(export=str(land(TEXT)), workspace=workspace, save=lambda _: None)
    with pytest.raises(RejectsError, match="No space left"):
        push.execute()
    assert push.report is not None
    assert push.report["status"] != "complete"
    assert push.report["rejects_path"] is None


def test_and_one_whose_parts_are_all_there_is(
    workspace: Workspace, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_often(monkeypatch)
    assert checkpoints.EVERY == 0.0
    report = export_push(export=str(land(TEXT)), workspace=workspace, save=lambda _: None).execute()
    with open(report["rejects_path"], newline="") as file:
        assert len(list(csv.reader(file))) == 1 + 2400
