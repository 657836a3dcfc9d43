"""Objects as nearly all exports have them, hashed value by value in little time: texts, an object of texts, tags added.

It says the same as :func:`rules.statements` and the hashes of their values would, and nothing of any other object.

Above: the memory. Below: rules, slots, and the hashes of values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from airflow_provider_braze.memory.decisions.entry_hashes import EntryHashes, NoEntries, TextEntries
from airflow_provider_braze.memory.persistence.entries import (
    SLOT_BYTES,
    UserEntries,
    packed_slot,
)
from airflow_provider_braze.memory.persistence.slots import Slots
from airflow_provider_braze.memory.rules import (
    ADDED,
    ALWAYS_SENT,
    KEY,
    MERGE,
    NO_VALUES,
    WHOLE,
    Statement,
    is_always_sent,
)
from airflow_provider_braze.users_track.rules import checks
from airflow_provider_braze.users_track.rules.standard_fields import FIELDS

_MOST_TAGS = 50


CHANGES = checks.ARRAY_CHANGES | checks.OBJECT_ARRAY_CHANGES | checks.INCREMENT | checks.TIME


class NeedsStatementsError(Exception):
    """It has to be looked at statement by statement."""


class Plain(NamedTuple):
    """What a plain object says.

    :param entries: packed, one for each value.
    :param more: the data points that its attributes count beyond one each.
    """

    entries: list[bytes]
    more: dict[str, int]


class Left(NamedTuple):
    """What is left of a plain object of whose user something is remembered.

    :param content: what is to be sent.
    :param values: how many values are left out.
    :param saved: the data points of these, by attribute.
    :param before: what is remembered from before the request on; None where that is the same.
    :param after: what is remembered once Braze has accepted it; None where nothing is left.
    """

    content: dict[str, Any]
    values: int
    saved: dict[str, int]
    before: UserEntries | None
    after: UserEntries | None


class PlainObjects:
    """
    Reads plain objects of which Braze surely takes every value.

    :param slots: numbers of what can be said.
    :param hashes: gives the entries of values.
    :param always_send: names, as :func:`squash` spells them, of what is never left out.
    :param unsafe: attributes that are not remembered.
    """

    def __init__(
        self,
        slots: Slots,
        hashes: EntryHashes,
        always_send: AbstractSet[str],
        unsafe: AbstractSet[str],
    ) -> None:
        self.slots, self._hashes = slots, hashes
        self._always_send, self._unsafe = always_send, unsafe
        self.forget()

    def forget(self) -> None:
        """Forget the numbers of slots: some of them mean nothing any more, or an attribute became unsafe."""
        self._wholes, self._tags = _Values(self, WHOLE), _Values(self, ADDED)
        self._objects: dict[str, _Values] = {}
        self._statements: dict[bytes, Statement] = {}
        self._tag_slots: set[bytes] = set()
        self._rivals: dict[bytes, frozenset[bytes]] = {}
        self._rivals_as_of = 0

    def read(self, content: Mapping[str, Any]) -> Plain | None:
        """Read an object; None of one that is not plain."""
        entries: list[bytes] = []
        more: dict[str, int] = {}
        wholes = self._wholes
        try:
            for name, value in content.items():
                if value.__class__ is str:
                    entry = wholes[name][value]
                    if entry:
                        entries.append(entry)
                elif value.__class__ is dict:
                    self._read_object(name, value, content.get(MERGE) is True, entries, more)
                elif name not in NO_VALUES:
                    entries.append(wholes[name].hash(value))
        except NeedsStatementsError:
            return None
        return Plain(entries, more)

    def _read_object(
        self, name: str, value: dict[str, Any], merges: bool, entries: list[bytes], more: dict[str, int]
    ) -> None:
        if name in FIELDS or name in NO_VALUES:
            raise NeedsStatementsError
        if len(value) == 1 and (tags := value.get("add")).__class__ is list:
            texts, said = self._tags[name], len(tags)
            found = [texts[tag] for tag in tags if tag.__class__ is str]
            if said > _MOST_TAGS or len(set(found)) < said:
                raise NeedsStatementsError
        elif merges and CHANGES.isdisjoint(value):
            keys, said = self._objects.get(name) or self._keys_of(name), len(value)
            found = [keys[key][item] for key, item in value.items() if item.__class__ is str]
        else:
            raise NeedsStatementsError
        if not said or len(found) < said:
            raise NeedsStatementsError
        entries += found
        if said > 1:
            more[name] = said - 1

    def left(self, content: Mapping[str, Any], plain: Plain, row: UserEntries, push: int) -> Left:
        """Leave out of an object what is remembered already.

        :param plain: what :meth:`read` said of it.
        :param row: what is remembered.
        :param push: what this one has told itself is told again.
        """
        own, older = row.packed(push)
        known = set(older)
        told = [entry for entry in plain.entries if entry not in known]
        if not told:
            return Left({}, len(plain.entries), {}, None, None)
        forgotten = self._forgotten_with(told)
        own_left = [entry for entry in own if entry[:SLOT_BYTES] not in forgotten]
        older_left = [entry for entry in older if entry[:SLOT_BYTES] not in forgotten]
        before = None
        if len(own_left) + len(older_left) < len(own) + len(older):
            before = row.of_packed(row.push, own_left, older_left)
        fresh = dict.fromkeys([*told, *own_left])
        # Tags that were added before stay known when others are added.
        tags = {entry[:SLOT_BYTES] for entry in told} & self._tag_slots
        if tags:
            older_left += [
                entry for entry in (*own, *older) if entry[:SLOT_BYTES] in tags and entry not in fresh
            ]
        kept, saved = _taken_out(content, iter(plain.entries), known)
        return Left(
            kept, len(plain.entries) - len(told), saved, before, row.of_packed(push, fresh, older_left)
        )

    def _forgotten_with(self, entries: Iterable[bytes]) -> set[bytes]:
        """Give the slots of all that is forgotten when something is sent, packed."""
        if self.slots.next_number != self._rivals_as_of:
            self._rivals_as_of, self._rivals = self.slots.next_number, {}
        found: set[bytes] = set()
        for entry in entries:
            slot = entry[:SLOT_BYTES]
            rivals = self._rivals.get(slot)
            if rivals is None:
                rivals = self._rivals[slot] = self.packed_rivals(self._statements[slot])
            found |= rivals
        return found

    def packed_rivals(self, statement: Statement) -> frozenset[bytes]:
        """Give the slots of all that is forgotten when a statement is sent, packed."""
        return frozenset(map(packed_slot, self.slots.rivals(statement)))

    def _keys_of(self, name: str) -> _Values:
        found = self._objects[name] = _Values(self, KEY, name)
        return found

    def hashes(self, kind: str, attribute: str, key: str) -> TextEntries:
        """Give what hashes the values of one slot.

        :raises NeedsStatementsError: they are not remembered.
        """
        if kind == WHOLE and attribute in NO_VALUES:
            return NoEntries(b"", self._hashes)
        names = (attribute,) if kind != KEY else (attribute, key, f"{attribute}.{key}")
        if attribute in self._unsafe or attribute in ALWAYS_SENT or is_always_sent(names, self._always_send):
            raise NeedsStatementsError
        statement = Statement(attribute, kind, key, ())
        number = self.slots.number(statement)
        if number is None:
            raise NeedsStatementsError
        slot = packed_slot(number)
        self._statements[slot] = statement
        if kind == ADDED:
            self._tag_slots.add(slot)
        return self._hashes.of(slot)


def _taken_out(
    content: Mapping[str, Any], entries: Iterator[bytes], known: AbstractSet[bytes]
) -> tuple[dict[str, Any], dict[str, int]]:
    """Take out of a plain object what is known.

    :param entries: of all its values, in their order.
    :return: what is left, and the data points of what is not, by attribute.
    """
    kept: dict[str, Any] = {}
    saved: dict[str, int] = {}
    for name, value in content.items():
        if name in NO_VALUES:
            kept[name] = value
            continue
        if value.__class__ is not dict:
            if next(entries) in known:
                saved[name] = 1
            else:
                kept[name] = value
            continue
        left: Any
        if (tags := value.get("add")).__class__ is list:
            said = len(tags)
            left = [tag for tag in tags if next(entries) not in known]
            news: dict[str, Any] = {"add": left}
        else:
            said = len(value)
            left = news = {key: item for key, item in value.items() if next(entries) not in known}
        if left:
            kept[name] = news
        if len(left) < said:
            saved[name] = said - len(left)
    return kept, saved


class _Values(dict[str, TextEntries]):
    """What hashes values, by attribute, or by the keys of one."""

    def __init__(self, of: PlainObjects, kind: str, attribute: str | None = None) -> None:
        self._of, self._kind, self._attribute = of, kind, attribute

    def __missing__(self, name: str) -> TextEntries:
        attribute, key = (name, "") if self._attribute is None else (self._attribute, name)
        found = self[name] = self._of.hashes(self._kind, attribute, key)
        return found
