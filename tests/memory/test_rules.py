"""What may be left out: every row of the table of cases, against a memory in a real file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.memory.memory import Wish
from tests.memory.remembering import Desk, an_object, believed, said, set_clock


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from believed(Desk(tmp_path / "reports"))


def told(
    desk: Desk, *contents: dict[str, Any], token: str = "", **options: Any
) -> list[dict[str, Any] | None]:
    """Push one object of the same user after the other, each by a push of its own; what was sent of each."""
    found: list[dict[str, Any] | None] = []
    for content in contents:
        reduced = desk.push(an_object("ada", **content), token=token, **options)
        found.append(said(reduced)[0] if reduced.changed else None)
    return found


@pytest.mark.parametrize(
    "value",
    ["text", 1, 1.5, True, None, ["a", "b"], {"$time": "2026-01-02"}, {"add": ["a"]}, {"remove": ["a"]}],
)
def test_what_was_told_last_is_left_out(desk: Desk, value: Any) -> None:
    assert told(desk, {"x": value}, {"x": value}) == [{"x": value}, None]


def test_by_attribute_and_not_by_record(desk: Desk) -> None:
    assert told(desk, {"a": 1, "b": 2}, {"a": 1, "b": 3}) == [{"a": 1, "b": 2}, {"b": 3}]


@pytest.mark.parametrize(("before", "after"), [(1, 1.0), (1, True), (1, "1"), (None, "null"), ("", None)])
def test_what_only_looks_alike_is_sent(desk: Desk, before: Any, after: Any) -> None:
    assert told(desk, {"x": before}, {"x": after})[1] is not None


def test_a_value_that_comes_back_is_sent(desk: Desk) -> None:
    assert told(desk, {"x": "A"}, {"x": "B"}, {"x": "A"}) == [{"x": "A"}, {"x": "B"}, {"x": "A"}]


def test_keys_of_a_merged_object_are_compared_one_by_one(desk: Desk) -> None:
    first = {"o": {"a": 1, "b": 2}, "_merge_objects": True}
    second = {"o": {"a": 1, "b": 3}, "_merge_objects": True}
    assert told(desk, first, second)[1] == {"o": {"b": 3}, "_merge_objects": True}


@pytest.mark.parametrize("whole", [{"o": {"z": 1}}, {"o": None}, {"o": "text"}, {"o": {"add": ["t"]}}])
def test_an_object_as_a_whole_forgets_its_keys(desk: Desk, whole: dict[str, Any]) -> None:
    keys = {"o": {"a": 1, "b": 2}, "_merge_objects": True}
    assert told(desk, keys, whole, keys)[2] == keys
    assert told(desk, whole, whole)[0] == whole


def test_only_tags_that_were_not_added_before_are_sent(desk: Desk) -> None:
    assert told(desk, {"t": {"add": ["a", "b"]}}, {"t": {"add": ["b", "c"]}}, {"t": {"add": ["a", "c"]}}) == [
        {"t": {"add": ["a", "b"]}},
        {"t": {"add": ["c"]}},
        None,
    ]


@pytest.mark.parametrize("other", [{"remove": ["a"]}, ["z"], None, {"add": ["x"], "remove": ["a"]}])
def test_each_way_to_change_an_array_forgets_the_others(desk: Desk, other: Any) -> None:
    added = {"t": {"add": ["a"]}}
    assert told(desk, added, {"t": other}, added)[2] == added


@pytest.mark.parametrize(
    "change",
    [{"inc": 1}, {"$add": [{"k": 1}]}, {"$remove": [{"$identifier_key": "k", "$identifier_value": 1}]}],
)
def test_increments_and_changes_of_arrays_of_objects_are_always_sent_and_forget(
    desk: Desk, change: Any
) -> None:
    assert told(desk, {"n": 5}, {"n": change}, {"n": change}, {"n": 5}) == [
        {"n": 5},
        {"n": change},
        {"n": change},
        {"n": 5},
    ]


def test_above_four_hundred_known_tags_all_are_sent(desk: Desk) -> None:
    many = {"t": {"add": [f"t{n}" for n in range(400)]}}
    assert told(desk, many, many) == [many, None]
    one_more = {"t": {"add": ["another"]}}
    assert told(desk, one_more, one_more, {"t": {"add": ["t1"]}}) == [
        one_more,
        one_more,
        {"t": {"add": ["t1"]}},
    ]


@pytest.mark.parametrize(
    "content",
    [
        {"language": "en"},
        {"country": "DE"},
        {"time_zone": "Europe/Berlin"},
        {"email_subscribe": "opted_in"},
        {"push_subscribe": "subscribed"},
    ],
)
def test_what_people_change_themselves_is_always_sent(desk: Desk, content: dict[str, Any]) -> None:
    assert told(desk, {**content, "x": 1}, {**content, "x": 1})[1] == content


@pytest.mark.parametrize(
    ("always", "content", "left"),
    [
        ("Loyalty Points", {"loyalty_points": 5, "x": 1}, {"loyalty_points": 5}),
        (
            "Score",
            {"o": {"score": 1, "other": 2}, "_merge_objects": True},
            {"o": {"score": 1}, "_merge_objects": True},
        ),
        (
            "o.score",
            {"o": {"score": 1}, "x": 1, "_merge_objects": True},
            {"o": {"score": 1}, "_merge_objects": True},
        ),
    ],
)
def test_always_send(desk: Desk, always: str, content: dict[str, Any], left: dict[str, Any]) -> None:
    wish = Wish(only_changed=True, always_send=frozenset({always}))
    assert told(desk, content, content, wish=wish) == [content, left]


@pytest.mark.parametrize(
    "content",
    [
        {"x": "y" * 300},
        {"o": {"a": None, "b": 1}, "_merge_objects": True},
        {"o": {"a b": 1}, "_merge_objects": True},
        {"x$y": 1},
        {"dob": "never"},
    ],
)
def test_what_braze_may_ignore_is_not_remembered(desk: Desk, content: dict[str, Any]) -> None:
    assert told(desk, content, content) == [content, content]


def test_a_name_with_spaces_at_its_ends_is_the_same_attribute(desk: Desk) -> None:
    assert told(desk, {"x": 1}, {" x ": 2}, {"x": 1}) == [{"x": 1}, {" x ": 2}, {"x": 1}]
    both = {"x": 1, "x ": 2}
    assert told(desk, both, {"x": 1})[1] == {"x": 1}


def test_two_names_that_are_one_attribute_are_both_sent(desk: Desk) -> None:
    """Braze takes one after the other: what one says is not said by the other."""
    told(desk, {"y": 1})
    twice = {" t": {"add": ["a"]}, "t": {"add": ["b"]}}
    assert told(desk, {"y": 1, **twice}) == [twice]
    assert desk.profiles.readable()[0]["custom_attributes"] == {"y": 1, "t": ["a", "b"]}


def test_an_append_is_remembered_only_of_who_was_told_before_or_found(desk: Desk) -> None:
    append = {"x": 1, "_update_existing_only": True}
    assert told(desk, append, append) == [append, append]
    assert told(desk, {"y": 1, "_update_existing_only": False}, append, append)[2] is None


def test_an_append_to_who_was_looked_up_is_remembered(desk: Desk) -> None:
    append = {"x": 1, "_update_existing_only": True}
    assert told(desk, append, append, confirmed=True) == [append, None]


def test_who_is_not_found_is_forgotten(desk: Desk) -> None:
    told(desk, {"x": 1})
    memory = desk.opened(token="two")
    memory.absent([an_object("ada", x=1)])
    memory.close()
    assert told(desk, {"x": 1}) == [{"x": 1}]


def test_a_push_by_email_forgets_its_attributes_for_all(desk: Desk) -> None:
    told(desk, {"x": 1, "y": 1})
    by_email = an_object("a@example.com", kind="email", x=2)
    reduced = desk.push(by_email, an_object("ada", x=1, y=1), token="three")
    assert [item.content.get("x") for item in reduced.changed] == [2, 1]
    assert "y" not in reduced.changed[1].content
    assert told(desk, {"x": 1, "y": 1}) == [{"x": 1}]


def test_a_profile_is_made_though_there_is_nothing_to_say(desk: Desk) -> None:
    assert told(desk, {}, {}) == [{}, None]


def test_a_push_without_only_changed_takes_back_what_it_sends(desk: Desk) -> None:
    told(desk, {"x": 1, "y": 1})
    assert told(desk, {"x": 2}, wish=Wish()) == [{"x": 2}]
    assert told(desk, {"x": 1, "y": 1}) == [{"x": 1}]


def test_memory_ignore_sends_all_and_remembers_it_anew(desk: Desk) -> None:
    told(desk, {"x": 1, "y": 1})
    assert told(desk, {"x": 1}, wish=Wish(only_changed=True, ignore=True)) == [{"x": 1}]
    assert told(desk, {"x": 1, "y": 1}) == [{"y": 1}]


def test_what_this_push_told_itself_is_sent_again(desk: Desk) -> None:
    told(desk, {"y": 1}, token="earlier")
    assert told(desk, {"x": 1, "y": 1}, {"x": 1, "y": 1}, token="same") == [{"x": 1}, {"x": 1}]
    assert told(desk, {"x": 1, "y": 1}, token="later") == [None]


@pytest.mark.parametrize("days", [1, 30, 400])
def test_all_of_a_user_is_sent_again_when_it_is_too_old(desk: Desk, days: int) -> None:
    wish = Wish(only_changed=True, refresh_after=days)
    users = [f"u{n}" for n in range(40)]

    def push(at: float) -> list[str]:
        memory = desk.opened(wish, token=str(at))
        set_clock(memory, 1_800_000_000 + at * 86_400)
        reduced = memory.reduce([an_object(user, x=1, y=1) for user in users])
        desk.accept(memory, reduced.changed)
        memory.close()
        assert all(content == {"x": 1, "y": 1} for content in said(reduced))
        return [item.identity[1] or "" for item in reduced.changed]

    assert push(0) == users
    assert push(0.9) == []
    half = push(days / 2)
    if days > 1:
        assert 5 < len(half) < 35, "the first time is spread"
    assert sorted(half + push(days)) == sorted(users)
    assert push(days + 0.5) == []


def test_never_too_old(desk: Desk) -> None:
    wish = Wish(only_changed=True, refresh_after=None)
    told(desk, {"x": 1}, wish=wish)
    memory = desk.opened(wish, token="much later")
    set_clock(memory, 9e9)
    assert memory.reduce([an_object("ada", x=1)]).changed == []
    memory.close()


def test_the_same_object_again_is_decided_at_once_and_what_is_forgotten_ends_that(desk: Desk) -> None:
    same = {"a": 1, "o": {"k": "v"}, "t": {"add": ["x"]}, "country": "DE", "_merge_objects": True}
    later = {**same, "t": {"add": ["y"]}}
    assert told(desk, same, same) == [same, {"country": "DE", "_merge_objects": True}]
    assert told(desk, later) == [{"t": {"add": ["y"]}, "country": "DE", "_merge_objects": True}]
    assert told(desk, {"a": 1, "z": 5}, same)[1] == {"country": "DE", "_merge_objects": True}
    desk.push(an_object("b@example.com", kind="email", a=2))
    assert told(desk, same)[0] == {"a": 1, "country": "DE", "_merge_objects": True}
    assert told(desk, {"o": None}, same)[1] == {"o": {"k": "v"}, "country": "DE", "_merge_objects": True}


def test_nobody_is_in_the_file_twice(desk: Desk) -> None:
    memory = desk.opened()
    first, second = (memory.reduce([an_object("ada", x=x)]) for x in (1, 2))
    desk.accept(memory, first.changed)
    memory.flush()
    desk.accept(memory, second.changed)
    memory.close()
    assert told(desk, {"x": 2}, {"x": 1}) == [None, {"x": 1}]


def test_a_value_that_may_have_arrived_is_not_hidden_by_what_was_hashed_together(desk: Desk) -> None:
    same = {"a": 1, "b": 2}
    told(desk, same, same)
    lost = desk.opened()
    assert said(lost.reduce([an_object("ada", a=2, b=2)])) == [{"a": 2}]
    lost.close()
    assert told(desk, same, same) == [{"a": 1}, None]
