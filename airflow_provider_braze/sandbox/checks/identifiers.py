"""Which profile an object means (Braze docs: users/track, identifier resolution).

Above: the store and the endpoints. Below: the reasons.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from airflow_provider_braze.sandbox.checks.refusal_reasons import IDENTIFIER_REQUIRED, ONE_IDENTIFIER_ONLY

MAX_EXTERNAL_ID_BYTES = 987
MAX_ALIAS_BYTES = 236

BAD_ALIAS = f"'user_alias' must hold 'alias_name' and 'alias_label', texts of at most {MAX_ALIAS_BYTES} bytes"
BAD_EXTERNAL_ID = "'external_id' must be a string"
BAD_BRAZE_ID = "'braze_id' must be a string"
BAD_PHONE = "'phone' must be a string"

_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+\Z")


class ProfileKey(NamedTuple):
    """What an object names its user by: ``kind`` is external_id, user_alias, braze_id, email or phone.

    ``key`` is what the indexes hold: a text, or (label, name) of an alias.
    """

    kind: str
    key: Any


class BadIdentifierError(Exception):
    """The object names no user, or names it wrongly; the text is one of ``refusal_reasons``."""


def identify(item: dict[str, Any]) -> ProfileKey:
    """Return the one identifier of an object: a primary one, else its email, else its phone."""
    external_id, alias, braze_id = item.get("external_id"), item.get("user_alias"), item.get("braze_id")
    if (external_id is not None) + (alias is not None) + (braze_id is not None) > 1:
        raise BadIdentifierError(ONE_IDENTIFIER_ONLY)
    if external_id is not None:
        return ProfileKey("external_id", _external_id(external_id))
    if alias is not None:
        return ProfileKey("user_alias", _alias(alias))
    if braze_id is not None:
        if not isinstance(braze_id, str):
            raise BadIdentifierError(BAD_BRAZE_ID)
        return ProfileKey("braze_id", braze_id)
    return _by_contact(item)


def _by_contact(item: dict[str, Any]) -> ProfileKey:
    email, phone = item.get("email"), item.get("phone")
    if email is not None:
        if not is_email(email):
            raise BadIdentifierError("EMAIL_BAD_FORMAT")
        return ProfileKey("email", email.lower())
    if phone is None:
        raise BadIdentifierError(IDENTIFIER_REQUIRED)
    if not isinstance(phone, str) or not digits_of(phone):
        raise BadIdentifierError(BAD_PHONE)
    return ProfileKey("phone", digits_of(phone))


def _external_id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        # Recorded: an id sent as the number 12345 is kept as the text "12345".
        return str(value)
    if not isinstance(value, str):
        raise BadIdentifierError(BAD_EXTERNAL_ID)
    if not value:
        raise BadIdentifierError(IDENTIFIER_REQUIRED)
    # Four bytes at most for one character: most ids need no encoding to be measured.
    if len(value) > MAX_EXTERNAL_ID_BYTES // 4 and len(value.encode()) > MAX_EXTERNAL_ID_BYTES:
        raise BadIdentifierError("EXTERNAL_USER_ID_TOO_LARGE")
    return value


def _alias(value: Any) -> tuple[str, str]:
    if isinstance(value, dict):
        label, name = value.get("alias_label"), value.get("alias_name")
        if all(isinstance(part, str) and 0 < len(part.encode()) <= MAX_ALIAS_BYTES for part in (label, name)):
            return str(label), str(name)
    raise BadIdentifierError(BAD_ALIAS)


def is_email(value: Any) -> bool:
    """Tell whether a value has the form of an email address."""
    return isinstance(value, str) and _EMAIL.match(value) is not None and len(value) <= 255


def digits_of(phone: str) -> str:
    """Return what phones are compared by: their digits, ten of them taken as a number of the US."""
    digits = re.sub(r"\D", "", phone)
    return f"1{digits}" if len(digits) == 10 and not phone.lstrip().startswith("+") else digits
