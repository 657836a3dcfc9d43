"""States of real pushes into the sandbox, as the operator leaves them for the tab: no figure of them is invented."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.attempt import progress as progress_module
from airflow_provider_braze.pushes.attempt.progress import PROGRESS_KEY
from airflow_provider_braze.sandbox.testing import connected
from tests.inbox import land
from tests.reliability.pushing import TaskInstance
from tests.samples import EXPORTS
from tests.sandbox_process import SandboxProcess

RUN_OF_STATES = "manual__2026-09-01T10:00:00+00:00"
STARTED = "2026-09-01T10:00:00+00:00"
PEOPLE = 3000
CONN_ID = "braze_of_states"

WAITING, TROUBLE, PACED, TINY = range(4)
"""Which of the tasks is which; the first pushes a list of two exports."""


@dataclass
class Store:
    """A task state store that keeps all that it was ever told of the progress."""

    values: dict[str, Any] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)

    def get(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        self.values[key] = value = json.loads(json.dumps(value))
        if key == PROGRESS_KEY:
            self.told.append(value)

    def delete(self, key: str) -> None:
        self.values.pop(key, None)


@dataclass
class Pushed:
    """One task that pushed: what it left for the tab, and what the sandbox had got by then.

    :param told: all of its progress.
    :param stats: of the sandbox, at the end.
    """

    ti: TaskInstance
    report: dict[str, Any] | None
    told: list[dict[str, Any]]
    stats: dict[str, Any]


def push(sandbox: SandboxProcess, exports: list[str], faults: list[dict[str, Any]], **extras: Any) -> Pushed:
    """Push a list of exports, or one alone, until its end or until it leaves its worker."""
    sandbox.reset()
    sandbox.faults(*faults)
    ti, store, report = TaskInstance(), Store(), None
    task = BrazeUserTrackOperator(
        task_id="push_export", export=exports if len(exports) > 1 else exports[0], braze_conn_id=CONN_ID
    )
    with connected(sandbox, CONN_ID, **extras), mock.patch.object(progress_module, "EVERY", 0.2):
        try:
            report = task.execute({"ti": ti, "task_state_store": store})  # type: ignore[typeddict-item,typeddict-unknown-key]
        except TaskDeferred:
            report = ti.pushed.get("report")
    return Pushed(ti, report, store.told, sandbox.stats())


def people(base: Path, execution: int, count: int = PEOPLE) -> str:
    """Land an export of so many people."""
    rows = "".join(f"S{number:05},person{number}@example.com,Sevilla\n" for number in range(count))
    path = land(
        base,
        f"RPI_Export_{execution}.txt",
        folder="Braze Onboarding and Upsert/Autumn Offer/9002",
        text=f"external_id,email,home_city\n{rows}",
        age=execution,
    )
    return str(path)


def real_states(sandbox: SandboxProcess, base: Path) -> list[dict[str, Any]]:
    """Push, and give the task instances of a run that hold what these pushes left."""
    tiny = str(EXPORTS[0].land(base))
    long_wait = {"status": 429, "rate_headers": "seconds", "retry_after": 1800, "after": 21, "count": 1000}
    waiting = push(sandbox, [tiny, people(base, 9101)], [long_wait], requests_per_second=8)
    assert waiting.stats["by_status"]["201"] == 21
    slow = [{"status": 500, "count": 2, "after": 5}, {"kind": "late", "seconds": 4}]
    trouble = push(sandbox, [people(base, 9102)], slow, max_in_flight=1)
    third = [
        each for each in trouble.told if (each["trouble"] or {}).get("next_try") == 3 and each["in_flight"]
    ]
    paced = push(sandbox, [people(base, 9103, 75 * 20)], [], requests_per_second=5)
    alone = push(sandbox, [str(EXPORTS[2].land(base))], [])
    found = [
        {"state": "deferred", "report": waiting.report, "progress": waiting.told[-1]},
        {"state": "running", "progress": third[-1]},
        {"state": "success", "return_value": paced.report},
        {"state": "success", "return_value": alone.report},
    ]
    return [
        {"task_id": "push_export", "map_index": n, "name": "Push to Braze", "start": STARTED, **each}
        for n, each in enumerate(found)
    ]
