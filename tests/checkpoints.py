"""Checkpoints so often, and look-aheads so short, that a push of a second or two has many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.pushes.attempt import running
from airflow_provider_braze.pushes.resuming import checkpoint
from airflow_provider_braze.pushes.sources import export_source
from airflow_provider_braze.rejects.writer import parts_of
from airflow_provider_braze.users_track.batching import merge_window as batches


def keep_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a checkpoint as often as there is something to keep."""
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    monkeypatch.setattr(running, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(batches, "LOOK_AHEAD_RECORDS", 500)
    monkeypatch.setattr(export_source, "REPLAYED_RECORDS", 2000)


def settled(checkpoint: dict[str, Any]) -> int:
    """How many records a checkpoint settles."""
    return int(checkpoint["account"]["settled"]["records"])


class Killed(BaseException):
    """What ends the process at this very place, as far as the push can tell."""


class Keeping:
    """One try of a push, with the checkpoints that it kept."""

    push: Any
    kept: list[dict[str, Any] | None]

    def execute(self) -> dict[str, Any]:
        report: dict[str, Any] = self.push.execute()
        return report

    @property
    def save(self) -> Any:
        """What saves its checkpoints."""
        return self.push.job.save

    @save.setter
    def save(self, save: Any) -> None:
        self.push.job = replace(self.push.job, save=save)

    @property
    def last(self) -> dict[str, Any]:
        assert self.kept
        assert self.kept[-1] is not None
        return self.kept[-1]


def parts_written_by(first: Keeping) -> dict[str, bytes]:
    """Copy each part of the rejects file when a checkpoint names it, into what is returned.

    The parts are gone when the push has gone through; a killed one leaves them.
    """
    parts: dict[str, bytes] = {}
    original_save = first.save

    def save(kept: dict[str, Any] | None) -> None:
        for part in parts_of(kept) if kept else ():
            parts.setdefault(part, Path(part).read_bytes())
        assert original_save is not None
        original_save(kept)

    first.save = save
    return parts
