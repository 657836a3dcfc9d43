"""The object inside a profile object, made of many records' columns at once: what goes there by default.

Above: mapping by column. Below: the values of cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

from airflow_provider_braze.users_track.mapping.cell_values import LEFT_OUT, Cells, CellValues
from airflow_provider_braze.users_track.mapping.groups import CHARACTER_BYTES, Group
from airflow_provider_braze.users_track.mapping.object_types import object_type
from airflow_provider_braze.users_track.rules import limits


class NestedColumns:
    """Columns whose values become the keys of one object inside the profile object.

    :param group: the columns.
    :param path: where that object goes, from the outermost key.
    :param most: how many cells of each column may be remembered.
    :param trims: whether blanks around a cell mean nothing.
    """

    def __init__(self, group: Group, path: tuple[str, ...], most: int, *, trims: bool) -> None:
        self.attribute = path[0]
        self.plain = [index for index, _, _ in group.plain]
        self._inner_keys = path[:0:-1]
        self._read = [(index, CellValues(read, most, trims=trims)) for index, _, _, read in group.read]
        self._raw = [*self.plain, *(index for index, _ in self._read)]
        # A record with fewer characters than these is surely below Braze's limit, whatever its characters are.
        self.most_characters = (
            (limits.NESTED_BYTES - group.key_bytes) // CHARACTER_BYTES if group.may_be_large else None
        )
        self._object = object_type(
            (), [target for _, target, _ in group.plain], [target for _, target, _, _ in group.read]
        )

    def read(self, columns: list[Cells], needs_slow_path: set[int]) -> list[list[Any]]:
        """Give the values of the columns that have a reader, and note the records of which one cannot be read."""
        return [values.read(columns, index, needs_slow_path) for index, values in self._read]

    def points(self, columns: Sequence[Cells], records: int) -> int:
        """Count the data points of all records together: one for each cell that is not empty."""
        return sum([records - columns[index].count("") for index in self._raw])

    def objects(self, columns: Sequence[Cells], read: Sequence[Sequence[Any]]) -> list[Iterable[Any]]:
        """Give the inner objects, where there are any, and whether they are to be merged into the stored ones.

        :param read: what :meth:`read` gave.
        """
        found = list(map(self._object, *(columns[index] for index in self.plain), *read))
        for key in self._inner_keys:
            found = [{key: each} for each in found]
        # Most have something in their first column, and of the others one looks further.
        first, *others = (columns[index] for index in self._raw)
        empty = [at for at, cell in enumerate(first) if not cell and not any(each[at] for each in others)]
        if not empty:
            return [found, repeat(True)]
        merge: list[Any] = [True] * len(found)
        for at in empty:
            found[at] = merge[at] = LEFT_OUT
        return [found, merge]
