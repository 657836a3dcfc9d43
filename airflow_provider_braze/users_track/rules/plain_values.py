"""Values as Python's libraries have them, as the JSON that Braze understands.

Above: rows of an author's own, and what a mapping's transform returns. Below: JSON.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

_PLAIN = frozenset({str, bool, type(None)})
_JSON = frozenset({str, bool, int, float})
_LARGEST = sys.float_info.max
"""Beyond it no JSON number is one for whom reads it as a float, as Braze does."""

_DEEPEST = 100
"""Levels below which nothing is looked at: whoever checks the value refuses what is nested so deeply."""


class NotPlainError(ValueError):
    """Braze has no JSON for a value; the text says why, and quotes nothing of it."""


def plain(value: Any, levels: int = _DEEPEST) -> Any:
    """Turn what is understood within a value; the rest stays as it is, for a check to refuse.

    A ``Decimal`` becomes an int or a float where that is the same number.
    """
    if isinstance(value, Mapping) and levels:
        return {name: plain(item, levels - 1) for name, item in value.items()}
    if isinstance(value, list | tuple) and levels:
        return [plain(item, levels - 1) for item in value]
    if value is None or type(value) in _JSON:
        return value
    # What raises when it is touched is not understood either.
    with suppress(Exception):
        found = plain_scalar(value)
        return _as_number(found) if isinstance(found, Decimal) else found
    return value


def _as_number(exact: Decimal) -> int | float:
    number = int(exact) if exact == exact.to_integral_value() else float(exact)
    if Decimal(repr(number)) != exact:
        raise NotPlainError("a number that no float is")
    return number


def plain_scalar(value: Any) -> Any:
    """Give a plain value for one that is no dict and no list."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str):
        # Of what only derives from str, its text: an Enum's own str() is its name.
        return str.__str__(value)
    if isinstance(value, int | float | Decimal):
        return _number(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, date) and value == value:
        return _day_or_time(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _of_numpy(value, numpy)
    raise NotPlainError(f"not JSON: a value of type {type(value).__name__}")


def _number(value: float | Decimal) -> float | Decimal:
    # Of what only derives from a number, the number.
    plain: float | Decimal
    if isinstance(value, Decimal):
        plain = Decimal(value)
    else:
        plain = int.__pos__(value) if isinstance(value, int) else float.__pos__(value)
    finite = (
        plain.is_finite() if isinstance(plain, Decimal) else isinstance(plain, int) or math.isfinite(plain)
    )
    if not finite:
        raise _no_number(value)
    if not -_LARGEST <= plain <= _LARGEST:
        raise NotPlainError("a number that is too large")
    return plain


def _no_number(value: Any) -> NotPlainError:
    return NotPlainError(f"not JSON: a value of type {type(value).__name__} that is infinite or not a number")


def _day_or_time(value: date) -> str:
    if not isinstance(value, datetime):
        return date.isoformat(value)
    offset = value.utcoffset()
    if offset is not None and offset.total_seconds() % 60:
        # Local mean time, of zones before 1900: ISO 8601 knows no seconds in an offset.
        value = value.astimezone(UTC)
    # Of what only derives from it, too: pandas' own text has nanoseconds.
    text = datetime.isoformat(value)
    return f"{text.removesuffix('+00:00')}Z" if text.endswith("+00:00") else text


def _of_numpy(value: Any, numpy: Any) -> Any:
    plain = value.item()
    if isinstance(value, numpy.datetime64):
        if isinstance(plain, int):
            # So numpy gives those that are finer than Python's, and those in years that Python does not know.
            plain = value.astype("datetime64[us]").item()
        understood = isinstance(plain, date)
    else:
        # A duration that is finer than Python's comes as a number, of which nobody knows the unit.
        understood = isinstance(plain, bool | int | float | str) and not isinstance(value, numpy.timedelta64)
    if not understood:
        raise NotPlainError(f"not JSON: a value of type {type(value).__name__}")
    if isinstance(plain, float) and not math.isfinite(plain):
        raise _no_number(value)
    return plain_scalar(plain)
