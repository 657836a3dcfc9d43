"""Records to JSON, many at once and column by column: what the mapper does, for records that are beyond doubt.

Most records are. What is not — a bad value, an identifier that is none, a cell too long — is left to the mapper, which
looks at one record at a time and knows what to do with it.

The source in ``pushes`` stands above, and the mapper makes it; below are cells, types of objects and the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple

from airflow_provider_braze.blanks import INVISIBLE, Blanks, cut_all
from airflow_provider_braze.users_track.mapping.cell_values import (
    LEFT_OUT,
    Cells,
    CellValues,
    is_changed,
    most_remembered,
    ruled_values,
)
from airflow_provider_braze.users_track.mapping.columns import Column
from airflow_provider_braze.users_track.mapping.groups import MERGE, ONLY_EXISTING, Group
from airflow_provider_braze.users_track.mapping.nested_columns import NestedColumns
from airflow_provider_braze.users_track.mapping.object_types import as_json, object_type, tags_of
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.rules.data_points import points
from airflow_provider_braze.users_track.rules.null_words import LONGEST, is_null_word, may_be_among
from airflow_provider_braze.users_track.rules.standard_fields import AS_IS
from airflow_provider_braze.users_track.rules.values import each_to_json

MOST_ID_CHARACTERS = {
    "external_id": limits.EXTERNAL_ID_BYTES // 4,
    "braze_id": limits.STRING_CHARACTERS // 4,
}
"""Characters of an identifier that is surely short enough: none takes more than four bytes."""


class ByColumn:
    """Maps many records of one export at once.

    :param kind: key of the identifier.
    :param identifier_index: its column.
    :param identifier_null: cell text that means that there is no identifier, or None.
    :param null_words: whether words for no value are identifiers.
    :param blanks: cuts the blanks of cells; None keeps them.
    :param normalised: columns whose words become codes.
    :param only_existing: whether profiles are not to be created.
    :param top: the columns of the object itself.
    :param nested: the columns of the object inside it, or None.
    :param path: where that object goes, from the outermost key.
    :param tags: index, name and attribute of the columns that add one tag each.
    :param constants: what is the same in every object.
    """

    def __init__(
        self,
        *,
        kind: str,
        identifier_index: int,
        identifier_null: str | None,
        null_words: bool,
        blanks: Blanks | None,
        normalised: Sequence[Column],
        only_existing: bool,
        top: Group,
        nested: Group | None,
        path: tuple[str, ...],
        tags: Sequence[tuple[int, str, str]],
        constants: Mapping[str, Any],
    ) -> None:
        self.kind = kind
        self._id = identifier_index
        self._identifier_null = identifier_null
        self._takes_null_words = null_words
        self._blanks = blanks
        self._normalised = {column.index: column.name for column in normalised}
        self._most_id = MOST_ID_CHARACTERS[kind]
        self._only_existing = only_existing
        self._plain = [(index, target) for index, target, _ in top.plain]
        as_is = [column for column in top.read if column[3] in AS_IS]
        self._plain += [(index, target) for index, target, _, _ in as_is]
        self._as_is = [(index, AS_IS[read]) for index, _, _, read in as_is]
        columns = len(top.read) + len(top.ruled) + (len(nested.read) if nested else 0)
        most, trims = most_remembered(columns), blanks is not None
        self._read = [
            (index, target, CellValues(read, most, trims=trims))
            for index, target, _, read in top.read
            if read not in AS_IS
        ]
        self._ruled = [
            (column.index, column.target, ruled_values(column, most, trims=trims)) for column in top.ruled
        ]
        self._tags = [(index, attribute) for index, _, attribute in tags]
        self._constants = {name: as_json(value) for name, value in constants.items()}
        self._constant_points = {name: points(name, value) for name, value in constants.items()}
        self._nested = NestedColumns(nested, path, most, trims=trims) if nested else None
        self._texts = [index for index, _ in (*self._plain, *self._tags)]
        self._texts += self._nested.plain if self._nested else []
        # What is read, or is as it is, shows its blanks by itself.
        self._cut_first = [identifier_index, *(index for index, _, _ in (*top.plain, *tags))]
        self._cut_first += self._nested.plain if self._nested else []
        # One type for the whole export. Its members stand in the order in which `map` hands their values over.
        self._object = object_type(
            (kind, ONLY_EXISTING),
            [target for _, target in self._plain],
            [
                *(target for _, target, _ in (*self._read, *self._ruled)),
                *((self._nested.attribute, MERGE) if self._nested else ()),
                *(attribute for _, attribute in self._tags),
                *self._constants,
            ],
        )

    def map(self, rows: Sequence[Sequence[str]], sizes: Sequence[int], *, invisible: bool = True) -> Mapped:
        """Map records.

        :param rows: their cells.
        :param sizes: at least the characters of each, all cells together.
        :param invisible: whether a blank of no width may stand anywhere in them.
        """
        # What is asked of cells (empty? too long? all alike?) is asked once a column, of all of them together.
        written: list[Cells] = list(zip(*rows, strict=True))
        columns = written
        if self._blanks:
            columns = self._blanks.cut_columns(written, self._cut_first, invisible=invisible)
        # From here on cells are without blanks; as they were written they are kept only to count what was cut.
        needs_slow_path = self._slow_ones(columns, sizes, invisible=invisible)
        read = [values.read(columns, index, needs_slow_path) for index, _, values in self._read]
        ruled = [values.read(columns, index, needs_slow_path) for index, _, values in self._ruled]
        nested_read = self._nested.read(columns, needs_slow_path) if self._nested else []
        if needs_slow_path:
            # The others are mapped anew, so that nothing is counted of those that the mapper does.
            kept = [at for at in range(len(rows)) if at not in needs_slow_path]
            kept_sizes = [sizes[at] for at in kept]
            again = [rows[at] for at in kept]
            mapped = self.map(again, kept_sizes, invisible=invisible) if kept else _NOTHING
            # Those that were kept are in doubt again only when all of them are, which is then true of all.
            return mapped._replace(
                needs_slow_path=[*range(len(rows))] if mapped.needs_slow_path else sorted(needs_slow_path)
            )
        # By column, since it is the same for each value of one: what is sent is what is not empty.
        data_points = self._count(columns, ruled)
        nested = self._nested.objects(columns, nested_read) if self._nested else []
        ids = columns[self._id]
        # No loop of Python over cells from here on: that is what mapping by column is for.
        objects = map(
            self._object,
            ids,
            repeat(self._only_existing),
            *(columns[index] for index, _ in self._plain),
            *read,
            *ruled,
            *nested,
            *(tags_of(columns[index]) for index, _ in self._tags),
            *map(repeat, self._constants.values()),
        )
        try:
            bodies = each_to_json(objects)
        except UnicodeEncodeError:
            # A lone surrogate, in whichever of them.
            return _NOTHING._replace(needs_slow_path=[*range(len(rows))])
        return Mapped(
            ids,
            bodies,
            data_points,
            [],
            self._blanks.count(written, columns) if self._blanks else {},
            self._replaced(columns, read, ruled),
        )

    def _replaced(
        self, columns: Sequence[Cells], read: Sequence[Sequence[Any]], ruled: Sequence[Sequence[Any]]
    ) -> dict[str, int]:
        """Count by column the words that became codes."""
        found: dict[str, int] = {}
        columns_read = [*zip(self._read, read, strict=True), *zip(self._ruled, ruled, strict=True)]
        for (index, _, cached), sent in columns_read:
            if cached.changes and index in self._normalised:
                count = sum(map(is_changed, sent, columns[index]))
                if count:
                    found[self._normalised[index]] = count
        return found

    def _count(self, columns: Sequence[Cells], ruled: Sequence[Sequence[Any]]) -> dict[str, int]:
        """Count the data points by attribute."""
        records = len(columns[self._id])
        found = {name: records * each for name, each in self._constant_points.items()}
        found |= {name: records - columns[index].count("") for index, name, _ in self._read}
        found |= {
            name: records - values.count(LEFT_OUT)
            for (_, name, _), values in zip(self._ruled, ruled, strict=True)
        }
        found |= {name: records - columns[index].count("") for index, name in (*self._plain, *self._tags)}
        if self._nested is not None:
            found[self._nested.attribute] = self._nested.points(columns, records)
        return found

    def _slow_ones(self, columns: list[Cells], sizes: Sequence[int], *, invisible: bool) -> set[int]:
        """Find the records that need a closer look, as far as their values need not be read for that."""
        ids = columns[self._id]
        needs_slow_path: set[int] = set()
        # Each is looked at by itself only where all of them together show something odd.
        lengths = set(map(len, ids))
        if (
            0 in lengths
            or max(lengths) > self._most_id
            or (self._identifier_null is not None and self._identifier_null in ids)
            or (self._blanks is None and any(map(str.isspace, ids)))
            or self._may_be_null_words(ids, min(lengths))
        ):
            needs_slow_path.update(at for at, cell in enumerate(ids) if not self._identifies(cell))
        # Of a record that is short as a whole no value is too long: nearly always that is all there is to look at.
        longest = max(sizes)
        if longest > limits.STRING_CHARACTERS:
            for index in self._texts:
                if max(map(len, columns[index])) > limits.STRING_CHARACTERS:
                    needs_slow_path.update(_too_long(columns[index]))
        most_nested = self._nested.most_characters if self._nested else None
        if most_nested is not None and longest > most_nested:
            needs_slow_path.update(at for at, size in enumerate(sizes) if size > most_nested)
        for index, are_valid in self._as_is:
            invisible = invisible and self._blanks is not None
            # Blanks would show here: they are cut only where some are, and then it is asked once more.
            if _are_as_they_are(are_valid, columns[index], invisible=invisible):
                continue
            if self._blanks is not None:
                columns[index] = cut_all(columns[index])
            if not _are_as_they_are(are_valid, columns[index], invisible=invisible):
                needs_slow_path.update(_unlike(are_valid, columns[index]))
        return needs_slow_path

    def _may_be_null_words(self, ids: Cells, shortest: int) -> bool:
        if self._takes_null_words:
            return False
        if self._blanks is None:
            return any(map(is_null_word, ids))
        return shortest <= LONGEST and may_be_among(ids)

    def _identifies(self, cell: str) -> bool:
        return (
            0 < len(cell) <= self._most_id
            and not cell.isspace()
            and cell != self._identifier_null
            and (self._takes_null_words or not is_null_word(cell))
        )


class Mapped(NamedTuple):
    """What became of some records.

    :param ids: the identifiers of those that were mapped.
    :param bodies: their objects as JSON.
    :param data_points: what they cost together, by attribute.
    :param needs_slow_path: indexes of the records that were not.
    :param trimmed: cells whose blanks were cut, by column.
    :param normalised: words that became codes, by column.
    """

    ids: Sequence[str]
    bodies: list[bytes]
    data_points: dict[str, int]
    needs_slow_path: list[int]
    trimmed: Mapping[str, int]
    normalised: Mapping[str, int]


_NOTHING = Mapped([], [], {}, [], {}, {})


def _are_as_they_are(are_valid: Callable[[str], bool], cells: Cells, *, invisible: bool) -> bool:
    """Whether all of many cells are sent as they are: what is valid has no visible blanks anywhere."""
    together = "\n".join(cells)
    return (
        together.count("\n") < len(cells)
        and are_valid(together)
        and not (invisible and any(map(together.__contains__, INVISIBLE)))
    )


def _too_long(cells: Cells) -> Iterator[int]:
    return (at for at, cell in enumerate(cells) if len(cell) > limits.STRING_CHARACTERS)


def _unlike(are_valid: Callable[[str], bool], cells: Cells) -> Iterator[int]:
    return (at for at, cell in enumerate(cells) if "\n" in cell or not are_valid(cell))
