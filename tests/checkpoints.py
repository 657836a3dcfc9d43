"""Checkpoints so often, and look-aheads so short, that a push of a second or two has many."""

from __future__ import annotations

import pytest

from airflow_provider_braze.pushes import checkpoint, running, source
from airflow_provider_braze.users_track import batches


def keep_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a checkpoint as often as there is something to keep."""
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)
    monkeypatch.setattr(running, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(batches, "LOOK_AHEAD_RECORDS", 500)
    monkeypatch.setattr(source, "REPLAYED_RECORDS", 2000)
