"""Read an export as RPI wrote it: dialect, columns, and records with their line numbers.

The source in ``pushes``, ``rejects`` and ``user_actions`` stand above; below are detection, the scanner and the lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import LINE_ENDS, Dialect
from airflow_provider_braze.redpoint.reading.choosing import Choice, PlainRecords
from airflow_provider_braze.redpoint.reading.detection import Reading, find_out
from airflow_provider_braze.redpoint.reading.foreign import (
    encoding_of,
    refuse_foreign_bytes,
    refuse_foreign_text,
)
from airflow_provider_braze.redpoint.reading.header import PREPENDED, check_names, check_readable, normalised
from airflow_provider_braze.redpoint.reading.lines import MAX_RECORD, LineReader, Readable
from airflow_provider_braze.redpoint.reading.record_scanner import Record, RecordScanner

_NAMED_DELIMITER = re.compile(r'"?sep=([^\w"\'\r\n\0]{1,2}?)"?[\t,;|]*', re.IGNORECASE)
HEAD_BYTES = 64 * 1024
_ANY_DIALECT = Dialect()


class ExportReader:
    """The records of one export, once, in file order and in bounded memory.

    Reading it again from the start gives the same records, so that skipping the first n resumes after them.

    :param file: binary and open for reading; it is read once, forwards, and not closed.
    :param dialect: what the author declares; what is not is found out from the first 64 KiB.
    :param name: of the export, for messages.
    :param prepended: whether RPI may have put two values in front of each row that the header does not name.
    :param trim: pass over blanks around a qualified value (``"P1", "Ann"``); without, a blank before a qualifier
        makes it a character like others.
    :param identifier: name of the column that identifies the user, until :meth:`identified_by` tells better. A
        qualifier that was found out may be a stray character; which lines can be records tells it.
    :param columns_in: gives those names of the header row that name columns, from the left (default: all); cells that
        records have beyond stay.
    :raises ExportRefusedError: when it is no delimited text, or the dialect or the columns are not clear.
    """

    columns: tuple[str, ...]
    """The names as written, or as declared; with ``PREPENDED`` in front when only the rows have these values."""

    padded: bool
    """Whether the header row ends in names that are no columns, as of a program that adds some."""

    dialect: Dialect
    """As declared or found out. Its ``line_end`` is the first one met (None: there is none)."""

    def __init__(
        self,
        file: Readable,
        *,
        dialect: Dialect = _ANY_DIALECT,
        name: str,
        prepended: bool = True,
        trim: bool = True,
        identifier: str = "external_id",
        columns_in: Callable[[list[str]], list[str]] = list,
    ) -> None:
        head, whole = _read_head(file, dialect.skip_lines or 0)
        refuse_foreign_bytes(head, name=name, encoding=dialect.encoding)
        encoding = encoding_of(head, declared=dialect.encoding, name=name)
        first = _first_lines(head, encoding, dialect.line_end, whole=whole)
        skipped = min(dialect.skip_lines or 0, len(first))
        above, named = _named_delimiter(first[skipped:])
        skipped += above
        # RPI can append a later execution, and that line with it.
        texts = (line.strip("\r\n") for line in first[:skipped])
        no_record = next(filter(_NAMED_DELIMITER.fullmatch, texts), "")
        if named is not None and not dialect.delimiter:
            dialect = replace(dialect, delimiter=named)
        del first[:skipped]
        _check_first_lines(first, dialect, name=name, encoding=encoding, whole=whole)
        reading = find_out(
            first, dialect, name=name, whole=whole, prepended=prepended, trim=trim, skipped=skipped
        )
        self._lines = LineReader(file, head=head, encoding=encoding, line_end=dialect.line_end)
        self._scanner = RecordScanner(
            self._lines,
            delimiter=reading.delimiter,
            qualifier=reading.qualifier,
            decided=dialect.qualifier is not None,
            line_end=dialect.line_end,
            encoding=encoding,
            trim=trim,
            skipped=skipped,
            ends_in_delimiter=reading.ends_in_delimiter,
            no_record=no_record,
        )
        self.dialect = replace(
            dialect,
            delimiter=reading.delimiter,
            qualifier=reading.qualifier,
            encoding=encoding,
            line_end=dialect.line_end or _line_end_of(first[0] if first else ""),
        )
        self.padded = reading.ends_in_delimiter
        self.columns = self._read_header(reading, name, identifier, columns_in)

    @property
    def bytes_read(self) -> int:
        """How far into the file its reading has come, by chunks: the numerator of a progress share."""
        return self._lines.bytes_read

    def identified_by(self, at: int) -> None:
        """Say which column identifies the user, once a mapping has told it and before a record is read.

        :param at: its index among ``columns``.
        """
        self._scanner.identified_by(at)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._scanner)

    def take(self, most: int, choice: Choice | None = None) -> PlainRecords | Record | None:
        """Read on: up to ``most`` rows that have nothing special, or else one record; None at the end.

        :param choice: which rows are wanted. Others are left out where that takes less time, and only there.
        """
        return self._scanner.take(most, choice)

    def cut(self, text: str) -> list[str]:
        """Cut a line that is one of :class:`PlainRecords`."""
        return self._scanner.cut(text)

    def _read_header(
        self, reading: Reading, name: str, identifier: str, columns_in: Callable[[list[str]], list[str]]
    ) -> tuple[str, ...]:
        declared = self.dialect.columns
        header = list(declared or ())
        if declared is None or reading.has_header_row:
            row = next(iter(self._scanner), None)
            if row is None:
                raise ExportRefusedError(f"{name}: there is no header row, only line ends and delimiters")
            header = row.cells
            if row.problem:
                raise ExportRefusedError(f"{name}: the header row cannot be read: {row.problem}")
        columns = columns_in(header)
        # One name that is no column has been there before; more of them have come with a program that saved the file.
        self.padded = self.padded or len(header) - len(columns) > 1 or not header[-1].strip()
        header = columns
        check_names(header, name=name, declared=declared is not None)
        names = (*PREPENDED, *header) if reading.prepended else tuple(header)
        expected = f"{len(header)} are declared" if declared else f"the header has {len(header)}"
        if reading.prepended:
            expected += f" and RPI puts {len(PREPENDED)} in front"
        spelt = [normalised(column) for column in names]
        self._scanner.expect(
            len(names),
            expected,
            header,
            identifier_at=_index_of(normalised(identifier), spelt),
            execution_at=_index_of(normalised(PREPENDED[1]), [column.replace("_", "") for column in spelt]),
        )
        return names


def _read_head(file: Readable, skipped: int) -> tuple[bytes, bool]:
    """Read the first 64 KiB, or more until a few lines are in it, and whether that is the whole file."""
    head = bytearray()
    while len(head) < HEAD_BYTES or (len(head) < MAX_RECORD and not _has_lines(head, skipped)):
        chunk = file.read(HEAD_BYTES)
        if not chunk:
            return bytes(head), True
        head += chunk
    return bytes(head), False


def _has_lines(head: bytearray, skipped: int) -> bool:
    written = head.lstrip(b"\r\n\0 \xef\xbb\xbf\xff\xfe")
    return written.count(b"\n") + written.count(b"\r") >= 6 + 2 * skipped


def _first_lines(head: bytes, encoding: str, line_end: str | None, *, whole: bool) -> list[str]:
    reader = LineReader(BytesIO(), head=head, encoding=encoding, line_end=line_end)
    lines: list[str] = []
    while reader.fill():
        lines += reader.queue
        reader.queue.clear()
    return lines if whole else lines[:-1]


def _check_first_lines(lines: list[str], dialect: Dialect, *, name: str, encoding: str, whole: bool) -> None:
    first = next((text for line in lines if (text := line.strip())), "")
    if dialect.delimiter is None and dialect.columns is None:
        refuse_foreign_text(lines, name=name)
    if dialect.columns is None:
        check_readable(first, name=name, encoding=encoding)
    if not whole and not first:
        raise ExportRefusedError(
            f"{name}: no line ends in its first {MAX_RECORD:,} bytes: this is no delimited text with "
            f"{_named_line_end(dialect.line_end)}; check the line delimiter in RPI and dialect={{'line_end': ...}}"
        )
    if not first and dialect.columns is None:
        raise ExportRefusedError(
            f"{name}: it is empty: no header row. In RPI, switch on 'Header row' in the export template, "
            "or declare dialect={'columns': [...]}"
        )


def _named_delimiter(lines: list[str]) -> tuple[int, str | None]:
    """Give the delimiter that a line for spreadsheets names (``sep=;``), if the first is one, and its number."""
    for number, line in enumerate(lines, 1):
        if text := line.strip("\r\n"):
            found = _NAMED_DELIMITER.fullmatch(text)
            return (number, found[1]) if found else (0, None)
    return 0, None


def _index_of(name: str, names: list[str]) -> int | None:
    return names.index(name) if name in names else None


def _line_end_of(line: str) -> str | None:
    return next((end for end in LINE_ENDS.values() if line.endswith(end)), None)


def _named_line_end(line_end: str | None) -> str:
    return next((name.upper() for name, end in LINE_ENDS.items() if end == line_end), "CRLF, LF or CR")
