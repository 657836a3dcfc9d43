"""Read only those records that are wanted, and of the others no more than it takes to be sure that they are records.

Everything is asked of a whole block of lines at once, in bytes: no record that is passed over is looked at by itself,
and none becomes a text. What that does not make sure of is read line by line.

The scanner in ``record_scanner`` stands above; below are the cutter and the judge.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from airflow_provider_braze.redpoint.reading.cutting import Cutter
from airflow_provider_braze.redpoint.reading.doubt import Judge
from airflow_provider_braze.redpoint.reading.lines import EndStripper, is_utf8

_LINE_ENDS = b"\r\n", b"\n", b"\r"
_GOES_ON = b"\0"
"""Marks where a value goes on over the next line: a block with a NUL is not looked at here."""


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


class _Rows(NamedTuple):
    """Rows that are each as wide as the header, and have no qualifier but around values.

    ``total`` of them there are. ``outside`` is what stands outside of qualifiers, with a line end before each row and
    behind the last, and ``values`` what stands between them. ``goes_on`` tells how often a line ends in the values of a
    row, where one does, by the row's index.
    """

    total: int
    outside: bytes
    values: Sequence[bytes]
    goes_on: dict[int, int]


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
        self._never_plain = (b"\0", *filter(None, [_bytes(strip.no_record)]))
        # A line without any delimiter may as well be an empty one; and marks are told apart byte by byte.
        self._is_able = width > 1 and len(delimiter) == 1 and (cutter.by_csv or not qualifier)
        self._row = delimiter * (width - 1)
        self._no_marks = bytes({*range(256)}.difference(b"\r\n", delimiter, _GOES_ON))
        # What is left of a value fills its cell: else blanks are around it, or a qualifier is a character.
        other, quote = b"[^\r\n%b]" % re.escape(delimiter + qualifier), re.escape(qualifier)
        self._astray = re.compile(b"%b(?:%b|(?<=%b%b))" % (quote, other, other, quote))
        self._line_ends = re.compile(re.escape(self._line_end) or b"\r\n?|\n")

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
        is_odd = not self._is_able or any(odd in block for odd in self._never_plain)
        if is_odd or (judge is not None and not judge.knows_execution):
            return _NOT_SURE
        end = self._line_end or next(filter(block.endswith, _LINE_ENDS), b"")
        parts = block.split(self._qualifier) if self._qualifier else [block]
        # With a qualifier too few, the block ends inside a value.
        if not end or not block.endswith(end) or not len(parts) & 1:
            return _NOT_SURE
        rows = self._rows(parts, end)
        places = self._places(rows, end, choice) if rows and is_utf8(block) else None
        if rows is None or places is None:
            return _NOT_SURE
        lines = block.split(end)[:-1] if self._line_end else block.splitlines(keepends=True)
        count = len(lines)
        starts = range(count) if count == rows.total else self._unite(lines, rows, judge)
        if not starts:
            return _NOT_SURE
        wanted = self._texts([lines[at] for at in places])
        try:
            cells = self._cutter.cut(wanted)
        except csv.Error:
            # There is a value longer than csv takes.
            return _NOT_SURE
        if judge is not None:
            judge.wrapping.note_outside(rows.total, rows.outside, end)
        found = [first + starts[at] for at in places]
        return PlainRecords(found, wanted, cells, places, rows.total, chosen=True), count

    def _rows(self, parts: Sequence[bytes], end: bytes) -> _Rows | None:
        """Find the rows; None where one of them is not as wide as the header, or has a qualifier astray."""
        outer, values = [end + parts[0], *parts[2::2]], parts[1::2]
        going_on = self._going_on(values)
        for at in going_on:
            outer[at] += _GOES_ON
        marked = self._outside(outer, end)
        outside = marked.replace(_GOES_ON, b"")
        marks, row = marked.translate(None, self._no_marks), self._row + end
        count = (len(marks) - len(going_on)) // len(row)
        if not count or marks.replace(_GOES_ON, b"") != end + row * count:
            return None
        if self._qualifier and self._astray.search(outside):
            return None
        found, goes_on = -1, dict[int, int]()
        for before, at in enumerate(going_on):
            found = marks.index(_GOES_ON, found + 1)
            index = (found - before - len(end)) // len(row)
            goes_on[index] = goes_on.get(index, 0) + len(self._line_ends.findall(values[at]))
        return _Rows(count, outside, values, goes_on)

    def _outside(self, outer: Sequence[bytes], end: bytes) -> bytes:
        outside = self._qualifier.join(outer)
        return outside.replace(self._delimiter + end, end) if self._strip.delimiter else outside

    def _going_on(self, values: Sequence[bytes]) -> Sequence[int]:
        """Find the values in which a line ends; in most there is none, so they are asked together."""
        inside = self._qualifier.join([*values, b""])
        found: set[int] = set()
        for end in (self._line_end,) if self._line_end else (b"\r", b"\n"):
            index = last = 0
            while (at := inside.find(end, last)) >= 0:
                index += inside.count(self._qualifier, last, at)
                found.add(index)
                # Further ones in this value tell nothing new.
                last = inside.index(self._qualifier, at)
        return sorted(found)

    def _places(self, rows: _Rows, end: bytes, choice: Choice) -> Sequence[int] | None:
        """Choose among rows by one cell of each, which is one of the values where it stands between qualifiers."""
        name = _bytes(self._header[choice.at]) if self._header else None
        look = _look_for(choice.at, choice.plain, self._delimiter, end[-1:], name)
        # Behind the last line end is no row.
        outside, until = rows.outside, len(rows.outside) - 1
        if look.plain is not None:
            found = look.plain.findall(outside, 0, until)
            if len(found) == rows.total:
                return None if any(name in found for name in look.plain_names) else choice.among_plain(found)
        found = look.all.findall(outside, 0, until)
        if self._qualifier and self._qualifier in b"\n".join(found):
            wrapped = self._delimiter.join([self._qualifier] * self._width) + end
            if outside != end + wrapped * rows.total:
                return None
            found = [*rows.values[choice.at :: self._width]]
        if any(name in found for name in look.names):
            return None
        return choice.among([*map(bytes.decode, found)])

    def _unite(self, lines: list[bytes], rows: _Rows, judge: Judge | None) -> Sequence[int]:
        """Unite the lines over which a value goes on; give where records start, none where it is in doubt."""
        # So many lines more than rows are before a row.
        before = len(lines) - rows.total
        # There are more where something stands between the halves of a line end.
        if before != sum(rows.goes_on.values()):
            return []
        starts = [*range(len(lines))]
        for index, more in reversed(rows.goes_on.items()):
            before -= more
            first, beyond = index + before, index + before + more + 1
            some = lines[first:beyond]
            if judge is not None and not judge.surely_goes_on(self._texts(some)):
                return []
            lines[first:beyond] = [self._line_end.join(some)]
            del starts[first + 1 : beyond]
        return starts

    def _texts(self, lines: Sequence[bytes]) -> list[str]:
        return self._strip.all(map(bytes.decode, lines))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


class _Look(NamedTuple):
    """What is looked for in what stands outside of qualifiers: a cell of each row.

    ``plain`` finds those that are plain, and is None where these may hold a delimiter; ``all`` finds all of them.
    ``names`` are what a header row has there, and ``plain_names`` those of them that are plain.
    """

    plain: re.Pattern[bytes] | None
    all: re.Pattern[bytes]
    names: Sequence[bytes]
    plain_names: Sequence[bytes]


@lru_cache(maxsize=8)
def _look_for(at: int, plain: bytes, delimiter: bytes, end: bytes, name: bytes | None) -> _Look:
    edge = re.escape(delimiter)
    before = end + at * (b"[^%b]*+%b" % (edge, edge))
    names = [] if name is None else [name, b"\xef\xbb\xbf" + name]
    return _Look(
        None
        if re.fullmatch(plain, b"0" + delimiter)
        else re.compile(b"%b(%b)(?![^\r\n%b])" % (before, plain, edge)),
        re.compile(b"%b([^\r\n%b]*+)" % (before, edge)),
        names,
        [name for name in names if re.fullmatch(plain, name)],
    )
