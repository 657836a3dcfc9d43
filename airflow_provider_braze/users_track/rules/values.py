"""Cell text to JSON value: the types an author may declare for a column.

Above: the mapping. Below: the checks and the limits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from airflow_provider_braze.blanks import cut
from airflow_provider_braze.users_track.rules import checks, limits, moments

_ENCODER = msgspec.json.Encoder(decimal_format="number")

to_json = _ENCODER.encode

Reader = Callable[[str], Any]
"""Turns a non-empty cell into a JSON value; raises ``ValueError`` with a reason that holds no cell content."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\Z")
_BOOLEANS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
ISO_DATE = "%Y-%m-%d"

_DIGITS = {"Y": 4, "G": 4, "j": 3, "u": 1, "w": 1} | dict.fromkeys("dmyHIMSUVW", 2)
"""By letter of a ``strptime`` format, the digits of a number that is written whole; of ``%f`` there may be any."""

text: Reader = checks.text


def each_to_json(some_values: Iterable[Any]) -> list[bytes]:
    """Write each of many values as JSON, as :data:`to_json` writes one."""
    # All into one buffer, which has soon grown to the largest: one for each would be grown, and cut to its size, anew.
    buffer, write = bytearray(), _ENCODER.encode_into
    found = []
    for value in some_values:
        write(value, buffer)
        found.append(bytes(buffer))
    return found


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


def has_two_digit_year(format: str) -> bool:
    """Tell whether a ``strptime`` format reads no century, which then is a guess."""
    moment = datetime(1948, 2, 3, 16, tzinfo=UTC)
    return datetime.strptime(moment.strftime(format), format).year != moment.year


def reads_weeks_of_two_digits(format: str) -> bool:
    """Tell whether a format counts weeks in a year of no century: the day then depends on which century it is."""
    moment = datetime(1948, 2, 3, 16, tzinfo=UTC)
    found = datetime.strptime(moment.strftime(format), format)
    return found.date().replace(year=moment.year) != moment.date()


def _parser(format: str) -> Callable[[str], datetime]:
    """Make what reads a cell in a ``strptime`` format; it raises ``ValueError``.

    By itself, ``%d%m%Y`` reads ``1112020``, of which a database has eaten the zero of the first of November, as the
    eleventh of January: of numbers that touch, each has to have all its digits.
    """
    parts = re.findall(r"%.|[^%]+", format)
    are_numbers = [part[0] == "%" and part[1] in (*_DIGITS, "f") for part in parts]
    touch = [False, *map(all, itertools.pairwise(are_numbers)), False]
    if not any(touch):
        return lambda cell: datetime.strptime(cell, format)
    pattern = "".join(map(_shape, parts, map(any, itertools.pairwise(touch))))
    # Several in a row would try every way to share out what they match.
    is_whole = re.compile(re.sub(r"(\\D\+)+", r"\\D+", pattern), re.DOTALL).fullmatch

    def parse(cell: str) -> datetime:
        found = datetime.strptime(cell, format)
        if not is_whole(cell):
            raise ValueError
        return found

    return parse


def _shape(part: str, touches: bool) -> str:
    """Give a pattern of what a part of a format reads."""
    letter = part[1] if part[0] == "%" else ""
    if letter in ("f", *_DIGITS):
        return rf"\d{{{_DIGITS[letter]}}}" if touches and letter in _DIGITS else r"\d+"
    return ".+" if letter in ("z", "c", "x", "X") or re.search(r"\d", part) else r"\D+"


def past(day: date) -> None:
    """Check that a day has come, somewhere on earth."""
    if day > (datetime.now(UTC) + timedelta(hours=14)).date():
        raise ValueError("a date in the future")


def birthday_reader(format: str) -> Reader:
    """Make a reader of days of birth in a ``strptime`` format: a year of two digits is a past one.

    Two centuries have the same days between 1901 and 2099, but in no week the same.
    """
    two_digits = has_two_digit_year(format)
    read = date_reader(format)

    def read_birthday(cell: str) -> str:
        day = date.fromisoformat(read(cell))
        try:
            past(day)
        except ValueError:
            if not two_digits:
                raise
            day = _a_century_earlier(day)
        return day.isoformat()

    return read_birthday


def _a_century_earlier(day: date) -> date:
    try:
        return day.replace(year=day.year - 100)
    except ValueError:
        # The 29th of February of a year that is a leap year only in this century.
        raise ValueError("not a day of that year") from None


def iso_date(cell: str) -> str:
    """Read ``YYYY-MM-DD``, strictly."""
    # By itself fromisoformat takes dates without dashes, and weeks of a year, too.
    try:
        if len(cell) != 10 or cell[4] != "-" or cell[7] != "-":
            raise ValueError
        found = date.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"not a date in the format {ISO_DATE}") from None
    moments.year(found.year)
    return cell


def date_reader(format: str) -> Reader:
    """Make a reader of dates in a ``strptime`` format; it gives ``YYYY-MM-DD``."""
    if format == ISO_DATE:
        return iso_date

    parse = _parser(format)

    def read(cell: str) -> str:
        try:
            value = parse(cell).date()
        except ValueError:
            raise ValueError(f"not a date in the format {format}") from None
        moments.year(value.year)
        return value.isoformat()

    return read


def datetime_reader(format: str | None) -> Reader:
    """Make a reader of times, ISO 8601 or in a ``strptime`` format; without a zone they are UTC."""
    if format is None:
        return moments.time

    parse = _parser(format)

    def read(cell: str) -> str:
        try:
            value = parse(cell)
        except ValueError:
            raise ValueError(f"not a time in the format {format}") from None
        return moments.iso(value)

    return read


def nested(read: Reader) -> Reader:
    """Make a reader wrap its date or time for use inside an object, where Braze takes times only as ``$time``."""

    def read_nested(cell: str) -> dict[str, str]:
        value: str = read(cell)
        return {"$time": value if "T" in value else f"{value}T00:00:00Z"}

    return read_nested


def array_reader(separator: str | None) -> Reader:
    """Make a reader of arrays: items between separators, or a JSON array where there is no separator.

    Blanks beside a separator are part of it, whatever a mapping says of those around cells.
    """
    if separator is None:
        return json_array

    def read(cell: str) -> list[Any]:
        return checks.array([item for part in cell.split(separator) if (item := cut(part))])

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
