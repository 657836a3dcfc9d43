"""A task that is told to stop is retried, wherever the signal comes: nothing takes the stop for trouble with a file."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from airflow_provider_braze.exceptions import PushStoppedError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.reliability.pushing import CONNECTION, TaskInstance, connection
from tests.sandbox_process import SandboxProcess

ON_FILES = {
    getattr(os, name)
    for name in ("open", "stat", "lstat", "mkdir", "unlink", "rename", "replace", "scandir", "close", "fstat")
} | {open}

HEADER = "RPContactID,ChannelExecutionID,external_id\n"


class Signal:
    """Comes when the main thread calls a function on files, the so-manieth time."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        if event != "c_call" or argument not in ON_FILES:
            return
        self.calls += 1
        if self.calls == self.at:
            signal.raise_signal(signal.SIGUSR1)

    def watch(self, task: BrazeUserTrackOperator) -> Any:
        before = signal.signal(signal.SIGUSR1, lambda *_: task.on_kill())
        sys.setprofile(self)
        try:
            return task.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item,typeddict-unknown-key]
        finally:
            sys.setprofile(None)
            signal.signal(signal.SIGUSR1, before)


@pytest.fixture
def export(tmp_path: Path, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CONNECTION, connection(sandbox.url, sandbox.key))
    path = tmp_path / "rpi" / "Braze Append" / "Offer" / "8828" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text(HEADER + "1,1,U1\n")
    return path


def given(what: str, export: Path) -> dict[str, Any]:
    if what == "export":
        return {"export": str(export)}
    if what == "list":
        return {"export": [str(export)]}
    return {"attributes": [{"external_id": "U1"}], "reports_path": str(export.parents[3] / "reports")}


@pytest.mark.parametrize("what", ["export", "list", "rows"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_at_every_call_on_files(export: Path, what: str, dry_run: bool) -> None:
    uninterrupted = Signal(0)
    task = BrazeUserTrackOperator(task_id="push", dry_run=dry_run, **given(what, export))
    uninterrupted.watch(task)
    assert uninterrupted.calls > 10
    stopped = 0
    for at in range(1, uninterrupted.calls + 1):
        try:
            report = Signal(at).watch(task)
        except PushStoppedError:
            stopped += 1
        else:
            # It came when nothing was left to stop.
            assert report["status"] in ("complete", "planned")
    assert stopped > 10


@pytest.mark.parametrize("swallows", [Exception, OSError])
def test_what_catches_errors_lets_a_stop_through(export: Path, swallows: type[Exception]) -> None:
    """Of an author's own, say, or of a library."""
    task = BrazeUserTrackOperator(task_id="push", attributes=lambda: rows())
    went_on = []

    def rows() -> list[dict[str, Any]]:
        with contextlib.suppress(swallows):
            signal.raise_signal(signal.SIGUSR1)
        went_on.append("after the stop")
        return [{"external_id": "U1"}]

    with pytest.raises(PushStoppedError):
        Signal(0).watch(task)
    assert went_on == []


def test_an_error_that_a_stop_was_made_into_is_the_stop(export: Path) -> None:
    def rows() -> list[dict[str, Any]]:
        try:
            signal.raise_signal(signal.SIGUSR1)
        except BaseException:
            raise LookupError from None
        return []

    with pytest.raises(PushStoppedError):
        Signal(0).watch(BrazeUserTrackOperator(task_id="push", attributes=lambda: rows()))
