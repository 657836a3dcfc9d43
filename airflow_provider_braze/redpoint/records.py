"""From physical lines to records: cut at delimiters, qualified values taken out, and what does not fit named.

``csv.reader`` is given a line at a time, and only its successes are taken: a bad record must cost only itself, but
that reader raises on a raw line end, and takes the rest of the file into one value when a qualifier is not closed.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

from airflow_provider_braze.redpoint.lines import MAX_RECORD, LineQueue, is_readable

_TOO_LONG = f"longer than {MAX_RECORD:,} characters"


class Record(NamedTuple):
    """One data row.

    ``line`` is the 1-based physical line where it starts. ``problem`` is None, or why it can never be mapped: then
    ``cells`` are as they were found, never shifted or padded; the whole line in one cell when its qualifiers do
    not tell where its values end; none when the record is too long.
    """

    line: int
    cells: list[str]
    problem: str | None


class RecordScanner:
    """Cut lines into records.

    Iterating twice goes on where the first iteration was left.

    :param lines: where to take the lines from.
    :param delimiter: between values.
    :param qualifier: around values, doubled inside them; ``""`` for none. It qualifies a value only as its very
        first character: anywhere else (5" pipe, O'Neill) it is a character like others.
    :param line_end: as declared, or None.
    :param encoding: named in the problem of a record with a byte that could not be decoded.
    :param counts: keep ``qualified_values``, which takes longer.
    """

    def __init__(
        self,
        lines: LineQueue,
        *,
        delimiter: str,
        qualifier: str,
        line_end: str | None = None,
        encoding: str = "utf-8",
        counts: bool = False,
    ) -> None:
        self.qualified_values = 0
        self.troubled_records = 0
        self._lines = lines
        self._delimiter = delimiter
        self._qualifier = qualifier
        self._opening = delimiter + qualifier
        self._line_end = line_end or "\r\n"
        # A declared line end is the only one, so a carriage return before it belongs to the last value.
        self._strip: Callable[[str, str], str] = str.removesuffix if line_end else str.rstrip
        self._encoding = encoding
        self._csv_line: deque[str] = deque()
        self._csv: Iterator[list[str]] | None = None
        if qualifier and len(delimiter) == 1 and not counts:
            one_line = iter(self._csv_line.popleft, None)
            self._csv = csv.reader(one_line, delimiter=delimiter, quotechar=qualifier, strict=True)
        self._number = 0
        self._width: int | None = None
        self._expected = ""
        self._header: list[str] = []
        # Of the record in hand: lines taken beyond its first, their length, and why it cannot be read.
        self._taken: list[str] = []
        self._length = 0
        self._trouble: str | None = None
        # Lines before this one were looked through in vain, so a value in them may not go on over the next: without
        # that, hostile input would have each line look through the same megabytes again.
        self._alone_before = 0

    def expect(self, width: int, expected: str, header: list[str]) -> None:
        """From here on, a record of another width is a problem, and a repeated header row is no record."""
        self._width = width
        self._expected = expected
        self._header = header

    def __iter__(self) -> Generator[Record, None, None]:
        lines, delimiter, qualifier = self._lines, self._delimiter, self._qualifier
        queue, fill, take = lines.queue, lines.fill, lines.queue.popleft
        strip, line_end = self._strip, self._line_end
        width = self._width
        last_name = self._header[-1] if self._header else None
        make = Record._make
        number = self._number
        try:
            while queue or fill():
                line = take()
                start = number = number + 1
                text = strip(line, line_end)
                if not text:
                    continue
                if lines.dubious and len(text) > MAX_RECORD:
                    yield Record(start, [], _TOO_LONG)
                    continue
                if not qualifier or qualifier not in text:
                    cells = text.split(delimiter)
                else:
                    cells = self._qualified(line, text, number)
                    number += len(self._taken)
                if cells[-1] == last_name and self._repeats_header(cells):
                    continue
                if len(cells) == width and not lines.dubious and not self._trouble:
                    yield make((start, cells, None))
                else:
                    yield self._look_closely(start, cells)
        finally:
            self._number = number

    def _qualified(self, line: str, text: str, number: int) -> list[str]:
        self._taken = []
        # At the end of a value, csv takes a raw CR or LF for a line end and drops it.
        if self._csv and not text.endswith(("\r", "\n")):
            self._csv_line.append(text)
            try:
                return next(self._csv)
            except (csv.Error, IndexError):
                # It goes on over the next line, holds a raw line end, or is in trouble.
                self._csv_line.clear()
        self._length = len(line)
        qualified_values = self.qualified_values
        cells = self._walk(line, text, number)
        if not self._trouble:
            return cells
        self.troubled_records += 1
        self.qualified_values = qualified_values
        # Only this line is at fault for sure: whatever was looked at beyond it is read again for itself.
        self._lines.queue.extendleft(reversed(self._taken))
        self._alone_before = max(self._alone_before, number + len(self._taken))
        self._taken = []
        return [text]

    def _walk(self, line: str, text: str, number: int) -> list[str]:
        """Go from one qualified value to the next, over following lines when a value goes on there."""
        delimiter, qualifier = self._delimiter, self._qualifier
        cells: list[str] = []
        at = 0
        while True:
            if not text.startswith(qualifier, at):
                opening = text.find(self._opening, at)
                if opening < 0:
                    return cells + text[at:].split(delimiter)
                cells += text[at:opening].split(delimiter)
                at = opening + len(delimiter)
            closing = self._closing(text, at + 1)
            value = text[at + 1 : closing]
            if closing < 0:
                if number < self._alone_before or (closed := self._read_on(line[at + 1 :])) is None:
                    self._trouble = "a qualified value is not closed"
                    return cells
                value, line, closing = closed
                text = self._strip(line, self._line_end)
            cells.append(value.replace(qualifier + qualifier, qualifier) if qualifier in value else value)
            self.qualified_values += 1
            at = closing + 1
            if at == len(text):
                return cells
            if not text.startswith(delimiter, at):
                self._trouble = "a qualifier inside a qualified value is not doubled"
                return cells
            at += len(delimiter)

    def _closing(self, text: str, at: int) -> int:
        """Find the next qualifier that is not doubled, or -1."""
        qualifier = self._qualifier
        at = text.find(qualifier, at)
        while at >= 0 and text.startswith(qualifier, at + 1):
            at = text.find(qualifier, at + 2)
        return at

    def _read_on(self, value: str) -> tuple[str, str, int] | None:
        """Follow an open value over the next lines to the whole value, the line where it closes, and where there."""
        lines = self._lines
        parts = [value]
        while self._length <= MAX_RECORD and (lines.queue or lines.fill()):
            line = lines.queue.popleft()
            self._taken.append(line)
            self._length += len(line)
            closing = self._closing(line, 0)
            if closing >= 0:
                parts.append(line[:closing])
                return "".join(parts), line, closing
            parts.append(line)
        return None

    def _look_closely(self, line: int, cells: list[str]) -> Record:
        text = self._delimiter.join(cells)
        problem, self._trouble = self._trouble, None
        if len(text) > MAX_RECORD:
            return Record(line, [], _TOO_LONG)
        if "\0" in text:
            problem = "a NUL character"
        elif not is_readable(text):
            problem = f"a byte that is not {self._encoding}; is dialect['encoding'] right?"
        elif problem is None and self._width not in (None, len(cells)):
            problem = width_problem(len(cells), self._expected)
        return Record(line, cells, problem)

    def _repeats_header(self, cells: list[str]) -> bool:
        # RPI can append a later execution to an existing file: header row, byte order mark and all.
        return [cells[0].removeprefix("\ufeff"), *cells[1:]] == self._header


def width_problem(width: int, expected: str) -> str:
    """Say that a record has another number of cells than it should."""
    return f"{width} column{'s' * (width != 1)} where {expected}"
