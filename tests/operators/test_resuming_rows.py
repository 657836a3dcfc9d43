"""What a task keeps of a push of rows of its author's own: no event twice, and no worker held by a long wait."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeAuthError, PushStoppedError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.pushes.resuming.checkpoint import CHECKPOINT_KEY, WENT_THROUGH
from airflow_provider_braze.pushes.rows import rows_source
from tests.checkpoints import keep_often
from tests.connections import connect
from tests.operators.test_resuming import Said, Store, TaskDeferred, context, stop_once
from tests.reliability import worker
from tests.reliability.pushing import CONNECTION, TaskInstance, connection
from tests.reports import check
from tests.sandbox_process import SandboxProcess

EVENTS = 1_200
ROWS: dict[str, Any] = {
    "attributes": [
        {"external_id": f"U{n}", "tier": f"{n}"} if n % 50 else {"tier": "nobody's"} for n in range(900)
    ],
    "events": [
        {"external_id": f"U{n}", "name": f"event {n}", "time": "2026-03-01T12:00:00Z"} for n in range(EVENTS)
    ],
}
RECORDS = 900 + EVENTS
INVALID = set(range(0, 900, 50))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_often(monkeypatch)
    monkeypatch.setattr(rows_source, "AHEAD", 300)


@pytest.fixture(scope="module")
def slow_process() -> Iterator[SandboxProcess]:
    with SandboxProcess("--latency-ms", "60") as process:
        yield process


@pytest.fixture
def slow(slow_process: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    slow_process.reset()
    connect(monkeypatch, slow_process, max_in_flight=2)
    return slow_process


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Said:
    caplog.set_level(logging.INFO)
    return lambda: "".join(capfd.readouterr()) + caplog.text


def operator(**given: Any) -> BrazeUserTrackOperator:
    return BrazeUserTrackOperator(**{"task_id": "push", "max_rejected": 10**6, **ROWS, **given})


def a_try(store: Store, number: int, max_tries: int) -> Any:
    """What Airflow gives a try; clearing the task adds the tries there were to the most that there may be."""
    given = context(store, number)
    given["ti"].max_tries = max_tries
    return given


def happened(sandbox: SandboxProcess) -> Counter[str]:
    """How often each event has arrived."""
    return Counter(
        event["name"] for profile in sandbox.all_profiles() for event in profile.get("events_received", ())
    )


def everything_once(report: dict[str, Any], slow: SandboxProcess) -> None:
    check(report, records=RECORDS, accepted=RECORDS - len(INVALID), invalid=len(INVALID), status="complete")
    assert {row["index"] for row in report["failed_rows"]} == INVALID
    assert happened(slow) == Counter({f"event {n}": 1 for n in range(EVENTS)})


def fail_midway(slow: SandboxProcess, store: Store, **given: Any) -> None:
    slow.fault(status=401, after=15, count=10**6)
    with pytest.raises(AirflowFailException) as refused:
        operator(**given).execute(context(store))
    assert isinstance(refused.value.__cause__, BrazeAuthError)
    slow.clear_faults()


def _work(home: Path, environment: dict[str, str]) -> None:
    os.environ.update(environment)
    task = operator()
    signal.signal(signal.SIGTERM, lambda *_: task.on_kill())
    ti = TaskInstance()
    given: Any = {"ti": ti, "task_state_store": worker.Store(home / "state")}
    try:
        task.execute(given)
    except PushStoppedError:
        (home / "report.json").write_text(json.dumps(ti.pushed["report"]))
    # Past the clean-up of the process that it was forked from.
    os._exit(0)


def end_midway(slow: SandboxProcess, home: Path, number: int) -> worker.Store:
    """Run the first try in a process of its own, and send it a signal in the middle of the events."""
    home.mkdir()
    environment = {CONNECTION: connection(slow.url, slow.key, max_in_flight=2)}
    process = multiprocessing.get_context("fork").Process(target=_work, args=(home, environment), daemon=True)
    process.start()
    store = worker.Store(home / "state")
    while not (kept := store.get(CHECKPOINT_KEY)) or kept["account"]["settled"]["records"] < 1100:
        time.sleep(0.01)
    assert process.pid is not None
    os.kill(process.pid, number)
    began = time.monotonic()
    process.join()
    assert time.monotonic() - began < 20
    return store


class TestRetry:
    def test_after_the_worker_was_killed_no_event_is_sent_twice(
        self, slow: SandboxProcess, tmp_path: Path
    ) -> None:
        store = end_midway(slow, tmp_path / "task", signal.SIGKILL)
        before = slow.stats()["objects"]
        report = operator().execute(context(store, 2))
        assert report["status"] == "complete"
        assert report["resumed_after"] >= 1100
        events = happened(slow)
        assert set(events.values()) == {1}
        unknown = {row["index"] for row in report["failed_rows"] if row["outcome"] == "unknown"}
        missing = {900 + n for n in range(EVENTS) if f"event {n}" not in events}
        assert missing <= unknown
        check(
            report,
            records=RECORDS,
            accepted=RECORDS - len(INVALID) - len(unknown),
            invalid=len(INVALID),
            unknown=len(unknown),
        )
        assert slow.stats()["objects"] - before <= RECORDS - report["resumed_after"]
        assert set(store.get(CHECKPOINT_KEY)) == {WENT_THROUGH}

    def test_after_the_task_was_stopped_it_goes_on(self, slow: SandboxProcess, tmp_path: Path) -> None:
        home = tmp_path / "task"
        store = end_midway(slow, home, signal.SIGTERM)
        told = json.loads((home / "report.json").read_text())
        assert (told["status"], told["unknown"]) == ("partial", 0)
        report = operator().execute(context(store, 2))
        assert report["resumed_after"] >= 1100
        everything_once(report, slow)

    def test_after_an_error_that_a_person_mended(
        self, slow: SandboxProcess, store: Store, said: Said
    ) -> None:
        fail_midway(slow, store)
        kept = store.kept
        report = operator().execute(context(store, 2))
        assert report["resumed_after"] == kept > 0
        everything_once(report, slow)
        assert set(store.get(CHECKPOINT_KEY)) == {WENT_THROUGH}
        assert "starts over" not in said()

    def test_rows_from_a_template_are_the_same_in_another_order_of_keys(
        self, slow: SandboxProcess, store: Store
    ) -> None:
        fail_midway(slow, store)
        kept = store.kept
        text = json.dumps([dict(reversed(row.items())) for row in ROWS["attributes"]])
        report = operator(attributes=text).execute(context(store, 2))
        assert report["resumed_after"] == kept
        everything_once(report, slow)

    def test_other_rows_start_over_and_it_is_said_once(
        self, slow: SandboxProcess, store: Store, said: Said
    ) -> None:
        fail_midway(slow, store)
        slow.reset()
        report = operator(attributes=[*ROWS["attributes"], {"external_id": "new"}]).execute(context(store, 2))
        assert (report["resumed_after"], report["records"]) == (0, RECORDS + 1)
        assert said().count("starts over") == 1

    def test_rows_that_a_function_yields_start_over_and_it_is_said_once(
        self, slow: SandboxProcess, store: Store, said: Said
    ) -> None:
        def rows() -> Iterator[Any]:
            yield from ROWS["events"]

        given = {"attributes": None, "events": rows}
        slow.fault(status=401, after=5, count=10**6)
        with pytest.raises(AirflowFailException):
            operator(**given).execute(context(store))
        slow.clear_faults()
        said()
        assert CHECKPOINT_KEY not in store
        report = operator(**given).execute(context(store, 2))
        assert (report["resumed_after"], report["accepted"]) == (0, EVENTS)
        assert max(happened(slow).values()) == 2
        assert said().count("sends all of them again") == 1

    def test_a_function_that_returns_a_list_goes_on(self, slow: SandboxProcess, store: Store) -> None:
        given = {name: lambda rows=rows: list(rows) for name, rows in ROWS.items()}
        fail_midway(slow, store, **given)
        report = operator(**given).execute(context(store, 2))
        assert report["resumed_after"] > 0
        everything_once(report, slow)

    def test_with_a_rejects_file(self, slow: SandboxProcess, store: Store, tmp_path: Path) -> None:
        fail_midway(slow, store, reports_path=str(tmp_path))
        report = operator(reports_path=str(tmp_path)).execute(context(store, 2))
        assert report["resumed_after"] > 0
        check(report, records=RECORDS, accepted=RECORDS - len(INVALID), invalid=len(INVALID))
        assert set(happened(slow).values()) == {1}
        assert not list(tmp_path.rglob("*.part"))

    def test_not_durable_it_keeps_nothing(self, slow: SandboxProcess, store: Store) -> None:
        fail_midway(slow, store, durable=False)
        report = operator(durable=False).execute(context(store, 2))
        assert report["resumed_after"] == 0
        assert store.asked == []

    def test_without_a_store_it_is_said_that_it_starts_over(self, slow: SandboxProcess, said: Said) -> None:
        assert operator().execute(context(None, 2))["status"] == "complete"
        assert said().count("Before Airflow 3.3 nothing is kept of an earlier try") == 1

    def test_a_push_that_went_through_starts_over_when_it_is_cleared(
        self, slow: SandboxProcess, store: Store, said: Said
    ) -> None:
        operator().execute(a_try(store, 1, max_tries=0))
        assert set(store.get(CHECKPOINT_KEY)) == {WENT_THROUGH}
        assert operator().execute(a_try(store, 2, max_tries=1))["resumed_after"] == 0
        assert set(happened(slow).values()) == {2}
        assert "starts over" not in said()

    @pytest.mark.parametrize("max_tries", [0, 4])
    def test_a_task_that_was_cleared_may_have_a_retry_too(
        self, slow: SandboxProcess, store: Store, max_tries: int
    ) -> None:
        """Of the try after the clear, too, Airflow may not hear the end."""
        operator().execute(a_try(store, 2, max_tries))
        operator().execute(a_try(store, 3, max_tries))
        assert set(happened(slow).values()) == {1}

    @pytest.mark.parametrize("with_files", [False, True])
    def test_one_of_whose_end_airflow_never_heard_sends_nothing_again(
        self, slow: SandboxProcess, store: Store, said: Said, tmp_path: Path, with_files: bool
    ) -> None:
        given = {"reports_path": str(tmp_path)} if with_files else {}
        report = operator(**given).execute(a_try(store, 1, max_tries=2))
        requests = slow.stats()["requests"]
        assert operator(**given).execute(a_try(store, 2, max_tries=2)) == report
        assert slow.stats()["requests"] == requests
        assert set(happened(slow).values()) == {1}
        assert "they are not pushed again" in said()
        assert not list(tmp_path.rglob("*.part"))

    def test_other_rows_than_those_that_went_through_are_pushed(
        self, slow: SandboxProcess, store: Store, said: Said
    ) -> None:
        operator().execute(a_try(store, 1, max_tries=2))
        report = operator(attributes=[{"external_id": "new", "x": 1}], events=None).execute(
            a_try(store, 2, max_tries=2)
        )
        assert (report["records"], report["accepted"]) == (1, 1)
        assert "starts over" in said()

    def test_attributes_alone_keep_nothing(self, slow: SandboxProcess, store: Store) -> None:
        operator(events=None).execute(context(store))
        assert CHECKPOINT_KEY not in store

    def test_of_too_many_failed_rows_some_are_kept(self, slow: SandboxProcess, store: Store) -> None:
        nobodys = [{"tier": "nobody's"}] * 900
        report = operator(attributes=nobodys).execute(a_try(store, 1, max_tries=2))
        kept = operator(attributes=nobodys).execute(a_try(store, 2, max_tries=2))
        listed = len(kept["failed_rows"])
        assert 100 < listed < len(report["failed_rows"]) == 900
        assert kept["notes"][-1].startswith(f"{900 - listed} failed rows of earlier tries are not listed")

    def test_no_event_is_sent_before_it_is_in_the_store(
        self, slow: SandboxProcess, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Late(Store):
            def set(self, key: str, value: Any) -> None:
                time.sleep(0.2)
                if key == CHECKPOINT_KEY and WENT_THROUGH not in value:
                    arrived = slow.stats()["objects"]
                    announced.append((arrived, self.mark))
                    self.mark = value["handed"]["mark"]
                super().set(key, value)

            mark = 0

        announced: list[tuple[int, int]] = []
        report = operator(attributes=None).execute(context(Late()))
        assert report["accepted"] == EVENTS
        assert announced[0] == (0, 0)
        assert all(arrived <= mark for arrived, mark in announced)


class TestStoppedMidway:
    def test_it_is_stopped_and_goes_on_as_often_as_that_happens(
        self, slow: SandboxProcess, store: Store
    ) -> None:
        def kept_more(store: Store, before: int) -> bool:
            return store.kept > before

        for number in (1, 2, 3):
            task = operator()
            watching = stop_once(partial(kept_more, store, store.kept), task)
            with pytest.raises(PushStoppedError):
                task.execute(context(store, number))
            watching.join()
        everything_once(operator().execute(context(store, 4)), slow)


class TestLongWait:
    def defer(self, slow: SandboxProcess, given_context: Any, **given: Any) -> Any:
        slow.fault(status=429, retry_after=600, after=15, count=10**6)
        with pytest.raises(TaskDeferred) as left:
            operator(**given).execute(given_context)
        slow.clear_faults()
        return left.value

    @pytest.mark.parametrize("durable", [True, False])
    def test_it_leaves_the_worker_and_goes_on_as_the_same_try(
        self, slow: SandboxProcess, durable: bool
    ) -> None:
        """Without a store, as on an older Airflow: the deferral itself carries the failed rows, too."""
        before = datetime.now(UTC).timestamp()
        left = self.defer(slow, context(), durable=durable)
        assert left.method_name == "resume"
        assert isinstance(left.trigger, DateTimeTrigger)
        assert before + 595 < left.trigger.moment.timestamp() < datetime.now(UTC).timestamp() + 700
        kwargs = {"event": datetime.now(UTC).isoformat(), **json.loads(json.dumps(left.kwargs))}

        report = operator(durable=durable).resume_execution("resume", kwargs, context())

        assert report["resumed_after"] > 0
        assert report["rate_limited"] > 0
        everything_once(report, slow)

    def test_in_a_mapped_task(self, slow: SandboxProcess) -> None:
        with DAG("d", schedule=None):
            mapped = BrazeUserTrackOperator.partial(task_id="push", max_rejected=10**6).expand_kwargs([ROWS])
        given: Any = {"ti": TaskInstance(map_index=0)}
        slow.fault(status=429, retry_after=600, after=15, count=10**6)
        with pytest.raises(TaskDeferred) as left:
            mapped.unmap(ROWS).execute(given)
        slow.clear_faults()
        # The worker that goes on has read the DAG anew.
        task = mapped.unmap(ROWS)
        everything_once(task.resume_execution("resume", left.value.kwargs, given), slow)

    def test_a_task_that_is_cleared_while_it_waits_goes_on_from_there(
        self, slow: SandboxProcess, store: Store
    ) -> None:
        left = self.defer(slow, context(store))
        assert store.kept == left.kwargs["checkpoint"]["account"]["settled"]["records"]
        report = operator().execute(context(store, 2))
        assert report["resumed_after"] > 0
        everything_once(report, slow)

    def test_rows_that_a_function_yields_wait_on_the_worker(self, slow: SandboxProcess, store: Store) -> None:
        slow.fault(status=429, retry_after=3, count=1)
        rows = ROWS["attributes"][1:50]
        task = operator(attributes=lambda: iter(rows), events=None, max_wait_on_worker=1)
        report = task.execute(context(store, 2))
        assert (report["accepted"], report["rate_limited"]) == (49, 1)
        assert report["waited_seconds"] >= 2
        assert "set" not in store.asked

    def test_a_script_waits_too(self, slow: SandboxProcess) -> None:
        slow.fault(status=429, retry_after=3, after=5, count=1)
        report = operator(max_wait_on_worker=1).execute({})  # type: ignore[typeddict-item]
        assert report["waited_seconds"] >= 2
        everything_once(report, slow)


def test_a_store_that_hangs_holds_the_events_up_but_briefly(
    slow: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_braze.operators import state_store
    from airflow_provider_braze.pushes.rows import rows

    monkeypatch.setattr(rows, "_PATIENCE", 0.3)
    monkeypatch.setattr(state_store, "_LAST_WRITE_SECONDS", 0.3)

    over = threading.Event()

    class Hanging(Store):
        def set(self, key: str, value: Any) -> None:
            over.wait(60)

    began = time.monotonic()
    try:
        report = operator().execute(context(Hanging()))
    finally:
        over.set()
    assert time.monotonic() - began < 30
    everything_once(report, slow)
    assert [note for note in report["notes"] if "too slow" in note]


def test_the_store_is_idle_once_everything_is_written() -> None:
    store = StateStore(logging.getLogger(), Store())
    assert store.idle
    store.put("key", 1)
    while not store.idle:
        time.sleep(0.001)
    assert store._store is not None
    assert store._store.get("key") == 1
