"""A memory that is damaged, as a whole or further in: what can be read is shown, and nothing is kept from Braze."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from airflow_provider_braze.__main__ import main
from airflow_provider_braze.memory.forgetting import Forgetting
from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.memory.opening import find
from airflow_provider_braze.memory.persistence.buckets import bucket_of
from airflow_provider_braze.memory.persistence.opened import MemoryUnwritableError
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.batching.merge_window import ProfileObject
from tests.connections import connect
from tests.memory.remembering import ONLY_CHANGED, Desk, an_object
from tests.sandbox_process import SandboxProcess

USERS = [f"u{n}" for n in range(12)]

NAMES = sorted({f"{bucket_of(user):02}" for user in USERS})
"""Of the folders of their buckets."""

FURTHER_IN = [
    "UPDATE users SET whole_at = NULL, whole = 0",
    "UPDATE users SET entries = X'01', whole = 0",
    "UPDATE users SET entries = NULL, whole = 0",
    "UPDATE users SET shape = 'x', whole = 0",
    "UPDATE saved SET points = NULL",
    "UPDATE meta SET value = '{' WHERE name IN ('last_push', 'since')",
    "UPDATE meta SET value = CAST(X'C3' AS TEXT) WHERE name = 'workspace'",
    "DROP TABLE saved",
    "DROP TABLE pushes",
]
"""What is noticed of it only when it is used, if at all."""


def files(desk: Desk) -> list[Path]:
    return sorted(desk.folder.rglob("memory.sqlite*"))


def people(value: str = "secret") -> list[ProfileObject]:
    return [an_object(user, x=value, y=user) for user in USERS]


def damage(file: Path, how: str) -> None:
    database = sqlite3.connect(file)
    database.execute(how)
    database.commit()
    database.close()


@pytest.mark.parametrize("asked", [["--all"], ["--user", "u1"], ["--user", "nobody"], ["--attribute", "x"]])
def test_forget_sets_aside_what_is_damaged_and_deletes_it(
    desk: Desk, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    desk.push(*people())
    for file in files(desk)[::2]:
        file.write_bytes(b"no database" * 100)
    assert main(["memory", "forget", *asked, str(desk.folder)]) == 0
    said = capsys.readouterr()
    assert said.err.count("damaged") == 1
    assert "forgotten" in said.out
    if "--attribute" not in asked:
        assert not [file for file in files(desk) if b"no database" in file.read_bytes()]
    assert main(["memory", "show", str(desk.folder)]) == 0
    again = desk.push(*people())
    assert len(again.changed) + len(again.unchanged) == len(USERS)
    assert not desk.push(*people()).changed


def test_what_can_be_read_is_shown_and_what_cannot_is_named(
    desk: Desk, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.push(*people())
    damaged = [file for file in files(desk) if file.parent.name in NAMES[:2]]
    for file in damaged:
        file.write_bytes(b"no database" * 100)
    lost = [user for user in USERS if f"{bucket_of(user):02}" in NAMES[:2]]
    assert main(["memory", "show", str(desk.folder)]) == 1
    said = capsys.readouterr()
    assert f"{len(USERS) - len(lost)} users" in said.out
    assert [line for line in said.err.splitlines() if "damaged" in line] == [
        f"error: The memory in {file.parent} cannot be read: it is damaged (DatabaseError). The push that meets that "
        "sets it aside, and sends everything to its users."
        for file in damaged
    ]
    assert main(["memory", "show", "--json", str(desk.folder)]) == 1
    (shown,) = json.loads(capsys.readouterr().out)
    assert len(shown["unreadable"]) == 2
    assert (shown["attributes"], shown["users"]) == (["x", "y"], len(USERS) - len(lost))

    connect(monkeypatch, sandbox)
    sandbox.put_profiles(
        [{"external_id": user, "custom_attributes": {"x": "secret", "y": user}} for user in USERS]
    )
    whole = next(user for user in USERS if user not in lost)
    asked = ["memory", "check", "--user", lost[0], "--user", whole, str(desk.folder)]
    assert main(asked) == 1
    said = capsys.readouterr()
    assert "user 1: the file cannot be read" in said.out
    assert "0 values differ" in said.out
    assert "damaged" in said.err

    assert main(["find", lost[0], str(desk.folder)]) == 1
    assert "damaged" in capsys.readouterr().err
    assert main(["find", whole, str(desk.folder)]) == 0
    assert "Braze accepted something last" in capsys.readouterr().out


@pytest.mark.parametrize("desk", ["disk"], indirect=True)
@pytest.mark.parametrize("how", FURTHER_IN)
class TestFurtherIn:
    def test_a_push_sends_what_it_must(self, desk: Desk, how: str) -> None:
        desk.push(*people("old"))
        for file in files(desk):
            damage(file, how)
        desk.push(*people("new"))
        assert len(set(desk.warnings)) <= 1
        held = {each["external_id"]: each["custom_attributes"] for each in desk.profiles.readable()}
        assert held == {user: {"x": "new", "y": user} for user in USERS}
        # What was not noticed may be when the file is written at the end.
        desk.push(*people("new"))
        assert not desk.push(*people("new")).changed

    def test_it_can_be_shown_and_forgotten(
        self, desk: Desk, how: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        desk.push(*people())
        for file in files(desk):
            damage(file, how)
        assert main(["memory", "show", str(desk.folder)]) in (0, 1)
        assert "users" in capsys.readouterr().out
        assert main(["memory", "forget", "--attribute", "x", "--user", "u1", str(desk.folder)]) == 0
        again = desk.push(*people())
        assert [item.content["x"] for item in again.changed] == ["secret"] * len(USERS)
        assert "y" in next(item.content for item in again.changed if item.identity[1] == "u1")

    def test_users_can_be_deleted(self, desk: Desk, how: str) -> None:
        desk.push(*people())
        for file in files(desk):
            damage(file, how)
        folder = find(Wish(), ReportsFolder.at(str(desk.folder)), desk.conn_id)
        forgetting = Forgetting(folder, desk.warnings.append)
        forgetting.forget(USERS)
        forgetting.close()
        assert len(desk.push(*people(), wish=ONLY_CHANGED).changed) == len(USERS)


@pytest.mark.parametrize("by", ["a push", "a run that changes users"])
def test_nothing_goes_on_where_it_can_neither_be_written_nor_set_aside(tmp_path: Path, by: str) -> None:
    desk = Desk(tmp_path / "reports")
    desk.push(*people("old"))
    memory = desk.opened()
    place = find(Wish(), ReportsFolder.at(str(desk.folder)), desk.conn_id)
    forgetting = Forgetting(place, desk.warnings.append)

    def change(value: str) -> None:
        if by == "a push":
            memory.reduce(people(value))
        else:
            forgetting.forget(USERS)

    change("old")
    for file in files(desk):
        if file.name == "memory.sqlite":
            damage(file, "DROP TABLE users")
            word = file.with_name("guests")
            word.unlink()
            word.mkdir()
    with pytest.raises(MemoryUnwritableError, match=r"nor set aside .* make room, or delete it"):
        change("new")
    assert "everything is sent: it cannot be used" in desk.warnings[0]
    # What was done before is still to be reported.
    memory.close()
    forgetting.close()
    assert "could not be brought back" in desk.warnings[-1]
