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


def test_what_does_not_tell_whether_it_is_true_is_a_list_too(
    hook: BrazeHook, sandbox: SandboxProcess
) -> None:
    """Such as a column of a table."""
    sandbox.put_profiles([{"external_id": "P1"}, {"external_id": "P2"}])
    ids = numpy.array(["P1", "P2"])
    assert len(hook.export_users(ids, fields_to_export=["external_id"])["users"]) == 2
    assert hook.delete_users(external_ids=ids)["deleted"] == 2
