"""A server that takes connections and never answers: nothing waits for it without a limit, and a later try goes on."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.pushes.search_rejects import search_rejects
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import open_private, read_small
from airflow_provider_braze.storage.protocols import sessions
from airflow_provider_braze.storage.protocols.sessions import LostSessionError, Session, bound_sending
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.storage.reports.shard_marks import Part, ShardMarks
from airflow_provider_braze.storage.tidying import tidy
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.checkpoints import keep_often
from tests.reports import check
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import Door
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push
from tests.storage.real.stalling import Stalling, outcome_of, recovered
from tests.waiting import once


@pytest.fixture(autouse=True)
def _two_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "PAUSES", (0.1,))


@pytest.fixture
def hanging(session_door: Door) -> Iterator[Door]:
    """A door that the test may have fall silent; it answers again afterwards."""
    yield session_door
    session_door.server.go_on()


def test_a_file_of_a_server_that_hangs_is_an_error_and_the_next_time_it_is_read(hanging: Door) -> None:
    root = hanging.impatient(3).rstrip("/")
    location, other = locate(f"{root}/hanging.txt"), locate(f"{root}/written.txt")
    hanging.put(location.url.replace(root, hanging.root.rstrip("/")), b"content")
    assert recovered(lambda: read_small(location, 100)) == b"content"
    with recovered(lambda: open_private(other)) as file:
        # A session lies idle, another writes.
        hanging.server.pause()
        for act in (lambda: read_small(location, 100), lambda: location.fs.ls(location.parent.path)):
            assert isinstance(outcome_of(act), LostSessionError)
        file.write(b"written")
        assert isinstance(outcome_of(file.flush), LostSessionError)
        hanging.server.go_on()
        recovered(file.flush)
    assert recovered(lambda: read_small(location, 100)) == b"content"
    assert recovered(lambda: read_small(other, 100)) == b"written"


def test_what_was_given_up_is_asked_once_only_until_it_answers(
    hanging: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = locate(hanging.impatient(2))
    taken: list[bool] = []
    take = sessions.Sessions.take

    def counted(self: sessions.Sessions, *, new: bool = False) -> Session:
        taken.append(new)
        return take(self, new=new)

    monkeypatch.setattr(sessions.Sessions, "take", counted)
    hanging.server.pause()
    for tries in (2, 1):
        taken.clear()
        assert isinstance(outcome_of(lambda: location.fs.info(location.path)), LostSessionError)
        assert len(taken) == tries
    hanging.server.go_on()
    assert recovered(lambda: location.fs.isdir(location.path))
    assert not location.fs.sessions.is_lost


def test_what_was_given_up_is_left_alone_for_a_moment(hanging: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    # A connection that no other test uses: it is left alone until these tests are over.
    location = locate(hanging.impatient(2.5))
    monkeypatch.setattr(sessions, "REST_SECONDS", 3_600)
    hanging.server.pause()
    assert isinstance(outcome_of(lambda: location.fs.info(location.path)), LostSessionError)
    hanging.server.go_on()
    # It would answer.
    for ask in (location.fs.info, location.fs.ls):
        with pytest.raises(LostSessionError, match="did not answer just now"):
            ask(location.path)


@pytest.mark.parametrize(
    "share", [0.4, 0.8, *(pytest.param(each, marks=pytest.mark.full) for each in (0.0, 0.2, 0.6, 0.95))]
)
def test_a_server_that_hangs_midway_through_the_login_is_no_answer(
    session_door: Door, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr(sessions, "PAUSES", ())
    before = Stalling(session_door.server.port)
    try:
        location = locate(session_door.impatient(2, before.port))
        assert recovered(lambda: location.fs.isdir(location.path))
        location.fs.sessions.close()
        before.answered = 0
        assert recovered(lambda: location.fs.isdir(location.path))
        whole = before.answered
        location.fs.sessions.close()
        before.stall(after=max(1, int(whole * share)))
        assert isinstance(outcome_of(lambda: location.fs.info(location.path)), LostSessionError)
        before.go_on()
        assert outcome_of(lambda: recovered(lambda: location.fs.isdir(location.path))) is True
    finally:
        before.close()


def go_away(door: Door) -> None:
    # Some servers leave those that serve sessions behind.
    door.drop_sessions()
    door.server.stop()


def test_a_look_ends_when_its_server_goes_away_midway(
    session_door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = new_base(session_door, "away")
    for number in range(30):
        session_door.put(f"{base}/{CHANNEL}/Offer/{number}/RPI_Export_{number}.txt", b"x")
    asked: list[int] = []
    ask = sessions.Sessions.ask

    def counted(self: sessions.Sessions, question: Callable[[Session, bool], Any]) -> Any:
        asked.append(len(asked))
        if len(asked) == 8:
            go_away(session_door)
        return ask(self, question)

    monkeypatch.setattr(sessions.Sessions, "ask", counted)
    try:
        with pytest.raises(BrazeError, match="out of reach while it was listed"):
            items(base)
        # Not once more for each folder that is left.
        assert len(asked) == 8 + 1
    finally:
        session_door.server.start()
    assert len(recovered(lambda: items(base))) == 30


def test_what_is_out_of_reach_is_no_wrong_setup(session_door: Door, sandbox: SandboxProcess) -> None:
    base = new_base(session_door, "out of reach")
    session_door.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", export(10, invalid_every=5))
    (item,) = items(base)
    rejects = push(item, sandbox)["rejects_path"]
    go_away(session_door)
    try:
        with pytest.raises(BrazeError, match="out of reach") as of_rejects:
            push(rejects, sandbox, run="again")
        assert not isinstance(of_rejects.value, BrazeSetupError)
        for ask in (
            lambda: tidy(base, timedelta(days=1)),
            lambda: search_rejects(base, "U1"),
            lambda: next(iter(items(base))),
            lambda: ShardMarks(ReportsFolder.at(f"{base}/_braze"), "b").read("f", Part(2, 1)),
        ):
            ended = outcome_of(ask)
            assert isinstance(ended, BrazeError | LostSessionError), ended
            assert not isinstance(ended, BrazeSetupError), ended
    finally:
        session_door.server.start()


@pytest.mark.full
def test_a_push_from_a_server_that_hangs_midway_ends_and_a_later_try_goes_on(
    hanging: Door, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_often(monkeypatch)
    base = new_base(hanging, "hanging")
    # Far more than is read ahead.
    hanging.put(f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt", export(30_000, invalid_every=40, padding=240))
    (item,) = items(base.replace(hanging.root.rstrip("/"), hanging.impatient(5).rstrip("/")))
    kept: list[Any] = []
    thread = once(lambda: any(kept) and sandbox.stats()["requests"] > 20, hanging.server.pause)
    slow = Workspace.from_settings(sandbox.url, sandbox.key, {"requests_per_second": 50})
    ended = outcome_of(lambda: push(item, sandbox, workspace=slow, save=kept.append))
    thread.join()
    assert isinstance(ended, BrazeError), ended
    assert 0 < ended.report["accepted"] < 29_250
    hanging.server.go_on()
    checkpoint = json.loads(json.dumps(next(each for each in reversed(kept) if each)))
    report = push(item, sandbox, run="again", save=lambda _: None, checkpoint=checkpoint)
    check(report, status="complete", records=30_000, accepted=29_250, invalid=750)
    assert report["resumed_after"] > 0
    assert len(sandbox.profiles()) == 29_250


def test_sending_to_who_takes_nothing_ends() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        bound_sending(client, 1)

        def send() -> None:
            for _ in range(1_000):
                client.sendall(bytes(1 << 20))

        assert isinstance(outcome_of(send), OSError)


def test_a_session_is_ended_that_takes_too_long() -> None:
    ended = threading.Event()
    with sessions.ended_after(0.01, ended.set):
        assert ended.wait(60)
    late = threading.Event()
    with sessions.ended_after(3600, late.set):
        pass
    assert not late.is_set()
