"""The hook's calls of Cloud Data Ingestion, against the sandbox over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_braze.exceptions import (
    BrazePermissionError,
    BrazeRateLimitError,
    BrazeRefusedError,
    BrazeServerError,
    BrazeSetupError,
    BrazeSyncInProgressError,
    BrazeUnreachableError,
)
from airflow_provider_braze.hooks import cdi as module
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.hooks.cdi import next_cursor
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> BrazeHook:
    connect(monkeypatch, sandbox)
    monkeypatch.setattr(module, "PER_MINUTE", dict.fromkeys(module.PER_MINUTE, 60_000))
    monkeypatch.setattr(module, "_limiters", {})
    return BrazeHook()


def past(number: int) -> dict[str, Any]:
    return {
        "job_status": "success",
        "sync_start_time": f"2026-01-01T00:{number:02}:00Z",
        "rows_synced": number,
    }


@pytest.mark.parametrize("count", [0, 1, 10, 11, 35])
def test_syncs_come_page_by_page(hook: BrazeHook, sandbox: SandboxProcess, count: int) -> None:
    sandbox.put_cdi(**{ID: {"syncs": [past(number) for number in range(count)]}})

    assert [each["rows_synced"] for each in hook.list_cdi_syncs(ID)] == [*reversed(range(count))]
    assert sandbox.stats()["requests"] == max(1, -(-count // 10))


def test_integrations_come_page_by_page(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    ids = [f"11111111-2222-3333-4444-{number:012}" for number in range(23)]
    sandbox.put_cdi(**{each: {} for each in ids})

    assert [each["integration_id"] for each in hook.list_cdi_integrations()] == ids


def test_a_start_says_nothing_and_another_is_in_progress(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {}})

    assert hook.start_cdi_sync(ID) is None
    with pytest.raises(BrazeSyncInProgressError, match="Another job"):
        hook.start_cdi_sync(ID)
    sandbox.fault(status=429)
    with pytest.raises(BrazeRateLimitError) as raised:
        hook.start_cdi_sync(ID)
    assert not isinstance(raised.value, BrazeSyncInProgressError)


def test_a_start_whose_connection_breaks_is_made_but_once(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {"next": [{"running_for": 0}]}})
    # So that there is a connection to be reused.
    list(hook.list_cdi_syncs(ID))
    sandbox.reset_stats()
    sandbox.fault(kind="drop", processed=True)

    with pytest.raises(BrazeUnreachableError):
        hook.start_cdi_sync(ID)
    assert sandbox.stats()["requests"] == 1


@pytest.mark.parametrize("wrong", ["", " ", None, 7, "a/b", "..", "x?y"])
def test_what_can_be_no_id_is_said_before_any_request(
    hook: BrazeHook, sandbox: SandboxProcess, wrong: Any
) -> None:
    for call in (hook.list_cdi_syncs, hook.start_cdi_sync, hook.newest_cdi_syncs):
        with pytest.raises(BrazeSetupError, match="integration_id must be"):
            call(wrong)
    assert sandbox.stats()["requests"] == 0


def test_an_integration_that_is_not_there(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    for identifier in (ID, "nope"):
        with pytest.raises(BrazeRefusedError):
            hook.start_cdi_sync(identifier)
        with pytest.raises(BrazeRefusedError):
            list(hook.list_cdi_syncs(identifier))


def test_each_needs_a_permission_of_its_own(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox, key=sandbox.track_only_key)
    hook = BrazeHook()

    for call in (
        hook.list_cdi_integrations,
        lambda: hook.list_cdi_syncs(ID),
        lambda: hook.start_cdi_sync(ID),
    ):
        with pytest.raises(BrazePermissionError):
            list(call() or ())


def test_an_answer_without_results_is_no_empty_list(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.fault(status=200, text='{"message": "success"}')

    with pytest.raises(BrazeServerError, match="without a list"):
        list(hook.list_cdi_syncs(ID))


def test_a_hundred_looks_a_minute_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_limiters", {})
    # 100 a minute are 5 in three seconds; another hook of this process counts for the same workspace.
    with SandboxProcess("--limit", "cdi_status=5/3") as sandbox:
        connect(monkeypatch, sandbox)
        sandbox.put_cdi(**{ID: {}})
        for _ in range(9):
            list(BrazeHook().list_cdi_syncs(ID))
        assert sandbox.stats()["by_status"] == {"200": 9}


@pytest.mark.parametrize("headers", ["epoch", "seconds"])
def test_what_braze_says_is_left_counts_more_than_the_own_pace(
    monkeypatch: pytest.MonkeyPatch, headers: str
) -> None:
    # As where other processes have asked as well.
    monkeypatch.setattr(module, "PER_MINUTE", dict.fromkeys(module.PER_MINUTE, 60_000))
    monkeypatch.setattr(module, "_limiters", {})
    with SandboxProcess("--limit", "cdi_status=2/3", "--rate-headers", headers) as sandbox:
        connect(monkeypatch, sandbox)
        sandbox.put_cdi(**{ID: {}})
        for _ in range(5):
            list(BrazeHook().list_cdi_syncs(ID))
        assert sandbox.stats()["by_status"] == {"200": 5}


def test_an_order_to_wait_for_long_is_handed_on_and_kept(hook: BrazeHook, sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {}})
    sandbox.fault(status=429, retry_after=600)
    for asked in (1, 1):
        with pytest.raises(BrazeRateLimitError) as raised:
            hook.start_cdi_sync(ID)
        assert 590 < (raised.value.retry_after or 0) <= 661
        assert sandbox.stats()["requests"] == asked


@pytest.mark.parametrize(
    ("links", "cursor"),
    [
        ("", None),
        ('</cdi/integrations/a/job_sync_status?cursor=c2tpcDow>; rel="prev"', None),
        (
            '</cdi/integrations/a/job_sync_status?cursor=c2tpcDow>; rel="prev",'
            '</cdi/integrationsa/job_sync_status?cursor=c2tpcDoxMDA=>; rel="next"',
            "c2tpcDoxMDA=",
        ),
        ("<https://rest.iad-01.braze.com/x?a=b&cursor=c2tp%3D+x>; title=z; rel=next", "c2tp=+x"),
        ("<x?cursor=>; rel=next", None),
        ("nonsense", None),
    ],
)
def test_the_cursor_of_the_next_page(links: str, cursor: str | None) -> None:
    assert next_cursor(links) == cursor
