"""A memory that cannot be read any more is forgotten all the same: a privacy request does not wait for a push."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_braze.__main__ import main
from tests.memory.remembering import Desk, an_object

USERS = [f"u{n}" for n in range(40)]


def files(desk: Desk) -> list[Path]:
    return sorted(desk.folder.rglob("memory.sqlite*"))


@pytest.mark.parametrize("asked", [["--all"], ["--user", "u1"], ["--user", "nobody"], ["--attribute", "x"]])
def test_forget_sets_aside_what_is_damaged_and_deletes_it(
    desk: Desk, asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    desk.push(*(an_object(user, x="secret") for user in USERS))
    for file in files(desk)[::2]:
        file.write_bytes(b"no database" * 100)
    assert main(["memory", "forget", *asked, str(desk.folder)]) == 0
    said = capsys.readouterr()
    assert said.err.count("damaged") == 1
    assert "forgotten" in said.out
    if "--attribute" not in asked:
        assert not [file for file in files(desk) if b"no database" in file.read_bytes()]
    assert main(["memory", "show", str(desk.folder)]) == 0
    again = desk.push(*(an_object(user, x="secret") for user in USERS))
    assert len(again.changed) + len(again.unchanged) == len(USERS)
    assert not desk.push(*(an_object(user, x="secret") for user in USERS)).changed
