"""Objects on their way: the records they come from, packed and unpacked as they were read."""

from __future__ import annotations

import pytest

from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.records import ALREADY_SETTLED, LedgerSegment, RecordReference
from tests.users_track.pushing import profile_object


class TestOrigin:
    @pytest.mark.parametrize(
        "cells", [["a"], ["a", "b"], ["", ""], [""], [], ["a\x1fb"], ["a", "\x1f", "c"], ("a", "b")]
    )
    @pytest.mark.parametrize("segment", [None, ALREADY_SETTLED, LedgerSegment()])
    def test_a_record_is_given_back_as_it_was_read(
        self, cells: list[str], segment: LedgerSegment | None
    ) -> None:
        reference = RecordReference.of(7, cells, segment)
        assert list(reference.cells) == list(cells)
        assert reference.line == 7
        assert reference.segment is segment

    def test_a_record_waits_as_one_text(self) -> None:
        for cells in ["a"], ["a", "b"], [""] * 16:
            assert isinstance(RecordReference.of(7, cells).packed, str)

    @pytest.mark.parametrize("separator", ["", "\x1f"])
    def test_every_cell_weighs_something(self, separator: str) -> None:
        text = RecordReference.of(7, ["abc" + separator, "de"])
        assert text.weight >= len("abcde")
        empty = RecordReference.of(7, [separator, *[""] * 1000])
        assert empty.weight >= 1000


class TestSettledEarlier:
    def test_only_an_object_without_a_record_of_this_try_is(self) -> None:
        earlier, mine = RecordReference.of(1, ["a"], ALREADY_SETTLED), RecordReference.of(2, ["a"])
        for references, settled in [
            ([earlier], True),
            ([earlier, mine], False),
            ([mine], False),
            ([], False),
        ]:
            item = ProfileObject("attributes", ("external_id", "a"), {}, references)
            assert item.settled_earlier is settled


def test_the_content_is_the_same_before_and_after_it_is_written() -> None:
    item = profile_object("a", x=1, nested={"a": [1.5, None]})
    before, billed = item.content, item.billed()
    assert item.encode() is None
    assert item.content == before
    assert item.billed() == billed
