"""Which columns of an export tell who a user is and what they consented to, found before all others have a place.

Above: where a column goes. Below: the mapping of an author.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.exceptions import ExportRefusedError, MappingError
from airflow_provider_braze.users_track.mapping.csv_template import (
    ALIAS_LABEL,
    ALIAS_NAME,
    GROUP_ID,
    GROUP_STATE,
    GROUPS,
    Consent,
    meant_by,
    role_of,
)
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping, Identifier, Tag
from airflow_provider_braze.users_track.rules import names
from airflow_provider_braze.users_track.rules.standard_fields import PRIMARY_IDENTIFIERS


class Header:
    """The columns of an export as a mapping declares them.

    ``given`` holds by field of the mapping what it says of each column, ``omit`` and ``tags`` which columns are left
    out or hold tags, and ``taken`` what each name at the top level of the object is taken by.

    :param columns: the header.
    :param mapping: what the author declared.
    """

    def __init__(self, columns: tuple[str, ...], mapping: ExportMapping) -> None:
        self.columns = columns
        self.mapping = mapping
        self.given: dict[str, dict[int, Any]] = {}
        self.omit: set[int] = set()
        self.tags: dict[int, Tag] = {}
        self.taken: dict[str, str] = {}
        # One for all; a token by column is in ``given``.
        self.token = None if isinstance(mapping.null_token, Mapping) else mapping.null_token

    def take(self, target: str, what: str) -> None:
        """Note what a name at the top level of the object is.

        :raises MappingError: it is something else already.
        """
        if target in self.taken:
            raise MappingError(
                f"mapping: {target!r} would be {what}, but is {self.taken[target]}: name or omit one of them otherwise."
            )
        self.taken[target] = what

    def position(self, name: str) -> int | None:
        """Find a column that need not be there."""
        found = names.find(name, self.columns)
        return found if found >= 0 else None

    def find(self, where: str, name: str) -> int:
        """Find a column that the mapping names.

        :raises MappingError: it is not there; ``where`` names the field of the mapping.
        """
        found = names.find(name, self.columns)
        if found < 0:
            raise MappingError(
                f"{where}: the export has no column {name!r}{names.nearest(name, self.columns)}."
            )
        return found

    def declared_identifier(self) -> int | None:
        """Find the declared identifier's column; None where none is declared.

        :raises MappingError: it is not there.
        """
        given = self.mapping.identifier
        if given is None:
            return None
        found = names.find(given.column, self.columns)
        if found < 0:
            raise MappingError(
                f"mapping identifier: none of the export's {len(self.columns)} columns is {given.column!r}"
                f"{names.close(given.column, self.columns)}; does it have a header row?"
            )
        return found

    def identifier(self, declared: int | None) -> tuple[Identifier, int]:
        """Settle which column identifies the users, and as what.

        :raises ExportRefusedError: none is declared, and there is none that could.
        :raises MappingError: there is more than one, or it is left out.
        """
        candidates = {
            index: kind
            for index in range(len(self.columns))
            if index not in self.omit
            and index not in self.tags
            and (kind := self.primary_kind(index)) is not None
        }
        index = declared if declared is not None else next(iter(candidates), None)
        if index is None:
            raise ExportRefusedError(
                f"None of the export's {len(self.columns)} columns is external_id"
                f"{names.close('external_id', self.columns)}. Add it to the export template in RPI (with a header "
                "row), set mapping identifier to the column that identifies users, or name the columns of an export "
                f"without a header row in dialect={{'columns': [...]}}.{self.named_like_an_identifier()}"
            )
        others = [self.columns[other] for other in candidates if other != index]
        if others:
            raise MappingError(
                f"mapping identifier: exactly one primary identifier is needed, but {others[0]!r} is one beside "
                f"{self.columns[index]!r}; name it in omit, or choose with identifier."
            )
        found = self.mapping.identifier or self.detected(index, candidates[index])
        renamed = self.given["rename"].get(index)
        if index in self.omit or (renamed is not None and renamed not in (found.kind, ALIAS_NAME)):
            raise MappingError(
                f"mapping {'omit' if index in self.omit else 'rename'}: the column {self.columns[index]!r} "
                f"identifies the user as {found.kind}."
            )
        return found, index

    def named_like_an_identifier(self) -> str:
        """Write an aside for an error message: a column that may be an identifier under another name, if any."""
        for column in self.columns:
            if (meant := meant_by(column)) in ("external_id", "braze_id", ALIAS_NAME):
                return f" If the column {column!r} is {meant}, rename it to that."
        return ""

    def detected(self, index: int, kind: str) -> Identifier:
        """Make the identifier of a column that nobody declared."""
        if kind != "user_alias":
            return Identifier(self.columns[index], kind)
        label = self.roles(ALIAS_LABEL).get(ALIAS_LABEL)
        if label is None:
            raise MappingError(
                f"mapping identifier: the column {self.columns[index]!r} is the name of a user alias, which needs a "
                f"label: add the column {ALIAS_LABEL}, or give identifier a kind and a label; or rename or omit it."
            )
        return Identifier(self.columns[index], kind, label_column=self.columns[label])

    def primary_kind(self, index: int) -> str | None:
        """Tell which primary identifier a column is called, if any."""
        if self.role(index) == ALIAS_NAME:
            return "user_alias"
        squashed = names.squash(self.given["rename"].get(index, self.columns[index]))
        return next((kind for kind in PRIMARY_IDENTIFIERS[:2] if names.squash(kind) == squashed), None)

    def role(self, index: int) -> str | None:
        """Give the column of Braze's CSV template that a column is."""
        if index in self.omit or index in self.tags:
            return None
        return role_of(self.given["rename"].get(index, self.columns[index]))

    def roles(self, *wanted: str) -> dict[str, int]:
        """Find columns of Braze's CSV template.

        :raises MappingError: two would be the same one.
        """
        found: dict[str, int] = {}
        for index in range(len(self.columns)):
            role = self.role(index)
            if role in wanted and found.setdefault(role, index) != index:
                raise MappingError(
                    f"The columns {self.columns[found[role]]!r} and {self.columns[index]!r} would both be {role}: "
                    "rename or omit one of them."
                )
        return found

    def label_of(self, identifier: Identifier) -> int | None:
        """Find the column with the labels of aliases; None where there is none.

        :raises MappingError: the one there is belongs to no identifier.
        """
        there = self.roles(ALIAS_LABEL).get(ALIAS_LABEL)
        if identifier.label_column is None:
            if there is not None:
                raise MappingError(
                    f"mapping identifier: the column {self.columns[there]!r} is the label of a user alias, which "
                    "identifies nobody here: name it in omit, or give identifier a label_column."
                )
            return None
        found = self.find("mapping identifier label_column", identifier.label_column)
        if there not in (None, found):
            raise MappingError(
                f"mapping identifier: {identifier.label_column!r} and {self.columns[there]!r} are both labels of the "
                "alias: name one in omit."
            )
        return found

    def consent_columns(self) -> Consent | None:
        """Find the two columns of a subscription group.

        :raises MappingError: one comes without the other.
        """
        found = self.roles(GROUP_ID, GROUP_STATE)
        if len(found) == 1:
            [(role, index)] = found.items()
            other = GROUP_STATE if role == GROUP_ID else GROUP_ID
            raise MappingError(
                f"The column {self.columns[index]!r} is a user's consent, and means nothing without {other}: add that "
                "to the export, or rename or omit this one."
            )
        if not found:
            return None
        self.take(GROUPS, "the subscription group of two columns")
        group, state = found[GROUP_ID], found[GROUP_STATE]
        return Consent(group, self.columns[group], state, self.columns[state], self.token)
