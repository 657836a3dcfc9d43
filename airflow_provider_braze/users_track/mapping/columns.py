"""Where each column of an export goes: the mapping and the defaults, settled against the export's own header.

Above: the mapper. Below: what an author declares, and the roles found in the header.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track.mapping.csv_template import Consent, meant_by
from airflow_provider_braze.users_track.mapping.export_mapping import (
    DEFAULT_TAGS,
    ExportMapping,
    Identifier,
    Tag,
    Type,
)
from airflow_provider_braze.users_track.mapping.header_roles import Header
from airflow_provider_braze.users_track.rules import checks, names, values
from airflow_provider_braze.users_track.rules.standard_fields import (
    FIELDS,
    NORMALISED,
    RESERVED,
    is_reserved,
    misspelt,
    standard_name,
)

_NEVER_SENT = "_"
"""Columns that start with it are a rejects file's own."""

_BY_COLUMN = ("rename", "types", "tags", "null_token", "empty")
"""Fields of a mapping that are keyed by column."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column that is sent.

    :param index: position in the record.
    :param name: as the header writes it.
    :param target: field, key inside the extra object, or tag attribute.
    :param read: reader of a non-empty cell, or None for plain text.
    :param null_token: cell text that means null, or None.
    :param null: what such a cell does (``omit``, ``null``).
    :param empty: what an empty cell does (``omit``, ``null``, ``keep``).
    """

    index: int
    name: str
    target: str
    read: values.Reader | None = None
    null_token: str | None = None
    null: str = "omit"
    empty: str = "omit"


@dataclass(frozen=True, slots=True)
class Layout:
    """Every column of an export in its place.

    ``identifier_null`` is the cell text that means that there is no identifier, or None; ``label_index`` the column
    that holds the labels of aliases, or None.
    """

    identifier: Identifier
    identifier_index: int
    identifier_null: str | None
    top: tuple[Column, ...]
    nested: tuple[Column, ...]
    tags: tuple[tuple[Column, Tag], ...]
    execution_id_index: int | None
    label_index: int | None
    consent: Consent | None

    def sent(self) -> list[int]:
        """Give the index of every column that is sent."""
        columns = (*self.top, *self.nested, *(column for column, _ in self.tags))
        found = [self.identifier_index, *(column.index for column in columns)]
        if self.label_index is not None:
            found.append(self.label_index)
        if self.consent is not None:
            found += (self.consent.group_index, self.consent.state_index)
        return found

    def normalised(self) -> tuple[Column, ...]:
        """Give the columns whose words may become codes."""
        return tuple(column for column in self.top if column.read in NORMALISED.values())


class _Settler(Header):
    def settle(self) -> Layout:
        # The identifier first: without it the header may be no header, and its "names" are somebody's data.
        declared = self.declared_identifier()
        self.omit = {self.find("mapping omit", name) for name in self.mapping.omit}
        for field in _BY_COLUMN:
            given = getattr(self.mapping, field)
            self.given[field] = (
                {self.find(f"mapping {field}", name): rule for name, rule in given.items()}
                if isinstance(given, Mapping)
                else {}
            )
        self.tags = self.default_tags() | self.given["tags"]
        identifier, at = self.identifier(declared)
        label = self.label_of(identifier)
        consent = self.consent_columns()
        template = {label} if consent is None else {label, consent.group_index, consent.state_index}
        self.take_fixed(identifier)
        top: list[Column] = []
        nested: list[Column] = []
        tags: list[tuple[Column, Tag]] = []
        for index in range(len(self.columns)):
            if index == at:
                self.refuse_rules(index, "identifies the user", "types", "tags", "null_token", "empty")
            elif index in self.omit:
                self.refuse_rules(index, "is left out", *_BY_COLUMN)
            elif self.columns[index].strip().startswith(_NEVER_SENT):
                self.refuse_rules(index, f"starts with {_NEVER_SENT}, so it is never sent", *_BY_COLUMN)
            elif index in template:
                self.refuse_rules(index, "tells identity or consent", "types", "null_token", "empty")
            elif index in self.tags:
                tags.append((self.tag_column(index), self.tags[index]))
            elif (name := self.standard_field(index)) is not None:
                top.append(self.standard_column(index, name))
            elif self.mapping.extra_to is None:
                top.append(self.top_column(index))
            else:
                nested.append(self.nested_column(index))
        self.refuse_coinciding(top, nested)
        return Layout(
            identifier,
            at,
            self.token,
            tuple(top),
            tuple(nested),
            tuple(tags),
            self.position("ChannelExecutionID"),
            label,
            consent,
        )

    def default_tags(self) -> dict[int, Tag]:
        found = {
            index: tag for name, tag in DEFAULT_TAGS.items() if (index := self.position(name)) is not None
        }
        return {
            index: tag
            for index, tag in found.items()
            if index not in self.given["rename"] and index not in self.omit
        }

    def standard_field(self, index: int) -> str | None:
        renamed = self.given["rename"].get(index)
        if renamed is not None:
            return renamed if renamed in FIELDS else None
        return standard_name(self.columns[index])

    def refuse_rules(self, index: int, why: str, *fields: str) -> None:
        for field in fields:
            if index in self.given[field] and (field, self.given[field][index]) != ("empty", "omit"):
                named = self.columns[index]
                top = [each for other, each in enumerate(self.columns) if self.standard_field(other)]
                near = names.nearest(named, top) if field in ("null_token", "empty") and top else ""
                raise MappingError(
                    f"mapping {field}: the column {named!r} {why}, so it takes no {field}{near}."
                )

    def take_fixed(self, identifier: Identifier) -> None:
        """Note what the mapping itself writes to the top level of every object."""
        self.taken[identifier.kind] = "the identifier"
        if identifier.kind == "phone":
            self.taken["email"] = "an identifier too, which Braze prefers to the phone"
        for name in self.mapping.constants:
            self.take(name, "a constant")
        tagged = {tag.attribute for tag in self.tags.values()}
        if self.mapping.offer is not None:
            tagged.add(self.mapping.offer)
        for name in sorted(tagged):
            self.take(name, "an array of tags")

    def tag_column(self, index: int) -> Column:
        self.refuse_rules(index, "holds tags", "rename", "null_token", "empty")
        declared: Type | None = self.given["types"].get(index)
        if declared and declared.name not in ("string", "array"):
            raise MappingError(
                f"mapping types: the tag column {self.columns[index]!r} takes string or array."
            )
        read = _reader(declared)
        return Column(index, self.columns[index], self.tags[index].attribute, read, self.token)

    def standard_column(self, index: int, name: str) -> Column:
        field = FIELDS[name]
        declared: Type | None = self.given["types"].get(index)
        read = None if field.read is checks.text else field.read
        if self.mapping.normalise:
            read = NORMALISED.get(name, read)
        if declared is not None:
            if declared.name != field.type:
                raise MappingError(
                    f"mapping types: Braze's field {name!r} takes {field.type}, not {declared.name}."
                )
            if declared.cut and read is not None:
                raise MappingError(f"mapping types: Braze's field {name!r} cannot be cut.")
            if declared.format or declared.cut:
                read = declared.reader()
            if declared.format and name == "dob":
                if values.reads_weeks_of_two_digits(declared.format):
                    raise MappingError(
                        f"mapping types: {declared.format!r} counts weeks in a year of two digits, which has other "
                        "days in each century: give dob a year of four digits, or day and month."
                    )
                read = values.birthday_reader(declared.format)
        return self.at_top(index, name, read, text=field.read is checks.text)

    def top_column(self, index: int) -> Column:
        name = self.extra_key(index, checks.key)
        if (reserved := self.is_no_attribute(index, name)) or (right := misspelt(name)):
            hint = "" if reserved else f"; did you mean {right!r}?"
            raise self.no_attribute(index, name, hint)
        declared: Type | None = self.given["types"].get(index)
        return self.at_top(index, name, _reader(declared), text=declared is None or declared.name == "string")

    def nested_column(self, index: int) -> Column:
        why = f"goes into the object {self.mapping.extra_to}, where Braze drops the whole update on a null"
        self.refuse_rules(index, why, "null_token", "empty")
        name = self.extra_key(index, checks.nested_key)
        if self.is_no_attribute(index, name) and name != "bio":
            raise self.no_attribute(index, name)
        declared: Type | None = self.given["types"].get(index)
        read = _reader(declared)
        if read is not None and declared is not None and declared.name in ("date", "datetime"):
            read = values.nested(read)
        return Column(index, self.columns[index], name, read, self.token)

    def is_no_attribute(self, index: int, name: str) -> bool:
        # What rename gives is meant as it is spelt.
        return name in RESERVED if index in self.given["rename"] else is_reserved(name)

    def no_attribute(self, index: int, name: str, hint: str = "") -> MappingError:
        meant = meant_by(name)
        called = f" Braze's import calls it {meant}." if meant else ""
        return MappingError(
            f"The column {self.columns[index]!r} cannot be the custom attribute {name!r}{hint}: rename or omit it."
            + called
        )

    def extra_key(self, index: int, check: Any) -> str:
        named = self.columns[index]
        if (
            index not in self.given["rename"]
            and names.key_of(named) not in RESERVED
            and (meant := meant_by(named))
        ):
            raise MappingError(
                f"The column {named!r} tells identity or consent, which is no custom attribute: rename "
                f"it to {meant} if it is that, to any name (its own, too) if it is not, or omit it."
            )
        name: str = self.given["rename"].get(index) or names.key_of(self.columns[index])
        try:
            check(name)
        except ValueError as error:
            raise MappingError(
                f"The column {self.columns[index]!r} would be {error}; give it a name with rename."
            ) from None
        return name

    def at_top(self, index: int, name: str, read: values.Reader | None, *, text: bool) -> Column:
        empty = self.given["empty"].get(index)
        if empty == "keep" and not text:
            raise MappingError(
                f"mapping empty: {self.columns[index]!r} cannot be kept empty: it takes no text; omit or null it."
            )
        if empty is None:
            given = self.mapping.empty
            empty = given if isinstance(given, str) and (text or given != "keep") else "omit"
        token = self.given["null_token"].get(index, self.token)
        return Column(index, self.columns[index], name, read, token, "null", empty)

    def refuse_coinciding(self, top: list[Column], nested: list[Column]) -> None:
        if nested and self.mapping.extra_to is not None:
            self.take(self.mapping.extra_to.split(".")[0], "the object of the extra columns")
        for group, taken in ((top, self.taken), (nested, {})):
            for column in group:
                if column.target in taken:
                    raise MappingError(
                        f"The column {column.name!r} would be {column.target!r}, but that is {taken[column.target]}: "
                        "rename or omit one of them."
                    )
                taken[column.target] = f"the column {column.name!r}"


def _reader(declared: Type | None) -> values.Reader | None:
    """Give the reader of a declared type; None for plain text."""
    return None if declared is None or (declared.name == "string" and not declared.cut) else declared.reader()


def settle(columns: tuple[str, ...], mapping: ExportMapping) -> Layout:
    """Settle a mapping against an export's columns.

    :raises MappingError: the mapping does not fit the columns; the message names the column and the nearest right name.
    :raises ExportRefusedError: no identifier is declared and the export has no ``external_id``.
    """
    return _Settler(columns, mapping).settle()
