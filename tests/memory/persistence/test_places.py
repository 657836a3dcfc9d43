"""Where a memory is kept: who may read it, when it is set aside, and what two pushes at once come to."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.memory import opening
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.persistence import beginning, in_place, store
from airflow_provider_braze.memory.persistence.beginning import Unheard
from airflow_provider_braze.memory.persistence.buckets import bucket_of
from airflow_provider_braze.memory.persistence.opened import MemoryUnwritableError
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from tests.memory.remembering import ONLY_CHANGED, Desk, an_object, kill, on_a_share, said

AHEAD = [{"x": 1}]


def files(desk: Desk, user: str = "ada@example.com") -> dict[str, Path]:
    folder = desk.folder / "memory" / "braze_default" / f"{bucket_of(user):02}"
    return {path.name: path for path in folder.iterdir()}


def push(desk: Desk, **options: Any) -> list[dict[str, Any]]:
    return said(desk.push(an_object("ada@example.com", x=1), **options))


def test_nothing_personal_and_for_its_owner_alone(desk: Desk) -> None:
    assert desk.push(
        an_object("ada-lovelace", city="Paddington"), an_object("b", o={"k": "Marylebone"})
    ).changed
    home = desk.folder / "memory" / "braze_default"
    for path in home.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not any(
            word in content for word in (b"lovelace", b"Paddington", b"Marylebone", desk.key.encode())
        )
        assert path.is_dir() or path.stat().st_mode & 0o077 == 0, path
    assert len(list(home.iterdir())) == len({bucket_of("ada-lovelace"), bucket_of("b")})
    assert not list(home.rglob("in-use*"))


def test_two_memories_hash_alike_values_differently(desk: Desk, tmp_path: Path) -> None:
    other = Desk(tmp_path / "other")
    found = []
    for each in (desk, other):
        push(each)
        with sqlite3.connect(files(each)["memory.sqlite"]) as db:
            found.append(db.execute("SELECT id, entries FROM places JOIN users USING (at)").fetchone())
    assert found[0][0] != found[1][0]
    assert found[0][1] != found[1][1]


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _of_another_version(path: Path) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("UPDATE meta SET value = '99' WHERE name = 'version'")
    db.close()


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _of_another_version,
        lambda path: path.write_bytes(b"x" * 8192),
        lambda path: path.write_bytes(b""),
    ],
)
def test_what_cannot_be_used_is_set_aside_with_one_warning(desk: Desk, damage: Any) -> None:
    push(desk)
    damage(files(desk)["memory.sqlite"])
    assert push(desk) == AHEAD
    assert len(desk.warnings) == 1
    assert "set aside" in desk.warnings[0]
    assert push(desk) == []
    assert len(desk.warnings) == 1


def test_damage_that_shows_later_costs_a_full_push(desk: Desk) -> None:
    users = [f"u{n}" for n in range(20_000) if bucket_of(f"u{n}") == 0][:2000]

    def people() -> list[ProfileObject]:
        return [an_object(user, x="x" * 200, y=at, z="z" * 100) for at, user in enumerate(users)]

    desk.push(*people())
    path = files(desk, users[0])["memory.sqlite"]
    content = bytearray(path.read_bytes())
    for at in range(8 * 4096, len(content), 4096):
        content[at : at + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    assert len(desk.push(*people()).changed) == len(users)
    assert len(desk.warnings) == 1


def test_another_workspace(desk: Desk) -> None:
    push(desk)
    desk.key = "key-3333-4444-5555"
    assert push(desk) == AHEAD
    assert "another workspace" in desk.warnings[0]


def test_two_at_once_send_everything_and_nothing_of_it_is_believed(desk: Desk) -> None:
    push(desk)
    first, second = desk.opened(), desk.opened()
    people = [an_object("ada@example.com", x=1)]
    assert first.reduce(people).changed == []
    assert len(second.reduce(people).changed) == 1
    desk.accept(second, people)
    assert len(first.reduce(people).changed) == 1, "met: it believes nothing any more"
    first.close()
    second.close()
    assert push(desk) == AHEAD
    assert push(desk) == []


def test_who_was_met_disturbs_whoever_comes_while_it_runs(desk: Desk) -> None:
    push(desk)
    first, second = desk.opened(), desk.opened()
    for each in (first, second, first):
        each.reduce([an_object("ada@example.com", x=1)])
    second.close()
    third = desk.opened()
    changed = third.reduce([an_object("ada@example.com", x=2)]).changed
    desk.accept(third, changed)
    third.close()
    first.close()
    assert said(desk.push(an_object("ada@example.com", x=2))) == [{"x": 2}]


@on_a_share
def test_a_copy_that_was_never_brought_back_is_not_believed(desk: Desk) -> None:
    push(desk)
    killed = desk.opened()
    assert said(killed.reduce([an_object("ada@example.com", x=2)])) == [{"x": 2}]
    # Its worker dies here, and with it the copy, which had forgotten x.
    assert push(desk) == AHEAD
    assert "not brought it back" in desk.warnings[0]


def test_what_is_forgotten_is_on_disk_before_it_is_sent(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "reports")
    push(desk)
    killed = desk.opened()
    assert said(killed.reduce([an_object("ada@example.com", x=2)])) == [{"x": 2}]
    with sqlite3.connect(files(desk)["memory.sqlite"]) as db:
        assert db.execute("SELECT entries FROM users").fetchone() == (b"",)
    killed.close()
    assert push(desk) == AHEAD


def test_the_file_of_somebody_else_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(tmp_path / "reports")
    push(desk)
    monkeypatch.setattr("os.geteuid", lambda: 4711)
    assert push(desk) == AHEAD


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "reports")
    push(desk)
    path = files(desk)["memory.sqlite"]
    moved = tmp_path / "elsewhere.sqlite"
    path.rename(moved)
    path.symlink_to(moved)
    assert push(desk) == AHEAD


def test_an_object_store_is_refused_with_what_to_set(tmp_path: Path) -> None:
    reports = ReportsFolder(Location(MemoryFileSystem(), "/reports", "memory://reports"))
    with pytest.raises(BrazeSetupError, match="memory_path"):
        opening.find(ONLY_CHANGED, reports, "c")
    assert opening.find(Wish(), reports, "c") is None
    named = Wish(only_changed=True, path=str(tmp_path / "memories"))
    found = opening.find(named, reports, "c")
    assert found is not None
    assert found.path == str(tmp_path / "memories" / "c")


def test_rows_without_a_folder_refuse_it() -> None:
    with pytest.raises(BrazeSetupError, match="reports_path or memory_path"):
        opening.find(ONLY_CHANGED, None, "c")
    assert opening.find(Wish(), None, "c") is None


def test_a_push_without_it_leaves_nothing_where_there_is_none(desk: Desk) -> None:
    found = desk.begin(Wish())
    if found is not None:
        found.close()
    assert not list(desk.folder.rglob("*"))


def test_none_begins_beside_a_push_without_it(tmp_path: Path) -> None:
    """It would not hear of what that push sends, nor whether it was killed."""
    desk = Desk(tmp_path / "reports")
    plain, beside = desk.begin(Wish()), desk.begin(ONLY_CHANGED)
    assert isinstance(plain, Unheard)
    assert isinstance(beside, Unheard)
    assert "without only_changed" in desk.warnings[0]
    plain.close()
    again = desk.begin(ONLY_CHANGED)
    assert isinstance(again, Unheard), "the second, too, is not heard of"
    for each in (beside, again):
        each.close()
    assert push(desk) == AHEAD
    assert push(desk) == []
    memory = desk.begin(Wish())
    assert isinstance(memory, Memory), "where there is one, it forgets there what it sends"
    memory.close()


def test_where_nobody_can_be_held_back_a_push_without_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path / "reports")

    def refused(*_: Any) -> int:
        raise PermissionError

    monkeypatch.setattr(beginning, "_open", refused)
    assert desk.begin(Wish()) is None
    with pytest.raises(MemoryUnwritableError, match="give the worker write access"):
        desk.begin(ONLY_CHANGED)


def test_by_whatever_path_it_is_the_same_folder(tmp_path: Path) -> None:
    (tmp_path / "real" / "reports" / "memory").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "direct").symlink_to(tmp_path / "real" / "reports" / "memory")
    plain = Desk(tmp_path / "link" / "reports").begin(Wish())
    assert isinstance(plain, Unheard)
    for wish in (ONLY_CHANGED, Wish(only_changed=True, path=str(tmp_path / "direct"))):
        beside = Desk(tmp_path / "real" / "reports").begin(wish)
        assert isinstance(beside, Unheard)
        beside.close()
    plain.close()


@on_a_share
def test_on_a_share_who_may_still_run_is_waited_for(desk: Desk) -> None:
    """A push that was met is killed before it notices: what it sends last, nobody hears of."""
    push(desk)
    first = desk.opened()
    late = first.reduce([an_object("ada@example.com", x=2)]).changed
    assert push(desk) == AHEAD
    desk.accept(first, late)
    kill(first)
    assert push(desk) == AHEAD
    assert push(desk) == []


@on_a_share
def test_on_a_share_a_dead_push_of_this_machine_is_not_waited_for(desk: Desk) -> None:
    push(desk)
    killed = desk.opened()
    killed.reduce([an_object("ada@example.com", x=2)])
    kill(killed)
    assert push(desk) == AHEAD
    assert push(desk) == []


def test_a_guest_of_a_guest(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "reports")
    first, second, third = desk.opened(), desk.opened(), desk.opened()

    def is_believed(memory: Memory) -> bool:
        desk.accept(memory, memory.reduce([an_object("ada", x=1)]).changed)
        return bool(memory.believed())

    assert is_believed(first)
    assert not is_believed(second)
    first.close()
    assert not is_believed(third), "the second still runs"
    second.close()
    third.close()
    fourth = desk.opened()
    assert is_believed(fourth)
    fourth.close()
    assert desk.push(an_object("ada", x=1)).changed == []


def test_after_this_machine_has_stopped_it_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path / "reports")
    push(desk)
    started = tmp_path / "boot_id"
    started.write_text("another")
    with monkeypatch.context() as patched:
        patched.setattr(in_place, "_BOOT_ID", str(started))
        assert push(desk) == [], "it was closed: all of it is on disk"
        before = files(desk)["memory.sqlite"].read_bytes()
        memory = desk.opened()
        assert said(memory.reduce([an_object("ada@example.com", x=2)])) == [{"x": 2}]
        assert files(desk)["in-use"].read_text() == "another"
        memory.close()
        assert "in-use" not in files(desk)
        # The power fails here: neither what was forgotten nor what took the mark away has reached the disk.
        (files(desk)["memory.sqlite"].parent / "in-use").write_text("another")
        files(desk)["memory.sqlite"].write_bytes(before)
    assert push(desk) == AHEAD
    assert "the machine or its disk failed" in desk.warnings[0]
    assert push(desk) == []
    assert len(desk.warnings) == 1


def test_after_a_death_what_cannot_be_brought_to_the_disk_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fails, and who was to be told of it has died."""
    desk = Desk(tmp_path / "reports")
    push(desk)
    (files(desk)["memory.sqlite"].parent / "in-use").write_bytes(in_place._started())
    assert push(desk) == [], "a process died, and all that it wrote is there"
    (files(desk)["memory.sqlite"].parent / "in-use").write_bytes(in_place._started())
    written = os.fsync

    def fsync(descriptor: int) -> None:
        if os.readlink(f"/proc/self/fd/{descriptor}").endswith("memory.sqlite"):
            raise OSError(errno.EIO, "the disk has failed")
        written(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        assert push(desk) == AHEAD
    assert len(desk.warnings) == 1
    assert push(desk) == []


def test_what_a_reader_has_kept_from_the_file_is_still_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure may take back what only the log holds: the mark stays, and tells so."""
    monkeypatch.setattr(store, "_WAIT_SECONDS", 0.01)
    desk = Desk(tmp_path / "reports")
    push(desk)
    with closing(sqlite3.connect(files(desk)["memory.sqlite"], isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT entries FROM users").fetchone()
        assert said(desk.push(an_object("ada@example.com", x=2))) == [{"x": 2}]
        assert "in-use" in files(desk)
    assert desk.push(an_object("ada@example.com", x=2)).changed == []
    assert "in-use" not in files(desk)


def test_where_nothing_tells_since_when_this_machine_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_place, "_BOOT_ID", str(tmp_path / "none"))
    desk = Desk(tmp_path / "reports")
    push(desk)
    memory = desk.opened()
    assert memory.reduce([an_object("ada@example.com", x=1)]).changed == []
    assert "in-use" not in files(desk)
    (bucket,) = memory.believed()
    assert bucket._store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    memory.close()
