"""Which records of an export a push is about: all, or those of its shard. Others are passed over, and never mapped.

Above: the source. Below: shards, and whom a record is about.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.redpoint.reading.record_scanner import PlainRecords, Record
from airflow_provider_braze.users_track.mapping.identities import Identities

MOST_PASSED_OVER = 500
"""Records of others in a row after which that is told: whoever has them read may have something else to do."""

Read = tuple[Record, str]
"""A record, and the outcome that it had where it is one of a rejects file."""


class Selection:
    """
    Tells which records are of a shard.

    :param shard: the shard.
    :param identities: tells whom a record is about, as the mapper does.
    """

    def __init__(self, shard: Shard, identities: Identities) -> None:
        self.shard = shard
        self._identities = identities

    def takes(self, record: Record) -> bool:
        """Tell whether a record is of the shard; one that cannot be read is about nobody."""
        if self.shard.is_everything:
            return True
        return self.shard.takes(None if record.problem is not None else self._identities.whom(record.cells))

    def among(self, read: PlainRecords) -> list[int]:
        """Give the indexes of those rows that are of the shard."""
        ids = self._identities.plain_ids(read.cells)
        if ids is not None:
            return self.shard.taken(self._identities.kind, ids)
        whom = self._identities.whom
        return [at for at, cells in enumerate(read.cells) if self.shard.takes(whom(cells))]

    def of(self, records: Iterator[Read]) -> Iterator[Read | int]:
        """Give the records of the shard, and how many of others were passed over between them."""
        passed = 0
        for found in records:
            is_own = self.takes(found[0])
            passed += not is_own
            if passed and (is_own or passed >= MOST_PASSED_OVER):
                yield passed
                passed = 0
            if is_own:
                yield found
        if passed:
            yield passed


def first_own(most: int, found: Iterator[Read | int]) -> Iterator[Read | int]:
    """Give the first so many records, with what is passed over before each of them, and take nothing further."""
    while most > 0 and (each := next(found, None)) is not None:
        most -= not isinstance(each, int)
        yield each
