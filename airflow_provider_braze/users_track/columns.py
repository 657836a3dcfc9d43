"""Where each column of an export goes: the mapping and the defaults, settled against the export's own header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import ExportRefusedError, MappingError
from airflow_provider_braze.users_track import values
from airflow_provider_braze.users_track.mapping import (
    DEFAULT_TAGS,
    ExportMapping,
    Identifier,
    Tag,
    Type,
    nearest,
)
from airflow_provider_braze.users_track.standard_fields import (
    PRIMARY_IDENTIFIERS,
    READERS,
    RESERVED,
    squash,
)

_NATURAL_TYPES: Mapping[values.Reader, str] = {
    READERS["dob"]: "date",
    READERS["date_of_first_session"]: "datetime",
    values.boolean: "boolean",
    values.json_object: "object",
    READERS["push_tokens"]: "array",
    READERS["subscription_groups"]: "array",
    READERS["current_location"]: "object",
}
_UNSAFE_IN_KEYS = re.compile(r"[\s.$]+")


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is sent.

    :param index: position in the record.
    :param name: as the header writes it.
    :param target: field, key inside the extra object, or tag attribute.
    :param read: reader of a non-empty cell, or None for plain text.
    :param null_token: cell text that unsets the field, or None.
    :param empty: what an empty cell does (``omit``, ``null``, ``keep``).
    """

    index: int
    name: str
    target: str
    read: values.Reader | None = None
    null_token: str | None = None
    empty: str = "omit"


@dataclass(frozen=True, slots=True)
class Layout:
    """Every column of an export in its place."""

    identifier: Identifier
    identifier_index: int
    top: tuple[Column, ...]
    nested: tuple[Column, ...]
    tags: tuple[tuple[Column, Tag], ...]
    execution_id_index: int | None


def key_of(name: str) -> str:
    """Spell a column name as a key: lower case, runs of spaces, ``.`` and ``$`` made one ``_``."""
    return _UNSAFE_IN_KEYS.sub("_", name.strip().lower())


class _Settler:
    def __init__(self, columns: tuple[str, ...], mapping: ExportMapping) -> None:
        self.columns = columns
        self.mapping = mapping
        self.index = {squash(name): index for index, name in enumerate(columns)}
        self.omit = {self.find("omit", name) for name in mapping.omit}
        self.rename = self.by_index("rename", mapping.rename)
        self.types: dict[int, Type] = self.by_index("types", mapping.types)
        self.tags: dict[int, Tag] = {
            self.index[squash(name)]: tag for name, tag in DEFAULT_TAGS.items() if squash(name) in self.index
        }
        for index in self.rename:
            self.tags.pop(index, None)
        self.tags |= self.by_index("tags", mapping.tags)
        self.rules = {
            "null_token": self.by_index("null_token", mapping.null_token),
            "empty": self.by_index("empty", mapping.empty),
        }

    def find(self, where: str, name: str) -> int:
        try:
            return self.index[squash(name)]
        except KeyError:
            raise MappingError(
                f"mapping {where}: the export has no column {name!r}{nearest(name, self.columns)}."
            ) from None

    def by_index(self, where: str, given: Any) -> dict[int, Any]:
        if not isinstance(given, Mapping):
            return {}
        return {self.find(where, name): value for name, value in given.items()}

    def field(self, index: int) -> str:
        """Name the field a column would be, were it at the top level."""
        renamed = self.rename.get(index)
        return renamed if renamed is not None else re.sub(r"[\s_]+", "_", self.columns[index].strip().lower())

    def identifier(self) -> tuple[Identifier, int]:
        candidates = {
            index: kind
            for index in range(len(self.columns))
            if index not in self.omit and (kind := self.primary_kind(index)) is not None
        }
        given = self.mapping.identifier
        if given is not None:
            index = self.find("identifier", given.column)
            others = [self.columns[other] for other in candidates if other != index]
        else:
            index, *rest = [*candidates] or [-1]
            others = [self.columns[other] for other in rest]
        if others:
            raise MappingError(
                f"mapping identifier: exactly one primary identifier is needed, but {others[0]!r} is one too; "
                "name it in omit, or choose with identifier."
            )
        if index < 0:
            raise ExportRefusedError(
                f"The export has no column external_id{nearest('external_id', self.columns)}. Add it to the export "
                "template in RPI (with a header row), or set mapping identifier to the column that identifies users."
            )
        return given or Identifier(self.columns[index], candidates[index]), index

    def primary_kind(self, index: int) -> str | None:
        squashed = squash(self.field(index))
        return next((kind for kind in PRIMARY_IDENTIFIERS[:2] if squash(kind) == squashed), None)

    def settle(self) -> Layout:
        identifier, identifier_index = self.identifier()
        top: list[Column] = []
        nested: list[Column] = []
        tags: list[tuple[Column, Tag]] = []
        for index in range(len(self.columns)):
            if index in self.omit or index == identifier_index:
                self.refuse_rules(index, "is left out" if index in self.omit else "identifies the user")
            elif index in self.tags:
                self.refuse_rules(index, "holds tags")
                tags.append((self.tag_column(index), self.tags[index]))
            elif self.field(index) in READERS:
                top.append(self.standard_column(index))
            elif self.mapping.extra_to is None:
                top.append(self.extra_column(index))
            else:
                self.refuse_rules(index, f"goes into the object {self.mapping.extra_to}, where Braze drops the "
                                         "whole update on a null")  # fmt: skip
                nested.append(self.extra_column(index))
        self.refuse_coinciding(top, nested)
        execution_id = self.index.get(squash("ChannelExecutionID"))
        return Layout(identifier, identifier_index, tuple(top), tuple(nested), tuple(tags), execution_id)

    def refuse_rules(self, index: int, why: str) -> None:
        for rule, found in self.rules.items():
            if index in found:
                fields = [
                    self.columns[other] for other in range(len(self.columns)) if self.field(other) in READERS
                ]
                raise MappingError(
                    f"mapping {rule}: the column {self.columns[index]!r} {why}; this rule is for top-level "
                    f"fields only{nearest(self.columns[index], fields) if fields else ''}."
                )
        if index in self.types and "tags" not in why and "object" not in why:
            raise MappingError(f"mapping types: the column {self.columns[index]!r} {why}, so it has no type.")

    def rule(self, name: str, index: int, default: str | None) -> str | None:
        given = getattr(self.mapping, name)
        found: str | None = self.rules[name].get(index, default) if isinstance(given, Mapping) else given
        return found

    def tag_column(self, index: int) -> Column:
        declared = self.types.get(index)
        read = declared.reader() if declared else None
        if declared and declared.name not in ("string", "array"):
            raise MappingError(
                f"mapping types: the tag column {self.columns[index]!r} takes string or array."
            )
        return Column(index, self.columns[index], self.tags[index].attribute, read)

    def standard_column(self, index: int) -> Column:
        name = self.field(index)
        read = READERS[name]
        declared = self.types.get(index)
        if declared is not None:
            natural = _NATURAL_TYPES.get(read, "string")
            if declared.name != natural:
                raise MappingError(
                    f"mapping types: Braze's field {name!r} takes {natural}, not {declared.name}."
                )
            if declared.format or (declared.cut and read is values.text):
                read = declared.reader()
        return self.top_column(index, name, None if read is values.text else read)

    def extra_column(self, index: int) -> Column:
        name = self.rename.get(index) or key_of(self.columns[index])
        try:
            values.check_nested_key(name)
        except ValueError as error:
            raise MappingError(
                f"The column {self.columns[index]!r} would be {error}; give it a name with rename."
            ) from None
        declared = self.types.get(index)
        read = declared.reader() if declared and (declared.name != "string" or declared.cut) else None
        if self.mapping.extra_to is None:
            if name in RESERVED:
                raise MappingError(
                    f"The column {self.columns[index]!r} cannot be a custom attribute: rename or omit it."
                )
            return self.top_column(index, name, read)
        if declared and declared.name in ("date", "datetime") and read is not None:
            read = _as_nested_time(read)
        return Column(index, self.columns[index], name, read)

    def top_column(self, index: int, name: str, read: values.Reader | None) -> Column:
        return Column(
            index,
            self.columns[index],
            name,
            read,
            self.rule("null_token", index, None),
            self.rule("empty", index, "omit") or "omit",
        )

    def refuse_coinciding(self, top: list[Column], nested: list[Column]) -> None:
        taken = {tag.attribute for tag in self.tags.values()} | {self.mapping.offer}
        for group in (top, nested):
            seen: dict[str, str] = {}
            for column in group:
                if column.target in seen:
                    raise MappingError(
                        f"The columns {seen[column.target]!r} and {column.name!r} would both be "
                        f"{column.target!r}: rename or omit one of them."
                    )
                seen[column.target] = column.name
                if group is top and (column.target in taken or column.target in self.mapping.constants):
                    raise MappingError(
                        f"The column {column.name!r} would be {column.target!r}, which the mapping fills already: "
                        "rename or omit it."
                    )


def _as_nested_time(read: values.Reader) -> values.Reader:
    return lambda cell: values.nested_time(read(cell))


def settle(columns: tuple[str, ...], mapping: ExportMapping) -> Layout:
    """Settle a mapping against an export's columns.

    :raises MappingError: the mapping does not fit the columns; the message names the column and the nearest right name.
    :raises ExportRefusedError: no identifier is declared and the export has no ``external_id``.
    """
    return _Settler(columns, mapping).settle()
