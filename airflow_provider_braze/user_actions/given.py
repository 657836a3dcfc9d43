"""The rows of an action, wherever they come from: given by an author, or the columns of an export.

Above: the run of an action. Below: how rows and exports are read for a push.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_provider_braze.blanks import cut
from airflow_provider_braze.exceptions import BrazeSetupError, ExportGoneError, describe
from airflow_provider_braze.pushes.exports.given_exports import Export
from airflow_provider_braze.pushes.rows.given_rows import Rows, held, is_function, read_rows
from airflow_provider_braze.pushes.rows.row_values import BadRowError, as_json, as_text
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.pushes.sources.export_source import open_buffered
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.header import normalised
from airflow_provider_braze.rejects.reader import RejectsReader
from airflow_provider_braze.users_track.rules.null_words import REASON, is_null_word

IDENTIFIER = "external_id"
"""What a row that is a text is, and what a column holds unless it is said otherwise."""

_WHOM = frozenset(
    "external_id braze_id email phone alias_name alias_label old_alias_name new_alias_name".split()  # noqa: SIM905
)
"""Fields that say whom a row is about: a word for no value there would make one user of all who have none."""


class ActionRow(NamedTuple):
    """One row.

    :param line: its index, or its line in the export.
    :param content: it as plain JSON; None where it has a problem.
    :param cells: it, in the rejects file.
    """

    line: int
    content: dict[str, Any] | None
    cells: tuple[str, ...]
    problem: str | None = None


@dataclass(slots=True)
class ActionRows:
    """Rows of an author's own: texts are external ids, dicts are rows.

    :param rows: a list, a function that returns or yields rows, or JSON text.
    :param common: fields of every row that does not say otherwise.
    """

    rows: Rows
    common: Mapping[str, Any]
    _held: list[Any] | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[ActionRow]:
        # An iterator ends, and may have to be gone through twice; a function is called again.
        if self._held is None:
            found = read_rows("rows", self.rows)
            if not is_function(self.rows):
                self._held = found = held(found)
        else:
            found = self._held
        for index, given in enumerate(found):
            row = {IDENTIFIER: given} if isinstance(given, str) else given
            try:
                content = as_json(row)
            except BadRowError as bad:
                yield ActionRow(index, None, (as_text(given),), str(bad))
            else:
                yield ActionRow(index, {**self.common, **content}, (as_text(content),))


@dataclass(slots=True)
class ExportGiven:
    """Rows made of the columns of an export, or of a rejects file.

    :param export: its path, or an item of the sensor's list.
    :param columns: column by the field of a row that it holds.
    :param common: fields of every row.
    :param dialect: what is known of the file's form.
    """

    export: Export
    columns: Mapping[str, str]
    common: Mapping[str, Any]
    dialect: Dialect

    def __iter__(self) -> Iterator[ActionRow]:
        item = ExportItem.of(self.export, {})
        if item.is_rows:
            raise BrazeSetupError(f"{item.path} holds rejects of rows of your own, which have no columns.")
        try:
            location = item.file()
            location.stat()
        except OSError as error:
            raise ExportGoneError(f"{item.path} cannot be read: {describe(error)}.") from error
        name = item.where.name
        with open_buffered(location) as file:
            reader: ExportReader | RejectsReader
            if item.parent is not None:
                reader = RejectsReader(file, name=name, delimiter=item.delimiter, dialect=self.dialect)
            else:
                reader = ExportReader(file, name=name, dialect=self.dialect)
            places = self._places(name, reader.columns)
            if isinstance(reader, ExportReader):
                reader.identified_by(next(iter(places.values())))
            for record in reader:
                if record.problem:
                    yield ActionRow(record.line, None, tuple(record.cells), record.problem)
                    continue
                cells = {each: cut(record.cells[place]) for each, place in places.items()}
                content = {**self.common, **{each: text for each, text in cells.items() if text}}
                problem = next(
                    (f"{each}: {REASON}" for each in _WHOM.intersection(cells) if is_null_word(cells[each])),
                    None,
                )
                yield ActionRow(record.line, None if problem else content, (as_text(content),), problem)

    def _places(self, name: str, columns: tuple[str, ...]) -> dict[str, int]:
        found = {normalised(column): place for place, column in reversed([*enumerate(columns)])}
        for column in self.columns.values():
            if normalised(column) not in found:
                raise BrazeSetupError(f"{name} has no column {column!r}; there are: {', '.join(columns)}.")
        return {each: found[normalised(column)] for each, column in self.columns.items()}


Source = Callable[[], Iterator[ActionRow]]
