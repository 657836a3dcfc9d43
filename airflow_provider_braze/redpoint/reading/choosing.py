"""Read only those records that are wanted, and of the others no more than it takes to be sure that they are records.

Everything is asked of a whole block of lines at once, in bytes: no record that is passed over is looked at by itself,
and none becomes a text. What that does not make sure of is read line by line.

The scanner in ``record_scanner`` stands above; below are the cutter and the judge.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from airflow_provider_braze.redpoint.reading.cutting import Cutter
from airflow_provider_braze.redpoint.reading.doubt import Judge
from airflow_provider_braze.redpoint.reading.lines import EndStripper, is_utf8

_LINE_ENDS = b"\r\n", b"\n", b"\r"


class Choice(Protocol):
    """Which records are wanted, as far as one cell of each tells."""

    @property
    def at(self) -> int:
        """The index of that cell."""

    @property
    def plain(self) -> bytes:
        """A pattern of ASCII characters without blanks, that most such cells match."""

    def among(self, cells: Sequence[str], /) -> Sequence[int] | None:
        """Give the indexes of the wanted ones, in order; None where one of the cells has to be looked at for itself."""

    def among_plain(self, cells: Sequence[bytes], /) -> Sequence[int] | None:
        """Give the same, by cells that match that pattern."""


class PlainRecords(NamedTuple):
    """Consecutive data rows without a problem.

    ``lines`` are the physical lines where they start, ``texts`` what is written there (without the last line end), and
    ``cells`` what the scanner's ``cut`` makes of each. ``rows`` were read, and ``places`` are the indexes among them of
    those that are given: of all, or where they were ``chosen`` of the wanted ones.
    """

    lines: Sequence[int]
    texts: list[str]
    cells: list[list[str]]
    places: Sequence[int]
    rows: int
    chosen: bool


_NOT_SURE = None, 0


class Chooser:
    """Chooses by what stands outside of qualifiers, where each delimiter and each line end ends a cell.

    :param cutter: cuts those that are wanted.
    :param strip: takes their line ends away.
    :param width: of a record, in cells.
    :param header: the header row, which may come again and is no record.
    """

    def __init__(self, cutter: Cutter, strip: EndStripper, width: int, header: list[str]) -> None:
        self._cutter = cutter
        self._strip = strip
        self._width = width
        # With values in front of each row that the header does not name, none repeats it.
        self._header = header if len(header) == width else []
        self._line_end = _bytes(strip.line_end or "")
        self._delimiter = delimiter = _bytes(cutter.delimiter)
        self._qualifier = qualifier = _bytes(cutter.qualifier)
        self._no_record = _bytes(strip.no_record or "\0")
        # A line without any delimiter may as well be an empty one; and marks are told apart byte by byte.
        self._is_able = width > 1 and len(delimiter) == 1 and (cutter.by_csv or not qualifier)
        self._no_marks = bytes({*range(256)}.difference(b"\r\n", delimiter))
        # What is left of a value fills its cell: else blanks are around it, or a qualifier is a character.
        edge, quote = b"[\r\n%b]" % re.escape(delimiter + qualifier), re.escape(qualifier)
        self._astray = re.compile(b"%b(?:(?!%b)|(?<!%b%b))" % (quote, edge, edge, quote))

    def choose(
        self, block: bytes, first: int, choice: Choice, judge: Judge | None
    ) -> tuple[PlainRecords | None, int]:
        """Choose among the records of a block, and count its lines.

        :param block: whole lines in UTF-8, from the start of a record on.
        :param first: the number of the first.
        :param judge: learns from them what it would from their cells.
        :return: None and 0 where it is not sure at a glance that all are records that end in the block, or which are
            wanted; then nothing is learnt.
        """
        is_odd = not self._is_able or b"\0" in block or self._no_record in block
        if is_odd or (judge is not None and not judge.knows_execution):
            return _NOT_SURE
        end = self._line_end or next(filter(block.endswith, _LINE_ENDS), b"")
        parts = block.split(self._qualifier) if self._qualifier else [block]
        # With a qualifier too few, the block ends inside a value.
        if not end or not block.endswith(end) or not len(parts) & 1:
            return _NOT_SURE
        outside = self._qualifier.join(parts[::2])
        if self._strip.delimiter:
            outside = outside.replace(self._delimiter + end, end)
        rows = self._count(outside, end)
        places = self._places(parts, outside, end, rows, choice) if rows and is_utf8(block) else None
        if places is None:
            return _NOT_SURE
        lines = block.splitlines(keepends=True) if not self._line_end else _split(block, end)
        count = len(lines)
        starts = range(rows) if count == rows else self._unite(lines, judge)
        # Only now it is sure that nothing stands between the halves of a line end.
        if len(starts) != rows:
            return _NOT_SURE
        wanted = self._texts([lines[at] for at in places])
        try:
            cells = self._cutter.cut(wanted)
        except csv.Error:
            # There is a value longer than csv takes.
            return _NOT_SURE
        if judge is not None:
            judge.wrapping.note_outside(rows, outside, end)
        found = [first + starts[at] for at in places]
        return PlainRecords(found, wanted, cells, places, rows, chosen=True), count

    def _count(self, outside: bytes, end: bytes) -> int:
        """Count the rows; 0 where one of them is not as wide as the header, or has a qualifier astray."""
        marks, row = outside.translate(None, self._no_marks), self._delimiter * (self._width - 1) + end
        rows = len(marks) // len(row)
        is_sure = marks == row * rows and not (self._qualifier and self._astray.search(end + outside))
        return rows if is_sure else 0

    def _places(
        self, parts: Sequence[bytes], outside: bytes, end: bytes, rows: int, choice: Choice
    ) -> Sequence[int] | None:
        """Choose among rows by one cell of each, which is one of the parts where it stands between qualifiers."""
        framed, until, edge = end + outside, len(outside), re.escape(self._delimiter)
        before = end[-1:] + choice.at * (b"[^%b]*+%b" % (edge, edge))
        if not re.fullmatch(choice.plain, b"0" + self._delimiter):
            found = re.compile(b"%b(%b)(?![^\r\n%b])" % (before, choice.plain, edge)).findall(
                framed, 0, until
            )
            if len(found) == rows:
                return None if self._may_be_headers(found, choice.at) else choice.among_plain(found)
        found = re.compile(b"%b([^\r\n%b]*+)" % (before, edge)).findall(framed, 0, until)
        if self._qualifier and self._qualifier in b"\n".join(found):
            if outside != (self._delimiter.join([self._qualifier] * self._width) + end) * rows:
                return None
            found = [*parts[1::2][choice.at :: self._width]]
        return None if self._may_be_headers(found, choice.at) else choice.among([*map(bytes.decode, found)])

    def _may_be_headers(self, cells: Sequence[bytes], at: int) -> bool:
        if not self._header:
            return False
        name = _bytes(self._header[at])
        return name in cells or b"\xef\xbb\xbf" + name in cells

    def _unite(self, lines: list[bytes], judge: Judge | None) -> Sequence[int]:
        """Unite the lines over which a value goes on; give where records start, none where it is in doubt."""
        if not self._qualifier:
            return []
        odd = [at for at, line in enumerate(lines) if line.count(self._qualifier) & 1]
        starts = [*range(len(lines))]
        for opened, closed in reversed([*zip(odd[::2], odd[1::2], strict=True)]):
            some = lines[opened : closed + 1]
            if judge is not None and not judge.surely_goes_on(self._texts(some)):
                return []
            lines[opened : closed + 1] = [b"".join(some)]
            del starts[opened + 1 : closed + 1]
        return starts

    def _texts(self, lines: Sequence[bytes]) -> list[str]:
        return self._strip.all(map(bytes.decode, lines))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _split(block: bytes, end: bytes) -> list[bytes]:
    return [line + end for line in block.split(end)[:-1]]
