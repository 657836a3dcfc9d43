"""A push that was killed, stopped or sent away goes on where Braze had acknowledged everything."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import (
    BrazeAuthError,
    BrazeLongWaitError,
    ExportChangedError,
    PushStoppedError,
)
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.rejects.writer import parts_of
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import Keeping, keep_often, parts_written_by, settled
from tests.jobs import export_push
from tests.reports import OUTCOMES, check, rejects
from tests.sandbox_process import ROOT, SandboxProcess
from tests.waiting import once

Land = Callable[..., Path]

HEADER = "RPContactID,ChannelExecutionID,external_id,email,output_name,zip\n"
RECORDS = 6_000
BLOCKED = range(5, RECORDS, 97)
"""Users whom Braze rejects."""

AS_BEFORE = (
    "records",
    *OUTCOMES,
    "failed",
    "reasons",
    "execution_id_mismatches",
    "omitted_values",
    "trimmed",
    "normalised",
    "objects",
    "data_points",
    "data_points_by_attribute",
    "started_at",
)


def export_text(records: int = RECORDS) -> str:
    """Users of one record and of several, near and far; values that Braze rejects, and records that are invalid."""
    chance, lines = random.Random(7), []
    for n in range(records):
        user = n if chance.random() > 0.04 else max(0, n - chance.choice([1, 40, 480, 600]))
        email = "nobody" if n % 97 == 5 else f"u{user}@example.org"
        execution = "5719" if n % 500 else "5720"
        wide = ",too wide" if n % 331 == 7 else ""
        blanks = "" if n % 11 else "  "
        lines.append(f"{n},{execution},U{user},{email},Segment {n % 3},0{n}{blanks}{wide}\n")
    return HEADER + "".join(lines)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    keep_often(monkeypatch)


@pytest.fixture(scope="module")
def slow() -> Iterator[SandboxProcess]:
    """Answers late, so that a push takes its time, and refuses what Braze refuses."""
    blocked = [word for n in BLOCKED for word in ("--blocked-user", f"U{n}")]
    with SandboxProcess("--latency-ms", "60", *blocked) as process:
        yield process


@pytest.fixture(autouse=True)
def fresh(slow: SandboxProcess) -> None:
    slow.reset()


class Try(Keeping):
    """One try of a push, with the checkpoints that it kept."""

    def __init__(self, sandbox: SandboxProcess, path: Path, run: str = "try1", **given: Any) -> None:
        self.kept: list[dict[str, Any] | None] = []
        workspace = given.pop("workspace", None) or Workspace(
            endpoint=sandbox.url, api_key=sandbox.key, max_in_flight=4
        )
        self.push = export_push(
            export=str(path),
            workspace=workspace,
            braze_conn_id="braze_default",
            run=run,
            mapping=ExportMapping(bad_values="omit", types={"zip": "string"}),
            save=lambda kept: self.kept.append(json.loads(json.dumps(kept))),
            **given,
        )


def failed_lines(report: dict[str, Any]) -> Counter[tuple[str, str]]:
    return Counter((row["_line"], row["_outcome"]) for row in rejects(report))


def compare(resumed: dict[str, Any], whole: dict[str, Any]) -> None:
    assert {name: resumed[name] for name in AS_BEFORE[:-1]} == {name: whole[name] for name in AS_BEFORE[:-1]}
    assert failed_lines(resumed) == failed_lines(whole)
    assert not list(Path(resumed["report_path"]).parents[1].rglob("*.part"))


def test_from_every_checkpoint_it_comes_out_as_if_nothing_had_happened(
    slow: SandboxProcess, land: Land, tmp_path: Path
) -> None:
    path = land(export_text())
    first = Try(slow, path)
    parts = parts_written_by(first)
    whole = first.execute()
    assert whole["status"] == "complete"
    assert whole["merged"] > 100
    assert whole["rejected"] > 50
    assert whole["invalid"] > 10
    assert first.kept[-1] is None
    found = [kept for kept in first.kept if kept is not None]
    assert len(found) > 8
    assert 0 < settled(found[0]) < settled(found[-1]) < RECORDS
    profiles = slow.profiles()
    for n, kept in enumerate(random.Random(1).sample(found, 4)):
        for part in parts_of(kept):
            Path(part).write_bytes(parts[part])
        slow.reset_stats()
        again = Try(slow, path, f"try{n + 2}", checkpoint=kept)
        resumed = again.execute()
        compare(resumed, whole)
        assert resumed["started_at"] == whole["started_at"]
        assert resumed["resumed_after"] == settled(kept)
        assert slow.stats()["objects"] <= RECORDS - settled(kept) + 100
        assert slow.profiles() == profiles


def test_from_every_checkpoint_of_a_shard(slow: SandboxProcess, land: Land) -> None:
    """Only its own records count, and how far the file was read follows from them."""
    path = land(export_text())
    first = Try(slow, path, shard=Shard(1, 2))
    parts = parts_written_by(first)
    whole = first.execute()
    other = Try(slow, path, "other", shard=Shard(2, 2)).execute()
    assert whole["records"] + other["records"] == RECORDS
    assert min(whole["merged"], whole["invalid"], other["merged"]) > 10
    assert other["invalid"] == 0
    found = [kept for kept in first.kept if kept is not None]
    profiles = slow.profiles()
    for n, kept in enumerate(random.Random(2).sample(found, 3)):
        for part in parts_of(kept):
            Path(part).write_bytes(parts[part])
        slow.reset_stats()
        resumed = Try(slow, path, f"try{n + 2}", shard=Shard(1, 2), checkpoint=kept).execute()
        compare(resumed, whole)
        assert resumed["resumed_after"] == settled(kept)
        assert slow.stats()["objects"] <= whole["records"] - settled(kept) + 100
        assert slow.profiles() == profiles
    # What one shard has settled is nothing of another one's.
    anew = Try(slow, path, "anew", shard=Shard(2, 2), checkpoint=found[-1]).execute()
    compare(anew, other)
    assert anew["resumed_after"] == 0


KILLED = """
import json, os, sys
from pathlib import Path
from airflow_provider_braze.pushes.resuming import checkpoint
from airflow_provider_braze.pushes.attempt import running
from airflow_provider_braze.pushes.sources import export_source
from airflow_provider_braze.users_track.batching import merge_window as batches
from tests.pushes.resuming.test_resume import Try
checkpoint.EVERY, running.LOOK_EVERY = 0.0, 0.02
batches.LOOK_AHEAD_RECORDS, export_source.REPLAYED_RECORDS = 500, 2000
class Sandbox:
    url, key = sys.argv[1], "sandbox-key-0000-1111"
this = Try(Sandbox, Path(sys.argv[2]))
def keep(kept):
    Path(sys.argv[3] + ".new").write_text(json.dumps(kept))
    os.replace(sys.argv[3] + ".new", sys.argv[3])
    print(kept and kept["account"]["settled"]["records"], flush=True)
this.save = keep
this.execute()
"""


@pytest.mark.parametrize("after", [1, 6])
def test_a_worker_that_is_killed(slow: SandboxProcess, land: Land, tmp_path: Path, after: int) -> None:
    path, store = land(export_text()), tmp_path / "checkpoint.json"
    command = [sys.executable, "-c", KILLED, slow.url, str(path), str(store)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(after):
            assert process.stdout.readline()
        time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept = json.loads(store.read_text())
    second = Try(slow, path, "try2", checkpoint=kept)
    report = second.execute()
    assert second.kept[-1] is None
    check(report, **{name: report[name] for name in OUTCOMES}, status="complete", records=RECORDS)
    assert report["resumed_after"] == settled(kept) > 0
    slow.reset()
    compare(report, Try(slow, path, "whole").execute())


class TestStopped:
    def test_it_stops_sending_and_tells_the_truth_within_seconds(
        self, slow: SandboxProcess, land: Land
    ) -> None:
        path = land(export_text())
        first = Try(slow, path)
        stopped_at: list[float] = []

        def stop() -> None:
            stopped_at.append(time.monotonic())
            first.push.stop()

        once(lambda: first.kept and settled(first.last) > 100, stop)
        with pytest.raises(PushStoppedError) as stopped:
            first.execute()
        assert time.monotonic() - stopped_at[0] < 20
        partial = stopped.value.report
        assert partial is not None
        assert partial["status"] == "partial"
        assert partial["not_sent"] > 0
        assert partial["unknown"] == 0
        assert "stopped" in partial["error"]
        check(partial, **{name: partial[name] for name in ("records", *OUTCOMES)})
        assert settled(first.last) > 0
        seen = slow.stats()["objects"]
        assert seen >= partial["accepted"]
        report = Try(slow, path, "try2", checkpoint=first.last).execute()
        sent_in_all = slow.stats()["objects"]
        slow.reset()
        compare(report, Try(slow, path, "whole").execute())
        assert report["sent_again"] > 0
        # Rejected objects are in the requests, too; records merged into one object are several.
        assert sent_in_all - slow.stats()["objects"] == pytest.approx(
            report["sent_again"], abs=report["merged"]
        )

    def test_answers_that_never_come_are_not_waited_for(self, slow: SandboxProcess, land: Land) -> None:
        slow.fault(kind="hang", count=1000, after=8)
        first = Try(slow, land(export_text()))
        moments: list[float] = []
        once(
            lambda: slow.stats()["by_fault"].get("hang"),
            lambda: (moments.append(time.monotonic()), first.push.stop()),
        )
        with pytest.raises(PushStoppedError) as stopped:
            first.execute()
        assert time.monotonic() - moments[0] < 20
        partial = stopped.value.report
        assert partial is not None
        assert partial["unknown"] > 0
        check(partial, **{name: partial[name] for name in ("records", *OUTCOMES)}, status="partial")
        slow.clear_faults()

    def test_before_anything_is_sent_it_ends_at_once(self, slow: SandboxProcess, land: Land) -> None:
        path = land(export_text(200_000))
        first = Try(slow, path, max_data_points=10**9)

        def stop(*_: Any) -> None:
            first.push.stop()

        before = signal.signal(signal.SIGALRM, stop)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            with pytest.raises(PushStoppedError):
                first.execute()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        assert slow.stats()["requests"] == 0

    def test_once_it_is_over_there_is_nothing_to_stop(self, slow: SandboxProcess, land: Land) -> None:
        first = Try(slow, land(export_text(100)))
        first.execute()
        first.push.stop()


class TestLongWait:
    def test_it_leaves_with_a_checkpoint_and_goes_on_after_the_wait(
        self, slow: SandboxProcess, land: Land
    ) -> None:
        path = land(export_text())
        slow.fault(status=429, count=1000, after=40, retry_after=600)
        told: list[dict[str, Any]] = []
        first = Try(slow, path, max_wait=60, progress=told.append)
        with pytest.raises(BrazeLongWaitError) as left:
            first.execute()
        wait = left.value
        # Whoever looks on meanwhile sees what is sent after the wait, which has not failed.
        last = told[-1]
        assert last["to_be_sent"] > 0
        assert last["not_sent"] == 0
        assert last["failed"] == last["rejected"] + last["invalid"] + last["unknown"]
        assert sum(last[name] for name in OUTCOMES) + last["to_be_sent"] == last["records"]
        assert (last["channel"], last["offer"], last["workflow_id"]) == (
            "Braze Onboarding and Upsert",
            "Spring Welcome",
            "8828",
        )
        assert last["waiting_until"] is not None
        assert wait.retry_after == pytest.approx(600, rel=0.2)
        assert wait.report is not None
        assert wait.report["status"] == "partial"
        assert "60 s" in wait.report["error"]
        checkpoint = json.loads(json.dumps(wait.checkpoint))
        assert settled(checkpoint) > 0
        slow.clear_faults()
        slow.reset_stats()
        # The time until it goes on counts as waiting.
        checkpoint["waiting_since"] -= 600
        report = Try(slow, path, checkpoint=checkpoint, max_wait=60).execute()
        assert report["waited_seconds"] >= 600
        assert report["seconds"] >= 600
        assert report["rate_limited"] > 0
        assert report["resumed_after"] == settled(checkpoint)
        slow.reset()
        compare(report, Try(slow, path, "whole").execute())

    def test_the_rejects_of_what_is_sent_after_all_do_not_stay(
        self, slow: SandboxProcess, land: Land
    ) -> None:
        path = land(HEADER + "".join(f"{n},5719,V{n},v{n}@example.org,Segment,0\n" for n in range(2000)))
        slow.fault(status=429, count=1000, after=4, retry_after=600)
        with pytest.raises(BrazeLongWaitError) as left:
            Try(slow, path, max_wait=60).execute()
        assert left.value.report is not None
        assert Path(left.value.report["rejects_path"]).exists()
        slow.clear_faults()
        report = Try(slow, path, checkpoint=left.value.checkpoint).execute()
        check(report, records=2000, accepted=2000, status="complete")
        assert [each.name for each in Path(report["report_path"]).parent.iterdir()] == ["report.json"]

    def test_a_short_wait_is_waited_for(self, slow: SandboxProcess, land: Land) -> None:
        slow.fault(status=429, count=1, retry_after=1)
        report = Try(slow, land(export_text(300)), max_wait=60).execute()
        assert report["status"] == "complete"
        # The time that it names comes nearer while the answer is on its way; half a second is waited in any case.
        assert report["waited_seconds"] >= 0.5


class TestWhatItIsBoundTo:
    @pytest.fixture
    def stopped(self, slow: SandboxProcess, land: Land) -> tuple[Path, dict[str, Any]]:
        path = land(export_text())
        slow.fault(status=401, count=1000, after=40)
        first = Try(slow, path)
        with pytest.raises(BrazeAuthError):
            first.execute()
        slow.reset()
        assert settled(first.last) > 0
        return path, first.last

    def test_a_key_that_is_mended_changes_nothing(
        self, slow: SandboxProcess, stopped: tuple[Path, dict[str, Any]]
    ) -> None:
        path, kept = stopped
        report = Try(slow, path, "try2", checkpoint=kept).execute()
        assert report["resumed_after"] == settled(kept)

    def test_another_export_starts_at_its_beginning(
        self, slow: SandboxProcess, stopped: tuple[Path, dict[str, Any]]
    ) -> None:
        path, kept = stopped
        with path.open("a") as file:
            file.write("1,5719,U1,u1@example.org,Segment 1,01\n")
        report = Try(slow, path, "try2", checkpoint=kept).execute()
        assert (report["resumed_after"], report["records"]) == (0, RECORDS + 1)

    @pytest.mark.parametrize("change", [{"mode": "append"}, {"confirm": True}])
    def test_so_does_one_that_is_pushed_another_way(
        self, slow: SandboxProcess, stopped: tuple[Path, dict[str, Any]], change: dict[str, Any]
    ) -> None:
        path, kept = stopped
        slow.fault(status=401, count=1000)
        again = Try(slow, path, "try2", checkpoint=kept, **change)
        with pytest.raises(BrazeAuthError) as refused:
            again.execute()
        assert refused.value.report is not None
        assert refused.value.report["resumed_after"] == 0

    def test_so_does_one_whose_rejects_are_gone(
        self, slow: SandboxProcess, stopped: tuple[Path, dict[str, Any]]
    ) -> None:
        path, kept = stopped
        assert kept["rejects_parts"]
        Path(parts_of(kept)[0]).unlink()
        report = Try(slow, path, "try2", checkpoint=kept).execute()
        assert report["resumed_after"] == 0
        check(report, **{name: report[name] for name in OUTCOMES}, records=RECORDS)

    def test_a_dry_run_neither_resumes_nor_keeps_anything(
        self, slow: SandboxProcess, stopped: tuple[Path, dict[str, Any]]
    ) -> None:
        path, kept = stopped
        again = Try(slow, path, "try2", checkpoint=kept, dry_run=True)
        report = again.execute()
        assert report["records"] == RECORDS
        assert again.kept == []


def test_an_export_that_vanishes_while_it_is_pushed_leaves_its_checkpoint(
    slow: SandboxProcess, land: Land
) -> None:
    path = land(export_text())
    first = Try(slow, path)
    once(lambda: first.kept and settled(first.last) > 100, path.unlink)
    with pytest.raises(ExportChangedError):
        first.execute()
    assert first.last["account"]["settled"]["records"] > 0


def test_rejects_of_settled_records_only_are_carried_over(slow: SandboxProcess, land: Land) -> None:
    """Those of the records beyond the checkpoint are in the report of the first try, not in what is gone on from."""
    path = land(export_text())
    slow.fault(status=401, count=1000, after=40)
    first = Try(slow, path)
    with pytest.raises(BrazeAuthError) as refused:
        first.execute()
    assert refused.value.report is not None
    assert refused.value.report["not_sent"] > 0
    carried = [
        row for part in parts_of(first.last) for row in csv.reader(Path(part).read_text().splitlines())
    ]
    assert carried[0][:2] == ["_line", "_outcome"]
    assert "not_sent" not in {row[1] for row in carried}
    assert len(carried) - 1 == sum(
        count
        for outcome, count in first.last["account"]["settled"]["outcomes"].items()
        if outcome in ("rejected", "invalid")
    )
