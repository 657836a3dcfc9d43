"""Texts that Braze reads as a point in time (Braze docs: custom attribute data types, user attributes object).

Above: whatever reads a time. Below: nothing.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

LAST_YEAR = 3000
"""A later year is not a date to Braze."""

_ZONE = r"(?P<zone>Z|[+-]\d{2}:?\d{2})?"
_CLOCK = r"(?P<hour>\d{2}):(?P<minute>\d{2})"
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

_FORMATS = [
    # ISO 8601, extended: a date, or a date and time with optional seconds, fraction and zone.
    re.compile(
        r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
        rf"(?:T{_CLOCK}(?::(?P<second>\d{{2}})(?:[.:](?P<fraction>\d{{1,9}}))?)?{_ZONE})?\Z",
        re.ASCII,
    ),
    re.compile(
        rf"(?P<year>\d{{4}})-(?P<month>\d{{2}})-(?P<day>\d{{2}}) {_CLOCK}:(?P<second>\d{{2}})\Z",
        re.ASCII,
    ),
    re.compile(r"(?P<month>\d{2})/(?P<day>\d{2})/(?P<year>\d{4})\Z", re.ASCII),
    # ddd MM dd HH:mm:ss.TZD YYYY
    re.compile(
        rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?P<month>\d{{2}}|{'|'.join(_MONTHS)}) (?P<day>\d{{2}}) "
        rf"{_CLOCK}:(?P<second>\d{{2}})[. ](?P<zone>Z|UTC|GMT|[+-]\d{{2}}:?\d{{2}}) (?P<year>\d{{4}})\Z",
        re.ASCII,
    ),
]

_WITH_OFFSET = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2}) "
    rf"{_CLOCK}:(?P<second>\d{{2}})(?:\.(?P<fraction>\d{{1,9}}))? (?P<zone>[+-]\d{{2}}:?\d{{2}}|UTC)\Z",
    re.ASCII,
)
"""Documented nowhere, and taken by live workspaces as the time of events: ``2019-02-15 00:00:00 -0500``."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z", re.ASCII)
_COULD_BE = re.compile(r"\d{4}-\d|\d\d/\d|[MTWFS][a-z]{2} ")


def parse(text: str) -> datetime | None:
    """Return the point in time that a text means (UTC unless it names a zone), or None when it is no date."""
    if not 10 <= len(text) <= 40 or not _COULD_BE.match(text):
        return None
    for pattern in _FORMATS:
        found = pattern.match(text)
        if found:
            return _moment(found.groupdict())
    return None


def parse_time(text: str) -> datetime | None:
    """Return the point in time of an event or purchase, which takes one more spelling than attributes do."""
    found = _WITH_OFFSET.match(text)
    return _moment(found.groupdict()) if found else parse(text)


def spelled(moment: datetime) -> str:
    """Spell a point in time as Braze shows it: ``2026-09-15T00:00:00.000Z``."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z".rjust(24, "0")


def as_stored(text: str) -> str | None:
    """Return the stored spelling of a date-shaped text, or None when it is no date."""
    moment = parse(text)
    return None if moment is None else spelled(moment)


def day(text: object) -> str | None:
    """Return a ``YYYY-MM-DD`` text when it is a real day, else None."""
    if not isinstance(text, str) or not _DAY.match(text) or text > f"{LAST_YEAR}-12-31":
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        return None
    return text


def _moment(parts: dict[str, str | None]) -> datetime | None:
    month = parts["month"] or ""
    number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
    year = int(parts["year"] or 0)
    if year > LAST_YEAR:
        return None
    fraction = (parts.get("fraction") or "").ljust(6, "0")[:6]
    hour, minute, second = (int(parts.get(name) or 0) for name in ("hour", "minute", "second"))
    try:
        zone = _zone(parts.get("zone"))
        moment = datetime(year, number, int(parts["day"] or 0), hour, minute, second, int(fraction), zone)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    if not text or text[0] not in "+-":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
