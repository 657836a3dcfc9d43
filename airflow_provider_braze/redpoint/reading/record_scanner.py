"""From physical lines to records: cut at delimiters, qualified values taken out, and what does not fit named.

``csv.reader`` is given some lines at a time, and taken at its word only as far as each of them is a record of its own:
a bad record must cost only itself, but that reader raises on a raw line end, and takes the rest of the file into one
value when a qualifier is not closed. From there on, one line at a time is looked at.

Above: the reader. Below: lines, and how one is cut.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from airflow_provider_braze.redpoint.reading.choosing import Choice, Chooser, PlainRecords
from airflow_provider_braze.redpoint.reading.cutting import Cutter, both, width_problem
from airflow_provider_braze.redpoint.reading.doubt import Judge
from airflow_provider_braze.redpoint.reading.lines import (
    MAX_RECORD,
    EndStripper,
    LineQueue,
    are_plain,
    ends_raw,
    is_readable,
)
from airflow_provider_braze.redpoint.reading.spanning import SpanningReader
from airflow_provider_braze.redpoint.reading.uniting import Uniter

_MOST_TOGETHER = 1024
"""Lines that are cut together as long as each of them is a record of its own."""

UNREADABLE = "a byte that is not "
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

    Iterating twice goes on where the first iteration was left, and so does :meth:`take`.

    :param lines: where to take the lines from.
    :param delimiter: between values.
    :param qualifier: around values, doubled inside them; ``""`` for none. It qualifies a value only as its
        first character: anywhere else (5" pipe, O'Neill) it is a character like others.
    :param decided: the qualifier was declared, so it always opens a value; found out, it may be a stray character.
    :param line_end: as declared, or None.
    :param encoding: named in the problem of a record with a byte that could not be decoded.
    :param counts: keep ``qualified_values``, which takes longer.
    :param trim: pass over blanks around a qualified value.
    :param skipped: lines to pass over first.
    :param ends_in_delimiter: a delimiter at the end of a line makes no cell.
    :param no_record: a line that is none.
    """

    def __init__(
        self,
        lines: LineQueue,
        *,
        delimiter: str,
        qualifier: str,
        decided: bool = True,
        line_end: str | None = None,
        encoding: str = "utf-8",
        counts: bool = False,
        trim: bool = True,
        skipped: int = 0,
        ends_in_delimiter: bool = False,
        no_record: str = "",
    ) -> None:
        self._lines = lines
        self._delimiter, self._qualifier = delimiter, qualifier
        self._cutter = Cutter(delimiter, qualifier, trim=trim)
        # A declared line end is the only one, so a carriage return before it belongs to the last value.
        self._line_end_declared = bool(line_end)
        self._strip = EndStripper(line_end, delimiter if ends_in_delimiter else "", no_record)
        self._encoding = encoding
        self._by_csv = self._cutter.by_csv and not counts
        self._csv_line: deque[str] = deque()
        self._csv = self._cutter.csv_reader(iter(self._csv_line.popleft, None)) if self._by_csv else None
        self._cut_together = False
        self._together = _MOST_TOGETHER
        self._number = 0
        while self._number < skipped and (lines.queue or lines.fill()):
            lines.queue.popleft()
            self._number += 1
        self._width: int | None = None
        self._expected = ""
        self._header: list[str] = []
        self._chooser: Chooser | None = None
        self._header_text: str | None = None
        self._trouble: str | None = None
        self._spanning = SpanningReader(
            lines, self._cutter, self._strip.one, judges=bool(qualifier) and not decided
        )
        self._uniter = Uniter(self._strip.one, qualifier if self._by_csv else "")

    @property
    def qualified_values(self) -> int:
        """How many values were qualified so far, if they are counted."""
        return self._cutter.qualified_values

    @property
    def troubled_records(self) -> int:
        """How many records could not be read so far."""
        return self._spanning.troubled

    @property
    def troubled_alone(self) -> int:
        """In how many of them one line was enough to see it."""
        return self._spanning.troubled_alone

    def expect(
        self,
        width: int,
        expected: str,
        header: list[str],
        *,
        identifier_at: int | None = None,
        execution_at: int | None = None,
    ) -> None:
        """From here on, a record of another width is a problem, and a repeated header row is no record.

        :param width: in cells.
        :param expected: said in that problem.
        :param header: the header row.
        :param identifier_at: where the identifier stands in a record, if that is known.
        :param execution_at: where the ChannelExecutionID stands, if anywhere.
        """
        self._width = width
        self._expected = expected
        self._header = header
        self._chooser = Chooser(self._cutter, self._strip, width, header)
        spanning = self._spanning
        spanning.judge = None
        if spanning.judges:
            judge = Judge(self._cutter, width, identifier_at=identifier_at, execution_at=execution_at)
            if self._header_text is not None:
                judge.wrapping.note_names(self._header_text, header, width - len(header))
            spanning.judge = judge

    def identified_by(self, at: int) -> None:
        """Say where the identifier stands in a record; a line without one is none."""
        if self._spanning.judge:
            self._spanning.judge.identifier_at = at

    def __iter__(self) -> Iterator[Record]:
        while (record := self._next()) is not None:
            yield record

    def cut(self, text: str) -> list[str]:
        """Cut a line that is one of :class:`PlainRecords`."""
        return self._cutter.cut_record(text)

    def take(self, most: int, choice: Choice | None = None) -> PlainRecords | Record | None:
        """Read on: up to ``most`` rows that have nothing special, or else one record; None at the end.

        :param choice: which rows are wanted. Others are left out where that takes less time, and only there; there may
            be more rows then than asked for.
        """
        lines, queue = self._lines, self._lines.queue
        # Not beyond the next line that can be read in two ways: each of these is read by itself, as was decided there.
        sure = self._spanning.doubt.sure_after(self._number)
        if choice is not None and sure is None and (block := lines.block()):
            if rows := self._choose(block, choice):
                lines.used(block)
                return rows
            choice = None
        most = min(most, self._together)
        # Where rows are chosen, no more lines than there are: of what follows, a whole block can be asked at once.
        if len(queue) < most and not lines.fill(most if choice is None else 1):
            return None
        most = most if sure is None else min(most, sure)
        # The header row is read alone: before it, nobody knows how wide a record is.
        if not most or self._width is None or not (self._by_csv or not self._qualifier):
            return self._next()
        taken = [queue.popleft() for _ in range(min(most, len(queue)))]
        block = "".join(taken).encode() if choice is not None and not lines.suspicious else b""
        if choice is not None and block and (rows := self._choose(block, choice)):
            self._together = min(2 * self._together, _MOST_TOGETHER)
            return rows
        return self._take_all(taken) or self._next()

    def _take_all(self, taken: list[str]) -> PlainRecords | None:
        """Read as many of some lines as have nothing special; the others are put back."""
        texts = self._strip.all(taken)
        first = self._number + 1
        starts: Sequence[int] = range(first, first + len(taken) + 1)
        if odd := self._uniter.odd(texts):
            starts = self._uniter.unite(taken, texts, odd, [*starts], self._spanning.judge)
        rows = self._cut_all(texts, starts)
        read = starts[rows.rows] - first
        # What is not used goes back, in its order: it is read again, with less at a time, until one line is left alone.
        self._lines.queue.extendleft(reversed(taken[read:]))
        # Where rows that have something special come often, few lines are worth being tried together.
        plain = self._together if rows.rows == len(texts) else rows.rows
        self._together = max(1, min(2 * plain, _MOST_TOGETHER))
        self._number += read
        return rows if rows.rows else None

    def _cut_all(self, texts: list[str], starts: Sequence[int]) -> PlainRecords:
        """Cut texts as far as they have nothing special."""
        cells = self._cut_plain(texts)
        read = len(cells)
        texts = texts[:read]
        if read and self._spanning.judge:
            # Of rows that were cut one by one, the cutter has seen only the last, and maybe one that is none of them.
            self._spanning.judge.note(texts, cells, cut_together=self._cut_together)
        return PlainRecords(starts[:read], texts, cells, range(read), read, chosen=False)

    def _choose(self, block: bytes, choice: Choice) -> PlainRecords | None:
        """Cut only those of some lines that are wanted; None where it is not sure at a glance that all are records."""
        if self._chooser is None:
            return None
        rows, lines = self._chooser.choose(block, self._number + 1, choice, self._spanning.judge)
        self._number += lines
        return rows

    def _cut_plain(self, texts: list[str]) -> list[list[str]]:
        """Cut texts as far as each of them is a record of its own that has nothing special."""
        if not texts or (self._lines.suspicious and not are_plain(texts)):
            return []
        cells: list[list[str]] = []
        self._cut_together = False
        if not (self._line_end_declared and any(map(ends_raw, texts))):
            with suppress(csv.Error, StopIteration):
                cells = self._cutter.cut(texts)
        # All are asked at once: where a thousand lines are alike, none is looked at by itself.
        alike = set(map(len, cells)) == {self._width} and all(texts)
        if alike and not (self._header and self._header[-1] in [row[-1] for row in cells]):
            self._cut_together = True
            return cells
        return self._until_special(texts)

    def _until_special(self, texts: list[str]) -> list[list[str]]:
        found: list[list[str]] = []
        # Up to the first that is anything else: what stands behind it depends on how that one is read.
        for text in texts:
            if not text or ends_raw(text):
                break
            try:
                row = self._cutter.cut([text])[0]
            except csv.Error:
                break
            if len(row) != self._width or self._repeats_header(row):
                break
            found.append(row)
        return found

    def _next(self) -> Record | None:
        lines, queue = self._lines, self._lines.queue
        while queue or lines.fill():
            line = queue.popleft()
            self._number += 1
            start = self._number
            text = self._strip.one(line)
            # No record, but a line: its number counts, as people count them in an editor.
            if not text:
                continue
            if lines.suspicious and len(text) > MAX_RECORD:
                return Record(start, [], _TOO_LONG)
            read = text
            # Both readings of this line were looked at when the doubt began, and it is not asked again.
            if start <= self._spanning.doubt.last and (
                start in self._spanning.doubt.edges or self._spanning.doubt.refuses(start)
            ):
                read, cells = "", self._literally(text)
            elif not self._qualifier or self._qualifier not in text:
                cells = text.split(self._delimiter)
            else:
                read, cells = self._qualified(line, text, start)
            if self._repeats_header(cells):
                continue
            if len(cells) == self._width and not lines.suspicious and not self._trouble:
                record = Record(start, cells, None)
            else:
                record = self._look_closely(start, cells)
            # Only the header row is read before a width is expected.
            if self._width is None:
                self._header_text = read
            elif self._spanning.judge and not record.problem:
                self._spanning.judge.note((read,), (cells,))
            return record
        return None

    def _literally(self, text: str) -> list[str]:
        """Read the line in hand, one in doubt, with the qualifier as an ordinary character, if it may be read."""
        if self._spanning.doubt.refuses(self._number):
            self._trouble = self._spanning.doubt.reason
            return [text]
        return text.split(self._delimiter)

    def _qualified(self, line: str, text: str, number: int) -> tuple[str, list[str]]:
        """Read a record with qualifiers; give its text, empty when it was read without them, and its cells."""
        spanning = self._spanning
        if self._csv and not ends_raw(text) and not self._cutter.spaced(text):
            self._csv_line.append(text)
            try:
                return text, next(self._csv)
            except (csv.Error, IndexError):
                # It goes on over the next line, holds a raw line end, or is in trouble.
                self._csv_line.clear()
        cells, self._trouble = spanning.read(line, text, number)
        if self._trouble is None:
            taken, spanning.taken = spanning.taken, []
            self._number += len(taken)
            return self._strip.one("".join((line, *taken))), cells
        if number in spanning.doubt.edges:
            self._trouble = None
            return "", self._literally(text)
        return "", cells

    def _look_closely(self, line: int, cells: list[str]) -> Record:
        text = self._delimiter.join(cells)
        # Taken, so that the trouble of one record never becomes that of the next.
        problem, self._trouble = self._trouble, None
        is_cut = problem is None
        if len(text) > MAX_RECORD:
            return Record(line, [], _TOO_LONG)
        if "\0" in text:
            problem = both(problem, "a NUL character")
        elif not is_readable(text):
            problem = both(problem, f"{UNREADABLE}{self._encoding}; is dialect['encoding'] right?")
        if is_cut and self._width is not None and len(cells) != self._width:
            problem = both(problem, width_problem(cells, self._width, self._expected))
        return Record(line, cells, problem)

    def _repeats_header(self, cells: list[str]) -> bool:
        # RPI can append a later execution to an existing file: header row, byte order mark and all.
        header = self._header
        return (
            bool(header)
            and cells[-1] == header[-1]
            and [cells[0].removeprefix("\ufeff"), *cells[1:]] == header
        )
