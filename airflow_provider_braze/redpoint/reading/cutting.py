"""Cut one text into cells: at delimiters, and around qualified values."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from airflow_provider_braze.blanks import BLANKS

if TYPE_CHECKING:
    import _csv

_MOST_BLANKS = 80
"""To be looked at for what stands before them."""

NOT_CLOSED = "a qualified value is not closed"
NOT_DOUBLED = "a qualifier inside a qualified value is not doubled"


class Cutter:
    """Cuts texts that stand on one line, and tells where a value goes on over the next.

    :param delimiter: between values.
    :param qualifier: around values, doubled inside them; ``""`` for none. It opens a value only at the start of a
        cell: anywhere else (5" pipe, O'Neill) it is a character like others.
    :param trim: blanks around a qualified value, outside the qualifiers, are passed over.
    """

    def __init__(self, delimiter: str, qualifier: str, *, trim: bool) -> None:
        self.delimiter = delimiter
        self.qualifier = qualifier
        self.qualified_values = 0
        self.by_csv = bool(qualifier) and len(delimiter) == 1
        blanks = "".join(blank for blank in BLANKS if trim and blank not in delimiter)
        some, quote = f"[{re.escape(blanks)}]" if blanks else "(?!)", re.escape(qualifier)
        self._first = re.compile(f"{some}*{quote}")
        self._next = re.compile(f"{re.escape(delimiter)}{some}*{quote}")
        self._blanks = re.compile(f"{some}*")
        self._closes = re.compile(f"{quote}{some}+(?:{re.escape(delimiter)}|\\0|$)")
        self._trimmed = blanks
        # A line end in a text is one inside a value, over which the text goes on.
        self._starts = {blank.encode()[:2] for blank in blanks[1:] if blank != "\n"}

    def spaced(self, text: str) -> bool:
        """Whether blanks stand between a delimiter and a qualifier, where csv would not pass over them.

        :param text: one, or several with a NUL between them.
        """
        quote = self.qualifier
        for blank in self._blanks_in(text):
            for beside, offset in ((blank + quote, len(blank)), (quote + blank, 0)):
                at = text.find(beside)
                while at >= 0:
                    if self._is_outside(text, at + offset):
                        return True
                    at = text.find(beside, at + 1)
        return False

    def _blanks_in(self, text: str) -> Sequence[str]:
        """Give the blanks that a text may hold: most have none but the space, so the others are looked for together."""
        return [
            blank for blank in (self._trimmed if self._unusual(text) else self._trimmed[:1]) if blank in text
        ]

    def _unusual(self, text: str) -> bool:
        """Whether there may be blanks other than the space."""
        encoded = text.encode("utf-8", "surrogatepass")
        return any(start[:1] in encoded and start in encoded for start in self._starts)

    def _is_outside(self, text: str, at: int) -> bool:
        """Whether the blanks beside a qualifier are not inside a value, or may be outside."""
        before = text[max(0, at - _MOST_BLANKS) : at]
        left = before.rstrip(self._trimmed)
        if left != before and (not left or left.endswith((self.delimiter, "\0"))):
            return True
        return self._closes.match(text, at) is not None

    def csv_reader(self, lines: Iterable[str]) -> _csv.Reader:
        """Read lines with csv, which is fast, and strict here: it raises where a value is not qualified well."""
        return csv.reader(lines, delimiter=self.delimiter, quotechar=self.qualifier, strict=True)

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut texts.

        :raises csv.Error: a value is not qualified well.
        :raises StopIteration: one of them is no record of its own.
        """
        delimiter, qualifier = self.delimiter, self.qualifier
        quoted = [text for text in texts if qualifier in text] if self.by_csv else []
        if not quoted:
            return [text.split(delimiter) for text in texts]
        if self._any_spaced(quoted):
            return list(map(self._cut_one, texts))
        qualified = self.csv_reader(quoted)
        return [next(qualified) if qualifier in text else text.split(delimiter) for text in texts]

    def _any_spaced(self, texts: Sequence[str]) -> bool:
        """Whether :meth:`spaced` is true of any of them; a space beside a qualifier is rare enough to look closely."""
        if not self._trimmed:
            return False
        before, after = self._trimmed[0] + self.qualifier, self.qualifier + self._trimmed[0]
        if not self._unusual("".join(texts)):
            texts = [text for text in texts if before in text or after in text]
        return any(map(self.spaced, texts))

    def _cut_one(self, text: str) -> list[str]:
        if self.qualifier not in text:
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


def width_problem(width: int, expected: str) -> str:
    """Say that a record has another number of cells than it should."""
    return f"{width} column{'s' * (width != 1)} where {expected}"
