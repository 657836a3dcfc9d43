"""What is remembered of one user, packed: a number for what was said, and a keyed hash of the value.

What the last push that wrote has told stands first (``fresh``): a push that goes on after a kill meets records again
that it has sent itself, and must send and count them as if it had not.

Above: the memory. Below: nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

Entry = tuple[int, int]
"""The number of a slot, and the hash of what was said there; of tags there is one for each."""

_ENTRY = struct.Struct("<Iq")


class Row(NamedTuple):
    """A user of the memory.

    :param whole_at: when all that is remembered was last taken for out of date, in seconds since the epoch.
    :param push: the push that wrote last.
    :param fresh: how many of the entries are its own; they come first.
    :param entries: all of them, packed.
    :param steady: hash of all at once that an object said beside tags, while every bit of it is remembered; else 0.
    """

    whole_at: int
    push: int
    fresh: int
    entries: bytes
    steady: int = 0

    def parted(self, push: int) -> tuple[list[Entry], list[Entry]]:
        """Give what a push told itself, and what was told before."""
        entries: list[Entry] = list(_ENTRY.iter_unpack(self.entries))
        own = self.fresh if self.push == push else 0
        return entries[:own], entries[own:]

    @classmethod
    def of(cls, whole_at: int, push: int, fresh: Iterable[Entry], older: Iterable[Entry]) -> Row:
        """Pack entries."""
        own = [*fresh]
        return cls(whole_at, push, len(own), pack([*own, *older]))


def pack(entries: list[Entry]) -> bytes:
    """Pack entries, one after the other."""
    return struct.pack("<" + "Iq" * len(entries), *[number for entry in entries for number in entry])
