"""Objects to batches: the look-ahead window in which a user's records are merged, and requests within the limits."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from airflow_provider_braze.users_track import limits
from airflow_provider_braze.users_track.merging import merge
from airflow_provider_braze.users_track.outgoing import Identity, Origin, Outgoing, to_json

__all__ = ["ARRAYS", "Batch", "Identity", "Origin", "Outgoing", "Window"]

ARRAYS = ("attributes", "events", "purchases")
"""The arrays of a /users/track request, in the order Braze processes them."""

LOOK_AHEAD_RECORDS = 5000
"""Records of one user that lie within this many records of the first of them are merged."""

MOST_RECORDS = 4 * LOOK_AHEAD_RECORDS
"""Bound of the window where the records of a batch's users are very many."""

MOST_CHARACTERS = 32_000_000
"""Bound of the window for records that are unusually long, so that memory stays constant."""

_ENVELOPE = len('{"attributes":[],"events":[],"purchases":[]}')
_RANK = {array: rank for rank, array in enumerate(ARRAYS)}


@dataclass(slots=True)
class Batch:
    """The objects of one request.

    :param lost: a try may have reached Braze and has no conclusive answer, so that these records can no longer be
        called not sent.
    :param ambiguous: Braze may have processed the last try, so that events must not be sent again.
    """

    items: list[Outgoing]
    lost: bool = False
    ambiguous: bool = False

    def body(self, partner: str | None) -> bytes:
        """Write the request's body."""
        parts = [
            b'"%s":[%s]' % (array.encode(), b",".join(item.body for item in found))
            for array in ARRAYS
            if (found := [item for item in self.items if item.array == array])
        ]
        if partner:
            parts.append(_partner(partner))
        return b"{" + b",".join(parts) + b"}"

    def placed(self, array: str, index: int) -> Outgoing | None:
        """Find the object that Braze names by array and index within it."""
        members = [item for item in self.items if item.array == array]
        return members[index] if 0 <= index < len(members) else None

    def counts(self) -> dict[str, int]:
        """Count the objects of each array."""
        return {array: sum(item.array == array for item in self.items) for array in ARRAYS}

    def halves(self) -> tuple[Batch, Batch]:
        """Part the batch in two, in order."""
        middle = len(self.items) // 2
        return Batch(self.items[:middle], self.lost), Batch(self.items[middle:], self.lost)


def _partner(partner: str) -> bytes:
    return b'"partner":' + to_json(partner)


class Window:
    """Holds what is read but not sent, user by user, and deals out batches in which no user is in flight already.

    An attributes object becomes ripe when the look-ahead from its first record is over; only ripe ones are dealt out,
    so that which records are merged depends on the file alone, never on how fast Braze answers.

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
        self.records = 0
        self.characters = 0
        self._bytes_per_request = bytes_per_request
        self._room = bytes_per_request - _ENVELOPE - (len(_partner(partner)) + 1 if partner else 0)
        self._united = united
        self._read = 0
        self._users: dict[Identity, list[Outgoing]] = {}
        self._aging: deque[Outgoing] = deque()
        self._ready: deque[Identity] = deque()
        self._in_flight: set[Identity] = set()

    @property
    def full(self) -> bool:
        """Whether the next batch is whole, or the window too large to wait for it."""
        return (
            len(self._ready) >= self.objects_per_request
            or self.records >= MOST_RECORDS
            or self.characters >= MOST_CHARACTERS
        )

    @property
    def empty(self) -> bool:
        """Whether nothing is left to send."""
        return not self._users

    def add(self, item: Outgoing) -> str | None:
        """Take in an object of one record, folding it into the user's last one where that means the same.

        :return: why the object can never be sent, in which case the window does not hold it.
        """
        reason = item.encode()
        if reason is None and len(item.body) > self._room:
            reason = f"larger than a request may be ({self._bytes_per_request} bytes)"
        if reason is None:
            self._place(item)
        self.skip()
        return reason

    def skip(self) -> None:
        """Note that a record was read; one that is invalid counts for the look-ahead too."""
        self._read += 1
        while self._aging and self._aging[0].position + LOOK_AHEAD_RECORDS < self._read:
            self._ripen(self._aging.popleft())

    def finish(self) -> None:
        """Say that nothing more will be read, so that no look-ahead is needed."""
        while self._aging:
            self._ripen(self._aging.popleft())

    def _place(self, item: Outgoing) -> None:
        item.weight = len(item.body) + sum(origin.weight for origin in item.origins)
        self.records += len(item.origins)
        slot = self._users.get(item.identity)
        if slot is None:
            slot = self._users[item.identity] = []
        elif self._fold(slot[-1], item):
            return
        self.characters += item.weight
        item.position = self._read
        slot.append(item)
        if item.array == "attributes":
            self._aging.append(item)
        else:
            self._ripen(item)

    def _fold(self, last: Outgoing, item: Outgoing) -> bool:
        if not item.array == last.array == "attributes" or self._read - last.position > LOOK_AHEAD_RECORDS:
            return False
        merged = merge(last.content, item.content, self._united)
        if merged is None:
            return False
        body = to_json(merged)
        if len(body) > self._room:
            return False
        weight = last.weight + item.weight - len(item.body) + len(body) - len(last.body)
        self.characters += weight - last.weight
        last.weight = weight
        last.more = None
        last.become(merged, body)
        last.origins += item.origins
        return True

    def _ripen(self, item: Outgoing) -> None:
        item.ripe = True
        slot = self._users.get(item.identity)
        if slot and slot[0] is item and item.identity not in self._in_flight:
            self._ready.append(item.identity)

    def take(self) -> Batch | None:
        """Take the next batch, or None while every user in the window is in flight or still looked ahead for.

        The batch's users are in flight until :meth:`release`.
        """
        while self._aging and (
            not self._ready
            or (len(self._ready) < self.objects_per_request and self.characters >= MOST_CHARACTERS)
        ):
            self._ripen(self._aging.popleft())
        batch = Batch([])
        room = self._room
        while self._ready and len(batch.items) < self.objects_per_request:
            identity = self._ready.popleft()
            slot = self._users[identity]
            before = len(batch.items)
            room, fits = self._fill(batch, slot, room)
            if len(batch.items) > before:
                self._in_flight.add(identity)
            else:
                self._ready.appendleft(identity)
            if not slot:
                del self._users[identity]
            if not fits:
                break
        return batch if batch.items else None

    def _fill(self, batch: Batch, slot: list[Outgoing], room: int) -> tuple[int, bool]:
        """Move a user's objects into the batch, as many as Braze will process in their order."""
        before = -1
        while slot and len(batch.items) < self.objects_per_request:
            item = slot[0]
            rank = _RANK[item.array]
            if rank < before or rank == before == 0:
                return room, True
            if len(item.body) > room:
                return room, False
            batch.items.append(slot.pop(0))
            self.records -= len(item.origins)
            self.characters -= item.weight
            room -= len(item.body) + 1
            before = rank
        return room, True

    def release(self, items: list[Outgoing]) -> None:
        """Say that a batch's objects have their outcome, so that their users may be sent again."""
        for item in items:
            if item.identity in self._in_flight:
                self._in_flight.remove(item.identity)
                slot = self._users.get(item.identity)
                if slot and slot[0].ripe:
                    self._ready.append(item.identity)

    def drain(self) -> list[Outgoing]:
        """Take out everything that will not be sent."""
        left = [item for slot in self._users.values() for item in slot]
        for home in (self._users, self._aging, self._ready):
            home.clear()
        self.records = self.characters = 0
        return left
