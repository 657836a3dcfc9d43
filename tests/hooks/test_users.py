"""The hook's single requests about users, against the sandbox over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

from airflow_provider_braze.exceptions import BrazePermissionError, BrazeRefusedError, BrazeSetupError
from airflow_provider_braze.hooks.braze import BrazeHook
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

ALIAS = {"alias_name": "ann", "alias_label": "shop"}
RENAME = {"alias_label": "shop", "old_alias_name": "ann", "new_alias_name": "anna"}
MERGE = {"identifier_to_merge": {"external_id": "a"}, "identifier_to_keep": {"external_id": "b"}}

CALLS: dict[str, tuple[Callable[[BrazeHook], dict[str, Any]], dict[str, Any]]] = {
    "/users/delete": (lambda hook: hook.delete_users(external_ids=["a", "b"]), {"deleted": 2}),
    "/users/identify": (
        lambda hook: hook.identify_users(aliases_to_identify=[{"external_id": "a", "user_alias": ALIAS}]),
        {"aliases_processed": 1},
    ),
    "/users/alias/new": (lambda hook: hook.new_user_aliases([ALIAS]), {"aliases_processed": 1}),
    "/users/alias/update": (lambda hook: hook.update_user_aliases([RENAME]), {}),
    "/users/merge": (lambda hook: hook.merge_users([MERGE]), {}),
    "/v2/subscription/status/set": (
        lambda hook: hook.set_subscription_status("g", "subscribed", emails=["a@example.com"]),
        {},
    ),
}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> BrazeHook:
    connect(monkeypatch, sandbox)
    return BrazeHook()


@pytest.mark.parametrize("path", CALLS)
def test_one_request_and_brazes_answer(hook: BrazeHook, sandbox: SandboxProcess, path: str) -> None:
    call, answered = CALLS[path]

    assert call(hook) == {**answered, "message": "success"}
    assert sandbox.stats()["by_path"] == {path: 1}


@pytest.mark.parametrize("path", CALLS)
def test_nothing_is_sent_twice(hook: BrazeHook, sandbox: SandboxProcess, path: str) -> None:
    sandbox.fault(status=400, count=9)

    with pytest.raises(BrazeRefusedError):
        CALLS[path][0](hook)
    assert sandbox.stats()["requests"] == 1


@pytest.mark.parametrize("path", CALLS)
def test_each_needs_a_permission_of_its_own(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, path: str
) -> None:
    connect(monkeypatch, sandbox, key=sandbox.track_only_key)

    with pytest.raises(BrazePermissionError):
        CALLS[path][0](BrazeHook())


def test_what_cannot_be_one_request_is_said_before_it(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    for call, said in (
        (lambda: hook.delete_users(), "exactly one of external_ids, user_aliases"),
        (lambda: hook.delete_users(external_ids=["a"], braze_ids=["b"]), "exactly one of"),
        (lambda: hook.delete_users(external_ids=["a"] * 51), "at most 50, not 51; BrazeUsersOperator"),
        (lambda: hook.delete_users(external_ids="abc"), "must be a list, not str"),
        (lambda: hook.export_users(external_ids="abc"), "external_ids must be a list, not str"),
        (
            lambda: hook.export_users(user_aliases={"alias_name": "a"}),
            "user_aliases must be a list, not dict",
        ),
        (
            lambda: hook.export_users(["a"], fields_to_export="email"),
            "fields_to_export must be a list, not str",
        ),
        (lambda: hook.track_users(attributes={"external_id": "a"}), "attributes must be a list, not dict"),
        (lambda: hook.track_users(events="abc"), "events must be a list, not str"),
        (lambda: hook.track_users(attributes=5), "attributes must be a list, not int"),
        (lambda: hook.delete_users(external_ids=5), "external_ids must be a list, not int"),
        (lambda: hook.delete_users(external_ids=iter(())), "exactly one of external_ids"),
        (lambda: hook.merge_users([]), "exactly one of merge_updates"),
        (lambda: hook.set_subscription_status("g", "on", emails=["a"]), "must be subscribed or unsubscribed"),
        (
            lambda: hook.set_subscription_status("", "subscribed", emails=["a"]),
            "subscription_group_id must be",
        ),
    ):
        with pytest.raises(BrazeSetupError, match=said):
            call()
    assert sandbox.stats()["requests"] == 0


NAN = float("nan")
NO_TEXT = "is neither text nor a whole number"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda hook: hook.delete_users(external_ids=["a", 1001.0]),
            rf"external_ids\[1\] .*external_id {NO_TEXT}",
        ),
        (lambda hook: hook.delete_users(external_ids=[NAN]), r"external_ids\[0\] .*infinite or not a number"),
        (lambda hook: hook.delete_users(external_ids=[None]), "no external_id"),
        (lambda hook: hook.delete_users(external_ids=[{"external_id": "a"}]), f"external_id {NO_TEXT}"),
        (
            lambda hook: hook.delete_users(user_aliases=["a"]),
            "a dict with alias_name and alias_label, not str",
        ),
        (lambda hook: hook.delete_users(user_aliases=[{"email": "a@example.com"}]), "needs prioritization"),
        (lambda hook: hook.delete_users(email_addresses=[{"external_id": "a"}]), "none of email_addresses"),
        (lambda hook: hook.new_user_aliases([{"alias_name": "a"}]), "no alias_label"),
        (lambda hook: hook.new_user_aliases([{**ALIAS, "external_id": NAN}]), "infinite or not a number"),
        (lambda hook: hook.update_user_aliases([["a"]]), "it must be a dict, not list"),
        (
            lambda hook: hook.merge_users([{"identifier_to_merge": {"external_id": "a"}}]),
            "no identifier_to_keep",
        ),
        (
            lambda hook: hook.set_subscription_status("g", "subscribed", emails=[NAN]),
            r"emails\[0\] .*infinite or not a number",
        ),
        (
            lambda hook: hook.set_subscription_status("g", ["subscribed"], emails=["a"]),
            "must be subscribed or unsubscribed",
        ),
        (
            lambda hook: hook.export_users(user_aliases=["a"]),
            r"user_aliases\[0\] .*alias_name and alias_label",
        ),
        (lambda hook: hook.export_users(user_aliases=[{"alias_name": "a"}]), "no alias_label"),
        (lambda hook: hook.export_users([NAN]), r"external_ids\[0\] .*infinite or not a number"),
        (lambda hook: hook.export_users([1001.0]), f"external_id {NO_TEXT}"),
        (lambda hook: hook.export_users(email_address=["a", "b"]), "email_address must be a text"),
        (lambda hook: hook.export_users(phone=numpy.array(["1", "2"])), "phone must be a text"),
        (
            lambda hook: hook.track_users([{"external_id": 1001.0}]),
            rf"attributes\[0\] .*external_id {NO_TEXT}",
        ),
        (lambda hook: hook.track_users(events=[{"name": "chat"}]), r"events\[0\] .*no identifier"),
        (
            lambda hook: hook.track_users(purchases=[{"user_alias": {"alias_name": "a"}}]),
            r"purchases\[0\] .*a user_alias without alias_name or alias_label",
        ),
        (lambda hook: hook.track_users([{"external_id": "a"}], partner=5), "partner must be text"),
        (lambda hook: hook.run(5), "endpoint must be a path"),
        (lambda hook: hook.run("/x", {}, method=5), "method must be an HTTP method such as POST, not 5"),
        (lambda hook: hook.run("/x", {}, method="GET /y"), "method must be an HTTP method"),
        (lambda hook: hook.run("/x", 5), "data must be a dict, a list or text, not int"),
        (lambda hook: hook.run("/x", {}, {"X-Test": 5}), r"headers\['X-Test'\] must be text, not int"),
        (lambda hook: hook.run("/x", {}, {"X-Test": "a\r\nb: c"}), "made of headers, data: InvalidHeader"),
        (lambda hook: hook.run("/x", {}, params=5), "made of headers, params, data: TypeError"),
        (lambda hook: hook.run("/x", {}, extra_options=5), "extra_options must be a dict, not int"),
        (lambda hook: hook.list_campaigns(include_archived="no"), "include_archived must be true or false"),
    ],
)
def test_what_can_be_no_user_is_said_before_it(
    hook: BrazeHook, sandbox: SandboxProcess, call: Callable[[BrazeHook], Any], said: str
) -> None:
    """Of the id 1001 pandas makes 1001.0, who may be somebody else; and there is no way back from some of these."""
    with pytest.raises(BrazeSetupError, match=said):
        call(hook)
    assert sandbox.stats()["requests"] == 0


def test_push_tokens_of_nobody_known_are_sent(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    """Braze makes an anonymous profile for each."""
    row = {"push_token_import": True, "push_tokens": [{"app_id": "app", "token": "token-1"}]}
    hook.track_users([row])
    assert sandbox.requests()[-1]["body"]["attributes"] == [row]


def test_a_whole_number_is_the_text_of_it(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.put_profiles([{"external_id": "1001"}, {"external_id": "1002"}])
    assert hook.export_users([numpy.int64(1001)])["users"][0]["external_id"] == "1001"
    hook.delete_users(external_ids=numpy.array([1001]))
    assert set(sandbox.profiles()) == {"1002"}


def test_what_does_not_tell_whether_it_is_true_is_a_list_too(
    hook: BrazeHook, sandbox: SandboxProcess
) -> None:
    """Such as a column of a table."""
    sandbox.put_profiles([{"external_id": "P1"}, {"external_id": "P2"}])
    ids = numpy.array(["P1", "P2"])
    assert len(hook.export_users(ids, fields_to_export=["external_id"])["users"]) == 2
    assert hook.delete_users(external_ids=ids)["deleted"] == 2
