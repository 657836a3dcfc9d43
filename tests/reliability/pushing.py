"""One push through the real operator, with what Airflow would give it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.reliability.landed import MAPPING

CONNECTION = "AIRFLOW_CONN_BRAZE_DEFAULT"
NEVER_TOO_MANY = 10**9
"""``max_rejected``: these pushes are judged by their records, not by a threshold."""


@dataclass
class TaskInstance:
    """What the operator reads of a task instance, and what it leaves there."""

    try_number: int = 1
    run_id: str = "manual__2026-11-21T10:00:00+00:00"
    map_index: int = -1
    dag_id: str = "nightly"
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def connection(host: str, key: str, **extras: Any) -> str:
    """Write an Airflow connection as its environment variable takes it."""
    return json.dumps({"conn_type": "braze", "host": host, "password": key, "extra": extras})


def operator(export: str | None, **given: Any) -> BrazeUserTrackOperator:
    """Make the task that pushes an export, or the rows that are given."""
    if export is None:
        return BrazeUserTrackOperator(task_id="push", max_rejected=NEVER_TOO_MANY, **given)
    return BrazeUserTrackOperator(
        task_id="push", export=export, mapping=MAPPING, max_rejected=NEVER_TOO_MANY, **given
    )


def push(export: str) -> tuple[dict[str, Any] | None, BaseException | None]:
    """Push once; the report, and what the task would fail with."""
    ti = TaskInstance()
    try:
        return operator(export).execute({"ti": ti}), None  # type: ignore[typeddict-item,typeddict-unknown-key]
    except Exception as error:
        return ti.pushed.get("report"), error
