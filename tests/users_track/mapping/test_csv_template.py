"""Columns of Braze's own CSV template: aliases identify users, and consent is no custom attribute."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError, MappingError
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping, Identifier
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper

GROUP = "2b8f3e0a-5a5c-4f6e-9c0f-1f4f5f6a7b8c"


def mapped(record: dict[str, str], **mapping: Any) -> dict[str, Any]:
    mapper = Mapper(list(record), ExportMapping(**mapping), mode="upsert")
    _, profile = mapper.map([*record.values()])
    del profile["_update_existing_only"]
    return profile


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("user_alias_name", "user_alias_label"),
        ("User Alias Name", "USER_ALIAS_LABEL"),
        ("useralias-name", "user alias label"),
    ],
)
def test_an_alias_identifies_by_its_two_columns(name: str, label: str) -> None:
    record = {label: " crm", name: "C-17 ", "first_name": "Ann"}
    mapper = Mapper(list(record), ExportMapping(), mode="append")
    assert mapper.map([*record.values()]) == (
        ("user_alias", "C-17", "crm"),
        {
            "user_alias": {"alias_name": "C-17", "alias_label": "crm"},
            "_update_existing_only": True,
            "first_name": "Ann",
        },
    )
    assert mapper.trimmed == {name: 1, label: 1}


def test_other_columns_may_be_declared_as_an_alias() -> None:
    record = {"Customer": "C-17", "System": "crm"}
    alias = {"user_alias": {"alias_name": "C-17", "alias_label": "crm"}}
    declared = Identifier("customer", kind="user_alias", label_column="system")
    assert mapped(record, identifier=declared) == alias
    assert mapped(record, rename={"Customer": "user_alias_name", "System": "user_alias_label"}) == alias
    as_dict = {"column": "Customer", "kind": "user_alias", "label_column": "System"}
    assert ExportMapping.of(ExportMapping(identifier=as_dict).as_dict()) == ExportMapping(identifier=as_dict)


@pytest.mark.parametrize(
    ("name", "label", "column", "reason"),
    [
        ("", "crm", "user_alias_name", "empty identifier"),
        ("C-17", " ", "user_alias_label", "empty identifier"),
        ("C-17", "NULL", "user_alias_label", "a word for no value where the identifier belongs"),
        ("N/A", "crm", "user_alias_name", "a word for no value where the identifier belongs"),
        ("C-17", "x" * 237, "user_alias_label", "longer than 236 bytes"),
    ],
)
def test_half_an_alias_is_invalid(name: str, label: str, column: str, reason: str) -> None:
    with pytest.raises(BadRecordError) as caught:
        mapped({"user_alias_name": name, "user_alias_label": label})
    assert (caught.value.column, caught.value.reason) == (column, reason)


@pytest.mark.parametrize("state", ["subscribed", "unsubscribed"])
def test_a_subscription_group_comes_from_its_two_columns(state: str) -> None:
    record = {"external_id": "P1", "Subscription State": f"{state} ", "subscription_group_id": GROUP}
    assert mapped(record) == {
        "external_id": "P1",
        "subscription_groups": [{"subscription_group_id": GROUP, "subscription_state": state}],
    }


@pytest.mark.parametrize("extra_to", [None, "rpi_cdp_attributes"])
@pytest.mark.parametrize("empty", ["", " ", "\\N"])
def test_none_is_sent_where_both_cells_are_empty(empty: str, extra_to: str | None) -> None:
    record = {"external_id": "P1", "subscription_group_id": empty, "subscription_state": empty}
    assert mapped(record, null_token="\\N", extra_to=extra_to) == {"external_id": "P1"}


@pytest.mark.parametrize(
    ("group", "state"),
    [
        (GROUP, ""),
        ("", "subscribed"),
        ("news", "subscribed"),
        ("{" + GROUP + "}", "subscribed"),
        (GROUP.replace("-", ""), "subscribed"),
        (f"urn:uuid:{GROUP}", "subscribed"),
        (GROUP, "opted_in"),
        (GROUP, "yes"),
    ],
)
def test_what_braze_would_refuse_is_a_bad_value(group: str, state: str) -> None:
    record = {"external_id": "P1", "subscription_group_id": group, "subscription_state": state}
    with pytest.raises(BadRecordError, match=r"subscription_state: .*subscription_"):
        mapped(record)
    mapper = Mapper(list(record), ExportMapping(bad_values="omit"), mode="upsert")
    assert mapper.map([*record.values()])[1].keys() == {"external_id", "_update_existing_only"}
    assert mapper.omitted == {"subscription_state": 1}


@pytest.mark.parametrize(
    ("columns", "mapping", "message"),
    [
        (["external_id", "user_alias_name"], {}, "exactly one primary identifier is needed"),
        (
            ["external_id", "user_alias_name", "user_alias_label"],
            {},
            "exactly one primary identifier is needed",
        ),
        (["email", "user_alias_name", "user_alias_label"], {"identifier": "email"}, "exactly one primary"),
        (
            ["external_id", "user_alias_label"],
            {},
            "is the label of a user alias, which identifies nobody here",
        ),
        (["user_alias_name", "first_name"], {}, "add the column user_alias_label"),
        (
            ["user_alias_name", "user_alias_label"],
            {"identifier": {"column": "user_alias_name", "kind": "user_alias", "label": "crm"}},
            "give identifier a label_column",
        ),
        (
            ["user_alias_name", "System", "user_alias_label"],
            {"identifier": {"column": "user_alias_name", "kind": "user_alias", "label_column": "System"}},
            "are both labels of the alias",
        ),
        (["external_id", "subscription_state"], {}, "means nothing without subscription_group_id"),
        (["external_id", "subscription_group_id"], {}, "means nothing without subscription_state"),
        (
            ["external_id", "subscription_group_id", "subscription_state", "subscription_groups"],
            {},
            "'subscription_groups'",
        ),
        (["external_id", "subscription_state", "Subscription-State"], {}, "would both be subscription_state"),
        (["external_id", "email_subscription_state"], {}, "rename it to email_subscribe"),
        (["external_id", "Push Subscription"], {}, "rename it to push_subscribe"),
        (["external_id", "Push Subscription"], {"extra_to": None}, "rename it to push_subscribe"),
        (["external_id", "subscription_status"], {}, "rename it to subscription_state"),
        (
            ["external_id", "alias_name"],
            {},
            "'alias_name': rename or omit it. Braze's import calls it user_alias_name",
        ),
        (["external_id", "Alias.Label"], {}, "Braze's import calls it user_alias_label"),
        (["external_id", "user alias"], {"extra_to": None}, "Braze's import calls it user_alias_name"),
        (["external_id", "push_token_import"], {}, "cannot be the custom attribute 'push_token_import'"),
        (["external_id", "pushTokenImport"], {}, "cannot be the custom attribute 'pushtokenimport'"),
        (
            ["external_id", "subscription_group_id", "subscription_state"],
            {"types": {"subscription_state": "string"}},
            "tells identity or consent, so it takes no types",
        ),
    ],
)
def test_a_mistake_is_named(columns: list[str], mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(MappingError, match=message):
        Mapper(columns, ExportMapping(**mapping), mode="upsert")


@pytest.mark.parametrize(
    ("columns", "right"),
    [
        (
            "email_subscribed, Email Opt-In, emailOptIn, EMAIL_OPTED_OUT, is_subscribed_to_email, opt_in_email, "
            "email.consent, email_marketing_consent, Email Marketing Opt In, email_unsubscribed, mail_opt_in, "
            "email_subscription_flag, has_opted_in_to_email_marketing, do_not_email, email_permission",
            "email_subscribe",
        ),
        (
            "push_subscribed, push_opt_in, Push Notification Opt-In, mobile_push_opt_in_status, "
            "web_push_subscription_status, opted_in_push",
            "push_subscribe",
        ),
        (
            "sms_opt_in, SMS Subscribed, sms_consent, whatsapp_opt_in, opt_in_sms, sms_subscription_state",
            r"subscription_state \(beside subscription_group_id\)",
        ),
        ("sms_subscription_group_id", r"subscription_group_id \(beside subscription_state\)"),
        ("opt_in, Opted Out, unsubscribed, is_subscribed, optInStatus", "email_subscribe or push_subscribe"),
        ("aliasName, userAlias, braze_alias_name, alias-name", "user_alias_name"),
        ("AliasLabel", "user_alias_label"),
        ("external_user_id, braze_external_id", "external_id"),
        ("braze_user_id, appboy_id", "braze_id"),
        ("push_token", "push_tokens"),
    ],
)
@pytest.mark.parametrize("extra_to", [None, "rpi_cdp_attributes"])
def test_consent_and_identity_are_known_by_what_they_are_called(
    columns: str, right: str, extra_to: str | None
) -> None:
    for column in columns.split(", "):
        with pytest.raises(MappingError, match=f"{re.escape(repr(column))} tells .* rename it to {right} if"):
            Mapper(["external_id", column], ExportMapping(extra_to=extra_to), mode="upsert")
        mapping = ExportMapping(extra_to=extra_to, rename={column: "another_name"})
        assert Mapper(["external_id", column], mapping, mode="upsert").set_fields


@pytest.mark.parametrize(
    ("column", "right"),
    [("aliasName", "user_alias_name"), ("External User ID", "external_id"), ("braze_user_id", "braze_id")],
)
def test_where_nobody_is_identified_the_right_word_is_named(column: str, right: str) -> None:
    with pytest.raises(ExportRefusedError, match=f"If the column '{column}' is {right}, rename it to that"):
        Mapper([column, "first_name"], ExportMapping(), mode="upsert")


@pytest.mark.parametrize("name", ["email_opt_in", "smsConsent", "aliasName", "push_token"])
def test_what_is_something_else_may_keep_its_name(name: str) -> None:
    assert mapped({"external_id": "P1", name: "x"}, rename={name: name}, extra_to=None)[name] == "x"


@pytest.mark.parametrize(
    "columns",
    [
        "subscription_plan email_domain email_opt_in_date last_push_open push_count sms_count newsletter alias",
        "nickname consent_date subscription_type opt_in_date opt_in_source email_2 user_id device_id",
        "email_subscription_count gdpr_consent marketing_consent permission_level line_of_business push_button",
        "online_subscription",
    ],
)
def test_what_only_sounds_like_them_is_a_custom_attribute(columns: str) -> None:
    record = dict.fromkeys(columns.split(), "x")
    assert mapped({"external_id": "P1", **record})["rpi_cdp_attributes"] == record


def test_what_is_something_else_gets_another_name() -> None:
    record = {
        "external_id": "P1",
        "subscription_state": "gold",
        "user_alias_label": "x",
        "Push Subscription": "yes",
    }
    mapping = {
        "rename": {"subscription_state": "plan_state", "Push Subscription": "push_subscription"},
        "omit": ["user_alias_label"],
    }
    assert mapped(record, **mapping)["rpi_cdp_attributes"] == {
        "plan_state": "gold",
        "push_subscription": "yes",
    }


def test_standard_consent_fields_are_what_they_are() -> None:
    record = {"external_id": "P1", "Email Subscribe": "opted_in", "push-subscribe": "unsubscribed"}
    assert mapped(record) == {
        "external_id": "P1",
        "email_subscribe": "opted_in",
        "push_subscribe": "unsubscribed",
    }
