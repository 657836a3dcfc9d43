"""The memory of one push: of each object, what needs not be sent; and what Braze has accepted, for the next push.

Two rules make it safe. What is about to be sent is forgotten, on disk, before the request goes out; and only what Braze
accepted is remembered. So whatever ends a push, at most too little is known, and too much is sent.

Above: a push. Below: comparing, the file, and where it is kept.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.exceptions import describe
from airflow_provider_braze.memory import rules
from airflow_provider_braze.memory.comparing import Comparer, Hashes
from airflow_provider_braze.memory.entries import Row
from airflow_provider_braze.memory.opened import MemoryUnwritableError, Place
from airflow_provider_braze.memory.reducing import PLAIN, Decision, Reduced, Told, applied, is_plain
from airflow_provider_braze.memory.store import Store
from airflow_provider_braze.redpoint.reading.header import normalised
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.rules.values import to_json

_DAY = 86_400


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


class Memory:
    """
    The memory while one push uses it.

    :param place: where it is kept.
    :param wish: what the push asks of it.
    :param push: the push's number, the same in each of its tries.
    :param say: takes a warning.
    :param clock: seconds since the epoch.
    """

    def __init__(
        self,
        place: Place,
        wish: Wish,
        push: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._place, self._wish, self._say, self._clock = place, wish, say, clock
        self._store: Store = place.store
        self._leaves_out = wish.only_changed and not wish.ignore
        self._hashes = Hashes(self._store.digest)
        self._comparer = Comparer(
            push,
            self._store.slots,
            self._hashes,
            self._leaves_out,
            wish.only_changed,
        )
        self._always_send = frozenset(map(normalised, wish.always_send))
        self._generation = f"steady:{self._store.meta('generation', 0)}:".encode()
        self._accepted: list[Told] = []
        self._given_up = False
        if wish.only_changed:
            with self._store.transaction():
                self._store.begin_push(
                    push, datetime.fromtimestamp(clock(), UTC).isoformat(timespec="seconds")
                )

    def reduce(self, items: Sequence[ProfileObject], *, confirmed: bool = False) -> Reduced:
        """Take out of objects what Braze was told before; what is to be sent is forgotten when this returns.

        :param confirmed: Braze is known to have a profile of each user.
        :raises MemoryUnwritableError: it can neither forget, nor be set aside.
        """
        if self._given_up:
            return Reduced(list(items))
        met = False
        decided: list[Decision | None] = []
        try:
            with self._store.transaction():
                met = self._place.is_met()
                if not met:
                    self._write_accepted()
                    decided = self._decide(items, confirmed=confirmed)
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be used ({describe(error)})", forget=True)
            return Reduced(list(items))
        if met:
            self._give_up("another push came while this one used it", forget=False)
            return Reduced(list(items))
        # Only now, when all is on disk, are the objects themselves changed.
        return applied(items, decided)

    def _decide(self, items: Sequence[ProfileObject], *, confirmed: bool) -> list[Decision | None]:
        self._forget_shared(items)
        users = [self._store.user_id(str(item.identity[1])) if is_plain(item) else None for item in items]
        rows = self._store.rows([user for user in users if user is not None])
        before: list[tuple[int, Row]] = []
        decided: list[Decision | None] = []
        for item, user in zip(items, users, strict=True):
            decision = None if user is None else self._decide_one(item, user, rows.get(user), confirmed)
            decided.append(decision)
            if user is not None and decision is not None and decision.compared.before is not None:
                before.append((user, decision.compared.before))
        self._store.put(before)
        return decided

    def _decide_one(
        self, item: ProfileObject, user: int, row: Row | None, confirmed: bool
    ) -> Decision | None:
        content = item.content
        may_begin = self._wish.only_changed and (confirmed or rules.creates(content))
        if row is None and not may_begin:
            return None
        quick = self._decide_steady(item, content, user, row)
        if quick is not None:
            return quick
        parts = rules.statements(content, self._always_send, checked=item.checked)
        known = row is not None and not self._is_due(row)
        start = row or Row(self._first_whole_at(user), 0, 0, b"")
        older = False
        if row is not None and not known:
            own, others = row.parted(self._comparer.push)
            start, older = Row.of(int(self._clock()), self._comparer.push, own, ()), bool(others)
        compared = self._comparer.compare(parts, start, known=known)
        if older and compared.before is None:
            compared.before = start
        if compared.after is not None:
            compared.after = compared.after._replace(steady=self._steady_of(content, parts))
        unchanged = known and self._leaves_out and not any(compared.sent)
        return Decision(user, content, parts, compared, unchanged)

    def _decide_steady(
        self, item: ProfileObject, content: dict[str, Any], user: int, row: Row | None
    ) -> Decision | None:
        """Decide at once of an object that says, but for its tags, the very same as the last; None where it does not.

        Most do, and to compare each value for itself would take many times as long.
        """
        if row is None or not row.steady or not self._hashes_steady or self._is_due(row):
            return None
        if row.push == self._comparer.push and row.fresh:
            return None
        steady, rest = rules.parted(content)
        if row.steady != self._steady_hash(steady):
            return None
        parts = rules.statements(rest, checked=item.checked)
        if any(part.kind == rules.UNSAFE for part in parts):
            return None
        compared = self._comparer.compare(parts, row, known=True)
        # What it forgets and remembers is only of tags.
        compared.before = compared.before and compared.before._replace(steady=row.steady)
        compared.after = compared.after and compared.after._replace(steady=row.steady)
        values, points = rules.saved_by(steady)
        compared.values += values
        compared.saved.update(points)
        return Decision(user, content, parts, compared, not any(compared.sent))

    @property
    def _hashes_steady(self) -> bool:
        return self._leaves_out and not self._always_send and not self._comparer.unsafe

    def _steady_of(self, content: dict[str, Any], parts: Sequence[rules.Statement]) -> int:
        """Hash what an object says beside tags, where all of that is remembered once Braze has accepted it; else 0."""
        if self._always_send or self._comparer.unsafe:
            return 0
        steady, _ = rules.parted(content)
        for part in parts:
            if part.attribute in steady and not (part.remembered and self._store.slots.number(part)):
                return 0
            if part.kind == rules.UNSAFE:
                return 0
        return self._steady_hash(steady)

    def _steady_hash(self, steady: dict[str, Any]) -> int:
        return self._store.digest(self._generation + to_json(steady)) or 1

    def _is_due(self, row: Row) -> bool:
        """Tell whether all of a user is to be sent, and remembered, anew."""
        if self._wish.only_changed and self._wish.ignore:
            return True
        after = self._wish.refresh_after
        return self._leaves_out and after is not None and self._clock() - row.whole_at >= after * _DAY

    def _first_whole_at(self, user: int) -> int:
        """Spread users that are met for the first time over the days after which all of them is sent again."""
        days = int(self._wish.refresh_after or 0)
        return int(self._clock()) - (user % days if days > 1 else 0) * _DAY

    def _forget_shared(self, items: Sequence[ProfileObject]) -> None:
        """Forget for all users what is sent to one who is named by an e-mail address or the like."""
        for item in items:
            if item.array != "attributes" or item.identity[:1] == (PLAIN,):
                continue
            for attribute in rules.attributes_of(item.content):
                if attribute not in self._comparer.unsafe:
                    self._comparer.unsafe.add(attribute)
                    self._store.forget_attribute(attribute)

    def accepted(self, told: Any) -> None:
        """Remember what Braze has accepted, with the next writing."""
        if isinstance(told, Told) and not self._given_up:
            self._accepted.append(told)

    def absent(self, items: Sequence[ProfileObject]) -> None:
        """Forget users whom Braze does not know."""
        if self._given_up:
            return
        try:
            with self._store.transaction():
                self._store.forget_users(
                    self._store.user_id(str(item.identity[1])) for item in items if is_plain(item)
                )
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be used ({describe(error)})", forget=True)

    def flush(self) -> None:
        """Write what Braze has accepted so far."""
        if self._given_up or not self._accepted:
            return
        try:
            with self._store.transaction():
                self._write_accepted()
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be written ({describe(error)})", forget=False)

    def _write_accepted(self) -> None:
        if self._accepted:
            self._store.put(self._accepted)
            self._accepted = []

    def _give_up(self, why: str, *, forget: bool) -> None:
        """Use it no longer; everything is sent from here on.

        :param forget: something could not be forgotten that is about to be sent, so that nobody may believe it.
        """
        self._given_up, self._accepted = True, []
        self._say(f"The memory of what Braze was told is set aside, and everything is sent: {why}.")
        try:
            self._place.disbelieve()
        except Exception as error:
            if forget:
                raise MemoryUnwritableError(
                    f"The memory of what Braze was told can neither be written nor set aside ({describe(error)}): "
                    "delete it, make room, or set memory_path to another folder."
                ) from error

    def since(self) -> dict[str, Any]:
        """Say since when it remembers, and what it has saved since; nothing once it was given up."""
        if self._given_up:
            return {}
        return {
            "memory_since": self._store.meta("since"),
            "data_points_saved_since": sum(self._store.saved().values()),
        }

    def end(self, about: dict[str, Any], saved: dict[str, int]) -> None:
        """Note what a push did that is over for good.

        :param about: what ``memory show`` says of the last push.
        :param saved: data points that it saved, by attribute.
        """
        if self._given_up:
            return
        try:
            with self._store.transaction():
                self._write_accepted()
                self._store.add_saved(saved)
                if about:
                    self._store.put_meta("last_push", about)
        except (sqlite3.Error, OSError) as error:
            self._give_up(f"it cannot be written ({describe(error)})", forget=False)

    def close(self) -> None:
        """Write what is left, and let the next push have it."""
        self.flush()
        self._given_up = True
        try:
            self._place.close()
        except Exception as error:
            self._say(
                f"The memory of what Braze was told could not be brought back ({describe(error)}): the next push "
                "sends everything."
            )
