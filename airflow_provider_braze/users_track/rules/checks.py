"""What Braze takes as a value: each check raises ``ValueError`` with a reason that holds none of the value.

Above: the mapping, merging and the memory. Below: the limits, and points in time.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from airflow_provider_braze.users_track.rules import limits, moments

ARRAY_CHANGES = frozenset({"add", "remove"})
OBJECT_ARRAY_CHANGES = frozenset({"$add", "$remove", "$update"})
INCREMENT = frozenset({"inc"})
TIME = frozenset({"$time"})

_TOO_DEEP = "nested too deeply"


def text(value: str) -> str:
    """Check a text: at most 255 characters."""
    if len(value) > limits.STRING_CHARACTERS:
        raise ValueError(f"longer than {limits.STRING_CHARACTERS} characters")
    return value


def attribute(value: Any) -> None:
    """Check the value of a custom attribute: null, text, number, boolean, array, object or a change to one."""
    if isinstance(value, dict):
        change(value) if is_change(value) else json_object(value)
    elif isinstance(value, list):
        array(value)
    elif value is not None:
        _leaf(value)


def is_change(value: dict[str, Any]) -> bool:
    """Tell whether an object says how to change a stored value, rather than being one."""
    keys = value.keys()
    return bool(keys) and any(
        keys <= known for known in (ARRAY_CHANGES, OBJECT_ARRAY_CHANGES, INCREMENT, TIME)
    )


def change(value: dict[str, Any]) -> None:
    """Check ``add``, ``remove``, ``inc``, ``$time``, ``$add``, ``$remove`` and ``$update``."""
    for name, content in value.items():
        if name == "$time":
            _leaf_or_time(value)
        elif name == "inc":
            if not isinstance(content, int) or isinstance(content, bool):
                raise ValueError("an inc that is not an integer")
        elif not isinstance(content, list):
            raise ValueError(f"{name} takes an array")
        elif name in ARRAY_CHANGES:
            scalars(content)
        elif name == "$add":
            array(content)
        else:
            _size(content)


def array(items: list[Any]) -> list[Any]:
    """Check an array attribute: at most 100 KB, of at most 500 single values or of objects."""
    if any(isinstance(item, dict) for item in items):
        if not all(isinstance(item, dict) for item in items):
            raise ValueError("an array that mixes objects with other values")
    elif any(isinstance(item, list) for item in items):
        raise ValueError("an array inside an array")
    elif len(items) > limits.ARRAY_ITEMS:
        raise ValueError(f"more than {limits.ARRAY_ITEMS} items")
    _nested(items)
    _size(items)
    return items


def scalars(items: list[Any]) -> list[Any]:
    """Check an array of single values."""
    if any(isinstance(item, dict | list) for item in items):
        raise ValueError("an object or array where single values belong")
    return array(items)


def union(some: list[Any], others: list[Any]) -> list[Any]:
    """Unite two arrays of single values; the result is checked like any array."""
    # To Python, 1 and True are one; to Braze they are not.
    found = {(isinstance(item, bool), item): item for item in scalars(some)}
    for item in scalars(others):
        found.setdefault((isinstance(item, bool), item), item)
    return scalars([*found.values()])


def json_object(value: dict[str, Any]) -> dict[str, Any]:
    """Check an object attribute: keys, strings, no nulls (Braze drops the whole update on one), 100 KB."""
    _nested(value)
    _size(value)
    return value


def key(name: str) -> None:
    """Check the name of an attribute: 1 to 255 characters, no ``.`` or ``$``, no spaces at its ends."""
    if not 0 < len(name) <= limits.KEY_CHARACTERS:
        raise ValueError(f"a key that is empty or longer than {limits.KEY_CHARACTERS} characters")
    if "." in name or "$" in name:
        raise ValueError("a key with '.' or '$'")
    if name != name.strip():
        raise ValueError("a key with spaces at its ends")


def nested_key(name: str) -> None:
    """Check a key inside an object: 1 to 255 characters, no space, ``.`` or ``$``."""
    key(name)
    if " " in name:
        raise ValueError("a key with a space, inside an object")


def _nested(value: Any) -> None:
    try:
        _walk(value)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def _walk(value: Any) -> None:
    if value is None:
        raise ValueError("a null inside an object or array, on which Braze drops the whole update")
    if isinstance(value, list):
        for item in value:
            _walk(item)
    elif isinstance(value, dict):
        if value.keys() == TIME:
            _leaf_or_time(value)
            return
        for name, item in value.items():
            if not isinstance(name, str):
                raise ValueError("a key that is not text")
            nested_key(name)
            _walk(item)
    else:
        _leaf(value)


def _leaf_or_time(value: dict[str, Any]) -> None:
    if not isinstance(value["$time"], str):
        raise ValueError("a $time that is not text")
    moments.check(value["$time"])


def _leaf(value: Any) -> None:
    if isinstance(value, str):
        text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("not a finite number")
    elif not isinstance(value, bool | int | float):
        raise ValueError("not a JSON value")


def _size(value: Any) -> None:
    if json_bytes(value) > limits.NESTED_BYTES:
        raise ValueError(f"more than {limits.NESTED_BYTES // 1000} KB as JSON")


def json_bytes(value: Any) -> int:
    """Measure a value as JSON."""
    try:
        return len(msgspec.json.encode(value))
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except (TypeError, UnicodeEncodeError):
        raise ValueError("not a JSON value") from None
