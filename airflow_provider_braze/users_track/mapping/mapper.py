"""Record to profile object: the mapping compiled for one export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from airflow_provider_braze.blanks import Blanks, cut
from airflow_provider_braze.users_track.mapping.by_column import MOST_ID_CHARACTERS, ByColumn, Mapped
from airflow_provider_braze.users_track.mapping.columns import Column, settle
from airflow_provider_braze.users_track.mapping.csv_template import GROUPS, Consent
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.groups import (
    CHARACTER_BYTES,
    MERGE,
    ONLY_EXISTING,
    Group,
    actions_of,
    part_tags,
)
from airflow_provider_braze.users_track.mapping.identities import BadRecordError, Identities, Identity
from airflow_provider_braze.users_track.mapping.object_types import is_plain_key
from airflow_provider_braze.users_track.rules import checks, limits, standard_fields
from airflow_provider_braze.users_track.rules.plain_values import plain
from airflow_provider_braze.users_track.rules.standard_fields import (
    IDENTIFIERS,
    PRIMARY_IDENTIFIERS,
    RESERVED,
)

__all__ = ["BadRecordError", "Mapper"]

Profile = dict[str, Any]

_TOO_LONG = f"longer than {limits.STRING_CHARACTERS} characters"
_ABSENT = object()
_ADDING = frozenset({"add", "remove", "inc", "$add", "$remove"})
_TRANSFORM = "the mapping's transform"


class Mapper:
    """Maps records of one export.

    Of records that were mapped, ``omitted``, ``trimmed`` and ``normalised`` count by column the bad values that were
    left out, the values whose blanks were cut, and the words that became codes. ``execution_id_index`` is the position
    of ChannelExecutionID or None; ``identities`` tells whom a record is about.

    :param columns: header of the export.
    :param mapping: what the author declared.
    :param mode: ``upsert`` or ``append``.
    :param offer: the path's [Offer] segment; empty for none.
    :raises MappingError: the mapping does not fit the columns.
    :raises ExportRefusedError: the export has no identifier column.
    """

    def __init__(self, columns: Sequence[str], mapping: ExportMapping, *, mode: str, offer: str = "") -> None:
        self._columns = tuple(map(cut, columns) if mapping.trim else columns)
        layout = settle(self._columns, mapping)
        self.execution_id_index = layout.execution_id_index
        self.omitted: Counter[str] = Counter()
        self.trimmed: Counter[str] = Counter()
        self.normalised: Counter[str] = Counter()
        self._left_out: list[str] = []
        self._blanks = (
            Blanks({index: self._columns[index] for index in layout.sent()}) if mapping.trim else None
        )
        self._normalised = layout.normalised() if mapping.normalise else ()
        self._mapping = mapping
        self.identities = Identities(layout, null_words_allowed=mapping.null_identifiers, trims=mapping.trim)
        self._kind = layout.identifier.kind
        self.identifier_index = layout.identifier_index
        self._identifier_null = layout.identifier_null
        self._guarded = _guarded(self._kind)
        self._append = mode == "append"
        self._rejects = mapping.bad_values == "reject"
        self._top = Group(layout.top)
        self._nested = Group(layout.nested) if layout.nested else None
        self._consent = layout.consent
        self._extra_to = mapping.extra_to or ""
        self._path = self._extra_to.split(".")
        self._constants = dict(mapping.constants)
        self._actions = actions_of(layout, mapping.offer)
        self._offer = {mapping.offer: offer} if mapping.offer and offer else {}
        self._lone_tags, self._tags = part_tags(layout, self._actions, self._offer)
        self._lone_offer = {
            name: tag
            for name, tag in self._offer.items()
            if not any(column.target == name for column in self._tags)
        }

    @property
    def replaced_tags(self) -> frozenset[str]:
        """Tag attributes that are replaced, whose tags are nevertheless united when records are merged."""
        return frozenset(name for name, action in self._actions.items() if action == "replace")

    @property
    def set_fields(self) -> frozenset[str]:
        """Fields whose value a push sets, as opposed to adds to; a key of an object with its path, ``object.key``.

        With a transform there is ``*`` among them: it may set any.
        """
        nested = self._nested.targets if self._nested else ()
        constants = [
            name
            for name, value in self._constants.items()
            if not (isinstance(value, dict) and value and value.keys() <= _ADDING)
        ]
        return frozenset(
            [
                *self._top.targets,
                *((GROUPS,) if self._consent else ()),
                *(f"{self._extra_to}.{target}" for target in nested),
                *self.replaced_tags,
                *constants,
                *(("*",) if self._mapping.transform is not None else ()),
            ]
        )

    @property
    def identifier_name(self) -> str:
        """The column that identifies the user, as the header writes it."""
        return self._columns[self.identifier_index]

    def by_column(self) -> ByColumn | None:
        """Give what maps many records at once; None where this mapping goes beyond that."""
        mapping = self._mapping
        columns = [*self._top.targets, *(self._nested.targets if self._nested else ())]
        keys = [*columns, self._path[0], *(attribute for _, _, attribute in self._lone_tags)]
        keys += [*self._lone_offer, *self._constants]
        kinds = {each.name for each in mapping.types.values()}
        kinds |= {standard_fields.FIELDS[name].type for name in columns if name in standard_fields.FIELDS}
        if (
            self._kind not in MOST_ID_CHARACTERS
            or self._tags
            or mapping.transform
            or self._consent
            or (self._nested is not None and self._nested.ruled)
            or kinds & {"object", "array"}
            or not all(map(is_plain_key, keys))
        ):
            return None
        return ByColumn(
            kind=self._kind,
            identifier_index=self.identifier_index,
            identifier_null=self._identifier_null,
            null_words=mapping.null_identifiers,
            blanks=self._blanks,
            normalised=self._normalised,
            only_existing=self._append,
            top=self._top,
            nested=self._nested,
            path=tuple(self._path),
            tags=self._lone_tags,
            constants={**{name: {"add": [tag]} for name, tag in self._lone_offer.items()}, **self._constants},
        )

    def map(self, cells: Sequence[str]) -> tuple[Identity, Profile]:
        """Map one record.

        :return: who it is about (equal for two spellings of one email or phone), and the profile object.
        :raises BadRecordError: the record is invalid.
        """
        if self._left_out:
            self._left_out = []
        trimmed: Sequence[str] = ()
        if self._blanks is not None:
            cells, trimmed = self._blanks.cut_row(cells)
        identity, identifier = self.identities.of(cells)
        profile: Profile = {self._kind: identifier, ONLY_EXISTING: self._append}
        self._fill(profile, cells, self._top)
        if self._nested is not None:
            self._fill_nested(profile, cells, self._nested)
        self._add_tags(profile, cells)
        if self._consent is not None:
            self._add_consent(profile, cells, self._consent)
        if self._constants:
            profile.update(self._constants)
        replaced = self._replaced(profile, cells) if self._normalised else ()
        if self._mapping.transform is not None:
            profile = self._transformed(profile, cells)
        # Only now it is sure that the record is sent.
        self.omitted.update(self._left_out)
        self.trimmed.update(trimmed)
        self.normalised.update(replaced)
        return identity, profile

    def count_all(self, mapped: Mapped) -> None:
        """Count what became of records that were mapped at once."""
        self.trimmed.update(mapped.trimmed)
        self.normalised.update(mapped.normalised)

    def _replaced(self, profile: Profile, cells: Sequence[str]) -> list[str]:
        """Name the columns of which a word became a code."""
        return [
            column.name
            for column in self._normalised
            if isinstance(value := profile.get(column.target), str) and value != cells[column.index]
        ]

    def _fill(self, into: Profile, cells: Sequence[str], group: Group) -> None:
        most = limits.STRING_CHARACTERS
        for index, target, name in group.plain:
            if cell := cells[index]:
                if len(cell) > most:
                    self._bad(name, _TOO_LONG)
                else:
                    into[target] = cell
        for index, target, name, read in group.read:
            if cell := cells[index]:
                try:
                    into[target] = read(cell)
                except ValueError as error:
                    self._bad(name, str(error))
        for column in group.ruled:
            self._fill_ruled(into, cells[column.index], column)

    def _fill_ruled(self, into: Profile, cell: str, column: Column) -> None:
        if not cell or cell == column.null_token:
            rule = column.null if cell else column.empty
            if rule != "omit":
                into[column.target] = None if rule == "null" else ""
            return
        try:
            into[column.target] = (column.read or checks.text)(cell)
        except ValueError as error:
            self._bad(column.name, str(error))

    def _fill_nested(self, profile: Profile, cells: Sequence[str], group: Group) -> None:
        found: Profile = {}
        self._fill(found, cells, group)
        if not found:
            return
        for key in reversed(self._path):
            found = {key: found}
        if group.may_be_large:
            try:
                _check_large(cells, group, found[self._path[0]])
            except ValueError as error:
                self._bad(self._extra_to, str(error))
                return
        profile.update(found)
        profile[MERGE] = True

    def _add_tags(self, profile: Profile, cells: Sequence[str]) -> None:
        for index, name, attribute in self._lone_tags:
            if tag := cells[index]:
                if len(tag) > limits.STRING_CHARACTERS:
                    self._bad(name, _TOO_LONG)
                else:
                    profile[attribute] = {"add": [tag]}
        for attribute, tag in self._lone_offer.items():
            profile[attribute] = {"add": [tag]}
        if self._tags:
            self._unite_tags(profile, cells)

    def _add_consent(self, profile: Profile, cells: Sequence[str], consent: Consent) -> None:
        try:
            groups = consent.read(cells)
        except ValueError as error:
            self._bad(consent.state_name, str(error))
            return
        if groups is not None:
            profile[GROUPS] = groups

    def _unite_tags(self, profile: Profile, cells: Sequence[str]) -> None:
        found: dict[str, list[Any]] = {}
        for column in self._tags:
            name = column.target
            tags = found.setdefault(name, [self._offer[name]] if name in self._offer else [])
            cell = cells[column.index]
            if not cell or cell == column.null_token:
                continue
            try:
                value = (column.read or checks.text)(cell)
                found[name] = checks.union(tags, value if isinstance(value, list) else [value])
            except ValueError as error:
                self._bad(column.name, str(error))
        for name, tags in found.items():
            if tags:
                profile[name] = tags if self._actions[name] == "replace" else {"add": tags}

    def _transformed(self, profile: Profile, cells: Sequence[str]) -> Profile:
        transform = self._mapping.transform
        assert transform is not None
        if self._constants:
            profile.update(deepcopy(self._constants))
        checked = dict(profile)
        before = {name: profile.get(name) for name in self._guarded}
        if self._kind == "user_alias":
            before["user_alias"] = dict(profile["user_alias"])
        record = dict(zip(self._columns, cells, strict=True))
        try:
            changed = transform(profile, record)
        except Exception as error:
            # The exception's text may hold cells, so only its type is told.
            raise BadRecordError("", f"{_TRANSFORM} raised {type(error).__name__}") from None
        if not isinstance(changed, dict):
            raise BadRecordError("", f"{_TRANSFORM} returned no profile object")
        if {name: changed.get(name) for name in self._guarded} != before:
            raise BadRecordError("", f"{_TRANSFORM} changed the identifier")
        changed = {name: plain(value) for name, value in changed.items()}
        self._check_transformed(changed, checked)
        changed[ONLY_EXISTING] = self._append
        return changed

    def _check_transformed(self, profile: Profile, checked: Profile) -> None:
        for name, value in [*profile.items()]:
            if name == self._kind or name in (ONLY_EXISTING, MERGE):
                continue
            if value is checked.get(name, _ABSENT) and not isinstance(value, dict | list):
                continue
            try:
                _check_name(name)
                standard_fields.check(name, value)
            except ValueError as error:
                # Only a known name is told: a key may have been made from a cell.
                known = name if name in self._known_names() else ""
                self._bad(known, f"{_TRANSFORM} gave {error}")
                del profile[name]

    def _known_names(self) -> set[str]:
        return {*standard_fields.FIELDS, *self._top.targets, *self._constants, *self._actions, self._path[0]}

    def _bad(self, column: str, reason: str) -> None:
        if self._rejects:
            raise BadRecordError(column, reason)
        self._left_out.append(column)


def _guarded(kind: str) -> tuple[str, ...]:
    """Name what a transform may not touch: Braze looks up primary identifiers first, then email, then phone."""
    return IDENTIFIERS[: max(IDENTIFIERS.index(kind) + 1, len(PRIMARY_IDENTIFIERS))]


def _check_large(cells: Sequence[str], group: Group, found: Any) -> None:
    worst = sum(map(len, cells)) * CHARACTER_BYTES + group.key_bytes
    if worst > limits.NESTED_BYTES and checks.json_bytes(found) > limits.NESTED_BYTES:
        raise ValueError(f"more than {limits.NESTED_BYTES // 1000} KB as JSON together")


def _check_name(name: Any) -> None:
    if not isinstance(name, str):
        raise ValueError("a key that is not text")
    checks.key(name)
    if name in RESERVED or standard_fields.misspelt(name):
        raise ValueError("a key that is Braze's own, or a standard field misspelt")
