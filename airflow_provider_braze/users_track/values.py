"""Cell text to JSON value: the types an author may declare for a column."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from airflow_provider_braze.users_track import limits

Reader = Callable[[str], Any]
"""Turns a non-empty cell into a JSON value; raises ``ValueError`` with a reason that holds no cell content."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\Z")
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
ISO_DATE = "%Y-%m-%d"

_LATEST_YEAR = 3000
"""Braze stores a later date as text, or not at all in an object (Braze docs: user attributes object)."""


def text(cell: str) -> str:
    """Keep the text, at most 255 characters long."""
    if len(cell) > limits.STRING_CHARACTERS:
        raise ValueError(f"longer than {limits.STRING_CHARACTERS} characters")
    return cell


def cut_text(cell: str) -> str:
    """Keep the first 255 characters."""
    return cell[: limits.STRING_CHARACTERS]


def integer(cell: str) -> int:
    """Read a whole number of at most 18 digits."""
    if not _INTEGER.match(cell):
        raise ValueError("not an integer")
    return int(cell)


def number(cell: str) -> int | float:
    """Read a finite number with a decimal point."""
    if not _NUMBER.match(cell):
        raise ValueError("not a number")
    if _INTEGER.match(cell):
        return int(cell)
    value = float(cell)
    if value in (float("inf"), float("-inf")):
        raise ValueError("not a finite number")
    return value


def boolean(cell: str) -> bool:
    """Read true/t/1 or false/f/0, in any case: the words Braze itself takes for booleans."""
    try:
        return _BOOLEANS[cell.strip().lower()]
    except KeyError:
        raise ValueError("not a boolean (true, t, 1, false, f, 0)") from None


def date_reader(format: str) -> Reader:
    """Make a reader of dates in a ``strptime`` format; it gives ``YYYY-MM-DD``."""

    def read(cell: str) -> str:
        return _date(cell, format).isoformat()

    return read


def datetime_reader(format: str | None) -> Reader:
    """Make a reader of times, ISO 8601 or in a ``strptime`` format; without a zone they are UTC."""

    def read(cell: str) -> str:
        try:
            value = datetime.strptime(cell, format) if format else datetime.fromisoformat(cell)
        except ValueError:
            raise ValueError(f"not a time in the format {format or 'ISO 8601'}") from None
        _check_year(value.year)
        return iso(value)

    return read


def iso(value: datetime) -> str:
    """Write a time as ISO 8601 with its zone."""
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat().replace("+00:00", "Z")


def nested_time(value: str) -> dict[str, str]:
    """Wrap a date or time for use inside an object, where Braze takes times only as ``$time``."""
    return {"$time": value if "T" in value else f"{value}T00:00:00Z"}


def _date(cell: str, format: str) -> date:
    try:
        # ISO dates are by far the most common, and strptime is slow.
        if format == ISO_DATE:
            if len(cell) != len("YYYY-MM-DD"):
                raise ValueError
            value = date.fromisoformat(cell)
        else:
            value = datetime.strptime(cell, format).date()
    except ValueError:
        raise ValueError(f"not a date in the format {format}") from None
    _check_year(value.year)
    return value


def _check_year(year: int) -> None:
    if year > _LATEST_YEAR:
        raise ValueError(f"a year after {_LATEST_YEAR}")


def array_reader(separator: str | None) -> Reader:
    """Make a reader of arrays: items between separators, or a JSON array where there is no separator."""

    def read(cell: str) -> list[Any]:
        if separator is None:
            return check_array(_json(cell, list, "a JSON array"))
        return check_array([item for part in cell.split(separator) if (item := part.strip())])

    return read


def json_object(cell: str) -> dict[str, Any]:
    """Read a JSON object."""
    return check_object(_json(cell, dict, "a JSON object"))


def _json(cell: str, kind: type, what: str) -> Any:
    try:
        value = msgspec.json.decode(cell.encode())
    except (msgspec.DecodeError, UnicodeEncodeError):
        raise ValueError(f"not {what}") from None
    if not isinstance(value, kind):
        raise ValueError(f"not {what}")
    return value


def check_array(items: list[Any]) -> list[Any]:
    """Check an array attribute: at most 500 items and 100 KB."""
    if len(items) > limits.ARRAY_ITEMS:
        raise ValueError(f"more than {limits.ARRAY_ITEMS} items")
    for item in items:
        _check_nested(item)
    _check_size(items)
    return items


def check_object(value: dict[str, Any]) -> dict[str, Any]:
    """Check an object attribute: keys, strings, no nulls (Braze drops the whole update on one), 100 KB."""
    _check_nested(value)
    _check_size(value)
    return value


def check_nested_key(key: str) -> None:
    """Check a key inside an object: 1 to 255 characters, no space, ``.`` or ``$``."""
    if not 0 < len(key) <= limits.KEY_CHARACTERS:
        raise ValueError(f"a key that is empty or longer than {limits.KEY_CHARACTERS} characters")
    if " " in key or "." in key or "$" in key:
        raise ValueError("a key with a space, '.' or '$'")


def _check_nested(value: Any) -> None:
    if value is None:
        raise ValueError("a null inside an object or array, on which Braze drops the whole update")
    if isinstance(value, str):
        text(value)
    elif isinstance(value, list):
        for item in value:
            _check_nested(item)
    elif isinstance(value, dict) and set(value) != {"$time"}:
        for key, item in value.items():
            check_nested_key(key)
            _check_nested(item)


def _check_size(value: Any) -> None:
    if len(msgspec.json.encode(value)) > limits.NESTED_BYTES:
        raise ValueError(f"more than {limits.NESTED_BYTES // 1000} KB as JSON")
