"""Which records of an export are of the shard that is pushed. Others are passed over, and never mapped.

Above: the source. Below: shards, and whom a record is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from airflow_provider_braze.memory.persistence.buckets import encoded
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.redpoint.reading.choosing import Choice, PlainRecords
from airflow_provider_braze.redpoint.reading.record_scanner import Record
from airflow_provider_braze.users_track.mapping.by_column import MOST_ID_CHARACTERS
from airflow_provider_braze.users_track.mapping.identities import PLAIN_ID, Identities

MOST_PASSED_OVER = 500
"""Records of others in a row after which that is told: whoever has them read may have something else to do."""

MOST_GATHERED = 5_000
"""Rows after which those of the shard among them are mapped, be they ever so few."""

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
        return self.shard.takes(None if record.problem is not None else self._identities.whom(record.cells))

    @property
    def choice(self) -> Choice | None:
        """What a reader needs to pass over records of other shards unread; None where more than one cell decides."""
        return self if self._identities.kind in MOST_ID_CHARACTERS else None

    @property
    def at(self) -> int:
        """The index of the cell that identifies users."""
        return self._identities.index

    @property
    def plain(self) -> bytes:
        """What such cells are like where :meth:`among_plain` tells."""
        return PLAIN_ID

    def among(self, cells: Sequence[str]) -> Sequence[int] | None:
        """Give the indexes of those of the shard, by the cells that identify users; None where they do not tell."""
        ids = self._identities.plain_ids(cells)
        return None if ids is None else self.shard.taken(self._identities.kind, encoded(ids))

    def among_plain(self, cells: Sequence[bytes]) -> Sequence[int] | None:
        """Give the same where all of them are plain."""
        identities = self._identities
        return self.shard.taken(identities.kind, cells) if identities.takes_plain(cells) else None

    def own(self, read: PlainRecords) -> Sequence[int]:
        """Give the indexes of those rows that are of the shard."""
        if read.chosen:
            return range(len(read.cells))
        ids = [cells[self.at] for cells in read.cells] if self.choice else []
        found = self.among(ids)
        if found is not None:
            return found
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


class UnmappedRows:
    """Rows of the shard that were read and not yet mapped, with how many were read, of others too.

    ``lines``, ``texts`` and ``cells`` are of the rows of the shard, and ``places`` how many were read before each;
    ``rows`` how many were read.
    """

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.texts: list[str] = []
        self.cells: list[list[str]] = []
        self.places: list[int] = []
        self.rows = 0

    def __len__(self) -> int:
        return len(self.lines)

    def add(self, read: PlainRecords, own: Sequence[int]) -> None:
        """Take in what was read.

        :param own: the indexes of those of its rows that are of the shard.
        """
        before = self.rows
        if len(own) < len(read.cells):
            read = read._replace(
                lines=[read.lines[at] for at in own],
                texts=[read.texts[at] for at in own],
                cells=[read.cells[at] for at in own],
                places=[read.places[at] for at in own],
            )
        self.lines += read.lines
        self.texts += read.texts
        self.cells += read.cells
        self.places += [before + place for place in read.places]
        self.rows += read.rows

    def take(self, most: int) -> PlainRecords:
        """Take out the first so many; what was read before the last of them is over then."""
        lines, texts, cells = self.lines[:most], self.texts[:most], self.cells[:most]
        places = self.places[:most]
        read = places[-1] + 1
        del self.lines[:most], self.texts[:most], self.cells[:most]
        self.places = [place - read for place in self.places[most:]]
        self.rows -= read
        return PlainRecords(lines, texts, cells, places, read, chosen=True)

    def pass_over(self) -> int:
        """Count what is left where no row of the shard is among it, and forget it."""
        rows, self.rows = self.rows, 0
        return rows


def first_own(most: int, found: Iterator[Read | int]) -> Iterator[Read | int]:
    """Give the first so many records, with what is passed over before each of them, and take nothing further."""
    while most > 0 and (each := next(found, None)) is not None:
        most -= not isinstance(each, int)
        yield each
