"""Years of two digits, days of birth, names of time zones, and the forms of times that Braze documents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

import pytest

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.sandbox.checks import dates
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping, Type
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper
from airflow_provider_braze.users_track.rules import checks, moments, standard_fields

TODAY = datetime.now(UTC).date()


def mapped(record: dict[str, str], **mapping: Any) -> dict[str, Any]:
    record = {"external_id": "P1", **record}
    return Mapper(list(record), ExportMapping(**mapping), mode="upsert").map([*record.values()])[1]


def born(cell: str, format: str | None = None) -> str:
    types = {"dob": Type("date", format=format)} if format else {}
    found: str = mapped({"dob": cell}, types=types)["dob"]
    return found


@pytest.mark.parametrize(
    ("cell", "format", "expected"),
    [
        ("29.02.48", "%d.%m.%y", "1948-02-29"),
        ("01/31/68", "%m/%d/%y", "1968-01-31"),
        ("31.12.69", "%d.%m.%y", "1969-12-31"),
        ("05.06.99", "%d.%m.%y", "1999-06-05"),
        ("05.06.01", "%d.%m.%y", "2001-06-05"),
        ("02/03/48", "%x", "1948-02-03"),
        ("05.06.1948", "%d.%m.%Y", "1948-06-05"),
    ],
)
def test_two_digits_of_a_birth_are_a_past_year(cell: str, format: str, expected: str) -> None:
    assert born(cell, format) == expected


@pytest.mark.parametrize("format", ["%W %w %y", "%y-%U-%w", "%a %U %y", "%y %W %A", "%m/%d/%y %W %w"])
def test_weeks_of_a_birth_need_the_century(format: str) -> None:
    """The same week and weekday are another day of the year a century earlier."""
    with pytest.raises(MappingError, match="counts weeks in a year of two digits"):
        born("05 3 48", format)


@pytest.mark.parametrize(
    ("cell", "format", "expected"),
    [
        ("05 2 1948", "%W %w %Y", "1948-02-03"),
        ("1948 06 2", "%G %V %u", "1948-02-03"),
        ("48 034", "%y %j", "1948-02-03"),
        ("48 060", "%y %j", "1948-02-29"),
        ("Tue 03.02.48", "%a %d.%m.%y", "1948-02-03"),
    ],
)
def test_other_days_of_a_birth_are_the_same_in_each_century(cell: str, format: str, expected: str) -> None:
    assert born(cell, format) == expected


def test_a_birth_is_not_in_the_future() -> None:
    for day in (TODAY, TODAY - timedelta(days=1)):
        assert (
            born(day.isoformat())
            == born(f"{day:%d.%m.%Y}", "%d.%m.%Y")
            == born(f"{day:%d.%m.%y}", "%d.%m.%y")
        )
    later = TODAY + timedelta(days=3)
    for cell, format in ((later.isoformat(), None), (f"{later:%d.%m.%Y}", "%d.%m.%Y")):
        with pytest.raises(BadRecordError, match="dob: a date in the future"):
            born(cell, format)
    assert born(f"{later:%d.%m.%y}", "%d.%m.%y") == later.replace(year=later.year - 100).isoformat()
    with pytest.raises(MappingError, match="a date in the future"):
        ExportMapping(constants={"dob": later.isoformat()})


def test_other_dates_may_lie_in_the_future() -> None:
    later = (TODAY + timedelta(days=400)).isoformat()
    record = mapped({"renewal": later}, types={"renewal": "date"}, extra_to=None)
    assert record["renewal"] == later


@pytest.mark.parametrize("format", ["%Y-%m-%d %H:%M %Z", "%d.%m.%Y %H%Z"])
@pytest.mark.parametrize("name", ["date", "datetime"])
def test_a_named_zone_is_refused(format: str, name: str) -> None:
    with pytest.raises(MappingError, match=r"%Z in .* knows UTC, GMT and the zone that the worker is in"):
        ExportMapping(types={"seen": Type(name, format=format)})


def test_a_zone_written_out_or_as_offset_is_taken() -> None:
    for cell, format in (
        ("2026-03-01 10:00 UTC", "%Y-%m-%d %H:%M UTC"),
        ("2026-03-01 12:00 +0200", "%Y-%m-%d %H:%M %z"),
        ("2026-03-01 10:00 %Z", "%Y-%m-%d %H:%M %%Z"),
    ):
        types = {"seen": Type("datetime", format=format)}
        assert mapped({"seen": cell}, types=types, extra_to=None)["seen"] == "2026-03-01T10:00:00Z"


@pytest.mark.parametrize(
    "zone",
    ["Eastern Time (US & Canada)", "Pacific Time (US & Canada)", "International Date Line West", "Indiana (East)",
     "St. Petersburg", "Nuku'alofa", "Samoa", "Europe/Paris", "UTC"],
)  # fmt: skip
def test_time_zones(zone: str) -> None:
    assert mapped({"time_zone": zone})["time_zone"] == zone


def test_no_other_time_zones() -> None:
    for zone in ("Eastern Time", "europe/paris", "Mars", "eastern time (us & canada)"):
        with pytest.raises(BadRecordError, match="not an IANA time zone"):
            mapped({"time_zone": zone})
    assert {"America/New_York", "Asia/Kolkata"} <= available_timezones()


FORMS = [
    ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"),
    ("2026-03-01T10:00:00:250Z", "2026-03-01T10:00:00.250000Z"),
    ("2026-03-01T10:00:00:250+0200", "2026-03-01T08:00:00.250000Z"),
    ("2026-03-01T10:00:00", "2026-03-01T10:00:00Z"),
    ("2026-03-01 10:00:00", "2026-03-01T10:00:00Z"),
    ("2026-03-01", "2026-03-01T00:00:00Z"),
    ("03/01/2026", "2026-03-01T00:00:00Z"),
    ("Sun 03 01 10:00:00.GMT 2026", "2026-03-01T10:00:00Z"),
    ("Sun Mar 01 10:00:00.+01:00 2026", "2026-03-01T09:00:00Z"),
]


@pytest.mark.parametrize(
    "field", ["date_of_first_session", "date_of_last_session", "marked_email_as_spam_at"]
)
@pytest.mark.parametrize(("cell", "sent"), FORMS)
def test_documented_forms_of_times(field: str, cell: str, sent: str) -> None:
    assert mapped({field: cell})[field] == sent
    standard_fields.check(field, cell)
    assert dates.parse(cell) == dates.parse(sent)


@pytest.mark.parametrize(
    "cell", ["20260301", "2026-W09-7", "2026-03-01T10", "13/01/2026", "yesterday", "03/01/3026"]
)
def test_what_is_sent_as_it_is_must_be_documented(cell: str) -> None:
    with pytest.raises(ValueError, match=r"format|year after"):
        standard_fields.check("date_of_first_session", cell)
    with pytest.raises(ValueError, match=r"format|year after"):
        checks.attribute({"$time": cell})
    assert dates.parse(cell) is None


def test_times_out_of_range_are_none() -> None:
    for cell in ("2026-03-01T10:61:00:1Z", "Sun 03 01 25:00:00.GMT 2026", "02/30/2026", "01/01/0000"):
        with pytest.raises(ValueError, match="format"):
            moments.read(cell)


def test_an_array_of_objects_has_no_limit_of_items() -> None:
    many = [{"n": n} for n in range(501)]
    assert checks.array(many) == many
    checks.attribute({"$add": many})
    with pytest.raises(ValueError, match="more than 500 items"):
        checks.array([*range(501)])
    with pytest.raises(ValueError, match="more than 100 KB"):
        checks.array([{"n": "x" * 250} for _ in range(501)])
