"""Airflow's task state store cannot be reached, or is slow: the push goes on, and what a retry does stays true."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeServerError
from airflow_provider_braze.users_track.delivery import sender
from tests.connections import connect
from tests.reliability import compare
from tests.reliability.landed import Landed, land
from tests.reliability.pushing import TaskInstance, operator
from tests.sandbox_process import SandboxProcess

pytest.importorskip("airflow_provider_braze.pushes.resuming.checkpoint")


class PollState(dict[str, Any]):
    """A store that works."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Unreachable(PollState):
    """As when the API server is gone."""

    def get(self, key: str, default: Any = None) -> Any:
        raise ConnectionError("no API server")

    def set(self, key: str, value: Any) -> None:
        raise ConnectionError("no API server")

    def delete(self, key: str) -> None:
        raise ConnectionError("no API server")


class ReadOnly(PollState):
    """Larger than the store takes, or refused for another reason."""

    def set(self, key: str, value: Any) -> None:
        raise ValueError("422")


class Slow(PollState):
    """As when the API server is overloaded: each write takes longer than a push waits for the last one."""

    def set(self, key: str, value: Any) -> None:
        time.sleep(8)
        super().set(key, value)


@pytest.fixture
def export(tmp_path: Path) -> Landed:
    return land(tmp_path, 2500, random.Random(3), bad=0)


def push(export: Landed, store: PollState, number: int = 1) -> dict[str, Any]:
    context: Any = {"ti": TaskInstance(try_number=number), "task_state_store": store}
    return operator(str(export.path)).execute(context)


@pytest.mark.parametrize("make", [Unreachable, ReadOnly, Slow])
def test_the_push_goes_on(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, export: Landed, make: Callable[[], PollState]
) -> None:
    connect(monkeypatch, sandbox, max_in_flight=2)
    sandbox.fault(kind="late", seconds=0.3, count=8)
    began = time.monotonic()
    report = push(export, make())
    assert report["status"] == "complete"
    assert compare.differences(export, report, sandbox.profiles()) == []
    # Longest is the last word that a slow store does not take.
    assert time.monotonic() - began < 30
    assert report["seconds"] < 20


@pytest.mark.parametrize("later", [PollState, Unreachable])
def test_a_retry_without_the_earlier_tries_checkpoint_begins_at_zero_and_is_true(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, export: Landed, later: Callable[[], PollState]
) -> None:
    monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.01)
    connect(monkeypatch, sandbox, max_in_flight=2)
    sandbox.fault(status=500, after=12, count=10**6)
    with pytest.raises(BrazeServerError):
        push(export, Unreachable())
    sandbox.clear_faults()
    report = push(export, later(), number=2)
    assert (report["status"], report["resumed_after"]) == ("complete", 0)
    assert compare.differences(export, report, sandbox.profiles()) == []


def test_a_store_that_comes_back_serves_the_retry(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, export: Landed
) -> None:
    monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.01)
    connect(monkeypatch, sandbox, max_in_flight=2)

    class Late(PollState):
        """Refuses the first writes only."""

        refused = 0
        lock = threading.Lock()

        def set(self, key: str, value: Any) -> None:
            with self.lock:
                self.refused += 1
                if self.refused <= 2:
                    raise ConnectionError("no API server")
            super().set(key, value)

    store = Late()
    sandbox.faults({"kind": "late", "seconds": 0.5, "count": 12}, {"status": 500, "count": 10**6})
    with pytest.raises(BrazeServerError):
        push(export, store)
    sandbox.clear_faults()
    assert "braze_checkpoint" in store
    report = push(export, store, number=2)
    assert report["status"] == "complete"
    assert report["resumed_after"] > 0
    assert compare.differences(export, report, sandbox.profiles()) == []
    assert "braze_checkpoint" not in store
