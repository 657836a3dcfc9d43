"""One object and what is remembered of its user: what is to be sent, what is forgotten before, what is told after.

Above: the memory. Below: rules, slots and entries, and the hash of the store. Nothing here reads or writes a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from operator import not_
from typing import Any

from airflow_provider_braze.memory.persistence.entries import Entry, UserEntries
from airflow_provider_braze.memory.persistence.slots import Slots
from airflow_provider_braze.memory.rules import MOST_TAGS, TAGS, Statement, cost
from airflow_provider_braze.users_track.rules.values import to_json

_MOST_CACHED = 6_000
_LONGEST_CACHED = 64


class Hashes:
    """Hashes of values; short texts come again and again.

    :param digest: hashes bytes.
    """

    def __init__(self, digest: Callable[[bytes], int]) -> None:
        self._digest = digest
        self._texts: dict[str, int] = {}

    def of(self, value: Any) -> int:
        """Hash a value as the JSON that it is sent as."""
        if value.__class__ is not str:
            return self._digest(to_json(value))
        found = self._texts.get(value)
        if found is None:
            found = self._digest(to_json(value))
            if len(value) <= _LONGEST_CACHED:
                if len(self._texts) >= _MOST_CACHED:
                    self._texts.clear()
                self._texts[value] = found
        return found


@dataclass(slots=True)
class Compared:
    """What a comparison found.

    :param sent: the values to be sent of each statement, in their order; none: it is left out.
    :param before: what is remembered from before the request on.
    :param after: what is remembered once Braze has accepted it.
    :param values: how many values are left out.
    :param saved: the data points of these, by attribute.
    """

    sent: list[tuple[Any, ...]] = field(default_factory=list)
    before: UserEntries | None = None
    after: UserEntries | None = None
    values: int = 0
    saved: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Comparer:
    """Compares the objects of one push.

    :param push: its number.
    :param slots: numbers of what can be said.
    :param hashes: hashes of values.
    :param remembers: whether it remembers what it tells.
    :param unsafe: attributes that it sends to users who have another identifier, too: whose they are nobody knows.
    """

    push: int
    slots: Slots
    hashes: Hashes
    remembers: bool
    unsafe: set[str] = field(default_factory=set)

    def compare(self, parts: Sequence[Statement], row: UserEntries) -> Compared:
        """Compare an object with what is remembered of its user.

        :param parts: what the object says.
        :param row: the user's; where nothing may be left out, without what was told before this push.
        """
        own, older = row.parted(self.push)
        remembered = frozenset(older)
        found = Compared()
        forgotten: set[int] = set()
        told: list[Entry] = []
        kept: list[Entry] = []
        for part in parts:
            hashes = self._hashes(part)
            slot = self.slots.number(part) if hashes else None
            news: tuple[Any, ...] = part.values
            if slot is not None:
                is_new = [(slot, at) not in remembered for at in hashes]
                tags = [entry for entry in (*own, *older) if entry[0] == slot] if part.kind in TAGS else []
                if part.kind in TAGS and len({at for _, at in tags}.union(hashes)) > MOST_TAGS:
                    is_new = [True] * len(hashes)
                if not all(is_new):
                    news = tuple(compress(part.values, is_new))
                    left = tuple(compress(part.values, map(not_, is_new)))
                    found.values += len(left)
                    found.saved[part.attribute] += cost(part, left)
                if news:
                    told += [(slot, at) for at in compress(hashes, is_new)]
                    # So many that it stays known that there are too many.
                    kept += tags[: MOST_TAGS + 1]
            found.sent.append(news)
            if news:
                forgotten |= self.slots.rivals(part)
        self._note(found, row, (own, older), forgotten, told, kept)
        return found

    def _hashes(self, part: Statement) -> list[int]:
        """Hash what a statement says; nothing where it is not to be remembered."""
        if not part.remembered or part.attribute in self.unsafe or not self.remembers:
            return []
        return [self.hashes.of(value) for value in part.values]

    def _note(
        self,
        found: Compared,
        row: UserEntries,
        entries: tuple[list[Entry], list[Entry]],
        forgotten: set[int],
        told: list[Entry],
        kept: list[Entry],
    ) -> None:
        own, older = ([entry for entry in some if entry[0] not in forgotten] for some in entries)
        if len(own) + len(older) < sum(map(len, entries)):
            found.before = row.telling(row.push, own, older)
        if self.remembers:
            fresh = list(dict.fromkeys([*told, *own]))
            again = frozenset(fresh)
            others = [entry for entry in kept if entry not in again]
            found.after = row.telling(self.push, fresh, [*older, *others])
