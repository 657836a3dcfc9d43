"""What objects cost, by numbers that are kept."""

from __future__ import annotations

import pytest

from airflow_provider_braze.memory.persistence import shapes
from airflow_provider_braze.memory.persistence.shapes import Shapes, billed_of

CONTENT = {
    "external_id": "a",
    "x": 1,
    "o": {"k": 1, "l": 2},
    "_merge_objects": True,
    "t": {"add": ["s", "t"]},
}


def test_numbers_are_given_from_one_on_and_found_again() -> None:
    known = Shapes([])
    one = known.number(("external_id", "x"), {}, 1)
    others = [
        known.number(*each)
        for each in (
            (("external_id", "y"), {}, 1),
            (("external_id", "x"), {"x": 1}, 1),
            (("external_id", "x"), {}, 2),
        )
    ]
    assert (one, others) == (1, [2, 3, 4])
    assert known.number(("external_id", "x"), {}, 1) == 1
    assert known.number(("external_id", "x"), {"x": 1}, 1) == 3
    billed = known.billed(3)
    assert billed is not None
    assert (billed.names, billed.values, billed.points) == (("external_id", "x"), 1, {"x": 2})


def test_what_is_written_down_is_known_to_the_next_and_written_once() -> None:
    known = Shapes([])
    known.number(("external_id", "x"), {"x": 2}, 3)
    written = known.new()
    assert written == [(1, '["external_id", "x"]', '{"x": 2}', 3)]
    assert known.new() == []
    known.number(("y",), {}, 1)
    assert known.new() == [(2, '["y"]', "{}", 1)]
    again = Shapes(written)
    assert again.new() == []
    assert again.number(("external_id", "x"), {"x": 2}, 3) == 1
    assert again.number(("y",), {}, 1) == 2
    assert again.new() == [(2, '["y"]', "{}", 1)]
    assert again.billed(1) == known.billed(1)


def test_a_number_that_does_not_tell() -> None:
    known = Shapes([])
    assert known.billed(0) is None
    assert known.billed(9) is None
    assert known.billed(0, CONTENT) == billed_of(CONTENT)
    number = known.number(("x",), {}, 1)
    assert known.billed(number, CONTENT) == known.billed(number) != billed_of(CONTENT)


def test_there_are_no_more_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MOST_SHAPES", 2)
    known = Shapes([])
    assert [known.number((name,), {}, 1) for name in "abca"] == [1, 2, 0, 1]
    assert len(known.new()) == 2


def test_what_an_object_costs() -> None:
    billed = billed_of(CONTENT)
    assert billed.names == tuple(CONTENT)
    assert billed.values == 5
    assert billed.points == {"x": 1, "o": 2, "t": 2}
