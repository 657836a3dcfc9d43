from __future__ import annotations

import pytest

from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore


def refused(store, **item):
    return [r.reason for r in store.track({"attributes": [item]}).refusals]


ALWAYS = {"braze_id", "created_at", "random_bucket", "total_revenue", "push_subscribe"}


def shown(store):
    """Profiles without what each of them has."""
    new = {"email_subscribe": "subscribed", "user_aliases": []}
    return [{k: v for k, v in p.items() if k not in ALWAYS and new.get(k) != v} for p in store.readable()]


@pytest.fixture
def store():
    return ProfileStore()


@pytest.mark.parametrize(
    "item",
    [
        {"external_id": "a", "braze_id": "b"},
        {"external_id": "a", "user_alias": {"alias_name": "n", "alias_label": "l"}},
        {"user_alias": {"alias_name": "n", "alias_label": "l"}, "braze_id": "b"},
    ],
)
def test_two_primary_identifiers_are_refused(store, item):
    assert refused(store, **item) == ["ONE_IDENTIFIER_ONLY"]
    assert len(store.profiles) == 0


@pytest.mark.parametrize("item", [{}, {"first_name": "Ada"}, {"external_id": None}, {"external_id": ""}])
def test_no_identifier_is_refused(store, item):
    assert refused(store, **item) == ["IDENTIFIER_REQUIRED"]


def test_an_external_id_is_measured_in_bytes(store):
    assert refused(store, external_id="é" * 493 + "a") == []
    assert refused(store, external_id="é" * 494) == ["EXTERNAL_USER_ID_TOO_LARGE"]


def test_a_number_as_external_id_is_kept_as_text(store):
    store.track({"attributes": [{"external_id": 12345}, {"external_id": "12345", "first_name": "Ada"}]})
    assert shown(store) == [{"external_id": "12345", "first_name": "Ada"}]


def test_external_ids_match_exactly(store):
    store.track({"attributes": [{"external_id": "A"}, {"external_id": "a"}, {"external_id": "a "}]})
    assert len(store.profiles) == 3


@pytest.mark.parametrize(
    "alias",
    [
        "n",
        {"alias_name": "n"},
        {"alias_name": "", "alias_label": "l"},
        {"alias_name": "n", "alias_label": 1},
        {"alias_name": "n" * 237, "alias_label": "l"},
    ],
)
def test_a_bad_alias_is_refused(store, alias):
    assert len(refused(store, user_alias=alias, _update_existing_only=False)) == 1
    assert len(store.profiles) == 0


@pytest.mark.parametrize(
    ("identifier", "flag", "made"),
    [
        ({"external_id": "a"}, None, True),
        ({"external_id": "a"}, True, False),
        ({"external_id": "a"}, False, True),
        ({"user_alias": {"alias_name": "n", "alias_label": "l"}}, None, False),
        ({"user_alias": {"alias_name": "n", "alias_label": "l"}}, True, False),
        ({"user_alias": {"alias_name": "n", "alias_label": "l"}}, False, True),
        ({"email": "ada@example.com"}, None, True),
        ({"email": "ada@example.com"}, True, False),
        ({"email": "ada@example.com"}, False, True),
        ({"phone": "+4930123456"}, None, True),
        ({"phone": "+4930123456"}, True, False),
        ({"phone": "+4930123456"}, False, True),
        ({"braze_id": "b"}, None, False),
        ({"braze_id": "b"}, True, False),
        ({"braze_id": "b"}, False, False),
    ],
)
@pytest.mark.parametrize("array", ["attributes", "events", "purchases"])
def test_update_existing_only_decides_who_is_made(store, identifier, flag, made, array):
    rest = {
        "attributes": {"first_name": "Ada"},
        "events": {"name": "e", "time": "2026-01-01"},
        "purchases": {"product_id": "p", "currency": "EUR", "price": 1, "time": "2026-01-01"},
    }[array]
    item = {**identifier, **rest} | ({} if flag is None else {"_update_existing_only": flag})
    outcome = store.track({array: [item]})
    assert outcome.processed == {array: 1}
    assert outcome.refusals == []
    assert len(store.profiles) == made


def test_an_existing_profile_is_written_to_by_each_identifier(store):
    alias = {"alias_name": "n", "alias_label": "l"}
    store.track(
        {"attributes": [{"user_alias": alias, "_update_existing_only": False, "email": "A@Example.com"}]}
    )
    braze_id = store.readable()[0]["braze_id"]
    store.track(
        {
            "attributes": [
                {"user_alias": alias, "first_name": "by alias"},
                {"braze_id": braze_id, "last_name": "by braze_id"},
                {"email": "a@EXAMPLE.com", "_update_existing_only": True, "phone": "+1 (202) 555-0100"},
                {"phone": "202 555 0100", "home_city": "by phone"},
                {"user_alias": {"alias_name": "N", "alias_label": "l"}, "first_name": "case matters"},
            ]
        }
    )
    assert shown(store) == [
        {
            "user_aliases": [alias],
            "email": "a@example.com",
            "phone": "202 555 0100",
            "first_name": "by alias",
            "last_name": "by braze_id",
            "home_city": "by phone",
        }
    ]


def test_email_wins_over_phone(store):
    store.track(
        {
            "attributes": [
                {"external_id": "e", "email": "a@example.com"},
                {"external_id": "p", "phone": "+491"},
            ]
        }
    )
    store.track({"attributes": [{"email": "a@example.com", "phone": "+491", "first_name": "Ada"}]})
    assert [p.get("first_name") for p in shown(store)] == ["Ada", None]


def test_beside_a_primary_identifier_email_is_only_written(store):
    store.track({"attributes": [{"external_id": "one", "email": "a@example.com"}]})
    store.track({"attributes": [{"external_id": "two", "email": "a@example.com", "first_name": "Ada"}]})
    assert [p["external_id"] for p in shown(store)] == ["one", "two"]
    assert "first_name" not in shown(store)[0]


def test_an_email_means_the_latest_profile_that_has_an_external_id(store):
    email = {"email": "a@example.com"}
    store.track({"attributes": [{"external_id": "one", **email}, {"external_id": "two", **email}]})
    store.track({"attributes": [{"external_id": "one", "home_city": "Rome"}]})
    alias = {"alias_name": "n", "alias_label": "l"}
    store.track({"attributes": [{"user_alias": alias, "_update_existing_only": False, **email}]})
    store.track({"attributes": [{**email, "first_name": "Ada", "email_subscribe": "unsubscribed"}]})
    assert [p.get("first_name") for p in shown(store)] == ["Ada", None, None]
    # The subscription state is the address's, so it goes to all who share it.
    assert [p["email_subscribe"] for p in shown(store)] == ["unsubscribed"] * 3
    store.track({"attributes": [{"external_id": "two", "home_city": "Oslo"}, {**email, "first_name": "Eve"}]})
    assert [p.get("first_name") for p in shown(store)] == ["Ada", "Eve", None]


def test_a_changed_email_is_found_by_the_new_one_only(store):
    store.track({"attributes": [{"external_id": "a", "email": "old@example.com"}]})
    store.track({"attributes": [{"external_id": "a", "email": "new@example.com"}]})
    store.track(
        {"attributes": [{"email": "old@example.com"}, {"email": "new@example.com", "first_name": "Ada"}]}
    )
    assert [p.get("first_name") for p in shown(store)] == ["Ada", None]
    store.track({"attributes": [{"external_id": "a", "email": None}]})
    assert "email" not in shown(store)[0]
    store.track(
        {"attributes": [{"email": "new@example.com", "_update_existing_only": True, "first_name": "Eve"}]}
    )
    assert shown(store)[0]["first_name"] == "Ada"


def test_push_tokens_are_imported_once_without_a_user(store):
    tokens = [{"app_id": "app", "token": "t1"}]
    item = {"push_token_import": True, "push_tokens": tokens}
    assert refused(store, **item) == []
    assert refused(store, **item) == []
    assert shown(store) == [{"push_tokens": tokens}]
    more = [*tokens, {"app_id": "app", "token": "t2"}, {"app_id": "app", "token": "t3"}]
    assert refused(store, push_token_import=True, push_tokens=[*more, more[2]]) == []
    # One anonymous profile for each.
    assert shown(store) == [{"push_tokens": [token]} for token in more]
    assert refused(store, external_id="a", **item) == ["BAD_PUSH_TOKEN_IMPORT"]
    assert refused(store, push_token_import=True) == ["BAD_PUSH_TOKEN_IMPORT"]
