"""The hook's lists and details, against the sandbox over HTTP."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_braze.exceptions import (
    BrazePermissionError,
    BrazeRateLimitError,
    BrazeRefusedError,
    BrazeServerError,
    BrazeSetupError,
)
from airflow_provider_braze.hooks.braze import BrazeHook
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

LISTS = {
    "campaigns": BrazeHook.list_campaigns,
    "canvases": BrazeHook.list_canvases,
    "segments": BrazeHook.list_segments,
}
DETAILS = {
    "campaigns": BrazeHook.campaign_details,
    "canvases": BrazeHook.canvas_details,
    "segments": BrazeHook.segment_details,
}


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> BrazeHook:
    connect(monkeypatch, sandbox)
    return BrazeHook()


def entry(number: int, **more: Any) -> dict[str, Any]:
    edited = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)
    return {
        "id": f"id-{number}",
        "name": f"No. {number}",
        "last_edited": f"{edited:%Y-%m-%dT%H:%M:%S}",
        "description": "the details' own",
        **more,
    }


def ids(entries: Any) -> list[str]:
    return [each["id"] for each in entries]


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_a_list_goes_through_all_pages(
    hook: BrazeHook, sandbox: SandboxProcess, kind: str, count: int
) -> None:
    sandbox.put_messaging(**{kind: [entry(number) for number in range(count)]})

    assert ids(LISTS[kind](hook)) == [f"id-{number}" for number in range(count)]
    assert ids(LISTS[kind](hook, newest_first=True)) == [f"id-{number}" for number in reversed(range(count))]


def test_a_page_is_asked_for_when_it_is_needed(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.put_messaging(campaigns=[entry(number) for number in range(1000)])

    campaigns = hook.list_campaigns()
    assert sandbox.stats()["requests"] == 0
    assert len(list(itertools.islice(campaigns, 150))) == 150
    assert sandbox.stats()["by_path"] == {"/campaigns/list": 2}


@pytest.mark.parametrize("kind", ["campaigns", "canvases"])
def test_archived_ones_are_there_when_asked_for(hook: BrazeHook, sandbox: SandboxProcess, kind: str) -> None:
    sandbox.put_messaging(**{kind: [entry(1), entry(2, archived=True), entry(3)]})

    assert ids(LISTS[kind](hook)) == ["id-1", "id-3"]
    assert ids(LISTS[kind](hook, include_archived=True)) == ["id-1", "id-2", "id-3"]


@pytest.mark.parametrize(
    "since",
    [
        "2026-01-01T01:00:00",
        datetime(2026, 1, 1, 1),
        datetime(2026, 1, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=2))),
        "2026-01-01T03:00:00+02:00",
    ],
)
def test_only_those_that_were_edited_later(hook: BrazeHook, sandbox: SandboxProcess, since: Any) -> None:
    sandbox.put_messaging(campaigns=[entry(number) for number in range(4)])

    assert ids(hook.list_campaigns(edited_after=since)) == ["id-2", "id-3"]


def test_one_that_is_made_meanwhile_is_no_second_one(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.put_messaging(campaigns=[entry(number) for number in range(150)])
    campaigns = hook.list_campaigns(newest_first=True)
    first = list(itertools.islice(campaigns, 100))
    sandbox.put_messaging(campaigns=[entry(number) for number in range(151)])

    found = ids(first) + ids(campaigns)
    assert len(found) == len(set(found)) == 150


@pytest.mark.parametrize("kind", DETAILS)
def test_details_of_one(hook: BrazeHook, sandbox: SandboxProcess, kind: str) -> None:
    sandbox.put_messaging(**{kind: [entry(1), entry(2, channels=["email"])]})

    found = DETAILS[kind](hook, "id-2")
    assert (found["name"], found["channels"]) == ("No. 2", ["email"])
    assert "message" not in found
    with pytest.raises(BrazeRefusedError, match="400"):
        DETAILS[kind](hook, "id-9")
    for wrong in ("", " ", None, 7):
        with pytest.raises(BrazeSetupError, match="_id must be a text"):
            DETAILS[kind](hook, wrong)


def test_details_with_a_draft(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.put_messaging(campaigns=[entry(1)], canvases=[entry(1)])

    hook.campaign_details("id-1", draft=True)
    hook.canvas_details("id-1", draft=True)
    assert [each["query"] for each in sandbox.requests()] == [
        {"campaign_id": "id-1", "post_launch_draft_version": "true"},
        {"canvas_id": "id-1", "post_launch_draft_version": "true"},
    ]


@pytest.mark.parametrize("wrong", ["yesterday", 7, "", "2026-03-01+02:00"])
def test_a_wrong_time_is_said_before_the_first_request(
    hook: BrazeHook, sandbox: SandboxProcess, wrong: Any
) -> None:
    with pytest.raises(BrazeSetupError, match="edited_after must be a time"):
        hook.list_canvases(edited_after=wrong)
    assert sandbox.stats()["requests"] == 0


@pytest.mark.parametrize(
    "fault", [{"status": 429, "retry_after": 0}, {"status": 503}, {"kind": "drop"}], ids=str
)
def test_a_page_is_asked_for_again_where_that_helps(
    hook: BrazeHook, sandbox: SandboxProcess, fault: dict[str, Any]
) -> None:
    sandbox.put_messaging(segments=[entry(number) for number in range(150)])
    sandbox.fault(after=1, **fault)

    assert len(list(hook.list_segments())) == 150


def test_it_does_not_wait_for_an_hour(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.fault(status=429, count=9, retry_after=3600, rate_headers="seconds")

    with pytest.raises(BrazeRateLimitError) as raised:
        list(hook.list_campaigns())
    assert raised.value.retry_after == 3600
    assert sandbox.stats()["requests"] == 1


@pytest.mark.parametrize("text", ['{"message": "success"}', '{"campaigns": null}', "[]", "hello"])
def test_an_answer_without_a_list_is_no_end_of_it(
    hook: BrazeHook, sandbox: SandboxProcess, text: str
) -> None:
    sandbox.fault(status=200, text=text, count=9)

    with pytest.raises(BrazeServerError):
        list(hook.list_campaigns())


def test_a_key_needs_the_permission_of_each(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox, key=sandbox.track_only_key)

    for calls in (LISTS.values(), DETAILS.values()):
        for call in calls:
            with pytest.raises(BrazePermissionError):
                list(call(BrazeHook(), *["id-1"] * (call in DETAILS.values())))
