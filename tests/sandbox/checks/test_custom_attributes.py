from __future__ import annotations

import pytest

from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore


@pytest.fixture
def store():
    return ProfileStore()


def write(store, **fields):
    outcome = store.track({"attributes": [{"external_id": "a", **fields}]})
    assert outcome.processed == {"attributes": 1}
    return store.readable()[0].get("custom_attributes", {})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("07090", "07090"),
        ("", ""),
        ("x" * 255, "x" * 255),
        (1, 1),
        (1.5, 1.5),
        (True, True),
        ("2026-09-15", "2026-09-15T00:00:00.000Z"),
        ("2026-09-15 10:11:12", "2026-09-15T10:11:12.000Z"),
        ("2026-09-15T10:11:12", "2026-09-15T10:11:12.000Z"),
        ("2026-09-15T10:11:12:345Z", "2026-09-15T10:11:12.345Z"),
        ("2026-09-15T10:11:12.345678+02:00", "2026-09-15T08:11:12.345Z"),
        ("2026-09-15T10:11-0130", "2026-09-15T11:41:00.000Z"),
        ("09/15/2026", "2026-09-15T00:00:00.000Z"),
        ("Tue 09 15 10:11:12.+0200 2026", "2026-09-15T08:11:12.000Z"),
        ("0001-01-01", "0001-01-01T00:00:00.000Z"),
        ("3000-12-31", "3000-12-31T00:00:00.000Z"),
        # Not dates: they stay texts.
        ("3001-01-01", "3001-01-01"),
        ("0000-01-01", "0000-01-01"),
        ("2026-02-30", "2026-02-30"),
        ("15/09/2026", "15/09/2026"),
        ("20260915", "20260915"),
        ("2026-09-15 10:11", "2026-09-15 10:11"),
        ("2026-09", "2026-09"),
        ("\u0662026-09-15", "\u0662026-09-15"),
        ([], []),
        (["b", "a", "b"], ["b", "a"]),
        ([1, "a", True, 2.5], ["1", "a", "true", "2.5"]),
        ([1, 2.5, 1], [1, 2.5]),
        ({}, {}),
        ({"zip": "07090", "since": "2026-09-15"}, {"zip": "07090", "since": "2026-09-15"}),
        ({"since": {"$time": "2026-09-15"}}, {"since": "2026-09-15T00:00:00.000Z"}),
        ({"$time": "2026-09-15"}, "2026-09-15T00:00:00.000Z"),
        ([{"a": 1}, {"a": {"$time": "2026-09-15"}}], [{"a": 1}, {"a": "2026-09-15T00:00:00.000Z"}]),
    ],
)
def test_a_value_is_kept(store, sent, kept):
    assert write(store, attribute=sent) == {"attribute": kept}
    assert type(write(store, attribute=sent)["attribute"]) is type(kept)


@pytest.mark.parametrize("old", ["text", ["a"], {"a": "b"}, 5])
@pytest.mark.parametrize(
    "sent",
    [
        "x" * 256,
        ["x" * 256],
        ["a", None],
        ["a", ["b"]],
        ["a", {"b": 1}],
        [str(n) for n in range(501)],
        {"a": None},
        {"a": {"b": None}},
        {"a": [None]},
        {"a": "x" * 256},
        {"a b": 1},
        {"a.b": 1},
        {"$a": 1},
        {"": 1},
        {"k" * 256: 1},
        {"deep": {"a b": 1}},
        {"a": {"$time": "yesterday"}},
        {"$time": "yesterday"},
        {f"k{n}": "x" * 250 for n in range(400)},
        [{"k": "x" * 250}] * 400,
        {"inc": "1"},
        {"inc": 1.5},
        {"add": "a"},
        {"add": [None]},
        {"remove": "a"},
        {"$add": {"a": 1}},
        {"$add": ["a"]},
        {"$remove": [{"$identifier_key": "a"}]},
        {"$update": [{"$identifier_key": "a", "$identifier_value": 1}]},
    ],
)
def test_what_cannot_be_taken_leaves_the_old_value(store, old, sent):
    assert write(store, attribute=old) == {"attribute": old}
    assert write(store, attribute=sent, other=1) == {"attribute": old, "other": 1}


def test_null_unsets(store):
    write(store, a="x", b={"c": 1})
    assert write(store, a=None, b=None, never=None) == {}


def test_names_are_stripped_and_limited(store):
    name = "n" * 255
    assert write(store, **{" a ": 1, name: 2, "n" * 256: 3, "  ": 4, "A": 5}) == {"a": 1, name: 2, "A": 5}


def test_inc(store):
    write(store, visits=5)
    assert write(store, visits={"inc": 2}) == {"visits": 7}
    assert write(store, visits={"inc": -10}) == {"visits": -3}
    assert write(store, nothing={"inc": 1}) == {"visits": -3}
    write(store, text="5", share=1.5, flag=True)
    after = write(store, text={"inc": 1}, share={"inc": 1}, flag={"inc": 1})
    assert (after["text"], after["share"], after["flag"]) == ("5", 1.5, True)


def test_arrays_add_and_remove(store):
    assert write(store, tags={"remove": ["a"]}) == {}
    assert write(store, tags={"add": ["a", "b", "a"]}) == {"tags": ["a", "b"]}
    assert write(store, tags={"add": ["c", "a"]}) == {"tags": ["b", "c", "a"]}
    assert write(store, tags={"remove": ["b", "x"]}) == {"tags": ["c", "a"]}
    assert write(store, tags={"add": ["d"], "remove": ["a", "c"]}) == {"tags": ["d"]}
    assert write(store, tags={"add": [1]}) == {"tags": ["d", "1"]}
    assert write(store, tags={"remove": ["d", "1"]}) == {"tags": []}
    assert write(store, text="x") == {"tags": [], "text": "x"}
    assert write(store, text={"add": ["y"]}) == {"tags": [], "text": "x"}


def test_adding_beyond_500_drops_the_oldest(store):
    write(store, tags=[str(n) for n in range(500)])
    tags = write(store, tags={"add": ["new", "newer", "3"]})["tags"]
    assert len(tags) == 500
    assert tags[:2] == ["2", "4"]
    # What was there already counts as new.
    assert tags[-3:] == ["new", "newer", "3"]


def test_objects_are_replaced_unless_merged(store):
    write(store, o={"a": 1, "b": {"c": 1, "d": [1]}})
    assert write(store, o={"b": {"d": [2]}, "e": "x"}, _merge_objects=True) == {
        "o": {"a": 1, "b": {"c": 1, "d": [2]}, "e": "x"}
    }
    assert write(store, o={"f": 1}, _merge_objects="true") == {"o": {"f": 1}}
    assert write(store, o={"g": 1}) == {"o": {"g": 1}}
    assert write(store, o="text") == {"o": "text"}
    assert write(store, o={"h": 1}, _merge_objects=True) == {"o": {"h": 1}}


def test_a_merge_that_would_be_too_large_is_dropped(store):
    old = {f"k{n}": "x" * 250 for n in range(300)}
    write(store, o=old)
    new = {f"j{n}": "x" * 250 for n in range(100)}
    assert write(store, o=new, _merge_objects=True) == {"o": old}


def test_arrays_of_objects_change_in_braze_s_order(store):
    pets = [{"id": 1, "name": "Rex"}, {"id": 2, "name": "Tom"}]
    assert write(store, pets={"$add": pets}) == {"pets": pets}
    changes = {
        "$update": [
            {"$identifier_key": "id", "$identifier_value": 3, "$new_object": {"id": 3, "name": "Zoe"}}
        ],
        "$remove": [{"$identifier_key": "id", "$identifier_value": 1}],
        "$add": [{"id": 3, "name": "Ann", "age": 4}],
    }
    assert write(store, pets=changes) == {"pets": [{"id": 2, "name": "Tom"}, {"id": 3, "name": "Zoe"}]}
    merge = {"$update": [{"$identifier_key": "id", "$identifier_value": 3, "$new_object": {"age": 5}}]}
    assert write(store, pets=merge, _merge_objects=True)["pets"][1] == {"id": 3, "name": "Zoe", "age": 5}
    # Removing and adding in one request does not replace: what is added is there before the removing.
    again = {
        "$remove": [{"$identifier_key": "id", "$identifier_value": 2}],
        "$add": [{"id": 2, "name": "New"}],
    }
    assert write(store, pets=again) == {"pets": [{"id": 3, "name": "Zoe", "age": 5}]}
    assert write(store, none={"$remove": [{"$identifier_key": "id", "$identifier_value": 2}]}).keys() == {
        "pets"
    }


def test_a_value_once_read_does_not_change(store):
    sent = {"a": {"b": [1]}}
    before = write(store, o=sent)
    write(store, o={"a": {"b": [2]}}, _merge_objects=True)
    sent["a"]["b"].append(3)
    assert before == {"o": {"a": {"b": [1]}}}
    assert store.readable()[0]["custom_attributes"] == {"o": {"a": {"b": [2]}}}
