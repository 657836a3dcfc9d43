"""Objects to batches: the look-ahead window in which a user's records are merged, and requests within the limits."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from airflow_provider_braze.users_track import limits
from airflow_provider_braze.users_track.merging import merge

ARRAYS = ("attributes", "events", "purchases")
"""The arrays of a /users/track request, in the order Braze processes them."""

LOOK_AHEAD_RECORDS = 5000
"""Records of one user that lie within this many records of each other are merged."""

LOOK_AHEAD_CHARACTERS = 32_000_000
"""Bound of the window for records that are unusually long, so that memory stays constant."""

Identity = tuple[str | None, ...]

_encode = msgspec.json.Encoder().encode


class Origin(NamedTuple):
    """The record an object comes from: its physical line (or index, for an author's own row) and its cells."""

    line: int
    cells: Sequence[str]


@dataclass(slots=True)
class Outgoing:
    """One object on its way, with every record that was folded into it."""

    array: str
    identity: Identity
    content: dict[str, Any]
    origins: list[Origin]
    body: bytes = b""

    def encode(self) -> str | None:
        """Write the object as JSON; the reason when it cannot be sent."""
        try:
            self.body = _encode(self.content)
        except (UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
            return f"not JSON: {type(error).__name__}"
        return None

    @property
    def repeatable(self) -> bool:
        """Whether Braze may get it twice without harm: sets of values are, events and increments are not."""
        if self.array != "attributes":
            return False
        return not any(
            isinstance(value, dict) and value.keys() & {"inc", "$add"} for value in self.content.values()
        )


@dataclass(slots=True)
class Batch:
    """The objects of one request.

    :param lost: an earlier try may have reached Braze, so these records can no longer be called not sent.
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
            parts.append(b'"partner":' + _encode(partner))
        return b"{" + b",".join(parts) + b"}"

    def placed(self, array: str, index: int) -> Outgoing | None:
        """Find the object that Braze names by array and index within it."""
        members = [item for item in self.items if item.array == array]
        return members[index] if 0 <= index < len(members) else None

    def counts(self) -> dict[str, int]:
        """Count the objects of each array."""
        return {array: sum(item.array == array for item in self.items) for array in ARRAYS}

    def halves(self) -> tuple[Batch, Batch]:
        """Part the batch in two."""
        middle = len(self.items) // 2
        return Batch(self.items[:middle], self.lost), Batch(self.items[middle:], self.lost)


_ENVELOPE_BYTES = 200
"""Room for the names of the arrays, commas apart."""


@dataclass(slots=True)
class Window:
    """Holds what is read but not sent, user by user, and deals out batches in which no user is in flight already.

    :param objects_per_request: most objects of a batch.
    :param bytes_per_request: most bytes of a batch's body.
    :param united: tag attributes that are united though they are plain arrays.
    """

    objects_per_request: int = limits.OBJECTS_PER_REQUEST
    bytes_per_request: int = limits.BYTES_PER_REQUEST
    united: frozenset[str] = frozenset()
    records: int = 0
    characters: int = 0
    _ready: OrderedDict[Identity, deque[Outgoing]] = field(default_factory=OrderedDict)
    _waiting: dict[Identity, deque[Outgoing]] = field(default_factory=dict)
    _in_flight: set[Identity] = field(default_factory=set)

    @property
    def full(self) -> bool:
        """Whether the next batch's users have been looked ahead far enough."""
        return (
            self.records >= LOOK_AHEAD_RECORDS + self.objects_per_request
            or self.characters >= LOOK_AHEAD_CHARACTERS
        )

    @property
    def ready(self) -> bool:
        """Whether a batch can be taken now."""
        return bool(self._ready)

    @property
    def empty(self) -> bool:
        """Whether nothing is left to send."""
        return not self._ready and not self._waiting

    def add(self, item: Outgoing) -> None:
        """Take in an object of one record, folding it into the user's last one where that means the same."""
        self.records += 1
        self.characters += _characters(item.origins)
        slot = self._waiting.get(item.identity) or self._ready.get(item.identity)
        if slot is None:
            home = self._waiting if item.identity in self._in_flight else self._ready
            home[item.identity] = deque((item,))
            return
        last = slot[-1]
        if item.array == "attributes" == last.array:
            merged = merge(last.content, item.content, self.united)
            if merged is not None:
                last.content = merged
                last.origins += item.origins
                return
        slot.append(item)

    def take(self) -> tuple[Batch, list[tuple[Outgoing, str]]]:
        """Take the next batch, and the objects that can never be sent with the reason.

        The batch's users are in flight until :meth:`release`.
        """
        batch = Batch([])
        refused: list[tuple[Outgoing, str]] = []
        room = self.bytes_per_request - _ENVELOPE_BYTES
        while self._ready and len(batch.items) < self.objects_per_request:
            identity, slot = self._ready.popitem(last=False)
            before = len(batch.items)
            room, fits = self._fill(batch, slot, room, refused)
            if len(batch.items) > before:
                self._in_flight.add(identity)
                if slot:
                    self._waiting[identity] = slot
            elif slot:
                self._ready[identity] = slot
                self._ready.move_to_end(identity, last=False)
            if not fits:
                break
        return batch, refused

    def _fill(
        self, batch: Batch, slot: deque[Outgoing], room: int, refused: list[tuple[Outgoing, str]]
    ) -> tuple[int, bool]:
        """Move a user's objects into the batch, in order and at most one of attributes."""
        taken_attributes = False
        while slot and len(batch.items) < self.objects_per_request:
            item = slot[0]
            if item.array == "attributes" and taken_attributes:
                return room, True
            reason = None if item.body else item.encode()
            size = len(item.body) + 1
            if reason is None and size > self.bytes_per_request - _ENVELOPE_BYTES:
                reason = f"larger than a request may be ({self.bytes_per_request} bytes)"
            if reason is None and size > room:
                return room, False
            slot.popleft()
            self.records -= len(item.origins)
            self.characters -= _characters(item.origins)
            if reason is not None:
                refused.append((item, reason))
                continue
            batch.items.append(item)
            room -= size
            taken_attributes = taken_attributes or item.array == "attributes"
        return room, True

    def release(self, items: list[Outgoing]) -> None:
        """Say that a batch's objects have their outcome, so that their users may be sent again."""
        for item in items:
            self._in_flight.discard(item.identity)
            slot = self._waiting.pop(item.identity, None)
            if slot:
                self._ready[item.identity] = slot

    def drain(self) -> list[Outgoing]:
        """Take out everything that will not be sent."""
        left = [item for home in (self._ready, self._waiting) for slot in home.values() for item in slot]
        self._ready.clear()
        self._waiting.clear()
        self.records = self.characters = 0
        return left


def _characters(origins: list[Origin]) -> int:
    return sum(sum(map(len, origin.cells)) for origin in origins)
