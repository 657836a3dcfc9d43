"""The values of a column's cells, each different cell read once: most columns hold the same few again and again.

Above: mapping by column. Below: where a column goes, and the rules of values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from airflow_provider_braze.blanks import cut, cut_all
from airflow_provider_braze.users_track.mapping.columns import Column
from airflow_provider_braze.users_track.rules import values

_MOST_REMEMBERED = 5_000
_MOST_REMEMBERED_TOGETHER = 50_000
_LONGEST_REMEMBERED = 64
"""Cells of a column, and of all columns, whose values are kept: most have the same few short ones again and again."""

LEFT_OUT = msgspec.UNSET
_IN_DOUBT = object()

Cells = Sequence[str]


def most_remembered(columns: int) -> int:
    """Tell how many cells of each of some columns may be remembered."""
    return min(_MOST_REMEMBERED, _MOST_REMEMBERED_TOGETHER // max(1, columns))


def is_changed(value: Any, cell: str) -> bool:
    """Tell whether a value is another text than its cell."""
    return value.__class__ is str and value != cell


class CellValues(dict[str, Any]):
    """The values of a column's cells: read once for each different one, as long as these are neither many nor long.

    :param read: reader of a cell that is not empty.
    :param most: cells that are remembered.
    :param rules: values of cells that are not read.
    :param trims: whether blanks around a cell mean nothing. It costs nothing where there are none, and little where the
        same cells come again.
    """

    def __init__(
        self,
        read: values.Reader,
        most: int,
        rules: Mapping[str, Any] = MappingProxyType({}),
        *,
        trims: bool,
    ) -> None:
        super().__init__({"": LEFT_OUT, **rules})
        self._reader = read
        self._most = most
        self._trims = trims
        self._failed = False
        # Whether any value so far is another text than its cell without blanks, and whether any cell had such.
        self.changes = False
        self.padded = False

    def __missing__(self, cell: str) -> Any:
        if self._trims and (between := cut(cell)) != cell:
            self.padded = True
            value = self[between]
        else:
            value = self._read(cell)
        if value is not _IN_DOUBT and len(self) < self._most and len(cell) <= _LONGEST_REMEMBERED:
            self[cell] = value
        return value

    def _read(self, cell: str) -> Any:
        try:
            value = self._reader(cell)
        except ValueError:
            self._failed = True
            return _IN_DOUBT
        self.changes = self.changes or value != cell
        return value

    def read(self, columns: list[Cells], index: int, slow: set[int]) -> list[Any]:
        """Give the value of each cell of a column, and note the indexes of those that cannot be read.

        Where it has met blanks around cells, it cuts them for whoever looks at the column after that.
        """
        self._failed = False
        found = list(map(self.__getitem__, columns[index]))
        if self._failed:
            slow.update(at for at, value in enumerate(found) if value is _IN_DOUBT)
        if self.padded:
            columns[index] = cut_all(columns[index])
        return found


def ruled_values(column: Column, most: int, *, trims: bool) -> CellValues:
    """Give the values of a column with rules for empty cells and the null token."""
    meaning = {"omit": LEFT_OUT, "null": None, "keep": ""}
    rules = {"": meaning[column.empty]}
    if column.null_token is not None:
        rules[column.null_token] = meaning[column.null]
    return CellValues(column.read or values.text, most, rules, trims=trims)
