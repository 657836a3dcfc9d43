"""Objects to batches: the look-ahead window in which a user's records are merged, and requests within the limits."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from airflow_provider_braze.users_track import limits
from airflow_provider_braze.users_track.data_points import Names, Surplus, surplus
from airflow_provider_braze.users_track.merging import merge

ARRAYS = ("attributes", "events", "purchases")
"""The arrays of a /users/track request, in the order Braze processes them."""

LOOK_AHEAD_RECORDS = 5000
"""Records of one user that lie within this many records of the first of them are merged."""

MOST_RECORDS = 4 * LOOK_AHEAD_RECORDS
"""Bound of the window where the records of a batch's users are very many."""

MOST_CHARACTERS = 32_000_000
"""Bound of the window for records that are unusually long, so that memory stays constant."""

_CELL = 8
"""What a cell costs beside its characters: a file may have ten thousand empty columns."""

Identity = tuple[str | None, ...]

_encode = msgspec.json.Encoder().encode
_ENVELOPE = len('{"attributes":[],"events":[],"purchases":[]}')
_RANK = {array: rank for rank, array in enumerate(ARRAYS)}


_CELL_END = "\x1f"
"""Between the cells of a packed record: one text takes a tenth of the memory of sixteen, and thousands are waiting."""


class Origin(NamedTuple):
    """The record an object comes from: its physical line (or index, for an author's own row) and its cells, packed."""

    line: int
    packed: str | tuple[str, ...]

    @classmethod
    def of(cls, line: int, cells: Sequence[str]) -> Origin:
        """Pack a record."""
        packed = _CELL_END.join(cells)
        if not cells or packed.count(_CELL_END) != len(cells) - 1:
            return cls(line, tuple(cells))
        return cls(line, packed)

    @property
    def cells(self) -> Sequence[str]:
        """The record as it was read."""
        return self.packed.split(_CELL_END) if isinstance(self.packed, str) else self.packed

    @property
    def weight(self) -> int:
        """Roughly its characters in memory; an empty cell costs something too."""
        if isinstance(self.packed, str):
            return len(self.packed)
        return sum(map(len, self.packed)) + len(self.packed) * _CELL


class Outgoing:
    """One object on its way, with every record that was folded into it.

    Thousands wait in the window, so what waits is JSON: the object itself is read back in the rare cases that need it.

    :param array: ``attributes``, ``events`` or ``purchases``.
    :param identity: whom it is about.
    :param content: the object.
    :param origins: the records it comes from.
    :param more: the data points that its attributes count beyond one each (default: found out).
    """

    __slots__ = (
        "_content",
        "array",
        "body",
        "identity",
        "more",
        "names",
        "origins",
        "position",
        "ripe",
        "weight",
    )

    def __init__(
        self,
        array: str,
        identity: Identity,
        content: dict[str, Any],
        origins: list[Origin],
        more: Surplus | None = None,
    ) -> None:
        self.array = array
        self.identity = identity
        self.origins = origins
        self.more = more
        self._content: dict[str, Any] | None = content
        self.body = b""
        self.names: Names = ()
        # Of its place in the window: the ordinal of its first record, whether nothing more can be folded into it,
        # and what it takes of the window.
        self.position = 0
        self.ripe = False
        self.weight = 0

    @property
    def content(self) -> dict[str, Any]:
        """The object."""
        if self._content is None:
            found: dict[str, Any] = msgspec.json.decode(self.body)
            return found
        return self._content

    def billed(self) -> tuple[Names, Surplus]:
        """Give the names of its attributes, and what those count that are not one data point."""
        return self.names or tuple(self.content), surplus(self.content) if self.more is None else self.more

    def encode(self) -> str | None:
        """Write the object as JSON; the reason when it cannot be sent."""
        content = self.content
        try:
            body = _encode(content)
        except Exception as error:
            # The text of the error may hold a value, so only its type is told.
            return f"not JSON: {type(error).__name__}"
        # Such a number would be written as null, which unsets what Braze has stored.
        if b"null" in body and _holds_no_number(content):
            return "not JSON: a number that is infinite or not a number"
        self.become(content, body)
        return None

    def become(self, content: dict[str, Any], body: bytes) -> None:
        """Take this content, of which only the JSON is kept."""
        self.body = body
        self.names = tuple(content)
        if self.more is None:
            self.more = surplus(content)
        self._content = None

    @property
    def repeatable(self) -> bool:
        """Whether Braze may get it twice without harm: sets of values are, events and increments are not."""
        return self.array == "attributes" and not any(map(_counts_each_time, self.content.values()))


def _holds_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_no_number, value.values()))
    return isinstance(value, list | tuple | set) and any(map(_holds_no_number, value))


def _counts_each_time(value: Any) -> bool:
    return isinstance(value, dict) and ("$add" in value or value.keys() == {"inc"})


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
    return b'"partner":' + _encode(partner)


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
        self._users: dict[Identity, deque[Outgoing]] = {}
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
            slot = self._users[item.identity] = deque()
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
        body = _encode(merged)
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

    def _fill(self, batch: Batch, slot: deque[Outgoing], room: int) -> tuple[int, bool]:
        """Move a user's objects into the batch, as many as Braze will process in their order."""
        before = -1
        while slot and len(batch.items) < self.objects_per_request:
            item = slot[0]
            rank = _RANK[item.array]
            if rank < before or rank == before == 0:
                return room, True
            if len(item.body) > room:
                return room, False
            batch.items.append(slot.popleft())
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
