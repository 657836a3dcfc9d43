"""``BrazeCdiSyncSensor`` against the sandbox over HTTP."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException, AirflowSensorTimeout
from airflow_provider_braze.exceptions import BrazeSetupError, BrazeSyncError
from airflow_provider_braze.hooks import cdi as hook_module
from airflow_provider_braze.operators.cdi import BrazeCdiSyncOperator
from airflow_provider_braze.sensors.cdi import BrazeCdiSyncSensor
from airflow_provider_braze.triggers.cdi import BrazeCdiSyncTrigger
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred  # type: ignore[attr-defined,no-redef]

ID = "11111111-2222-3333-4444-555555555555"
PAST = {"job_status": "success", "sync_start_time": "2026-03-01T10:00:00Z", "rows_synced": 1}


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)
    monkeypatch.setattr(hook_module, "PER_MINUTE", dict.fromkeys(hook_module.PER_MINUTE, 60_000))
    monkeypatch.setattr(hook_module, "_limiters", {})


def sensor(**given: Any) -> BrazeCdiSyncSensor:
    return BrazeCdiSyncSensor(
        **{"task_id": "wait", "integration_id": ID, "poke_interval": 0.01, "timeout": 60} | given
    )


def waited(task: BrazeCdiSyncSensor) -> dict[str, Any]:
    try:
        found: dict[str, Any] = task.execute({})
    except TaskDeferred as deferred:
        _, kwargs = deferred.trigger.serialize()
        trigger = BrazeCdiSyncTrigger(**json.loads(json.dumps(kwargs)))

        async def first() -> Any:
            return (await asyncio.wait_for(anext(trigger.run()), 60)).payload

        found = getattr(task, deferred.method_name)({}, event=asyncio.run(first()))
    return found


@pytest.mark.parametrize("deferrable", [False, True])
def test_it_waits_for_what_the_operator_has_started(sandbox: SandboxProcess, deferrable: bool) -> None:
    sandbox.put_cdi(
        **{ID: {"syncs": [PAST], "next": [{"rows_synced": 5, "running_for": 2, "listed_after": 1}]}}
    )
    started = BrazeCdiSyncOperator(task_id="sync", integration_id=ID, wait=False).execute({})

    for after in (
        started,
        json.dumps(started),
        # As a template writes it where nobody asks for JSON.
        str(started),
        started["started_after"],
        json.dumps(started["started_after"]),
        PAST["sync_start_time"],
        datetime.fromisoformat(PAST["sync_start_time"]),
    ):
        found = waited(sensor(started_after=after, deferrable=deferrable))
        assert (found["rows_synced"], found["integration_id"]) == (5, ID)


@pytest.mark.parametrize("deferrable", [False, True])
def test_without_that_it_waits_for_the_newest(sandbox: SandboxProcess, deferrable: bool) -> None:
    sandbox.put_cdi(
        **{
            ID: {
                "syncs": [
                    PAST,
                    {
                        "job_status": "running",
                        "sync_start_time": "2026-03-02T10:00:00Z",
                        "plan": {"rows_synced": 8},
                    },
                ]
            }
        }
    )

    assert waited(sensor(deferrable=deferrable))["rows_synced"] == 8


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(
    ("status", "error"),
    [("error", BrazeSyncError), ("partial", AirflowFailException), ("config_error", AirflowFailException)],
)
def test_a_bad_end_fails_with_the_counts(
    sandbox: SandboxProcess, deferrable: bool, status: str, error: type[Exception]
) -> None:
    counts = {"rows_synced": 7, "rows_failed_with_errors": 3}
    sandbox.put_cdi(**{ID: {"syncs": [{**PAST, "job_status": status, **counts}]}})

    with pytest.raises(error, match="7 synced, 3 failed"):
        waited(sensor(deferrable=deferrable))


def test_trouble_is_waited_out(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    monkeypatch.setattr("airflow_provider_braze.hooks.calls._FIRST_PAUSE", 0.001)
    sandbox.put_cdi(**{ID: {"syncs": [PAST]}})
    sandbox.fault(status=500, count=7)

    assert waited(sensor())["rows_synced"] == 1


def test_it_gives_up_in_time(sandbox: SandboxProcess) -> None:
    sandbox.put_cdi(**{ID: {}})

    with pytest.raises(AirflowSensorTimeout):
        sensor(timeout=0.05, poke_interval=0.01).execute({})


def test_a_wrong_key_fails_at_once(sandbox: SandboxProcess) -> None:
    sandbox.fault(status=401, count=9)

    for deferrable in (False, True):
        with pytest.raises(AirflowFailException, match="401"):
            waited(sensor(deferrable=deferrable))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"integration_id": "a/b"}, "integration_id must be"),
        ({"started_after": "yesterday"}, "started_after must be.* not 'yesterday'"),
        ({"deferrable": "{{ params.later }}"}, "deferrable must be true or false"),
        ({"started_after": {"count": "x"}}, "started_after must be"),
        ({"started_after": 7}, "started_after must be"),
        ({"braze_conn_id": 7}, "braze_conn_id must be"),
    ],
)
def test_a_wrong_literal_fails_when_the_dag_is_parsed(given: dict[str, Any], said: str) -> None:
    """A mapped sensor meets it when it runs: as Airflow's own error, too, it is not retried."""
    with DAG("wrong", schedule=None), pytest.raises(AirflowFailException, match=said) as raised:
        sensor(**given)
    assert isinstance(raised.value, BrazeSetupError)


def test_the_trigger_comes_back_from_what_it_serializes_to() -> None:
    trigger = BrazeCdiSyncTrigger(
        integration_id=ID, goal="idle", before={"newest": None, "count": 0}, give_up_at=5.0
    )
    path, kwargs = trigger.serialize()

    assert path == f"{BrazeCdiSyncTrigger.__module__}.{BrazeCdiSyncTrigger.__qualname__}"
    assert BrazeCdiSyncTrigger(**json.loads(json.dumps(kwargs))).serialize() == (path, kwargs)
