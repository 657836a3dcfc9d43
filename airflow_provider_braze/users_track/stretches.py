"""Objects of consecutive records, held together: few of those that wait ever need an object of their own."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import compress, repeat

from airflow_provider_braze.users_track.outgoing import Identity, Origin, Outgoing
from airflow_provider_braze.users_track.tally import Segment

Key = str | Identity
"""By what a user is found: the ``external_id`` alone, as nearly all are, or else the identity."""

_PLAIN = "external_id"


def key_of(identity: Identity) -> Key:
    """Give the key of a user."""
    kind, first = identity[:2]
    return first if kind == _PLAIN and first is not None else identity


class Stretch:
    """The attributes objects of consecutive records, of one segment, which counts their data points already.

    They ripen and are dealt out from the first to the last. One that has to do with another record of its user is
    *lifted* out: from then on an object of its own stands for it. What was lifted or sent is kept here no longer.

    :param kind: how their users are identified.
    :param ids: the identifiers.
    :param bodies: the objects as JSON; the list is the stretch's own from here on.
    :param lines: the physical lines where the records start.
    :param texts: the records as they were read; another list of its own.
    :param segment: where they are counted.
    :param cut: takes the cells out of such a text.
    """

    __slots__ = (
        "_cut",
        "_lines",
        "_texts",
        "bodies",
        "dealt",
        "followed",
        "keys",
        "lifted",
        "position",
        "queued",
        "ripe",
        "segment",
    )

    def __init__(
        self,
        kind: str,
        ids: Sequence[str],
        bodies: list[bytes],
        *,
        lines: Sequence[int],
        texts: list[str],
        segment: Segment,
        cut: Callable[[str], Sequence[str]],
    ) -> None:
        self.keys: Sequence[Key] = ids if kind == _PLAIN else list(zip(repeat(kind), ids))
        self.bodies = bodies
        self.segment = segment
        self._lines = lines
        self._texts = texts
        self._cut = cut
        # Of its place in the window: the ordinal of its first record, how many are looked ahead for no longer, how
        # many were dealt out or passed over, and whether it stands in the queue for that.
        self.position = 0
        self.ripe = 0
        self.dealt = 0
        self.queued = False
        # In order.
        self.lifted: list[int] = []
        # Stand-ins for those in flight that further objects of their user wait for.
        self.followed: dict[int, Outgoing] = {}

    def __len__(self) -> int:
        return len(self.bodies)

    def weight(self, start: int, stop: int) -> int:
        """Count the characters that some of them take of the window."""
        return sum(map(len, self.bodies[start:stop])) + self.weigh_texts(start, stop)

    def weigh_texts(self, start: int, stop: int) -> int:
        """Count the characters of some of them as they were read."""
        return sum(map(len, self._texts[start:stop]))

    def item(self, at: int) -> Outgoing:
        """Make an object of its own."""
        key, body, text = self.keys[at], self.bodies[at], self._texts[at]
        return Outgoing(
            "attributes",
            (_PLAIN, key) if isinstance(key, str) else key,
            None,
            (Origin(self._lines[at], text, self.segment, self._cut),),
            body=body,
            weight=len(body) + len(text),
            checked=True,
            billed_ahead=True,
            position=self.position + at,
            ripe=at < self.ripe,
            taken=at < self.dealt,
        )

    def lift(self, at: int) -> Outgoing:
        """Take one out, as an object of its own."""
        item = self.item(at)
        insort(self.lifted, at)
        self.forget(at, at + 1)
        return item

    def forget(self, start: int, stop: int) -> None:
        """Keep some of them no longer."""
        self.bodies[start:stop] = [b""] * (stop - start)
        self._texts[start:stop] = [""] * (stop - start)

    def find(self, key: Key) -> int:
        """Give the index of the first that is about a user and was not lifted."""
        at = self.keys.index(key)
        while at in self.lifted:
            at = self.keys.index(key, at + 1)
        return at

    def about(self, users: AbstractSet[Key]) -> Sequence[int]:
        """Give the indexes of those that are about some users and were not lifted."""
        if not users:
            return ()
        keys = self.keys
        return [at for at in self.unlifted(0, len(self)) if keys[at] in users]

    def rest(self) -> list[Outgoing]:
        """Take out all that were not dealt out, as objects of their own."""
        left = [self.item(at) for at in self.unlifted(self.dealt, len(self))]
        self.dealt = len(self)
        return left

    def unlifted(self, start: int, stop: int) -> Sequence[int]:
        """Give the indexes of those that were not lifted."""
        if not self.lifted:
            return range(start, stop)
        lifted = frozenset(self.lifted)
        return [at for at in range(start, stop) if at not in lifted]

    def count(self, start: int, stop: int) -> int:
        """Count those that were not lifted."""
        return stop - start - len(self._lifted_within(start, stop))

    def _lifted_within(self, start: int, stop: int) -> Sequence[int]:
        return self.lifted[bisect_left(self.lifted, start) : bisect_left(self.lifted, stop)]

    def deal(self, most: int, room: int) -> Piece | None:
        """Deal out the next ripe ones.

        :param room: bytes that they may take, with a comma between any two.
        :return: None when none is left, or not even one fits.
        """
        start, stop = self.dealt, self.dealt + most
        for at in self._lifted_within(start, self.ripe):
            if at < stop:
                stop += 1
        stop = min(stop, self.ripe)
        objects = self.count(start, stop)
        size = sum(map(len, self.bodies[start:stop])) + objects - 1
        while objects and size > room:
            stop -= 1
            if last := self.bodies[stop]:
                objects -= 1
                size -= len(last) + 1
        self.dealt = stop
        return Piece(self, start, stop, objects, size) if objects else None


@dataclass(slots=True, eq=False)
class Piece:
    """Some consecutive ones of a stretch, without those that were lifted, in one batch.

    :param objects: how many.
    :param size: bytes of their JSON, with commas between them.
    :param settled: they have their outcome.
    """

    stretch: Stretch
    start: int
    stop: int
    objects: int
    size: int
    settled: bool = False

    array = "attributes"

    def __len__(self) -> int:
        return self.objects

    @property
    def weight(self) -> int:
        """Characters that they take of the window."""
        return self.size - (self.objects - 1) + self.stretch.weigh_texts(self.start, self.stop)

    @property
    def body(self) -> bytes:
        """Their JSON, with commas between them."""
        # Nothing is left of the JSON of those that were lifted.
        return b",".join(filter(None, self.stretch.bodies[self.start : self.stop]))

    @property
    def keys(self) -> Iterator[Key]:
        """Whom they are about."""
        stretch, them = self.stretch, slice(self.start, self.stop)
        return compress(stretch.keys[them], stretch.bodies[them])

    def items(self) -> list[Outgoing]:
        """Make objects of their own of those that are not settled."""
        stretch = self.stretch
        return [] if self.settled else [*map(stretch.item, stretch.unlifted(self.start, self.stop))]
