from __future__ import annotations

import pytest

from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore

GROUP = "12345678-1234-4321-abcd-1234567890ab"


@pytest.fixture
def store():
    return ProfileStore()


def write(store, **fields):
    return [r.reason for r in store.track({"attributes": [{"external_id": "a", **fields}]}).refusals]


def read(store, field):
    return store.readable()[0].get(field)


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("first_name", "Ada", "Ada"),
        ("email", "Ada@Example.COM", "ada@example.com"),
        ("phone", "0049 30 12", "0049 30 12"),
        ("country", "DE", "DE"),
        ("country", "Australia", "AU"),
        ("country", "United States", "US"),
        ("language", "de", "de"),
        ("time_zone", "Europe/Berlin", "Europe/Berlin"),
        ("dob", "1980-02-29", "1980-02-29T00:00:00.000Z"),
        ("gender", "F", "F"),
        ("email_subscribe", "opted_in", "opted_in"),
        ("push_subscribe", "unsubscribed", "unsubscribed"),
        ("email_open_tracking_disabled", False, False),
        ("date_of_first_session", "2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000Z"),
        ("facebook", {"id": "1"}, {"id": "1"}),
    ],
)
def test_a_good_value_is_kept(store, field, sent, kept):
    assert write(store, **{field: sent}) == []
    assert read(store, field) == kept
    assert write(store, **{field: None}) == []
    assert read(store, field) is None


@pytest.mark.parametrize(
    ("field", "old", "sent"),
    [
        ("first_name", "Ada", "x" * 256),
        ("first_name", "Ada", 5),
        ("language", "de", "german"),
        ("time_zone", "Europe/Berlin", "Europe/Atlantis"),
        ("gender", "F", "female"),
        ("email_open_tracking_disabled", True, "true"),
        ("date_of_last_session", "2026-01-02T00:00:00.000Z", "yesterday"),
        ("twitter", {"id": 1}, "id"),
    ],
)
def test_a_bad_value_leaves_the_old_one(store, field, old, sent):
    assert write(store, **{field: old}) == []
    assert write(store, **{field: sent, "home_city": "Rome"}) == []
    assert read(store, field) == old
    assert read(store, "home_city") == "Rome"


@pytest.mark.parametrize("sent", ["1981-02-29", "02/29/1980", "1981-02-28T00:00:00.000Z"])
def test_a_bad_day_of_birth_leaves_the_old_one(store, sent):
    write(store, dob="1980-02-29")
    assert write(store, dob=sent) == []
    assert read(store, "dob") == "1980-02-29T00:00:00.000Z"


@pytest.mark.parametrize("sent", ["Atlantis", "DEU", "de", "", 49])
def test_a_bad_country_erases_the_old_one(store, sent):
    write(store, country="DE")
    assert write(store, country=sent) == []
    assert read(store, "country") is None


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        ({"email": ""}, ["EMAIL_BAD_FORMAT"]),
        ({"email": "ada"}, ["EMAIL_BAD_FORMAT"]),
        ({"email": "a b@example.com"}, ["EMAIL_BAD_FORMAT"]),
        ({"email": 5}, ["EMAIL_BAD_FORMAT"]),
        ({"email_subscribe": "Subscribed"}, ["BAD_EMAIL_SUBSCRIPTION_STATE"]),
        ({"push_subscribe": "subscribed "}, ["BAD_PUSH_SUBSCRIPTION_STATE"]),
        (
            {"push_subscribe": 1, "email_subscribe": []},
            ["BAD_EMAIL_SUBSCRIPTION_STATE", "BAD_PUSH_SUBSCRIPTION_STATE"],
        ),
        ({"current_location": {"longitude": 1}}, ["BAD_LOCATION_UPDATE"]),
        ({"current_location": {"longitude": 1, "latitude": "2"}}, ["BAD_LOCATION_UPDATE"]),
        ({"current_location": {"longitude": 1, "latitude": 91}}, ["BAD_LOCATION_UPDATE"]),
        ({"subscription_groups": {}}, ["BAD_SUBSCRIPTION_GROUP_ARRAY"]),
        ({"subscription_groups": [GROUP]}, ["BAD_SUBSCRIPTION_GROUP_HASH"]),
        (
            {"subscription_groups": [{"subscription_group_id": "g", "subscription_state": "subscribed"}]},
            ["BAD_SUBSCRIPTION_GROUP_ID"],
        ),
        (
            {"subscription_groups": [{"subscription_group_id": GROUP, "subscription_state": "opted_in"}]},
            ["BAD_SUBSCRIPTION_GROUP_STATE"],
        ),
        ({"push_tokens": "t"}, ["BAD_PUSH_TOKEN_VALUE"]),
        ({"push_tokens": [{"token": "t"}]}, ["BAD_PUSH_TOKEN_APP_ID"]),
        ({"push_tokens": [{"app_id": "a"}]}, ["BAD_PUSH_TOKEN_STRING"]),
        ({"push_tokens": [{"app_id": "a", "token": "t", "device_id": "short"}]}, ["BAD_DEVICE_ID"]),
        ({"email_subscription_info": {}}, ["INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO"]),
    ],
)
def test_some_bad_values_refuse_the_object(store, fields, reasons):
    assert write(store, **fields, first_name="Ada") == reasons
    assert len(store.profiles) == 0


def _everyone(store, field):
    return {p.get("external_id"): p.get(field) for p in store.readable()}


def test_consent_given_with_an_external_id_is_that_of_the_address_and_the_number(store):
    group = {"subscription_group_id": GROUP, "subscription_state": "subscribed"}
    ada, phone = {"email": "Ada@example.com"}, {"phone": "+1 202 555 0100"}
    store.track(
        {
            "attributes": [
                {"external_id": "both", **ada, **phone},
                {"external_id": "address", **ada},
                {"external_id": "number", "phone": "2025550100"},
                {"external_id": "neither", "email": "eve@example.com"},
                {"external_id": "both", "email_subscribe": "opted_in", "subscription_groups": [group]},
            ]
        }
    )
    assert _everyone(store, "email_subscribe") == {
        "both": "opted_in",
        "address": "opted_in",
        "number": "subscribed",
        "neither": "subscribed",
    }
    assert _everyone(store, "subscription_groups") == {
        "both": [group],
        "address": [group],
        "number": [group],
        "neither": None,
    }
    # The address that comes with it counts, not the one before.
    store.track(
        {
            "attributes": [
                {"external_id": "both", "email": "eve@example.com", "email_subscribe": "unsubscribed"}
            ]
        }
    )
    assert _everyone(store, "email_subscribe") == {
        "both": "unsubscribed",
        "address": "opted_in",
        "number": "subscribed",
        "neither": "unsubscribed",
    }


def test_a_new_profile_shows_what_recordings_show(store):
    write(store)
    (profile,) = store.readable()
    bucket = profile.pop("random_bucket")
    assert isinstance(bucket, int)
    assert 0 <= bucket < 10_000
    assert {name: profile[name] for name in profile.keys() - {"braze_id", "created_at"}} == {
        "external_id": "a",
        "user_aliases": [],
        "total_revenue": 0,
        "email_subscribe": "subscribed",
        "push_subscribe": "subscribed",
    }


def test_subscription_groups_are_kept_by_id(store):
    other = GROUP.replace("1", "2")
    state = "subscription_state"
    write(store, subscription_groups=[{"subscription_group_id": GROUP, state: "subscribed"}])
    write(
        store,
        subscription_groups=[
            {"subscription_group_id": other, state: "subscribed"},
            {"subscription_group_id": GROUP, state: "unsubscribed"},
        ],
    )
    assert {g["subscription_group_id"]: g[state] for g in read(store, "subscription_groups")} == {
        GROUP: "unsubscribed",
        other: "subscribed",
    }


def test_a_location_is_shown_as_coordinates(store):
    write(store, current_location={"longitude": 13.4, "latitude": 52.5})
    assert read(store, "last_coordinates") == [13.4, 52.5]


def test_an_empty_text_is_set_but_not_exported(store):
    write(store, first_name="Ada")
    write(store, first_name="")
    assert read(store, "first_name") is None


def test_a_misspelt_field_becomes_a_custom_attribute(store):
    write(store, First_Name="Ada", bio="gone", alias_name="never")
    assert read(store, "custom_attributes") == {"First_Name": "Ada"}
    assert read(store, "first_name") is None
