"""The objects of an export, or of a rejects file that is pushed again, one for each record."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from airflow_provider_braze.pushes.export_item import ExportItem
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.export import ExportReader
from airflow_provider_braze.redpoint.lines import Readable
from airflow_provider_braze.redpoint.records import Record
from airflow_provider_braze.redpoint.rejects import RejectsReader
from airflow_provider_braze.storage.location import Location
from airflow_provider_braze.storage.plain import open_plain
from airflow_provider_braze.storage.read_ahead import BLOCK_BYTES, ReadAhead
from airflow_provider_braze.users_track.account import Account, Forgetful
from airflow_provider_braze.users_track.batches import LOOK_AHEAD_RECORDS, Origin, Outgoing
from airflow_provider_braze.users_track.data_points import NO_SURPLUS, Surplus
from airflow_provider_braze.users_track.mapper import BadRecordError, Mapper
from airflow_provider_braze.users_track.mapping import ExportMapping
from airflow_provider_braze.users_track.tally import EARLIER, Segment

REPLAYED_RECORDS = 4 * LOOK_AHEAD_RECORDS
"""Settled records that a resumed push maps again, to fold later ones of the same users into them as before."""

MAY_HAVE_ARRIVED = "it may have reached Braze: retry_events sends it again"


def open_buffered(location: Location) -> ReadAhead:
    """Open a file to be read ahead in large blocks; a local path may lie on a slow share, too."""
    if location.is_local:
        return ReadAhead(open_plain(location.path))
    remote = io.BufferedReader(location.fs.open(location.path, "rb"), BLOCK_BYTES)
    return ReadAhead(cast(BinaryIO, remote))


@dataclass(frozen=True, slots=True)
class Reading:
    """How an export is to be read and mapped.

    :param item: the export.
    :param mode: ``upsert`` or ``append``.
    :param mapping: what goes where.
    :param dialect: what is known of the file's form.
    :param retry_events: of a rejects file, send again also what may have reached Braze and counts each time.
    """

    item: ExportItem
    mode: str
    mapping: ExportMapping
    dialect: Dialect
    retry_events: bool = False


class ExportSource:
    """Reads and maps one file, once.

    :param file: the opened export or rejects file.
    :param reading: how to read it.
    :raises ExportRefusedError: the file is refused for what it is.
    :raises MappingError: the mapping does not fit its columns.
    """

    def __init__(self, file: Readable, reading: Reading) -> None:
        where = reading.item.where
        self._reader: ExportReader | RejectsReader
        if reading.item.parent is not None:
            self._reader = RejectsReader(file, name=where.name)
        else:
            self._reader = ExportReader(file, dialect=reading.dialect, name=where.name)
        self._mapper = Mapper(self.columns, reading.mapping, mode=reading.mode, offer=where.offer)
        self._expected = reading.item.channel_execution_id
        self._retry_events = reading.retry_events
        self.execution_id_mismatches = 0
        # While what an earlier try has settled is passed over, its facts are the facts.
        self._settled_facts: dict[str, Any] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The header, with RPI's two prepended names."""
        return self._reader.columns

    @property
    def united(self) -> frozenset[str]:
        """Tag attributes that are united when a user's records are merged, though they are plain arrays."""
        return self._mapper.replaced_tags

    @property
    def bytes_read(self) -> int:
        """How far the reading has come."""
        return self._reader.bytes_read

    @property
    def omitted_values(self) -> Mapping[str, int]:
        """Bad values that were left out, by column."""
        return dict(self._mapper.omitted)

    def facts(self) -> dict[str, Any]:
        """What reading told, for the report."""
        if self._settled_facts is not None:
            return self._settled_facts
        return {
            "execution_id_mismatches": self.execution_id_mismatches,
            "omitted_values": self.omitted_values,
        }

    def objects(self, account: Account) -> Iterator[Outgoing | None]:
        """Yield the object of each valid record; an invalid one is settled at once, and yields None.

        What an earlier try has settled is passed over: it yields None. Only the last of it is mapped again, because
        later records may have to be folded into it.
        """
        account.facts = self.facts
        records = self._records()
        settled = account.settled.records
        self._settled_facts = dict(account.settled_facts) if settled else None
        for _ in itertools.islice(records, max(0, settled - REPLAYED_RECORDS)):
            yield None
        if settled:
            last = itertools.islice(records, min(settled, REPLAYED_RECORDS))
            yield from self._map(last, Account(Forgetful()), EARLIER)
            facts, self._settled_facts = account.settled_facts, None
            self.execution_id_mismatches = facts["execution_id_mismatches"]
            self._mapper.omitted.clear()
            self._mapper.omitted.update(facts["omitted_values"])
        yield from self._map(records, account)

    def _map(
        self, records: Iterable[tuple[Record, str]], account: Account, segment: Segment | None = None
    ) -> Iterator[Outgoing | None]:
        map_record = self._mapper.map
        at = self._mapper.execution_id_index if self._expected else None
        many = self._mapper.object_of_many
        # Thousands of objects wait; those with as many keys share what these cost.
        surpluses: dict[int, Surplus] = {}
        for (line, cells, problem), outcome in records:
            origin = Origin.of(line, cells, segment or account.begin())
            if problem is not None:
                account.refuse(origin, "", problem)
                yield None
                continue
            try:
                identity, profile = map_record(cells)
            except BadRecordError as bad:
                account.refuse(origin, bad.column, bad.reason)
                yield None
                continue
            if at is not None and cells[at] != self._expected:
                self.execution_id_mismatches += 1
            more: Surplus | None = None
            if many is not None:
                keys = len(profile.get(many, ()))
                more = surpluses.get(keys)
                if more is None:
                    more = surpluses[keys] = {many: keys - 1} if keys > 1 else NO_SURPLUS
            item = Outgoing("attributes", identity, profile, [origin], more)
            if outcome == "unknown" and not self._retry_events and not item.repeatable:
                account.settle(item, "unknown", MAY_HAVE_ARRIVED)
                yield None
                continue
            yield item

    def _records(self) -> Iterator[tuple[Record, str]]:
        """Give the records, those of a rejects file with the outcome they had."""
        if isinstance(self._reader, RejectsReader):
            return self._reader.with_outcomes()
        return zip(self._reader, itertools.repeat(""))
