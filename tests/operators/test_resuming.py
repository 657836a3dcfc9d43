"""What a task of the operator keeps of a push, and goes on from: the next try, a cleared task, a long wait."""

from __future__ import annotations

import json
import logging
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeAuthError, PushStoppedError
from airflow_provider_braze.operators import state_store
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.attempt import running
from airflow_provider_braze.pushes.resuming import checkpoint as checkpoints
from airflow_provider_braze.pushes.resuming.checkpoint import CHECKPOINT_KEY
from tests.checkpoints import keep_often
from tests.connections import connect
from tests.reliability import compare, worker
from tests.reliability.landed import BLOCKED_OPTIONS, Landed, land
from tests.reliability.pushing import CONNECTION, TaskInstance, connection, operator
from tests.sandbox_process import SandboxProcess

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

Said = Callable[[], str]

RECORDS = 2_500
FROM_ITS_START = "Before Airflow 3.3 nothing is kept of an earlier try"


class Store(dict[str, Any]):
    """A task state store, and what was asked of it about the checkpoint."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def _ask(self, verb: str, key: str) -> None:
        if key == CHECKPOINT_KEY:
            self.asked.append(verb)

    def get(self, key: str, default: Any = None) -> Any:
        self._ask("get", key)
        return json.loads(super().get(key, json.dumps(default)))

    def set(self, key: str, value: Any) -> None:
        self._ask("set", key)
        self[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self._ask("delete", key)
        self.pop(key, None)

    @property
    def kept(self) -> int:
        """Records that the checkpoint settles."""
        found = json.loads(self[CHECKPOINT_KEY]) if CHECKPOINT_KEY in self else None
        return int(found["account"]["settled"]["records"]) if found else 0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_often(monkeypatch)


@pytest.fixture(scope="module")
def slow_process() -> Iterator[SandboxProcess]:
    with SandboxProcess("--latency-ms", "60", *BLOCKED_OPTIONS) as process:
        yield process


@pytest.fixture
def slow(slow_process: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """Answers late, so that a push takes a second or two."""
    slow_process.reset()
    connect(monkeypatch, slow_process, max_in_flight=2)
    return slow_process


@pytest.fixture
def export(tmp_path: Path) -> Landed:
    return land(tmp_path, RECORDS, random.Random(5))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Said:
    """What the task has logged: some Airflows print it."""
    caplog.set_level(logging.INFO)
    return lambda: "".join(capfd.readouterr()) + caplog.text


def context(store: Any = None, number: int = 1) -> Any:
    """What Airflow gives a try; before 3.3 there is no store in it."""
    return {"ti": TaskInstance(try_number=number)} | ({} if store is None else {"task_state_store": store})


def push(export: Landed, store: Any = None, number: int = 1, **given: Any) -> dict[str, Any]:
    return operator(str(export.path), **given).execute(context(store, number))


def stop_once(condition: Callable[[], bool], task: BrazeUserTrackOperator) -> threading.Thread:
    """Stop a task as Airflow's signal handler does, once a condition holds."""

    def watch() -> None:
        while not condition():
            time.sleep(0.01)
        task.on_kill()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def stop_midway(export: Landed, store: Store, **given: Any) -> dict[str, Any]:
    """Run the first try until it has kept something, and stop it; its report."""
    task = operator(str(export.path), **given)
    given_context = context(store)
    watching = stop_once(lambda: store.kept > 0, task)
    with pytest.raises(PushStoppedError):
        task.execute(given_context)
    watching.join()
    report: dict[str, Any] = given_context["ti"].pushed["report"]
    assert report["status"] == "partial"
    return report


class TestRetry:
    def test_goes_on_after_the_worker_was_killed(
        self, slow: SandboxProcess, export: Landed, tmp_path: Path
    ) -> None:
        home = tmp_path / "task"
        environment = {CONNECTION: connection(slow.url, slow.key, max_in_flight=2)}
        first = worker.Try(export.path, home, 1, environment, {})
        store = worker.Store(home / "state")
        while not store.get(CHECKPOINT_KEY):
            time.sleep(0.01)
        first.kill(signal.SIGKILL)
        assert first.told() is None

        report = push(export, store, 2)

        assert (report["status"], report["records"]) == ("complete", RECORDS)
        assert report["resumed_after"] > 0
        assert compare.differences(export, report, slow.profiles()) == []
        assert store.get(CHECKPOINT_KEY) is None

    def test_goes_on_after_the_task_was_stopped(
        self, slow: SandboxProcess, export: Landed, store: Store
    ) -> None:
        stopped = stop_midway(export, store)
        kept = store.kept
        assert 0 < kept <= stopped["accepted"] + stopped["merged"] + stopped["rejected"] + stopped["invalid"]

        report = push(export, store, 2)

        assert (report["status"], report["resumed_after"]) == ("complete", kept)
        assert compare.differences(export, report, slow.profiles()) == []
        assert CHECKPOINT_KEY not in store

    def test_goes_on_after_an_error_that_a_person_had_to_mend(
        self, slow: SandboxProcess, export: Landed, store: Store
    ) -> None:
        slow.fault(status=401, after=12, count=10**6)
        with pytest.raises(AirflowFailException) as refused:
            push(export, store)
        assert isinstance(refused.value.__cause__, BrazeAuthError)
        slow.clear_faults()

        report = push(export, store, 2)

        assert report["resumed_after"] > 0
        assert compare.differences(export, report, slow.profiles()) == []

    @pytest.mark.parametrize("late", ["at once", "in the middle"])
    def test_a_signal_stops_it_within_seconds(
        self, slow: SandboxProcess, export: Landed, tmp_path: Path, late: str
    ) -> None:
        home = tmp_path / "task"
        environment = {CONNECTION: connection(slow.url, slow.key, max_in_flight=2)}
        first = worker.Try(export.path, home, 1, environment, {})
        store = worker.Store(home / "state")
        while not (slow.stats()["requests"] if late == "at once" else store.get(CHECKPOINT_KEY)):
            time.sleep(0.01)
        began = time.monotonic()
        first.kill(signal.SIGTERM)
        told = first.told()
        assert time.monotonic() - began < 20
        assert told is not None
        assert (told["state"], told["report"]["status"]) == ("up_for_retry", "partial")
        assert compare.differences(export, told["report"], slow.profiles()) == []
        sent = slow.stats()["requests"]
        time.sleep(0.3)
        assert slow.stats()["requests"] == sent

        report = push(export, store, 2)

        assert compare.differences(export, report, slow.profiles()) == []

    def test_a_signal_stops_it_before_it_has_begun(self, slow: SandboxProcess, export: Landed) -> None:
        """The store may take its time to say what an earlier try has kept."""
        over = threading.Event()

        class Slow(Store):
            def get(self, key: str, default: Any = None) -> Any:
                # A signal to a process reaches its main thread.
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
                over.wait(60)

        task = operator(str(export.path))
        before = signal.signal(signal.SIGUSR1, lambda *_: task.on_kill())
        began = time.monotonic()
        try:
            with pytest.raises(PushStoppedError):
                task.execute(context(Slow(), 2))
        finally:
            over.set()
            signal.signal(signal.SIGUSR1, before)
        assert time.monotonic() - began < 20
        assert slow.stats()["requests"] == 0
        task.on_kill()


class TestCleared:
    def test_a_push_that_went_through_starts_over(
        self, slow: SandboxProcess, export: Landed, store: Store
    ) -> None:
        push(export, store)
        assert "set" in store.asked
        assert CHECKPOINT_KEY not in store
        slow.reset()

        report = push(export, store, 2)

        assert (report["status"], report["resumed_after"], report["sent_again"]) == ("complete", 0, 0)
        assert compare.differences(export, report, slow.profiles()) == []

    def test_so_does_one_that_went_on_after_a_wait_and_kept_nothing_more(
        self, slow: SandboxProcess, export: Landed, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = operator(str(export.path), max_wait_on_worker=5)
        slow.fault(status=429, retry_after=600, after=12, count=10**6)
        with pytest.raises(TaskDeferred) as left:
            task.execute(context(store))
        assert store.kept > 0
        slow.clear_faults()
        # As where what is left takes less time than lies between two checkpoints.
        monkeypatch.setattr(running, "LOOK_EVERY", 3600.0)
        task.resume(context(store), None, **left.value.kwargs)
        assert CHECKPOINT_KEY not in store

        assert push(export, store, 2)["resumed_after"] == 0

    def test_a_first_try_does_not_ask_for_a_checkpoint(
        self, slow: SandboxProcess, export: Landed, store: Store
    ) -> None:
        push(export, store)
        assert "get" not in store.asked


class TestNotDurable:
    def test_it_neither_reads_nor_keeps_a_checkpoint(
        self, slow: SandboxProcess, export: Landed, store: Store
    ) -> None:
        stop_midway(export, store)
        kept = dict(store)
        store.asked.clear()

        report = push(export, store, 2, durable=False)

        assert report["resumed_after"] == 0
        assert compare.differences(export, report, slow.profiles()) == []
        assert store.asked == []
        assert store[CHECKPOINT_KEY] == kept[CHECKPOINT_KEY]

    def test_a_long_wait_is_gone_on_from_all_the_same(self, slow: SandboxProcess, export: Landed) -> None:
        task = operator(str(export.path), max_wait_on_worker=5, durable=False)
        slow.fault(status=429, retry_after=600, after=12, count=10**6)
        with pytest.raises(TaskDeferred) as left:
            task.execute(context())
        slow.clear_faults()
        report = task.resume(context(), None, **left.value.kwargs)
        assert report["resumed_after"] > 0
        assert compare.differences(export, report, slow.profiles()) == []


class TestWithoutAStore:
    @pytest.mark.parametrize(("number", "times"), [(1, 0), (2, 1)])
    def test_a_retry_says_once_that_it_starts_over(
        self, slow: SandboxProcess, export: Landed, said: Said, number: int, times: int
    ) -> None:
        assert push(export, None, number)["status"] == "complete"
        assert said().count(FROM_ITS_START) == times

    def test_who_wants_nothing_kept_is_told_nothing(
        self, slow: SandboxProcess, export: Landed, said: Said
    ) -> None:
        push(export, None, 2, durable=False)
        assert FROM_ITS_START not in said()

    def test_a_script_is_told_nothing(self, slow: SandboxProcess, export: Landed, said: Said) -> None:
        operator(str(export.path)).execute({})
        assert FROM_ITS_START not in said()


class TestBrokenStore:
    """It neither stops the push nor holds it up."""

    def test_that_raises(self, slow: SandboxProcess, export: Landed, said: Said) -> None:
        class Broken(Store):
            def _ask(self, verb: str, key: str) -> None:
                raise ConnectionError("no API server")

        report = push(export, Broken(), 2)
        assert (report["status"], report["resumed_after"]) == ("complete", 0)
        assert said().count("task state store cannot be read (ConnectionError)") == 1
        assert compare.differences(export, report, slow.profiles()) == []

    @pytest.mark.parametrize("hangs", ["get", "set"])
    def test_that_hangs(
        self,
        slow: SandboxProcess,
        export: Landed,
        monkeypatch: pytest.MonkeyPatch,
        said: Said,
        hangs: str,
    ) -> None:
        monkeypatch.setattr(state_store, "_LAST_WRITE_SECONDS", 0.5)
        monkeypatch.setattr(state_store, "_READ_SECONDS", 0.5)
        over = threading.Event()

        class Hanging(Store):
            def _ask(self, verb: str, key: str) -> None:
                if verb == hangs:
                    over.wait(60)

        began = time.monotonic()
        try:
            report = push(export, Hanging(), 2)
        finally:
            over.set()
        assert time.monotonic() - began < report["seconds"] + 20
        assert (report["status"], report["resumed_after"]) == ("complete", 0)
        assert compare.differences(export, report, slow.profiles()) == []
        assert ("cannot be read (TimeoutError)" in said()) == (hangs == "get")


class TestLongWait:
    def defer(self, slow: SandboxProcess, export: Landed, store: Any = None, **given: Any) -> Any:
        """Push into a limit that is used up for ten minutes; the task, and how it left."""
        task = operator(str(export.path), **given)
        slow.fault(status=429, retry_after=600, after=12, count=10**6)
        with pytest.raises(TaskDeferred) as left:
            task.execute(context(store))
        slow.clear_faults()
        return task, left.value

    def test_it_leaves_the_worker_until_the_reset(
        self, slow: SandboxProcess, export: Landed, store: Store, said: Said
    ) -> None:
        before = datetime.now(UTC).timestamp()
        _, left = self.defer(slow, export, store)
        assert left.method_name == "resume"
        assert left.timeout is None
        assert isinstance(left.trigger, DateTimeTrigger)
        assert before + 595 < left.trigger.moment.timestamp() < datetime.now(UTC).timestamp() + 700
        assert f"{left.trigger.moment:%H:%M:%S}" in said()

    @pytest.mark.parametrize("trip", ["json", "airflow"])
    def test_it_goes_on_as_the_same_try(self, slow: SandboxProcess, export: Landed, trip: str) -> None:
        """Without a store, as on an older Airflow: the deferral itself carries the checkpoint."""
        _, left = self.defer(slow, export)
        kwargs = json.loads(json.dumps(left.kwargs))
        if trip == "airflow":
            serde = pytest.importorskip("airflow.sdk.serde", reason="Airflow 3.1 sends plain JSON")
            kwargs = serde.deserialize(json.loads(json.dumps(serde.serialize(left.kwargs))))
        assert kwargs == left.kwargs
        next_kwargs = {"event": datetime.now(UTC).isoformat(), **kwargs}

        report = operator(str(export.path)).resume_execution("resume", next_kwargs, context())

        assert (report["status"], report["records"]) == ("complete", RECORDS)
        assert report["resumed_after"] > 0
        assert report["rate_limited"] > 0
        assert "--try1" in report["report_path"]
        assert json.loads(Path(report["report_path"]).read_text())["status"] == "complete"
        assert compare.differences(export, report, slow.profiles()) == []

    def test_it_leaves_as_often_as_it_is_told_to(self, slow: SandboxProcess, export: Landed) -> None:
        task, left = self.defer(slow, export)
        slow.fault(status=429, retry_after=600, after=10, count=10**6)
        with pytest.raises(TaskDeferred) as again:
            task.resume(context(), None, **left.kwargs)
        slow.clear_faults()
        report = task.resume(context(), None, **again.value.kwargs)
        assert report["status"] == "complete"
        assert compare.differences(export, report, slow.profiles()) == []

    def test_a_task_that_is_stopped_after_the_wait_goes_on_from_what_it_kept_later(
        self, slow: SandboxProcess, export: Landed
    ) -> None:
        store = Store()
        task, left = self.defer(slow, export, store)
        watching = stop_once(
            lambda: store.kept > left.kwargs["checkpoint"]["account"]["settled"]["records"], task
        )
        with pytest.raises(PushStoppedError):
            task.resume(context(store), None, **left.kwargs)
        watching.join()
        report = push(export, store, 2)
        assert report["resumed_after"] > left.kwargs["checkpoint"]["account"]["settled"]["records"]
        assert compare.differences(export, report, slow.profiles()) == []

    def test_a_task_that_is_cleared_while_it_waits_goes_on_from_there(
        self, slow: SandboxProcess, export: Landed, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(checkpoints, "EVERY", 3600.0)
        _, left = self.defer(slow, export, store)
        assert store.asked.count("set") == 2
        assert store.kept == left.kwargs["checkpoint"]["account"]["settled"]["records"]
        assert left.kwargs["checkpoint"]["waiting_since"] is not None
        assert json.loads(store[CHECKPOINT_KEY])["waiting_since"] is None
        kept = store.kept
        report = push(export, store, 2)
        assert report["resumed_after"] == kept
        assert compare.differences(export, report, slow.profiles()) == []

    @pytest.mark.parametrize("wait", [None, "None", 60])
    def test_otherwise_it_waits_on_the_worker(
        self, slow: SandboxProcess, export: Landed, wait: float | str | None
    ) -> None:
        slow.fault(status=429, retry_after=2, after=12, count=1)
        report = push(export, max_wait_on_worker=wait)
        assert report["status"] == "complete"
        assert report["waited_seconds"] >= 1

    def test_a_short_limit_of_ones_own_leaves_earlier(self, slow: SandboxProcess, export: Landed) -> None:
        slow.fault(status=429, retry_after=4, after=12, count=1)
        with pytest.raises(TaskDeferred):
            push(export, max_wait_on_worker="1.5")

    def test_a_script_waits_too(self, slow: SandboxProcess, export: Landed) -> None:
        slow.fault(status=429, retry_after=3, after=12, count=1)
        report = operator(str(export.path), max_wait_on_worker=1).execute({})
        assert report["waited_seconds"] >= 2
