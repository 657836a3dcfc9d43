"""Plain objects of one form, read many at once: their values are hashed column by column, without dictionaries between.

The objects of a push have the same few attributes, and of each they say the same kind of thing. That is their form; it
is learned from them, and grows with the first that has something more. What does not fit is left to ``plain_objects``.

Above: the memory. Below: the hashes of plain objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from airflow_provider_braze.memory.decisions.object_forms import (
    EXISTING_ONLY,
    NOTHING,
    UNSET,
    Form,
    StatementColumn,
    form_of,
    reader_of,
    united,
)
from airflow_provider_braze.memory.decisions.plain_objects import NeedsStatementsError, PlainObjects
from airflow_provider_braze.memory.persistence.entries import ENTRY_BYTES, SLOT_BYTES
from airflow_provider_braze.memory.rules import ADDED, KEY, MERGE, Statement
from airflow_provider_braze.users_track.batching.profile_object import from_json
from airflow_provider_braze.users_track.rules.data_points import Billed

_MOST_FORMS = 50
"""Rows of one's own may have keys without end: what comes later than that is read one by one."""

_MOST_CACHED = 5_000
_MOST_TAGS = 500
_ONE_BYTE = 256


_Entries = Callable[[Iterable[Any]], Iterable[bytes]]
"""Gives the entries of what many objects say in one column."""


class Several(NamedTuple):
    """Objects that were read together.

    :param objects: each as it was read; None of one that does not fit.
    :param entries: of each the entries of its values, packed, one for each column; empty where it says nothing there,
        or where that is not remembered.
    :param unremembered: of each the columns that are not remembered and in which it says something.
    """

    objects: Sequence[Any]
    entries: Sequence[tuple[bytes, ...]]
    unremembered: Sequence[tuple[int, ...]]

    def fits(self, at: int) -> bool:
        """Tell whether it is of the form."""
        return self.objects[at] is not None

    def creates(self, at: int) -> bool:
        """Tell whether Braze makes the profile when there is none."""
        return self.objects[at].existing is not True


def unread(count: int) -> Several:
    """Give so many objects of which none was read."""
    return Several([None] * count, [()] * count, [()] * count)


class Together:
    """
    Reads plain objects of one form, of which Braze surely takes every value.

    :param plain: hashes values.
    """

    def __init__(self, plain: PlainObjects) -> None:
        self._plain = plain
        self._form: Form = frozenset()
        self._forms = 0
        self._reader = reader_of(self._form)
        self.forget()

    def forget(self) -> None:
        """Forget what was made of slots: some of them mean nothing any more, or an attribute became unsafe."""
        self._texts: list[_Entries | None] | None = None
        self._rivals: dict[int, frozenset[bytes]] = {}
        self._forgotten: dict[tuple[int, ...], frozenset[bytes]] = {}
        self._rivals_as_of = 0
        self._dropped: dict[tuple[bytes, tuple[int, ...]], Billed] = {}
        self._tags = frozenset(at for at, column in enumerate(self._reader.columns) if column.kind == ADDED)

    def read(self, bodies: Sequence[bytes]) -> Several:
        """Read objects.

        :param bodies: each as JSON; empty where it is not to be read.
        """
        objects = self._objects(bodies)
        fit = [each for each in objects if each is not None]
        if not fit:
            return unread(len(objects))
        columns: list[Iterable[bytes]] = []
        unremembered: dict[int, list[Any]] = {}
        for at, (column, texts) in enumerate(zip(self._reader.columns, self._hashes(), strict=True)):
            values = map(column.get, fit)
            if texts is None:
                unremembered[at] = [*values]
            else:
                columns.append(texts(values if column.is_text else map(bytes, values)))
        if unremembered:
            for at in unremembered:
                columns.insert(at, [b""] * len(fit))
        entries: list[tuple[bytes, ...]] = [*zip(*columns, strict=True)] or [()] * len(fit)
        said: list[tuple[int, ...]] = [()] * len(fit)
        if unremembered:
            said = [
                tuple([at for at, values in unremembered.items() if _is_said(values[index])])
                for index in range(len(fit))
            ]
        if len(fit) == len(objects):
            return Several(objects, entries, said)
        in_turn = iter(zip(entries, said, strict=True))
        both = [((), ()) if each is None else next(in_turn) for each in objects]
        return Several(objects, [entries for entries, _ in both], [said for _, said in both])

    def _objects(self, bodies: Sequence[bytes]) -> list[Any]:
        while True:
            reader = self._reader
            try:
                found = list(map(reader.decode, bodies))
            except (msgspec.DecodeError, UnicodeDecodeError):
                found = [self._object(body) for body in bodies]
                if self._reader is not reader:
                    # Those before are of an older form.
                    continue
            break
        return self._without_odd(found, bodies)

    def _object(self, body: bytes) -> Any:
        if not body:
            return None
        try:
            return self._reader.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._learn(from_json(body))
            return None

    def _learn(self, content: Mapping[str, Any]) -> None:
        """Let the form be that of an object, too, where it can be."""
        own = form_of(content)
        both = None if own is None else united(self._form, own)
        if both is None or both == self._form or self._forms >= _MOST_FORMS:
            return
        try:
            self._reader = reader_of(both)
        except ValueError:
            return
        self._forms += 1
        self._form = both
        self.forget()

    def _without_odd(self, objects: list[Any], bodies: Sequence[bytes]) -> list[Any]:
        """Leave out those with an object that is empty, not merged into Braze's, or where it is not expected."""
        inner = self._reader.objects
        others = [column.get for column in self._reader.columns if not column.is_text]
        if others:
            objects = [
                None if each is not None and any(_is_object(get(each)) for get in others) else each
                for each in objects
            ]
        if not inner:
            return objects
        return [
            None
            if each is not None
            and (
                (each.merges is not True and any(get(each) is not nothing for get, nothing in inner))
                or b"{}" in body
            )
            else each
            for each, body in zip(objects, bodies, strict=True)
        ]

    def _hashes(self) -> list[_Entries | None]:
        """Give what hashes the values of each column; None of one that is not remembered."""
        if self._texts is None:
            self._texts = [*map(self._hash_of, self._reader.columns)]
        return self._texts

    def _hash_of(self, column: StatementColumn) -> _Entries | None:
        try:
            texts = self._plain.hashes(column.kind, column.attribute, column.key)
        except NeedsStatementsError:
            return None
        if column.kind == ADDED:
            return _all_of(_Tags(texts))
        return texts.many if column.is_text else _all_of(_Written(texts))

    def forgotten_with(self, told: tuple[int, ...]) -> frozenset[bytes]:
        """Give the slots of all that is forgotten when something is sent, packed.

        :param told: the columns of what is sent.
        """
        if self._plain.slots.next_number != self._rivals_as_of:
            self._rivals_as_of, self._rivals = self._plain.slots.next_number, {}
            self._forgotten = {}
        known = self._forgotten.get(told)
        if known is not None:
            return known
        found: frozenset[bytes] = frozenset()
        for at in told:
            rivals = self._rivals.get(at)
            if rivals is None:
                column = self._reader.columns[at]
                statement = Statement(column.attribute, column.kind, column.key, ())
                rivals = self._rivals[at] = self._plain.packed_rivals(statement)
            found = found | rivals if found else rivals
        if len(self._forgotten) >= _MOST_CACHED:
            self._forgotten.clear()
        self._forgotten[told] = found
        return found

    def tags_among(self, told: Iterable[int]) -> frozenset[int]:
        """Give those of some columns that add tags."""
        return self._tags.intersection(told)

    def signatures(self, blobs: Iterable[bytes]) -> list[bytes]:
        """Give what tells the slots of entries, which are packed one after the other: of many blobs."""
        if self._plain.slots.next_number <= _ONE_BYTE:
            return [blob[::ENTRY_BYTES] for blob in blobs]
        # No slot has the number 0, so these are no shorter ones from before there were so many.
        return [b"".join([b"\0", *(blob[at::ENTRY_BYTES] for at in range(SLOT_BYTES))]) for blob in blobs]

    def left_out(self, entries: Sequence[bytes], told: tuple[int, ...]) -> Billed:
        """Give what is left out of an object.

        :param entries: all of it, as it was read.
        :param told: the columns of what is not.
        """
        signature = self.signatures([b"".join(entries)])[0]
        found = self._dropped.get((signature, told))
        if found is None:
            columns = self._reader.columns
            dropped = [columns[at].attribute for at, each in enumerate(entries) if each and at not in told]
            found = Billed.of_points(len(dropped), Counter(dropped))
            if len(self._dropped) >= _MOST_CACHED:
                self._dropped.clear()
            self._dropped[signature, told] = found
        return found

    def left(self, each: Any, told: Sequence[int]) -> dict[str, Any]:
        """Give what is left of an object.

        :param each: as it was read.
        :param told: the columns that are sent.
        """
        kept: dict[str, Any] = {"external_id": each.user}
        if each.existing is not UNSET:
            kept[EXISTING_ONLY] = each.existing
        if each.merges is not UNSET:
            kept[MERGE] = each.merges
        for at in told:
            attribute, kind, key, get, _ = self._reader.columns[at]
            if kind == KEY:
                kept.setdefault(attribute, {})[key] = get(each)
            else:
                kept[attribute] = {"add": list(get(each))} if kind == ADDED else get(each)
        return kept


def _is_object(written: msgspec.Raw) -> bool:
    return bytes(written).startswith(b"{")


def _all_of(entries: Mapping[Any, bytes]) -> _Entries:
    return lambda said: map(entries.__getitem__, said)


def _is_said(value: Any) -> bool:
    return value is not UNSET and value is not NOTHING and value != ()


class _Tags(dict[tuple[str, ...], bytes]):
    """Entries of one array, by the tag that is added."""

    def __init__(self, texts: Mapping[Any, bytes]) -> None:
        super().__init__({(): b""})
        self._texts = texts

    def __missing__(self, tag: tuple[str]) -> bytes:
        entry = self._texts[tag[0]]
        if len(self) < _MOST_TAGS:
            self[tag] = entry
        return entry


class _Written(dict[bytes, bytes]):
    """Entries of one slot, by what is said as JSON."""

    def __init__(self, texts: Any) -> None:
        super().__init__({b"": b""})
        self._texts = texts

    def __missing__(self, written: bytes) -> bytes:
        if written.startswith(b'"'):
            return bytes(self._texts[msgspec.json.decode(written)])
        return bytes(self._texts.hash_json(written))
