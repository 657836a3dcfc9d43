"""What an author declares of single columns: which identifies the user, how cells are read, which hold tags.

Above: the mapping of an author. Below: the rules of names and values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track.rules import limits, values
from airflow_provider_braze.users_track.rules.names import nearest, squash
from airflow_provider_braze.users_track.rules.standard_fields import IDENTIFIERS

TYPES = ("string", "integer", "number", "boolean", "date", "datetime", "array", "object")
TAG_ACTIONS = ("add", "replace")


@dataclass(frozen=True, slots=True)
class Identifier:
    """Which column identifies the user, and as what.

    :param column: the export's column.
    :param kind: ``external_id``, ``braze_id``, ``email``, ``phone`` or ``user_alias`` (default: what the column is
        called when it is called one of them, else ``external_id``).
    :param label: alias label of all records; only for ``user_alias``, which needs this or ``label_column``.
    :param label_column: column that holds the alias label of each record.
    """

    column: str
    kind: str = ""
    label: str | None = None
    label_column: str | None = None

    def __post_init__(self) -> None:
        require_text("identifier column", self.column)
        if not self.kind:
            named = (kind for kind in IDENTIFIERS if squash(kind) == squash(self.column))
            object.__setattr__(self, "kind", next(named, "external_id"))
        if self.kind not in IDENTIFIERS:
            raise MappingError(not_one_of("mapping identifier kind", self.kind, IDENTIFIERS))
        for name in ("label", "label_column"):
            if (given := getattr(self, name)) is not None:
                require_text(f"identifier {name}", given)
        labels = [self.label, self.label_column]
        if len(labels) - labels.count(None) != (self.kind == "user_alias"):
            raise MappingError(
                "mapping identifier: a user_alias needs a label or a label_column, and nothing else takes one."
            )
        if self.label and len(self.label.encode("utf-8", "replace")) > limits.ALIAS_BYTES:
            raise MappingError(f"mapping identifier: the label is longer than {limits.ALIAS_BYTES} bytes.")


@dataclass(frozen=True, slots=True)
class Type:
    """How the cells of a column are read.

    :param name: ``string``, ``integer``, ``number``, ``boolean``, ``date``, ``datetime``, ``array`` or ``object``.
    :param format: ``strptime`` format of a ``date`` (default ``%Y-%m-%d``) or ``datetime`` (default ISO 8601).
    :param separator: between the items of an ``array``; without one the cell is a JSON array.
    :param cut: cut a ``string`` at 255 characters instead of calling it bad.
    """

    name: str
    format: str | None = None
    separator: str | None = None
    cut: bool = False

    def __post_init__(self) -> None:
        if self.name not in TYPES:
            raise MappingError(not_one_of("mapping types", self.name, TYPES))
        for option, owners in (
            ("format", ("date", "datetime")),
            ("separator", ("array",)),
            ("cut", ("string",)),
        ):
            if getattr(self, option) not in (None, False) and self.name not in owners:
                raise MappingError(
                    f"mapping types: {option} belongs to {' or '.join(owners)}, not to {self.name}."
                )
        self._check_options()

    def _check_options(self) -> None:
        if not isinstance(self.cut, bool):
            raise MappingError(f"mapping types: cut must be True or False, not {self.cut!r}.")
        if self.separator is not None:
            require_text("types separator", self.separator, hint=" Leave it out for a JSON array.")
        if self.format is not None:
            require_text("types format", self.format)
            if "%Z" in self.format.replace("%%", ""):
                raise MappingError(
                    f"mapping types: %Z in {self.format!r} knows UTC, GMT and the zone that the worker is in: write "
                    "UTC or GMT itself where all cells have it, or use %z for offsets."
                )
            if not values.is_format(self.format, self.name):
                raise MappingError(
                    f"mapping types: {self.format!r} is not a whole {self.name} as strptime spells it, such as "
                    f"{values.ISO_DATE if self.name == 'date' else '%Y-%m-%d %H:%M:%S'}."
                )

    def reader(self) -> values.Reader:
        """Make the function that reads one non-empty cell."""
        match self.name:
            case "string":
                return values.cut_text if self.cut else values.text
            case "integer":
                return values.integer
            case "number":
                return values.number
            case "boolean":
                return values.boolean
            case "date":
                return values.date_reader(self.format or values.ISO_DATE)
            case "datetime":
                return values.datetime_reader(self.format)
            case "array":
                return values.array_reader(self.separator)
            case _:
                return values.json_object


@dataclass(frozen=True, slots=True)
class Tag:
    """A column whose values are tags of an array attribute.

    :param attribute: the array attribute at the top level of the profile.
    :param action: ``add`` to what the profile has (default), or ``replace`` it.
    """

    attribute: str
    action: str = "add"

    def __post_init__(self) -> None:
        require_text("tags attribute", self.attribute)
        if self.action not in TAG_ACTIONS:
            raise MappingError(not_one_of("mapping tags action", self.action, TAG_ACTIONS))


def identifier_of(given: Any) -> Identifier | None:
    """Take an identifier, its dict (``{"email": "Mail"}`` too), or a column's name.

    :raises MappingError: it is none of these, or names two identifiers.
    """
    if given is None or isinstance(given, Identifier):
        return given
    if isinstance(given, str):
        return Identifier(given)
    if not isinstance(given, Mapping):
        raise MappingError(
            "mapping identifier must be one column's name, or a dict of column, kind and label."
        )
    kinds = [kind for kind in IDENTIFIERS if kind in given]
    if len(kinds) > 1:
        raise MappingError(
            f"mapping identifier: exactly one identifier is needed, not {' and '.join(kinds)}."
        )
    if kinds:
        given = {"column" if name == kinds[0] else name: value for name, value in given.items()}
        given.setdefault("kind", kinds[0])
    found: Identifier = _built(Identifier, "identifier", "column", given)
    return found


def type_of(given: Any) -> Type:
    """Take a type, its name or its dict.

    :raises MappingError: it is none of these.
    """
    found: Type = _built(Type, "types", "name", given)
    return found


def tag_of(given: Any) -> Tag:
    """Take a tag, its attribute or its dict.

    :raises MappingError: it is none of these.
    """
    found: Tag = _built(Tag, "tags", "attribute", given)
    return found


def _built(cls: type, where: str, first: str, given: Any) -> Any:
    if isinstance(given, cls):
        return given
    if isinstance(given, str):
        return cls(given)
    if isinstance(given, Mapping):
        given = {"name" if cls is Type and key == "type" else key: value for key, value in given.items()}
        known = [each.name for each in fields(cls)]
        for key in given:
            if key not in known:
                raise MappingError(f"mapping {where}: no {key!r}{nearest(str(key), known)}.")
        if first in given:
            return cls(**given)
    raise MappingError(f"mapping {where}: {given!r} must be a name, or a dict with {first!r}.")


def require_text(what: str, value: Any, hint: str = "") -> None:
    """Refuse what is no text, or an empty one."""
    if not isinstance(value, str) or not value:
        raise MappingError(f"mapping {what} must be text, not {value!r}.{hint}")


def not_one_of(where: str, given: Any, known: Iterable[str]) -> str:
    """Write the message for a value that is none of the known ones."""
    return f"{where}: {given!r} is not one of {', '.join(known)}."
