"""What waits in the window: first until its look-ahead is over, then for its turn in a batch."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable

from airflow_provider_braze.users_track.batch import ARRAYS, Part
from airflow_provider_braze.users_track.outgoing import Outgoing
from airflow_provider_braze.users_track.stretches import Stretch

_RANK = {array: rank for rank, array in enumerate(ARRAYS)}


class Waiting:
    """Objects and stretches, roughly in the order in which they were read.

    An object that was lifted out of the stretch in which it was read ripens behind that stretch when it must wait for
    another of its user, so up to the length of a stretch late; it is then sent as much later.

    ``ready`` counts the objects that can be dealt out.
    """

    def __init__(self) -> None:
        self.ready = 0
        self._aging: deque[Outgoing | Stretch] = deque()
        # By the ordinal of their record: they are older than what came after their stretch.
        self._aging_lifted: list[tuple[int, Outgoing]] = []
        self._queue: deque[Outgoing | Stretch] = deque()

    @property
    def aging(self) -> bool:
        """Whether something is looked ahead for."""
        return bool(self._aging or self._aging_lifted)

    def age(self, newest: Outgoing | Stretch) -> None:
        """Look ahead for what was read last."""
        self._aging.append(newest)

    def take_over(self, item: Outgoing) -> None:
        """Let an object take the place that it had in a stretch."""
        if item.ripe:
            self._queue.append(item)
        else:
            heapq.heappush(self._aging_lifted, (item.position, item))

    def queue(self, item: Outgoing) -> None:
        """Let a ripe object be dealt out after those that are in the queue."""
        self._queue.append(item)
        self.ready += 1

    def ripen(self, oldest: int, ripened: Callable[[Outgoing], None]) -> None:
        """Let all before some record ripen.

        :param ripened: takes single objects, to queue them when it is their turn.
        """
        aging, lifted = self._aging, self._aging_lifted
        while lifted and lifted[0][0] < oldest:
            ripened(heapq.heappop(lifted)[1])
        while aging and (first := aging[0]).position < oldest:
            if isinstance(first, Outgoing):
                aging.popleft()
                ripened(first)
            elif not self._ripen_stretch(first, oldest - first.position):
                break

    def ripen_first(self) -> Outgoing | None:
        """Let the one that was read first ripen, and give it, unless it is one of a stretch."""
        aging, lifted = self._aging, self._aging_lifted
        if lifted and (not aging or lifted[0][0] <= aging[0].position + _ripe(aging[0])):
            return heapq.heappop(lifted)[1]
        first = aging[0]
        if isinstance(first, Outgoing):
            aging.popleft()
            return first
        self._ripen_stretch(first, first.ripe + 1)
        return None

    def _ripen_stretch(self, first: Stretch, count: int) -> bool:
        """Let so many of the first stretch ripen, or more if they are ripe already; whether all are."""
        before, first.ripe = first.ripe, max(first.ripe, min(count, len(first)))
        self.ready += first.count(before, first.ripe)
        if not first.queued:
            first.queued = True
            self._queue.append(first)
        if first.ripe < len(first):
            return False
        self._aging.popleft()
        return True

    def deal(self, most: int, room: int) -> list[Part]:
        """Deal out what is next, as far as it fits.

        :param most: objects.
        :param room: bytes, with a comma between any two objects.
        """
        queue = self._queue
        dealt: list[Part] = []
        while queue and most:
            first = queue[0]
            if isinstance(first, Stretch):
                piece = first.deal(most, room)
                if piece is not None:
                    dealt.append(piece)
                    self.ready -= len(piece)
                    most -= len(piece)
                    room -= piece.size + 1
                elif first.dealt < first.ripe:
                    break
                self._unqueue_dealt(first)
                continue
            if len(first.body) > room:
                break
            queue.popleft()
            self.ready -= 1
            item: Outgoing | None = first
            while item is not None and most and len(item.body) <= room:
                dealt.append(item)
                most -= 1
                room -= len(item.body) + 1
                item = _together(item)
        return dealt

    def _unqueue_dealt(self, first: Stretch) -> None:
        if first.dealt == first.ripe:
            self._queue.popleft()
            first.queued = False

    def clear(self) -> None:
        """Forget everything."""
        self._aging.clear()
        self._aging_lifted.clear()
        self._queue.clear()
        self.ready = 0


def _ripe(first: Outgoing | Stretch) -> int:
    return first.ripe if isinstance(first, Stretch) else 0


def _together(item: Outgoing) -> Outgoing | None:
    """Give the user's next object if Braze will process it after this one when both are in one request."""
    after = item.after
    if after is None or after.array == "attributes" or _RANK[after.array] < _RANK[item.array]:
        return None
    return after
