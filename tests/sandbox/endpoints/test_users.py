"""The sandbox's answers about users, as Braze's pages give them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.raw import post
from tests.sandbox_process import SandboxProcess


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/users/delete", {"external_ids": ["a"], "braze_ids": ["b"]}, "Only one of"),
        ("/users/delete", {"external_ids": ["a"] * 51}, "The max number of ids per request was exceeded"),
        ("/users/delete", {"email_addresses": [{"email": "a@example.com"}]}, "'prioritization' is required"),
        ("/users/merge", {"merge_updates": {}}, "'merge_updates' must be an array of objects"),
        ("/users/merge", {"merge_updates": [{}] * 51}, "may not contain more than 50 merge updates"),
        ("/users/merge", {"merge_updates": [{"identifier_to_keep": {}}]}, "'merge_updates' must only have"),
        ("/users/alias/new", {"user_aliases": [{}] * 51}, "The max number of ids"),
        ("/v2/subscription/status/set", {"subscription_groups": []}, "must be an array"),
        (
            "/v2/subscription/status/set",
            {
                "subscription_groups": [
                    {
                        "subscription_group_id": "g",
                        "subscription_state": "subscribed",
                        "emails": ["a@example.com"],
                        "phones": ["+1"],
                    }
                ]
            },
            "cannot include both",
        ),
    ],
)
def test_a_bad_request_is_refused_whole(
    sandbox: SandboxProcess, path: str, body: dict[str, Any], said: str
) -> None:
    reply = post(sandbox, path, body)

    assert reply.status == 400
    assert said in reply.json["message"]


def test_an_alias_for_nobody_is_processed_and_makes_nobody(sandbox: SandboxProcess) -> None:
    alias = {"external_id": "nobody", "alias_name": "a", "alias_label": "l"}

    assert post(sandbox, "/users/alias/new", {"user_aliases": [alias]}).json["aliases_processed"] == 1
    assert sandbox.all_profiles() == []


def test_several_who_match_are_left_alone(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(
        {"braze_id": "a", "email": "x@example.com"}, {"braze_id": "b", "email": "x@example.com"}
    )
    who = {"email": "x@example.com", "prioritization": ["unidentified"]}
    post(sandbox, "/users/delete", {"email_addresses": [who]})
    assert len(sandbox.all_profiles()) == 2

    who["prioritization"] = ["unidentified", "most_recently_updated"]
    post(sandbox, "/users/delete", {"email_addresses": [who]})
    assert [each["braze_id"] for each in sandbox.all_profiles()] == ["a"]


def test_one_with_the_same_label_is_not_combined(sandbox: SandboxProcess) -> None:
    alias = {"alias_name": "a", "alias_label": "l"}
    sandbox.put_profiles(
        {"user_aliases": [alias]},
        {"external_id": "P1", "user_aliases": [{**alias, "alias_name": "b"}]},
    )
    post(sandbox, "/users/identify", {"aliases_to_identify": [{"external_id": "P1", "user_alias": alias}]})
    assert len(sandbox.all_profiles()) == 2


def test_merges_of_one_request_in_a_chain(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles([{"external_id": name} for name in "abc"])
    pairs = [("a", "b"), ("a", "c")]
    body = [
        {"identifier_to_merge": {"external_id": one}, "identifier_to_keep": {"external_id": other}}
        for one, other in pairs
    ]
    assert post(sandbox, "/users/merge", {"merge_updates": body}).status == 202
    assert set(sandbox.profiles()) == {"b", "c"}
