"""Decides of the objects of a push what of them is to be sent, and forgets that; all within a transaction of the store.

Most objects say the very same as the last of their user. One hash tells, and the stretch of the file where their users
lie, one after the other as in the last export, is read at once. Only of the others is the user looked up, and the
object compared value by value.

Above: a bucket of the memory. Below: comparing, and the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from airflow_provider_braze.memory import rules
from airflow_provider_braze.memory.decisions.comparing import Comparer, Hashes
from airflow_provider_braze.memory.decisions.differing import DAY, Differing, Read, has_few_tags
from airflow_provider_braze.memory.decisions.entry_hashes import entry_hashes
from airflow_provider_braze.memory.decisions.plain_objects import Plain, PlainObjects
from airflow_provider_braze.memory.decisions.reducing import AS_IT_IS, Decision, Gathered, Told, decision_of
from airflow_provider_braze.memory.decisions.together import Together, unread
from airflow_provider_braze.memory.persistence.buckets import BUCKETS
from airflow_provider_braze.memory.persistence.entries import UserEntries
from airflow_provider_braze.memory.persistence.shapes import billed_of
from airflow_provider_braze.memory.persistence.store import SHAPE, MemoryStore, place_of
from airflow_provider_braze.users_track.batching.profile_object import from_json
from airflow_provider_braze.users_track.rules.data_points import Billed, surplus
from airflow_provider_braze.users_track.rules.names import squash

_NEVER = -(2.0**62)

_MOST_ACCEPTED = 12_000 // BUCKETS
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
        self._comparer = Comparer(push, store.slots, Hashes(store.digest), wish.only_changed)
        self._always_send = frozenset(map(squash, wish.always_send))
        self._plain = PlainObjects(
            store.slots, entry_hashes(store.salt), self._always_send, self._comparer.unsafe
        )
        self._together = Together(self._plain)
        self.accepted: dict[int, UserEntries] = {}
        spread = int(wish.refresh_after or 0)
        self._differing = Differing(push, store, self._together, lambda: self._clock(), spread, self.accepted)
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

        :param objects: of users whom the memory knows by name.
        :param confirmed: Braze is known to have a profile of each user.
        """
        if len(self.accepted) >= _MOST_ACCEPTED:
            self.write_accepted()
        wholes: Sequence[int] = [0] * len(objects.bodies)
        if self._wish.only_changed:
            wholes = self._store.hashes(self._prefix, objects.bodies)
        decided: list[Decision | None] = [None] * len(wholes)
        if self._leaves_out:
            decided = self._decide_at_once(objects, wholes)
        left = [at for at, decision in enumerate(decided) if decision is None]
        if left:
            found = self._decide_left(
                objects.of(left),
                [wholes[at] for at in left],
                confirmed=confirmed,
                follow=len(left) == len(wholes),
            )
            for at, decision in zip(left, found, strict=True):
                decided[at] = decision
        return [decision or AS_IT_IS for decision in decided]

    def _decide_at_once(self, objects: Gathered, wholes: Sequence[int]) -> list[Decision | None]:
        """Decide of those objects that are the very same as the last of their user, if they lie where they should."""
        after, count = self._wish.refresh_after, len(wholes)
        since = _NEVER if after is None else self._clock() - after * DAY
        known = self._store.wholes(self._next, self._next + count + count // _FEW, self._push, since)
        found = list(map(known.get, wholes))
        hits = list(filter(None, found))
        if not hits:
            return [None] * count
        self._next = place_of(max(hits)) + 1
        unchanged = self._unchanged
        decided = [None if both is None else unchanged.get(both & SHAPE) for both in found]
        if decided.count(None) > count - len(hits):
            # Of a shape that was not met so far.
            for at, both in enumerate(found):
                if both is not None and decided[at] is None:
                    decided[at] = self._unchanged_of(both & SHAPE, objects.bodies[at])
        return decided

    def _unchanged_of(self, shape: int, body: bytes) -> Decision:
        billed = self._store.shapes.billed(shape)
        if billed is None:
            return Decision(unchanged=billed_of(from_json(body)))
        found = self._unchanged[shape] = Decision(unchanged=billed)
        return found

    def _decide_left(
        self, objects: Gathered, wholes: Sequence[int], *, confirmed: bool, follow: bool
    ) -> list[Decision | None]:
        """Decide of those objects of which it takes more than their hash; None of one that is sent as it is.

        :param follow: it is with these that the next export goes on.
        """
        bodies = objects.bodies
        decided: list[Decision | None] = [None] * len(wholes)
        users = self._store.user_ids(list(map(str, objects.users)))
        rows = self._rows(users)
        checked = [body if sure else b"" for body, sure in zip(bodies, objects.checked, strict=True)]
        several = self._together.read(checked) if self._wish.only_changed else unread(len(users))
        read = Read(users, wholes, bodies, several)
        new: list[int] = []
        before: dict[int, UserEntries] = {}
        met = 0
        for at, user in enumerate(users):
            row = rows.get(user)
            if row is None and not self._wish.only_changed:
                continue
            if row is None and several.fits(at):
                if confirmed or several.creates(at):
                    new.append(at)
                continue
            decided[at], forgotten = self._decide_one(objects, read, at, row, confirmed=confirmed)
            if row is not None:
                met = row.at
            if forgotten is not None:
                # Should another object of the user follow.
                before[user] = rows[user] = forgotten
        for at, decision in zip(new, self._differing.first(read, new) if new else (), strict=True):
            decided[at] = decision
        for user in before:
            self.accepted.pop(user, None)
        self._put(before.items())
        if met > 0 and follow:
            self._next = met + 1
        return decided

    def _rows(self, users: Iterable[int]) -> dict[int, UserEntries]:
        accepted = self.accepted
        users = set(users)
        waiting = {user: accepted[user] for user in users & accepted.keys()}
        self._came_again.update(user for user, row in waiting.items() if row.at < 0)
        return self._store.rows(users - waiting.keys()) | waiting

    def _decide_one(
        self, objects: Gathered, read: Read, at: int, row: UserEntries | None, *, confirmed: bool
    ) -> tuple[Decision | None, UserEntries | None]:
        """Decide of an object; what is remembered from now on, where that is something else, is given besides."""
        due = row is not None and self._is_due(row)
        if row is not None and self._wish.only_changed and read.several.fits(at) and has_few_tags(row):
            decide = self._differing.again if due else self._differing.compare
            if (found := decide(read, at, row)) is not None:
                return found
        content = from_json(objects.bodies[at])
        if row is None and not (confirmed or rules.creates(content)):
            return None, None
        each = _Object(read.users[at], content, objects.checked[at], read.wholes[at])
        plain = self._plain.read(content) if each.checked and self._wish.only_changed else None
        if row is None and plain is not None:
            return Decision(Told(each.user, self._first(each, plain))), None
        if row is not None and plain is not None and self._leaves_out and not due and has_few_tags(row):
            return self._compare_plain(each, plain, row)
        return self._compare(each, row, known=row is not None and not due)

    def _first(self, each: _Object, plain: Plain) -> UserEntries:
        """Remember a user who was not known."""
        return UserEntries(
            self._store.new_places(1)[0],
            self._differing.first_whole_at([each.user])[0],
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
        """Decide of a plain object that was not read together with others: as a rule it adds several tags at once."""
        left = self._plain.left(each.content, plain, row, self._push)
        shape = self._shape(each.content, plain)
        if left.after is None:
            return self._nothing_new(each, row, shape), None
        if not has_few_tags(left.after):
            return self._compare(each, row, known=True)
        told = Told(each.user, replace(left.after, whole=each.whole, shape=shape))
        if not left.values:
            return Decision(told), left.before
        return Decision(told, None, Billed.of_points(left.values, left.saved), left.content), left.before

    def _nothing_new(self, each: _Object, row: UserEntries, shape: int) -> Decision:
        """Leave an object out, and know the next time at once that it is to be left out."""
        if row.whole != each.whole:
            self.accepted[each.user] = replace(row, whole=each.whole, shape=shape)
        return Decision(unchanged=self._store.shapes.billed(shape, each.content))

    def _compare(
        self, each: _Object, row: UserEntries | None, *, known: bool
    ) -> tuple[Decision, UserEntries | None]:
        """Decide of an object statement by statement."""
        parts = rules.statements(each.content, self._always_send, checked=each.checked)
        start = row or UserEntries(
            self._store.new_places(1)[0], self._differing.first_whole_at([each.user])[0], 0, 0, b""
        )
        forgets_all = False
        if row is not None and not known:
            own, others = row.parted(self._push)
            start = replace(row, whole_at=int(self._clock())).telling(self._push, own, ())
            forgets_all = bool(others)
        compared = self._comparer.compare(parts, start)
        if forgets_all and compared.before is None:
            compared.before = start
        unchanged = known and self._leaves_out and not any(compared.sent)
        if compared.after is not None and self._is_all_remembered(parts, compared.after):
            shape = self._store.shapes.number(
                tuple(each.content), surplus(each.content), sum(len(part.values) for part in parts)
            )
            if unchanged and row is not None:
                return self._nothing_new(each, row, shape), None
            compared.after = replace(compared.after, whole=each.whole, shape=shape)
        return decision_of(each.user, each.content, parts, compared, unchanged=unchanged), compared.before

    def _is_all_remembered(self, parts: Sequence[rules.Statement], after: UserEntries) -> bool:
        """Tell whether an object that is repeated need not be sent: every bit of it is remembered."""
        unsafe = self._comparer.unsafe
        return has_few_tags(after) and all(
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
        return self._leaves_out and after is not None and self._clock() - row.whole_at >= after * DAY

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
        self._together.forget()
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
                self.accepted[user] = replace(self.accepted[user], at=at)
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
