"""A server that hangs while a task is to end: a time limit or a kill ends the wait, and a later try goes on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import open_for_reading, open_private
from airflow_provider_braze.storage.protocols import sessions
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import keep_often
from tests.jobs import export_push
from tests.reports import check
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import Door
from tests.storage.real.pushing import CHANNEL, export, items, new_base
from tests.storage.real.stalling import recovered
from tests.waiting import once

UNWAITED = 3_600
"""Seconds that the server may take: whoever waits for it to answer never ends here."""


class TooLongError(BaseException):
    """As Airflow raises where a task takes longer than its execution_timeout."""


@contextmanager
def handling(number: int, handle: Callable[[], None]) -> Iterator[None]:
    before = signal.signal(number, lambda *_: handle())
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(number, before)


def raise_it() -> None:
    raise TooLongError


@pytest.fixture
def hanging(session_door: Door) -> Iterator[Door]:
    """A door that the test may have fall silent; it answers again afterwards."""
    yield session_door
    session_door.server.go_on()


def test_a_time_limit_ends_any_wait_and_the_storage_works_again(hanging: Door) -> None:
    root = hanging.impatient(UNWAITED).rstrip("/")
    location, written = locate(f"{root}/waited for.bin"), locate(f"{root}/waited while written.bin")
    hanging.put(location.url.replace(root, hanging.root.rstrip("/")), bytes(9_000_000))

    def ended(act: Callable[[], Any]) -> None:
        with handling(signal.SIGALRM, raise_it):
            signal.setitimer(signal.ITIMER_REAL, 1)
            with pytest.raises(TooLongError):
                act()

    with open_for_reading(location) as reader, open_private(written) as writer:
        assert len(reader.read(1_000_000)) == 1_000_000
        location.exists()  # which leaves a session idle
        hanging.server.pause()
        ended(lambda: location.fs.ls(location.parent.path))  # through the idle session
        ended(lambda: location.fs.ls(location.parent.path))  # through a login
        ended(reader.read)
        ended(lambda: writer.write(bytes(3_000_000)))
        hanging.server.go_on()
        assert recovered(location.exists)
        with open_for_reading(location) as again:
            assert len(again.read()) == 9_000_000


def slow(sandbox: SandboxProcess) -> Workspace:
    return Workspace.from_settings(sandbox.url, sandbox.key, {"requests_per_second": 50})


@pytest.mark.full
@pytest.mark.parametrize("how", ["execution_timeout", "kill"])
@pytest.mark.parametrize("before_sending", [True, False], ids=["before", "midway"])
def test_a_push_that_is_ended_while_its_server_hangs_ends_and_a_later_try_goes_on(
    hanging: Door, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, how: str, before_sending: bool
) -> None:
    keep_often(monkeypatch)
    monkeypatch.setattr(sessions, "PAUSES", (0.1,))
    monkeypatch.setattr(sessions, "REST_SECONDS", 10.0)
    base = new_base(hanging, f"ended {how} {before_sending}")
    # Far more than is read ahead.
    hanging.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", export(30_000, invalid_every=40, padding=240))
    seconds = UNWAITED if before_sending else 3
    (item,) = items(base.replace(hanging.root.rstrip("/"), hanging.impatient(seconds).rstrip("/")))
    kept: list[Any] = []
    push = export_push(export=item, workspace=slow(sandbox), save=kept.append)

    def interrupt() -> None:
        hanging.server.pause()
        signal.setitimer(signal.ITIMER_REAL, 0.5)

    handle = raise_it if how == "execution_timeout" else push.stop
    with handling(signal.SIGALRM, handle):
        if before_sending:
            interrupt()
        else:
            thread = once(lambda: any(kept) and sandbox.stats()["requests"] > 20, interrupt)
        # Its rejects may have found out first.
        with pytest.raises((TooLongError, BrazeError)) as ended:
            push.execute()
    assert not isinstance(ended.value, BrazeSetupError)
    hanging.server.go_on()
    if not before_sending:
        thread.join()
        assert push.report is not None
        assert push.report["status"] == "partial"
        assert 0 < push.report["accepted"] < 29_250
    checkpoint = json.loads(json.dumps(next((each for each in reversed(kept) if each), None)))

    assert recovered(locate(item["base_path"]).exists)
    again = export_push(
        export=item,
        workspace=Workspace(endpoint=sandbox.url, api_key=sandbox.key),
        run="again",
        save=lambda _: None,
        checkpoint=checkpoint,
    )
    report = again.execute()
    check(report, status="complete", records=30_000, accepted=29_250, invalid=750)
    assert len(sandbox.profiles()) == 29_250
    rejects = report["rejects_path"].replace(item["base_path"], base)
    assert hanging.read(rejects).count(b"\n") == 751


def trigger_of(base: str, *, watches: bool) -> RedpointExportTrigger:
    trigger = RedpointExportTrigger(base_path=base, settle_seconds=0, poke_interval=0.1)
    if watches:
        trigger.trigger_id = 1  # type: ignore[assignment]
    return trigger


async def first(trigger: RedpointExportTrigger) -> dict[str, Any]:
    async for event in trigger.run():
        payload: dict[str, Any] = event.payload
        return payload
    raise AssertionError("no event")


@pytest.fixture
def waited_for(hanging: Door, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A base path with one export, by a connection that waits for two seconds."""
    monkeypatch.setattr(sessions, "PAUSES", ())
    base = new_base(hanging, f"triggered {zlib.crc32(request.node.name.encode())}")
    hanging.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", export(2))
    return base.replace(hanging.root.rstrip("/"), hanging.impatient(2).rstrip("/"))


def test_a_watcher_outlives_a_server_that_hangs(hanging: Door, waited_for: str) -> None:
    trigger, gave_up = trigger_of(waited_for, watches=True), threading.Event()
    look = trigger._look

    async def seen(*given: Any, **named: Any) -> Any:
        try:
            return await look(*given, **named)
        except Exception:
            gave_up.set()
            raise

    trigger._look = seen  # type: ignore[method-assign]
    hanging.server.pause()
    thread = once(gave_up.is_set, hanging.server.go_on)
    event = asyncio.run(asyncio.wait_for(first(trigger), 300))
    thread.join()
    assert [item["path"].rpartition("/")[2] for item in event["items"]] == ["RPI_Export_1.txt"]


def test_a_sensor_that_is_deferred_fails_so_that_it_is_tried_again(hanging: Door, waited_for: str) -> None:
    hanging.server.pause()
    event = asyncio.run(asyncio.wait_for(first(trigger_of(waited_for, watches=False)), 300))
    assert event["status"] == "failed"
    assert event["retryable"] is True


def test_a_trigger_is_cancelled_while_its_server_hangs(hanging: Door, waited_for: str) -> None:
    async def cancelled() -> None:
        looking = asyncio.ensure_future(first(trigger_of(waited_for, watches=True)))
        await asyncio.sleep(0.5)
        looking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await looking

    hanging.server.pause()
    # Its thread ends when the server is given up, for which the loop waits.
    asyncio.run(asyncio.wait_for(cancelled(), 300))
