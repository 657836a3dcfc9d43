"""What the report says was sent again is true, or a bound that says so: counted where it arrives, after real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import PushStoppedError
from airflow_provider_braze.pushes.resuming import allowance
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import Keeping, Killed, settled
from tests.jobs import export_push, rows_push
from tests.sandbox_process import ROOT, SandboxProcess
from tests.waiting import once, until

RECORDS = 8_000
TIME = "2026-11-22T10:00:00Z"


@pytest.fixture(scope="module")
def slow() -> Iterator[SandboxProcess]:
    """Answers late, so that a push takes its time."""
    with SandboxProcess("--latency-ms", "60") as process:
        yield process


@pytest.fixture(autouse=True)
def fresh(slow: SandboxProcess) -> None:
    slow.reset()


@pytest.fixture
def export(land: Callable[..., Path]) -> Path:
    """Each record is one user, and taken: records and objects that arrive are the same number."""
    lines = [f"{n},5719,U{n},u{n}@example.org,Segment\n" for n in range(RECORDS)]
    return land("RPContactID,ChannelExecutionID,external_id,email,output_name\n" + "".join(lines))


class Try(Keeping):
    """One try of a push of an export, or of attributes and events."""

    def __init__(self, url: str, key: str, export: Path | None, number: int = 1, **given: Any) -> None:
        self.kept: list[dict[str, Any] | None] = []
        given = {
            "workspace": Workspace(endpoint=url, api_key=key, max_in_flight=4),
            "braze_conn_id": "braze_default",
            "identity": PushIdentity("dag", "run", "push", try_number=number),
            "save": lambda kept: self.kept.append(json.loads(json.dumps(kept))),
            **given,
        }
        self.push = rows_push(**given) if export is None else export_push(export=str(export), **given)


def rows(kind: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of an author's own."""
    attributes = [{"external_id": f"A{n}", "visits": n} for n in range(RECORDS // 2)]
    events = [{"external_id": f"E{n}", "name": f"event {n}", "time": TIME} for n in range(RECORDS // 2)]
    return {"events": events} if kind == "events" else {"attributes": attributes, "events": events}


KILLED = """
import json, os, sys
from pathlib import Path
from airflow_provider_braze.pushes.resuming import allowance
from tests.pushes.resuming.test_sent_again import Try, rows
url, key, export, store, number, kind, hangs_after = sys.argv[1:]
path, saved = Path(store), []
if int(hangs_after) < 10**6:
    allowance._SECONDS = 0.1  # so that it has soon sent more than it had promised
given = {"checkpoint": json.loads(path.read_text())} if path.exists() else {}
hangs = lambda: len(saved) > int(hangs_after)
def keep(checkpoint):
    saved.append(1)
    if not hangs():
        Path(store + ".new").write_text(json.dumps(checkpoint))
        os.replace(store + ".new", store)
if kind != "export":
    given |= rows(kind)
Try(url, key, Path(export) if kind == "export" else None, int(number), save=keep, is_saved=lambda: not hangs(),
    **given).execute()
"""


def kill_at(
    slow: SandboxProcess,
    arrived: int,
    export: Path,
    store: Path,
    number: int = 1,
    *,
    kind: str = "export",
    hangs_after: int = 10**6,
) -> None:
    """Push in a process of its own, and kill it once so many more have arrived; what it kept is in the store."""
    arrived += slow.stats()["objects"]
    arguments = [slow.url, slow.key, str(export), str(store), str(number), kind, str(hangs_after)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", KILLED, *arguments], cwd=ROOT, env=environment) as process:
        until(lambda: slow.stats()["objects"] >= arrived or process.poll() is not None, 120)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def sent_again(slow: SandboxProcess) -> int:
    """Objects that have arrived more than once."""
    return int(slow.stats()["objects"]) - RECORDS


@pytest.mark.parametrize("kills", [[2500], [2500, 3000]])
def test_of_a_killed_export_it_is_a_bound(
    slow: SandboxProcess, export: Path, tmp_path: Path, kills: list[int]
) -> None:
    store = tmp_path / "store.json"
    for number, arrived in enumerate(kills, start=1):
        kill_at(slow, arrived, export, store, number)
    kept = json.loads(store.read_text())

    report = Try(slow.url, slow.key, export, len(kills) + 1, checkpoint=kept).execute()

    assert (report["status"], report["accepted"]) == ("complete", RECORDS)
    assert report["upper_bounds"] == ["sent_again"]
    assert 0 < sent_again(slow) <= report["sent_again"]


def test_the_bound_is_what_the_last_checkpoint_promises(
    slow: SandboxProcess, export: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store.json"
    kill_at(slow, 6000, export, store)
    kept = json.loads(store.read_text())
    counts = kept["account"]
    assert counts["sent"] < counts["sent_until"]

    report = Try(slow.url, slow.key, export, 2, checkpoint=kept).execute()

    promised = counts["sent_until"] - settled(kept)
    assert report["sent_again"] == min(promised, RECORDS - report["resumed_after"])
    assert sent_again(slow) <= report["sent_again"]


def test_it_is_one_where_the_store_had_failed_before(
    slow: SandboxProcess, export: Path, tmp_path: Path
) -> None:
    """The push did not wait for the store: it said beside its rejects that it goes beyond what it had promised."""
    store = tmp_path / "store.json"
    kill_at(slow, 6000, export, store, hangs_after=1)
    kept = json.loads(store.read_text())
    assert kept["account"]["sent_until"] - settled(kept) < RECORDS
    (broken,) = export.parents[3].rglob(allowance.BROKEN)

    report = Try(slow.url, slow.key, export, 2, checkpoint=kept).execute()

    assert report["status"] == "complete"
    assert report["upper_bounds"] == ["sent_again"]
    assert sent_again(slow) <= report["sent_again"] == RECORDS - settled(kept)
    assert not broken.exists()


def test_a_store_that_fails_holds_no_push_up_and_leaves_nothing_behind(
    slow: SandboxProcess, export: Path
) -> None:
    this = Try(slow.url, slow.key, export, is_saved=lambda: None)
    assert this.execute()["status"] == "complete"
    assert not list(export.parents[3].rglob(allowance.BROKEN))


class Fails:
    """Something of the store that raises from its nth call on, and counts its calls."""

    def __init__(self, error: BaseException, after: int) -> None:
        self.error, self.after, self.calls = error, after, 0

    def __call__(self, *_: Any) -> bool:
        self.calls += 1
        if self.calls > self.after:
            raise self.error
        return True


@pytest.mark.parametrize("which", ["save", "is_saved"])
@pytest.mark.parametrize("after", [0, 1])
def test_one_that_raises_holds_no_push_up_either(
    slow: SandboxProcess, export: Path, which: str, after: int
) -> None:
    """It is told of once, and asked no more often than it is time for a checkpoint."""
    fails = Fails(OSError("no route to the store"), after)
    this = Try(slow.url, slow.key, export, **{which: fails})
    report = this.execute()
    assert (report["status"], report["accepted"]) == ("complete", RECORDS)
    assert fails.calls < 20
    assert not list(export.parents[3].rglob(allowance.BROKEN))


@pytest.mark.parametrize("which", ["save", "is_saved"])
@pytest.mark.parametrize("after", [0, 1])
def test_what_ends_the_process_ends_a_push_that_waits_for_its_next_promise(
    slow: SandboxProcess, export: Path, which: str, after: int
) -> None:
    fails = Fails(Killed(), after)
    with pytest.raises(Killed):
        Try(slow.url, slow.key, export, **{which: fails}).execute()
    assert fails.calls < 20
    assert slow.stats()["objects"] < RECORDS


def test_a_small_push_needs_no_promise(slow: SandboxProcess, land: Callable[..., Path]) -> None:
    lines = [f"{n},5719,U{n},u{n}@example.org,Segment\n" for n in range(300)]
    path = land("RPContactID,ChannelExecutionID,external_id,email,output_name\n" + "".join(lines))
    this = Try(slow.url, slow.key, path, is_saved=lambda: False)
    assert this.execute()["status"] == "complete"
    assert not list(path.parents[3].rglob(allowance.BROKEN))


@pytest.mark.parametrize("kills", [[100], [100, 100], [4000, 100]])
def test_so_is_it_where_tries_were_killed_before_they_kept_anything(
    slow: SandboxProcess, export: Path, tmp_path: Path, kills: list[int]
) -> None:
    """Each may send the least without a checkpoint; that it was there, its folder tells."""
    store = tmp_path / "store.json"
    for number, arrived in enumerate(kills, start=1):
        kill_at(slow, arrived, export, store, number, hangs_after=10**6 if arrived == 4000 else 0)
    given = {"checkpoint": json.loads(store.read_text())} if store.exists() else {}

    report = Try(slow.url, slow.key, export, len(kills) + 1, **given).execute()

    assert report["upper_bounds"] == ["sent_again"]
    assert 0 < sent_again(slow) <= report["sent_again"]
    if not given:
        assert report["sent_again"] >= allowance.LEAST * (2 * len(kills) - 1)


def test_what_is_sent_is_never_more_than_what_is_promised(slow: SandboxProcess, export: Path) -> None:
    """Whatever is looked at when a promise is given to the store was promised by the ones before."""
    seen: list[tuple[int, int]] = []
    promised = [allowance.LEAST]
    this = Try(slow.url, slow.key, export)
    save = this.save

    def keep(kept: dict[str, Any] | None) -> None:
        seen.append((slow.stats()["objects"], promised[-1]))
        if kept is not None:
            promised.append(kept["account"]["sent_until"])
        save(kept)

    this.save = keep
    this.execute()
    assert len(seen) > 2
    assert all(arrived <= most for arrived, most in seen)


def test_of_a_stopped_export_it_is_exact(slow: SandboxProcess, export: Path) -> None:
    first = Try(slow.url, slow.key, export)
    once(lambda: slow.stats()["objects"] > 4000, first.push.stop)
    with pytest.raises(PushStoppedError) as stopped:
        first.execute()
    assert stopped.value.report is not None
    assert stopped.value.report["sent_again"] == 0

    report = Try(slow.url, slow.key, export, 2, checkpoint=first.last).execute()

    assert report["status"] == "complete"
    assert report["upper_bounds"] == []
    assert report["sent_again"] == sent_again(slow)


def test_one_that_is_stopped_before_it_sends_anything_sends_nothing_again(
    slow: SandboxProcess, export: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store.json"
    kill_at(slow, 3000, export, store)
    kept = json.loads(store.read_text())
    slow.fault(status=503, count=10**6)
    second = Try(slow.url, slow.key, export, 2, checkpoint=kept)
    once(lambda: slow.stats()["by_fault"], second.push.stop)
    with pytest.raises(PushStoppedError):
        second.execute()
    slow.clear_faults()

    report = Try(slow.url, slow.key, export, 3, checkpoint=second.last).execute()

    assert report["status"] == "complete"
    assert report["upper_bounds"] == ["sent_again"]
    assert sent_again(slow) <= report["sent_again"]


def test_where_no_try_keeps_anything_all_may_have_been_sent(slow: SandboxProcess, export: Path) -> None:
    report = Try(slow.url, slow.key, export, 2, save=None, sent_before=True).execute()
    assert (report["sent_again"], report["upper_bounds"]) == (RECORDS, ["sent_again"])


def test_so_may_all_where_what_was_kept_is_of_no_use(slow: SandboxProcess, export: Path) -> None:
    first = Try(slow.url, slow.key, export)
    first.execute()
    kept = first.kept[-2]
    assert kept is not None
    report = Try(slow.url, slow.key, export, 2, checkpoint={**kept, "bound_to": "another mapping"}).execute()
    assert (report["sent_again"], report["upper_bounds"]) == (RECORDS, ["sent_again"])


def test_a_first_try_has_sent_nothing_again(slow: SandboxProcess, export: Path) -> None:
    report = Try(slow.url, slow.key, export).execute()
    assert (report["sent_again"], report["upper_bounds"]) == (0, [])


@pytest.mark.parametrize("kind", ["events", "both"])
def test_of_rows_only_those_count_that_may_go_again(
    slow: SandboxProcess, export: Path, tmp_path: Path, kind: str
) -> None:
    store = tmp_path / "store.json"
    kill_at(slow, 2000, export, store, kind=kind)
    kept = json.loads(store.read_text())

    report = Try(slow.url, slow.key, None, 2, checkpoint=kept, **rows(kind)).execute()

    again = report["sent_again"]
    if kind == "events":
        assert (again, report["upper_bounds"]) == (0, [])
    else:
        unknown = report["unknown"]
        assert slow.stats()["objects"] - (RECORDS - unknown) <= again <= RECORDS // 2
        assert "sent_again" in report["upper_bounds"]
