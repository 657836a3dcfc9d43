"""Whom a record is about: the cell that identifies a user, checked as Braze takes it.

Above: the mapper, and which records are of a shard. Below: the checks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from airflow_provider_braze.blanks import cut, cut_all, may_be_at_ends
from airflow_provider_braze.users_track.mapping.by_column import MOST_ID_CHARACTERS
from airflow_provider_braze.users_track.mapping.columns import Layout
from airflow_provider_braze.users_track.rules import checks, limits, null_words, standard_fields
from airflow_provider_braze.users_track.rules.null_words import is_null_word

Identity = tuple[str | None, ...]

PLAIN_ID = rb"[0-9A-Za-z_@.+:-]{0,99}[0-9][A-Za-z_@.+:-]{0,99}"
"""Whatever it matches is an identifier: it is short enough, has no blanks, and no word for no value has a digit in it
without a character that is not among these."""

_EMPTY = "empty identifier"


class BadRecordError(Exception):
    """A record that cannot be sent: ``column`` is the header's name, ``reason`` holds no cell content."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column = column
        self.reason = reason


class Identities:
    """Identifies the users of one export's records.

    ``index`` is that of the column that identifies users.

    :param layout: where the identifier is.
    :param null_words_allowed: whether words for no value are identifiers.
    :param trims: whether blanks around cells are none of theirs.
    """

    def __init__(self, layout: Layout, *, null_words_allowed: bool, trims: bool) -> None:
        self.kind = layout.identifier.kind
        self._column = layout.identifier.column
        self.index = layout.identifier_index
        self._label = layout.identifier.label
        self._label_index = layout.label_index
        self._label_column = layout.identifier.label_column or ""
        self._null = layout.identifier_null
        self._null_words_allowed = null_words_allowed
        self._trims = trims

    def of(self, cells: Sequence[str]) -> tuple[Identity, Any]:
        """Tell whom a record is about (equal for two spellings of one email or phone), and what is sent to say so.

        :raises BadRecordError: the identifier is none.
        """
        kind, cell = self.kind, cells[self.index]
        # Four bytes at most for one character: most ids need no encoding to be measured.
        if (
            kind == "external_id"
            and 0 < len(cell) <= MOST_ID_CHARACTERS[kind]
            and not cell.isspace()
            and cell != self._null
            and (len(cell) > null_words.LONGEST or self._null_words_allowed or not is_null_word(cell))
        ):
            return (kind, cell), cell
        try:
            self._check_there(cell)
            return self._identify(cell, cells)
        except ValueError as error:
            raise BadRecordError(self._column, str(error)) from None

    def whom(self, cells: Sequence[str]) -> Identity | None:
        """Tell whom a record is about, its cells as they were read; None where it tells nobody."""
        try:
            return self.of([*map(cut, cells)] if self._trims else cells)[0]
        except BadRecordError:
            return None

    def plain_ids(self, cells: Sequence[str]) -> Sequence[str] | None:
        """Give the identifiers in many cells as they were read; None where one has to be looked at for itself."""
        most = MOST_ID_CHARACTERS.get(self.kind)
        if most is None or not cells:
            return None
        ids = cut_all(cells) if self._trims and may_be_at_ends(cells) else cells
        shortest, longest = min(map(len, ids)), max(map(len, ids))
        surely = (
            0 < shortest <= longest <= most
            and (self._null is None or self._null not in ids)
            and (self._trims or not any(map(str.isspace, ids)))
            and (
                self._null_words_allowed or shortest > null_words.LONGEST or not null_words.may_be_among(ids)
            )
        )
        return ids if surely else None

    def takes_plain(self, cells: Sequence[bytes]) -> bool:
        """Whether many cells that are each a :data:`PLAIN_ID` are all identifiers."""
        null = None if self._null is None else self._null.encode("utf-8", "surrogatepass")
        return self.kind in MOST_ID_CHARACTERS and (null is None or null not in cells)

    def _check_there(self, cell: str) -> None:
        if not cell or cell.isspace() or cell == self._null:
            raise ValueError(_EMPTY)
        if not self._null_words_allowed and is_null_word(cell):
            raise ValueError(null_words.REASON)

    def _identify(self, cell: str, cells: Sequence[str]) -> tuple[Identity, Any]:
        kind = self.kind
        if kind == "user_alias":
            _check_bytes(cell, limits.ALIAS_BYTES)
            label = self._label_of(cells)
            return (kind, cell, label), {"alias_name": cell, "alias_label": label}
        if kind == "email":
            return (kind, standard_fields.email(cell).lower()), cell
        if kind == "phone":
            return (kind, digits_of(checks.text(cell))), cell
        _check_bytes(cell, limits.EXTERNAL_ID_BYTES if kind == "external_id" else limits.STRING_CHARACTERS)
        return (kind, cell), cell

    def _label_of(self, cells: Sequence[str]) -> str | None:
        if self._label_index is None:
            return self._label
        label = cells[self._label_index]
        try:
            self._check_there(label)
            _check_bytes(label, limits.ALIAS_BYTES)
        except ValueError as error:
            raise BadRecordError(self._label_column, str(error)) from None
        return label


def digits_of(phone: str) -> str:
    """Reduce a phone to what Braze compares: ten digits alone are a number of the US (Braze docs: phone numbers)."""
    digits = re.sub(r"[^0-9]", "", phone)
    if not digits:
        raise ValueError("a phone without digits")
    return f"1{digits}" if len(digits) == 10 and not phone.lstrip().startswith("+") else digits


def _check_bytes(text: str, most: int) -> None:
    if len(text) > most or len(text.encode("utf-8", "surrogatepass")) > most:
        raise ValueError(f"longer than {most} bytes")
