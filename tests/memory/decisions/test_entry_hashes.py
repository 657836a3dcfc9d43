"""Entries of values: the same whether they are kept, made one by one, or many at once."""

from __future__ import annotations

import msgspec

from airflow_provider_braze.memory.decisions import entry_hashes
from airflow_provider_braze.memory.decisions.entry_hashes import EntryHashes
from airflow_provider_braze.memory.persistence.entries import packed_digest, packed_slot
from airflow_provider_braze.users_track.rules.values import to_json

SALT = b"s" * 32
SLOT = packed_slot(7)
SEVERAL = [*(f"value {n}" for n in range(200)), "", 'a"b\\', "é", "x" * 100, msgspec.UNSET]


def expected(value: object) -> bytes:
    return b"" if value is msgspec.UNSET else SLOT + packed_digest(SALT, to_json(value))


def test_entries_are_the_same_once_no_more_are_kept() -> None:
    texts = EntryHashes(SALT).of(SLOT)
    texts._room = 50
    for _ in range(3):
        assert [texts[value] for value in SEVERAL] == [*map(expected, SEVERAL)]
        assert [*texts.many(SEVERAL)] == [*map(expected, SEVERAL)]
    assert len(texts) == 51


def test_many_entries_at_once_are_the_same_where_nearly_each_is_another() -> None:
    texts = EntryHashes(SALT).of(SLOT)
    texts._room, texts._missed = 50, 0
    assert [*texts.many(SEVERAL)] == [*map(expected, SEVERAL)]
    texts._missed = entry_hashes._MOST_OF_ONE
    assert isinstance(texts.many(SEVERAL), list)
    assert texts.many(SEVERAL) == [*map(expected, SEVERAL)]


def test_all_slots_together_keep_no_more_than_a_bound() -> None:
    hashes = EntryHashes(SALT)
    hashes.room = 60
    for number in range(1, 4):
        for value in SEVERAL:
            hashes.of(packed_slot(number))[value]
    assert sum(len(hashes.of(packed_slot(number))) - 1 for number in range(1, 4)) == 60


def test_files_with_one_salt_share_their_entries() -> None:
    one, other = (entry_hashes.entry_hashes(SALT) for _ in range(2))
    assert one is other
    assert one.of(SLOT) is other.of(packed_slot(7))
    assert one.of(SLOT) is not one.of(packed_slot(8))
    assert entry_hashes.entry_hashes(b"t" * 32) is not one
