"""Numbers of what can be said: what is forgotten is never found again under an old one."""

from __future__ import annotations

from airflow_provider_braze.memory.persistence.slots import MOST_SLOTS, Slots
from airflow_provider_braze.memory.rules import ADDED, KEY, REMOVED, UNSAFE, WHOLE, Statement


def slots() -> Slots:
    return Slots(
        [(1, ("o", KEY, "k")), (2, ("o", KEY, "m")), (3, ("x", WHOLE, "")), (4, ("o", WHOLE, ""))], 5
    )


def about(attribute: str, kind: str = WHOLE, key: str = "") -> Statement:
    return Statement(attribute, kind, key, ())


def test_who_forgets_whom() -> None:
    found = slots()
    assert found.rivals(about("o", KEY, "k")) == {1, 4}
    assert (
        found.rivals(about("o"))
        == found.rivals(about("o", UNSAFE))
        == found.rivals(about("o", ADDED))
        == {1, 2, 4}
    )
    assert found.rivals(about("x")) == {3}
    assert found.rivals(about("nothing")) == frozenset()


def test_a_new_number_is_a_rival_at_once() -> None:
    found = slots()
    for kind in (WHOLE, UNSAFE, ADDED):
        found.rivals(about("o", kind))
    assert found.number(about("o", ADDED)) == 5
    assert found.number(about("o", ADDED)) == 5
    assert found.new == [(5, ("o", ADDED, ""))]
    for kind in (WHOLE, UNSAFE, ADDED, REMOVED):
        assert found.rivals(about("o", kind)) == {1, 2, 4, 5}


def test_what_is_forgotten_gets_another_number() -> None:
    found = slots()
    found.number(about("o", ADDED))
    found.number(about("y"))
    assert found.rivals(about("o")) == {1, 2, 4, 5}
    assert found.rivals(about("x")) == {3}
    assert found.forget("o")
    assert not found.forget("o")
    assert found.new == [(6, ("y", WHOLE, ""))]
    assert found.rivals(about("o")) == frozenset()
    assert found.rivals(about("x")) == {3}
    assert found.number(about("o", KEY, "k")) == 7
    assert found.rivals(about("o")) == {7}
    assert found.by_number() == {3: ("x", WHOLE, ""), 6: ("y", WHOLE, ""), 7: ("o", KEY, "k")}


def test_there_are_not_more_than_there_may_be() -> None:
    found = slots()
    numbers = [found.number(about(f"a{at}")) for at in range(MOST_SLOTS)]
    assert numbers[-4:] == [None] * 4
    assert numbers[-5] == MOST_SLOTS
    assert found.number(about("x")) == 3
    found.forget("x")
    assert found.number(about("one more")) == MOST_SLOTS + 1


def test_another_file_begins_with_the_same_numbers() -> None:
    one, other = slots(), Slots([], 1)
    other.begin_like(one)
    assert other.by_number() == one.by_number() == dict(other.new)
    assert other.rivals(about("o")) == {1, 2, 4}
    assert other.number(about("x")) == 3
    assert other.number(about("y")) == one.number(about("y")) == 5
