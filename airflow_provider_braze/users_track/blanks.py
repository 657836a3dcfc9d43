"""Blanks around cells: databases pad (``CHAR``), people paste, and to Braze ``P1`` and ``P1  `` are two users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from airflow_provider_braze.redpoint.cutting import BLANKS

_INVISIBLE = "\u200b\ufeff"
"""A zero width space and a byte order mark: no blanks to Python, and nothing to the eye."""


def cut(cell: str) -> str:
    """Cut the blanks at both ends of a cell; inside it they stay."""
    return cell.strip(BLANKS)


def may_hide(texts: Iterable[str]) -> bool:
    """Tell whether any text holds one of the invisible blanks."""
    together = "".join(texts)
    return any(blank in together for blank in _INVISIBLE)


class Blanks:
    """Cuts the blanks of those columns that are sent.

    Cells without blanks, which are nearly all, stay the same objects: ``str.strip`` alone is a fifth of the time that
    ``strip`` with a list of characters takes, so that is used only where there may be invisible ones.

    :param columns: name of each column that is sent, by index.
    """

    def __init__(self, columns: Mapping[int, str]) -> None:
        self._columns = columns

    def cut_row(self, cells: Sequence[str]) -> tuple[Sequence[str], list[str]]:
        """Cut all cells of a record, and name the sent columns where that changed anything."""
        found = [*map(cut if may_hide(cells) else str.strip, cells)]
        if found == cells:
            return cells, []
        return found, [name for index, name in self._columns.items() if found[index] != cells[index]]

    def cut_columns(self, columns: Sequence[Sequence[str]], *, hidden: bool) -> list[Sequence[str]]:
        """Cut the cells of the sent columns; a column without blanks is given back as it is.

        :param columns: all columns.
        :param hidden: whether any cell may hold an invisible blank.
        """
        found = list(columns)
        strip = cut if hidden else str.strip
        for index in self._columns:
            cells = columns[index]
            stripped = tuple(map(strip, cells))
            if stripped != cells:
                found[index] = stripped
        return found

    def count(self, before: Sequence[Sequence[str]], after: Sequence[Sequence[str]]) -> dict[str, int]:
        """Count by column the cells that :meth:`cut_columns` changed."""
        return {
            name: sum(map(str.__ne__, before[index], after[index]))
            for index, name in self._columns.items()
            if after[index] is not before[index]
        }
