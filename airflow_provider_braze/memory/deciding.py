"""Decides of the objects of a push what of them is to be sent, and forgets that; all within a transaction of the store.

Most objects say the very same as the last of their user. One hash tells, and the stretch of the file where their users
lie, one after the other as in the last export, is read at once. Only of the others is the user looked up, and the
object compared value by value.

Above: the memory. Below: comparing, the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from airflow_provider_braze.memory import rules
from airflow_provider_braze.memory.buckets import BUCKETS
from airflow_provider_braze.memory.comparing import Comparer, Hashes
from airflow_provider_braze.memory.entries import ENTRY_BYTES, UserEntries
from airflow_provider_braze.memory.plain_objects import Plain, PlainObjects
from airflow_provider_braze.memory.reducing import AS_IT_IS, Decision, Gathered, Told, decision_of
from airflow_provider_braze.memory.shapes import billed_of
from airflow_provider_braze.memory.store import MemoryStore, hash_of_number, place_and_shape
from airflow_provider_braze.redpoint.reading.header import normalised
from airflow_provider_braze.users_track.batching.profile_object import from_json
from airflow_provider_braze.users_track.rules.data_points import surplus

_DAY = 86_400

_NEVER = -(2.0**62)

_MOST_ACCEPTED = 30_000 // BUCKETS
"""Users of a bucket that Braze has accepted something of, written together: what of it is lost is only sent again."""

_FEW = 16
"""So many objects make one user more that is read beyond them: some may have gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a push asks of the memory.

    :param only_changed: leave out what Braze was told before.
    :param ignore: send all, and remember it anew.
    :param refresh_after: days after which all of a user is sent again; None: never.
    :param always_send: names of columns or attributes that are never left out.
    :param path: folder, instead of one in the reports folder.
    """

    only_changed: bool = False
    ignore: bool = False
    refresh_after: float | None = 30.0
    always_send: frozenset[str] = frozenset()
    path: str | None = None


class Decider:
    """
    Decides for one push.

    ``accepted`` is what Braze has accepted and is not written yet, by user.

    :param store: the open file.
    :param wish: what the push asks of it.
    :param push: its number, the same in each of its tries.
    :param clock: seconds since the epoch.
    """

    def __init__(self, store: MemoryStore, wish: Wish, push: int, clock: Callable[[], float]) -> None:
        self._store, self._wish, self._push, self._clock = store, wish, push, clock
        self._leaves_out = wish.only_changed and not wish.ignore
        self._comparer = Comparer(
            push, store.slots, Hashes(store.digest), self._leaves_out, wish.only_changed
        )
        self._always_send = frozenset(map(normalised, wish.always_send))
        self._plain = PlainObjects(store.slots, store.digest, self._always_send, self._comparer.unsafe)
        self.accepted: dict[int, UserEntries] = {}
        # Who came again before the last was written: their next may be written after it.
        self._came_again: set[int] = set()
        self._began, self._has_begun = clock(), False
        # Where the next export most likely goes on.
        self._next = 1
        self._unchanged: dict[int, Decision] = {}
        self._prefix = self._new_prefix()

    def _new_prefix(self) -> bytes:
        """Make what objects are hashed with as a whole: when something is forgotten for all users, it is another."""
        words = (str(self._store.meta("generation", 0)), *sorted(self._always_send))
        return "whole:{}:".format("\n".join(words)).encode()

    def decide(self, objects: Gathered, *, confirmed: bool) -> list[Decision]:
        """Decide of each object, and forget what is to be sent.

        :param confirmed: Braze is known to have a profile of each user.
        """
        if len(self.accepted) >= _MOST_ACCEPTED:
            self.write_accepted()
        decided = [AS_IT_IS] * len(objects.bodies)
        places: list[int] = []
        plain = [at for at, user in enumerate(objects.users) if user is not None]
        wholes: list[int] = []
        if self._wish.only_changed:
            wholes = self._store.hashes(self._prefix, objects.bodies)
        left = self._decide_at_once(objects, plain, wholes, decided, places) if self._leaves_out else plain
        hits = len(places)
        users = {at: self._store.user_id(str(objects.users[at])) for at in left}
        rows = self._rows(users.values())
        before: dict[int, UserEntries] = {}
        for at, user in users.items():
            row = rows.get(user)
            if row is None and not self._wish.only_changed:
                continue
            content = from_json(objects.bodies[at])
            if row is None and not (confirmed or rules.creates(content)):
                continue
            each = _Object(user, content, objects.checked[at], wholes[at] if wholes else 0)
            decided[at], forgotten = self._decide_one(each, row)
            if row is not None:
                places.append(row.at)
            if forgotten is not None:
                # Should another object of the user follow.
                before[user] = rows[user] = forgotten
        for user in before:
            self.accepted.pop(user, None)
        self._put(before.items())
        if places:
            self._next = max(places[:hits] or places[-1:]) + 1
        return decided

    def _decide_at_once(
        self,
        objects: Gathered,
        plain: Sequence[int],
        wholes: Sequence[int],
        decided: list[Decision],
        places: list[int],
    ) -> list[int]:
        """Decide of those objects that are the very same as the last of their user, if they lie where they should.

        :param places: takes where they lie.
        :return: the others.
        """
        after = self._wish.refresh_after
        since = _NEVER if after is None else self._clock() - after * _DAY
        last = self._next + len(plain) + len(plain) // _FEW
        known = self._store.wholes(self._next, last, self._push, since)
        if not known:
            return list(plain)
        left = []
        unchanged = self._unchanged
        for at in plain:
            found = known.get(wholes[at])
            if found is None:
                left.append(at)
                continue
            place, shape = place_and_shape(found)
            places.append(place)
            decided[at] = unchanged.get(shape) or self._unchanged_of(shape, objects.bodies[at])
        return left

    def _unchanged_of(self, shape: int, body: bytes) -> Decision:
        billed = self._store.shapes.billed(shape)
        if billed is None:
            return Decision(unchanged=billed_of(from_json(body)))
        found = self._unchanged[shape] = Decision(unchanged=billed)
        return found

    def _rows(self, users: Iterable[int]) -> dict[int, UserEntries]:
        accepted = self.accepted
        users = set(users)
        waiting = {user: accepted[user] for user in users & accepted.keys()}
        self._came_again.update(user for user, row in waiting.items() if row.at < 0)
        return self._store.rows(users - waiting.keys()) | waiting

    def _decide_one(self, each: _Object, row: UserEntries | None) -> tuple[Decision, UserEntries | None]:
        """Decide of an object; what is remembered from now on, where that is something else, is given besides."""
        plain = self._plain.read(each.content) if each.checked and self._wish.only_changed else None
        if row is None and plain is not None:
            return Decision(Told(each.user, self._first(each, plain))), None
        known = row is not None and not self._is_due(row)
        if row is not None and known and plain is not None and self._leaves_out and _has_few_tags(row):
            return self._compare_plain(each, plain, row)
        return self._compare(each, row, known=known)

    def _first(self, each: _Object, plain: Plain) -> UserEntries:
        """Remember a user who was not known."""
        return UserEntries(
            self._store.new_place(),
            self._first_whole_at(each.user),
            self._push,
            len(plain.entries),
            b"".join(plain.entries),
            each.whole,
            self._shape(each.content, plain),
        )

    def _shape(self, content: dict[str, Any], plain: Plain) -> int:
        return self._store.shapes.number(tuple(content), plain.more, len(plain.entries))

    def _compare_plain(
        self, each: _Object, plain: Plain, row: UserEntries
    ) -> tuple[Decision, UserEntries | None]:
        """Decide of a plain object."""
        left = self._plain.left(each.content, plain, row, self._push)
        shape = self._shape(each.content, plain)
        if left.after is None:
            return self._nothing_new(each, row, shape), None
        if not _has_few_tags(left.after):
            return self._compare(each, row, known=True)
        told = Told(each.user, left.after._replace(whole=each.whole, shape=shape))
        if not left.values:
            return Decision(told), left.before
        return Decision(told, None, left.values, left.saved, each.content, left.content), left.before

    def _nothing_new(self, each: _Object, row: UserEntries, shape: int) -> Decision:
        """Leave an object out, and know the next time at once that it is to be left out."""
        if row.whole != each.whole:
            self.accepted[each.user] = row._replace(whole=each.whole, shape=shape)
        return Decision(unchanged=self._store.shapes.billed(shape, each.content))

    def _compare(
        self, each: _Object, row: UserEntries | None, *, known: bool
    ) -> tuple[Decision, UserEntries | None]:
        """Decide of an object statement by statement."""
        parts = rules.statements(each.content, self._always_send, checked=each.checked)
        start = row or UserEntries(self._store.new_place(), self._first_whole_at(each.user), 0, 0, b"")
        forgets_all = False
        if row is not None and not known:
            own, others = row.parted(self._push)
            start = row._replace(whole_at=int(self._clock())).telling(self._push, own, ())
            forgets_all = bool(others)
        compared = self._comparer.compare(parts, start, known=known)
        if forgets_all and compared.before is None:
            compared.before = start
        unchanged = known and self._leaves_out and not any(compared.sent)
        if compared.after is not None and self._is_all_remembered(parts, compared.after):
            shape = self._store.shapes.number(
                tuple(each.content), surplus(each.content), sum(len(part.values) for part in parts)
            )
            if unchanged and row is not None:
                return self._nothing_new(each, row, shape), None
            compared.after = compared.after._replace(whole=each.whole, shape=shape)
        return decision_of(each.user, each.content, parts, compared, unchanged=unchanged), compared.before

    def _is_all_remembered(self, parts: Sequence[rules.Statement], after: UserEntries) -> bool:
        """Tell whether an object that is repeated need not be sent: every bit of it is remembered."""
        unsafe = self._comparer.unsafe
        return _has_few_tags(after) and all(
            part.remembered
            and part.kind != rules.UNSAFE
            and part.attribute not in unsafe
            and self._store.slots.number(part) is not None
            for part in parts
        )

    def _is_due(self, row: UserEntries) -> bool:
        """Tell whether all of a user is to be sent, and remembered, anew."""
        if self._wish.only_changed and self._wish.ignore:
            return True
        after = self._wish.refresh_after
        return self._leaves_out and after is not None and self._clock() - row.whole_at >= after * _DAY

    def _first_whole_at(self, user: int) -> int:
        """Spread users that are met for the first time over the days after which all of them is sent again."""
        days = int(self._wish.refresh_after or 0)
        return int(self._clock()) - (hash_of_number(user) % days if days > 1 else 0) * _DAY

    def forget_for_all(self, attributes: Iterable[str]) -> None:
        """Forget attributes of all users, and remember nothing of them from here on."""
        unsafe = self._comparer.unsafe
        new = set(attributes) - unsafe
        if not new:
            return
        # The same set, for others hold it, too.
        unsafe |= new
        for attribute in new:
            self._store.forget_attribute(attribute)
        self._plain.forget()
        self._prefix = self._new_prefix()

    def forget(self, external_ids: Iterable[str]) -> None:
        """Forget users."""
        users = {*map(self._store.user_id, external_ids)}
        for user in users:
            self.accepted.pop(user, None)
        self._store.forget_users(users)

    def write_accepted(self) -> None:
        """Write what Braze has accepted."""
        if again := self._came_again & self.accepted.keys():
            for user, at in self._store.places(again).items():
                self.accepted[user] = self.accepted[user]._replace(at=at)
        self._put(self.accepted.items())
        self.accepted.clear()

    def _put(self, rows: Collection[tuple[int, UserEntries]]) -> None:
        if rows and self._wish.only_changed and not self._has_begun:
            began = datetime.fromtimestamp(self._began, UTC).isoformat(timespec="seconds")
            self._store.begin_push(self._push, began)
            self._has_begun = True
        self._store.put(rows)


class _Object(msgspec.Struct, gc=False):
    """An object of one user.

    :param user: their number.
    :param content: the object.
    :param checked: Braze surely takes every value of it.
    :param whole: its hash.
    """

    user: int
    content: dict[str, Any]
    checked: bool
    whole: int


def _has_few_tags(row: UserEntries) -> bool:
    """Tell at once whether no array has so many known tags that all of them are sent."""
    return len(row.entries) <= rules.MOST_TAGS * ENTRY_BYTES
