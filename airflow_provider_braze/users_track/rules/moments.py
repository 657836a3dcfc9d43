"""Points in time as Braze documents them for standard fields: ISO 8601 and a few forms besides.

Braze does not store what it cannot read, so a text that is sent as it is must be one of these; cells are written anew.

Above: the checks. Below: nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

LATEST_YEAR = 3000
"""Braze stores a later date as text, or not at all in an object (Braze docs: user attributes object)."""

_ZONE = r"(?P<zone>Z|[+-]\d{2}:?\d{2})?"
_CLOCK = r"(?P<hour>\d{2}):(?P<minute>\d{2}):(?P<second>\d{2})"
_DAY = r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{_DAY}(?:T{_CLOCK}(?:[.:](?P<fraction>\d{{1,9}}))?{_ZONE})?\Z",
        rf"{_DAY}T(?P<hour>\d{{2}}):(?P<minute>\d{{2}}){_ZONE}\Z",
        rf"{_DAY} {_CLOCK}\Z",
        r"(?P<month>\d{2})/(?P<day>\d{2})/(?P<year>\d{4})\Z",
        # ddd MM dd HH:mm:ss.TZD YYYY
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>\d{{2}}|{'|'.join(_MONTHS)}) (?P<day>\d{{2}}) "
        rf"{_CLOCK}[. ](?P<zone>Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}}) (?P<year>\d{{4}})\Z",
    )
)


_SEPARATED = re.compile(r"[0-9W-]{7,10}(?:[^0-9+-]|\Z)")
"""A day, and what may part it from a clock. Python takes any character for that, so that by itself it reads
``2026-03-01+02:00``, a day with an offset, as two o'clock, and one of two hundred numbers of 13 digits as a time."""


def time(value: str) -> str:
    """Read an ISO 8601 time, and write it in UTC."""
    return iso(of_iso(value))


def of_iso(value: str) -> datetime:
    """Read an ISO 8601 time, with the zone that it names.

    :raises ValueError: it is none.
    """
    try:
        if not _SEPARATED.match(value):
            raise ValueError
        return datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("not a time in the format ISO 8601") from None


def year(value: int) -> None:
    """Check that Braze takes a year as part of a date."""
    if value > LATEST_YEAR:
        raise ValueError(f"a year after {LATEST_YEAR}")


def iso(value: datetime) -> str:
    """Write a time as ISO 8601 in UTC, which it is when it has no zone."""
    try:
        value = value.astimezone(UTC) if value.tzinfo else value
    except OverflowError:
        raise ValueError("a year before 1 in UTC") from None
    year(value.year)
    return f"{value.replace(tzinfo=None).isoformat()}Z"


def check(text: str) -> str:
    """Check that a text is a point in time as Braze documents it.

    :raises ValueError: it is none, or not in a year that Braze takes.
    """
    _read(text)
    return text


def read(cell: str) -> str:
    """Read a point in time, ISO 8601 or as Braze documents it, and write it as ISO 8601 in UTC.

    :raises ValueError: it is none, or not in a year that Braze takes.
    """
    try:
        return time(cell)
    except ValueError as error:
        return _read(cell, str(error))


def _read(text: str, reason: str = "not a time in the format ISO 8601") -> str:
    found = next((match for form in _FORMS if (match := form.match(text))), None)
    if found is None:
        raise ValueError(reason)
    parts = found.groupdict()
    month = parts["month"]
    number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    microsecond = int((parts.get("fraction") or "").ljust(6, "0")[:6])
    try:
        day = datetime(int(parts["year"]), number, int(parts["day"]))
        clock = timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microsecond)
        if clock >= timedelta(days=1) or minute > 59 or second > 59:
            raise ValueError
        moment = (day + clock).replace(tzinfo=_zone(parts.get("zone")))
    except (ValueError, OverflowError):
        raise ValueError(reason) from None
    return iso(moment)


def _zone(text: str | None) -> timezone:
    if not text or text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
