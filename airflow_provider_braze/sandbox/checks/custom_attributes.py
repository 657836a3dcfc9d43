"""What a sent value does to a custom attribute (Braze docs: custom attributes, nested attributes, array of objects).

Every function here answers a new value, None for "gone", or ``KEEP`` for "as it was". Nothing is changed in place,
so a value that was read once stays what it was.

Above: the store, and events. Below: dates, and the names that are no custom attributes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import msgspec

from airflow_provider_braze.sandbox.checks import dates
from airflow_provider_braze.sandbox.checks.profile_fields import KEEP, MAX_STRING

MAX_KEY = 255
MAX_ITEMS = 500
MAX_BYTES = 100_000
"""Braze docs say 100 KB; the smaller reading is taken, so that what passes here passes there."""

NESTED_KEY_FORBIDS: Final = frozenset(" .$")

_ARRAY_CHANGES = frozenset({"add", "remove"})
_OBJECT_ARRAY_CHANGES = frozenset({"$add", "$remove", "$update"})


class _DroppedError(Exception):
    """Something inside a nested value makes Braze drop the whole of it."""


def changed(old: Any, sent: Any, *, merge: bool) -> Any:
    """Return what an attribute becomes when ``sent`` arrives, ``old`` being None when there was none."""
    if isinstance(sent, str):
        return _text(sent)
    if not isinstance(sent, list | dict):
        return sent
    try:
        value = _array(sent) if isinstance(sent, list) else _from_object(old, sent, merge)
        too_large = isinstance(value, list | dict) and len(msgspec.json.encode(value)) > MAX_BYTES
    except (_DroppedError, RecursionError):
        return KEEP
    return KEEP if too_large else value


def attribute_name(name: str) -> str | None:
    """Return the attribute name that a top-level key means, or None when it means none."""
    name = name.strip(" ")
    return name if 0 < len(name) <= MAX_KEY else None


def _text(sent: str) -> Any:
    if len(sent) > MAX_STRING:
        return KEEP
    return dates.as_stored(sent) or sent


def _from_object(old: Any, sent: dict[str, Any], merge: bool) -> Any:
    keys = sent.keys()
    if keys == {"inc"}:
        return _incremented(old, sent["inc"])
    if keys == {"$time"}:
        return _nested(sent)
    if sent and keys <= _ARRAY_CHANGES:
        return _array_changed(old, sent)
    if sent and keys <= _OBJECT_ARRAY_CHANGES:
        return _object_array_changed(old, sent, merge)
    value = _nested(sent)
    return _merged(old, value) if merge and isinstance(old, dict) else value


def _incremented(old: Any, by: Any) -> Any:
    return old + by if _is_integer(old) and _is_integer(by) else KEEP


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _array(sent: list[Any]) -> list[Any]:
    if any(isinstance(entry, dict) for entry in sent):
        return _objects(sent)
    values = _unique(_of_one_type(_scalars(sent)))
    if len(values) > MAX_ITEMS:
        raise _DroppedError
    return values


def _scalars(values: Any) -> list[Any]:
    if not isinstance(values, list):
        raise _DroppedError
    for value in values:
        if (
            value is None
            or isinstance(value, list | dict)
            or (isinstance(value, str) and len(value) > MAX_STRING)
        ):
            raise _DroppedError
    return values


def _objects(values: Any) -> list[Any]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise _DroppedError
    return [_nested(value) for value in values]


def _of_one_type(values: list[Any]) -> list[Any]:
    """Turn every value into a text when the array mixes texts, numbers and booleans."""
    kinds = {type(value) for value in values}
    if len(kinds) <= 1 or kinds == {int, float}:
        return values
    return [value if isinstance(value, str) else msgspec.json.encode(value).decode() for value in values]


def _unique(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _array_changed(old: Any, sent: dict[str, Any]) -> Any:
    if old is None and "add" not in sent:
        return KEEP
    values = [] if old is None else old
    if not isinstance(values, list) or any(isinstance(value, dict) for value in values):
        return KEEP
    alike = _of_one_type([*values, *_scalars(sent.get("add", []))])
    added = _unique(alike[len(values) :])
    # What is there already moves to the end, away from the limit.
    values = [value for value in _unique(alike[: len(values)]) if value not in added] + added
    gone = _scalars(sent.get("remove", []))
    if gone:
        gone_texts = {msgspec.json.encode(value) for value in gone}
        values = [value for value in values if msgspec.json.encode(value) not in gone_texts]
    return values[-MAX_ITEMS:]


def _object_array_changed(old: Any, sent: dict[str, Any], merge: bool) -> Any:
    """Apply ``$add``, ``$remove`` and ``$update``, in this order whatever the order they were sent in."""
    if old is None and "$add" not in sent:
        return KEEP
    values = [] if old is None else old
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        return KEEP
    values = [*values, *_objects(sent.get("$add", []))]
    for change in _changes(sent.get("$remove", [])):
        values = [value for value in values if not _is_meant(value, change)]
    for change in _changes(sent.get("$update", [])):
        if not isinstance(change.get("$new_object"), dict):
            raise _DroppedError
        new = _nested(change["$new_object"])
        values = [(_merged(v, new) if merge else new) if _is_meant(v, change) else v for v in values]
    return values


def _changes(changes: Any) -> list[dict[str, Any]]:
    if not isinstance(changes, list):
        raise _DroppedError
    for change in changes:
        if not isinstance(change, dict) or not {"$identifier_key", "$identifier_value"} <= change.keys():
            raise _DroppedError
    return changes


def _is_meant(value: dict[str, Any], change: dict[str, Any]) -> bool:
    key = change["$identifier_key"]
    return isinstance(key, str) and key in value and bool(value[key] == change["$identifier_value"])


def _nested(value: Any) -> Any:
    """Return a nested value as it is stored; anything in it that Braze does not take drops the whole."""
    if isinstance(value, str):
        if len(value) > MAX_STRING:
            raise _DroppedError
        return value
    if isinstance(value, dict):
        return _nested_object(value)
    if isinstance(value, list):
        return [_nested(entry) for entry in value]
    if value is None:
        raise _DroppedError
    return value


def _nested_object(value: dict[str, Any]) -> Any:
    if value.keys() == {"$time"}:
        return _time(value["$time"])
    if not all(map(_is_nested_key, value)):
        raise _DroppedError
    return {key: _nested(entry) for key, entry in value.items()}


# The same few keys come with every object of an export.
@lru_cache(maxsize=4096)
def _is_nested_key(key: str) -> bool:
    return 0 < len(key) <= MAX_KEY and NESTED_KEY_FORBIDS.isdisjoint(key)


def _time(text: Any) -> str:
    stored = dates.as_stored(text) if isinstance(text, str) else None
    if stored is None:
        raise _DroppedError
    return stored


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge objects deeply; anything else, arrays too, is replaced."""
    merged = dict(old)
    for key, value in new.items():
        known = merged.get(key)
        merged[key] = _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
