"""The mapping an author declares: which column goes where, and how. What is not declared follows the defaults.

Above: the operator, and where a column goes. Below: what is declared of single columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Literal

from airflow_provider_braze import blanks
from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track.mapping.declarations import (
    Identifier,
    Tag,
    Type,
    identifier_of,
    not_one_of,
    require_text,
    tag_of,
    type_of,
)
from airflow_provider_braze.users_track.rules import checks, standard_fields
from airflow_provider_braze.users_track.rules.names import nearest
from airflow_provider_braze.users_track.rules.standard_fields import FIELDS, RESERVED, misspelt

__all__ = ["DEFAULT_TAGS", "ExportMapping", "Identifier", "Tag", "Type"]

EMPTY_RULES = ("omit", "null", "keep")
BAD_VALUE_RULES = ("reject", "omit")

CDP_ATTRIBUTES = "rpi_cdp_attributes"
OFFERS = "rpi_offers"

Transform = Callable[[dict[str, Any], Mapping[str, str]], dict[str, Any]]


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

    A mistake that the mapping alone shows is raised when it is made; one that the export's header shows, before
    the first request.

    :param identifier: column that identifies the user, as a name, an :class:`Identifier` or its dict
        (default: the column ``external_id``).
    :param rename: column to field: a standard field, or another name for an extra column.
    :param omit: columns that are not sent. Columns that start with ``_`` never are.
    :param types: column to :class:`Type`, its name or its dict (default: text; zips and ids keep their zeros).
    :param extra_to: object that takes the columns which are neither standard field, tag nor identifier
        (default ``rpi_cdp_attributes``); a dotted path for a deeper object, None or "" for the top level.
    :param tags: column to :class:`Tag`, attribute name or dict, besides the defaults.
    :param null_token: cell text that unsets a top-level field: one for all, or column to token (default none).
        Where nothing can be unset, a cell with the one token for all counts as empty: inside ``extra_to`` (Braze
        drops the whole update on a null there), in tags and in the identifier.
    :param empty: what an empty cell of a top-level field does: ``omit`` (default), ``null`` (unset) or ``keep``
        (send an empty string, where the field takes text); one rule for all, or column to rule.
    :param constants: field to value, written to every object, such as ``{"campaign": "spring"}`` or
        ``{"campaigns": {"add": ["spring"]}}``.
    :param offer: array attribute that takes the path's [Offer] segment (default ``rpi_offers``; None = none).
    :param bad_values: ``reject`` (default) makes a record with a bad value invalid; ``omit`` leaves that field
        out, sends the rest, and counts it by column in the report. A bad identifier is always invalid.
    :param transform: last resort, ``transform(profile, record) -> profile``: takes the finished object and the
        record as ``{column: cell}``, and returns the object to send, which is checked like any other. It may not
        change who is identified, and the mode stays. A record for which it raises is invalid.
    :param trim: cut blanks around column names and cells, before anything else is done with them (default True); a
        cell of nothing but blanks is empty. False keeps them.
    :param normalise: replace country names, alpha-3 and lower-case codes by the country's alpha-2 code, and words for
        a gender by its letter (default True). False sends only what Braze takes as it is.
    :param null_identifiers: take words for no value, such as ``NULL`` or ``N/A``, as identifiers (default False: the
        record is invalid, since it would share one profile with all others that have none).
    :raises MappingError: naming the field of the mapping and what is wrong with it.
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
    trim: bool = True
    normalise: bool = True
    null_identifiers: bool = False

    def __post_init__(self) -> None:
        self._freeze("identifier", identifier_of(self.identifier))
        self._freeze("rename", _texts("rename", self.rename))
        self._freeze("omit", _names("omit", self.omit))
        self._freeze("types", _each("types", self.types, type_of))
        self._freeze("tags", _each("tags", self.tags, tag_of))
        self._freeze("constants", _each("constants", self.constants, deepcopy))
        self._freeze("extra_to", self.extra_to or None)
        self._freeze("offer", self.offer or None)
        self._check_switches()
        self._check_rules()
        self._check_fields()

    def _freeze(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _check_switches(self) -> None:
        for name in ("trim", "normalise", "null_identifiers"):
            if not isinstance(given := getattr(self, name), bool):
                raise MappingError(f"mapping {name} must be True or False, not {given!r}.")

    def _check_rules(self) -> None:
        for name in ("null_token", "empty"):
            if isinstance(given := getattr(self, name), Mapping):
                self._freeze(name, _texts(name, given))
        for token in self.null_token.values() if isinstance(self.null_token, Mapping) else (self.null_token,):
            if token is not None:
                self._check_token(token)
        for rule in self.empty.values() if isinstance(self.empty, Mapping) else (self.empty,):
            if rule not in EMPTY_RULES:
                raise MappingError(not_one_of("mapping empty", rule, EMPTY_RULES))
        if self.bad_values not in BAD_VALUE_RULES:
            raise MappingError(not_one_of("mapping bad_values", self.bad_values, BAD_VALUE_RULES))
        if self.transform is not None and not callable(self.transform):
            raise MappingError("mapping transform must be a function of the profile object and the record.")

    def _check_token(self, token: Any) -> None:
        require_text("null_token", token, hint=' For empty cells there is empty="null".')
        if self.trim and token != blanks.cut(token):
            raise MappingError(
                f"mapping null_token: {token!r} has blanks at its ends, which are cut from every cell: leave them out, "
                'or set trim=False. For cells of nothing but blanks there is empty="null".'
            )

    def _check_fields(self) -> None:
        if self.extra_to is not None:
            require_text("extra_to", self.extra_to)
            head, *deeper = self.extra_to.split(".")
            check_custom("extra_to", head)
            for key in deeper:
                _check_key("extra_to", key, checks.nested_key)
        if self.offer is not None:
            require_text("offer", self.offer)
            check_custom("offer", self.offer)
        for tag in self.tags.values():
            check_custom("tags", tag.attribute)
        for target in self.rename.values():
            check_field("rename", target)
            if target in RESERVED and target not in ("external_id", "braze_id"):
                raise MappingError(f"mapping rename: no column can be {target!r}.")
        for name, value in self.constants.items():
            self._check_constant(name, value)

    def _check_constant(self, name: str, value: Any) -> None:
        check_field("constants", name)
        if name in RESERVED:
            raise MappingError(f"mapping constants: {name!r} cannot be the same for all records.")
        try:
            standard_fields.check(name, value)
            checks.json_bytes(value)
        except ValueError as error:
            raise MappingError(f"mapping constants: the value of {name!r} is wrong: {error}.") from None

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
        if given is None:
            return DEFAULTS
        if not isinstance(given, Mapping):
            how = (
                " Give what json.loads makes of it; no template is rendered here."
                if isinstance(given, str)
                else ""
            )
            raise MappingError(
                f"mapping must be an ExportMapping or a dict, not {type(given).__name__}.{how}"
            )
        known = [each.name for each in fields(cls)]
        for name in given:
            if name not in known:
                raise MappingError(f"mapping has no field {name!r}{nearest(str(name), known)}.")
        return cls(**given)

    @classmethod
    def of_report(cls, reported: Mapping[str, Any] | None) -> ExportMapping:
        """Read what :meth:`as_reported` wrote; a report without these words is of a version that changed no cell.

        :raises MappingError: the report holds no mapping.
        """
        return cls.of({"trim": False, "normalise": False, **(reported or {})})

    def as_reported(self) -> dict[str, Any]:
        """Write the mapping for a report, by which its rejects are read the same way for ever."""
        return {**self.as_dict(), "trim": self.trim, "normalise": self.normalise}

    def as_dict(self) -> dict[str, Any]:
        """Write the mapping as JSON can hold it, without the transform and what is at its default."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "transform" or value == getattr(DEFAULTS, each.name):
                continue
            found[each.name] = _plain(value)
        return found


def check_field(where: str, name: str) -> None:
    """Refuse a field name that Braze would keep for ever as a misspelt custom attribute, or cannot hold."""
    _check_key(where, name, checks.key)
    if right := misspelt(name):
        raise MappingError(
            f"mapping {where}: {name!r} would become a custom attribute for ever; did you mean {right!r}?"
        )


def check_custom(where: str, name: str) -> None:
    """Refuse what cannot be the name of a custom attribute."""
    check_field(where, name)
    if name in FIELDS or name in RESERVED:
        raise MappingError(f"mapping {where}: {name!r} is Braze's own and cannot be a custom attribute.")


def _check_key(where: str, key: str, check: Callable[[str], None]) -> None:
    try:
        check(key)
    except ValueError as error:
        raise MappingError(f"mapping {where}: {key!r} is {error}.") from None


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
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise MappingError(f"mapping {where} must be a list of column names.")
    names = tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise MappingError(f"mapping {where} must be a list of column names.")
    return names


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
