"""The mapping an author declares: which column goes where, and how. What is not declared follows the defaults."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track import values
from airflow_provider_braze.users_track.standard_fields import IDENTIFIERS, RESERVED, misspelt

TYPES = ("string", "integer", "number", "boolean", "date", "datetime", "array", "object")
EMPTY_RULES = ("omit", "null", "keep")
BAD_VALUE_RULES = ("reject", "omit")

CDP_ATTRIBUTES = "rpi_cdp_attributes"
OFFERS = "rpi_offers"

Transform = Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Identifier:
    """Which column identifies the user, and as what.

    :param column: the export's column.
    :param kind: ``external_id``, ``braze_id``, ``email``, ``phone`` or ``user_alias``.
    :param label: alias label; required for ``user_alias``, and only there.
    """

    column: str
    kind: str = "external_id"
    label: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in IDENTIFIERS:
            raise MappingError(_not_one_of("mapping identifier kind", self.kind, IDENTIFIERS))
        if (self.kind == "user_alias") != bool(self.label):
            raise MappingError("mapping identifier: a user_alias needs a label, and nothing else takes one.")


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
            raise MappingError(_not_one_of("mapping types", self.name, TYPES))
        for option, owners in (
            ("format", ("date", "datetime")),
            ("separator", ("array",)),
            ("cut", ("string",)),
        ):
            if getattr(self, option) and self.name not in owners:
                raise MappingError(
                    f"mapping types: {option} belongs to {' or '.join(owners)}, not to {self.name}."
                )
        if self.separator == "":
            raise MappingError("mapping types: separator is empty; leave it out for a JSON array.")

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
        if self.action not in ("add", "replace"):
            raise MappingError(_not_one_of("mapping tags action", self.action, ("add", "replace")))


DEFAULT_TAGS: Mapping[str, Tag] = MappingProxyType(
    {
        "RPContactID": Tag("rpi_contact_ids"),
        "ChannelExecutionID": Tag("rpi_channel_exec_ids"),
        "output_name": Tag("rpi_audience_outputs"),
    }
)
"""What the Redpoint automation wrote, column by column; ``mapping.tags`` adds to it or overrides it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportMapping:
    """How the records of an export become Braze profile objects. Column names match in any case, with spaces or ``_``.

    :param identifier: column that identifies the user, as a name, an :class:`Identifier` or its dict
        (default: the column ``external_id``).
    :param rename: column to field: a standard field, or another name for an extra column.
    :param omit: columns that are not sent.
    :param types: column to :class:`Type`, its name or its dict (default: text; zips and ids keep their zeros).
    :param extra_to: object that takes the columns which are neither standard field, tag nor identifier
        (default ``rpi_cdp_attributes``); a dotted path for a deeper object, None or "" for the top level.
    :param tags: column to :class:`Tag`, attribute name or dict, besides the defaults.
    :param null_token: cell text that unsets a top-level field: one for all, or column to token (default none).
    :param empty: what an empty cell of a top-level field does: ``omit`` (default), ``null`` (unset) or ``keep``
        (send an empty string); one rule for all, or column to rule.
    :param constants: field to value, written to every object, such as ``{"campaign": "spring"}``.
    :param offer: array attribute that takes the path's [Offer] segment (default ``rpi_offers``; None = none).
    :param bad_values: ``reject`` (default) makes a record with a bad value invalid; ``omit`` leaves that field
        out, sends the rest, and counts it by column in the report.
    :param transform: last resort, ``transform(profile, record) -> profile``: takes the finished object and the
        record as ``{column: cell}``, and returns the object to send. It may not change the identifier.
    """

    identifier: Identifier | None = None
    rename: Mapping[str, str] = field(default_factory=dict)
    omit: tuple[str, ...] = ()
    types: Mapping[str, Type] = field(default_factory=dict)
    extra_to: str | None = CDP_ATTRIBUTES
    tags: Mapping[str, Tag] = field(default_factory=dict)
    null_token: str | Mapping[str, str] | None = None
    empty: str | Mapping[str, str] = "omit"
    constants: Mapping[str, Any] = field(default_factory=dict)
    offer: str | None = OFFERS
    bad_values: Literal["reject", "omit"] = "reject"
    transform: Transform | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self._freeze("identifier", _identifier(self.identifier))
        self._freeze("rename", _texts("rename", self.rename))
        self._freeze("omit", _names("omit", self.omit))
        self._freeze("types", _each("types", self.types, _type))
        self._freeze("tags", _each("tags", self.tags, _tag))
        self._freeze("constants", _each("constants", self.constants, lambda value: value))
        self._freeze("extra_to", self.extra_to or None)
        self._freeze("offer", self.offer or None)
        for name in ("null_token", "empty"):
            if isinstance(given := getattr(self, name), Mapping):
                self._freeze(name, _texts(name, given))
        self._check()

    def _freeze(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check(self) -> None:
        for rule in self.empty.values() if isinstance(self.empty, Mapping) else (self.empty,):
            if rule not in EMPTY_RULES:
                raise MappingError(_not_one_of("mapping empty", rule, EMPTY_RULES))
        if self.bad_values not in BAD_VALUE_RULES:
            raise MappingError(_not_one_of("mapping bad_values", self.bad_values, BAD_VALUE_RULES))
        if self.transform is not None and not callable(self.transform):
            raise MappingError("mapping transform must be a function of the profile object and the record.")
        for key in (self.extra_to or "").split(".") if self.extra_to else ():
            _check_key("extra_to", key)
        check_field("offer", self.offer)
        for tag in self.tags.values():
            check_field("tags", tag.attribute)
        for target in self.rename.values():
            check_field("rename", target)
        for name in self.constants:
            check_field("constants", name)
            if name in RESERVED:
                raise MappingError(f"mapping constants: {name!r} cannot be the same for all records.")

    def __deepcopy__(self, memo: dict[int, Any]) -> ExportMapping:
        # Airflow copies operators deeply; what is immutable need not be copied.
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return ExportMapping.of, ({**self.as_dict(), "transform": self.transform},)

    @classmethod
    def of(cls, given: ExportMapping | Mapping[str, Any] | None) -> ExportMapping:
        """Take a mapping, the equal dict, or None for the defaults.

        :raises MappingError: a field the mapping does not have, or a value it does not take.
        """
        if isinstance(given, ExportMapping):
            return given
        if given is not None and not isinstance(given, Mapping):
            raise MappingError(f"mapping must be an ExportMapping or a dict, not {type(given).__name__}.")
        known = [each.name for each in fields(cls)]
        for name in given or {}:
            if name not in known:
                raise MappingError(f"mapping has no field {name!r}{nearest(str(name), known)}.")
        return cls(**(given or {}))

    def as_dict(self) -> dict[str, Any]:
        """Write the mapping as JSON can hold it, without the transform and what is at its default."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "transform" or value == getattr(DEFAULTS, each.name):
                continue
            found[each.name] = _plain(value)
        return found


def check_field(where: str, name: str | None) -> None:
    """Refuse a field name that Braze would keep for ever as a misspelt custom attribute, or cannot hold."""
    if name is None:
        return
    _check_key(where, name)
    if right := misspelt(name):
        raise MappingError(
            f"mapping {where}: {name!r} would become a custom attribute for ever; did you mean {right!r}?"
        )


def _check_key(where: str, key: str) -> None:
    try:
        values.check_nested_key(key)
    except ValueError as error:
        raise MappingError(f"mapping {where}: {key!r} is {error}.") from None


def nearest(name: str, known: Iterable[str]) -> str:
    """Write an aside for an error message: the nearest right name, or all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else f" (there are: {', '.join(names)})"


def _not_one_of(where: str, given: Any, known: Iterable[str]) -> str:
    return f"{where}: {given!r} is not one of {', '.join(known)}."


def _identifier(given: Any) -> Identifier | None:
    if given is None or isinstance(given, Identifier):
        return given
    if isinstance(given, str):
        return Identifier(given)
    if isinstance(given, Mapping):
        kinds = [kind for kind in IDENTIFIERS if kind in given]
        if len(kinds) > 1:
            raise MappingError(
                f"mapping identifier: exactly one identifier is needed, not {' and '.join(kinds)}."
            )
        if kinds:
            return Identifier(given[kinds[0]], kinds[0], given.get("label"))
        try:
            return Identifier(**given)
        except TypeError:
            raise MappingError("mapping identifier takes column, kind and label.") from None
    raise MappingError("mapping identifier must be one column's name, or a dict of column, kind and label.")


def _type(given: Any) -> Type:
    found: Type = _built(Type, "types", "name", given)
    return found


def _tag(given: Any) -> Tag:
    found: Tag = _built(Tag, "tags", "attribute", given)
    return found


def _built(cls: type, where: str, first: str, given: Any) -> Any:
    if isinstance(given, cls):
        return given
    if isinstance(given, str):
        return cls(given)
    if isinstance(given, Mapping):
        given = {first if key == "type" else key: value for key, value in given.items()}
        known = [each.name for each in fields(cls)]
        for key in given:
            if key not in known:
                raise MappingError(f"mapping {where}: no {key!r}{nearest(str(key), known)}.")
        if first in given:
            return cls(**given)
    raise MappingError(f"mapping {where}: {given!r} must be a name, or a dict with {first!r}.")


def _each(where: str, given: Any, read: Callable[[Any], Any]) -> Mapping[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise MappingError(f"mapping {where} must be a dict keyed by column or field name.")
    return MappingProxyType({key: read(value) for key, value in given.items()})


def _texts(where: str, given: Any) -> Mapping[str, str]:
    found = _each(where, given, lambda value: value)
    for key, value in found.items():
        if not isinstance(value, str):
            raise MappingError(f"mapping {where}: the value of {key!r} must be text, not {value!r}.")
    return found


def _names(where: str, given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not all(isinstance(name, str) for name in given):
        raise MappingError(f"mapping {where} must be a list of column names.")
    return tuple(given)


def _plain(value: Any) -> Any:
    if isinstance(value, Identifier | Type | Tag):
        return {
            each.name: found
            for each in fields(value)
            if (found := getattr(value, each.name)) not in (None, False)
        }
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return list(value)
    return value


DEFAULTS = ExportMapping()
