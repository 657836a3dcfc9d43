"""What an object tells Braze, taken apart and put together again: the rules by themselves, without any memory."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.memory.rules import (
    ADDED,
    KEY,
    REMOVED,
    UNSAFE,
    WHOLE,
    Statement,
    are_rivals,
    attributes_of,
    cost,
    creates,
    is_always_sent,
    statements,
    values_of,
    without,
)
from airflow_provider_braze.users_track.rules.names import squash

S = Statement
LONG = "x" * 300
STATED: list[tuple[dict[str, Any], list[Statement]]] = [
    ({"external_id": "a", "braze_id": "b", "user_alias": {}, "push_token_import": True}, []),
    ({"_update_existing_only": True, "_merge_objects": True}, []),
    (
        {"x": "A", "n": 1, "b": False},
        [S("x", WHOLE, "", ("A",)), S("n", WHOLE, "", (1,)), S("b", WHOLE, "", (False,))],
    ),
    ({"x": None}, [S("x", WHOLE, "", (None,))]),
    (
        {"language": "en", "country": None},
        [S("language", WHOLE, "", ("en",), False), S("country", WHOLE, "", (None,), False)],
    ),
    ({"t": ["a", "b"]}, [S("t", WHOLE, "", (["a", "b"],))]),
    ({"t": {"add": ["a", "b"]}}, [S("t", ADDED, "", ("a", "b"))]),
    ({"t": {"remove": ["a"]}}, [S("t", REMOVED, "", ("a",))]),
    ({"t": {"add": ["a"], "remove": ["b"]}}, [S("t", UNSAFE, "", ({"add": ["a"], "remove": ["b"]},), False)]),
    ({"t": {"add": []}}, [S("t", UNSAFE, "", ({"add": []},), False)]),
    ({"n": {"inc": 1}}, [S("n", UNSAFE, "", ({"inc": 1},), False)]),
    ({"o": {"$add": [{"k": 1}]}}, [S("o", UNSAFE, "", ({"$add": [{"k": 1}]},), False)]),
    ({"d": {"$time": "2026-01-02"}}, [S("d", WHOLE, "", ({"$time": "2026-01-02"},))]),
    ({"o": {"k": 1, "m": {"n": 2}}}, [S("o", WHOLE, "", ({"k": 1, "m": {"n": 2}},))]),
    (
        {"o": {"k": 1, "m": {"n": 2}}, "_merge_objects": True},
        [S("o", KEY, "k", (1,)), S("o", KEY, "m", ({"n": 2},))],
    ),
    ({"o": {}, "_merge_objects": True}, [S("o", WHOLE, "", ({},), False)]),
    (
        {"current_location": {"longitude": 1.0, "latitude": 2.0}, "_merge_objects": True},
        [S("current_location", WHOLE, "", ({"longitude": 1.0, "latitude": 2.0},), False)],
    ),
    ({"o": {}}, [S("o", WHOLE, "", ({},))]),
    ({"o": {"k": 1}, "_merge_objects": "true"}, [S("o", WHOLE, "", ({"k": 1},))]),
    ({"x": LONG}, [S("x", UNSAFE, "", (LONG,), False)]),
    ({"$x": 1}, [S("$x", UNSAFE, "", (1,), False)]),
    ({"first_name": 5}, [S("first_name", UNSAFE, "", (5,), False)]),
    ({" x": 1, "x": 2}, [S("x", UNSAFE, "", (1,), False), S("x", UNSAFE, "", (2,), False)]),
]


@pytest.mark.parametrize(("content", "said"), STATED)
def test_what_an_object_says(content: dict[str, Any], said: list[Statement]) -> None:
    found = statements(content)
    assert found == said
    sent = [part.values for part in found]
    assert without(content, found, sent) == content
    nothing = without(content, found, [()] * len(found))
    assert nothing.keys() == content.keys() - {
        name for name in content if name.strip() in {p.attribute for p in said}
    }
    assert attributes_of(content) == {part.attribute for part in said}
    if UNSAFE not in {part.kind for part in said}:
        assert statements(content, checked=True) == said
        assert values_of(content) == sum(len(part.values) for part in said)


@pytest.mark.parametrize(
    ("content", "always", "remembered"),
    [
        ({"Loyalty Points": 1, "y": 2}, {"loyaltypoints"}, [False, True]),
        ({"x": {"k": 1, "m": 2}, "_merge_objects": True}, {"k"}, [False, True]),
        ({"x": {"k": 1, "m": 2}, "_merge_objects": True}, {"x.m"}, [True, False]),
        ({"x": {"k": 1, "m": 2}, "_merge_objects": True}, {"x"}, [False, False]),
        ({"x": {"k": {"n": {"z": 1}}, "m": 2}, "_merge_objects": True}, {"z"}, [False, True]),
        ({"x": {"k": {"n": {"z": 1}}, "m": 2}, "_merge_objects": True}, {"x.k.n.z"}, [False, True]),
        ({"x": {"k": {"n": {"z": 1}}, "m": 2}, "_merge_objects": True}, {"k.n.z"}, [True, True]),
        ({"x": {"k": {"z": 1}}}, {"z"}, [False]),
        ({"x": {"k": {"z": 1}}}, {"x.k"}, [False]),
        ({"t": {"add": ["a"]}}, {"t"}, [False]),
        ({"x": "A"}, {"x"}, [False]),
    ],
)
@pytest.mark.parametrize("checked", [False, True])
def test_what_is_always_sent_is_not_remembered(
    content: dict[str, Any], always: set[str], remembered: list[bool], checked: bool
) -> None:
    found = statements(content, frozenset(map(squash, always)), checked=checked)
    assert [part.remembered for part in found] == remembered


def test_names_of_what_is_always_sent() -> None:
    assert not is_always_sent(["x"], frozenset())
    assert is_always_sent(["y", "x"], frozenset({"x"}))
    assert not is_always_sent(["y"], frozenset({"x"}))


def test_some_of_the_tags_and_keys_are_left() -> None:
    content = {
        "external_id": "a",
        "t": {"add": ["a", "b"]},
        "r": {"remove": ["c", "d"]},
        "o": {"k": 1, "m": 2},
    }
    content["_merge_objects"] = True
    parts = statements(content)
    assert without(content, parts, [("b",), ("c",), (), (2,)]) == {
        "external_id": "a",
        "_merge_objects": True,
        "t": {"add": ["b"]},
        "r": {"remove": ["c"]},
        "o": {"m": 2},
    }
    merged = {" o ": {"k": 1, "m": 2}, "_merge_objects": True}
    both = [S("o", KEY, "k", (1,)), S("o", KEY, "m", (2,))]
    assert without(merged, both, [(1,), (2,)]) == {"_merge_objects": True, " o ": {"k": 1, "m": 2}}


def test_each_statement_has_its_values() -> None:
    with pytest.raises(ValueError, match="zip"):
        without({"x": 1}, statements({"x": 1}), [])


def test_values_are_counted_also_of_what_braze_may_ignore() -> None:
    assert values_of({"o": {"$k": 1, "m": 2}, "t": {"add": ["a", "b"]}, "_merge_objects": True}) == 4


def test_what_it_costs() -> None:
    assert cost(S("t", ADDED, "", ("a", "b", "c")), ("a", "b")) == 2
    assert cost(S("t", REMOVED, "", ("a",)), ("a",)) == 1
    assert cost(S("o", WHOLE, "", ({"k": 1, "m": 2},)), ({"k": 1, "m": 2},)) == 2
    assert cost(S("o", KEY, "first_name", ({"k": 1, "m": 2},)), ({"k": 1, "m": 2},)) == 2
    assert cost(S("dob", KEY, "k", ({"k": 1, "m": 2},)), ({"k": 1, "m": 2},)) == 2
    assert cost(S("dob", WHOLE, "", ("1990-01-02",)), ("1990-01-02",)) == 1
    assert cost(S("current_location", WHOLE, "", ({"a": 1, "b": 2},)), ({"a": 1, "b": 2},)) == 1


def test_only_keys_of_one_object_leave_each_other_alone() -> None:
    kinds = (WHOLE, KEY, ADDED, REMOVED, UNSAFE)
    for kind in kinds:
        for other in kinds:
            assert are_rivals(kind, "k", other, "k")
            assert are_rivals(kind, "k", other, "m") is not (kind == other == KEY)


def test_who_is_made() -> None:
    assert creates({})
    assert creates({"_update_existing_only": False})
    assert creates({"_update_existing_only": "true"})
    assert not creates({"_update_existing_only": True})
