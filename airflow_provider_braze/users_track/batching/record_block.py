"""Objects of consecutive records, held together: few of those that wait ever need an object of their own.

The window stands above, and detaches single objects; below it are only records and objects.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any

from airflow_provider_braze.users_track.batching.profile_object import Identity, ProfileObject
from airflow_provider_braze.users_track.records import LedgerSegment, RecordReference
from airflow_provider_braze.users_track.rules.data_points import Billed

Key = str | Identity
"""By what a user is found: the ``external_id`` alone, as nearly all are, or else the identity."""

_PLAIN = "external_id"


def user_key(identity: Identity) -> Key:
    """Give the key of a user."""
    kind, first = identity[:2]
    return first if kind == _PLAIN and first is not None else identity


def kind_of(key: Key) -> str:
    """Say what kind of identifier a key is."""
    return _PLAIN if isinstance(key, str) else str(key[0])


class RecordBlock:
    """The attributes objects of consecutive records, of one segment, which counts their data points already.

    They pass their look-ahead and are taken from the first to the last. One that has to do with another record of its
    user is *detached*: from then on an object of its own stands for it. What was detached or sent is kept no longer.

    :param kind: how their users are identified.
    :param ids: the identifiers.
    :param bodies: the objects as JSON; the list is the block's own from here on.
    :param lines: the physical lines where the records start.
    :param texts: the records as they were read; another list of its own.
    :param segment: where they are counted.
    :param cut: takes the cells out of such a text.
    :param places: how many records lie before each of them since the first, where others were passed over between them
        (default: none were).
    """

    __slots__ = (
        "_cut",
        "_lines",
        "_places",
        "_texts",
        "bodies",
        "detached",
        "keys",
        "past_look_ahead",
        "position",
        "queued",
        "segment",
        "taken",
        "waiters",
    )

    def __init__(
        self,
        kind: str,
        ids: Sequence[str],
        bodies: list[bytes],
        *,
        lines: Sequence[int],
        texts: list[str],
        segment: LedgerSegment,
        cut: Callable[[str], Sequence[str]],
        places: Sequence[int] | None = None,
    ) -> None:
        self.keys: Sequence[Key] = ids if kind == _PLAIN else list(zip(repeat(kind), ids))
        self.bodies = bodies
        self.segment = segment
        self._lines = lines
        self._texts = texts
        self._cut = cut
        self._places = range(len(bodies)) if places is None else places
        # Of its place in the window: the ordinal of its first record, how many are looked ahead for no longer, how
        # many were taken or passed over, and whether it stands in the queue for that.
        self.position = 0
        self.past_look_ahead = 0
        self.taken = 0
        self.queued = False
        # In order.
        self.detached: list[int] = []
        # Placeholders for those in flight that further objects of their user wait for.
        self.waiters: dict[int, ProfileObject] = {}

    def __len__(self) -> int:
        return len(self.bodies)

    @property
    def span(self) -> int:
        """Count the records from its first to its last, with those between them that were passed over."""
        return self._places[-1] + 1 if self._places else 0

    def position_of(self, at: int) -> int:
        """Give the ordinal of the record that one of them comes from."""
        return self.position + self._places[at]

    def count_before(self, position: int) -> int:
        """Count those whose records lie before an ordinal."""
        return bisect_left(self._places, position - self.position)

    def weight(self, start: int, stop: int) -> int:
        """Count the characters that some of them take of the window."""
        return sum(map(len, self.bodies[start:stop])) + self.weigh_texts(start, stop)

    def weigh_texts(self, start: int, stop: int) -> int:
        """Count the characters of some of them as they were read."""
        return sum(map(len, self._texts[start:stop]))

    def item(self, at: int) -> ProfileObject:
        """Make an object of its own."""
        key, body, text = self.keys[at], self.bodies[at], self._texts[at]
        return ProfileObject(
            "attributes",
            (_PLAIN, key) if isinstance(key, str) else key,
            None,
            (RecordReference(self._lines[at], text, self.segment, self._cut),),
            body=body,
            weight=len(body) + len(text),
            checked=True,
            billed_ahead=True,
            position=self.position_of(at),
            past_look_ahead=at < self.past_look_ahead,
            taken=at < self.taken,
        )

    def detach(self, at: int) -> ProfileObject:
        """Take one out, as an object of its own."""
        item = self.item(at)
        insort(self.detached, at)
        self.forget(at, at + 1)
        return item

    def forget(self, start: int, stop: int) -> None:
        """Keep some of them no longer."""
        self.bodies[start:stop] = [b""] * (stop - start)
        self._texts[start:stop] = [""] * (stop - start)

    def find(self, key: Key) -> int:
        """Give the index of the first that is about a user and was not detached."""
        at = self.keys.index(key)
        while at in self.detached:
            at = self.keys.index(key, at + 1)
        return at

    def some(self, places: Sequence[int], bodies: list[bytes]) -> BlockSlice:
        """Give some of those that were taken with other JSON, all in one slice of a block of their own.

        :param places: their indexes.
        :param bodies: their objects as JSON now; the list is the other block's own from here on.
        """
        keys, lines, texts, between = self.keys, self._lines, self._texts, self._places
        other = RecordBlock(
            _PLAIN,
            (),
            bodies,
            lines=[lines[at] for at in places],
            texts=[texts[at] for at in places],
            segment=self.segment,
            cut=self._cut,
            places=[between[at] for at in places],
        )
        other.keys, other.position = [keys[at] for at in places], self.position
        other.past_look_ahead = other.taken = len(bodies)
        return BlockSlice(other, 0, len(bodies), len(bodies), sum(map(len, bodies)) + len(bodies) - 1)

    def about(self, users: AbstractSet[Key]) -> Sequence[int]:
        """Give the indexes of those that are about some users and were not detached."""
        if not users:
            return ()
        keys = self.keys
        return [at for at in self.attached(0, len(self)) if keys[at] in users]

    def rest(self) -> list[ProfileObject]:
        """Take out all that were not taken, as objects of their own."""
        left = [self.item(at) for at in self.attached(self.taken, len(self))]
        self.taken = len(self)
        return left

    def attached(self, start: int, stop: int) -> Sequence[int]:
        """Give the indexes of those that were not detached."""
        if not self.detached:
            return range(start, stop)
        detached = frozenset(self.detached)
        return [at for at in range(start, stop) if at not in detached]

    def count(self, start: int, stop: int) -> int:
        """Count those that were not detached."""
        return stop - start - len(self._detached_within(start, stop))

    def _detached_within(self, start: int, stop: int) -> Sequence[int]:
        return self.detached[bisect_left(self.detached, start) : bisect_left(self.detached, stop)]

    def take(self, most: int, room: int) -> BlockSlice | None:
        """Take the next that are past their look-ahead.

        :param room: bytes that they may take, with a comma between any two.
        :return: None when none is left, or not even one fits.
        """
        # What was detached lies between and counts for nothing, so that more records hold as many objects.
        start, stop = self.taken, self.taken + most
        for at in self._detached_within(start, self.past_look_ahead):
            if at < stop:
                stop += 1
        stop = min(stop, self.past_look_ahead)
        objects = self.count(start, stop)
        size = sum(map(len, self.bodies[start:stop])) + objects - 1
        while objects and size > room:
            # From the end: what is left over is the next to be taken.
            stop -= 1
            if last := self.bodies[stop]:
                objects -= 1
                size -= len(last) + 1
        self.taken = stop
        return BlockSlice(self, start, stop, objects, size) if objects else None


@dataclass(slots=True, eq=False)
class BlockSlice:
    """Some consecutive ones of a block, without those that were detached, in one batch.

    :param objects: how many.
    :param size: bytes of their JSON, with commas between them.
    :param settled: they have their outcome.
    :param told: what the memory keeps of each once Braze has accepted it, in their order; empty: of none.
    :param left_out: what was left out of each, because Braze was told it before; empty: of none.
    """

    block: RecordBlock
    start: int
    stop: int
    objects: int
    size: int
    settled: bool = False
    told: Sequence[Any] = ()
    left_out: Sequence[Billed | None] = ()

    array = "attributes"

    def __len__(self) -> int:
        return self.objects

    @property
    def weight(self) -> int:
        """Characters that they take of the window."""
        return self.size - (self.objects - 1) + self.block.weigh_texts(self.start, self.stop)

    @property
    def body(self) -> bytes:
        """Their JSON, with commas between them."""
        # Nothing is left of the JSON of those that were detached.
        return b",".join(filter(None, self.block.bodies[self.start : self.stop]))

    @property
    def keys(self) -> Iterator[Key]:
        """Whom they are about."""
        block, them = self.block, slice(self.start, self.stop)
        return compress(block.keys[them], block.bodies[them])

    def items(self) -> list[ProfileObject]:
        """Make objects of their own of those that are not settled."""
        block = self.block
        found = [] if self.settled else [*map(block.item, block.attached(self.start, self.stop))]
        if self.told:
            for item, told in zip(found, self.told, strict=True):
                item.told = told
        if self.left_out:
            for item, left_out in zip(found, self.left_out, strict=True):
                item.saved = None if left_out is None else left_out.saved
        return found

    def parted(self, most: int, room: int) -> tuple[BlockSlice | None, BlockSlice | None]:
        """Part them in as many as may go into a request and the others; None where there are none.

        :param most: objects.
        :param room: bytes that they may take, with a comma between any two.
        """
        if self.objects <= most and self.size <= room:
            return self, None
        places, bodies = self.places, self.block.bodies
        first, size = 0, -1
        while first < most and size + 1 + len(bodies[places[first]]) <= room:
            size += 1 + len(bodies[places[first]])
            first += 1
        if not first:
            return None, self
        stop, rest = places[first - 1] + 1, self.objects - first
        return (
            BlockSlice(
                self.block, self.start, stop, first, size, False, self.told[:first], self.left_out[:first]
            ),
            BlockSlice(
                self.block,
                stop,
                self.stop,
                rest,
                self.size - size - 1,
                False,
                self.told[first:],
                self.left_out[first:],
            ),
        )

    @property
    def places(self) -> Sequence[int]:
        """Their indexes in the block."""
        return self.block.attached(self.start, self.stop)
