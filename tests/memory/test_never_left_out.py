"""What is never left out, however it is written: what an author names, and objects that say less than they seem to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.pushes.attempt.remembering import with_targets
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from tests.memory.remembering import Desk, an_object, believed, said

MERGED = {"_merge_objects": True}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from believed(Desk(tmp_path / "reports"))


def told(desk: Desk, *contents: dict[str, Any], **options: Any) -> list[dict[str, Any] | None]:
    """Push one object of the same user after the other, each by a push of its own; what was sent of each."""
    found: list[dict[str, Any] | None] = []
    for content in contents:
        reduced = desk.push(an_object("ada", **content), **options)
        found.append(said(reduced)[0] if reduced.changed else None)
    return found


def test_an_empty_object_that_is_merged_does_not_say_what_it_says_alone(desk: Desk) -> None:
    """Merged, it leaves what Braze holds; alone, it empties it."""
    merged = {"o": {}, **MERGED}
    assert told(desk, {"o": {"a": 1}, **MERGED}, merged, {"o": {}}) == [
        {"o": {"a": 1}, **MERGED},
        merged,
        {"o": {}},
    ]
    assert desk.profiles.readable()[0]["custom_attributes"] == {"o": {}}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("loyalty", {"o": {"loyalty": 1, "more": 2}}),
        ("O.Loyalty", {"o": {"loyalty": 1}}),
        ("loyalty", {"o": {"p": {"loyalty": 1}}, **MERGED}),
        ("o.p.loyalty", {"o": {"p": {"loyalty": 1}, "more": 2}}),
        ("o.p.Loy-Alty", {"o": {"p": {"loyalty": 1}}, **MERGED}),
        ("id", {"facebook": {"id": "5"}}),
    ],
)
def test_an_object_that_holds_what_is_always_sent(desk: Desk, name: str, content: dict[str, Any]) -> None:
    """It is compared as one, so it is sent as one."""
    wish = Wish(only_changed=True, always_send=frozenset({name}))
    assert told(desk, content, {"x": 1, **content}, {"x": 1, **content}, wish=wish)[2] == content


@pytest.mark.parametrize("ignore", [False, True])
def test_what_is_never_left_out_makes_forgotten_what_was_remembered_after_it_came_first(
    desk: Desk, ignore: bool
) -> None:
    """A key that is always sent, then the object as a whole, then the key again: Braze holds both."""
    wish = Wish(only_changed=True, always_send=frozenset({"o.k"}))
    memory = desk.opened(replace(wish, ignore=ignore))
    for content in ({"o": {"k": "1"}, **MERGED}, {"o": {"z": 1}}, {"o": {"k": "2"}, **MERGED}):
        desk.accept(memory, memory.reduce([an_object("ada", **content)]).changed)
    memory.close()
    assert desk.profiles.readable()[0]["custom_attributes"] == {"o": {"k": "2", "z": 1}}
    assert told(desk, {"o": {"z": 1}}, wish=wish) == [{"o": {"z": 1}}]


def test_other_objects_are_left_out_all_the_same(desk: Desk) -> None:
    wish = Wish(only_changed=True, always_send=frozenset({"loyalty", "p.q"}))
    content = {"o": {"other": 1, "p": {"q": 1}}}
    assert told(desk, content, content, wish=wish)[1] is None


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("First-Name", {"first_name"}),
        ("E Mail", {"email"}),
        ("Loyalty.Points", {"loyalty_points"}),
        ("Pet Name", {"nickname"}),
        ("pet-name", {"nickname"}),
        ("RP_Contact_ID", {"rpi_contact_ids"}),
        ("segments", {"rpi_segments"}),
    ],
)
def test_what_a_mapping_makes_of_a_column_is_always_sent(column: str, names: set[str]) -> None:
    mapping = ExportMapping(rename={"pet_name": "nickname"}, tags={"Segments": "rpi_segments"})  # type: ignore[dict-item]
    wish = with_targets(Wish(only_changed=True, always_send=frozenset({column})), mapping)
    assert names <= wish.always_send
