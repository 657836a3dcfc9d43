"""The objects of an export, or of a rejects file that is pushed again, one for each record.

The export's push stands above; below are reading, mapping and blocks of records. Nothing here sends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any, TypeVar

from airflow_provider_braze.blanks import cut, may_be_invisible
from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.pushes.sources.selection import MOST_GATHERED, Selection, UnmappedRows, first_own
from airflow_provider_braze.pushes.sources.shards import EVERYTHING, Shard
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.choosing import PlainRecords
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.lines import Readable
from airflow_provider_braze.redpoint.reading.record_scanner import Record
from airflow_provider_braze.rejects.reader import RejectsReader, is_rejects
from airflow_provider_braze.storage.files.archives import unpacked
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import open_for_reading
from airflow_provider_braze.storage.files.read_ahead import ReadAhead
from airflow_provider_braze.users_track.batching.merge_window import (
    LOOK_AHEAD_RECORDS,
    ProfileObject,
    RecordBlock,
    Single,
    SourceItem,
)
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.mapping.by_column import ByColumn, Mapped
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper
from airflow_provider_braze.users_track.records import ALREADY_SETTLED, LedgerSegment, RecordReference

T = TypeVar("T")
Cut = Callable[[str], Sequence[str]]

REPLAYED_RECORDS = 4 * LOOK_AHEAD_RECORDS
"""Settled records that a resumed push maps again, to fold later ones of the same users into them as before."""

MAY_HAVE_ARRIVED = "it may have reached Braze: retry_events sends it again"


def open_buffered(location: Location) -> ReadAhead:
    """Open a file to be read ahead in large blocks, unpacked if it is a zip or gzip archive.

    :raises ExportRefusedError: it is an archive that cannot be read.
    """
    file = open_for_reading(location)
    try:
        archive = unpacked(file, location.url.replace("\\", "/").rpartition("/")[2])
    except BaseException:
        file.close()
        raise
    return ReadAhead(file) if archive is None else ReadAhead(archive, position=lambda: archive.packed_read)


@dataclass(frozen=True, slots=True)
class ResolvedExport:
    """An export whose mode, mapping and dialect are settled: how it is to be read and mapped.

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
    :param resolved: what it is and how to read it.
    :param shard: whose records are given; those of others are read, and passed over before anything else is done.
    :raises ExportRefusedError: the file is refused for what it is.
    :raises MappingError: the mapping does not fit its columns.
    """

    def __init__(self, file: Readable, resolved: ResolvedExport, shard: Shard = EVERYTHING) -> None:
        where = resolved.item.where
        self._reader: ExportReader | RejectsReader
        if resolved.item.parent is not None:
            self._reader = RejectsReader(
                file, name=where.name, delimiter=resolved.item.delimiter, dialect=resolved.dialect
            )
        else:
            self._reader = ExportReader(
                file, dialect=resolved.dialect, name=where.name, trim=resolved.mapping.trim
            )
            if is_rejects(self._reader.columns):
                # It was put in the export's place since that was looked at.
                raise ExportRefusedError(
                    f"{where.name} is a rejects file, not an export: push it unpacked and with its header row on top, "
                    "beside the report.json of the push that wrote it."
                )
        self.columns = self._reader.columns
        """The header, with RPI's two prepended names."""
        self._mapper = mapper = Mapper(self.columns, resolved.mapping, mode=resolved.mode, offer=where.offer)
        self.united = mapper.replaced_tags
        """Tag attributes that are united when a user's records are merged, though they are plain arrays."""
        self.set_fields = mapper.set_fields
        """Fields whose values it sets, as opposed to adds to."""
        self.identifier_column = mapper.identifier_name
        """The column that identifies the user, as the counts by column name it."""
        if isinstance(self._reader, ExportReader):
            # By whatever name and mapping: it decides which lines can be people.
            self._reader.identified_by(mapper.identifier_index)
        self._trims = resolved.mapping.trim
        self._expected = resolved.item.channel_execution_id
        self._retry_events = resolved.retry_events
        self._selection = None if shard.is_everything else Selection(shard, mapper.identities)
        self.execution_id_mismatches = 0
        # What the mapper counts by column, under the report's names.
        self._counters: dict[str, Counter[str]] = {
            "omitted_values": mapper.omitted,
            "trimmed": mapper.trimmed,
            "normalised": mapper.normalised,
        }
        # While what an earlier try has settled is passed over, its facts are the facts.
        self._settled_facts: dict[str, Any] | None = None

    @property
    def bytes_read(self) -> int:
        """How far the reading has come."""
        return self._reader.bytes_read

    def counts_by_column(self) -> dict[str, dict[str, int]]:
        """What became of cells by column, under the report's names: left out, cut, or made a code."""
        return {name: dict(counter) for name, counter in self._counters.items()}

    def facts(self) -> dict[str, Any]:
        """What reading told, for the report."""
        if self._settled_facts is not None:
            return self._settled_facts
        return {
            "execution_id_mismatches": self.execution_id_mismatches,
            **self.counts_by_column(),
        }

    def objects(self, ledger: Ledger) -> Iterator[SourceItem]:
        """Yield the object of each valid record; an invalid one is settled at once, and is None.

        They come many at once where the mapping lets them be mapped so. What an earlier try has settled is
        passed over: only the last of it is mapped again, because later records may have to be folded into it.
        """
        ledger.facts = self.facts
        if ledger.settled.records:
            yield from self._replay(ledger)
        by_column = self._mapper.by_column()
        if by_column is None or isinstance(self._reader, RejectsReader):
            yield from self._map(self._selected_records(), ledger)
        elif self._selection is None:
            yield from self._map_together(self._reader, by_column, ledger)
        else:
            yield from self._map_selected(self._reader, self._selection, by_column, ledger)

    def _replay(self, ledger: Ledger) -> Iterator[SourceItem]:
        """Pass over what is settled, of which the last records are mapped again; then go on from its facts."""
        settled = ledger.settled.records
        self._settled_facts = dict(ledger.settled_facts)
        for found in first_own(settled - REPLAYED_RECORDS, self._selected_records()):
            yield found if isinstance(found, int) else None
        last = first_own(min(settled, REPLAYED_RECORDS), self._selected_records())
        yield from self._map(last, Ledger(NullSink()), ALREADY_SETTLED)
        facts, self._settled_facts = ledger.settled_facts, None
        self.execution_id_mismatches = facts["execution_id_mismatches"]
        for name, counter in self._counters.items():
            counter.clear()
            # A checkpoint of an older version has not counted all of them.
            counter.update(facts.get(name, {}))

    def _map_together(
        self, reader: ExportReader, by_column: ByColumn, ledger: Ledger
    ) -> Iterator[SourceItem]:
        while (read := reader.take(ledger.room())) is not None:
            found: SourceItem = (
                self._map_one(read, ledger, ledger.begin())
                if isinstance(read, Record)
                else self._map_rows(read, by_column, ledger, reader.cut)
            )
            # Else its cells would be kept until the next ones are there, which can take their place.
            del read
            yield found

    def _map_selected(
        self, reader: ExportReader, selection: Selection, by_column: ByColumn, ledger: Ledger
    ) -> Iterator[SourceItem]:
        cut, gathered = reader.cut, UnmappedRows()
        # Of so many rows about as many are of this shard as there is room for.
        while (read := reader.take(ledger.room() * selection.shard.of, selection.choice)) is not None:
            if isinstance(read, Record):
                yield from self._map_gathered(gathered, by_column, ledger, cut)
                yield self._map_one(read, ledger, ledger.begin()) if selection.takes(read) else 1
            else:
                gathered.add(read, selection.own(read))
                # To map a few takes nearly as long as to map many.
                yield from self._map_gathered(
                    gathered, by_column, ledger, cut, rest=gathered.rows >= MOST_GATHERED
                )
                # Reading on may have to wait for the file, so whoever reads is asked.
                yield 0
        yield from self._map_gathered(gathered, by_column, ledger, cut)

    def _map_gathered(
        self, gathered: UnmappedRows, by_column: ByColumn, ledger: Ledger, cut: Cut, *, rest: bool = True
    ) -> Iterator[SourceItem]:
        """Map what was gathered, and say where others were passed over.

        :param rest: also what is fewer than there is room for.
        """
        while gathered and (rest or len(gathered) >= ledger.room()):
            yield self._map_rows(gathered.take(ledger.room()), by_column, ledger, cut)
        if rest and gathered.rows:
            yield gathered.pass_over()

    def _map_rows(
        self, read: PlainRecords, by_column: ByColumn, ledger: Ledger, cut: Cut
    ) -> list[RecordBlock | Single]:
        """Map rows at once; before each there may be some that were passed over."""
        mapped = by_column.map(
            read.cells,
            [*map(len, read.texts)],
            invisible=self._trims and may_be_invisible(read.texts),
        )
        # From being counted to being yielded it shall not take long: an interruption would lose sight of them.
        segment = ledger.begin(len(read.cells))
        segment.data_points.add_counted(mapped.data_points)
        self._mapper.count_all(mapped)
        self._compare_execution_ids(_without(read.cells, mapped.needs_slow_path))
        return list(self._parts(read, mapped, ledger, segment, by_column.kind, cut))

    def _parts(
        self,
        read: PlainRecords,
        mapped: Mapped,
        ledger: Ledger,
        segment: LedgerSegment,
        kind: str,
        cut: Cut,
    ) -> Iterator[RecordBlock | Single]:
        """Give what lies between records that need the slow path as blocks, and these one by one."""
        start = reached = 0
        places = read.places
        for met, at in enumerate([*mapped.needs_slow_path, len(read.lines)]):
            if start < at:
                if passed := places[start] - reached:
                    yield passed
                reached = places[at - 1] + 1
                yield RecordBlock(
                    kind,
                    mapped.ids[start - met : at - met],
                    mapped.bodies[start - met : at - met],
                    lines=read.lines[start:at],
                    texts=read.texts[start:at],
                    segment=segment,
                    cut=cut,
                    places=_since_the_first(places[start:at]),
                )
            if at < len(read.lines):
                if passed := places[at] - reached:
                    yield passed
                reached = places[at] + 1
                yield self._map_one(Record(read.lines[at], read.cells[at], None), ledger, segment)
            start = at + 1

    def _map(
        self,
        records: Iterable[tuple[Record, str] | int],
        ledger: Ledger,
        segment: LedgerSegment | None = None,
    ) -> Iterator[Single]:
        for found in records:
            if isinstance(found, int):
                yield found
                continue
            record, outcome = found
            item = self._map_one(record, ledger, segment or ledger.begin())
            if item and outcome == "unknown" and not self._retry_events and not item.repeatable:
                ledger.settle(item, "unknown", MAY_HAVE_ARRIVED)
                item = None
            yield item

    def _map_one(self, record: Record, ledger: Ledger, segment: LedgerSegment) -> ProfileObject | None:
        line, cells, problem = record
        reference = RecordReference.of(line, cells, segment)
        if problem is not None:
            ledger.refuse(reference, "", problem)
            return None
        try:
            identity, profile = self._mapper.map(cells)
        except BadRecordError as bad:
            ledger.refuse(reference, bad.column, bad.reason)
            return None
        self._compare_execution_ids([cells])
        return ProfileObject("attributes", identity, profile, (reference,), checked=True)

    def _compare_execution_ids(self, rows: Sequence[Sequence[str]]) -> None:
        at = self._mapper.execution_id_index
        if self._expected and at is not None:
            found = [*map(itemgetter(at), rows)]
            if found.count(self._expected) < len(found):
                read = map(cut, found) if self._trims else found
                self.execution_id_mismatches += sum(map(self._expected.__ne__, read))

    def _selected_records(self) -> Iterator[tuple[Record, str] | int]:
        """Give the records of this shard, and how many of others lie between them.

        Those of a rejects file come with the outcome they had.
        """
        reader, selection = self._reader, self._selection
        records = reader.with_outcomes() if isinstance(reader, RejectsReader) else zip(reader, repeat(""))
        return records if selection is None else selection.of(records)


def _without(values: Sequence[T], left_out: Sequence[int]) -> Sequence[T]:
    """Leave out those at some indexes, if any."""
    if not left_out:
        return values
    absent = frozenset(left_out)
    return [value for at, value in enumerate(values) if at not in absent]


def _since_the_first(places: Sequence[int]) -> Sequence[int] | None:
    """Count from the first of some places; None where they follow one another."""
    first = places[0]
    return None if isinstance(places, range) else [place - first for place in places]
