"""Objects to batches: the look-ahead window in which a user's records are merged, and requests within the limits.

The loop in ``delivery`` stands above, puts in what the source gives and takes batches; below are what waits, and
merging.

What always holds: of one user at most one object is in flight, objects of one user leave in file order, and which
records are merged depends on the file alone.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import attrgetter

from airflow_provider_braze.users_track.batching.batch import (
    ARRAYS,
    Batch,
    Part,
    room_for_objects,
    size,
    why_too_large,
)
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.batching.record_block import BlockSlice, Key, RecordBlock, user_key
from airflow_provider_braze.users_track.batching.waiting import Waiting
from airflow_provider_braze.users_track.rules import limits

__all__ = ["ARRAYS", "Batch", "MergeWindow", "ProfileObject", "RecordBlock", "SourceItem"]

Single = ProfileObject | int | None
SourceItem = Single | list[RecordBlock | Single]
"""What a source yields: an object, None for a record that was settled at once, a number of records that were passed
over because they are not this push's, or several of these and blocks."""

LOOK_AHEAD_RECORDS = 5000
"""Records of one user that lie within this many records of the first of them are merged."""

MOST_RECORDS = 4 * LOOK_AHEAD_RECORDS
"""Bound of the window where the records of a batch's users are very many."""

MOST_CHARACTERS = 32_000_000
"""Bound of the window for records that are unusually long, so that memory stays constant."""


class MergeWindow:
    """Holds what is read but not sent, user by user, and gives batches in which no user is in flight already.

    An attributes object is past its look-ahead when that from its first record is over; only then it is taken,
    so that which records are merged depends on the file alone, never on how fast Braze answers.

    The objects of one user are linked, from the one in flight to the last that was read. It is an object's turn when
    none is before it; answers pass the turn on.

    :param objects_per_request: most objects of a batch; may be lowered at any time.
    :param bytes_per_request: most bytes of a request's body.
    :param united: tag attributes that are united though they are plain arrays.
    :param partner: partner name that goes into every body.
    """

    def __init__(
        self,
        objects_per_request: int = limits.OBJECTS_PER_REQUEST,
        bytes_per_request: int = limits.BYTES_PER_REQUEST,
        *,
        united: frozenset[str] = frozenset(),
        partner: str | None = None,
    ) -> None:
        self.objects_per_request = objects_per_request
        self.read = 0
        self.records = 0
        self.characters = 0
        self._bytes_per_request = bytes_per_request
        self.room = room_for_objects(partner, bytes_per_request)  # Bytes of one request, with commas.
        self._united = united
        self._waiting = Waiting()
        # Objects that are held and not taken, and those that were taken and have no outcome: no object is in both.
        self._objects = 0
        self._in_flight = 0
        # Each user's last object, be it in flight already. Whoever has nothing here can be sent at once: so an object
        # leaves it only when it has its outcome, and never by being taken.
        self._last: dict[Key, ProfileObject | RecordBlock] = {}

    @property
    def full(self) -> bool:
        """Whether the next batch is whole, or the window too large to wait for it."""
        # The last two are what bounds memory: then a batch is taken that is not whole.
        return (
            self._waiting.ready >= self.objects_per_request
            or self.records >= MOST_RECORDS
            or self.characters >= MOST_CHARACTERS
        )

    @property
    def empty(self) -> bool:
        """Whether nothing is left to send."""
        return not self._objects

    @property
    def has_ready(self) -> bool:
        """Whether something can be taken without ending a look-ahead early."""
        return self._waiting.ready > 0

    @property
    def waits(self) -> bool:
        """Whether some user's objects are in flight."""
        return self._in_flight > 0

    def take_in(self, found: SourceItem) -> Sequence[tuple[ProfileObject, str]]:
        """Take in what a source yields.

        :return: the objects that can never be sent, which the window does not hold, and why.
        """
        if isinstance(found, list):
            return [refused for part in found for refused in self._take_in(part)]
        return self._take_in(found)

    def _take_in(self, found: RecordBlock | Single) -> Sequence[tuple[ProfileObject, str]]:
        if isinstance(found, RecordBlock):
            return self.add_block(found)
        if found is None:
            self.skip()
        elif isinstance(found, int):
            self.skip(found)
        elif (reason := self.add(found)) is not None:
            return [(found, reason)]
        return ()

    def add(self, item: ProfileObject) -> str | None:
        """Take in an object of one record, folding it into the user's last one where that means the same.

        :return: why the object can never be sent, in which case the window does not hold it.
        """
        reason = item.encode()
        if reason is None and len(item.body) > self.room:
            reason = why_too_large(self._bytes_per_request)
        if reason is None:
            item.position = self.read
            self._join(item)
        # After it has joined: the record itself may be the one that ends the look-ahead of an older one.
        self.skip()
        return reason

    def add_block(self, block: RecordBlock) -> Sequence[tuple[ProfileObject, str]]:
        """Take in many objects at once, as :meth:`add` would one after the other.

        :return: those that can never be sent, which the window does not hold, and why.
        """
        block.position = self.read
        # More than its objects: records that were invalid or passed over count for the look-ahead too.
        self.read += block.span
        # One sum tells of nearly every block that nothing in it can be too large.
        weight = block.weight(0, len(block))
        heavy = (
            [at for at, body in enumerate(block.bodies) if len(body) > self.room]
            if weight > self.room
            else ()
        )
        too_large = [(block.detach(at), why_too_large(self._bytes_per_request)) for at in heavy]
        left = len(block) - len(too_large)
        self.records += left
        self._objects += left
        self.characters += weight - sum([item.weight for item, _ in too_large])
        self._waiting.begin_look_ahead(block)
        self._join_block(block)
        self._end_look_aheads()
        return too_large

    def _join_block(self, block: RecordBlock) -> None:
        """Note whose objects a block holds; those of users who have objects already are detached from it."""
        # Sets are asked, not each record: of hundreds, few have to do with another one.
        users = dict.fromkeys(block.keys, block)
        needs_slow_path = self._last.keys() & users.keys()
        needs_slow_path.update(block.keys[at] for at in block.detached)
        if len(users) < len(block):
            needs_slow_path.update(key for key, records in Counter(block.keys).items() if records > 1)
        for key in needs_slow_path:
            del users[key]
        self._last.update(users)
        for at in block.about(needs_slow_path):
            key = block.keys[at]
            # The first of its user stays in the block; each further one is joined to it in file order.
            if key not in self._last:
                self._last[key] = block
                continue
            item = block.detach(at)
            self._count_out(1, 1, item.weight)
            self._join(item)

    def _join(self, item: ProfileObject) -> None:
        """Fold an object into the user's last one, or put it behind that."""
        key = user_key(item.identity)
        last = self._last.get(key)
        if isinstance(last, RecordBlock):
            # Two objects of a user are linked, and in a block nothing can be.
            last = self._last[key] = self._detach(last, last.find(key))
        self.records += 1
        if last is not None:
            if self._fold(last, item):
                return
            last.after, item.before = item, last
        self._last[key] = item
        self._objects += 1
        self.characters += item.weight
        if item.array == "attributes":
            self._waiting.begin_look_ahead(item)
        else:
            # Nothing is ever folded into it.
            self._end_look_ahead(item)

    def _detach(self, block: RecordBlock, at: int) -> ProfileObject:
        """Make an object of its own of one in a block; of one in flight, only a placeholder that others wait for."""
        if at < block.taken:
            identity = block.item(at).identity
            # It has no records and no content: what is in flight is settled with its block.
            placeholder = block.waiters[at] = ProfileObject("attributes", identity, None, (), taken=True)
            return placeholder
        item = block.detach(at)
        self._waiting.take_over(item)
        return item

    def skip(self, records: int = 1) -> None:
        """Note that records were read; those that are invalid or passed over count for the look-ahead too."""
        self.read += records
        self._end_look_aheads()

    def _end_look_aheads(self) -> None:
        self._waiting.end_look_ahead(self.read - LOOK_AHEAD_RECORDS, self._end_look_ahead)

    def finish(self) -> None:
        """Say that nothing more will be read, so that no look-ahead is needed."""
        self._waiting.end_look_ahead(self.read, self._end_look_ahead)

    def _fold(self, last: ProfileObject, item: ProfileObject) -> bool:
        # What was taken is on its way, and events each count: neither can become anything else.
        if last.taken or not item.array == last.array == "attributes":
            return False
        # Counted from its first record, not its last: else a user in every record would never be sent.
        if item.position - last.position > LOOK_AHEAD_RECORDS:
            return False
        grown = last.fold_in(item, self._united, self.room)
        if grown is None:
            return False
        self.characters += grown
        return True

    def _end_look_ahead(self, item: ProfileObject) -> None:
        item.past_look_ahead = True
        if item.settled_earlier:
            # It only waited for records to be folded into it, and there are none.
            self._take_out([item])
            self._pass_turn(item)
        elif item.before is None:
            # Else the one before it queues it, when that has its outcome.
            self._waiting.queue(item)

    def take(self, most: int | None = None) -> Batch | None:
        """Take the next batch, or None while every user in the window is in flight or still looked ahead for.

        The batch's users are in flight until :meth:`release`.

        :param most: most objects of it (default: of a request).
        """
        # Asked for a batch when none is whole, the file is at its end or the window full: then look-aheads end early.
        waiting, most = self._waiting, most or self.objects_per_request
        while waiting.in_look_ahead and (
            not waiting.ready or (waiting.ready < most and self.characters >= MOST_CHARACTERS)
        ):
            if (item := waiting.end_first_look_ahead()) is not None:
                self._end_look_ahead(item)
        parts = waiting.take(most, self.room)
        self._in_flight += self._take_out(parts)
        return Batch(parts) if parts else None

    def _take_out(self, parts: Iterable[Part]) -> int:
        """Count objects out of the window, and give their number."""
        objects = records = characters = 0
        for part in parts:
            if isinstance(part, BlockSlice):
                objects += len(part)
                records += len(part)
                characters += part.weight
            else:
                part.taken = True
                objects += 1
                records += len(part.references)
                characters += part.weight
        self._count_out(objects, records, characters)
        return objects

    def _count_out(self, objects: int, records: int, characters: int) -> None:
        self._objects -= objects
        self.records -= records
        self.characters -= characters

    def release(self, parts: Iterable[Part]) -> None:
        """Say that what was taken has its outcome, so that its users may be sent again."""
        # Only now, and not when it was taken: Braze may process two requests in any order.
        for part in parts:
            self._in_flight -= size(part)
            if isinstance(part, ProfileObject):
                self._pass_turn(part)
            else:
                self._release_slice(part)

    def _release_slice(self, block_slice: BlockSlice) -> None:
        last, block = self._last, block_slice.block
        keys: Iterable[Key] = block_slice.keys
        if block.waiters:
            for at in range(block_slice.start, block_slice.stop):
                if (placeholder := block.waiters.pop(at, None)) is not None:
                    self._pass_turn(placeholder)
            keys = [key for key in keys if last.get(key) is block]
        # Of users for whom no other object waits, and that were not detached, the block itself is the last.
        deque(map(last.pop, keys, repeat(None)), maxlen=0)
        block.forget(block_slice.start, block_slice.stop)

    def _pass_turn(self, item: ProfileObject) -> None:
        after = item.after
        if after is not None:
            item.after = after.before = None
            # Taken already, where both went into one request; and one that is looked ahead for queues itself.
            if after.past_look_ahead and not after.taken:
                self._waiting.queue(after)
        # Once the window was drained, nobody has a last one.
        elif self._last.get(key := user_key(item.identity)) is item:
            del self._last[key]

    def drain(self) -> list[ProfileObject]:
        """Take out everything that will not be sent, in the order in which it was read."""
        left: list[ProfileObject] = []
        # From each user's last object back to the one in flight; a block stands here once for each of its users.
        for last in {id(last): last for last in self._last.values()}.values():
            if isinstance(last, RecordBlock):
                left += last.rest()
                continue
            item: ProfileObject | None = last
            while item is not None and not item.taken:
                left.append(item)
                item.taken = True
                item.before, item = None, item.before
        self._last.clear()
        self._waiting.clear()
        self.records = self.characters = self._objects = 0
        return sorted(left, key=attrgetter("position"))
