"""Cell text to JSON value: the types an author may declare for a column."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from airflow_provider_braze.users_track import checks, limits

Reader = Callable[[str], Any]
"""Turns a non-empty cell into a JSON value; raises ``ValueError`` with a reason that holds no cell content."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\Z")
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
ISO_DATE = "%Y-%m-%d"

text: Reader = checks.text


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
    if _INTEGER.match(cell):
        return int(cell)
    if not _NUMBER.match(cell):
        raise ValueError("not a number")
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


def is_format(format: str, kind: str) -> bool:
    """Tell whether a ``strptime`` format reads a whole date, or a whole date and hour."""
    moment = datetime(2001, 2, 3, 16, tzinfo=UTC)
    try:
        found = datetime.strptime(moment.strftime(format), format)
    except (ValueError, re.error):
        return False
    return found.date() == moment.date() and (kind == "date" or found.hour == moment.hour)


def iso_date(cell: str) -> str:
    """Read ``YYYY-MM-DD``, strictly."""
    # By itself fromisoformat takes dates without dashes, and weeks of a year, too.
    try:
        if len(cell) != 10 or cell[4] != "-" or cell[7] != "-":
            raise ValueError
        found = date.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"not a date in the format {ISO_DATE}") from None
    checks.year(found.year)
    return cell


def date_reader(format: str) -> Reader:
    """Make a reader of dates in a ``strptime`` format; it gives ``YYYY-MM-DD``."""
    if format == ISO_DATE:
        return iso_date

    def read(cell: str) -> str:
        try:
            value = datetime.strptime(cell, format).date()
        except ValueError:
            raise ValueError(f"not a date in the format {format}") from None
        checks.year(value.year)
        return value.isoformat()

    return read


def datetime_reader(format: str | None) -> Reader:
    """Make a reader of times, ISO 8601 or in a ``strptime`` format; without a zone they are UTC."""
    if format is None:
        return checks.time

    def read(cell: str) -> str:
        try:
            value = datetime.strptime(cell, format)
        except ValueError:
            raise ValueError(f"not a time in the format {format}") from None
        return checks.iso(value)

    return read


def nested(read: Reader) -> Reader:
    """Make a reader wrap its date or time for use inside an object, where Braze takes times only as ``$time``."""

    def read_nested(cell: str) -> dict[str, str]:
        value: str = read(cell)
        return {"$time": value if "T" in value else f"{value}T00:00:00Z"}

    return read_nested


def array_reader(separator: str | None) -> Reader:
    """Make a reader of arrays: items between separators, or a JSON array where there is no separator."""
    if separator is None:
        return json_array

    def read(cell: str) -> list[Any]:
        return checks.array([item for part in cell.split(separator) if (item := part.strip())])

    return read


def json_array(cell: str) -> list[Any]:
    """Read a JSON array."""
    return checks.array(decode(cell, list, "a JSON array"))


def json_object(cell: str) -> dict[str, Any]:
    """Read a JSON object."""
    return checks.json_object(decode(cell, dict, "a JSON object"))


def decode(cell: str, kind: type, what: str) -> Any:
    """Read JSON of one kind."""
    try:
        value = msgspec.json.decode(cell)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise ValueError(f"not {what}") from None
    if not isinstance(value, kind):
        raise ValueError(f"not {what}")
    return value
