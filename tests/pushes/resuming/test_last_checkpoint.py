"""How often checkpoints are written; and what the last one meets is heard, though the push may have ended."""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import RejectsError
from airflow_provider_braze.pushes.resuming import checkpoint as checkpoints
from airflow_provider_braze.pushes.resuming.checkpoint import Checkpoints
from airflow_provider_braze.rejects.writer import RejectsFile, RejectsInReport
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import Killed, keep_often
from tests.jobs import export_push, rows_push

TEXT = "external_id,email\n" + "".join(f"U{n},{'odd' if n % 5 else 'ann@example.com'}\n" for n in range(3000))


def at_its_last(ledger: Ledger, save: Callable[[Any], None], rejects: Any = None) -> Checkpoints:
    """Checkpoints whose only write has begun, and ends once the push waits for it."""
    ledger.settled.records = 1
    written = Checkpoints("bound", ledger, rejects or RejectsInReport(), save=save)
    written._saved_records = 0
    written.tick()
    return written


def test_the_first_comes_at_once_and_the_next_ones_two_seconds_apart_where_there_is_more_to_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, ledger, saved = [100.0], Ledger(NullSink()), []
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    written = Checkpoints("bound", ledger, RejectsInReport(), save=saved.append)

    def kept(seconds: float, records: int) -> int:
        """How many have been kept after so many seconds more, and so many records."""
        now[0] += seconds
        ledger.settled.records += records
        written.tick()
        if written._writing is not None:
            written._writing.result(60)
        return len(saved)

    assert kept(0, 0) == 0
    assert kept(0, 1) == 1
    assert kept(1.9, 1) == 1
    assert kept(0.2, 0) == 2
    assert kept(60, 0) == 2
    assert kept(0, 1) == 3
    assert written.finish(None) is None


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
    finish_parts, finish = RejectsFile.finish_parts, Checkpoints.finish

    def fill(self: RejectsFile) -> None:
        if threading.current_thread() is not threading.main_thread() and self._ended:
            raise self._trouble(OSError(28, "No space left on device"))
        finish_parts(self)

    def begin_the_last(self: Checkpoints, error: BaseException | None) -> BaseException | None:
        self._begin(0.0)
        return finish(self, error)

    monkeypatch.setattr(RejectsFile, "finish_parts", fill)
    # The only one begins when the loop has ended: from then on nothing but the end looks at the thread.
    monkeypatch.setattr(Checkpoints, "tick", lambda _: None)
    monkeypatch.setattr(Checkpoints, "finish", begin_the_last)
    push = export_push(export=str(land(TEXT)), workspace=workspace, save=lambda _: None)
    with pytest.raises(RejectsError, match="No space left"):
        push.execute()
    assert push.report is not None
    assert push.report["status"] != "complete"
    assert push.report["rejects_path"] is None


def test_nor_is_one_of_rows_whose_last_part_is_lost_with_its_last_checkpoint(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of rows that are sent once, a last checkpoint is taken though all went well: it is the first to end that part."""

    def fill(self: RejectsFile) -> None:
        if self._ended:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(RejectsFile, "_close_ended", fill)
    event = {"external_id": "U1", "name": "bought", "time": "2026-01-01T00:00:00Z"}
    push = rows_push(
        events=[event, {"name": "of nobody"}],
        workspace=workspace,
        reports_path=str(tmp_path),
        save=lambda _: None,
    )
    with pytest.raises(RejectsError, match="No space left"):
        push.execute()
    assert push.report is not None
    assert (push.report["status"], push.report["accepted"], push.report["invalid"]) == ("partial", 1, 1)
    assert push.report["rejects_path"] is None


def test_and_one_whose_parts_are_all_there_is(
    workspace: Workspace, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_often(monkeypatch)
    assert checkpoints.EVERY == 0.0
    report = export_push(export=str(land(TEXT)), workspace=workspace, save=lambda _: None).execute()
    with open(report["rejects_path"], newline="") as file:
        assert len(list(csv.reader(file))) == 1 + 2400
