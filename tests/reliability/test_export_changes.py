"""The export changes or vanishes while it is pushed: nothing is called complete, and the error says what happened."""

from __future__ import annotations

import errno
import io
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.airflow_compat import AirflowSkipException
from airflow_provider_braze.exceptions import ExportChangedError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.sources import export_source
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.users_track.batching import merge_window as batches
from tests.connections import connect
from tests.reliability.pushing import TaskInstance
from tests.reports import check
from tests.sandbox_process import SandboxProcess

RECORDS = 1500
FOLDER = Path("Braze Onboarding and Upsert") / "Spring Welcome" / "8828"
NAME = "RPI_Export_5719.txt"
COUNTED = ("records", "accepted", "merged", "rejected", "invalid", "unknown", "not_sent")


def text(count: int, mark: str = "a", start: int = 0) -> str:
    """More than is read at once, so that a change meets the reading too."""
    filling = ",".join([mark * 250] * 8)
    return "".join(f"{n},5719,U{n:05},Ann,{filling}\n" for n in range(start, start + count))


HEADER = "RPContactID,ChannelExecutionID,external_id,first_name,one,two,three,four,five,six,seven,eight\n"


@pytest.fixture(autouse=True)
def short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reading not be done long before sending is."""
    monkeypatch.setattr(batches, "LOOK_AHEAD_RECORDS", 100)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "share" / FOLDER / NAME
    path.parent.mkdir(parents=True)
    path.write_text(HEADER + text(RECORDS))
    # It landed a while ago: a fingerprint tells whole seconds apart.
    os.utime(path, (time.time() - 60, time.time() - 60))
    return tmp_path / "share"


@pytest.fixture
def export(base: Path) -> Path:
    return base / FOLDER / NAME


def append(path: Path) -> None:
    with path.open("a") as file:
        file.write(text(10, start=RECORDS))


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_text(HEADER + text(7))
    other.replace(path)


def replace_by_one_of_the_same_size(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_text(HEADER + text(RECORDS, "b"))
    assert other.stat().st_size == path.stat().st_size
    other.replace(path)


def rewrite_in_place(path: Path) -> None:
    with path.open("r+") as file:
        file.write(HEADER + text(RECORDS, "b"))


def truncate(path: Path) -> None:
    os.truncate(path, 2_000_000)


def roll_back(path: Path) -> None:
    path.unlink()


def remove_the_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def take_the_share_away(path: Path) -> None:
    share = path.parents[3]
    share.rename(share.with_name("elsewhere"))


def run(sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, export: Any) -> dict[str, Any]:
    connect(monkeypatch, sandbox, max_in_flight=2)
    ti = TaskInstance()
    return BrazeUserTrackOperator(task_id="push", export=export).execute({"ti": ti})  # type: ignore[typeddict-item,typeddict-unknown-key]


def interfere(sandbox: SandboxProcess, change: Callable[[Path], None], path: Path) -> threading.Thread:
    """Change the file as soon as Braze has got the first request."""

    def wait() -> None:
        until = time.monotonic() + 30
        while not sandbox.stats()["requests"] and time.monotonic() < until:
            time.sleep(0.02)
        change(path)

    sandbox.fault(kind="late", count=4, seconds=0.3)
    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (append, "changed while it was pushed"),
        (replace, "changed while it was pushed"),
        (replace_by_one_of_the_same_size, "changed while it was pushed"),
        (rewrite_in_place, "changed while it was pushed"),
        (truncate, "changed while it was pushed"),
        (roll_back, "vanished while it was pushed"),
        (remove_the_folder, "vanished while it was pushed"),
        (take_the_share_away, "vanished while it was pushed"),
    ],
)
def test_it_is_detected_and_nothing_is_called_complete(
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    base: Path,
    export: Path,
    change: Callable[[Path], None],
    said: str,
) -> None:
    thread = interfere(sandbox, change, export)
    with pytest.raises(ExportChangedError, match=said) as caught:
        run(sandbox, monkeypatch, str(export))
    thread.join()
    report = caught.value.report
    assert report is not None
    assert caught.value.retryable
    check(report, status="partial", **{name: report[name] for name in COUNTED})
    assert report["accepted"] == len(sandbox.profiles()) > 0
    assert said in report["error"]
    assert not list(base.parent.rglob("pushed"))
    if change is take_the_share_away:
        # Nothing is written where it was mounted; the report is in XCom.
        assert report["report_path"] is None
        assert not base.exists()
    else:
        assert Path(report["report_path"]).exists()


@pytest.mark.parametrize("change", [append, replace_by_one_of_the_same_size, truncate])
def test_a_retry_pushes_what_is_there_now(
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    export: Path,
    change: Callable[[Path], None],
) -> None:
    thread = interfere(sandbox, change, export)
    with pytest.raises(ExportChangedError) as caught:
        run(sandbox, monkeypatch, str(export))
    thread.join()
    again = run(sandbox, monkeypatch, str(export))
    assert again["status"] == "complete"
    assert again["fingerprint"] != (caught.value.report or {})["fingerprint"]
    whole = export.read_text().splitlines()[1:]
    assert again["records"] == len(whole)
    profiles = sandbox.profiles()
    for line in whole:
        cells = line.split(",")
        if len(cells) == 12:
            assert profiles[cells[2]]["custom_attributes"]["rpi_cdp_attributes"]["one"] == cells[4]


def find(base: Path) -> list[dict[str, Any]]:
    sensor = RedpointExportSensor(
        task_id="find",
        base_path=str(base),
        settle_seconds=0.1,
        poke_interval=0.1,
        timeout=10,
        deferrable=False,
    )
    return list(sensor.execute({}))  # type: ignore[arg-type,typeddict-item]


def nothing(base: Path) -> bool:
    sensor = RedpointExportSensor(
        task_id="find",
        base_path=str(base),
        settle_seconds=0.1,
        poke_interval=0.1,
        timeout=0.5,
        soft_fail=True,
        deferrable=False,
    )
    with pytest.raises(AirflowSkipException):
        sensor.execute({})  # type: ignore[typeddict-item]
    return True


def test_an_export_appended_to_after_its_push_is_found_and_pushed_again(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, base: Path, export: Path
) -> None:
    export.write_text(HEADER + text(100))
    (item,) = find(base)
    first = run(sandbox, monkeypatch, item)
    assert (first["status"], first["fingerprint"]) == ("complete", item["fingerprint"])
    assert nothing(base)

    append(export)
    (item,) = find(base)
    second = run(sandbox, monkeypatch, item)
    check(second, status="complete", records=110, accepted=110, fingerprint=item["fingerprint"])
    assert second["fingerprint"] != first["fingerprint"]
    assert len(sandbox.profiles()) == 110
    assert nothing(base)


def test_an_export_appended_to_during_its_push_is_found_again_and_pushed_whole(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, base: Path, export: Path
) -> None:
    (item,) = find(base)
    thread = interfere(sandbox, append, export)
    with pytest.raises(ExportChangedError):
        run(sandbox, monkeypatch, item)
    thread.join()
    (again,) = find(base)
    assert again["fingerprint"] != item["fingerprint"]
    check(run(sandbox, monkeypatch, again), status="complete", records=RECORDS + 10, accepted=RECORDS + 10)
    assert len(sandbox.profiles()) == RECORDS + 10
    assert nothing(base)


def test_a_share_that_fails_in_the_middle_of_reading(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, base: Path, export: Path
) -> None:
    """No file system of this machine fails on demand, so the file object does, as one on a lost NFS share."""

    class Lost(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 1_000_000:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return super().read(size)

        def readinto(self, buffer: Any) -> int:
            part = self.read(len(buffer))
            buffer[: len(part)] = part
            return len(part)

        def peek(self, size: int = 0) -> bytes:
            return self.getbuffer()[self.tell() : self.tell() + max(size, 1)].tobytes()

        read1 = read
        readinto1 = readinto

    monkeypatch.setattr(export_source, "open_for_reading", lambda _: Lost(export.read_bytes()))
    with pytest.raises(
        ExportChangedError, match="could not be read to its end: OSError: Stale file handle"
    ) as caught:
        run(sandbox, monkeypatch, str(export))
    report = caught.value.report
    assert report is not None
    check(report, **{name: report[name] for name in COUNTED})
    assert report["status"] in ("partial", "failed")
    assert not list(base.rglob("pushed"))
