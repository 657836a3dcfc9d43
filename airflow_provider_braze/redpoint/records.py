"""From physical lines to records: cut at delimiters, qualified values taken out, and what does not fit named.

``csv.reader`` is given some lines at a time, and taken at its word only as far as each of them is a record of its own:
a bad record must cost only itself, but that reader raises on a raw line end, and takes the rest of the file into one
value when a qualifier is not closed. From there on, one line at a time is looked at.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_braze.redpoint.lines import MAX_RECORD, LineQueue, is_clean, is_readable

if TYPE_CHECKING:
    import _csv

_MOST_TOGETHER = 1024
"""Lines that are cut together as long as each of them is a record of its own."""

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


class Rows(NamedTuple):
    """Consecutive data rows without a problem.

    ``lines`` are the physical lines where they start, ``texts`` what is written there (without the last line end), and
    ``cells`` what :meth:`RecordScanner.cut` makes of each.
    """

    lines: Sequence[int]
    texts: list[str]
    cells: list[list[str]]


class RecordScanner:
    """Cut lines into records.

    Iterating twice goes on where the first iteration was left, and so does :meth:`take`.

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
        self._line_end_declared = bool(line_end)
        self._strip: Callable[[str, str], str] = str.removesuffix if line_end else str.rstrip
        self._encoding = encoding
        self._by_csv = bool(qualifier) and len(delimiter) == 1 and not counts
        self._csv_line: deque[str] = deque()
        self._csv = self._csv_reader(iter(self._csv_line.popleft, None)) if self._by_csv else None
        self._together = _MOST_TOGETHER
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

    def __iter__(self) -> Iterator[Record]:
        while (record := self._next()) is not None:
            yield record

    def cut(self, text: str) -> list[str]:
        """Cut a line that is one of :class:`Rows`."""
        return self._cut([text])[0]

    def take(self, most: int) -> Rows | Record | None:
        """Read on: up to ``most`` rows that have nothing special, or else one record; None at the end."""
        lines, queue = self._lines, self._lines.queue
        most = min(most, self._together)
        if len(queue) < most and not lines.fill(most):
            return None
        if self._width is None or not (self._by_csv or not self._qualifier):
            return self._next()
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        texts = list(map(self._strip, taken, repeat(self._line_end)))
        first = self._number + 1
        starts: Sequence[int] = range(first, first + len(taken) + 1)
        if odd := self._odd(texts):
            starts = self._unite(taken, texts, odd, [*starts])
        cells = self._cut_plain(texts)
        read = starts[len(cells)] - first
        queue.extendleft(reversed(taken[read:]))
        # Where rows that have something special come often, few lines are worth being tried together.
        plain = self._together if len(cells) == len(texts) else len(cells)
        self._together = max(1, min(2 * plain, _MOST_TOGETHER))
        if not cells:
            return self._next()
        self._number += read
        return Rows(starts[: len(cells)], texts[: len(cells)], cells)

    def _odd(self, texts: list[str]) -> list[int]:
        """Find where a qualified value opens that goes on over the next line, or ends that did."""
        if not self._by_csv:
            return []
        qualifier = self._qualifier
        return [at for at, text in enumerate(texts) if qualifier in text and text.count(qualifier) & 1]

    def _unite(self, lines: list[str], texts: list[str], odd: list[int], starts: list[int]) -> list[int]:
        """Unite the texts over which a qualified value goes on; give where each of them starts, and the end."""
        if len(odd) & 1:
            # It goes on beyond these lines.
            opened = odd.pop()
            del texts[opened:], starts[opened + 1 :]
        for opened, closed in reversed([*zip(odd[::2], odd[1::2], strict=True)]):
            whole = "".join(lines[opened : closed + 1])
            texts[opened : closed + 1] = [self._strip(whole, self._line_end)]
            del starts[opened + 1 : closed + 1]
        return starts

    def _cut_plain(self, texts: list[str]) -> list[list[str]]:
        """Cut texts as far as each of them is a record of its own that has nothing special."""
        if not texts or (self._lines.dubious and not _is_plain(texts)):
            return []
        cells: list[list[str]] = []
        if not (self._line_end_declared and any(map(_ends_raw, texts))):
            with suppress(csv.Error, StopIteration):
                cells = self._cut(texts)
        alike = set(map(len, cells)) == {self._width} and all(texts)
        if alike and not (self._header and self._header[-1] in [row[-1] for row in cells]):
            return cells
        return self._until_special(texts)

    def _cut(self, texts: list[str]) -> list[list[str]]:
        """Cut texts.

        :raises csv.Error: a value is not qualified well.
        :raises StopIteration: one of them is no record of its own.
        """
        delimiter, qualifier = self._delimiter, self._qualifier
        if not self._by_csv:
            return [text.split(delimiter) for text in texts]
        qualified = self._csv_reader([text for text in texts if qualifier in text])
        return [next(qualified) if qualifier in text else text.split(delimiter) for text in texts]

    def _until_special(self, texts: list[str]) -> list[list[str]]:
        found: list[list[str]] = []
        for text in texts:
            if not text or _ends_raw(text):
                break
            try:
                row = self.cut(text)
            except csv.Error:
                break
            if len(row) != self._width or self._repeats_header(row):
                break
            found.append(row)
        return found

    def _csv_reader(self, lines: Iterable[str]) -> _csv.Reader:
        return csv.reader(lines, delimiter=self._delimiter, quotechar=self._qualifier, strict=True)

    def _next(self) -> Record | None:
        lines, queue = self._lines, self._lines.queue
        while queue or lines.fill():
            line = queue.popleft()
            self._number += 1
            start = self._number
            text = self._strip(line, self._line_end)
            if not text:
                continue
            if lines.dubious and len(text) > MAX_RECORD:
                return Record(start, [], _TOO_LONG)
            if not self._qualifier or self._qualifier not in text:
                cells = text.split(self._delimiter)
            else:
                cells = self._qualified(line, text, start)
                self._number += len(self._taken)
            if self._repeats_header(cells):
                continue
            if len(cells) == self._width and not lines.dubious and not self._trouble:
                return Record(start, cells, None)
            return self._look_closely(start, cells)
        return None

    def _qualified(self, line: str, text: str, number: int) -> list[str]:
        self._taken = []
        if self._csv and not _ends_raw(text):
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
        header = self._header
        return (
            bool(header)
            and cells[-1] == header[-1]
            and [cells[0].removeprefix("\ufeff"), *cells[1:]] == header
        )


def _is_plain(texts: list[str]) -> bool:
    return is_clean("".join(texts)) and max(map(len, texts)) <= MAX_RECORD


def _ends_raw(text: str) -> bool:
    """Tell whether it ends in a raw CR or LF, which csv would take for a line end and drop, although a value does."""
    return text.endswith(("\r", "\n"))


def width_problem(width: int, expected: str) -> str:
    """Say that a record has another number of cells than it should."""
    return f"{width} column{'s' * (width != 1)} where {expected}"
