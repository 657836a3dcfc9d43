"""Batches: full, within both limits, no user twice in flight, and merged exactly within the look-ahead."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from airflow_provider_braze.users_track.batching import merge_window as batches
from airflow_provider_braze.users_track.batching.merge_window import (
    LOOK_AHEAD_RECORDS,
    MOST_CHARACTERS,
    MOST_RECORDS,
    Batch,
    MergeWindow,
    ProfileObject,
)
from airflow_provider_braze.users_track.records import ALREADY_SETTLED, RecordReference
from airflow_provider_braze.users_track.rules import limits
from tests.users_track.pushing import batch_of, block, event, people, profile_object, purchase


def take(items: Iterable[ProfileObject], window: MergeWindow | None = None) -> list[Batch]:
    """Send everything as a push with one request at a time would, checking the window's bounds."""
    window = window or MergeWindow()
    found: list[Batch] = []

    def take() -> None:
        batch = window.take()
        assert batch is not None, "nobody is in flight, and yet there is nothing to send"
        found.append(batch)
        window.release(batch.parts)

    for item in items:
        assert window.add(item) is None
        assert window.records <= MOST_RECORDS
        while window.full:
            take()
    window.finish()
    while not window.empty:
        take()
    assert window.records == window.characters == 0
    return found


def lines(item: ProfileObject) -> list[int]:
    return [reference.line for reference in item.references]


def test_a_thousand_users_make_fourteen_requests() -> None:
    sizes = [len(batch.items) for batch in take(people(1000))]
    assert sizes == [75] * 13 + [25]


@pytest.mark.no_mutation
def test_every_batch_but_the_last_is_full_in_a_long_file() -> None:
    sizes = [len(batch.items) for batch in take(people(20_000))]
    assert set(sizes[:-1]) == {75}
    assert sum(sizes) == 20_000


@pytest.mark.no_mutation
@pytest.mark.parametrize("share", [2, 10, 50])
def test_duplicates_do_not_shrink_batches(share: int) -> None:
    chance = random.Random(share)
    items = []
    for n in range(12_000):
        again = items and chance.randrange(100) < share
        user = chance.choice(items[-3000:]).identity[1] if again else f"u{n}"
        items.append(profile_object(user, n, x=n))
    found = take(items)
    assert {len(batch.items) for batch in found[:-1]} == {75}
    assert sum(len(item.references) for batch in found for item in batch.items) == 12_000


@pytest.mark.no_mutation
def test_adjacent_records_of_one_user_do_not_shrink_batches() -> None:
    found = take(profile_object(f"u{n // 20}", n, x=n) for n in range(40_000))
    assert [len(batch.items) for batch in found] == [75] * 26 + [50]


@pytest.mark.parametrize("distance", [1, 2, 74, 75, 76, 4925, LOOK_AHEAD_RECORDS - 1, LOOK_AHEAD_RECORDS])
@pytest.mark.parametrize("before", [0, 74, 75, 3000])
def test_records_within_the_look_ahead_are_merged(distance: int, before: int) -> None:
    items = people(before + distance + 100)
    items[before] = profile_object("twice", before, x=1, y=1)
    items[before + distance] = profile_object("twice", before + distance, x=2)
    twice = [i for batch in take(items) for i in batch.items if i.identity[1] == "twice"]
    assert [lines(item) for item in twice] == [[before, before + distance]]
    assert twice[0].content == {"external_id": "twice", "x": 2, "y": 1}
    assert json.loads(twice[0].body) == twice[0].content


@pytest.mark.parametrize("distance", [LOOK_AHEAD_RECORDS + 1, LOOK_AHEAD_RECORDS + 74, 7000])
def test_records_beyond_the_look_ahead_go_out_one_after_the_other(distance: int) -> None:
    items = people(distance + 100)
    items[0] = profile_object("twice", 0, x=1)
    items[distance] = profile_object("twice", distance, x=2)
    twice = [i for batch in take(items) for i in batch.items if i.identity[1] == "twice"]
    assert [lines(item) for item in twice] == [[0], [distance]]


def test_users_with_many_records_before_them_are_looked_ahead_for_as_far() -> None:
    # 74 users take 4,000 records, so that the 75th of the batch lies late in the window.
    items = [profile_object(f"many{n % 74}", n, x=n) for n in range(4000)]
    items += [profile_object("late", 4000, x=1), *people(4500), profile_object("late", 8501, x=2)]
    late = [i for batch in take(items) for i in batch.items if i.identity[1] == "late"]
    assert [lines(item) for item in late] == [[4000, 8501]]


@pytest.mark.no_mutation
def test_few_users_with_very_many_records_are_looked_ahead_for_as_far() -> None:
    found = take(profile_object(f"u{n % 10}", n, x=n) for n in range(50_100))
    assert {len(item.references) for batch in found for item in batch.items} == {501}


def test_invalid_records_count_for_the_look_ahead() -> None:
    window = MergeWindow()
    window.add(profile_object("twice", 0, x=1))
    for _ in range(LOOK_AHEAD_RECORDS):
        window.skip()
    window.add(profile_object("twice", 1, x=2))
    window.finish()
    batch = window.take()
    assert batch is not None
    assert lines(batch.items[0]) == [0]


@pytest.mark.no_mutation
def test_one_user_twenty_thousand_times() -> None:
    found = take(profile_object("one", n, x=n, tags={"add": [n % 7]}) for n in range(20_000))
    items = [item for batch in found for item in batch.items]
    assert [line for item in items for line in lines(item)] == list(range(20_000))
    assert len(items) == math.ceil(20_000 / (LOOK_AHEAD_RECORDS + 1))
    assert items[-1].content["x"] == 19_999
    assert {len(batch.items) for batch in found} == {1}


@pytest.mark.no_mutation
def test_what_is_merged_does_not_depend_on_how_long_a_user_is_in_flight() -> None:
    """A user's second object merges with the same records, whether the first was answered at once or late."""
    items = [*people(6000), profile_object("a", 6000, x=0)]
    at = (0, 5001, 5500)
    for position in at:
        items[position] = profile_object("a", position, x=position)
    found = [lines(i) for batch in take(items) for i in batch.items if i.identity[1] == "a"]

    window, slow, flying = MergeWindow(), [], []
    for item in [profile_object(i.identity[1], i.references[0].line, x=0) for i in items]:  # type: ignore[arg-type]
        window.add(item)
        while window.full and (batch := window.take()):
            flying.append(batch)
    window.finish()
    while not window.empty or flying:
        batch = window.take()
        if batch:
            flying.append(batch)
        else:
            done = flying.pop(0)
            slow += [lines(i) for i in done.items if i.identity[1] == "a"]
            window.release(done.parts)
    assert slow == found == [[0], [5001, 5500, 6000]]


class TestInFlight:
    def test_no_user_is_dealt_out_before_release(self) -> None:
        window = MergeWindow(objects_per_request=2)
        for item in (profile_object("a", 1, x=1), profile_object("b", 2)):
            window.add(item)
        window.finish()
        first = window.take()
        assert first is not None
        window.add(profile_object("a", 3, x=2))
        window.finish()
        assert window.take() is None
        assert not window.empty
        window.release(first.parts)
        second = window.take()
        assert second is not None
        assert [lines(item) for item in second.items] == [[3]]

    def test_records_that_wait_are_merged_with_each_other_not_with_those_in_flight(self) -> None:
        window = MergeWindow()
        window.add(profile_object("a", 1, x=1))
        window.finish()
        first = window.take()
        assert first is not None
        body = first.body(None)
        window.add(profile_object("a", 2, x=2))
        window.add(profile_object("a", 3, y=3))
        window.finish()
        assert first.body(None) == body
        window.release(first.parts)
        second = window.take()
        assert second is not None
        assert second.items[0].content == {"external_id": "a", "x": 2, "y": 3}

    def test_a_user_with_several_objects_is_released_once(self) -> None:
        window = MergeWindow(objects_per_request=2)
        for line in range(5):
            window.add(event("a", line))
        sent = []
        while batch := window.take():
            assert window.take() is None
            sent.append([reference.line for item in batch.items for reference in item.references])
            window.release(batch.parts)
        assert sent == [[0, 1], [2, 3], [4]]
        assert window.empty

    def test_there_is_something_to_wait_for_until_every_batch_is_released(self) -> None:
        window = MergeWindow(objects_per_request=2)
        assert not window.waits
        for item in people(3):
            window.add(item)
        window.finish()
        first, second = window.take(), window.take()
        assert first is not None
        assert second is not None
        window.release(first.parts)
        assert window.waits
        window.release(second.parts)
        assert not window.waits

    def test_an_object_that_waited_is_looked_ahead_for_after_release(self) -> None:
        window = MergeWindow(objects_per_request=1)
        window.add(profile_object("a", 0, x=1))
        for _ in range(LOOK_AHEAD_RECORDS):
            window.skip()
        first = window.take()
        assert first is not None
        window.add(profile_object("a", 1, x=2))
        window.release(first.parts)
        assert not window.full
        for _ in range(LOOK_AHEAD_RECORDS):
            window.skip()
        assert window.full
        second = window.take()
        assert second is not None
        assert lines(second.items[0]) == [1]


@pytest.mark.no_mutation
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_order_of_reading_sending_and_answering(data: st.DataObject) -> None:
    """Model: a user is never twice in flight, one attributes object a batch, file order, nothing lost."""
    look_ahead = data.draw(st.integers(0, 12))
    before, batches.LOOK_AHEAD_RECORDS = batches.LOOK_AHEAD_RECORDS, look_ahead
    try:
        window = MergeWindow(objects_per_request=data.draw(st.integers(1, 4)), bytes_per_request=400)
        flying: list[Batch] = []
        seen: dict[Any, list[int]] = {}
        total = data.draw(st.integers(0, 40))
        line = 0
        while line < total or flying or not window.empty:
            if line < total and not window.full:
                user = data.draw(st.sampled_from("abcd"))
                array = data.draw(st.sampled_from(["attributes"] * 4 + ["events", "together"]))
                if array == "together":
                    users = data.draw(
                        st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=total - line)
                    )
                    assert not window.add_block(block(users, line))
                    line += len(users)
                    if line == total:
                        window.finish()
                    continue
                extra = {"name": "n", "time": "t"} if array == "events" else {"x": line}
                assert window.add(profile_object(user, line, array, **extra)) is None
                line += 1
                if line == total:
                    window.finish()
                continue
            batch = window.take()
            if batch is not None and (not flying or data.draw(st.booleans())):
                flying.append(batch)
                _check(batch, flying, window.objects_per_request, look_ahead, seen)
                continue
            if batch is not None:
                flying.append(batch)
                _check(batch, flying, window.objects_per_request, look_ahead, seen)
            assert flying, "neither something to send nor something to wait for"
            window.release(flying.pop(data.draw(st.integers(0, len(flying) - 1))).parts)
        assert sorted(each for found in seen.values() for each in found) == list(range(total))
        assert all(found == sorted(found) for found in seen.values())
        assert window.records == window.characters == 0
    finally:
        batches.LOOK_AHEAD_RECORDS = before


def _check(
    batch: Batch, flying: list[Batch], objects: int, look_ahead: int, seen: dict[Any, list[int]]
) -> None:
    body = batch.body(None)
    assert len(body) <= 400
    counts, records = batch.counts(), batch.records
    assert 0 < len(batch.items) <= objects
    assert (batch.body(None), batch.counts(), batch.records) == (body, counts, records)
    users = [{item.identity for item in each.items} for each in flying]
    assert sum(map(len, users)) == len(set().union(*users))
    attributes = [item.identity for item in batch.items if item.array == "attributes"]
    assert len(attributes) == len(set(attributes))
    for item in batch.items:
        assert lines(item)[-1] - lines(item)[0] <= look_ahead
        seen.setdefault(item.identity, []).extend(lines(item))


class TestLimits:
    def test_the_byte_limit_closes_a_batch(self) -> None:
        found = take(profile_object(f"u{n}", n, text="x" * 100_000) for n in range(100))
        assert [len(batch.items) for batch in found] == [39, 39, 22]
        assert all(len(batch.body(None)) <= limits.BYTES_PER_REQUEST for batch in found)

    @pytest.mark.parametrize("partner", [None, "acme", "ä" * 50])
    def test_no_body_is_larger_than_the_limit_and_none_could_hold_one_more(self, partner: str | None) -> None:
        window = MergeWindow(bytes_per_request=1000, partner=partner)
        found = take((profile_object(f"u{n:03}", n, text="é" * (n % 40)) for n in range(300)), window)
        for batch, after in zip(found, [*found[1:], None], strict=True):
            size = len(batch.body(partner))
            assert size <= 1000
            if after is not None:
                spare = len('"events":[],"purchases":[],')
                assert size + 1 + len(after.items[0].body) > 1000 - spare

    @pytest.mark.parametrize(("partner", "rest"), [(None, ""), ("acme", ',"partner":"acme"')])
    def test_one_object_over_the_limit_is_invalid_and_one_at_it_is_not(
        self, partner: str | None, rest: str
    ) -> None:
        envelope = len('{"attributes":[],"events":[],"purchases":[]}' + rest)
        window = MergeWindow(bytes_per_request=1000, partner=partner)
        base = len('{"external_id":"u","text":""}')
        assert window.add(profile_object("u", 1, text="x" * (1000 - envelope - base))) is None
        reason = window.add(profile_object("v", 2, text="x" * (1001 - envelope - base)))
        assert reason == "larger than a request may be (1000 bytes)"
        window.finish()
        batch = window.take()
        assert batch is not None
        assert [item.identity[1] for item in batch.items] == ["u"]
        assert window.empty

    @pytest.mark.parametrize(("spare", "requests"), [(0, 1), (-1, 2)])
    def test_a_users_objects_travel_together_as_far_as_the_request_holds_them(
        self, spare: int, requests: int
    ) -> None:
        items = [event("a", 1), event("a", 2)]
        envelope = len('{"attributes":[],"events":[,],"purchases":[]}')
        both = sum(len(json.dumps(item.content, separators=(",", ":"))) for item in items)
        found = take(items, MergeWindow(bytes_per_request=envelope + both + spare))
        assert [line for batch in found for item in batch.items for line in lines(item)] == [1, 2]
        assert len(found) == requests

    @pytest.mark.parametrize(("spare", "objects"), [(0, 1), (-1, 2)])
    def test_a_merged_object_may_be_as_large_as_a_request(self, spare: int, objects: int) -> None:
        envelope = len('{"attributes":[],"events":[],"purchases":[]}')
        whole = len('{"external_id":"u","a":"","b":""}') + 300
        window = MergeWindow(bytes_per_request=envelope + whole + spare)
        found = take([profile_object("u", 1, a="x" * 150), profile_object("u", 2, b="y" * 150)], window)
        assert sum(len(batch.items) for batch in found) == objects

    def test_what_a_merged_object_weighs_and_costs(self) -> None:
        window = MergeWindow()
        for line in range(3):
            window.add(profile_object("u", line, tags={"add": [f"t{line}", "t"]}, **{f"x{line}": 1}))
        weight = window.characters
        window.finish()
        batch = window.take()
        assert batch is not None
        (item,) = batch.items
        assert weight == len(item.body) + sum(reference.weight for reference in item.references)
        assert item.billed() == (("external_id", "tags", "x0", "x1", "x2"), {"tags": 3})

    def test_records_that_fit_alone_are_not_merged_into_one_that_does_not(self) -> None:
        window = MergeWindow(bytes_per_request=1000)
        found = take([profile_object("u", 1, a="x" * 500), profile_object("u", 2, b="y" * 500)], window)
        assert [lines(item) for batch in found for item in batch.items] == [[1], [2]]

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (float("nan"), "a value of type float that is infinite or not a number"),
            (float("inf"), "a value of type float that is infinite or not a number"),
            ({"deep": [1, {"x": -math.inf}]}, "a value of type float that is infinite or not a number"),
            (object(), "TypeError"),
            ({None: 1}, "TypeError"),
            ("\ud800", "UnicodeEncodeError"),
        ],
    )
    def test_what_is_no_json_is_invalid_alone(self, value: Any, problem: str) -> None:
        window = MergeWindow()
        assert window.add(profile_object("u", 1, x=1)) is None
        assert window.add(profile_object("u", 2, x=value)) == f"not JSON: {problem}"
        window.add(profile_object("u", 3, y=3))
        window.finish()
        batch = window.take()
        assert batch is not None
        assert [lines(item) for item in batch.items] == [[1, 3]]

    @pytest.mark.parametrize(("levels", "taken"), [(2, True), (99, True), (100, False), (900, False)])
    @pytest.mark.parametrize("wrap", [lambda value: {"a": value}, lambda value: [value]])
    def test_what_is_nested_too_deep_is_invalid_alone(self, levels: int, taken: bool, wrap: Any) -> None:
        value: Any = None
        for _ in range(levels):
            value = wrap(value)
        window = MergeWindow()
        for line in range(3):
            content = {"before": [[], {}], "x": value, "after": [[], {}], "last": 1}
            reason = window.add(profile_object("u", line, _merge_objects=True, n=line, **content))
            assert reason == (None if taken else "nested deeper than 100 levels")
        window.add(profile_object("u", 9, y=1))
        window.finish()
        assert sum(len(item.references) for item in window.drain()) == (4 if taken else 1)

    def test_many_objects_side_by_side_are_not_deep(self) -> None:
        assert profile_object("u", rows=[{"a": [n]} for n in range(500)]).encode() is None

    def test_a_null_is_sent_though_a_number_that_is_none_is_not(self) -> None:
        assert profile_object("u", x=None, y=[1.5, {"z": None}]).encode() is None

    def test_memory_is_bounded_by_characters(self) -> None:
        window, most = MergeWindow(), 0
        for n in range(2000):
            window.add(profile_object(f"u{n}", n, text="x" * 40_000))
            most = max(most, window.characters)
            while window.full:
                batch = window.take()
                assert batch is not None
                assert len(batch.items) == 75
                window.release(batch.parts)
        assert MOST_CHARACTERS <= most < MOST_CHARACTERS + 100_000

    def test_a_window_that_is_too_long_deals_out_no_more_than_makes_the_batch_whole(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        window = MergeWindow(objects_per_request=2)
        for line, user in enumerate("abc"):
            window.add(profile_object(user, line, x=1))
        assert not window.full
        monkeypatch.setattr(batches, "MOST_CHARACTERS", window.characters)
        assert window.full
        batch = window.take()
        assert batch is not None
        assert [lines(item) for item in batch.items] == [[0], [1]]
        assert not window.full

    def test_a_batch_that_is_whole_ends_no_look_ahead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        window = MergeWindow(objects_per_request=1)
        window.add(event("a", 1))
        window.add(profile_object("b", 2, x=1))
        monkeypatch.setattr(batches, "MOST_CHARACTERS", window.characters)
        batch = window.take()
        assert batch is not None
        assert [lines(item) for item in batch.items] == [[1]]
        assert not window.full

    @pytest.mark.no_mutation
    def test_empty_cells_weigh_too(self) -> None:
        window = MergeWindow()
        for n in range(1000):
            item = ProfileObject(
                "attributes", ("external_id", str(n)), {}, [RecordReference.of(n, [""] * 100_000)]
            )
            window.add(item)
            if window.full:
                break
        assert window.records < 500

    @pytest.mark.no_mutation
    def test_memory_is_bounded_by_records_while_every_user_is_in_flight(self) -> None:
        window = MergeWindow()
        window.add(profile_object("a", 0, x=0))
        window.finish()
        first = window.take()
        assert first is not None
        n = 0
        while not window.full:
            n += 1
            assert window.add(profile_object("a", n, x=n)) is None
        assert n == MOST_RECORDS
        assert window.take() is None
        window.release(first.parts)
        assert window.take() is not None

    def test_a_lower_number_of_objects_holds_from_the_next_batch_on(self) -> None:
        window = MergeWindow()
        for item in people(100):
            window.add(item)
        window.finish()
        assert len(window.take().items) == 75  # type: ignore[union-attr]
        window.objects_per_request = 10
        assert len(window.take().items) == 10  # type: ignore[union-attr]


class TestArrays:
    def test_events_and_purchases_never_merge(self) -> None:
        found = take([event("a", n) for n in range(3)] + [purchase("a", n) for n in range(3, 6)])
        assert [lines(item) for item in found[0].items] == [[0], [1], [2], [3], [4], [5]]
        assert found[0].counts() == {"attributes": 0, "events": 3, "purchases": 3}

    def test_a_users_attributes_and_events_travel_together(self) -> None:
        items = [
            profile_object("a", 1, x=1),
            profile_object("b", 2, x=1),
            event("a", 3),
            event("b", 4),
            event("a", 5),
        ]
        found = take(items)
        assert len(found) == 1
        assert [lines(item) for item in found[0].items] == [[1], [3], [5], [2], [4]]

    def test_without_room_the_rest_of_a_user_follows_after_the_answer(self) -> None:
        found = take(
            [profile_object("a", 1, x=1), event("a", 2), event("a", 3)], MergeWindow(objects_per_request=2)
        )
        assert [[lines(item) for item in batch.items] for batch in found] == [[[1], [2]], [[3]]]

    def test_what_braze_would_process_out_of_order_goes_in_separate_requests(self) -> None:
        items = [event("a", 1), profile_object("a", 2, x=1), purchase("a", 3), event("a", 4)]
        found = take(items)
        assert [[lines(item) for item in batch.items] for batch in found] == [[[1]], [[2], [3]], [[4]]]

    def test_attributes_that_cannot_merge_go_one_after_the_other(self) -> None:
        found = take([profile_object("a", 1, t={"add": ["x"]}), profile_object("a", 2, t={"remove": ["x"]})])
        assert [[lines(item) for item in batch.items] for batch in found] == [[[1]], [[2]]]

    def test_tags_are_united_where_they_are_plain_arrays(self) -> None:
        window = MergeWindow(united=frozenset({"tags"}))
        found = take(
            [
                profile_object("a", 1, tags=["x"], other=["x"]),
                profile_object("a", 2, tags=["y"], other=["y"]),
            ],
            window,
        )
        assert found[0].items[0].content == {"external_id": "a", "tags": ["x", "y"], "other": ["y"]}

    def test_events_need_no_look_ahead(self) -> None:
        window = MergeWindow(objects_per_request=2)
        window.add(event("a", 1))
        window.add(event("b", 2))
        assert window.full

    def test_drain_gives_everything_that_was_not_dealt_out(self) -> None:
        window = MergeWindow(objects_per_request=1)
        for item in [profile_object("a", 1), profile_object("b", 2), event("b", 3)]:
            window.add(item)
        window.finish()
        window.take()
        window.add(profile_object("a", 4))
        assert sorted(line for item in window.drain() for line in lines(item)) == [2, 3, 4]
        assert window.empty
        assert window.take() is None
        assert window.records == window.characters == 0

    def test_nothing_that_was_drained_is_dealt_out_after_an_answer(self) -> None:
        window = MergeWindow()
        window.add(profile_object("a", 0, x=0))
        window.finish()
        batch = window.take()
        assert batch is not None
        window.add(profile_object("a", 1, x=1))
        window.finish()
        assert [lines(item) for item in window.drain()] == [[1]]
        window.release(batch.parts)
        assert window.take() is None
        assert not window.waits


def settled(item: ProfileObject) -> ProfileObject:
    """Make an object one whose records an earlier try has settled."""
    item.references = [replace(reference, segment=ALREADY_SETTLED) for reference in item.references]
    return item


class TestSettledEarlier:
    """What an earlier try has settled is read again, so that the same records are merged; alone it is not sent."""

    @pytest.mark.parametrize("again", [profile_object("a", 1, x=1), event("a", 1)])
    def test_alone_it_is_not_sent(self, again: ProfileObject) -> None:
        window = MergeWindow()
        window.add(settled(again))
        window.finish()
        assert window.empty
        assert window.take() is None
        assert window.drain() == []
        assert window.records == window.characters == 0

    def test_it_is_sent_with_what_is_folded_into_it(self) -> None:
        (batch,) = take(
            [settled(profile_object("a", 1, x=1, y=1)), profile_object("b", 2), profile_object("a", 3, x=2)]
        )
        assert [lines(item) for item in batch.items] == [[1, 3], [2]]
        assert batch.items[0].content == {"external_id": "a", "x": 2, "y": 1}
        assert batch.records == 2

    def test_beyond_the_look_ahead_nothing_is_folded_into_it(self) -> None:
        window = MergeWindow()
        window.add(settled(profile_object("a", 0, x=1)))
        for _ in range(LOOK_AHEAD_RECORDS):
            window.skip()
        assert window.empty
        (batch,) = take([profile_object("a", 1, y=2)], window)
        assert [lines(item) for item in batch.items] == [[1]]

    def test_nothing_waits_for_it(self) -> None:
        items = [
            settled(profile_object("a", 1, x=1)),
            settled(event("a", 2)),
            profile_object("a", 3, x=2),
            event("a", 4),
        ]
        (batch,) = take(items)
        assert [lines(item) for item in batch.items] == [[3], [4]]

    def test_the_last_of_several_that_cannot_merge_is_the_one_to_fold_into(self) -> None:
        add, remove = {"add": ["x"]}, {"remove": ["x"]}
        items = [
            settled(profile_object("a", 1, t=add)),
            settled(profile_object("a", 2, t=remove)),
            profile_object("a", 3, y=1),
        ]
        (batch,) = take(items)
        assert [lines(item) for item in batch.items] == [[2, 3]]
        assert batch.records == 1

    def test_what_follows_it_is_sent_as_soon_as_its_own_look_ahead_is_over(self) -> None:
        window = MergeWindow(objects_per_request=1)
        window.add(settled(profile_object("a", 0, t={"add": ["x"]})))
        window.add(profile_object("a", 1, t={"remove": ["x"]}))
        for _ in range(LOOK_AHEAD_RECORDS - 1):
            window.skip()
            assert not window.full
        window.skip()
        batch = window.take()
        assert batch is not None
        assert [lines(item) for item in batch.items] == [[1]]


class TestBatch:
    def test_the_body_has_only_arrays_that_are_not_empty(self) -> None:
        assert json.loads(batch_of(event("a")).body(None)).keys() == {"events"}
        whole = json.loads(batch_of(profile_object("a", x=1), event("a"), purchase("b")).body("acme"))
        assert list(whole) == ["attributes", "events", "purchases", "partner"]
        assert whole["partner"] == "acme"
        assert whole["attributes"] == [{"external_id": "a", "x": 1}]

    def test_halves_keep_order_and_what_was_lost(self) -> None:
        batch = batch_of(*people(5))
        batch.lost = True
        left, right = batch.halves()
        assert left.items + right.items == batch.items
        assert (len(left.items), len(right.items)) == (2, 3)
        assert left.lost
        assert right.lost

    @pytest.mark.parametrize(
        ("item", "repeatable"),
        [
            (profile_object("a", x=1, tags={"add": ["x"]}, gone={"remove": ["y"]}), True),
            (profile_object("a", nested={"inc": "a column of that name", "other": 1}), True),
            (profile_object("a", rows={"$update": [{"$identifier_key": "k"}]}), True),
            (profile_object("a", n={"inc": 1}), False),
            (profile_object("a", rows={"$add": [{}]}), False),
            (event("a"), False),
            (purchase("a"), False),
        ],
    )
    def test_sets_may_be_sent_twice_events_and_increments_may_not(
        self, item: ProfileObject, repeatable: bool
    ) -> None:
        assert item.repeatable is repeatable
