"""What Airflow's database holds of a push, read as plain JSON: people may edit it, and nothing of it becomes an object.

Airflow's own ``deserialize_value`` would import the class that a value names, in the API server. Above: the pushes of a
run. Below: nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_MOST_CHARACTERS = 16_000_000
"""A report has 50 reasons and 60 samples for each export at most; what is longer is none."""

_MOST_DEEP = 20
_LARGEST = 10**15
"""No count, size or moment of ours is larger, and a JSON reader elsewhere would not keep it exactly."""


def read_plain(text: str | None) -> Any:
    """Read a value; one that was serialised before it was stored is text in JSON, and is read once more.

    :raises ValueError: it is no JSON that can be read.
    """
    if text is None:
        return None
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"more than {_MOST_CHARACTERS} characters")
    try:
        value = json.loads(text)
        return _read_once_more(value) if isinstance(value, str) else value
    except RecursionError:
        raise ValueError("too deep") from None


def _read_once_more(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_object(text: str | None) -> Mapping[str, Any] | None:
    """Read a report or a progress; None where it is none, whatever it is."""
    try:
        value = read_plain(text)
    except (TypeError, ValueError):
        return None
    return value if isinstance(value, Mapping) and _is_plausible(value) else None


def read_text(text: str | None) -> str:
    """Read a value that is text; empty where it is none."""
    try:
        value = read_plain(text)
    except (TypeError, ValueError):
        return ""
    return value if isinstance(value, str) else ""


def is_kept_elsewhere(text: str | None) -> bool:
    """Tell whether a value is a plain text, such as an XCom backend leaves for what it keeps itself."""
    try:
        return isinstance(read_plain(text), str)
    except (TypeError, ValueError):
        return False


def _is_plausible(value: Any, deep: int = 0) -> bool:
    """Tell whether it is no deeper, and has no larger numbers, than anything that a push has written."""
    if deep > _MOST_DEEP:
        return False
    if isinstance(value, Mapping):
        return all(_is_plausible(each, deep + 1) for each in value.values())
    if isinstance(value, list):
        return all(_is_plausible(each, deep + 1) for each in value)
    return not isinstance(value, int) or abs(value) <= _LARGEST
