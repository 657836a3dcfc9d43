"""Rows of an author's own go on where an earlier try was, and what may be sent but once is sent once."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeAuthError, BrazeLongWaitError, PushStoppedError
from airflow_provider_braze.pushes.resuming.checkpoint import WENT_THROUGH
from airflow_provider_braze.pushes.rows import rows as rows_module
from airflow_provider_braze.pushes.rows import rows_source
from airflow_provider_braze.pushes.rows.given_rows import GivenRows
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.rejects.writer import parts_of
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import Keeping, keep_often, parts_written_by, settled
from tests.jobs import rows_push
from tests.reports import OUTCOMES, check, rejects
from tests.sandbox_process import ROOT, SandboxProcess
from tests.waiting import once

ATTRIBUTES, EVENTS, PURCHASES = 2_400, 2_400, 600
RECORDS = ATTRIBUTES + EVENTS + PURCHASES
BLOCKED = range(5, ATTRIBUTES, 97)
"""Users whom Braze rejects."""

TIME = "2026-03-01T12:00:00Z"
AS_BEFORE = ("records", *OUTCOMES, "failed", "reasons", "objects")

Given = dict[str, Any]


def attributes(count: int = ATTRIBUTES) -> list[dict[str, Any]]:
    """Users of one row and of several, near and far; increments; rows that Braze rejects, and invalid ones."""
    chance, rows = random.Random(7), []
    for n in range(count):
        user = n if chance.random() > 0.25 else max(0, n - chance.choice([1, 2, 5, 40, 480]))
        row: dict[str, Any] = {"external_id": f"U{user}", "tier": f"{n}", f"only {n % 7}": n}
        if n % 9 == 4:
            row["visits"] = {"inc": 1}
        if n % 9 == 3:
            row["visits"] = 100
        if n % 331 == 7:
            del row["external_id"]
        rows.append(row)
    return rows


def all_rows() -> Given:
    purchase = {"currency": "EUR", "price": 1.5, "time": TIME}
    return {
        "attributes": attributes(),
        "events": [
            {"external_id": f"U{n % 1500}", "name": f"event {n}", "time": TIME} for n in range(EVENTS)
        ],
        "purchases": [
            {"external_id": f"U{n}", "product_id": f"product {n}", **purchase} for n in range(PURCHASES)
        ],
    }


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_often(monkeypatch)
    monkeypatch.setattr(rows_source, "AHEAD", 300)


@pytest.fixture(scope="module")
def slow() -> Iterator[SandboxProcess]:
    blocked = [word for n in BLOCKED for word in ("--blocked-user", f"U{n}")]
    with SandboxProcess("--latency-ms", "60", *blocked) as process:
        yield process


def begin(sandbox: SandboxProcess) -> None:
    """Forget everything, but for users who have visited before."""
    sandbox.reset()
    users = [{"external_id": f"U{n}", "custom_attributes": {"visits": 10}} for n in range(0, ATTRIBUTES, 2)]
    sandbox.put_profiles(users)


@pytest.fixture(autouse=True)
def fresh(slow: SandboxProcess) -> None:
    begin(slow)


class Try(Keeping):
    """One try of a push, with the checkpoints that it kept, and what it said."""

    def __init__(self, sandbox: SandboxProcess, rows: Given | None = None, **given: Any) -> None:
        self.kept: list[dict[str, Any] | None] = []
        self.said: list[str] = []
        self.push = rows_push(
            **{
                "workspace": Workspace(endpoint=sandbox.url, api_key=sandbox.key, max_in_flight=4),
                "braze_conn_id": "braze_default",
                "run": "try1",
                "save": lambda kept: self.kept.append(json.loads(json.dumps(kept))),
                "log": self.said.append,
                **(all_rows() if rows is None else rows),
                **given,
            }
        )


def stop_at(this: Try, records: int, stop: Callable[[], None] | None = None) -> None:
    """Stop a push once it has settled so many rows."""

    once(
        lambda: this.kept and (this.kept[-1] is None or settled(this.last) >= records),
        stop or this.push.stop,
    )


def happened(sandbox: SandboxProcess) -> Counter[str]:
    """How often each event, purchase and increment has arrived."""
    found: Counter[str] = Counter()
    for user, profile in sandbox.profiles().items():
        found.update(event["name"] for event in profile.get("events_received", ()))
        found.update(purchase["product_id"] for purchase in profile.get("purchases_received", ()))
        found[f"visits of {user}"] += profile.get("custom_attributes", {}).get("visits", 0)
    return found


def values(sandbox: SandboxProcess) -> dict[str, Any]:
    return {user: profile.get("custom_attributes") for user, profile in sandbox.profiles().items()}


def failed(report: dict[str, Any]) -> Counter[tuple[int, str]]:
    if report["rejects_path"]:
        return Counter((int(row["_line"]), row["_outcome"]) for row in rejects(report))
    return Counter((row["index"], row["outcome"]) for row in report["failed_rows"])


@pytest.fixture(scope="module")
def whole(slow: SandboxProcess) -> tuple[dict[str, Any], Counter[str], dict[str, Any]]:
    """A push of everything that nothing has befallen: its report, what happened, and the values."""
    begin(slow)
    with pytest.MonkeyPatch.context() as patch:
        keep_often(patch)
        report = Try(slow).execute()
    assert (report["status"], report["unknown"]) == ("complete", 0)
    assert report["merged"] > 50
    assert report["rejected"] > 20
    assert report["invalid"] > 5
    assert happened(slow).total() > EVENTS + PURCHASES
    return report, happened(slow), values(slow)


Whole = tuple[dict[str, Any], Counter[str], dict[str, Any]]


def compare(report: dict[str, Any], whole: Whole, slow: SandboxProcess) -> None:
    """Compare a push that went on with one that nothing has befallen."""
    expected, events, profiles = whole
    assert {name: report[name] for name in AS_BEFORE} == {name: expected[name] for name in AS_BEFORE}
    if set(report["upper_bounds"]) - {"sent_again"}:
        assert set(report["upper_bounds"]) <= {"data_points", "sent_again"}
        assert expected["data_points"] <= report["data_points"] < expected["data_points"] * 1.1
    else:
        assert report["data_points"] == expected["data_points"]
    assert failed(report) == failed(expected)
    assert happened(slow) == events
    assert values(slow) == profiles


@pytest.mark.parametrize("in_files", [False, True])
def test_from_every_checkpoint_it_comes_out_as_if_nothing_had_happened(
    slow: SandboxProcess, tmp_path: Path, in_files: bool
) -> None:
    """Of rows that may be sent twice."""
    rows = {"attributes": [{**row, "visits": 1} for row in attributes()]}
    reports_path = str(tmp_path) if in_files else None
    first = Try(slow, rows, reports_path=reports_path)
    parts = parts_written_by(first)
    expected = first.execute()
    profiles = values(slow)
    assert first.kept[-1] is None
    found = [kept for kept in first.kept if kept is not None and settled(kept)]
    assert len(found) > 5
    for n, kept in enumerate(random.Random(3).sample(found, 4)):
        for part in parts_of(kept):
            Path(part).write_bytes(parts[part])
        slow.reset_stats()
        report = Try(slow, rows, run=f"try{n + 2}", checkpoint=kept, reports_path=reports_path).execute()
        same = (*AS_BEFORE, "data_points", "data_points_by_attribute")
        assert {name: report[name] for name in same} == {name: expected[name] for name in same}
        assert failed(report) == failed(expected)
        assert report["started_at"] == expected["started_at"]
        assert report["resumed_after"] == settled(kept)
        assert slow.stats()["objects"] <= ATTRIBUTES - settled(kept) + 100
        assert values(slow) == profiles
    assert not list(tmp_path.rglob("*.part"))


KILLED = """
import json, os, sys
from pathlib import Path
from airflow_provider_braze.pushes.resuming import checkpoint
from airflow_provider_braze.pushes.rows import rows_source
from airflow_provider_braze.pushes.attempt import running
from airflow_provider_braze.pushes.sources import export_source
from airflow_provider_braze.users_track.batching import merge_window as batches
from airflow_provider_braze.users_track.ledger import ledger
from tests.pushes.rows.test_resume_rows import Try
checkpoint.EVERY, running.LOOK_EVERY, rows_source.AHEAD = 0.0, 0.02, 300
ledger._LARGEST_SEGMENT = 250
batches.LOOK_AHEAD_RECORDS, export_source.REPLAYED_RECORDS = 500, 2000
class Sandbox:
    url, key = sys.argv[1], "sandbox-key-0000-1111"
this = Try(Sandbox)
def keep(kept):
    Path(sys.argv[2] + ".new").write_text(json.dumps(kept))
    os.replace(sys.argv[2] + ".new", sys.argv[2])
    print(kept and kept["account"]["settled"]["records"], flush=True)
this.save = keep
this.execute()
"""


def kill(slow: SandboxProcess, store: Path, after: int) -> dict[str, Any]:
    """Kill a worker that has settled so many rows; what it has kept."""
    command = [sys.executable, "-c", KILLED, slow.url, str(store)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < after:
            pass
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept: dict[str, Any] = json.loads(store.read_text())
    return kept


class TestKilled:
    @pytest.mark.parametrize("after", [0, ATTRIBUTES // 2, ATTRIBUTES + 300, ATTRIBUTES + EVENTS + 50])
    def test_nothing_that_counts_each_time_is_sent_twice(
        self, slow: SandboxProcess, whole: Whole, tmp_path: Path, after: int
    ) -> None:
        kept = kill(slow, tmp_path / "checkpoint.json", after)
        arrived = happened(slow)
        again = Try(slow, checkpoint=kept, run="try2")
        report = again.execute()
        assert again.said == []
        went_through = again.last[WENT_THROUGH]
        assert went_through["bound_to"] == kept["bound_to"]
        assert went_through["report"]["unknown"] == report["unknown"]
        check(report, **{name: report[name] for name in OUTCOMES}, status="complete", records=RECORDS)
        assert report["resumed_after"] == settled(kept)
        unknown = {index for (index, outcome) in failed(report) if outcome == "unknown"}
        # Those that were announced, and whose outcome was not known yet.
        assert len(unknown) == report["unknown"] <= 300 + 4 * 75 + 300
        assert next(iter(unknown), settled(kept)) >= settled(kept)
        rows = all_rows()
        uncertain = {rows["attributes"][index].get("external_id") for index in unknown if index < ATTRIBUTES}
        now = happened(slow)
        events = [name for name in whole[1] if not name.startswith("visits")]
        assert all(arrived[name] <= now[name] <= 1 for name in events)
        assert sum(1 - now[name] for name in events) <= report["unknown"] + len(BLOCKED) * 2
        sure = [name for name in whole[1] if name.removeprefix("visits of ") not in uncertain | set(events)]
        assert {name: now[name] for name in sure} == {name: whole[1][name] for name in sure}
        assert report["accepted"] + report["merged"] + report["unknown"] + report["rejected"] == (
            RECORDS - report["invalid"]
        )

    def test_who_wants_it_has_them_sent_again(
        self, slow: SandboxProcess, whole: Whole, tmp_path: Path
    ) -> None:
        kept = kill(slow, tmp_path / "checkpoint.json", ATTRIBUTES + 300)
        report = Try(slow, checkpoint=kept, run="try2", retry_events=True).execute()
        assert report["unknown"] == 0
        assert report["resumed_after"] == settled(kept)
        assert whole[1] - happened(slow) == Counter()


class TestStopped:
    @pytest.mark.parametrize("when", [1, ATTRIBUTES, ATTRIBUTES + EVENTS // 2])
    def test_it_goes_on_as_if_nothing_had_happened(
        self, slow: SandboxProcess, whole: Whole, when: int
    ) -> None:
        first = Try(slow)
        stopped_at: list[float] = []

        def stop() -> None:
            stopped_at.append(time.monotonic())
            first.push.stop()

        stop_at(first, when, stop)
        with pytest.raises(PushStoppedError) as stopped:
            first.execute()
        assert time.monotonic() - stopped_at[0] < 20
        partial = stopped.value.report
        assert partial is not None
        check(partial, **{name: partial[name] for name in ("records", *OUTCOMES)}, status="partial")
        assert partial["unknown"] == 0
        assert len(first.last["handed"]["accepted"]) < 50
        report = Try(slow, checkpoint=first.last, run="try2").execute()
        assert report["resumed_after"] == settled(first.last)
        compare(report, whole, slow)

    def test_answers_that_never_come_leave_their_rows_unknown(
        self, slow: SandboxProcess, whole: Whole
    ) -> None:
        slow.fault(kind="hang", count=1000, after=50, processed=True)
        first = Try(slow)
        once(lambda: slow.stats()["by_fault"].get("hang"), first.push.stop)
        with pytest.raises(PushStoppedError) as stopped:
            first.execute()
        partial = stopped.value.report
        assert partial is not None
        assert partial["unknown"] > 0
        slow.clear_faults()
        report = Try(slow, checkpoint=first.last, run="try2").execute()
        assert report["status"] == "complete"
        events_unknown = {index for (index, outcome) in failed(partial) if outcome == "unknown"}
        assert {index for (index, outcome) in failed(report) if outcome == "unknown"} == {
            index for index in events_unknown if index >= ATTRIBUTES or index % 9 == 4
        }
        assert happened(slow) == whole[1]

    def test_twice(self, slow: SandboxProcess, whole: Whole) -> None:
        kept: dict[str, Any] | None = None
        for n in range(4):
            this = Try(slow, checkpoint=kept, run=f"try{n}")
            stop_at(this, (n + 1) * RECORDS // 5)
            with pytest.raises(PushStoppedError):
                this.execute()
            kept = this.last
        assert kept is not None
        report = Try(slow, checkpoint=kept, run="last").execute()
        compare(report, whole, slow)


@pytest.mark.parametrize("after", [10, 45])
def test_an_error_that_a_person_mends(slow: SandboxProcess, whole: Whole, after: int) -> None:
    slow.fault(status=401, count=1000, after=after)
    first = Try(slow)
    with pytest.raises(BrazeAuthError):
        first.execute()
    slow.clear_faults()
    report = Try(slow, checkpoint=first.last, run="try2").execute()
    assert report["resumed_after"] > 0
    compare(report, whole, slow)


class TestLongWait:
    @pytest.mark.parametrize("after", [20, 50])
    @pytest.mark.parametrize("durable", [True, False])
    def test_it_leaves_with_a_checkpoint_and_goes_on_after_the_wait(
        self, slow: SandboxProcess, whole: Whole, after: int, durable: bool
    ) -> None:
        slow.fault(status=429, count=1000, after=after, retry_after=600)
        given = {} if durable else {"save": None}
        with pytest.raises(BrazeLongWaitError) as left:
            Try(slow, max_wait=60, **given).execute()
        checkpoint = json.loads(json.dumps(left.value.checkpoint))
        assert settled(checkpoint) > 0
        assert left.value.report is not None
        slow.clear_faults()
        sent = slow.stats()["objects"]
        checkpoint["waiting_since"] -= 600
        report = Try(slow, max_wait=60, checkpoint=checkpoint, **given).execute()
        assert report["waited_seconds"] >= 600
        assert report["rate_limited"] > 0
        assert report["resumed_after"] == settled(checkpoint)
        compare(report, whole, slow)
        assert report["sent_again"] <= slow.stats()["objects"] - sent
        if after == 50:
            assert report["sent_again"] < 75

    def test_rows_that_a_function_yields_wait_on_the_worker(self, slow: SandboxProcess) -> None:
        slow.fault(status=429, count=1, retry_after=2)
        this = Try(slow, {"attributes": lambda: iter(attributes(100))}, max_wait=0.5)
        report = this.execute()
        assert (report["status"], report["rate_limited"]) == ("complete", 1)
        assert report["waited_seconds"] >= 1
        assert this.kept == []


class TestWhatItIsBoundTo:
    @pytest.fixture
    def kept(self, slow: SandboxProcess) -> dict[str, Any]:
        slow.fault(status=401, count=1000, after=20)
        first = Try(slow)
        with pytest.raises(BrazeAuthError):
            first.execute()
        begin(slow)
        assert settled(first.last) > 0
        return first.last

    def started_over(self, slow: SandboxProcess, kept: dict[str, Any], rows: Given, **given: Any) -> None:
        slow.fault(status=401, count=1000)
        again = Try(slow, rows, checkpoint=kept, run="try2", **given)
        with pytest.raises(BrazeAuthError) as refused:
            again.execute()
        assert refused.value.report is not None
        assert refused.value.report["resumed_after"] == 0
        assert len(again.said) == 1
        assert "starts over" in again.said[0]

    @pytest.mark.parametrize(("array", "at"), [("attributes", 0), ("events", EVENTS - 1), ("purchases", 9)])
    def test_one_other_row_anywhere_starts_over(
        self, slow: SandboxProcess, kept: dict[str, Any], array: str, at: int
    ) -> None:
        rows = all_rows()
        rows[array][at] = {**rows[array][at], "added": 1}
        self.started_over(slow, kept, rows)

    @pytest.mark.parametrize("change", [{"mode": "append"}, {"braze_conn_id": "braze_prod"}])
    def test_so_does_another_way_to_push(
        self, slow: SandboxProcess, kept: dict[str, Any], change: dict[str, Any]
    ) -> None:
        self.started_over(slow, kept, all_rows(), **change)

    def test_so_does_a_rejects_file_where_there_was_none(
        self, slow: SandboxProcess, kept: dict[str, Any], tmp_path: Path
    ) -> None:
        self.started_over(slow, kept, all_rows(), reports_path=str(tmp_path))

    def test_the_same_rows_in_another_form_go_on(self, slow: SandboxProcess, kept: dict[str, Any]) -> None:
        rows = all_rows()
        given = {
            "attributes": json.dumps(rows["attributes"]),
            "events": lambda: tuple(dict(reversed(row.items())) for row in rows["events"]),
            "purchases": rows["purchases"],
        }
        again = Try(slow, given, checkpoint=kept, run="try2")
        assert again.execute()["resumed_after"] == settled(kept)
        assert again.said == []

    def test_rows_that_a_function_yields_start_over(self, slow: SandboxProcess, kept: dict[str, Any]) -> None:
        rows = all_rows()
        given = {**rows, "events": lambda: iter(rows["events"])}
        again = Try(slow, given, checkpoint=kept, run="try2", max_wait=60)
        report = again.execute()
        assert (report["resumed_after"], report["status"]) == (0, "complete")
        assert len(again.said) == 1
        assert "sends all of them again" in again.said[0]
        assert again.kept == []

    def test_a_dry_run_neither_goes_on_nor_keeps_anything(
        self, slow: SandboxProcess, kept: dict[str, Any]
    ) -> None:
        again = Try(slow, checkpoint=kept, dry_run=True)
        assert again.execute()["records"] == RECORDS
        assert again.kept == []

    def test_a_function_that_breaks_leaves_the_checkpoint(
        self, slow: SandboxProcess, kept: dict[str, Any]
    ) -> None:
        def broken() -> list[Any]:
            raise LookupError

        again = Try(slow, {"events": broken}, checkpoint=kept)
        with pytest.raises(LookupError):
            again.execute()
        assert again.kept == []


class TestDigest:
    def digest(self, *rows: Any) -> str | None:
        return GivenRows.read({"attributes": list(rows)}).digest()

    def test_it_is_the_same_in_another_process(self) -> None:
        """Where sets of texts have another order."""
        script = (
            "from airflow_provider_braze.pushes.rows.given_rows import GivenRows;"
            "print(GivenRows.read({'attributes': [{'a': {'x', 'y', 'z'}, 'b': object()}]}).digest())"
        )
        found = {
            subprocess.check_output(
                [sys.executable, "-c", script],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            )
            for seed in ("1", "2", "3")
        }
        assert len(found) == 1

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ({"x": None}, {"x": float("inf")}),
            ({"x": 1}, {"x": "1"}),
            ({"x": [1, 2]}, {"x": [2, 1]}),
            ({"x": 1}, None),
        ],
    )
    def test_it_tells_rows_apart(self, one: Any, other: Any) -> None:
        assert self.digest(one) != self.digest(other)

    def test_it_tells_the_arrays_apart(self) -> None:
        rows = [{"external_id": "U1", "name": "e"}]
        assert GivenRows.read({"events": rows}).digest() != GivenRows.read({"purchases": rows}).digest()

    def test_the_order_of_keys_is_no_difference(self) -> None:
        assert self.digest({"a": 1, "b": {"c": 1, "d": 2}}) == self.digest({"b": {"d": 2, "c": 1}, "a": 1})


class TestAnnounced:
    """No row that may be sent but once goes out before a checkpoint says so."""

    @pytest.fixture
    def rows(self) -> Given:
        return {"events": [{"external_id": f"E{n}", "name": f"event {n}", "time": TIME} for n in range(700)]}

    def test_each_is_announced_before(self, slow: SandboxProcess, rows: Given) -> None:
        held: Callable[[], int] = lambda: slow.stats()["objects"]  # noqa: E731
        seen: list[tuple[int, int]] = []
        first = Try(slow, rows)
        kept = first.save
        assert kept is not None

        def keep(checkpoint: dict[str, Any] | None) -> None:
            if checkpoint is not None:
                # What has arrived when this one is given to the store was announced by the one before.
                seen.append((held(), seen_mark[-1]))
                seen_mark.append(checkpoint["handed"]["mark"])
            kept(checkpoint)

        seen_mark = [0]
        first.save = keep
        first.execute()
        assert seen_mark[1] == 300
        assert all(arrived <= mark for arrived, mark in seen)

    def test_they_wait_until_it_is_kept(self, slow: SandboxProcess, rows: Given) -> None:
        opened = threading.Event()
        this = Try(slow, rows, is_saved=opened.is_set)
        found: list[int] = []

        def look() -> None:
            found.append(slow.stats()["objects"])
            opened.set()

        threading.Timer(0.5, look).start()
        assert this.execute()["accepted"] == 700
        assert found == [0]

    def test_a_store_that_is_too_slow_does_not_hold_them_up(
        self, slow: SandboxProcess, rows: Given, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rows_module, "_PATIENCE", 0.2)
        report = Try(slow, rows, is_saved=lambda: False).execute()
        assert report["accepted"] == 700
        assert report["seconds"] < 3
        assert len([note for note in report["notes"] if "too slow" in note]) == 1

    def test_rows_that_may_be_sent_twice_need_none(self, slow: SandboxProcess) -> None:
        rows = {"attributes": [{"external_id": f"U{n}", "x": n} for n in range(50)]}
        this = Try(slow, rows, is_saved=lambda: False)
        assert this.execute()["notes"] == []


def test_events_that_were_never_sent_are_not_called_accepted(slow: SandboxProcess) -> None:
    """Sent away with gaps between what was accepted, and killed once the next try has written its first checkpoint."""
    events = {"events": [{"external_id": f"E{n}", "name": f"event {n}", "time": TIME} for n in range(30)]}
    workspace = Workspace(endpoint=slow.url, api_key=slow.key, max_in_flight=4, objects_per_request=5)
    for after in (0, 2):
        slow.fault(status=429, count=1, retry_after=2, after=after)
    first = Try(slow, events, workspace=workspace, max_wait=1)
    with pytest.raises(BrazeLongWaitError) as sent_away:
        first.execute()
    second = Try(
        slow, events, workspace=workspace, checkpoint=sent_away.value.checkpoint, is_saved=lambda: False
    )
    threading.Thread(target=lambda: stop_at(second, 0), daemon=True).start()
    with pytest.raises(PushStoppedError):
        second.execute()
    arrived = {name for name in happened(slow) if name.startswith("event")}
    third = Try(slow, events, workspace=workspace, checkpoint=second.kept[0], run="try2")
    report = third.execute()
    check(report, records=30, accepted=len(arrived), unknown=30 - len(arrived), status="complete")
    assert {name for name in happened(slow) if name.startswith("event")} == arrived
    assert {index for index, _ in failed(report)} == {n for n in range(30) if f"event {n}" not in arrived}


@pytest.mark.parametrize("value", [float("inf"), "x" * 5_000_000])
def test_what_can_never_be_sent_is_invalid_after_a_kill_too(slow: SandboxProcess, value: Any) -> None:
    """Though it was announced: it is not unknown."""
    odd = {"external_id": "E3", "name": "odd", "time": TIME, "properties": {"value": value}}
    events = {"events": [{"external_id": f"E{n}", "name": "even", "time": TIME} for n in range(3)] + [odd]}
    first = Try(slow, events)
    first.execute()
    assert first.kept[0] is not None
    assert first.kept[0]["handed"]["mark"] > 3
    report = Try(slow, events, checkpoint=first.kept[0]).execute()
    check(report, records=4, invalid=1, unknown=3, status="failed")


class TestFailedRowsInTheReport:
    def test_so_many_fit_the_store(self, slow: SandboxProcess) -> None:
        """A value of Airflow's task state store has at most 65,535 bytes."""
        rows = [{"external_id": f"U{n}", "x": n} if n % 3 else {"x": n} for n in range(6000)]
        this = Try(slow, {"attributes": rows})
        report = this.execute()
        assert len(report["failed_rows"]) == 1000
        assert max(len(json.dumps(kept)) for kept in this.kept) < 30_000

    def test_those_that_do_not_fit_are_said_to_be_missing(
        self, slow: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from airflow_provider_braze.rejects import writer as rejects_module

        monkeypatch.setattr(rejects_module, "_MOST_KEPT", 200)
        rows = {"attributes": [{"x": n} for n in range(100)] + attributes(1500)}
        slow.fault(status=401, count=1000, after=15)
        first = Try(slow, rows)
        with pytest.raises(BrazeAuthError):
            first.execute()
        slow.clear_faults()
        report = Try(slow, rows, checkpoint=first.last).execute()
        assert report["invalid"] >= 100
        assert 0 < len(report["failed_rows"]) < report["failed"]
        left_out = report["failed"] - len(report["failed_rows"])
        assert [note for note in report["notes"] if f"{left_out} failed rows" in note]


def test_the_rejects_of_rows_go_on_too(slow: SandboxProcess, tmp_path: Path) -> None:
    rows = {"events": [{**event, "time": "never"} for event in all_rows()["events"]]}
    broken = Try(slow, rows, reports_path=str(tmp_path)).execute()
    assert broken["rejected"] == EVENTS
    mended = Path(broken["rejects_path"])
    mended.write_text(mended.read_text().replace("never", TIME))
    item = ExportItem.of(broken["rejects_path"], {})
    assert item.is_rows
    whole = Try(slow, {}, rejects=item, run="whole").execute()
    begin(slow)
    first = Try(slow, {}, rejects=item, run="again")
    stop_at(first, 300)
    with pytest.raises(PushStoppedError):
        first.execute()
    report = Try(slow, {}, rejects=item, run="again2", checkpoint=first.last).execute()
    assert report["resumed_after"] == settled(first.last) > 0
    assert {name: report[name] for name in AS_BEFORE} == {name: whole[name] for name in AS_BEFORE}
    arrived = happened(slow)
    times = [arrived[f"event {n}"] for n in range(EVENTS)]
    assert (set(times), sum(times)) == ({0, 1}, report["accepted"])
