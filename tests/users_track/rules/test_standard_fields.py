from __future__ import annotations

import json
import re
import sys
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.sandbox.checks import iso_codes
from airflow_provider_braze.sandbox.checks import profile_fields as sandbox_fields
from airflow_provider_braze.sandbox.checks.identifiers import is_email
from airflow_provider_braze.users_track.rules import standard_fields, time_zones
from airflow_provider_braze.users_track.rules.standard_fields import (
    FIELDS,
    READERS,
    check,
    misspelt,
    standard_name,
)

GROUP = {"subscription_group_id": "2f9dcbbb-0d2c-4b2b-9c8c-2b8d2d3c5f10", "subscription_state": "subscribed"}
TOKEN = {"app_id": "app", "token": "t"}

GOOD = {
    "first_name": ["Zoë", "x" * 255],
    "email": ["a@example.com", "o'neill+x@sub.example.co.uk", "用户@例子.广告"],
    "phone": ["+34 600 000 001", "0033600000002"],
    "country": ["ES", "US", "United States", "Australia"],
    "language": ["en"],
    "time_zone": ["Europe/Madrid", "UTC"],
    "dob": ["1984-02-29"],
    "gender": ["M", "F", "O", "N", "P"],
    "email_subscribe": ["opted_in", "subscribed", "unsubscribed"],
    "push_subscribe": ["opted_in"],
    "subscription_groups": [
        json.dumps([GROUP]),
        json.dumps([GROUP | {"use_double_opt_in_logic": True}]),
        "[]",
    ],
    "email_open_tracking_disabled": ["true", "0"],
    "current_location": ['{"longitude": -180, "latitude": 90.0}'],
    "date_of_first_session": ["2026-01-01", "2026-01-01T00:00:00+01:00"],
    "push_tokens": [json.dumps([TOKEN]), json.dumps([TOKEN | {"device_id": "d" * 8}])],
    "facebook": ['{"id": "1", "likes": ["a"]}'],
}
BAD = {
    "first_name": ["x" * 256],
    "email": ["", "a", "a@b", "a b@example.com", "a@example", "a@b..com", "a@.co.uk", "a@@b.com", "a@b.com,c@d.com",
              "a@example.com\n", "<a@example.com>", f"{'a' * 250}@b.com"],
    "country": ["Spain", "es", "XX", "ESP", " ES", "united states"],
    "time_zone": ["CET+1", "Atlantis", "europe/madrid"],
    "dob": ["29/02/1984", "1985-02-29", "3001-01-01", "1984-2-9", "2026-W01-1"],
    "gender": ["m", "female", "X", "MF"],
    "email_subscribe": ["Opted_In", "subscribed ", "yes"],
    "push_subscribe": ["true"],
    "subscription_groups": [
        "subscribed", "{}", '["a"]', '[{"subscription_state": "subscribed"}]',
        json.dumps([GROUP | {"subscription_group_id": "1"}]), json.dumps([GROUP | {"subscription_group_id": 1}]),
        json.dumps([GROUP | {"subscription_state": "opted_in"}]),
    ],
    "email_click_tracking_disabled": ["no"],
    "current_location": ["Madrid", '{"longitude": 1}', '{"longitude": "1", "latitude": "2"}',
                         '{"longitude": true, "latitude": 1}', '{"longitude": 1, "latitude": 90.1}',
                         '{"longitude": -180.5, "latitude": 1}'],
    "date_of_last_session": ["yesterday", "3001-01-01"],
    "marked_email_as_spam_at": ["1"],
    "push_tokens": ["[1]", '[{"app_id": "a"}]', '[{"app_id": "", "token": "t"}]', '[{"app_id": 1, "token": "t"}]',
                    json.dumps([TOKEN | {"device_id": "d" * 7}]), json.dumps([TOKEN | {"device_id": "d" * 256}]),
                    json.dumps([TOKEN | {"device_id": None}])],
    "twitter": ["@handle"],
}  # fmt: skip


def _each(cells):
    return [
        pytest.param(name, cell, id=f"{name}-{n}")
        for name, all_ in cells.items()
        for n, cell in enumerate(all_)
    ]


@pytest.mark.parametrize(("name", "cell"), _each(GOOD))
def test_what_is_good_is_stored_by_the_sandbox(name, cell):
    value = READERS[name](cell)
    check(name, value)
    assert sandbox_fields.refusals({name: value}) == []
    assert sandbox_fields.STORED_AS[name](value) is not sandbox_fields.KEEP


@pytest.mark.parametrize(("name", "cell"), _each(BAD))
def test_what_is_bad_has_a_reason_without_the_cell(name, cell):
    with pytest.raises(ValueError, match=r"\w") as caught:
        READERS[name](cell)
    assert len(cell) < 4 or cell not in str(caught.value)


def test_every_field_of_braze_is_known():
    assert FIELDS.keys() == sandbox_fields.STORED_AS.keys()
    assert set(iso_codes.COUNTRIES) == standard_fields.COUNTRY_CODES
    assert iso_codes.COUNTRY_NAMES.keys() >= standard_fields.COUNTRY_NAMES
    assert sandbox_fields._time_zones() == time_zones._names() >= zoneinfo.available_timezones()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("first_name", value) for value in (1, True, ["x"], {"add": ["x"]}, "x" * 256)),
        ("email_open_tracking_disabled", "true"),
        ("email_open_tracking_disabled", 1),
        ("dob", 19840229),
        ("current_location", "[]"),
        ("subscription_groups", {}),
        ("push_tokens", "x"),
        ("facebook", []),
        ("facebook", {"a": None}),
        ("x", "x" * 256),
        ("x", {"a": None}),
    ],
)
def test_json_values_are_checked_too(name, value):
    with pytest.raises(ValueError, match=r"\w"):
        check(name, value)


def test_a_null_unsets_every_field():
    for name in (*FIELDS, "x"):
        check(name, None)


@pytest.mark.parametrize("shape", ["a{}b@example.com", "ab@ex{}ample.com", "ab@example.com{}"])
def test_no_space_of_any_kind_is_part_of_an_email(shape):
    assert standard_fields.email(shape.format("\u200b"))
    for space in re.findall(r"\s", "".join(map(chr, range(sys.maxunicode + 1)))):
        with pytest.raises(ValueError, match="not a valid email"):
            standard_fields.email(shape.format(space))


@given(st.from_regex(r"[a-z.\"@ ]{1,6}@[a-z.@]{1,8}", fullmatch=True))
def test_an_email_that_passes_passes_in_the_sandbox(cell):
    try:
        standard_fields.email(cell)
    except ValueError:
        return
    assert is_email(cell)


@pytest.mark.parametrize(
    ("given", "right"),
    [
        ("First_Name", "first_name"),
        ("firstname", "first_name"),
        ("First Name", "first_name"),
        ("fisrt_name", "first_name"),
        ("e-mail", "email"),
        ("Email", "email"),
        ("EMIAL", "email"),
        ("timezone", "time_zone"),
        ("DOB", "dob"),
        ("externalId", "external_id"),
        ("first_name", None),
        ("external_id", None),
        ("_merge_objects", None),
        ("loyalty_tier", None),
        ("emails", None),
    ],
)
def test_misspelt_fields_are_recognised(given, right):
    assert misspelt(given) == right


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("first_name", "first_name"),
        ("First Name", "first_name"),
        (" FIRST__NAME ", "first_name"),
        ("FirstName", "first_name"),
        ("Time-Zone", "time_zone"),
        ("external_id", None),
        ("emial", None),
        ("name", None),
    ],
)
def test_columns_mean_standard_fields_in_any_spelling(column, field):
    assert standard_name(column) == field


def test_many_emails_are_judged_as_one_is_whatever_characters_they_hold() -> None:
    are_emails = standard_fields.AS_IS[standard_fields.email]
    places = ("a{}b@x.de", "ab@x{}y.de", "a@b.d{}", "{}@b.de", "a@b.de{}", "a@{}.de")
    for character in map(chr, [*range(128), 0x85, 0xA0, 0xE9, 0x2003, 0x3042]):
        for place in places:
            address = place.format(character)
            try:
                valid = standard_fields.email(address) == address
            except ValueError:
                valid = False
            if character != "\n":
                assert are_emails(address) == are_emails(f"a@b.de\n\n{address}\n") == valid, ascii(address)
                # Beside one that is not ASCII, it is looked at in another way.
                assert are_emails(f"é@b.de\n{address}") == valid, ascii(address)
