from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_provider_braze.operators.braze import TASK_DOC, BrazeUserTrackOperator
from airflow_provider_braze.operators.progress_writer import ProgressWriter
from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.pushes.attempt.progress import PROGRESS_KEY, Progress
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from tests.connections import connect
from tests.inbox import land
from tests.reliability.pushing import TaskInstance
from tests.sandbox_process import SandboxProcess

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

LOG = logging.getLogger(__name__)


class Store:
    """A task state store that can be slow or broken."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.error = error
        self.open = threading.Event()
        self.open.set()
        self.kept: list[Any] = []
        self.threads: set[str] = set()

    def get(self, key: str) -> Any:
        return None

    def delete(self, key: str) -> None:
        pass

    def set(self, key: str, value: Any) -> None:
        if key != PROGRESS_KEY:
            return
        self.open.wait(10)
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        self.kept.append(value)


def progress(records: int) -> dict[str, Any]:
    ledger = Ledger(NullSink())
    ledger.settled.records = records
    return Progress(ledger).as_dict()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_keeps_progress_and_facts_from_a_thread_of_its_own() -> None:
    store = Store()
    writing = StateStore(LOG, store)
    ProgressWriter(LOG, writing, {"try_number": 2})(progress(10))
    writing.close()
    assert (store.kept[-1]["records"], store.kept[-1]["try_number"]) == (10, 2)
    assert threading.current_thread().name not in store.threads


def test_a_slow_store_holds_nothing_up_and_gets_the_last_word() -> None:
    store = Store()
    store.open.clear()
    writing = StateStore(LOG, store)
    writer = ProgressWriter(LOG, writing, {})
    started = time.monotonic()
    for records in range(1, 6):
        writer(progress(records))
    assert time.monotonic() - started < 20
    store.open.set()
    writing.close()
    assert [kept["records"] for kept in store.kept][-1] == 5
    assert len(store.kept) <= 2


def test_without_a_store_only_the_log_tells(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, LOG.name):
        ProgressWriter(LOG, StateStore(LOG, None), {})(progress(7))
    assert [record.getMessage()[:9] for record in caplog.records] == ["7 records"]


def test_a_list_whose_push_waits_for_braze_says_at_once_what_has_had_its_turn(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    connect(monkeypatch, sandbox)
    exports = [
        str(land(tmp_path, f"RPI_Export_{n}.txt", text="external_id,email\nU1,a@example.com\n", age=9 - n))
        for n in (1, 2, 3)
    ]
    sandbox.fault(status=429, rate_headers="seconds", retry_after=1800, after=2, count=9)
    ti = TaskInstance()
    with pytest.raises(TaskDeferred):
        # Nobody looks on again before Braze's wait is over.
        BrazeUserTrackOperator(task_id="push", export=exports).execute({"ti": ti})  # type: ignore[typeddict-item]
    assert [each["status"] for each in ti.pushed["report"]["exports"]] == ["complete", "complete", "waiting"]


class TestOperator:
    @pytest.fixture(autouse=True)
    def connection(self, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
        connect(monkeypatch, sandbox, requests_per_second=2)

    @pytest.fixture
    def export(self, tmp_path: Path) -> str:
        path = tmp_path / "Braze Append" / "Offer" / "8828" / "RPI_Export_1.txt"
        path.parent.mkdir(parents=True)
        path.write_text("external_id,first_name\n" + "".join(f"U{n},Ann\n" for n in range(600)))
        return str(path)

    def test_tells_the_store_while_it_runs(self, export: str) -> None:
        store = Store()
        operator = BrazeUserTrackOperator(task_id="push", export=export)
        report = operator.execute({"task_state_store": store})  # type: ignore[typeddict-unknown-key]
        first, last = store.kept[0], store.kept[-1]
        assert 0 < first["accepted"] < 600
        assert (first["export"], first["try_number"], first["share"]) == (export, 1, first["accepted"] / 600)
        assert (last["accepted"], last["waiting_until"]) == (600, None)
        assert report["samples"] == last["samples"]
        assert report["samples"][-1][1] == 600
        assert len(report["samples"]) > 2

    def test_a_broken_store_never_stops_the_push(self, export: str) -> None:
        store = Store(error=OSError("gone"))
        operator = BrazeUserTrackOperator(task_id="push", export=export)
        report = operator.execute({"task_state_store": store})  # type: ignore[typeddict-unknown-key]
        assert report["status"] == "complete"

    def test_of_a_list_of_rows_the_share_is_known(self) -> None:
        store = Store()
        rows = [{"external_id": f"U{n}", "first_name": "Ann"} for n in range(100)]
        operator = BrazeUserTrackOperator(task_id="push", attributes=rows)
        report = operator.execute({"task_state_store": store})  # type: ignore[typeddict-unknown-key]
        assert (store.kept[-1]["share"], store.kept[-1]["export"]) == (1.0, None)
        assert report["samples"][-1][1] == 100

    def test_a_plan_shows_its_progress(self, export: str) -> None:
        store = Store()
        operator = BrazeUserTrackOperator(task_id="push", export=export, dry_run=True)
        report = operator.execute({"task_state_store": store})  # type: ignore[typeddict-unknown-key]
        told = store.kept[-1]
        assert (told["dry_run"], told["planned"], report["status"]) == (True, 600, "planned")

    def test_tells_the_assets_that_its_author_listed(self, export: str) -> None:
        asset = Asset("braze://workspace")
        events = OutletEventAccessors()
        operator = BrazeUserTrackOperator(task_id="push", export=export, outlets=[asset], dry_run=True)
        report = operator.execute({"outlet_events": events})  # type: ignore[typeddict-item]
        extra = events[asset].extra
        assert (extra["records"], extra["planned"], extra["status"]) == (600, 600, "planned")
        assert extra == {name: report[name] for name in extra}

    def test_is_documented_in_the_ui_unless_its_author_does(self) -> None:
        assert BrazeUserTrackOperator(task_id="push", export="x").doc_md == TASK_DOC
        assert BrazeUserTrackOperator(task_id="push", export="x", doc_md="mine").doc_md == "mine"
