"""Entries of values, hashed once for all files of a memory: most attributes have the same few values again and again.

An entry depends on the number of its slot, on the salt and on the value alone, so files with one salt share them.

Above: objects read one by one, and together. Below: how an entry is packed.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any
from weakref import WeakValueDictionary

import msgspec

from airflow_provider_braze.memory.persistence.entries import DIGEST_BYTES, packed_digest
from airflow_provider_braze.users_track.rules.values import to_json

_MOST = 24_000
_MOST_OF_ONE = 4_000
_LONGEST = 64
"""Entries that are kept, and of those the ones of one slot: what has more values is mostly different for everybody, as
addresses are; and the characters of a value whose entry is kept."""


class TextEntries(dict[Any, bytes]):
    """
    Entries of one slot, by their text; where an object says nothing there, it is empty.

    :param slot: its number, packed.
    :param of: those of all slots.
    """

    def __init__(self, slot: bytes, of: EntryHashes) -> None:
        super().__init__({msgspec.UNSET: b""})
        self._slot, self._of = slot, of
        self._room, self._missed = _MOST_OF_ONE, 0

    def __missing__(self, value: str) -> bytes:
        entry = self.hash_json(to_json(value))
        if len(value) > _LONGEST or not self._room or not self._of.room:
            self._missed += 1
        else:
            self._room -= 1
            self._of.room -= 1
            self[value] = entry
        return entry

    def many(self, values: Iterable[Any]) -> Iterable[bytes]:
        """Give the entries of many texts, in their order."""
        if self._missed < _MOST_OF_ONE:
            return map(self.__getitem__, values)
        # Nearly each is another one: without a call of ours for it.
        known, slot, salt = self.get, self._slot, self._of.salt
        return [
            known(value) or slot + blake2b(salt + to_json(value)).digest()[:DIGEST_BYTES]
            if value is not msgspec.UNSET
            else b""
            for value in values
        ]

    def hash(self, value: Any) -> bytes:
        """Hash something else than a text."""
        return self.hash_json(to_json(value))

    def hash_json(self, written: bytes) -> bytes:
        """Hash something that is written as JSON."""
        return self._slot + packed_digest(self._of.salt, written)


class NoEntries(TextEntries):
    """Of what is none of a profile's values."""

    def __missing__(self, value: str) -> bytes:
        return b""


class EntryHashes:
    """
    Entries of all slots with one salt.

    :param salt: what is hashed before each.
    """

    def __init__(self, salt: bytes) -> None:
        self.salt, self.room = salt, _MOST
        self._texts: dict[bytes, TextEntries] = {}

    def of(self, slot: bytes) -> TextEntries:
        """Give the entries of a slot.

        :param slot: its number, packed.
        """
        found = self._texts.get(slot)
        if found is None:
            found = self._texts[slot] = TextEntries(slot, self)
        return found


_SHARED: WeakValueDictionary[bytes, EntryHashes] = WeakValueDictionary()


def entry_hashes(salt: bytes) -> EntryHashes:
    """Give what hashes with a salt, the same to all buckets that are open at one time."""
    found = _SHARED.get(salt)
    if found is None:
        found = _SHARED[salt] = EntryHashes(salt)
    return found
