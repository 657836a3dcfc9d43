"""What is remembered of one user, packed, and parted by the push that told it."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from airflow_provider_braze.memory.persistence.entries import (
    ENTRY_BYTES,
    SLOT_BYTES,
    Entry,
    UserEntries,
    pack,
    packed_digest,
    packed_slot,
)

FRESH: list[Entry] = [(1, -5), (2, 2**62)]
OLDER: list[Entry] = [(2**32 - 1, 0), (3, 7), (3, 8)]
ROW = UserEntries(4, 100, 7, len(FRESH), pack([*FRESH, *OLDER]), 99, 3)


def packed(entries: list[Entry]) -> tuple[bytes, ...]:
    return tuple(pack([entry]) for entry in entries)


@pytest.mark.parametrize(("push", "own"), [(7, 2), (8, 0)])
def test_only_what_this_push_told_is_its_own(push: int, own: int) -> None:
    entries = [*FRESH, *OLDER]
    assert ROW.parted(push) == (entries[:own], entries[own:])
    assert ROW.packed(push) == (packed(entries[:own]), packed(entries[own:]))


def test_nothing_is_remembered() -> None:
    row = UserEntries(4, 100, 7, 0, b"")
    assert row.parted(7) == ([], [])
    assert row.packed(7) == ((), ())
    assert pack([]) == b""


def test_an_entry_is_the_slot_and_then_the_hash() -> None:
    (entry,) = packed([(258, 1)])
    assert entry == packed_slot(258) + (1).to_bytes(8, "little")
    assert (12, len(packed_slot(258))) == (ENTRY_BYTES, SLOT_BYTES)
    assert pack([(1, 2), (3, 4)]) == pack([(1, 2)]) + pack([(3, 4)])
    digest = packed_digest(b"salt", b"value")
    assert digest == blake2b(b"saltvalue").digest()[:8]


def test_the_same_user_with_other_entries() -> None:
    told = ROW.telling(9, iter(OLDER), iter(FRESH))
    assert told == UserEntries(4, 100, 9, 3, pack([*OLDER, *FRESH]))
    assert told.parted(9) == (OLDER, FRESH)
    assert (told.whole, told.shape) == (0, 0)
    as_packed = ROW.of_packed(9, packed(OLDER), iter(packed(FRESH)))
    assert as_packed == told
    assert ROW.of_packed(9, packed(OLDER), packed(FRESH), 5, 6) == UserEntries(
        4, 100, 9, 3, told.entries, 5, 6
    )
