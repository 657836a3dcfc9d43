"""Read a rejects file again, as it was written or with cells mended.

Above: the sources of pushes. Below: the reader of exports, which it is but for the first columns.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import replace

from airflow_provider_braze.blanks import cut
from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.cutting import (
    tells_empty_end,
    told_width,
    width_problem,
    without_width_problem,
)
from airflow_provider_braze.redpoint.reading.doubt import is_uncut
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.lines import Readable
from airflow_provider_braze.redpoint.reading.record_scanner import UNREADABLE, Record
from airflow_provider_braze.rejects.rejects_header import (
    HEAD_BYTES,
    OWN_COLUMNS,
    RejectsHeader,
    columns_in,
    is_own,
    is_rejects,
    original_name,
    spelt,
)
from airflow_provider_braze.users_track.ledger.outcomes import WRITTEN_DOWN

__all__ = ["LINE_COLUMN", "OUTCOME_COLUMN", "RejectsReader", "is_rejects"]

LINE_COLUMN, OUTCOME_COLUMN, REASON_COLUMN = OWN_COLUMNS[:3]

UNKNOWN = "unknown"

_ANY_DIALECT = Dialect()

_MOST_DIGITS = 18
"""Of a line number; Python itself refuses to read a number of thousands of digits."""

_REPLACED = "\N{REPLACEMENT CHARACTER}?"
"""What programs put for a byte that they cannot read; the second where what they save cannot hold the first."""
_HOW_TO_MEND = f"; put each cell below its name, or, where this is one whole cell, delete its {REASON_COLUMN}"
_HOW_TO_MEND_NARROW = f"; where its last cells really are empty, delete its {REASON_COLUMN}"
_HOW_TO_MEND_EMPTY_END = (
    f"; put each cell below its name, which may be a column off, and delete its {REASON_COLUMN}"
)
_HOW_TO_REPLACE = f"; write the character that belongs there, or delete its {REASON_COLUMN}"

_NUMBER = re.compile(
    r"(?P<whole>\d+)(?:[.,](?P<fraction>\d{1,2}|\d+(?=[eE])))?(?:[eE]\+?(?P<power>\d{1,2}))?"
)
"""Three digits after a point may be thousands."""


class _Peeked:
    """A file of which the first bytes were looked at."""

    def __init__(self, file: Readable) -> None:
        self.head = self._left = file.read(HEAD_BYTES)
        self._file = file

    def read(self, size: int, /) -> bytes:
        if not self._left:
            return self._file.read(size)
        found, self._left = self._left[:size], self._left[size:]
        return found


def _as_it_lies_there(dialect: Dialect, header: RejectsHeader | None, head: bytes) -> Dialect:
    """Take of a declared dialect what the file itself does not belie: it may be that of the exports."""
    read_as = replace(dialect, qualifier='"', columns=None)
    if _is_utf_8(head) or (header and not _may_be(dialect.encoding, header)):
        read_as = replace(read_as, encoding=None)
    if header and dialect.skip_lines:
        read_as = replace(read_as, skip_lines=header.above)
    if header and dialect.line_end != header.line_end:
        read_as = replace(read_as, line_end=None)
    return read_as


def _may_be(encoding: str | None, header: RejectsHeader) -> bool:
    """Whether a header row, of whose encoding ASCII is all that is known, may be written in one that was declared."""
    return header.encoding == "utf-8" and LINE_COLUMN.encode(encoding or "utf-8") == LINE_COLUMN.encode()


def _is_utf_8(head: bytes) -> bool:
    """Whether it holds characters beyond ASCII, all written in UTF-8."""
    try:
        return not codecs.getincrementaldecoder("utf-8")().decode(head).isascii()
    except UnicodeDecodeError:
        return False


class RejectsReader:
    """The records of a rejects file under their original line numbers, without the columns that start with ``_``.

    A record that still has another number of cells than the original columns keeps its problem.

    :param file: binary and open for reading.
    :param name: of the file, for messages.
    :param delimiter: that of its header row, where it is known; else it is found out.
    :param dialect: what the author declares. Of that, the encoding, the line end and the lines to skip count, where the
        file itself does not show others: the rest is ours, or that of the program which saved the file.
    :raises ExportRefusedError: when it is no rejects file.
    """

    def __init__(
        self, file: Readable, *, name: str, delimiter: str | None = None, dialect: Dialect = _ANY_DIALECT
    ) -> None:
        # A spreadsheet may have saved it with the delimiter of its country.
        again = _Peeked(file)
        header = RejectsHeader.of(again.head)
        read_as = replace(_as_it_lies_there(dialect, header, again.head), delimiter=delimiter)
        self._reader = ExportReader(again, dialect=read_as, name=name, prepended=False, columns_in=columns_in)
        self.dialect = self._reader.dialect
        columns = tuple(map(spelt, self._reader.columns))
        if not is_rejects(columns):
            raise ExportRefusedError(f"{name}: it is no rejects file: it has no column {LINE_COLUMN!r}")
        if LINE_COLUMN not in columns:
            raise ExportRefusedError(
                f"{name}: its column {LINE_COLUMN!r} is gone, which says where each record stood in the export: "
                "put it back, or mend the rejects file of the push anew"
            )
        self._columns = columns
        self._padded = self._reader.padded or bool(header and header.resaved)
        self._line_at = columns.index(LINE_COLUMN)
        self._reason_at = columns.index(REASON_COLUMN) if REASON_COLUMN in columns else -1
        self._outcome_at = columns.index(OUTCOME_COLUMN) if OUTCOME_COLUMN in columns else -1
        self._width = len(columns)
        self._data_at = [at for at, column in enumerate(columns) if not is_own(column)]
        self.columns = tuple(original_name(columns[at]) for at in self._data_at)

    @property
    def bytes_read(self) -> int:
        """How far into the file its reading has come, by chunks."""
        return self._reader.bytes_read

    def __iter__(self) -> Iterator[Record]:
        for record in self._records():
            yield self._original(record)

    def with_outcomes(self) -> Iterator[tuple[Record, str]]:
        """Yield each record with the outcome it had.

        Where that is gone, or no outcome any more, nobody can say that Braze has not got the record: ``unknown``.
        """
        for record in self._records():
            cells = record.cells
            told = cut(cells[self._outcome_at]).lower() if 0 <= self._outcome_at < len(cells) else ""
            yield self._original(record), told if told in WRITTEN_DOWN else UNKNOWN

    def with_own(self) -> Iterator[tuple[Record, dict[str, str]]]:
        """Yield each record with the cells of the columns that start with ``_``, by name."""
        own_at = [(column, at) for at, column in enumerate(self._columns) if is_own(column)]
        for record in self._records():
            cells = record.cells
            yield self._original(record), {name: cells[at] for name, at in own_at if at < len(cells)}

    def _records(self) -> Iterator[Record]:
        """Give the records; a row of nothing but empty cells, as spreadsheets write them below the last, is none."""
        for record in self._reader:
            if not record.cells or any(map(str.strip, record.cells)):
                yield record

    def _without_padding(self, cells: list[str], problem: str | None) -> tuple[list[str], str | None]:
        """Take away empty cells at the end that no column has: a spreadsheet makes all rows as wide as the widest."""
        width = self._width
        unpadded = cells
        padded = len(cells) > width and (self._padded or self._was_short(cells))
        while padded and len(unpadded) > width and not unpadded[-1].strip():
            unpadded = unpadded[:-1]
        if len(unpadded) == width and problem:
            problem = without_width_problem(problem)
        return unpadded, problem

    def _was_short(self, cells: list[str]) -> bool:
        """Whether a record had fewer cells than the export has columns: what it has too many now is not its own."""
        reason = self._reason(cells)
        return is_uncut(reason) or (told_width(reason) or len(self.columns)) < len(self.columns)

    def _reason(self, cells: list[str]) -> str:
        return cells[self._reason_at] if 0 <= self._reason_at < len(cells) else ""

    def _original(self, record: Record) -> Record:
        line, cells, problem = record
        cells, problem = self._without_padding(cells, problem)
        number = _line_number(cells[self._line_at].strip()) if len(cells) > self._line_at else None
        if number is None:
            return Record(line, cells, problem or f"no line number in column {LINE_COLUMN!r}")
        original = [cells[at] for at in self._data_at if at < len(cells)] + cells[self._width :]
        if len(cells) != self._width and problem:
            problem = self._width_problem(original)
        elif not problem:
            return Record(number, *self._as_it_was_refused(cells, original))
        return Record(number, original, problem)

    def _as_it_was_refused(self, cells: list[str], original: list[str]) -> tuple[list[str], str | None]:
        """Tell a record that nobody has mended from what it was refused for, though it has the right width now.

        A program that makes all rows as wide as the widest has put empty cells there: which cell was missing nobody
        has said, and a line that could not be cut must not become a person named by all of it. Nor has anybody said
        what a byte means that it has replaced, or that a record with an empty cell too many is not a column off.
        """
        reason = self._reason(cells)
        if is_uncut(reason):
            still = _is_one_text(original)
            return (original[:1], _with_hint(reason, _HOW_TO_MEND)) if still else (original, None)
        if reason.startswith(UNREADABLE) and not set(_REPLACED).isdisjoint("".join(original)):
            return original, _with_hint(reason, _HOW_TO_REPLACE)
        if tells_empty_end(reason):
            return original, _with_hint(reason, _HOW_TO_MEND_EMPTY_END)
        width = told_width(reason) or len(original)
        if width >= len(original) or any(map(str.strip, original[width:])):
            return original, None
        return original[:width], self._width_problem(original[:width]) + _HOW_TO_MEND_NARROW

    def _width_problem(self, cells: list[str]) -> str:
        width = len(self.columns)
        return width_problem(cells, width, f"the export had {width}")


def _is_one_text(cells: list[str]) -> bool:
    """Whether a line that could not be cut still stands in the first cell, and nothing beside it.

    In the only column it is mended once it has no qualifier any more.
    """
    only, *others = cells
    return not any(map(str.strip, others)) if others else any(qualifier in only for qualifier in "\"'")


def _with_hint(reason: str, hint: str) -> str:
    return reason.removesuffix(hint) + hint


def _line_number(text: str) -> int | None:
    """Read a line's number, also where a program has saved it as a number with a fraction of zeros, or as 1e+05."""
    found = _NUMBER.fullmatch(text)
    if found is None or len(text) > _MOST_DIGITS or int(found["power"] or 0) > _MOST_DIGITS:
        return None
    fraction = (found["fraction"] or "").rstrip("0")
    power = int(found["power"] or 0) - len(fraction)
    return int(found["whole"] + fraction) * 10**power if power >= 0 else None
