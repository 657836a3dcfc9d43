"""Cut one text into cells: at delimiters, and around qualified values.

The scanner in ``record_scanner`` stands above, which knows lines; below it there is nothing but csv and ``re``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from airflow_provider_braze.blanks import BLANKS

if TYPE_CHECKING:
    import _csv

NOT_CLOSED = "a qualified value is not closed"
ENDS_WITHIN = "a line ends within it"
NOT_DOUBLED = "a qualifier inside a qualified value is not doubled"


class Cutter:
    """Cuts texts that stand on one line, and tells where a value goes on over the next.

    :param delimiter: between values.
    :param qualifier: around values, doubled inside them; ``""`` for none. It opens a value only at the start of a
        cell: anywhere else (5" pipe, O'Neill) it is a character like others.
    :param trim: blanks around a qualified value, outside the qualifiers, are passed over.

    Of the texts that were cut last, and only of all of these together, ``all_wrapped`` tells that each value stood
    between qualifiers, and ``as_usual`` that those with qualifiers are like ``usual``, a pattern of :meth:`like`.
    """

    def __init__(self, delimiter: str, qualifier: str, *, trim: bool) -> None:
        self.delimiter = delimiter
        self.qualifier = qualifier
        self.qualified_values = 0
        self.all_wrapped = self.as_usual = False
        self.usual: re.Pattern[str] | None = None
        self.by_csv = bool(qualifier) and len(delimiter) == 1
        blanks = "".join(blank for blank in BLANKS if trim and blank not in delimiter)
        some, quote = f"[{re.escape(blanks)}]" if blanks else "(?!)", re.escape(qualifier)
        self._between = qualifier + delimiter + qualifier
        self._first = re.compile(f"{some}*{quote}")
        self._next = re.compile(f"{re.escape(delimiter)}{some}*{quote}")
        self._blanks = re.compile(f"{some}*")
        # It starts with a plain character on purpose: re looks for one many times as fast as for one of a set.
        beside = f"[{re.escape(delimiter + blanks)}\0]"
        self._spaced = (
            re.compile(f"{quote}(?:(?={some}{beside})|(?<={beside}{some}{quote}))") if blanks else None
        )

    def spaced(self, text: str) -> bool:
        """Whether blanks stand between a delimiter and a qualifier, where csv would not pass over them.

        It may be true of blanks inside a value too, and is never false where they are outside: those have a delimiter,
        an end or another blank at their other side.

        :param text: one, or several with a NUL between them.
        """
        return self._spaced is not None and self._spaced.search(f"\0{text}\0") is not None

    def csv_reader(self, lines: Iterable[str]) -> _csv.Reader:
        """Read lines with csv, which is fast, and strict here: it raises where a value is not qualified well."""
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.qualifier, strict=True)

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut texts, and note what is seen of their qualifiers by the way.

        :raises csv.Error: a value is not qualified well.
        :raises StopIteration: one of them is no record of its own.
        """
        delimiter, qualifier = self.delimiter, self.qualifier
        self.all_wrapped = self.as_usual = False
        quoted = [text for text in texts if qualifier in text] if self.by_csv else []
        if not quoted:
            return [text.split(delimiter) for text in texts]
        if len(quoted) == len(texts) and (rows := self._cut_wrapped(texts)):
            self.all_wrapped = True
            return rows
        together = "\0".join(quoted)
        # What is as usual has no blanks there; to see that takes less time, and it is asked anyway.
        self.as_usual = self.usual is not None and self.usual.fullmatch(together) is not None
        if not self.as_usual and self.spaced(together):
            return list(map(self._cut_one, texts))
        qualified = self.csv_reader(quoted)
        return [next(qualified) if qualifier in text else text.split(delimiter) for text in texts]

    def _cut_wrapped(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut texts of which each value stands between qualifiers and holds none; nothing where that is not so.

        It takes half the time that csv does. What makes it sure: each text starts and ends with a qualifier, each place
        where it is cut takes two, and there are no more of them in it.
        """
        qualifier, between = self.qualifier, self._between
        width = texts[0].count(between) + 1
        if texts[0].count(qualifier) != 2 * width or {text.count(qualifier) for text in texts} != {2 * width}:
            return []
        rows = [text[1:-1].split(between) for text in texts]
        ends = {text[0] for text in texts} | {text[-1] for text in texts}
        return rows if ends == {qualifier} and {*map(len, rows)} == {width} else []

    def _cut_one(self, text: str) -> list[str]:
        if self.qualifier in text and ("\n" in text or "\r" in text) and self.spaced(text):
            # One that may be inside a value or outside. csv refuses the latter, in which two records would be one; here
            # it would be taken: whoever reads line by line knows.
            raise csv.Error(ENDS_WITHIN)
        return self.cut_record(text)

    def cut_record(self, text: str) -> list[str]:
        """Cut a text that is one record, as is known: a line end in it stands inside a value.

        What it is cut into depends on nothing but the text, so it is the same whenever that is done.
        """
        if not self.by_csv or self.qualifier not in text:
            return text.split(self.delimiter)
        if not self.spaced(text):
            return next(self.csv_reader([text]))
        cells: list[str] = []
        if self.walk(text, 0, cells) >= 0:
            raise csv.Error(NOT_CLOSED)
        return cells

    def walk(self, text: str, at: int, cells: list[str]) -> int:
        """Add the cells from a cell's start on; give where a value starts that does not close in the text, or -1.

        :raises csv.Error: a value is not qualified well.
        """
        while True:
            opening = self._first.match(text, at)
            if opening is None:
                opening = self._next.search(text, at)
                if opening is None:
                    cells += text[at:].split(self.delimiter)
                    return -1
                cells += text[at : opening.start()].split(self.delimiter)
            start = opening.end()
            closing = self.closing(text, start)
            if closing < 0:
                return start
            self.add(text[start:closing], cells)
            at = self.after(text, closing)
            if at > len(text):
                return -1

    def add(self, value: str, cells: list[str]) -> None:
        """Add what stands between two qualifiers."""
        qualifier = self.qualifier
        cells.append(value.replace(qualifier + qualifier, qualifier) if qualifier in value else value)
        self.qualified_values += 1

    def closing(self, text: str, at: int) -> int:
        """Find the next qualifier that is not doubled, or -1."""
        qualifier = self.qualifier
        at = text.find(qualifier, at)
        while at >= 0 and text.startswith(qualifier, at + 1):
            at = text.find(qualifier, at + 2)
        return at

    def after(self, text: str, closing: int) -> int:
        """Give where the cell after a closing qualifier starts; beyond the end of the text when there is none.

        :raises csv.Error: neither a delimiter nor the end follows.
        """
        blanks = self._blanks.match(text, closing + 1)
        at = blanks.end() if blanks else closing + 1
        if at == len(text):
            return at + 1
        if not text.startswith(self.delimiter, at):
            raise csv.Error(NOT_DOUBLED)
        return at + len(self.delimiter)

    def like(self, width: int, *, always: AbstractSet[int], never: AbstractSet[int]) -> re.Pattern[str]:
        """Describe texts, with a NUL between them, of which some columns are always wrapped, or empty.

        It is true only of texts that can be cut, in which what opens a value also closes one: so a value needs no look
        for the NUL, which takes twice as long. No cell is tried in a second way, so what it matches is sure; blanks
        around a qualified value it does not match.

        :param width: of a record.
        :param always: columns that are wrapped or empty.
        :param never: columns that are empty.
        """
        delimiter, qualifier = re.escape(self.delimiter), re.escape(self.qualifier)
        # A doubled qualifier reads as if one value ended and another began.
        wrapped = f"(?:{qualifier}[^{qualifier}]*+{qualifier})"
        inside = f"[^{delimiter}\0]" if len(self.delimiter) == 1 else f"(?:(?!{delimiter})[^\0])"
        bare = f"(?!{self._first.pattern}){inside}*+"
        cells = [
            "" if at in never else f"{wrapped}*+" if at in always else f"(?>{wrapped}++|{bare})"
            for at in range(width)
        ]
        text = delimiter.join(cells)
        return re.compile(f"{text}(?:\0{text})*+")

    def wrapped_columns(self, text: str, cells: Sequence[str]) -> set[int]:
        """Tell which of a record's values stand between qualifiers, given its text and its cells."""
        if len(literal := text.split(self.delimiter)) == len(cells):
            return {at for at, cell in enumerate(literal) if self._first.match(cell)}
        found: set[int] = set()
        at = 0
        for column, cell in enumerate(cells):
            opening = self._first.match(text, at)
            if opening is None:
                at += len(cell) + len(self.delimiter)
                continue
            found.add(column)
            try:
                at = self.after(text, opening.end() + len(cell) + cell.count(self.qualifier))
            except csv.Error:
                break
        return found


_WIDTH_PROBLEM = re.compile(r"(?:^|; and )(\d{1,18}) columns? where ")
_ENDS_EMPTY = "; what is too many is empty"


def told_width(reason: str) -> int | None:
    """Give the number of cells that a reason of :func:`width_problem` tells; None for any other reason."""
    found = _WIDTH_PROBLEM.search(reason)
    return int(found[1]) if found else None


def without_width_problem(problem: str) -> str | None:
    """Leave out what :func:`width_problem` has said of a record; None: that was all."""
    found = _WIDTH_PROBLEM.search(problem)
    return (problem[: found.start()] or None) if found else problem


def tells_empty_end(reason: str) -> bool:
    """Tell whether a reason says that nothing stood in the cells that a record had too many.

    They are gone, or look like others, once a program has made all rows equally wide; what is left has the right
    width, and may still be a column off.
    """
    return _ENDS_EMPTY in reason and told_width(reason) is not None


def width_problem(cells: Sequence[str], width: int, expected: str) -> str:
    """Say that a record has another number of cells than it should."""
    many = len(cells)
    empty = _ENDS_EMPTY if many > width and not any(map(str.strip, cells[width:])) else ""
    return f"{many} column{'s' * (many != 1)} where {expected}{empty}"


def both(trouble: str | None, problem: str) -> str:
    """Name trouble first: it tells that the line is not cut, which is asked when its reject is pushed again."""
    return f"{trouble}; and {problem}" if trouble else problem
