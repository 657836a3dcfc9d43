"""Blocks: many objects held together behave as so many held alone, whatever becomes of them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from airflow_provider_braze.users_track.batching import merge_window as batches
from airflow_provider_braze.users_track.batching.merge_window import (
    LOOK_AHEAD_RECORDS,
    Batch,
    MergeWindow,
    ProfileObject,
)
from airflow_provider_braze.users_track.batching.record_block import BlockSlice, RecordBlock
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.records import LedgerSegment
from airflow_provider_braze.users_track.rules.data_points import Billed
from tests.users_track.pushing import Written, block, check_sum, event, profile_object

COST = {"x": 1}


def whole(window: MergeWindow) -> Batch:
    batch = window.take()
    assert batch is not None
    return batch


def filled(*found: RecordBlock | ProfileObject, **options: int) -> MergeWindow:
    window = MergeWindow(**options)
    assert not window.take_in(list(found))
    window.finish()
    return window


def lines(items: Sequence[ProfileObject]) -> list[list[int]]:
    return [[reference.line for reference in item.references] for item in items]


def names(count: int, start: int = 0) -> list[str]:
    return [f"u{n}" for n in range(start, start + count)]


@pytest.fixture
def ledger(written: Written) -> Ledger:
    return Ledger(written)


@pytest.fixture
def written() -> Written:
    return Written()


def counted(ledger: Ledger, users: Sequence[str], line: int = 2) -> RecordBlock:
    """A block of records that their segment counts, with their data points ahead, as the source of an export does."""
    segment = ledger.begin(len(users))
    segment.data_points.add_counted({name: each * len(users) for name, each in COST.items()})
    return block(users, line, segment)


class TestWindow:
    def test_a_thousand_users_make_fourteen_requests(self) -> None:
        window = filled(*(block(names(250, n), n) for n in range(0, 1000, 250)))
        sizes = []
        while not window.empty:
            batch = whole(window)
            sizes.append(batch.counts()["attributes"])
            window.release(batch.parts)
        assert sizes == [75] * 13 + [25]
        assert not window.waits
        assert window.records == window.characters == 0

    def test_its_body_is_that_of_its_objects(self) -> None:
        batch = whole(filled(block(["a", "b"]), profile_object("c", 4, x=4), event("a", 5), block(["d"], 6)))
        body = batch.body(None)
        assert [each["external_id"] for each in json.loads(body)["attributes"]] == ["a", "b", "c", "d"]
        assert len(batch.items) == batch.records == 5
        assert batch.body(None) == body

    def test_each_body_holds_its_own_and_no_other(self) -> None:
        window = filled(block(names(5)), objects_per_request=2)
        bodies = [json.loads(whole(window).body(None)) for _ in range(3)]
        sent = [[each["external_id"] for each in body["attributes"]] for body in bodies]
        assert sent == [["u0", "u1"], ["u2", "u3"], ["u4"]]

    def test_what_was_lifted_leaves_no_gap_in_a_body(self) -> None:
        batch = whole(filled(block(["a", "b", "c"], 0), block(["b"], 3)))
        sent = json.loads(batch.body(None))["attributes"]
        assert [each["external_id"] for each in sent] == ["b", "a", "c"]
        assert batch.counts()["attributes"] == 3
        assert batch.records == 4
        assert lines(batch.items) == [[1, 3], [0], [2]]
        assert [type(part) for part in batch.parts] == [ProfileObject, BlockSlice]

    def test_what_is_left_of_a_batch_is_all_that_is_sent_again(self) -> None:
        batch = whole(filled(block(names(3))))
        assert batch.records == batch.counts()["attributes"] == 3
        assert batch.items[0] is batch.items[0]
        batch.items = batch.items[2:]
        assert [each["external_id"] for each in json.loads(batch.body(None))["attributes"]] == ["u2"]
        assert batch.records == batch.counts()["attributes"] == 1
        batch.items = []
        assert batch.records == batch.counts()["attributes"] == 0

    @pytest.mark.parametrize(
        "seed", [*range(7), *(pytest.param(seed, marks=pytest.mark.no_mutation) for seed in range(7, 40))]
    )
    def test_the_same_records_are_merged(self, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
        chance = random.Random(seed)
        monkeypatch.setattr(batches, "LOOK_AHEAD_RECORDS", chance.choice([0, 1, 7, 60]))
        users = [f"u{chance.randrange(chance.choice([3, 40, 1000]))}" for _ in range(300)]
        alone = [profile_object(user, n, x=n) for n, user in enumerate(users)]
        cuts = sorted(chance.sample(range(1, 300), chance.choice([0, 5, 100])))
        together: list[RecordBlock | ProfileObject] = []
        for start, stop in zip([0, *cuts], [*cuts, 300], strict=True):
            one_by_one = chance.random() < 0.3
            together += [profile_object(users[n], n, x=n) for n in range(start, stop)] if one_by_one else []
            together += [] if one_by_one else [block(users[start:stop], start)]
        assert self.sent(together, chance) == self.sent(alone, chance)

    def sent(
        self, found: Sequence[RecordBlock | ProfileObject], chance: random.Random
    ) -> dict[str, list[str]]:
        """Push with answers in any order, and give each user's objects in the order in which they were sent."""
        window, flying = MergeWindow(objects_per_request=chance.choice([1, 5, 75])), list[Batch]()
        sent: dict[str, list[str]] = {}

        def take() -> None:
            batch = window.take()
            if batch is None or (flying and chance.random() < 0.3):
                window.release(flying.pop(chance.randrange(len(flying))).parts)
            if batch is None:
                return
            for item in batch.items if chance.random() < 0.5 else Batch(batch.parts).items:
                sent.setdefault(str(item.identity[1]), []).append(f"{lines([item])} {item.content}")
            busy = Counter(item.identity for each in [*flying, batch] for item in Batch(each.parts).items)
            assert set(busy.values()) == {1}
            flying.append(batch)

        for each in found:
            assert not window.take_in([each])
            while window.full:
                take()
        window.finish()
        while not window.empty:
            take()
        for batch in flying:
            window.release(batch.parts)
        assert window.records == window.characters == 0
        assert not window.waits
        assert not window._last
        return sent

    @pytest.mark.parametrize("distance", [1, 249, 250, LOOK_AHEAD_RECORDS, LOOK_AHEAD_RECORDS + 1])
    def test_the_look_ahead_is_exact(self, distance: int) -> None:
        users = names(distance + 300)
        users[100 + distance] = users[100]
        window = filled(*(block(users[n : n + 250], n) for n in range(0, len(users), 250)))
        found: list[list[int]] = []
        while not window.empty:
            batch = whole(window)
            found += lines([item for item in batch.items if item.identity[1] == users[100]])
            window.release(batch.parts)
        merged = distance <= LOOK_AHEAD_RECORDS
        assert found == ([[100, 100 + distance]] if merged else [[100], [100 + distance]])

    def test_what_is_merged_ripens_when_its_first_record_does(self) -> None:
        window = MergeWindow(objects_per_request=1)
        window.take_in([block(["a", "b", "a"], 0)])
        for _ in range(LOOK_AHEAD_RECORDS - 3):
            window.skip()
        assert not window.full
        window.skip()
        assert window.full
        assert lines(whole(window).items) == [[0, 2]]

    @pytest.mark.parametrize("before", [0, 5])
    def test_it_ripens_record_by_record(self, before: int) -> None:
        window = MergeWindow(objects_per_request=3)
        for _ in range(before):
            window.skip()
        window.take_in([block(names(10), 0)])
        for _ in range(LOOK_AHEAD_RECORDS - 10 + 2):
            window.skip()
        assert not window.full
        window.skip()
        assert window.full
        assert lines(whole(window).items) == [[0], [1], [2]]

    def test_in_a_window_that_is_too_large_the_oldest_ripen_first(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        window = MergeWindow(objects_per_request=2)
        window.take_in([block(["a", "b", "c"], 0), block(["a", "d"], 3)])
        monkeypatch.setattr(batches, "MOST_CHARACTERS", window.characters)
        assert lines(whole(window).items) == [[0, 3], [1]]
        assert not window.full

    def test_what_ripened_early_stays_ripe(self, monkeypatch: pytest.MonkeyPatch) -> None:
        window = MergeWindow(objects_per_request=2)
        window.take_in([block(names(6), 0)])
        with monkeypatch.context() as patch:
            patch.setattr(batches, "MOST_CHARACTERS", window.characters)
            assert lines(whole(window).items) == [[0], [1]]
        monkeypatch.setattr(batches, "LOOK_AHEAD_RECORDS", 6)
        window.skip()
        assert window.take() is not None
        for _ in range(2):
            window.skip()
        window.finish()
        found = [lines(whole(window).items) for _ in range(2)]
        assert found == [[[3], [4]], [[5]]]

    def test_what_was_lifted_or_sent_is_kept_no_longer(self) -> None:
        first, second = block(["a", "b", "a"], 0), block(["b", "c", "d"], 3)
        window = filled(first, second, objects_per_request=2)
        assert first.weight(0, 3) == 0
        assert second.weight(0, 1) == 0
        assert lines(whole(window).items) == [[0, 2], [1, 3]]
        batch = whole(window)
        assert lines(batch.items) == [[4], [5]]
        assert second.weight(1, 3) > 0
        window.release(batch.parts)
        assert second.weight(0, 3) == 0

    def test_what_ripens_later_comes_after_what_is_in_the_queue(self) -> None:
        window = MergeWindow(objects_per_request=3)
        window.take_in([block(names(5), 0)])
        for _ in range(LOOK_AHEAD_RECORDS - 5 + 2):
            window.skip()
        window.take_in([event("e", 9)])
        assert lines(whole(window).items) == [[0], [1], [2]]
        window.skip()
        assert lines(whole(window).items) == [[9], [3]]

    def test_what_was_dealt_out_makes_no_further_batch_whole(self) -> None:
        window = filled(block(names(5)), objects_per_request=4)
        assert window.full
        whole(window)
        assert not window.full

    @pytest.mark.parametrize(
        ("users", "found"), [("abc", [[[0]], [[1]], [[2]]]), ("aab", [[[0, 1]], [[2]]]), ("aa", [[[0, 1]]])]
    )
    def test_asked_before_anything_is_ripe_it_ripens_one_alone(
        self, users: str, found: list[list[list[int]]]
    ) -> None:
        window = MergeWindow()
        window.take_in([block(users, 0)])
        assert [lines(whole(window).items) for _ in found] == found
        assert window.take() is None
        assert window.empty

    def test_one_that_was_ripe_stays_so_when_it_is_lifted(self) -> None:
        window = filled(block(["a", "b", "c"], 0), objects_per_request=1)
        assert lines(whole(window).items) == [[0]]
        window.objects_per_request = 3
        window.take_in([block(["b"], 3)])
        assert lines(whole(window).items) == [[2], [1, 3]]

    def test_one_that_was_ripe_is_counted_once_when_it_is_lifted(self) -> None:
        window = filled(block(["a", "b", "c"], 0), objects_per_request=1)
        whole(window)
        window.objects_per_request = 3
        window.take_in([block(["b"], 3)])
        window.finish()
        assert not window.full
        window.objects_per_request = 2
        assert window.full

    def test_one_thing_alone_is_taken_in_too(self) -> None:
        window = MergeWindow(bytes_per_request=120)
        assert not window.take_in(block(["a", "b"], 1))
        assert not window.take_in(None)
        assert not window.take_in(event("c", 4))
        refused = profile_object("d" * 100, 5)
        assert window.take_in(refused) == [(refused, "larger than a request may be (120 bytes)")]
        window.finish()
        assert window.read == 5
        assert lines(window.drain()) == [[1], [2], [4]]

    def test_a_user_in_flight_is_waited_for(self) -> None:
        window = filled(block(["a", "b"]))
        first = whole(window)
        window.take_in([block(["c", "a"], 4), event("b", 6)])
        window.finish()
        second = whole(window)
        assert lines(second.items) == [[4]]
        assert window.take() is None
        window.release(first.parts)
        assert sorted(lines(whole(window).items)) == [[5], [6]]

    def test_further_records_of_a_user_in_flight_are_merged_with_each_other(self) -> None:
        window = filled(block(["a"], 1))
        first = whole(window)
        body = first.body(None)
        window.take_in([block(["a", "a"], 2), profile_object("a", 4, y=4)])
        window.finish()
        assert first.body(None) == body
        assert window.take() is None
        window.release(first.parts)
        (item,) = whole(window).items
        assert lines([item]) == [[2, 3, 4]]
        assert item.content == {"external_id": "a", "x": 3, "y": 4}

    @pytest.mark.parametrize(("spare", "objects"), [(0, 3), (-1, 2)])
    @pytest.mark.parametrize("parts", [["abcd"], ["a", "bcd"]])
    def test_the_byte_limit_parts_it(self, parts: list[str], spare: int, objects: int) -> None:
        envelope = len('{"attributes":[,,],"events":[],"purchases":[]}')
        size = len('{"external_id":"a","x":1}')
        window = filled(*(block(users, 1) for users in parts), bytes_per_request=envelope + 3 * size + spare)
        assert len(whole(window).items) == objects

    @pytest.mark.parametrize(("spare", "objects"), [(0, [2, 2]), (-1, [1, 1, 1, 1])])
    def test_the_byte_limit_counts_nothing_for_what_was_lifted(self, spare: int, objects: list[int]) -> None:
        envelope = len('{"attributes":[,],"events":[],"purchases":[]}')
        size = len('{"external_id":"a","x":1}')
        window = filled(block("abcd", 1), block("c", 5), bytes_per_request=envelope + 2 * size + spare)
        found = [whole(window).items for _ in objects]
        assert list(map(len, found)) == objects
        assert lines([item for items in found for item in items]) == [[3, 5], [1], [2], [4]]

    def test_one_that_is_larger_than_a_request_is_refused_alone(self) -> None:
        window = MergeWindow(bytes_per_request=120)
        found = window.take_in([block(["a", "b" * 100, "c", "b" * 100, "a"], 1)])
        assert lines([item for item, _ in found]) == [[2], [4]]
        assert {reason for _, reason in found} == {"larger than a request may be (120 bytes)"}
        window.finish()
        assert lines(whole(window).items) == [[1, 5], [3]]
        assert window.empty
        assert window.records == window.characters == 0

    def test_one_that_is_larger_than_a_request_is_no_record_of_its_user(self) -> None:
        window = MergeWindow(bytes_per_request=120)
        found = block(["a", "b", "c"], 1)
        found.bodies = [body.replace(b"2", b"2" * 100) for body in found.bodies]
        assert lines([item for item, _ in window.take_in(found)]) == [[2]]
        window.take_in(profile_object("b", 4, x=4))
        assert lines(window.drain()) == [[1], [3], [4]]

    def test_an_answer_releases_no_user_of_whom_only_a_record_too_large_was_passed_over(self) -> None:
        found = block(["a", "b", "a"], 1)
        found.bodies[0] = found.bodies[0].replace(b"1", b"1" * 100)
        window = MergeWindow(objects_per_request=1, bytes_per_request=120)
        assert lines([item for item, _ in window.take_in(found)]) == [[1]]
        batch = whole(window)
        assert lines(batch.items) == [[2]]
        window.release(batch.parts)
        window.take_in(profile_object("a", 4, y=4))
        assert lines(window.drain()) == [[3, 4]]

    def test_a_user_is_found_behind_a_record_that_was_larger_than_a_request(self) -> None:
        found = block(["a", "b", "b"], 1)
        found.bodies = [body.replace(b"2", b"2" * 100) for body in found.bodies]
        window = MergeWindow(bytes_per_request=120)
        assert lines([item for item, _ in window.take_in(found)]) == [[2]]
        window.take_in(profile_object("b", 4, y=4))
        window.finish()
        assert lines(window.drain()) == [[1], [3, 4]]

    def test_a_record_that_braze_may_refuse_is_not_merged_with_one_that_it_surely_takes(self) -> None:
        window = filled(block(["a"], 1), profile_object("a", 2, email="nonsense"))
        assert lines(window.drain()) == [[1], [2]]

    def test_drain_gives_what_was_not_dealt_out_in_the_order_of_the_file(self) -> None:
        window = filled(block(["a", "b", "c"], 1), objects_per_request=1)
        first = whole(window)
        window.take_in([profile_object("d", 4, x=4), block(["e", "b", "a", "f"], 5)])
        left = window.drain()
        # b is detached: its first record is past its look-ahead, and was not taken.
        assert lines(left) == [[2, 6], [3], [4], [5], [7], [8]]
        assert lines(first.items) == [[1]]
        assert window.empty
        assert not window.full
        window.release(first.parts)
        assert window.take() is None
        assert not window.waits
        assert window.records == window.characters == 0

    def test_other_kinds_of_users_are_told_apart(self) -> None:
        by_braze_id = RecordBlock(
            "braze_id",
            ["a"],
            [b'{"braze_id":"a"}'],
            lines=[3],
            texts=["a"],
            segment=LedgerSegment(),
            cut=lambda text: [text],
        )
        batch = whole(filled(block(["a"], 2), by_braze_id))
        assert [item.identity for item in batch.items] == [("external_id", "a"), ("braze_id", "a")]
        assert [item.references[0].cells for item in batch.items] == [["a", "2"], ["a"]]

    @pytest.mark.parametrize(
        "identity", [("braze_id", "a"), ("user_alias", "a", "label"), ("user_alias", "a", "other")]
    )
    def test_only_records_of_the_same_kind_of_identifier_are_of_one_user(
        self, identity: tuple[str, ...]
    ) -> None:
        def other(line: int) -> ProfileObject:
            item = profile_object("a", line, x=line)
            item.identity = identity
            return item

        alias = profile_object("a", 4, x=4)
        alias.identity = ("user_alias", "a", "third")
        window = filled(block(["a"], 1), other(2), other(3), alias)
        assert lines(window.drain()) == [[1], [2, 3], [4]]


class TestAccount:
    def test_accepted_whole_it_counts_once(self, ledger: Ledger, written: Written) -> None:
        batch = whole(filled(counted(ledger, ["a", "b"]), counted(ledger, ["b", "c"], 4)))
        ledger.settle_batch(batch, "accepted")
        ledger.settle_batch(batch, "accepted")
        ledger.leave(batch.items, lost=True, reason="cut")
        assert ledger.outcomes == {"accepted": 3, "merged": 1}
        assert ledger.total.objects == 3
        assert ledger.data_points.by_attribute() == {"x": 3}
        ledger.flush()
        check_sum(ledger, written)

    def test_planned_whole_it_counts_as_much(self, ledger: Ledger) -> None:
        batch = whole(filled(counted(ledger, ["a", "b"]), counted(ledger, ["b", "c"], 4)))
        ledger.settle_batch(batch, "planned")
        assert ledger.outcomes == {"planned": 4}
        assert ledger.total.objects == 0
        assert ledger.data_points.by_attribute() == {"x": 3}
        check_sum(ledger)

    @pytest.mark.parametrize("outcome", ["rejected", "unknown", "not_sent", "not_found"])
    def test_of_one_that_is_not_accepted_nothing_is_billed(
        self, ledger: Ledger, written: Written, outcome: str
    ) -> None:
        batch = whole(filled(counted(ledger, ["a", "b", "c"])))
        for item in batch.items:
            ledger.settle(item, outcome if item.identity[1] == "b" else "accepted", "no")
        ledger.flush()
        assert ledger.outcomes == {"accepted": 2, outcome: 1}
        assert ledger.data_points.by_attribute() == {"x": 2}
        assert written.rows == [(3, outcome, "no", "")]

    def test_what_was_torn_away_is_written_down_but_for_what_was_settled(
        self, ledger: Ledger, written: Written
    ) -> None:
        batch = whole(
            filled(counted(ledger, ["a", "b"]), event_of(ledger, "c", 4), counted(ledger, ["d"], 5))
        )
        first = next(part for part in batch.parts if isinstance(part, BlockSlice))
        ledger.settle_batch(Batch([first]), "accepted")
        ledger.leave(batch.items, lost=True, reason="cut")
        ledger.flush()
        assert ledger.outcomes == {"accepted": 2, "unknown": 2}
        assert written.lines("unknown") == [4, 5]
        check_sum(ledger, written)

    def test_an_interruption_leaves_none_of_its_objects_out(
        self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        batch = whole(filled(counted(ledger, ["a", "b", "c"])))

        def incomplete(held: RecordBlock, at: int) -> ProfileObject:
            if at:
                raise KeyboardInterrupt
            return item_of(held, at)

        item_of = RecordBlock.item
        with monkeypatch.context() as patch:
            patch.setattr(RecordBlock, "item", incomplete)
            with pytest.raises(KeyboardInterrupt):
                batch.halves()
        assert lines(batch.items) == [[2], [3], [4]]

    def test_its_segment_moves_to_the_settled_beginning(self, ledger: Ledger) -> None:
        first, second = (whole(filled(counted(ledger, [user], line))) for line, user in enumerate("ab"))
        counted(ledger, ["c"])
        ledger.settle_batch(second, "accepted")
        assert ledger.settled.records == 0
        ledger.settle_batch(first, "accepted")
        ledger.begin(ledger.room() + 1)
        assert ledger.settled.records >= 1
        assert ledger.settled.outcomes == {"accepted": ledger.settled.records}


def event_of(ledger: Ledger, user: str, line: int) -> ProfileObject:
    segment = ledger.begin()
    item = event(user, line)
    item.references = [replace(reference, segment=segment) for reference in item.references]
    return item


class TestWhatIsLeftOfABlock:
    """What only_changed leaves of objects goes on as a slice of a block of its own."""

    def reduced(self, ledger: Ledger) -> tuple[RecordBlock, BlockSlice]:
        """Five objects of x and y: the third is unchanged, of the last y is left out."""
        segment = ledger.begin(5)
        segment.data_points.add_counted({"x": 5, "y": 5})
        whole_block = block(names(5), 2, segment, y=1)
        left_out = Billed.of_points(1, {"y": 1})
        left = whole_block.some([0, 1, 3, 4], [*whole_block.bodies[:2], whole_block.bodies[3], b'{"x":1}'])
        left.told, left.left_out = ["t0", "t1", "t3", "t4"], [None, None, None, left_out]
        ledger.leave_out(segment, [Billed.of(("external_id", "x", "y"), {}, 2)], [left_out])
        return whole_block, left

    def test_it_is_parted_into_requests_in_order(self, ledger: Ledger) -> None:
        _, left = self.reduced(ledger)
        size = len(left.block.bodies[0])
        assert left.parted(4, left.size) == (left, None)
        assert left.parted(4, size - 1) == (None, left)
        first, rest = left.parted(75, 2 * size + 1)
        assert first is not None
        assert rest is not None
        assert first.body + b"," + rest.body == left.body
        assert (len(first), first.size) == (2, len(first.body))
        assert (len(rest), rest.size) == (2, len(rest.body))
        assert [item.told for item in rest.items()] == ["t3", "t4"]
        assert lines(rest.items()) == [[5], [6]]
        assert [item.saved is not None for item in rest.items()] == [False, True]
        alone, others = left.parted(1, left.size)
        assert alone is not None
        assert others is not None
        assert (len(alone), len(others)) == (1, 3)

    def test_parts_of_a_slice_leave_out_what_was_detached(self) -> None:
        whole_block = block(names(4))
        whole_block.past_look_ahead = 4
        whole_block.detach(1)
        taken = whole_block.take(4, 10_000)
        assert taken is not None
        first, rest = taken.parted(1, 10_000)
        assert first is not None
        assert rest is not None
        assert lines(first.items()) + lines(rest.items()) == [[2], [4], [5]]
        assert (len(first), len(rest)) == (1, 2)

    def test_what_was_left_out_is_saved_once_braze_has_accepted_it(self, ledger: Ledger) -> None:
        remembered: list[str] = []
        ledger.remember = remembered.extend
        _, left = self.reduced(ledger)
        ledger.settle_batch(Batch([left]), "accepted")
        total = ledger.total
        assert dict(total.outcomes) == {"unchanged": 1, "accepted": 4}
        assert total.data_points.by_attribute() == {"x": 4, "y": 3}
        assert (total.values_saved, dict(total.saved)) == (3, {"x": 1, "y": 2})
        assert remembered == left.told

    def test_what_braze_rejects_costs_and_saves_nothing(self, ledger: Ledger) -> None:
        _, left = self.reduced(ledger)
        for item in Batch([left]).items:
            ledger.settle(item, "rejected", "no")
        total = ledger.total
        assert total.data_points.total() == 0
        assert (total.values_saved, dict(total.saved)) == (2, {"x": 1, "y": 1})
        check_sum(ledger)
