"""Read a rejects file again, as it was written or with cells mended."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.export import ExportReader
from airflow_provider_braze.redpoint.lines import Readable
from airflow_provider_braze.redpoint.records import Record, width_problem
from airflow_provider_braze.redpoint.rejects_header import OWN_COLUMNS, is_own, is_rejects, original_name

__all__ = ["LINE_COLUMN", "OUTCOME_COLUMN", "RejectsReader", "is_rejects"]

LINE_COLUMN, OUTCOME_COLUMN = OWN_COLUMNS[:2]

_MOST_DIGITS = 18
"""Of a line number; Python itself refuses to read a number of thousands of digits."""


class RejectsReader:
    """The records of a rejects file under their original line numbers, without the columns that start with ``_``.

    A record that still has another number of cells than the original columns keeps its problem.

    :param file: binary and open for reading.
    :param name: of the file, for messages.
    :param delimiter: that of its header row, where it is known; else it is found out.
    :raises ExportRefusedError: when it is no rejects file.
    """

    def __init__(self, file: Readable, *, name: str, delimiter: str | None = None) -> None:
        # A spreadsheet may have saved it with the delimiter of its country.
        dialect = Dialect(qualifier='"', delimiter=delimiter)
        self._reader = ExportReader(file, dialect=dialect, name=name, prepended=False)
        self.dialect = self._reader.dialect
        columns = self._reader.columns
        if not is_rejects(columns):
            raise ExportRefusedError(f"{name}: it is no rejects file: it has no column {LINE_COLUMN!r}")
        self._line_at = columns.index(LINE_COLUMN)
        self._outcome_at = columns.index(OUTCOME_COLUMN) if OUTCOME_COLUMN in columns else -1
        self._width = len(columns)
        self._data_at = [at for at, column in enumerate(columns) if not is_own(column)]
        self.columns = tuple(original_name(columns[at]) for at in self._data_at)

    @property
    def bytes_read(self) -> int:
        """How far into the file its reading has come, by chunks."""
        return self._reader.bytes_read

    def __iter__(self) -> Iterator[Record]:
        for record in self._reader:
            yield self._original(record)

    def with_outcomes(self) -> Iterator[tuple[Record, str]]:
        """Yield each record with the outcome it had; empty where the file does not tell."""
        for record in self._reader:
            cells = record.cells
            outcome = cells[self._outcome_at] if 0 <= self._outcome_at < len(cells) else ""
            yield self._original(record), outcome

    def _original(self, record: Record) -> Record:
        line, cells, problem = record
        number = cells[self._line_at] if len(cells) > self._line_at else ""
        if not number.isdecimal() or len(number) > _MOST_DIGITS:
            return Record(line, cells, problem or f"no line number in column {LINE_COLUMN!r}")
        original = [cells[at] for at in self._data_at if at < len(cells)] + cells[self._width :]
        if len(cells) != self._width and problem:
            problem = width_problem(len(original), f"the export had {len(self.columns)}")
        return Record(int(number), original, problem)
