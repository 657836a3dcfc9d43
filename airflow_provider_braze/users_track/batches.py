"""Objects to batches: the look-ahead window in which a user's records are merged, and requests within the limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_provider_braze.users_track import limits
from airflow_provider_braze.users_track.merging import merge
from airflow_provider_braze.users_track.outgoing import Identity, Origin, Outgoing, to_json
from airflow_provider_braze.users_track.tally import EARLIER

__all__ = ["ARRAYS", "Batch", "Found", "Identity", "Origin", "Outgoing", "Window"]

Found = Outgoing | list[Outgoing | None] | None
"""What a source yields: an object, None for a record that was settled at once, or several that are JSON and weighed."""

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

    @property
    def records(self) -> int:
        """Records that no earlier try has settled."""
        return sum(origin.segment is not EARLIER for item in self.items for origin in item.origins)

    def body(self, partner: str | None) -> bytes:
        """Write the request's body."""
        parts = [
            b'"%s":[%s]'
            % (array.encode(), b",".join([item.body for item in self.items if item.array == array]))
            for array, count in self.counts().items()
            if count
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
        counts = dict.fromkeys(ARRAYS, 0)
        for item in self.items:
            counts[item.array] += 1
        return counts

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
        self.records = 0
        self.characters = 0
        self._bytes_per_request = bytes_per_request
        self._room = bytes_per_request - _ENVELOPE - (len(_partner(partner)) + 1 if partner else 0)
        self._united = united
        self._read = 0
        self._waiting = 0
        self._in_flight = 0
        # Each user's last object, be it in flight already.
        self._last: dict[Identity, Outgoing] = {}
        self._aging: deque[Outgoing] = deque()
        self._ready: deque[Outgoing] = deque()

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
        return not self._waiting

    @property
    def waits(self) -> bool:
        """Whether some user's objects are in flight."""
        return self._in_flight > 0

    def take_in(self, found: Found) -> Sequence[tuple[Outgoing, str]]:
        """Take in what a source yields.

        :return: the objects that can never be sent, which the window does not hold, and why.
        """
        if found is None:
            self.skip()
        elif isinstance(found, list):
            return self.add_all(found)
        elif (reason := self.add(found)) is not None:
            return [(found, reason)]
        return ()

    def add(self, item: Outgoing) -> str | None:
        """Take in an object of one record, folding it into the user's last one where that means the same.

        :return: why the object can never be sent, in which case the window does not hold it.
        """
        reason = item.encode()
        too_large = self.add_all([item if reason is None else None])
        return too_large[0][1] if too_large else reason

    def add_all(self, items: Sequence[Outgoing | None]) -> list[tuple[Outgoing, str]]:
        """Take in the objects of consecutive records that are JSON and weighed already.

        :param items: None for a record that was settled at once.
        :return: those that can never be sent, which the window does not hold, and why.
        """
        too_large: list[tuple[Outgoing, str]] = []
        room, last_of, aging = self._room, self._last, self._aging
        position = self._read
        records = taken_in = characters = 0
        for item in items:
            position += 1
            if item is None:
                continue
            item.position = position - 1
            if len(item.body) > room:
                too_large.append((item, f"larger than a request may be ({self._bytes_per_request} bytes)"))
                continue
            records += 1
            last = last_of.setdefault(item.identity, item)
            if last is not item:
                if self._fold(last, item):
                    continue
                last_of[item.identity] = last.after = item
                item.before = last
            taken_in += 1
            characters += item.weight
            if item.array == "attributes":
                aging.append(item)
            else:
                self._ripen(item)
        self._waiting += taken_in
        self.records += records
        self.characters += characters
        self._read = position
        self._let_ripen()
        return too_large

    def skip(self) -> None:
        """Note that a record was read; one that is invalid counts for the look-ahead too."""
        self._read += 1
        self._let_ripen()

    def _let_ripen(self) -> None:
        aging, oldest = self._aging, self._read - LOOK_AHEAD_RECORDS
        while aging and aging[0].position < oldest:
            self._ripen(aging.popleft())

    def finish(self) -> None:
        """Say that nothing more will be read, so that no look-ahead is needed."""
        while self._aging:
            self._ripen(self._aging.popleft())

    def _fold(self, last: Outgoing, item: Outgoing) -> bool:
        if last.taken or not item.array == last.array == "attributes":
            return False
        if item.position - last.position > LOOK_AHEAD_RECORDS:
            return False
        older, newer = last.content, item.content
        checked = last.checked and item.checked
        merged = merge(older, newer, self._united, checked=checked)
        if merged is None:
            return False
        body = to_json(merged)
        if len(body) > self._room:
            return False
        last.unbill(older)
        item.unbill(newer)
        weight = last.weight + item.weight - len(item.body) + len(body) - len(last.body)
        self.characters += weight - last.weight
        last.weight = weight
        last.more = None
        last.checked = checked
        last.become(merged, body)
        last.origins = (*last.origins, *item.origins)
        return True

    def _ripen(self, item: Outgoing) -> None:
        item.ripe = True
        if item.settled_earlier:
            # It only waited for records to be folded into it, and there are none.
            self._take_out([item])
            self._pass_turn(item)
        elif item.before is None:
            self._ready.append(item)

    def take(self) -> Batch | None:
        """Take the next batch, or None while every user in the window is in flight or still looked ahead for.

        The batch's users are in flight until :meth:`release`.
        """
        ready, most = self._ready, self.objects_per_request
        while self._aging and (not ready or (len(ready) < most and self.characters >= MOST_CHARACTERS)):
            self._ripen(self._aging.popleft())
        items: list[Outgoing] = []
        room = self._room
        while ready and len(items) < most and len(ready[0].body) <= room:
            item: Outgoing | None = ready.popleft()
            while item is not None:
                items.append(item)
                room -= len(item.body) + 1
                item = item.after and _together(item) if len(items) < most else None
                if item is not None and len(item.body) > room:
                    item = None
        self._take_out(items)
        self._in_flight += len(items)
        return Batch(items) if items else None

    def _take_out(self, items: Sequence[Outgoing]) -> None:
        """Count objects out of the window."""
        self._waiting -= len(items)
        for item in items:
            item.taken = True
            self.records -= len(item.origins)
            self.characters -= item.weight

    def release(self, items: list[Outgoing]) -> None:
        """Say that a batch's objects have their outcome, so that their users may be sent again."""
        self._in_flight -= len(items)
        for item in items:
            self._pass_turn(item)

    def _pass_turn(self, item: Outgoing) -> None:
        after = item.after
        if after is not None:
            item.after = after.before = None
            if after.ripe and not after.taken:
                self._ready.append(after)
        elif self._last.get(item.identity) is item:
            del self._last[item.identity]

    def drain(self) -> list[Outgoing]:
        """Take out everything that will not be sent."""
        left: list[Outgoing] = []
        for last in self._last.values():
            of_user: list[Outgoing] = []
            item: Outgoing | None = last
            while item is not None and not item.taken:
                of_user.append(item)
                item.taken = True
                before, item.before = item.before, None
                item = before
            left += reversed(of_user)
        for home in (self._last, self._aging, self._ready):
            home.clear()
        self.records = self.characters = self._waiting = 0
        return left


def _together(item: Outgoing) -> Outgoing | None:
    """Give the user's next object if Braze will process it after this one when both are in one request."""
    after = item.after
    if after is None or after.array == "attributes" or _RANK[after.array] < _RANK[item.array]:
        return None
    return after
