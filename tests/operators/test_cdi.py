"""``BrazeCdiSyncOperator`` against the sandbox over HTTP: the right run, whatever the clocks, and no second one."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import (
    BrazeServerError,
    BrazeSetupError,
    BrazeSyncError,
    BrazeSyncTimeoutError,
    BrazeUnreachableError,
)
from airflow_provider_braze.hooks import cdi as hook_module
from airflow_provider_braze.operators.cdi import STATE_KEY, BrazeCdiSyncOperator
from airflow_provider_braze.sensors.cdi import BrazeCdiSyncSensor
from airflow_provider_braze.triggers.cdi import BrazeCdiSyncTrigger
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred  # type: ignore[attr-defined,no-redef]

ID = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)
    # The limit has tests of its own.
    monkeypatch.setattr(hook_module, "PER_MINUTE", dict.fromkeys(hook_module.PER_MINUTE, 60_000))
    monkeypatch.setattr(hook_module, "_limiters", {})


class Store(dict[str, Any]):
    """The task state store of one task instance."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Ti:
    def __init__(self, try_number: int = 1) -> None:
        self.try_number = try_number
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


def past(number: int, **more: Any) -> dict[str, Any]:
    hour = f"2026-03-{number:02}T10:00"
    return {
        "job_status": "success",
        "sync_start_time": f"{hour}:00.000Z",
        "sync_finish_time": f"{hour}:30.000Z",
        "rows_synced": number,
        "rows_failed_with_errors": 0,
        **more,
    }


def running(**plan: Any) -> dict[str, Any]:
    """A sync that somebody else has started."""
    return past(28, job_status="running", sync_finish_time=None, plan=plan)


def operator(**given: Any) -> BrazeCdiSyncOperator:
    return BrazeCdiSyncOperator(
        **{"task_id": "sync", "integration_id": ID, "poll_interval": 0, "deferrable": False} | given
    )


def executed(context: Any = None, **given: Any) -> dict[str, Any]:
    return through_deferrals(operator(**given), context if context is not None else {"ti": Ti()})


def through_deferrals(task: BrazeCdiSyncOperator, context: Any) -> dict[str, Any]:
    """Execute as Airflow does: the trigger runs elsewhere, from what it was serialized to."""
    call: Any = partial(task.execute, context)
    while True:
        try:
            found: dict[str, Any] = call()
            return found
        except TaskDeferred as deferred:
            _, kwargs = deferred.trigger.serialize()
            event = fired(BrazeCdiSyncTrigger(**json.loads(json.dumps(kwargs))))
            again = json.loads(json.dumps(deferred.kwargs))
            call = partial(getattr(task, deferred.method_name), context, event=event, **again)


def fired(trigger: BrazeCdiSyncTrigger) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        return (await asyncio.wait_for(anext(trigger.run()), 60)).payload

    found: dict[str, Any] = json.loads(json.dumps(asyncio.run(first())))
    return found


DEFERRABLE = pytest.mark.parametrize("deferrable", [False, True])


@DEFERRABLE
@pytest.mark.parametrize("clock_offset", [0, -7 * 3600, 9 * 3600])
@pytest.mark.parametrize("oldest_first", [False, True])
@pytest.mark.parametrize("before", [0, 1, 10, 25])
def test_the_run_that_was_started_is_the_one_that_is_waited_for(
    sandbox: SandboxProcess, deferrable: bool, clock_offset: float, oldest_first: bool, before: int
) -> None:
    sandbox.put_cdi(
        **{
            ID: {
                "syncs": [past(number + 1) for number in range(before)],
                "next": [{"rows_synced": 120, "running_for": 2, "listed_after": 1}],
                "clock_offset": clock_offset,
                "oldest_first": oldest_first,
            }
        }
    )

    found = executed(deferrable=deferrable)

    assert (found["job_status"], found["rows_synced"], found["integration_id"]) == ("success", 120, ID)
    syncs = sandbox.syncs(ID)
    assert len(syncs) == before + 1
    assert found["sync_start_time"] == syncs[-1]["sync_start_time"]


@DEFERRABLE
@pytest.mark.parametrize("status", ["partial", "error", "config_error"])
def test_a_bad_end_fails_with_the_counts(sandbox: SandboxProcess, deferrable: bool, status: str) -> None:
    plan = {"job_status": status, "rows_synced": 7, "rows_failed_with_errors": 3}
    sandbox.put_cdi(**{ID: {"next": [plan]}})

    error = BrazeSyncError if status == "error" else AirflowFailException
    ti = Ti()
    with pytest.raises(error, match=f"ended with {status}: .*7 synced, 3 failed"):
        executed({"ti": ti}, deferrable=deferrable)
    assert (ti.xcoms["report"]["job_status"], ti.xcoms["report"]["rows_synced"]) == (status, 7)


@DEFERRABLE
def test_another_job_is_waited_for(sandbox: SandboxProcess, deferrable: bool) -> None:
    sandbox.put_cdi(
        **{ID: {"syncs": [past(1), running(running_for=2, rows_synced=1)], "next": [{"rows_synced": 2}]}}
    )

    assert executed(deferrable=deferrable)["rows_synced"] == 2
    assert [each["rows_synced"] for each in sandbox.syncs(ID)] == [1, 1, 2]


@DEFERRABLE
def test_another_job_is_joined(sandbox: SandboxProcess, deferrable: bool) -> None:
    sandbox.put_cdi(**{ID: {"syncs": [past(1), running(running_for=3, rows_synced=5)]}})

    assert executed(deferrable=deferrable, if_running="join")["rows_synced"] == 5
    assert len(sandbox.syncs(ID)) == 2


@DEFERRABLE
@pytest.mark.parametrize("clock_offset", [0, -7 * 3600])
def test_one_that_slipped_in_before_the_start_is_not_taken_for_ours(
    sandbox: SandboxProcess, deferrable: bool, clock_offset: float
) -> None:
    plan = {"rows_synced": 2, "running_for": 3, "slipped_in": {"rows_synced": 99}}
    sandbox.put_cdi(**{ID: {"syncs": [past(1)], "next": [plan], "clock_offset": clock_offset}})

    found = executed(deferrable=deferrable)

    assert (found["rows_synced"], found["ambiguous"]) == (2, True)
    assert [each["rows_synced"] for each in found["candidates"]] == [99, 2]


def test_where_no_look_could_tell_them_apart_all_are_named(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(
        **{ID: {"syncs": [past(1)], "next": [{"rows_synced": 2, "slipped_in": {"rows_synced": 99}}]}}
    )
    started = executed(wait=False)["started_after"]

    sensor = BrazeCdiSyncSensor(task_id="wait", integration_id=ID, started_after=started, poke_interval=0.01)
    found = sensor.execute({})

    assert found["ambiguous"]
    assert [each["rows_synced"] for each in found["candidates"]] == [99, None]


def test_where_one_sync_can_be_ours_nothing_is_said_of_others(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {"syncs": [past(1)]}})

    assert not {"ambiguous", "candidates"} & executed().keys()


def test_starts_of_other_processes_are_waited_out(sandbox: SandboxProcess) -> None:
    # More refusals than a call that meets trouble has tries: what others ask of Braze is no trouble.
    sandbox.put_cdi(**{ID: {}})
    sandbox.fault(status=429, retry_after=0, count=7, path=f"/cdi/integrations/{ID}/sync")

    executed(wait=False)
    assert len(sandbox.syncs(ID)) == 1
    assert sandbox.stats()["by_status"]["429"] == 7


def test_without_waiting_it_says_after_what_it_was_started(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {"syncs": [past(1)]}})

    found = executed(wait=False)

    assert (found["job_status"], found["integration_id"]) == ("started", ID)
    assert found["started_after"] == {"newest": past(1)["sync_start_time"], "count": 1}
    assert len(sandbox.syncs(ID)) == 2


# --- kills --------------------------------------------------------------------------------------------------------


class KilledError(BaseException):
    """What nothing catches, as a kill is."""


@DEFERRABLE
@pytest.mark.parametrize("moment", ["before_start", "after_start", "while_waiting"])
def test_a_retry_after_a_kill_starts_no_second_sync(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, deferrable: bool, moment: str
) -> None:
    sandbox.put_cdi(
        **{ID: {"syncs": [past(1)], "next": [{"rows_synced": 9, "running_for": 4, "listed_after": 1}]}}
    )
    start = hook_module.CdiCalls.start_cdi_sync

    def killed(hook: Any, integration_id: str) -> None:
        if moment == "after_start":
            start(hook, integration_id)
        raise KilledError

    store = Store()
    with monkeypatch.context() as patch:
        if moment == "while_waiting":
            patch.setattr(
                "airflow_provider_braze.operators.cdi.look", lambda *_: (_ for _ in ()).throw(KilledError)
            )
        else:
            patch.setattr(hook_module.CdiCalls, "start_cdi_sync", killed)
        with pytest.raises(KilledError):
            executed({"ti": Ti(), "task_state_store": store}, deferrable=deferrable)
    assert STATE_KEY in store

    found = executed({"ti": Ti(2), "task_state_store": store}, deferrable=deferrable)

    assert found["rows_synced"] == 9
    assert len(sandbox.syncs(ID)) == 2
    assert STATE_KEY not in store


def test_a_lost_answer_of_the_start_starts_no_second_sync(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {"next": [{"rows_synced": 4, "running_for": 9, "listed_after": 2}]}})
    sandbox.fault(kind="drop", processed=True, path=f"/cdi/integrations/{ID}/sync")

    found = executed()

    # Whether it is the one that was lost, or somebody else's, nobody can tell.
    assert (found["rows_synced"], found["ambiguous"], len(found["candidates"])) == (4, True, 1)
    assert len(sandbox.syncs(ID)) == 1


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"kind": "drop"}, {"status": 429, "retry_after": 0}], ids=str
)
def test_a_start_that_did_not_arrive_is_made_again(sandbox: SandboxProcess, fault: dict[str, Any]) -> None:
    sandbox.put_cdi(**{ID: {"next": [{"rows_synced": 4}]}})
    sandbox.fault(path=f"/cdi/integrations/{ID}/sync", **fault)

    assert executed()["rows_synced"] == 4
    assert len(sandbox.syncs(ID)) == 1


@pytest.mark.parametrize(
    ("fault", "error"), [({"status": 500}, BrazeServerError), ({"kind": "drop"}, BrazeUnreachableError)]
)
def test_a_start_that_never_arrives_fails_and_may_be_retried(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, fault: dict[str, Any], error: type[Exception]
) -> None:
    monkeypatch.setattr("airflow_provider_braze.operators.cdi.pause_after", lambda *_: 0.0)
    sandbox.put_cdi(**{ID: {"next": [{"rows_synced": 4}]}})
    sandbox.fault(path=f"/cdi/integrations/{ID}/sync", count=5, **fault)
    store = Store()

    with pytest.raises(error):
        executed({"ti": Ti(), "task_state_store": store})
    assert executed({"ti": Ti(2), "task_state_store": store})["rows_synced"] == 4
    assert len(sandbox.syncs(ID)) == 1


def test_a_retry_after_a_bad_end_starts_another(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {"next": [{"job_status": "error"}, {"rows_synced": 2}]}})
    store = Store()

    with pytest.raises(BrazeSyncError):
        executed({"ti": Ti(), "task_state_store": store})
    assert executed({"ti": Ti(2), "task_state_store": store})["rows_synced"] == 2


def test_what_was_kept_of_another_integration_means_nothing(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {}})
    store = Store()
    store.set(STATE_KEY, {"phase": "started", "before": {"newest": None, "count": 0}, "bound_to": ["x"]})

    executed({"ti": Ti(2), "task_state_store": store})
    assert len(sandbox.syncs(ID)) == 1


def test_where_nothing_is_kept_a_retry_waits_for_the_job_in_progress(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {"syncs": [past(1), running(running_for=3, rows_synced=6)]}})

    assert executed({"ti": Ti(2)})["rows_synced"] == 6
    assert len(sandbox.syncs(ID)) == 2


# --- trouble --------------------------------------------------------------------------------------------------------


@DEFERRABLE
def test_trouble_while_waiting_is_waited_out(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, deferrable: bool
) -> None:
    monkeypatch.setattr("airflow_provider_braze.hooks.calls._FIRST_PAUSE", 0.001)
    sandbox.put_cdi(**{ID: {"next": [{"rows_synced": 3, "running_for": 3}]}})
    path = f"/cdi/integrations/{ID}/job_sync_status"
    sandbox.faults(*[{"status": 500, "path": path, "after": 2 * (not n)} for n in range(12)])

    assert executed(deferrable=deferrable)["rows_synced"] == 3


@DEFERRABLE
def test_a_timeout_fails_and_a_retry_waits_for_the_same_sync(
    sandbox: SandboxProcess, deferrable: bool
) -> None:
    sandbox.put_cdi(**{ID: {"next": [{"rows_synced": 3, "running_for": 4}]}})
    store = Store()

    with pytest.raises(BrazeSyncTimeoutError, match="has not ended within the task's timeout"):
        executed({"ti": Ti(), "task_state_store": store}, deferrable=deferrable, timeout=0)
    assert executed({"ti": Ti(2), "task_state_store": store}, deferrable=deferrable)["rows_synced"] == 3
    assert len(sandbox.syncs(ID)) == 1


@DEFERRABLE
def test_another_job_that_does_not_end_in_time_is_a_matter_of_retries(
    sandbox: SandboxProcess, deferrable: bool
) -> None:
    """In the triggerer, it failed for good with words about ``started_after``, which nobody had given."""
    sandbox.put_cdi(**{ID: {"syncs": [past(1), running(running_for=10_000)]}})

    with pytest.raises(BrazeSyncTimeoutError, match="until the task's timeout, or"):
        executed(deferrable=deferrable, timeout=0.1)
    assert len(sandbox.syncs(ID)) == 2


@DEFERRABLE
def test_what_fails_while_another_job_is_waited_for_is_said(
    sandbox: SandboxProcess, deferrable: bool
) -> None:
    sandbox.put_cdi(**{ID: {"syncs": [past(1), running(running_for=10_000)]}})
    sandbox.faults({"status": 401, "path": f"/cdi/integrations/{ID}/job_sync_status", "after": 2})

    with pytest.raises(AirflowFailException, match="401"):
        executed(deferrable=deferrable)


@pytest.mark.parametrize("identifier", ["nope", "99999999-2222-3333-4444-555555555555"])
def test_an_integration_that_is_not_there_is_no_matter_of_retries(
    sandbox: SandboxProcess, identifier: str
) -> None:
    with pytest.raises(AirflowFailException):
        executed(integration_id=identifier)


def test_of_an_integration_that_is_not_there_it_says_so(sandbox: SandboxProcess) -> None:
    unknown = "99999999-2222-3333-4444-555555555555"
    with pytest.raises(
        AirflowFailException, match=f"Braze knows no CDI integration {unknown} in this workspace"
    ):
        executed(integration_id=unknown)


def test_text_may_say_whether_to_defer() -> None:
    assert operator(deferrable="False").deferrable is False


def test_a_key_without_the_permission_fails_at_once(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    connect(monkeypatch, sandbox, key=sandbox.track_only_key)
    sandbox.put_cdi(**{ID: {}})

    with pytest.raises(AirflowFailException, match="403"):
        executed()
    assert sandbox.syncs(ID) == []


# --- what an author writes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"integration_id": ""}, "integration_id must be the id"),
        ({"integration_id": "a/b"}, "integration_id must be the id"),
        ({"integration_id": None}, "integration_id must be the id"),
        ({"if_running": "kill"}, "if_running must be wait or join"),
        ({"wait": "maybe"}, "wait must be true or false"),
        ({"deferrable": "maybe"}, "deferrable must be true or false"),
        ({"deferrable": "{{ params.later }}"}, "deferrable must be true or false"),
        ({"integration_id": "None"}, "integration_id must be the id"),
        ({"poll_interval": "often"}, "poll_interval must be a number"),
        ({"timeout": -1}, "timeout must be a number"),
        ({"braze_conn_id": 7}, "braze_conn_id must be text"),
    ],
)
def test_a_wrong_literal_fails_when_the_dag_is_parsed(given: dict[str, Any], said: str) -> None:
    with DAG("wrong", schedule=None), pytest.raises(BrazeSetupError, match=said):
        operator(**given)


def test_templates_and_durations(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {"syncs": [past(1), running(running_for=3, rows_synced=5)]}})
    task = operator(
        integration_id="{{ params.id }}",
        if_running="{{ params.if_running }}",
        wait="{{ params.wait }}",
        poll_interval=timedelta(0),
        timeout="{{ params.timeout }}",
    )
    task.render_template_fields({"params": {"id": ID, "if_running": "join", "wait": True, "timeout": None}})
    assert through_deferrals(task, {"ti": Ti()})["rows_synced"] == 5
