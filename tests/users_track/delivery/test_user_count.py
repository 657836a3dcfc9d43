"""Users are counted once, across exports, in constant memory."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import pytest

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.users_track.delivery import user_count
from airflow_provider_braze.users_track.delivery.user_count import UserCount


def test_it_counts_as_a_set_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_count, "_AT_ONCE", 7)
    chance = random.Random(5)
    count, seen = UserCount(), set()
    for _ in range(20):
        count.begin()
        users = [f"P{chance.randrange(300)}" for _ in range(chance.randrange(60))]
        for start in range(0, len(users), 3):
            count.add(users[start : start + 3])
        count.settle()
        seen.update(users)
        assert (count.here, count.total) == (len(set(users)), len(seen))
    count.close()
    assert count.total == len(seen)


def test_users_are_told_apart_by_what_identifies_them() -> None:
    count = UserCount()
    count.begin()
    users = [
        "a",
        ("email", "a"),
        ("user_alias", "a", "crm"),
        ("user_alias", "a", "shop"),
        "A",
        " a",
        "\ud800",
    ]
    count.add([*users, *users])
    count.settle()
    assert count.total == len(users)


def test_its_memory_does_not_grow_with_the_users() -> None:
    count = UserCount()
    count.begin()
    tracemalloc.start()
    for number in range(0, 100_000, 100):
        count.add(f"P{each}" for each in range(number, number + 100))
    count.settle()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (count.total, most < 8_000_000) == (100_000, True)


def test_a_folder_without_room_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # As if the disk were full: SQLite's own most pages for this file.
    monkeypatch.setattr(user_count, "_SETTINGS", user_count._SETTINGS + "PRAGMA max_page_count = 8;")
    count = UserCount()
    count.begin()
    with pytest.raises(BrazeError, match="Make room there, or let SQLITE_TMPDIR name another") as raised:
        count.add(f"P{number}" for number in range(20_000))
    assert raised.value.retryable


def test_kinds_of_identifiers_are_told_for_each_export_and_for_all() -> None:
    count = UserCount()
    count.begin()
    count.add(["U1", "U2"])
    count.begin()
    count.add([("email", "ann@example.com"), ("user_alias", "a", "shop")])
    assert count.kinds_here == {"email", "user_alias"}
    assert count.kinds == {"external_id", "email", "user_alias"}
