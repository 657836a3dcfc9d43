"""The rules hold in each of the ways in which an object is looked at: together with others, for itself, and, where it
says odd things, statement by statement. What is left out is counted alike in all of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.memory.decisions import decider
from airflow_provider_braze.memory.decisions.together import Several, Together, unread
from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from tests.memory.remembering import ONLY_CHANGED, Desk, an_object, believed, said

MERGED = {"_merge_objects": True}


class OneByOne(Together):
    def read(self, bodies: Any) -> Several:
        return unread(len(bodies))


def unchecked(user: str, **content: Any) -> ProfileObject:
    """An object of which nobody has looked at the values: they are looked at statement by statement."""
    item = an_object(user, **content)
    item.checked = False
    return item


MakeObject = Callable[..., ProfileObject]


@pytest.fixture(params=["together", "for itself", "statement by statement"])
def make(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MakeObject:
    if request.param != "together":
        monkeypatch.setattr(decider, "Together", OneByOne)
    return unchecked if request.param == "statement by statement" else an_object


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    yield from believed(Desk(tmp_path / "reports"))


class Pushes:
    """Pushes of one user's objects, one after the other."""

    def __init__(self, desk: Desk, make: MakeObject) -> None:
        self.desk, self.make = desk, make

    def __call__(
        self, *, wish: Wish = ONLY_CHANGED, token: str = "", heard: bool = True, **content: Any
    ) -> Any:
        """Push an object; what is sent of it, None where that is nothing."""
        memory = self.desk.opened(wish, token)
        reduced = memory.reduce([self.make("ada", **content)])
        (self.item,) = reduced.changed or reduced.unchanged
        if heard:
            self.desk.accept(memory, reduced.changed)
        memory.close()
        return said(reduced)[0] if reduced.changed else None

    @property
    def saved(self) -> tuple[int, dict[str, int]]:
        """How many values were left out of the last object, and what they cost."""
        found = self.item.saved
        return (found.values, dict(found.points)) if found else (0, {})


@pytest.fixture
def push(desk: Desk, make: MakeObject) -> Pushes:
    return Pushes(desk, make)


A: dict[str, dict[str, Any]] = {
    "a text": {"x": "A"},
    "a number": {"x": 1},
    "null": {"x": None},
    "an array": {"x": ["A"]},
    "an object": {"x": {"k": "A"}},
    "a key": {"o": {"k": "A", "m": "other"}, **MERGED},
    "an object of a key": {"o": {"k": {"i": 1}, "m": "other"}, **MERGED},
    "a tag": {"t": {"add": ["A"]}},
    "several tags": {"t": {"add": ["A", "C"]}},
    "tags that go": {"t": {"remove": ["A", "C"]}},
}
B: dict[str, dict[str, Any]] = {
    **{key: {"x": "B"} for key in ["a text", "a number", "null", "an array", "an object"]},
    **{key: {"o": {"k": "B"}, **MERGED} for key in ["a key", "an object of a key"]},
    **{key: {"t": {"remove": ["A"]}} for key in ["a tag", "several tags"]},
    "tags that go": {"t": {"add": ["A"]}},
}
each = pytest.mark.parametrize("what", list(A))
beside: dict[str, Any] = {"y": "same", "z": 5}
"""What is said besides, and stays as it is."""


@each
def test_what_may_have_arrived_is_believed_no_longer(push: Pushes, what: str) -> None:
    """A, then B whose answer is lost, then A: Braze may hold B, so A is sent; what stands beside it is not."""
    push(**A[what], **beside)
    push(**B[what], **beside, heard=False)
    sent = push(**A[what], **beside)
    expected = {"o": {"k": A[what]["o"]["k"]}, **MERGED} if "o" in A[what] else A[what]
    assert sent == expected
    assert push(**A[what], **beside) is None


def test_all_that_may_have_arrived_is_believed_no_longer(push: Pushes) -> None:
    was = {"x": "A", "n": 1, "o": {"k": "A"}, "t": {"add": ["A"]}, **MERGED}
    now = {"x": "B", "n": 2, "o": {"k": "B"}, "t": {"add": ["B"]}, **MERGED}
    push(**was, **beside)
    assert push(**now, **beside, heard=False) == now
    assert push(**was, **beside) == was


@each
def test_b_and_a_again_is_sent(push: Pushes, what: str) -> None:
    push(**A[what], **beside)
    assert push(**B[what], **beside) is not None
    assert push(**A[what], **beside) is not None
    assert push(**A[what], **beside) is None


@each
def test_what_is_left_out_is_counted(push: Pushes, what: str) -> None:
    content = A[what]
    push(**content, **beside)
    values = {"a key": 2, "an object of a key": 2, "several tags": 2, "tags that go": 2}.get(what, 1)
    (name,) = content.keys() - MERGED.keys()
    assert push(**content, **beside, news=1) == {
        "news": 1,
        **{k: v for k, v in content.items() if k in MERGED},
    }
    assert push.saved == (values + 2, {name: values, "y": 1, "z": 1})
    assert push(**content, **beside) is None
    assert push.saved == (values + 2, {name: values, "y": 1, "z": 1})


def test_an_object_with_several_keys_costs_each_of_them(push: Pushes) -> None:
    whole = {"x": {"k": 1, "m": {"i": 1, "j": 2}}}
    push(**whole)
    assert push(**whole, news=1) == {"news": 1}
    assert push.saved == (1, {"x": 3})
    key = {"o": {"k": {"i": 1, "j": 2}, "m": 1}, **MERGED}
    push(**key)
    assert push(**key, news=2) == {"news": 2, **MERGED}
    assert push.saved == (2, {"o": 3})


def test_a_standard_field_costs_one_whatever_it_holds_and_a_key_of_its_name_does_not(push: Pushes) -> None:
    content = {"facebook": {"id": "5", "likes": ["a", "b"]}, "o": {"facebook": {"i": 1, "j": 2}}, **MERGED}
    push(**content)
    assert push(**content, news=1) == {"news": 1, **MERGED}
    assert push.saved == (2, {"facebook": 1, "o": 2})
    other = {"id": "5", "likes": ["a"]}
    assert push(**{**content, "facebook": other}) == {"facebook": other, **MERGED}


@each
@pytest.mark.parametrize(
    "wish", [Wish(only_changed=True, ignore=True), Wish(only_changed=True, refresh_after=0)]
)
def test_the_very_same_is_sent_again_when_all_is(push: Pushes, what: str, wish: Wish) -> None:
    """It is known by one hash, and that does not count either."""
    content = {**A[what], **beside}
    push(**content)
    assert push(**content, wish=wish) == content
    assert push(**content) is None


@pytest.mark.parametrize("operation", ["add", "remove"])
def test_of_several_arrays_only_new_tags_are_sent_and_all_are_known_then(
    push: Pushes, operation: str
) -> None:
    def tags(t: str, s: str) -> dict[str, Any]:
        return {"t": {operation: [*t]}, "s": {operation: [*s]}}

    push(**tags("ab", "uv"))
    assert push(**tags("bc", "vw")) == tags("c", "w")
    assert push.saved == (2, {"t": 1, "s": 1})
    assert push(**tags("abc", "uvw")) is None
    assert push.saved == (6, {"t": 3, "s": 3})


def test_a_new_key_leaves_the_others_known(push: Pushes) -> None:
    push(o={"a": "1", "b": "2", "c": "3"}, **MERGED)
    assert push(o={"a": "1", "b": "other", "c": "3"}, **MERGED) == {"o": {"b": "other"}, **MERGED}
    assert push(o={"a": "1", "c": "3"}, **MERGED) is None
    assert push(o={"a": "1", "b": "other", "c": "3"}, **MERGED) is None


@each
def test_what_the_same_push_told_is_told_again_and_known_to_the_next(push: Pushes, what: str) -> None:
    """A try that goes on after a kill must count what it had sent."""
    push(**beside)
    for _ in range(2):
        assert push(**A[what], **beside, token="one") == A[what]
    assert push(**A[what], **beside, token="two") is None


@each
def test_what_the_same_push_told_is_forgotten_before_it_is_told_otherwise(push: Pushes, what: str) -> None:
    push(**beside)
    push(**A[what], **beside, token="one")
    push(**B[what], **beside, token="one", heard=False)
    assert push(**A[what], **beside, token="two") is not None


@each
def test_a_push_without_only_changed_takes_back_what_it_sends_and_no_more(push: Pushes, what: str) -> None:
    push(**A[what], **beside)
    assert push(**B[what], wish=Wish(), heard=False) == B[what]
    assert push(**A[what], **beside) is not None
    assert push.saved[1].items() >= {"y": 1, "z": 1}.items()


@each
def test_a_push_without_only_changed_sends_what_is_known_too(push: Pushes, what: str) -> None:
    content = {**A[what], **beside}
    push(**content)
    assert push(**content, wish=Wish()) == content
    assert push(**content) == content


@each
def test_ignored_all_is_sent_and_known_then(push: Pushes, what: str) -> None:
    ignore = Wish(only_changed=True, ignore=True)
    push(**A[what], **beside, more=1)
    assert push(**A[what], **beside, wish=ignore) == {**A[what], **beside}
    assert push(**A[what], **beside) is None
    assert push(more=1) == {"more": 1}


@each
def test_when_all_is_due_all_is_sent_and_known_then(push: Pushes, what: str) -> None:
    due = Wish(only_changed=True, refresh_after=0)
    push(**A[what], **beside, more=1)
    assert push(**A[what], **beside, wish=due, heard=False) == {**A[what], **beside}
    assert push(**A[what], **beside) == {**A[what], **beside}
    assert push(**A[what], **beside) is None


@each
def test_whom_only_this_push_has_told_is_told_again_by_it_alone(push: Pushes, what: str) -> None:
    for _ in range(2):
        assert push(**A[what], **beside, token="one") == {**A[what], **beside}
    assert push(**A[what], **beside, token="two") is None


@each
def test_what_the_same_push_ignored_and_told_is_forgotten_before_it_is_told_otherwise(
    push: Pushes, what: str
) -> None:
    ignore = Wish(only_changed=True, ignore=True)
    push(**A[what], **beside, token="one", wish=ignore)
    push(**B[what], token="one", wish=ignore, heard=False)
    assert push(**A[what], **beside, token="two") is not None
    assert push.saved[1].items() >= {"y": 1, "z": 1}.items()


def test_of_what_the_same_push_told_some_may_be_forgotten_and_the_rest_stays_its_own(push: Pushes) -> None:
    push(more=1)
    push(x="A", y="same", token="one")
    push(x="B", token="one", heard=False)
    assert push(y="same", token="one") == {"y": "same"}
    assert push(x="A", y="same", token="two") == {"x": "A"}


@each
def test_what_is_always_sent_is_never_known(push: Pushes, what: str) -> None:
    always = Wish(only_changed=True, always_send=frozenset({"x", "o", "t"}))
    push(**A[what], **beside, wish=always)
    assert push(**A[what], **beside, wish=always) == A[what]
    assert push(**A[what], **beside) == A[what]
    assert push(**A[what], **beside, wish=always) == A[what]


@each
def test_what_was_told_in_parts_is_known_as_a_whole_from_then_on(push: Pushes, what: str, desk: Desk) -> None:
    """The first time, value by value; the second, by one hash. It is counted alike."""
    push(**beside)
    push(**A[what])
    counted = []
    for _ in range(2):
        assert push(**A[what], **beside) is None
        counted.append(push.saved)
        (file,) = desk.folder.rglob("memory.sqlite")
        with closing(sqlite3.connect(file)) as db:
            ((whole,),) = db.execute("SELECT whole FROM users")
        assert whole
    assert counted[0] == counted[1]
    assert counted[0][0] == sum(counted[0][1].values()) >= 3


def test_who_is_told_and_then_not_found_is_not_known(desk: Desk, make: MakeObject) -> None:
    memory = desk.opened()
    desk.accept(memory, memory.reduce([make("ada", x="A")]).changed)
    memory.absent([make("ada", x="A")])
    memory.close()
    assert said(desk.push(make("ada", x="A"))) == [{"x": "A"}]


@pytest.mark.parametrize(("operation", "other"), [("add", "remove"), ("remove", "add")])
def test_four_hundred_known_tags_are_left_out_and_one_more_is_not(
    push: Pushes, operation: str, other: str
) -> None:
    """Braze keeps 500, and drops what was not added for longest."""
    many = [f"t{number}" for number in range(400)]
    push(t={operation: many})
    assert push(t={operation: many}) is None
    assert push(t={operation: many}, news=1) == {"news": 1}
    assert push(t={operation: ["t1", "one more"]}) == {"t": {operation: ["t1", "one more"]}}
    assert push(t={operation: ["t1"]}) == {"t": {operation: ["t1"]}}
    assert push(t={other: ["t1"]}) == {"t": {other: ["t1"]}}
    assert push(t={operation: ["t1"]}) == {"t": {operation: ["t1"]}}
    assert push(t={operation: ["t1"]}) is None


def test_attributes_of_others_are_not_remembered_from_then_on(desk: Desk, make: MakeObject) -> None:
    """Whoever is named by e-mail may be anybody."""
    for number in range(2):
        memory = desk.opened(token=f"{number}")
        by_email = make("a@example.com", kind="email", x="B", o={"k": "B"}, **MERGED)
        mine = {"x": "A", "o": {"k": "A"}, "y": "same", **MERGED}
        reduced = memory.reduce([by_email, make("ada", **mine)])
        left = {name: value for name, value in mine.items() if name != "y" or not number}
        assert said(reduced)[1] == left
        desk.accept(memory, [item for item in reduced.changed if item.identity[0] == "external_id"])
        memory.close()
    reduced = desk.push(make("ada", **mine))
    assert said(reduced) == [left]


@pytest.mark.parametrize("before", [{}, {"x": "A"}, {"x": "C"}])
def test_what_one_push_told_a_user_twice_and_was_heard_of_once(
    desk: Desk, make: MakeObject, before: dict[str, Any]
) -> None:
    """The first has been accepted, and is not in the file yet, when the second goes out, which says all again."""
    if before:
        desk.push(make("ada", **before))
    memory = desk.opened()
    desk.accept(memory, memory.reduce([make("ada", x="A", y="same")]).changed)
    memory.reduce([make("ada", x="B", y="same")])
    memory.close()
    assert said(desk.push(make("ada", x="A", y="same"))) == [{"x": "A", "y": "same"}]


def test_whose_an_attribute_is_may_turn_out_in_the_middle_of_a_push(desk: Desk, make: MakeObject) -> None:
    memory = desk.opened()
    for value in "AB":
        desk.accept(memory, memory.reduce([make("ada", x=value, y="same")]).changed)
        memory.reduce([make("a@example.com", kind="email", x="Z")])
    memory.close()
    assert said(desk.push(make("ada", x="B", y="same"))) == [{"x": "B"}]


def test_an_append_is_known_only_of_who_is_known(push: Pushes) -> None:
    append = {"x": "A", "_update_existing_only": True}
    assert push(**append) == push(**append) == append
    assert push(y=1, _update_existing_only=False) == {"y": 1, "_update_existing_only": False}
    assert push(y=1, _update_existing_only=False) is None
    assert push(**append) == append
    assert push(**append) is None
