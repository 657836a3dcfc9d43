"""The trigger as an asset's watcher: run as a triggerer runs it, over real folders."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.discovery import offers
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from tests.asset_store import Store
from tests.inbox import land


def watcher(base: Path | None = None, **parameters: Any) -> RedpointExportTrigger:
    if base is not None:
        parameters["base_path"] = str(base)
    return RedpointExportTrigger(**{"settle_seconds": 0, "poke_interval": 0.05} | parameters)


Offered = list[list[str]]


def watch(
    source: RedpointExportTrigger,
    *,
    events: int = 1,
    quiet: float = 0.6,
    store: Store | None = None,
    then: Callable[[Offered], Any] = lambda _: None,
) -> Offered:
    """Run it as a new triggerer would; give each event's execution ids.

    :param events: how many come for sure, however long that takes.
    :param quiet: seconds after them in which it still runs.
    """
    source = RedpointExportTrigger(**json.loads(json.dumps(source.serialize()[1])))
    source.trigger_id = 1  # type: ignore[assignment]
    source.asset_state_store = store  # type: ignore[assignment]
    offered: Offered = []

    async def collect() -> None:
        async for event in source.run():
            assert event.payload["status"] == "landed"
            assert json.loads(json.dumps(event.payload)) == event.payload
            offered.append([item["channel_execution_id"] for item in event.payload["items"]])
            then(offered)
        raise AssertionError("a watcher never ends")

    async def run() -> None:
        collecting, end = asyncio.create_task(collect()), time.monotonic() + 60
        while len(offered) < events and not collecting.done() and time.monotonic() < end:  # noqa: ASYNC110 - the watcher knows of no event
            await asyncio.sleep(0.01)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(collecting, quiet)

    asyncio.run(run())
    return offered


def export(number: int, **where: Any) -> dict[str, Any]:
    return {"name": f"RPI_Export_{number}.txt", **where}


def test_an_asset_takes_it() -> None:
    trigger = RedpointExportTrigger(base_path_variable="redpoint_base_path")
    asset = Asset("exports", watchers=[AssetWatcher(name="landed", trigger=trigger)])
    assert asset.watchers[0].trigger is trigger


def test_what_airflow_stores_of_it_has_the_same_identity() -> None:
    """Else every parsing of the DAG would start the watcher anew."""
    trigger = RedpointExportTrigger(base_path_variable="a", settle_seconds_variable="b", max_age=60)
    path, kwargs = trigger.serialize()
    assert kwargs["base_path_variable"] == "a"
    assert "base_path" not in kwargs
    again = RedpointExportTrigger(**json.loads(json.dumps(kwargs)))
    assert again.serialize() == (path, kwargs)
    encoders = pytest.importorskip(
        "airflow.serialization.encoders", reason="Airflow 3.1 encodes it elsewhere"
    )
    encoded = encoders.encode_trigger(trigger)
    assert BaseEventTrigger.hash(path, kwargs) == BaseEventTrigger.hash(
        encoded["classpath"], json.loads(json.dumps(encoded["kwargs"]))
    )


@pytest.mark.parametrize(
    "arguments",
    [{}, {"base_path": "/data", "base_path_variable": "a"}, {"base_path": "/data", "offer": ".."}],
)
def test_a_wrong_argument_is_named_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(BrazeSetupError, match=r"base_path|offer"):
        RedpointExportTrigger(**arguments)


@pytest.mark.parametrize("name", ["sftp_variable", "admits_variable", "sftp"])
def test_an_argument_that_does_not_exist_is_none(name: str) -> None:
    with pytest.raises(TypeError, match=r"sftp|admits"):
        RedpointExportTrigger(base_path="/data", **{name: "x"})


def test_exports_that_land_together_are_offered_together_and_once(tmp_path: Path) -> None:
    land(tmp_path, **export(2, age=10))
    land(tmp_path, **export(1, age=20))
    assert watch(watcher(tmp_path)) == [["1", "2"]]


def test_an_export_that_lands_later_is_offered_by_itself(tmp_path: Path) -> None:
    land(tmp_path, **export(1))
    offered = watch(watcher(tmp_path), then=lambda offered: _land_next(tmp_path, offered), events=3)
    assert offered == [["1"], ["2"], ["3"]]


def test_an_event_names_the_older_ones_that_are_not_pushed_yet(tmp_path: Path) -> None:
    for number in (1, 2):
        land(tmp_path, **export(number, age=60 - number))
    source = watcher(tmp_path, offer_again_after=None)
    source.trigger_id = 1  # type: ignore[assignment]
    payloads: list[dict[str, Any]] = []

    async def run() -> None:
        async for event in source.run():
            payloads.append(event.payload)
            if len(payloads) == 3:
                return
            if len(payloads) == 2:
                first = payloads[0]["items"][0]
                ReportsFolder.at(first["reports_path"]).mark_pushed("braze_default", first["fingerprint"])
            land(tmp_path, **export(2 + len(payloads), age=30 - len(payloads)))

    asyncio.run(run())
    ids = [
        [[item["channel_execution_id"] for item in payload[name]] for name in ("older", "items")]
        for payload in payloads
    ]
    assert ids == [[[], ["1", "2"]], [["1", "2"], ["3"]], [["2", "3"], ["4"]]]


def _land_next(base: Path, offered: Offered) -> None:
    if len(offered) < 3:
        land(base, **export(len(offered) + 1))


def test_an_unfinished_export_is_not_offered(tmp_path: Path) -> None:
    land(tmp_path, **export(1))
    started = time.monotonic()
    assert watch(watcher(tmp_path, settle_seconds=0.5)) == [["1"]]
    assert time.monotonic() - started >= 0.5


def test_an_export_that_changes_is_offered_again(tmp_path: Path) -> None:
    land(tmp_path, **export(1))
    offered = watch(
        watcher(tmp_path),
        events=2,
        # Once: written again in another second it would be another export, and rightly offered a third time.
        then=lambda offered: len(offered) > 1 or land(tmp_path, **export(1, text="more than before")),
    )
    assert offered == [["1"], ["1"]]


def test_all_are_offered_when_more_land_than_fit_one_event(tmp_path: Path) -> None:
    for number in range(5):
        land(tmp_path, **export(number, age=100 - number))
    assert watch(watcher(tmp_path, max_exports=2), events=3) == [["0", "1"], ["2", "3"], ["4"]]


def test_what_is_marked_as_pushed_is_not_offered(tmp_path: Path) -> None:
    land(tmp_path, **export(1))
    source = watcher(tmp_path, offer_again_after=0.3)

    assert len(watch(source, events=2)) >= 2, "nobody pushed it: it is offered again"

    first = RedpointExportTrigger(**source.serialize()[1])
    (payload,) = asyncio.run(_payloads(first))
    item = payload["items"][0]
    ReportsFolder.at(item["reports_path"]).mark_pushed("braze_default", item["fingerprint"])
    assert watch(source, events=0) == []


async def _payloads(source: RedpointExportTrigger) -> list[dict[str, Any]]:
    return [event.payload async for event in source.run()]


def test_an_event_that_a_killed_triggerer_took_with_it_is_offered_again(tmp_path: Path) -> None:
    land(tmp_path, **export(1))
    store = Store()
    # Killed within the time in which the event is only in its memory.
    assert watch(watcher(tmp_path), store=store, quiet=0.3) == [["1"]]
    assert watch(watcher(tmp_path), store=store, quiet=0.3) == [["1"]]


def test_what_was_handed_over_is_not_offered_again_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "HANDED_OVER_SECONDS", 0.1)
    land(tmp_path, **export(1))
    store = Store()
    assert watch(watcher(tmp_path), store=store) == [["1"]]
    land(tmp_path, **export(2))
    assert watch(watcher(tmp_path), store=store) == [["2"]]
    assert len(store.values) == 3, "one key for each export, and their list"


def test_without_a_store_everything_that_is_not_pushed_is_offered_again_after_a_restart(
    tmp_path: Path,
) -> None:
    land(tmp_path, **export(1))
    assert watch(watcher(tmp_path)) == watch(watcher(tmp_path)) == [["1"]]


@pytest.mark.parametrize("error", [RuntimeError("no answer"), ValueError("2 concrete inlets")])
def test_a_store_that_does_not_answer_costs_no_export(
    tmp_path: Path, error: Exception, capfd: pytest.CaptureFixture[str]
) -> None:
    land(tmp_path, **export(1))
    assert watch(watcher(tmp_path), store=Store(error)) == [["1"]]
    assert "".join(capfd.readouterr()).count(str(error)) == 1


def test_a_base_path_that_is_not_there_is_waited_for(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = tmp_path / "share"

    async def come_and_go() -> None:
        source = watcher(base, offer_again_after=None)
        source.trigger_id = 1  # type: ignore[assignment]
        events = source.run()
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.5)
        assert not first.done()
        land(base, **export(1))
        await asyncio.wait_for(first, 60)
        second = asyncio.ensure_future(anext(events))
        shutil.rmtree(base)
        await asyncio.sleep(0.5)
        assert not second.done()
        land(base, **export(2))
        event = await asyncio.wait_for(second, 60)
        assert [item["channel_execution_id"] for item in event.payload["items"]] == ["2"]

    asyncio.run(come_and_go())
    printed = "".join(capfd.readouterr())
    assert printed.count("does not exist") == 2, "once for each time, not for each look"
    assert printed.count("as it should") == 2


def test_the_variable_is_read_at_each_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    land(tmp_path / "a", **export(1))
    land(tmp_path / "b", **export(2))
    monkeypatch.setenv("AIRFLOW_VAR_SHARE", str(tmp_path / "a"))

    def change(offered: Offered) -> None:
        monkeypatch.setenv("AIRFLOW_VAR_SHARE", str(tmp_path / "b"))

    assert watch(
        RedpointExportTrigger(
            base_path_variable="share", braze_conn_id_variable="not_set", settle_seconds=0, poke_interval=0.05
        ),
        events=2,
        then=change,
    ) == [["1"], ["2"]]


def test_a_variable_that_is_not_set_is_named_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW_VAR_SHARE", raising=False)
    assert watch(RedpointExportTrigger(base_path_variable="share", poke_interval=0.05), events=0) == []
    assert "Variable share: base_path must be given" in "".join(capfd.readouterr())


def test_a_parameter_of_a_variable_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    land(tmp_path, **export(1))
    monkeypatch.setenv("AIRFLOW_VAR_SETTLE", "600")
    source = RedpointExportTrigger(
        base_path=str(tmp_path), settle_seconds_variable="settle", poke_interval=0.05
    )
    assert watch(source, events=0) == []
    monkeypatch.setenv("AIRFLOW_VAR_SETTLE", "0")
    assert watch(source) == [["1"]]


def test_a_variable_says_how_many_exports_an_event_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        land(tmp_path, **export(number, age=100 - number))
    monkeypatch.setenv("AIRFLOW_VAR_MOST", "2")
    assert watch(watcher(tmp_path, max_exports_variable="most"), events=2) == [["0", "1"], ["2"]]


def test_a_variable_says_for_how_long_an_offer_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an old file that a Variable lets in, the offer was forgotten after a week, as if no Variable were there."""
    days = 24 * 3600.0
    land(tmp_path, **export(1, age=20 * days))
    monkeypatch.setenv("AIRFLOW_VAR_AGE", str(30 * days))
    store = Store()
    (item,) = poll(
        ExportSearch.read(base_path=str(tmp_path), settle_seconds=0, max_age=None), PollState()
    ).items
    key = item["fingerprint"][:16]
    store.values = {
        "exports": json.dumps([key]),
        key: json.dumps({"offered_at": time.time() - 10 * days}),
    }
    source = watcher(tmp_path, max_age_variable="age", offer_again_after=None)
    assert watch(source, events=0, store=store) == []


def test_a_task_that_waits_is_still_told_once(tmp_path: Path) -> None:
    """A deferred task's trigger has both: an id and a task."""
    land(tmp_path, **export(1))
    source = watcher(tmp_path)
    source.trigger_id = 1  # type: ignore[assignment]
    source._task_instance = object()  # type: ignore[assignment]
    if not source.task_instance:
        source.task_instance = object()  # type: ignore[assignment]
    assert len(asyncio.run(asyncio.wait_for(_payloads(source), 60))) == 1
