"""Whom a row of an author's own is about, and why Braze could not know.

Above: rows that are pushed, and those of a single request. Below: the kinds of identifiers.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_braze.pushes.sources.shards import same_for_all_spellings
from airflow_provider_braze.users_track.batching.profile_object import Identity
from airflow_provider_braze.users_track.rules.standard_fields import IDENTIFIERS

_ALIAS_PARTS = ("alias_name", "alias_label")
_IDS = ("external_id", "braze_id")


def identity_of(row: Mapping[str, Any]) -> Identity | None:
    """Tell whom a row is about, by Braze's precedence, equal for all spellings; None where it names nobody."""
    for kind in IDENTIFIERS:
        value = row.get(kind)
        if kind == "user_alias" and value is not None:
            return (kind, *(value[name] for name in _ALIAS_PARTS)) if _is_whole_alias(value) else None
        if value not in (None, ""):
            if kind == "phone":
                return same_for_all_spellings((kind, str(value)))
            return (kind, str(value).lower() if kind == "email" else str(value))
    return None


def _is_whole_alias(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(part := value.get(name), str) and part.strip() for name in _ALIAS_PARTS
    )


def why_nobody(array: str, content: Any) -> str | None:
    """Say why Braze cannot know whom a row is about; None where it can, or need not."""
    if not isinstance(content, Mapping):
        return f"a row must be a dict, not {type(content).__name__}"
    alias = content.get("user_alias")
    if alias is not None and not _is_whole_alias(alias):
        return "a user_alias without alias_name or alias_label"
    for kind in _IDS:
        if not _may_be_id(content.get(kind)):
            return f"{kind} is neither text nor a whole number"
    if identity_of(content) is None and not _imports_tokens(array, content):
        return "no identifier"
    return None


def _may_be_id(value: Any) -> bool:
    """Tell whether Braze keeps a value as the id that is meant.

    Of a whole number it keeps the text. Of one with a point that would be another user's: of the id 1001 pandas makes
    1001.0 where another row has none.
    """
    if isinstance(value, Decimal):
        return value.as_tuple().exponent == 0
    return value is None or (isinstance(value, str | int) and not isinstance(value, bool))


def _imports_tokens(array: str, content: Mapping[str, Any]) -> bool:
    """Tell whether a row brings push tokens of nobody known: Braze makes an anonymous profile for each."""
    return array == "attributes" and content.get("push_token_import") is True
