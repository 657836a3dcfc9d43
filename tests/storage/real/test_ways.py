"""Every way of waiting and pushing, on every storage: sensor, trigger, watcher, operator, other reports, resumed."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import Killed, keep_often, settled
from tests.connections import connect
from tests.jobs import export_push
from tests.reports import check
from tests.sandbox_process import ROOT, SandboxProcess
from tests.storage.real.doors import Door, python
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred


def first_event(trigger: RedpointExportTrigger, *, watches: bool = False) -> dict[str, Any]:
    """Run a trigger as the triggerer does: rebuilt from what it serializes to."""
    trigger = RedpointExportTrigger(**json.loads(json.dumps(trigger.serialize()[1])))
    if watches:
        trigger.trigger_id = 1  # type: ignore[assignment]

    async def first() -> dict[str, Any]:
        async for event in trigger.run():
            payload: dict[str, Any] = event.payload
            return payload
        raise AssertionError("no event")

    return asyncio.run(asyncio.wait_for(first(), 60))


def test_it_is_waited_for_in_every_way_and_pushed_by_the_operator(
    door: Door, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect(monkeypatch, sandbox)
    base = new_base(door, "ways")
    url = f"{base}/{CHANNEL}/Offer/1/RPI_Export_5719.txt"
    door.put(url, export(12, invalid_every=6))
    settings: dict[str, Any] = {"base_path": base, "settle_seconds": 0.2, "poke_interval": 0.1, "timeout": 60}
    found = RedpointExportSensor(task_id="poke", deferrable=False, **settings).execute({})
    assert [item["path"] for item in found] == [url]
    poked = RedpointExportSensor(task_id="reschedule", mode="reschedule", deferrable=False, **settings).poke(
        {}
    )
    assert poked.xcom_value == found
    deferred = RedpointExportSensor(task_id="deferred", deferrable=True, **settings)
    if locate(base).appears_whole:
        assert deferred.execute({}) == found
    else:
        with pytest.raises(TaskDeferred) as leaving:
            deferred.execute({})
        trigger = leaving.value.trigger
        assert isinstance(trigger, RedpointExportTrigger)
        assert deferred.execute_complete({}, first_event(trigger)) == found
    watched = RedpointExportTrigger(base_path=base, settle_seconds=0.2, poke_interval=0.1)
    assert first_event(watched, watches=True)["items"] == found

    # Reports on another storage than the exports: here the local disk.
    report = BrazeUserTrackOperator(
        task_id="push", export=found[0], reports_path=str(tmp_path / "reports"), max_rejected=5
    ).execute({})
    check(report, status="complete", records=12, accepted=10, invalid=2)
    assert Path(report["rejects_path"]).is_relative_to(tmp_path)
    assert items(base), "whether it is pushed is said by the reports folder that is asked"
    assert items(base, reports_path=str(tmp_path / "reports")) == []


def test_a_local_export_has_its_reports_on_it(door: Door, sandbox: SandboxProcess, tmp_path: Path) -> None:
    path = tmp_path / "rpi" / CHANNEL / "Offer/1/RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(export(10, invalid_every=5))
    reports = f"{door.root.rstrip('/')}/reports {door.awkward}"
    report = push(str(path), sandbox, reports_path=reports)
    check(report, status="complete", records=10, accepted=8, invalid=2)
    assert report["rejects_path"].startswith(reports)
    assert items(str(tmp_path / "rpi"), reports_path=reports) == []


def test_a_killed_push_goes_on_from_its_checkpoint(
    door: Door, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_often(monkeypatch)
    base = new_base(door, "resume")
    url = f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt"
    door.put(url, export(6_000, invalid_every=50))
    (item,) = items(base)
    kept: list[Any] = []

    def keep(checkpoint: Any) -> None:
        kept.append(checkpoint)
        if len(kept) >= 3:
            raise Killed

    workspace = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
    common: dict[str, Any] = {"workspace": workspace, "braze_conn_id": "braze_default", "export": item}
    with pytest.raises(Killed):
        export_push(**common, run="try1", save=keep).execute()
    checkpoint = json.loads(json.dumps(next(each for each in reversed(kept) if each)))
    report = export_push(**common, run="try2", save=lambda _: None, checkpoint=checkpoint).execute()
    check(report, status="complete", records=6_000, accepted=5_880, invalid=120)
    assert report["resumed_after"] > 0
    assert len(sandbox.profiles()) == 5_880


@pytest.mark.full
def test_a_push_whose_process_is_killed_goes_on_from_its_checkpoint(
    door: Door, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    base = new_base(door, "killed")
    door.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", export(9_000, invalid_every=50))
    (item,) = items(base)
    kept = tmp_path / "checkpoint.json"
    command = python("tests.storage.real.killed_push", json.dumps(item), str(kept), sandbox.url, sandbox.key)
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            until = time.monotonic() + 300
            while process.poll() is None and not (kept.exists() and settled(read(kept)) >= 1_500):
                assert time.monotonic() < until, "no checkpoint was kept"
                time.sleep(0.02)
        finally:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    told = settled(checkpoint := read(kept))
    workspace = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
    report = push(item, sandbox, workspace=workspace, checkpoint=checkpoint, save=lambda _: None)
    check(report, status="complete", records=9_000, accepted=8_820, invalid=180)
    assert report["resumed_after"] == told
    assert len(sandbox.profiles()) == 8_820
    assert door.read(report["rejects_path"]).count(b"\n") == 181
    assert items(base) == []


def read(kept: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = json.loads(kept.read_text())
    return checkpoint


@pytest.mark.full
def test_a_hundred_exports_are_found_and_pushed_in_order(
    door: Door, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(monkeypatch, sandbox)
    base = new_base(door, "hundred")
    for number in range(100):
        url = f"{base}/{CHANNEL}/Offer {number % 7}/{number % 3}/RPI_Export_{number}.txt"
        door.put(url, export(20, start=number * 20))
    found = items(base)
    assert len(found) == 100
    BrazeUserTrackOperator(task_id="push", export=found).execute({})
    assert len(sandbox.profiles()) == 2_000
    assert items(base) == []
