from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.triggers.base import BaseEventTrigger
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from tests.inbox import ObjectStore, land


def trigger(base: Path | str, **parameters: Any) -> RedpointExportTrigger:
    return RedpointExportTrigger(
        base_path=str(base), **{"settle_seconds": 0.2, "poke_interval": 0.1} | parameters
    )


async def events(source: RedpointExportTrigger) -> list[dict[str, Any]]:
    return [event.payload async for event in source.run()]


def run(source: RedpointExportTrigger) -> dict[str, Any]:
    (payload,) = asyncio.run(asyncio.wait_for(events(source), 20))
    assert json.loads(json.dumps(payload)) == payload
    return payload


def test_can_watch_assets() -> None:
    assert issubclass(RedpointExportTrigger, BaseEventTrigger)


def test_comes_back_from_what_it_serializes_to(tmp_path: Path) -> None:
    source = trigger(
        tmp_path, offer="夏", max_age=60, only_new=False, memory={"sightings": {"a": 1.5}, "said": ["b"]}
    )
    path, kwargs = source.serialize()
    assert path == f"{RedpointExportTrigger.__module__}.{RedpointExportTrigger.__qualname__}"
    again = RedpointExportTrigger(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == (path, kwargs)
    assert again.search == source.search
    assert BaseEventTrigger.hash(path, kwargs) == BaseEventTrigger.hash(*again.serialize())


def test_a_bad_argument_is_named_at_once() -> None:
    with pytest.raises(BrazeSetupError, match="offer"):
        RedpointExportTrigger(base_path="/data", offer="..")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"base_path": "{{ var.value.redpoint_base_path }}"}, "base_path is a template.*base_path_variable"),
        ({"base_path": "/mnt/rpi", "channel": "{% if x %}"}, "channel is a template.*channel_variable"),
        ({"base_path": "/mnt/rpi", "poke_interval": "often"}, "poke_interval must be a number"),
    ],
)
def test_what_would_never_find_an_export_is_refused_when_the_dag_is_parsed(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(BrazeSetupError, match=said):
        RedpointExportTrigger(**given)


def test_fires_once_when_an_export_has_landed(tmp_path: Path) -> None:
    land(tmp_path)
    started = time.monotonic()
    payload = run(trigger(tmp_path))
    assert time.monotonic() - started >= 0.2
    assert payload["status"] == "landed"
    assert [item["channel_execution_id"] for item in payload["items"]] == ["1"]


def test_waits_for_the_first_export(tmp_path: Path) -> None:
    timer = threading.Timer(0.3, land, [tmp_path])
    timer.start()
    assert run(trigger(tmp_path))["status"] == "landed"
    timer.join()


def test_an_object_store_is_opened_off_the_event_loop() -> None:
    store = ObjectStore()
    store.put("Braze Append/Spring/8/RPI_Export_1.txt")
    assert run(trigger(store.url, settle_seconds=3600))["status"] == "landed"


def test_a_slow_listing_does_not_hold_up_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(tmp_path)
    threads: set[int] = set()
    listed = LocalFileSystem.ls

    def slowly(self: LocalFileSystem, path: str, **kwargs: Any) -> Any:
        threads.add(threading.get_ident())
        time.sleep(2 if path == str(tmp_path) else 0)
        return listed(self, path, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "ls", slowly)

    async def longest_gap() -> float:
        source = asyncio.create_task(events(trigger(tmp_path, settle_seconds=0)))
        gap = 0.0
        while not source.done():
            before = time.monotonic()
            await asyncio.sleep(0.01)
            gap = max(gap, time.monotonic() - before)
        assert source.result()[0]["status"] == "landed"
        return gap

    assert asyncio.run(longest_gap()) < 1.8
    assert threading.get_ident() not in threads


def test_says_that_a_workflow_is_pushed(tmp_path: Path) -> None:
    land(tmp_path)
    item = run(trigger(tmp_path))["items"][0]
    ReportsFolder.at(item["reports_path"]).mark_pushed("braze_default", item["fingerprint"])
    payload = run(trigger(tmp_path, workflow_id="8828"))
    assert payload["status"] == "skipped"
    assert "8828" in payload["message"]


def test_says_what_is_wrong(tmp_path: Path) -> None:
    payload = run(trigger(tmp_path / "nothing"))
    assert payload["status"] == "failed"
    assert payload["retryable"] is False
    assert "does not exist" in payload["message"]


def test_can_be_cancelled_while_it_waits(tmp_path: Path) -> None:
    async def cancel() -> None:
        source = asyncio.create_task(events(trigger(tmp_path, poke_interval=600)))
        await asyncio.sleep(0.2)
        source.cancel()
        with pytest.raises(asyncio.CancelledError):
            await source

    asyncio.run(asyncio.wait_for(cancel(), 60))
