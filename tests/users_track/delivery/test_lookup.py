"""What an answer of /users/export/ids says, and what it does not say."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeServerError
from airflow_provider_braze.users_track.batching.merge_window import ProfileObject
from airflow_provider_braze.users_track.delivery import lookup
from airflow_provider_braze.users_track.delivery.confirming import UNCLEAR
from airflow_provider_braze.users_track.delivery.lookup import known_users
from airflow_provider_braze.users_track.records import RecordReference
from tests.users_track.answering import Answering, http
from tests.users_track.pushing import people, run, workspace


def test_external_ids_and_aliases_are_known() -> None:
    alias = {"alias_name": "a", "alias_label": "crm"}
    found = known_users({"users": [{"external_id": "U1", "user_aliases": [alias]}, {"braze_id": "x"}]})
    assert found == {("external_id", "U1"), ("user_alias", "a", "crm")}


@pytest.mark.parametrize(
    "users",
    [
        None,
        7,
        {},
        "U1",
        [None, 7, "U1"],
        [{"external_id": ["U1"]}],
        [{"user_aliases": 7}],
        [{"user_aliases": [7, {}]}],
    ],
)
def test_what_is_no_profile_is_none(users: Any) -> None:
    assert known_users({"users": users}) == set()


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"message": "success"},
        {"users": None},
        {"users": {"U1": 1}},
        [],
        b"<html>",
        {"users": [], "message": "failure"},
        {"users": [], "message": ["success"]},
        {"users": [], "message": "success", "error": "no"},
        {"users": [], "message": "success", "errors": ["no"]},
    ],
)
def test_an_answer_without_profiles_does_not_make_users_unknown(
    monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(lookup, "_FIRST_BACKOFF", 0.001)
    with Answering(lambda _: http(200, answer)) as server:
        pushed = run(people(3), workspace(server.url), confirm=True)
    assert isinstance(pushed.error, BrazeServerError)
    assert (pushed["not_sent"], pushed["not_found"]) == (3, 0)


@pytest.mark.parametrize("more", [{}, {"message": "SUCCESS", "error": None}], ids=str)
def test_those_whom_a_success_names_are_not_found(more: dict[str, Any]) -> None:
    answer = {"users": [], "invalid_user_ids": ["u000000", "u000001", "u000002"], **more}
    with Answering(lambda _: http(201, answer)) as server:
        assert run(people(3), workspace(server.url), confirm=True).counts == {"not_found": 3}


@pytest.mark.parametrize(
    "named", [{}, {"invalid_user_ids": None}, {"invalid_user_ids": [" u000001", {}, True]}], ids=str
)
def test_of_whom_nothing_is_said_nothing_is_claimed(named: dict[str, Any]) -> None:
    answer = {"users": [{"external_id": "u000000"}], "message": "success", **named}
    with Answering(lambda _: http(201, answer)) as server:
        pushed = run(people(3), workspace(server.url), confirm=True)
        assert server.requests == 2
    assert pushed.error is None
    assert pushed.counts == {"accepted": 1, "not_sent": 2}
    assert list(pushed.ledger.reasons) == [UNCLEAR]


def test_an_alias_that_is_not_listed_is_not_found() -> None:
    """Braze names external ids that match nobody; that it would name an alias stands nowhere."""
    content = {"user_alias": {"alias_name": "a", "alias_label": "crm"}, "x": 1}
    item = ProfileObject("attributes", ("user_alias", "a", "crm"), content, [RecordReference.of(2, ["a"])])
    with Answering(lambda _: http(201, {"users": [], "message": "success"})) as server:
        assert run([item], workspace(server.url), confirm=True).counts == {"not_found": 1}
