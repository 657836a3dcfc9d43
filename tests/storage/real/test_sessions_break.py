"""A session that breaks, at any moment, costs nothing but a new one."""

from __future__ import annotations

import threading

import pytest

from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import open_for_reading, open_private
from airflow_provider_braze.storage.protocols import sessions
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.reports import check
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import Door
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PAUSES", (0.1, 0.3, 1.0, 3.0))


def test_the_next_look_goes_through_a_new_session(session_door: Door) -> None:
    base = new_base(session_door, "look")
    session_door.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", export(2))
    assert len(items(base)) == 1
    session_door.drop_sessions()
    assert len(items(base)) == 1


def test_a_file_is_read_on_where_the_session_broke(session_door: Door) -> None:
    content = bytes(range(256)) * 40_000
    url = f"{session_door.root.rstrip('/')}/broken read.bin"
    session_door.put(url, content)
    with open_for_reading(locate(url)) as file:
        found = file.read(3_000_000)
        session_door.drop_sessions()
        found += file.read()
    assert found == content


def test_a_file_that_changed_meanwhile_is_not_read_on(session_door: Door) -> None:
    url = f"{session_door.root.rstrip('/')}/changed read.bin"
    session_door.put(url, b"a" * 9_000_000)
    with open_for_reading(locate(url)) as file:
        file.read(3_000_000)
        session_door.put(url, b"b" * 9_000_001)
        session_door.drop_sessions()
        with pytest.raises(OSError, match="changed while it was read"):
            file.read()


def test_a_file_is_written_on_where_the_session_broke(session_door: Door) -> None:
    block = bytes(range(256)) * 4_100
    location = locate(f"{session_door.root.rstrip('/')}/broken write.bin")
    with open_private(location) as file:
        for number in range(6):
            file.write(block)
            if number in (2, 4):
                session_door.drop_sessions()
    assert session_door.read(location.url) == block * 6


def test_a_reader_and_a_writer_never_share_a_session(session_door: Door) -> None:
    location = locate(f"{session_door.root.rstrip('/')}/read while written.bin")
    content = bytes(range(256)) * 20_000
    session_door.put(location.url, content)
    with open_for_reading(location) as reader:
        found = reader.read(2_000_000)
        beside = locate(f"{session_door.root.rstrip('/')}/written while read.bin")
        with open_private(beside) as writer:
            writer.write(content)
        assert beside.stat().size == len(content)
        found += reader.read()
    assert found == content


@pytest.mark.full
def test_a_push_goes_on_while_its_server_is_restarted(door: Door, sandbox: SandboxProcess) -> None:
    base = new_base(door, "restart")
    # Far more than is read ahead.
    content = export(30_000, invalid_every=40, padding=240)
    door.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", content)
    base = base.replace(door.root, door.restartable)
    (item,) = items(base)
    pushed, restarted = threading.Event(), threading.Event()

    def restart_midway() -> None:
        while not sandbox.stats()["requests"]:
            if pushed.wait(0.02):
                return
        if not pushed.is_set():
            restarted.set()
        door.restart()

    thread = threading.Thread(target=restart_midway)
    thread.start()
    try:
        # 400 requests at 50 a second: it is still reading when the first is answered.
        slow = Workspace.from_settings(sandbox.url, sandbox.key, {"requests_per_second": 50})
        report = push(item, sandbox, workspace=slow)
    finally:
        pushed.set()
        thread.join()
    assert restarted.is_set()
    check(report, status="complete", records=30_000, accepted=29_250, invalid=750)
    assert items(base) == []
