"""Record to profile object: the mapping compiled for one export."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track import limits, standard_fields, values
from airflow_provider_braze.users_track.columns import Column, settle
from airflow_provider_braze.users_track.mapping import ExportMapping, Tag

Profile = dict[str, Any]
Identity = tuple[str | None, ...]

_LARGEST_TEXT = limits.STRING_CHARACTERS * 6 + limits.KEY_CHARACTERS
"""JSON bytes of one text and its key at the worst."""


class BadRecordError(Exception):
    """A record that cannot be sent: ``column`` is the header's name, ``reason`` holds no cell content."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


class Mapper:
    """Maps records of one export.

    :param columns: header of the export.
    :param mapping: what the author declared.
    :param mode: ``upsert`` or ``append``.
    :param offer: the path's [Offer] segment; empty for none.
    :raises MappingError: the mapping does not fit the columns.
    :raises ExportRefusedError: the export has no identifier column.
    """

    def __init__(self, columns: Sequence[str], mapping: ExportMapping, *, mode: str, offer: str = "") -> None:
        layout = settle(tuple(columns), mapping)
        self.execution_id_index = layout.execution_id_index
        self.omitted: Counter[str] = Counter()
        self._columns = tuple(columns)
        self._mapping = mapping
        self._identifier = layout.identifier
        self._identifier_index = layout.identifier_index
        self._append = mode == "append"
        self._plain, self._special = _sort(layout.top)
        self._nested_plain, self._nested_special = _sort(layout.nested)
        self._tags = layout.tags
        self._path = (mapping.extra_to or "").split(".")
        self._fixed_tags = {mapping.offer: [offer]} if mapping.offer and offer else {}
        self._replaced = _replaced([tag for _, tag in layout.tags], mapping.offer)
        nested_worst = len(layout.nested) * _LARGEST_TEXT
        self._check_size = nested_worst > limits.NESTED_BYTES or bool(self._nested_special)

    @property
    def replaced_tags(self) -> frozenset[str]:
        """Tag attributes that are replaced, whose tags are nevertheless united when records are merged."""
        return self._replaced

    def map(self, cells: Sequence[str]) -> tuple[Identity, Profile]:
        """Map one record.

        :raises BadRecordError: the record is invalid.
        """
        identity, profile = self._identify(cells[self._identifier_index])
        profile["_update_existing_only"] = self._append
        self._fill(profile, cells, self._plain, self._special)
        if self._nested_plain or self._nested_special:
            self._fill_nested(profile, cells)
        self._add_tags(profile, cells)
        if self._mapping.constants:
            profile.update(self._mapping.constants)
        if self._mapping.transform is not None:
            profile = self._transformed(identity, profile, cells)
        return identity, profile

    def _identify(self, cell: str) -> tuple[Identity, Profile]:
        kind = self._identifier.kind
        try:
            if not cell:
                raise ValueError("empty identifier")
            if kind == "user_alias":
                label = self._identifier.label
                _check_bytes(cell, limits.ALIAS_BYTES)
                return (kind, cell, label), {kind: {"alias_name": cell, "alias_label": label}}
            if kind == "email":
                return (kind, cell.lower()), {kind: standard_fields.email(cell)}
            _check_bytes(
                cell, limits.EXTERNAL_ID_BYTES if kind == "external_id" else limits.STRING_CHARACTERS
            )
        except ValueError as error:
            raise BadRecordError(self._identifier.column, str(error)) from None
        return (kind, cell), {kind: cell}

    def _fill(
        self, into: Profile, cells: Sequence[str], plain: Sequence[Column], special: Sequence[Column]
    ) -> None:
        for column in plain:
            cell = cells[column.index]
            if cell:
                if len(cell) > limits.STRING_CHARACTERS:
                    self._bad(column.name, f"longer than {limits.STRING_CHARACTERS} characters")
                else:
                    into[column.target] = cell
        for column in special:
            cell = cells[column.index]
            if not cell and column.empty == "omit":
                continue
            if cell == column.null_token or (not cell and column.empty == "null"):
                into[column.target] = None
            elif not cell:
                into[column.target] = ""
            else:
                try:
                    into[column.target] = column.read(cell) if column.read else values.text(cell)
                except ValueError as error:
                    self._bad(column.name, str(error))

    def _fill_nested(self, profile: Profile, cells: Sequence[str]) -> None:
        found: Profile = {}
        self._fill(found, cells, self._nested_plain, self._nested_special)
        if not found:
            return
        if self._check_size and len(msgspec.json.encode(found)) > limits.NESTED_BYTES:
            self._bad(self._mapping.extra_to or "", f"more than {limits.NESTED_BYTES // 1000} KB as JSON")
            return
        for key in reversed(self._path):
            found = {key: found}
        profile |= found
        profile["_merge_objects"] = True

    def _add_tags(self, profile: Profile, cells: Sequence[str]) -> None:
        tags: dict[str, list[Any]] = {name: [*fixed] for name, fixed in self._fixed_tags.items()}
        for column, tag in self._tags:
            cell = cells[column.index]
            if cell:
                try:
                    value = column.read(cell) if column.read else values.text(cell)
                except ValueError as error:
                    self._bad(column.name, str(error))
                    continue
                found = tags.setdefault(tag.attribute, [])
                found += (
                    item for item in (value if isinstance(value, list) else [value]) if item not in found
                )
        for name, found in tags.items():
            profile[name] = found if name in self._replaced else {"add": found}

    def _transformed(self, identity: Identity, profile: Profile, cells: Sequence[str]) -> Profile:
        before = {kind: profile.get(kind) for kind in standard_fields.IDENTIFIERS}
        record = dict(zip(self._columns, cells, strict=True))
        try:
            changed = self._mapping.transform(profile, record) if self._mapping.transform else profile
        except Exception as error:
            # The exception's text may hold cells, so only its type is told.
            raise BadRecordError("", f"the mapping's transform raised {type(error).__name__}") from None
        if not isinstance(changed, dict):
            raise BadRecordError("", "the mapping's transform returned no profile object")
        if changed.get(str(identity[0])) != before[str(identity[0])]:
            raise BadRecordError("", "the mapping's transform changed the identifier")
        return changed

    def _bad(self, column: str, reason: str) -> None:
        if self._mapping.bad_values == "reject":
            raise BadRecordError(column, reason)
        self.omitted[column] += 1


def _sort(columns: Sequence[Column]) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Part the columns that are plain text or absent from those that need a closer look."""
    special = tuple(
        column for column in columns if column.read or column.null_token is not None or column.empty != "omit"
    )
    return tuple(column for column in columns if column not in special), special


def _replaced(tags: list[Tag], offer: str | None) -> frozenset[str]:
    actions: dict[str, str] = {offer: "add"} if offer else {}
    for tag in tags:
        if actions.setdefault(tag.attribute, tag.action) != tag.action:
            raise MappingError(f"mapping tags: {tag.attribute!r} is both added to and replaced.")
    return frozenset(name for name, action in actions.items() if action == "replace")


def _check_bytes(text: str, most: int) -> None:
    if len(text) > most or len(text.encode("utf-8", "surrogatepass")) > most:
        raise ValueError(f"longer than {most} bytes")
