"""What was decided of objects, done to them: each object by itself, of a block or not, without any file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_braze.memory.decisions.comparing import Compared
from airflow_provider_braze.memory.decisions.reducing import (
    AS_IT_IS,
    Decision,
    Sifted,
    Told,
    applied,
    decision_of,
    gathered,
    is_plain,
    sifted,
    some,
)
from airflow_provider_braze.memory.persistence.entries import UserEntries
from airflow_provider_braze.memory.rules import statements
from airflow_provider_braze.users_track.batching.record_block import BlockSlice, RecordBlock
from airflow_provider_braze.users_track.records import LedgerSegment
from airflow_provider_braze.users_track.rules.data_points import Billed
from tests.memory.remembering import an_object

ROW = UserEntries(-1, 0, 7, 0, b"")
TOLD = Told(5, ROW)
UNCHANGED = Decision(unchanged=Billed.of(("x", "y"), {}, 2))
SENT = Decision(TOLD)
PARTLY = Decision(TOLD, None, Billed.of_points(1, {"x": 1}), {"external_id": "a", "y": 2})


def a_slice(*users: str, kind: str = "external_id") -> BlockSlice:
    """What was taken of a block: one object of two values for each user."""
    found = RecordBlock(
        kind,
        users,
        [json.dumps({"external_id": user, "x": 1, "y": 2}).encode() for user in users],
        lines=range(2, len(users) + 2),
        texts=[f"{user},1,2" for user in users],
        segment=LedgerSegment(),
        cut=lambda text: text.split(","),
    )
    found.past_look_ahead = len(users)
    taken = found.take(len(users), 10_000)
    assert taken is not None
    return taken


def contents(part: Any) -> list[dict[str, Any]]:
    return [item.content for item in part.items()]


class TestGathered:
    def test_objects_and_blocks_one_after_the_other(self) -> None:
        one = an_object("c", x=1)
        one.checked = False
        found = gathered([a_slice("a", "b"), one, a_slice("d")])
        assert found.users == ["a", "b", "c", "d"]
        assert [json.loads(body)["external_id"] for body in found.bodies] == ["a", "b", "c", "d"]
        assert found.checked == [True, True, False, True]
        assert found.shared == []

    def test_whose_users_nobody_knows(self) -> None:
        event, by_email = an_object("e", name="bought"), an_object("m@example.com", kind="email", x=1)
        event.array = "events"
        block = a_slice("f", "g", kind="phone")
        found = gathered([event, by_email, block])
        assert found.users == [None] * 4
        assert len(found.bodies) == len(found.checked) == 4
        assert found.shared == [by_email.body, *block.block.bodies]

    def test_what_was_detached_of_a_block_is_passed_over(self) -> None:
        part = a_slice("a", "b", "c")
        part.block.detach(1)
        assert gathered([part]).users == ["a", "c"]

    def test_some_of_them(self) -> None:
        found = gathered([a_slice("a", "b", "c"), an_object("d", kind="email", x=1)])
        assert found.of([0, 2]).users == ["a", "c"]
        assert found.of([1]).bodies == [found.bodies[1]]
        assert found.of([1]).checked == [True]
        everything = found.of([0, 1, 2, 3])
        assert (everything.users, everything.bodies, everything.checked) == (
            found.users,
            found.bodies,
            found.checked,
        )
        assert everything.users is not found.users
        assert everything.shared == []

    def test_only_attributes_of_an_external_id_are_known(self) -> None:
        event = an_object("a", x=1)
        event.array = "events"
        assert [is_plain(each) for each in (an_object("a"), an_object("a", kind="email"), event)] == [
            True,
            False,
            False,
        ]


@pytest.mark.parametrize("indexes", [[], [0], [2], [0, 2], [0, 1, 2]])
def test_some_of_a_list(indexes: list[int]) -> None:
    assert list(some("abc", indexes)) == ["abc"[at] for at in indexes]


class TestApplied:
    def test_to_objects(self) -> None:
        unchanged, sent, partly, as_it_is = (an_object(user, x=1, y=2) for user in "uapn")
        partly.more = {"x": 5}
        found = applied([unchanged, sent, partly, as_it_is], [UNCHANGED, SENT, PARTLY, AS_IT_IS])
        assert found.unchanged == [unchanged]
        assert found.changed == [sent, partly, as_it_is]
        assert [item.told for item in found.changed] == [TOLD, TOLD, None]
        assert (unchanged.saved, sent.saved, as_it_is.saved) == (UNCHANGED.unchanged.saved, None, None)  # type: ignore[union-attr]
        assert partly.saved == (1, {"x": 1})
        assert partly.content == {"external_id": "a", "y": 2}
        assert partly.billed() == (("external_id", "y"), {})
        assert json.loads(sent.body) == {"external_id": "a", "x": 1, "y": 2}

    def test_what_has_no_values_saves_nothing(self) -> None:
        item = an_object("a")
        applied([item], [Decision(unchanged=Billed.of((), {}, 0))])
        assert item.saved is None

    def test_what_was_counted_ahead_is_taken_back_where_it_becomes_less(self) -> None:
        part = a_slice("a")
        (item,) = part.items()
        part.block.segment.data_points.add_counted({"x": 1, "y": 1})
        applied([item], [PARTLY])
        assert part.block.segment.data_points.by_attribute() == {}
        assert not item.billed_ahead

    def test_each_has_a_decision(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            applied([an_object("a")], [])


class TestSifted:
    def test_an_object(self) -> None:
        sent, unchanged = an_object("a", x=1), an_object("b", x=1)
        assert sifted(sent, [SENT]) is None
        assert sent.told == TOLD
        assert sifted(unchanged, [UNCHANGED]) == Sifted(items=[unchanged])

    def test_a_block_that_is_sent_as_it_is(self) -> None:
        part = a_slice("a", "b")
        assert sifted(part, [SENT, AS_IT_IS]) is None
        assert part.told == [TOLD, None]

    def test_a_block_of_which_nothing_is_left(self) -> None:
        found = sifted(a_slice("a", "b"), [UNCHANGED, UNCHANGED])
        assert found is not None
        assert (found.items, found.unchanged, found.reduced_by, found.changed) == (
            [],
            [UNCHANGED.unchanged] * 2,
            [],
            [],
        )

    def test_what_is_left_of_a_block(self) -> None:
        part = a_slice("u", "a", "gone", "p", "n")
        part.block.detach(2)
        found = sifted(part, [UNCHANGED, SENT, PARTLY, AS_IT_IS])
        assert found is not None
        assert found.unchanged == [UNCHANGED.unchanged]
        assert found.reduced_by == [PARTLY.left_out]
        (left,) = found.changed
        assert isinstance(left, BlockSlice)
        assert contents(left) == [
            {"external_id": "a", "x": 1, "y": 2},
            {"external_id": "a", "y": 2},
            {"external_id": "n", "x": 1, "y": 2},
        ]
        assert [item.identity[1] for item in left.items()] == ["a", "p", "n"]
        assert [item.references[0].line for item in left.items()] == [3, 5, 6]
        assert left.told == [TOLD, TOLD, None]
        assert left.left_out == [None, PARTLY.left_out, None]

    def test_something_left_out_of_one_is_enough(self) -> None:
        found = sifted(a_slice("a"), [PARTLY])
        assert found is not None
        assert contents(found.changed[0]) == [{"external_id": "a", "y": 2}]

    def test_each_has_a_decision(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            sifted(a_slice("a", "b"), [UNCHANGED, SENT, SENT])


class TestDecisionOf:
    content: dict[str, Any] = {"external_id": "a", "x": 1, "y": {"add": ["s", "t"]}}  # noqa: RUF012 - only read
    parts = statements(content)

    def decide(self, compared: Compared, *, unchanged: bool = False) -> Decision:
        return decision_of(5, self.content, self.parts, compared, unchanged=unchanged)

    def test_nothing_is_left(self) -> None:
        found = self.decide(Compared([(), ()], after=ROW, values=3), unchanged=True)
        assert found == Decision(unchanged=found.unchanged)
        assert found.unchanged is not None
        assert (found.unchanged.values, found.unchanged.points) == (3, {"x": 1, "y": 2})

    def test_all_of_it_is_sent(self) -> None:
        compared = Compared([(1,), ("s", "t")], after=ROW)
        assert self.decide(compared) == Decision(TOLD)
        compared.after = None
        assert self.decide(compared) == AS_IT_IS

    def test_some_of_it_is_sent(self) -> None:
        compared = Compared([(), ("t",)], after=ROW, values=2)
        compared.saved.update({"x": 1, "y": 1})
        found = self.decide(compared)
        assert found.told == TOLD
        assert found.unchanged is None
        assert found.left == {"external_id": "a", "y": {"add": ["t"]}}
        assert found.left_out is not None
        assert (found.left_out.values, found.left_out.points) == (2, {"x": 1, "y": 1})
