"""Objects that are read together are decided of as those that are looked at one by one; only the time differs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.memory.bucket import Bucket
from airflow_provider_braze.memory.decisions import decider, object_forms
from airflow_provider_braze.memory.decisions.together import Several, Together, unread
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.persistence.buckets import bucket_of
from tests.memory.remembering import ONLY_CHANGED, Desk, an_object

TEXTS = st.sampled_from(["A", "B", "", 'a"b\\', "é"])
VALUES = {
    "x": TEXTS,
    "y": TEXTS,
    "n": st.one_of(st.integers(0, 2), st.booleans(), st.none(), st.just({"inc": 1}), TEXTS, st.just(["a"])),
    "o": st.one_of(st.dictionaries(st.sampled_from("kl"), TEXTS), st.just({"k": 1}), TEXTS),
    "t": st.one_of(
        st.lists(st.sampled_from("tuv"), min_size=1, max_size=2, unique=True).map(lambda tags: {"add": tags}),
        st.just({"remove": ["t"]}),
        st.just(["t"]),
    ),
    "language": st.sampled_from(["en", "de"]),
    "first_name": st.sampled_from(["Ada", "Bob"]),
    "_merge_objects": st.sampled_from([True, True, True, False]),
    "_update_existing_only": st.booleans(),
}
OBJECTS = st.fixed_dictionaries({}, optional=VALUES)
PUSHES = st.lists(
    st.tuples(
        st.sampled_from(
            [
                ONLY_CHANGED,
                ONLY_CHANGED,
                ONLY_CHANGED,
                Wish(only_changed=True, always_send=frozenset({"y", "k"})),
                Wish(only_changed=True, refresh_after=0),
                Wish(only_changed=True, ignore=True),
                Wish(),
            ]
        ),
        st.sampled_from(["new", "new", "same"]),
        st.dictionaries(st.sampled_from("abcd"), OBJECTS, min_size=1),
        st.booleans(),
    ),
    min_size=2,
    max_size=5,
)


def remembered(memory: Memory) -> dict[int, Any]:
    """What is in the file of each user: whose entries are whose push's, but not in which order."""
    found = {}
    for bucket in memory._opened.values():
        assert isinstance(bucket, Bucket)
        for (user,) in bucket._store._db.execute("SELECT id FROM places"):
            row = bucket._store.rows([user])[user]
            own, older = row.parted(row.push)
            # Numbers are given in the order in which something is met first.
            slots = bucket._store.slots.by_number()
            named = [
                sorted((slots.get(number), at) for number, at in some if number in slots)
                for some in (own, older)
            ]
            found[user] = (row.push, *named, row.whole != 0)
    return found


def pushed(folder: str, pushes: list[Any]) -> list[Any]:
    desk, found = Desk(Path(folder) / "reports"), []
    for number, (wish, token, people, confirmed) in enumerate(pushes):
        memory = desk.begin(wish, "one" if token == "same" else f"push {number}")
        if not isinstance(memory, Memory):
            if memory is not None:
                memory.close()
            continue
        items = [an_object(user, **content) for user, content in people.items()]
        reduced = memory.reduce(items, confirmed=confirmed)
        said = [(item.content, item.saved) for item in reduced.changed]
        unchanged = [(item.content, item.saved) for item in reduced.unchanged]
        for item in reduced.changed:
            memory.accepted([item.told])
        memory.flush()
        found.append((said, unchanged, remembered(memory)))
        memory.close()
    return found


@pytest.mark.no_mutation
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(PUSHES)
def test_what_is_read_together_is_decided_of_as_one_by_one(pushes: list[Any]) -> None:
    shared = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with TemporaryDirectory(dir=shared) as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr("secrets.token_hex", lambda size: "ab" * size)
        quick = pushed(f"{folder}/quick", pushes)
        patched.setattr(decider, "Together", OneByOne)
        assert quick == pushed(f"{folder}/slow", pushes)


class OneByOne(Together):
    def read(self, bodies: Any) -> Several:
        return unread(len(bodies))


@pytest.mark.parametrize(
    ("content", "form"),
    [
        ({"x": "A", "n": 1}, {("x", object_forms.TEXT, ""), ("n", object_forms.OTHER, "")}),
        ({"_merge_objects": True, "o": {"k": "A", "l": "B"}}, {("o", ".", "k"), ("o", ".", "l")}),
        ({"t": {"add": ["u"]}}, {("t", "+", "")}),
        ({"t": {"add": ["u", "v"]}}, None),
        ({"t": {"remove": ["u"]}}, None),
        ({"o": {"k": "A"}}, None),
        ({"_merge_objects": True, "o": {"k": 1}}, None),
        ({"_merge_objects": True, "o": {}}, None),
        ({"n": {"inc": 1}}, None),
        ({"user_alias": {"alias_name": "a", "alias_label": "b"}}, None),
        ({"current_location": {"longitude": 1, "latitude": 2}}, None),
    ],
)
def test_the_form_of_an_object(content: dict[str, Any], form: Any) -> None:
    assert object_forms.form_of({"external_id": "u", **content}) == form


def test_forms_are_united_unless_they_say_different_kinds_of_things() -> None:
    text, other, tag = (frozenset({("x", kind, "")}) for kind in (object_forms.TEXT, object_forms.OTHER, "+"))
    assert object_forms.united(text, other) == other
    assert object_forms.united(text, tag) is None
    many = frozenset((f"x{n}", object_forms.TEXT, "") for n in range(501))
    assert object_forms.united(text, many) is None


def test_all_files_of_a_memory_have_one_salt_and_a_new_one_gets_it(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    users = [an_object(f"u{n}", x="A") for n in range(60)]
    assert len(desk.push(*users).changed) == 60
    files = sorted((tmp_path / "memory" / desk.conn_id).glob("*/memory.sqlite"))
    assert len(files) > 10
    assert len({salt_of(file) for file in files}) == 1
    files[0].unlink()
    again = desk.push(*(an_object(f"u{n}", x="A") for n in range(60)))
    assert 0 < len(again.changed) < 60
    assert len({salt_of(file) for file in files}) == 1
    assert not desk.push(*(an_object(f"u{n}", x="A") for n in range(60))).changed


def salt_of(file: Path) -> Any:
    with closing(sqlite3.connect(file)) as db:
        return db.execute("SELECT value FROM meta WHERE name = 'salt'").fetchone()[0]


def test_new_files_number_slots_as_the_first_does_so_that_they_share_what_is_hashed(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    # Each is met first with another attribute.
    desk.push(*(an_object(f"u{n}", **{f"{'xyz'[n % 3]}": "A", "w": "A"}) for n in range(90)))
    numbers = [slots_of(file) for file in (tmp_path / "memory" / desk.conn_id).glob("*/memory.sqlite")]
    known = {number: slot for found in numbers for number, slot in found}
    assert len(numbers) > 10
    assert all(known[number] == slot for found in numbers for number, slot in found)
    assert not desk.push(
        *(an_object(f"u{n}", **{f"{'xyz'[n % 3]}": "A", "w": "A"}) for n in range(90))
    ).changed


def slots_of(file: Path) -> list[Any]:
    with closing(sqlite3.connect(file)) as db:
        return [
            (number, slot) for number, *slot in db.execute("SELECT number, attribute, kind, key FROM slots")
        ]


def test_what_was_left_out_is_told_by_its_attribute_however_many_there_are(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    bucket = bucket_of("u0")
    all_of_it, *others = [user for user in (f"u{n}" for n in range(900)) if bucket_of(user) == bucket][:11]
    # So many that no byte tells one from another.
    everything = {f"x{n:03}": "A" for n in range(300)}
    single = [f"x{n:03}" for n in (0, 1, 2, 43, 44, 255, 256, 257, 258, 299)]

    def push() -> Any:
        few = (an_object(user, **{name: "A"}) for user, name in zip(others, single, strict=True))
        return desk.push(an_object(all_of_it, **everything), *few)

    assert len(push().changed) == 11
    for _ in range(2):
        found = push()
        assert not found.changed
        assert [dict(item.saved.points) for item in found.unchanged] == [
            dict.fromkeys(everything, 1),
            *({name: 1} for name in single),
        ]
