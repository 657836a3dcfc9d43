"""Blanks around cells: databases pad (``CHAR``), people paste, and to Braze ``P1`` and ``P1  `` are two users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

BLANKS = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\u200b\ufeff"
)
"""What ``str.strip`` takes away, the most common first, and the two blanks of no width."""

_INVISIBLE = "\u200b\ufeff"
"""A zero width space and a byte order mark: no blanks to Python, and nothing to the eye."""


_RARE = tuple(blank for blank in BLANKS if blank not in " \n")
_RARE_IN_ASCII = tuple(blank for blank in _RARE if blank.isascii())


def cut(cell: str) -> str:
    """Cut the blanks at both ends of a cell; inside it they stay."""
    return cell.strip(BLANKS)


def _may_be_at_ends(cells: Sequence[str]) -> bool:
    """Tell whether any of many cells may have blanks at its ends, without looking at each: most columns have none.

    Spaces inside cells are common, so it is asked where they are; any other blank is so rare that its being there is
    enough.
    """
    together = "\n".join(cells)
    rare = _RARE_IN_ASCII if together.isascii() else _RARE
    if together.count("\n") >= len(cells) or any(map(together.__contains__, rare)):
        return True
    return " " in together and (
        together[0] == " " or together[-1] == " " or "\n " in together or " \n" in together
    )


class Blanks:
    """Cuts the blanks of those columns that are sent.

    :param columns: name of each column that is sent, by index.
    """

    def __init__(self, columns: Mapping[int, str]) -> None:
        self._columns = columns

    def cut_row(self, cells: Sequence[str]) -> tuple[Sequence[str], list[str]]:
        """Cut all cells of a record, and name the sent columns where that changed anything."""
        if not _may_be_at_ends(cells):
            return cells, []
        found = [*map(cut, cells)]
        return found, [name for index, name in self._columns.items() if found[index] != cells[index]]

    def cut_columns(self, columns: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """Cut the cells of the sent columns; a column without blanks is given back as it is."""
        found = list(columns)
        for index in self._columns:
            cells = columns[index]
            if _may_be_at_ends(cells):
                # Cells without blanks stay the same objects.
                stripped = tuple(map(cut, cells))
                found[index] = cells if stripped == cells else stripped
        return found

    def count(self, before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]) -> dict[str, int]:
        """Count by column the cells that :meth:`cut_columns` changed."""
        return {
            name: sum(map(str.__ne__, before[index], after[index]))
            for index, name in self._columns.items()
            if after[index] is not before[index]
        }
