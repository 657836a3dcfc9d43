"""What waits in the window: first until its look-ahead is over, then for its turn in a batch.

The window stands above, which knows users; here there is only order. Below are blocks and objects.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from airflow_provider_braze.users_track.batching.batch import ARRAYS, Part
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.batching.record_block import RecordBlock

_RANK = {array: rank for rank, array in enumerate(ARRAYS)}


class Waiting:
    """Objects and blocks, roughly in the order in which they were read.

    An object that was detached from the block in which it was read ends its look-ahead behind that block when it must
    wait for another of its user, so up to the length of a block late; it is then sent as much later.

    ``ready`` counts the objects that can be taken.
    """

    def __init__(self) -> None:
        self.ready = 0
        self._in_look_ahead: deque[ProfileObject | RecordBlock] = deque()
        # By the ordinal of their record: they are older than what came after their block.
        self._detached_in_look_ahead: list[tuple[int, ProfileObject]] = []
        self._queue: deque[ProfileObject | RecordBlock] = deque()

    @property
    def in_look_ahead(self) -> bool:
        """Whether something is looked ahead for."""
        return bool(self._in_look_ahead or self._detached_in_look_ahead)

    def begin_look_ahead(self, newest: ProfileObject | RecordBlock) -> None:
        """Look ahead for what was read last."""
        self._in_look_ahead.append(newest)

    def take_over(self, item: ProfileObject) -> None:
        """Let an object take the place that it had in a block."""
        if item.past_look_ahead:
            self._queue.append(item)
        else:
            heapq.heappush(self._detached_in_look_ahead, (item.position, item))

    def queue(self, item: ProfileObject) -> None:
        """Let an object that is past its look-ahead be taken after those that are in the queue."""
        self._queue.append(item)
        self.ready += 1

    def end_look_ahead(self, oldest: int, ended: Callable[[ProfileObject], None]) -> None:
        """End the look-ahead of all before some record.

        :param ended: takes single objects, to queue them when it is their turn.
        """
        in_look_ahead, detached = self._in_look_ahead, self._detached_in_look_ahead
        # What was detached has no place among the blocks any more: the ordinal of its record says when it is over.
        while detached and detached[0][0] < oldest:
            ended(heapq.heappop(detached)[1])
        while in_look_ahead and (first := in_look_ahead[0]).position < oldest:
            if isinstance(first, ProfileObject):
                in_look_ahead.popleft()
                ended(first)
            elif not self._end_look_ahead_of_block(first, first.count_before(oldest)):
                # The rest of it, and all behind it, is younger.
                break

    def end_first_look_ahead(self) -> ProfileObject | None:
        """End the look-ahead of the one that was read first, and give it, unless it is one of a block."""
        in_look_ahead, detached = self._in_look_ahead, self._detached_in_look_ahead
        if detached and (not in_look_ahead or detached[0][0] <= _first_in_look_ahead(in_look_ahead[0])):
            return heapq.heappop(detached)[1]
        first = in_look_ahead[0]
        if isinstance(first, ProfileObject):
            in_look_ahead.popleft()
            return first
        self._end_look_ahead_of_block(first, first.past_look_ahead + 1)
        return None

    def _end_look_ahead_of_block(self, first: RecordBlock, count: int) -> bool:
        """End the look-ahead of so many of the first block, or more if they are already; whether all are."""
        # It never goes back: a full window may have ended the look-ahead of more than so many.
        before, first.past_look_ahead = (
            first.past_look_ahead,
            max(first.past_look_ahead, min(count, len(first))),
        )
        self.ready += first.count(before, first.past_look_ahead)
        # A block stands in the queue once, however many of it can be taken, and comes back when more can.
        if not first.queued:
            first.queued = True
            self._queue.append(first)
        if first.past_look_ahead < len(first):
            return False
        self._in_look_ahead.popleft()
        return True

    def take(self, most: int, room: int) -> list[Part]:
        """Deal out what is next, as far as it fits.

        :param most: objects.
        :param room: bytes, with a comma between any two objects.
        """
        queue = self._queue
        taken: list[Part] = []
        while queue and most:
            first = queue[0]
            if isinstance(first, RecordBlock):
                block_slice = first.take(most, room)
                if block_slice is not None:
                    taken.append(block_slice)
                    self.ready -= len(block_slice)
                    most -= len(block_slice)
                    room -= block_slice.size + 1
                elif first.taken < first.past_look_ahead:
                    # Its next one does not fit any more; a smaller one behind it must not overtake.
                    break
                self._unqueue_taken(first)
                continue
            if len(first.body) > room:
                break
            queue.popleft()
            self.ready -= 1
            # What Braze processes in this order within one request goes out together, and waits for no answer between.
            item: ProfileObject | None = first
            while item is not None and most and len(item.body) <= room:
                taken.append(item)
                most -= 1
                room -= len(item.body) + 1
                item = _together(item)
        return taken

    def _unqueue_taken(self, first: RecordBlock) -> None:
        if first.taken == first.past_look_ahead:
            self._queue.popleft()
            first.queued = False

    def clear(self) -> None:
        """Forget everything."""
        self._in_look_ahead.clear()
        self._detached_in_look_ahead.clear()
        self._queue.clear()
        self.ready = 0


def _first_in_look_ahead(first: ProfileObject | RecordBlock) -> int:
    return first.position_of(first.past_look_ahead) if isinstance(first, RecordBlock) else first.position


def _together(item: ProfileObject) -> ProfileObject | None:
    """Give the user's next object if Braze will process it after this one when both are in one request."""
    after = item.after
    if after is None or after.array == "attributes" or _RANK[after.array] < _RANK[item.array]:
        return None
    return after
