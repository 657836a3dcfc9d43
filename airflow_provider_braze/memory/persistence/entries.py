"""What is remembered of one user, packed: a number for what was said, and a keyed hash of the value.

What the last push that wrote has told stands first (``fresh``): a push that goes on after a kill meets records again
that it has sent itself, and must send and count them as if it had not.

Above: the memory. Below: nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

Entry = tuple[int, int]
"""The number of a slot, and the hash of what was said there; of tags there is one for each."""

_ENTRY = struct.Struct("<Iq")

ENTRY_BYTES = _ENTRY.size
"""Of one entry, packed: those of the slot's number, then those of the hash."""

SLOT_BYTES = 4
DIGEST_BYTES = ENTRY_BYTES - SLOT_BYTES


def packed_digest(salt: bytes, content: bytes) -> bytes:
    """Hash something as an entry ends: with a salt, which nobody can do without it."""
    return blake2b(salt + content).digest()[:DIGEST_BYTES]


def packed_slot(number: int) -> bytes:
    """Pack the number of a slot as an entry begins."""
    return number.to_bytes(SLOT_BYTES, "little")


class UserEntries(msgspec.Struct, frozen=True, gc=False):
    """A user of the memory.

    :param at: its place in the file, in the order in which users were met; negative while it is not there.
    :param whole_at: when all that is remembered was last taken for out of date, in seconds since the epoch.
    :param push: the push that wrote last.
    :param fresh: how many of the entries are its own; they come first.
    :param entries: all of them, packed.
    :param whole: hash of the last object as a whole, while every bit that it said is remembered; else 0.
    :param shape: number of what that object costs.
    """

    at: int
    whole_at: int
    push: int
    fresh: int
    entries: bytes
    whole: int = 0
    shape: int = 0

    def parted(self, push: int) -> tuple[list[Entry], list[Entry]]:
        """Give what a push told itself, and what was told before."""
        entries: list[Entry] = list(_ENTRY.iter_unpack(self.entries))
        own = self.fresh if self.push == push else 0
        return entries[:own], entries[own:]

    def packed(self, push: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Give the same as :meth:`parted`, each entry packed."""
        found = _parter(len(self.entries) // ENTRY_BYTES)(self.entries)
        own = self.fresh if self.push == push else 0
        return found[:own], found[own:]

    def of_packed(
        self, push: int, fresh: Collection[bytes], older: Iterable[bytes], whole: int = 0, shape: int = 0
    ) -> UserEntries:
        """Give the same as :meth:`telling`, of packed entries; and what is known of them as a whole."""
        entries = b"".join((*fresh, *older))
        return UserEntries(self.at, self.whole_at, push, len(fresh), entries, whole, shape)

    def telling(self, push: int, fresh: Iterable[Entry], older: Iterable[Entry]) -> UserEntries:
        """Give the same user with other entries, of which nothing is known as a whole."""
        own = [*fresh]
        return replace(self, push=push, fresh=len(own), entries=pack([*own, *older]), whole=0, shape=0)


@lru_cache(maxsize=512)
def _parter(count: int) -> Callable[[bytes], tuple[bytes, ...]]:
    """Make what parts so many entries."""
    return struct.Struct(f"{ENTRY_BYTES}s" * count).unpack


def pack(entries: list[Entry]) -> bytes:
    """Pack entries, one after the other."""
    return struct.pack("<" + "Iq" * len(entries), *[number for entry in entries for number in entry])
