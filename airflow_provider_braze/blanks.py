"""Blanks around cells: databases pad (``CHAR``), people paste, and to Braze ``P1`` and ``P1  `` are two users.

Above: whatever cuts or compares cells. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat

BLANKS = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
)
"""What ``str.strip`` takes away, the most common first, and the two blanks of no width."""

INVISIBLE = "\u200b\ufeff"
"""A zero width space and a byte order mark: no blanks to Python, and nothing to the eye."""

_IN_ASCII = tuple(filter(str.isascii, BLANKS))


def cut(cell: str) -> str:
    """Cut the blanks at both ends of a cell; inside it they stay."""
    # Nearly every cell is given back as it is, and so in half the time: of ASCII, Python's own strip knows all blanks.
    return cell if cell.isascii() and cell.strip() is cell else cell.strip(BLANKS)


def may_be_invisible(texts: Iterable[str]) -> bool:
    """Tell whether a blank of no width stands anywhere in many texts."""
    together = "".join(texts)
    return not together.isascii() and any(map(together.__contains__, INVISIBLE))


def cut_all(cells: Sequence[str]) -> Sequence[str]:
    """Cut the blanks of many cells; where none has any, these are given back."""
    found = tuple(map(str.strip, cells, repeat(BLANKS)))
    return cells if found == cells else found


def may_be_at_ends(cells: Sequence[str]) -> bool:
    """Tell whether any of many cells may have blanks at its ends, without looking at each: most columns have none.

    They are looked through together, with a NUL between any two. Most blanks are in no cell at all, which is seen in
    a moment; where one is, it is asked what stands beside it. A NUL in a cell may cause a closer look, and never
    prevents one.
    """
    together = "\0".join(cells)
    blanks = _IN_ASCII if together.isascii() else BLANKS
    return any(
        blank in (together[0], together[-1]) or f"\0{blank}" in together or f"{blank}\0" in together
        for blank in filter(together.__contains__, blanks)
    )


class Blanks:
    """Cuts the blanks of those columns that are sent.

    :param columns: name of each column that is sent, by index.
    """

    def __init__(self, columns: Mapping[int, str]) -> None:
        self._columns = columns

    def cut_row(self, cells: Sequence[str]) -> tuple[Sequence[str], list[str]]:
        """Cut all cells of a record, and name the sent columns where that changed anything."""
        if not may_be_at_ends(cells):
            return cells, []
        found = [*map(cut, cells)]
        return found, [name for index, name in self._columns.items() if found[index] != cells[index]]

    def cut_columns(
        self, columns: Sequence[Sequence[str]], some: Iterable[int], *, invisible: bool = True
    ) -> list[Sequence[str]]:
        """Cut the cells of some columns; one without blanks is given back as it is.

        :param some: their indexes.
        :param invisible: whether there may be blanks of no width; without them, Python's own ``strip`` knows all
            blanks, and takes a fraction of the time where it finds none.
        """
        found = list(columns)
        for index in some:
            cells = columns[index]
            if tuple(map(str.strip, cells)) != cells or (invisible and may_be_at_ends(cells)):
                found[index] = cut_all(cells)
        return found

    def count(self, before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]) -> dict[str, int]:
        """Count by column the cells that were cut.

        :param after: the columns, each of which is the same object as before where nothing was.
        """
        return {
            name: sum(map(str.__ne__, before[index], after[index]))
            for index, name in self._columns.items()
            if after[index] is not before[index]
        }
