"""What objects that were read together say that is not remembered of their users: it is all that is to be sent.

It decides as ``comparing`` does, in a fraction of the time, of objects of which nearly every bit is plain.

Above: the decisions of a push. Below: objects read together, and the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import NamedTuple

from msgspec.structs import replace

from airflow_provider_braze.memory.decisions.reducing import Decision, Told, some
from airflow_provider_braze.memory.decisions.together import Several, Together
from airflow_provider_braze.memory.persistence.entries import ENTRY_BYTES, SLOT_BYTES, UserEntries
from airflow_provider_braze.memory.persistence.shapes import billed_of
from airflow_provider_braze.memory.persistence.store import MemoryStore, hash_of_number
from airflow_provider_braze.memory.rules import MOST_TAGS
from airflow_provider_braze.users_track.batching.profile_object import from_json
from airflow_provider_braze.users_track.rules.data_points import surplus

DAY = 86_400

_MOST_SIGNATURES = 5_000


class Read(NamedTuple):
    """Objects that were read together, and whose they are; each list is in the order of the others.

    :param users: the numbers of their users.
    :param wholes: the hashes of the objects as a whole.
    :param bodies: the objects as JSON.
    :param several: what was read.
    """

    users: Sequence[int]
    wholes: Sequence[int]
    bodies: Sequence[bytes]
    several: Several


class Differing:
    """
    Decides of objects that were read together.

    :param push: the number of the push.
    :param store: the open file.
    :param together: what reads them.
    :param clock: seconds since the epoch.
    :param spread: days over which users who are met for the first time are spread.
    :param accepted: takes by user what is remembered from now on, where nothing needs to be sent for that.
    """

    def __init__(
        self,
        push: int,
        store: MemoryStore,
        together: Together,
        clock: Callable[[], float],
        spread: int,
        accepted: dict[int, UserEntries],
    ) -> None:
        self._push, self._store, self._together = push, store, together
        self._clock, self._spread, self._accepted = clock, spread, accepted
        # By the slots of an object's entries.
        self._shapes: dict[bytes, int] = {}

    def first_whole_at(self, users: Sequence[int]) -> list[int]:
        """Spread users that are met for the first time over the days after which all of them is sent again."""
        now, days = int(self._clock()), self._spread
        if days <= 1:
            return [now] * len(users)
        return [now - hash_of_number(user) % days * DAY for user in users]

    def first(self, read: Read, new: Sequence[int]) -> list[Decision]:
        """Send all of some objects, and remember their users, who were not known.

        :param new: their indexes.
        """
        several, bodies = read.several, read.bodies
        users = some(read.users, new)
        blobs = list(map(b"".join, some(several.entries, new)))
        wholes = some(read.wholes, new)
        if any(several.unremembered):
            shapes, wholes = [0] * len(new), list(wholes)
            for at, index in enumerate(new):
                if several.unremembered[index]:
                    wholes[at] = 0
                else:
                    shapes[at] = self.shape_of(blobs[at], bodies[index])
        else:
            known = map(self._shapes.get, self._together.signatures(blobs))
            shapes = [
                self.shape_of(blob, bodies[index]) if shape is None else shape
                for shape, blob, index in zip(known, blobs, new, strict=True)
            ]
        rows = map(
            UserEntries,
            self._store.new_places(len(new)),
            self.first_whole_at(users),
            repeat(self._push),
            [len(blob) // ENTRY_BYTES for blob in blobs],
            blobs,
            wholes,
            shapes,
        )
        return list(map(Decision, map(Told, users, rows)))

    def shape_of(self, blob: bytes, body: bytes) -> int:
        """Give the number of what an object costs of which every bit is remembered.

        :param blob: its entries.
        """
        signature = self._together.signatures([blob])[0]
        found = self._shapes.get(signature)
        if found is None:
            content = from_json(body)
            found = self._store.shapes.number(tuple(content), surplus(content), len(blob) // ENTRY_BYTES)
            if len(self._shapes) >= _MOST_SIGNATURES:
                self._shapes.clear()
            self._shapes[signature] = found
        return found

    def again(self, read: Read, index: int, row: UserEntries) -> tuple[Decision, UserEntries | None] | None:
        """Send all of an object of a known user, and remember the user anew.

        :return: as :meth:`compare` does.
        """
        several = read.several
        entries, unremembered = several.entries[index], several.unremembered[index]
        told = tuple([at for at, entry in enumerate(entries) if entry])
        forgotten = self._together.forgotten_with(told + unremembered)
        own, older = row.packed(self._push)
        own_left = [entry for entry in own if entry[:SLOT_BYTES] not in forgotten]
        row = replace(row, whole_at=int(self._clock()))
        before = None
        if older or len(own_left) < len(own):
            before = row.of_packed(row.push, own_left, ())
        fresh = dict.fromkeys([*filter(None, entries), *own_left])
        return self._told(read, index, row, (fresh, ()), before)

    def compare(self, read: Read, index: int, row: UserEntries) -> tuple[Decision, UserEntries | None] | None:
        """Leave out of an object what is remembered of its user.

        :return: what is decided, and what is remembered from before the request on, None where that is the same; or
            nothing where the object is to be looked at for itself.
        """
        several = read.several
        entries, unremembered = several.entries[index], several.unremembered[index]
        own, older = row.packed(self._push)
        known = frozenset(older)
        told = tuple([at for at, entry in enumerate(entries) if entry and entry not in known])
        sent = told + unremembered
        if not sent:
            return self._nothing_new(read, index, row), None
        forgotten = self._together.forgotten_with(sent)
        own_left = [entry for entry in own if entry[:SLOT_BYTES] not in forgotten]
        older_left = [entry for entry in older if entry[:SLOT_BYTES] not in forgotten]
        before = None
        if len(own_left) + len(older_left) < len(own) + len(older):
            before = row.of_packed(row.push, own_left, older_left)
        fresh = dict.fromkeys([entries[at] for at in told] + own_left)
        if tags := {entries[at][:SLOT_BYTES] for at in self._together.tags_among(told)}:
            # Tags that were added before stay known when others are added.
            older_left += [
                entry for entry in (*own, *older) if entry[:SLOT_BYTES] in tags and entry not in fresh
            ]
        found = self._told(read, index, row, (fresh, older_left), before)
        said = len(entries) - entries.count(b"")
        if found is None or len(told) == said:
            return found
        left_out = self._together.left_out(entries, told)
        left = self._together.left(several.objects[index], sent)
        return replace(found[0], left_out=left_out, left=left), before

    def _nothing_new(self, read: Read, index: int, row: UserEntries) -> Decision:
        """Leave an object out, and know the next time at once that it is to be left out."""
        body, whole = read.bodies[index], read.wholes[index]
        shape = self.shape_of(b"".join(read.several.entries[index]), body)
        if row.whole != whole:
            self._accepted[read.users[index]] = replace(row, whole=whole, shape=shape)
        return Decision(unchanged=self._store.shapes.billed(shape) or billed_of(from_json(body)))

    def _told(
        self,
        read: Read,
        index: int,
        row: UserEntries,
        remembered: tuple[Iterable[bytes], Iterable[bytes]],
        before: UserEntries | None,
    ) -> tuple[Decision, UserEntries | None] | None:
        """Remember what is sent; None where so many tags are known that all of them are to be sent."""
        fresh = [*remembered[0]]
        whole = shape = 0
        if not read.several.unremembered[index]:
            whole = read.wholes[index]
            shape = self.shape_of(b"".join(read.several.entries[index]), read.bodies[index])
        after = row.of_packed(self._push, fresh, remembered[1], whole, shape)
        if not has_few_tags(after):
            return None
        return Decision(Told(read.users[index], after)), before


def has_few_tags(row: UserEntries) -> bool:
    """Tell at once whether no array has so many known tags that all of them are sent."""
    return len(row.entries) <= MOST_TAGS * ENTRY_BYTES
