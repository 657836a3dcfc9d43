"""The callbacks of the documentation, on reports as pushes leave them."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.docs.pages import DOCS
from tests.plugins.invented import report

ALERTS = runpy.run_path(str(DOCS / "examples" / "braze_alerts.py"))


class TaskInstance(SimpleNamespace):
    """What a callback asks of its task instance."""

    def xcom_pull(self, *, task_ids: str, map_indexes: int, key: str = "return_value") -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index)
        return self.left.get(key)


def context(map_index: int = -1, exception: Exception | None = None, **left: Any) -> dict[str, Any]:
    ti = TaskInstance(
        dag_id="nightly",
        run_id="manual__2026-11-26T10:00:00+00:00",
        task_id="push",
        map_index=map_index,
        left=left,
    )
    return {"ti": ti, "exception": exception}


def test_a_failure_is_told_with_counts_reasons_and_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    failed = report(records=1200, accepted=900, failed=300, invalid=300, reasons={"email: no address": 300})

    ALERTS["tell_failure"](context(exception=ValueError("300 records failed"), report=failed))

    said = capsys.readouterr().out
    assert "Push failed: 300 records failed" in said
    assert "1,200 records, 900 accepted, 300 failed; 300 x email: no address" in said
    assert "/dags/nightly/runs/manual__2026-11-26T10%3A00%3A00%2B00%3A00/tasks/push/plugin/braze_task" in said


def test_a_failure_before_the_first_record_is_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    ALERTS["tell_failure"](context(map_index=3))

    said = capsys.readouterr().out
    assert "Nothing was sent." in said
    assert "/tasks/push/mapped/3/plugin/braze_task" in said


@pytest.mark.parametrize(("failed", "told"), [(0, False), (5, False), (6, True)])
def test_a_push_that_passes_is_told_of_above_a_share(
    capsys: pytest.CaptureFixture[str], failed: int, told: bool
) -> None:
    passed = report(records=1000, accepted=1000 - failed, failed=failed, invalid=failed)

    ALERTS["tell_many_failed"](context(return_value=passed))

    assert ("0.6 % failed, and the push passed." in capsys.readouterr().out) is told


def test_a_push_of_nothing_is_not_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    ALERTS["tell_many_failed"](context(return_value=report(records=0, failed=0)))
    ALERTS["tell_many_failed"](context())
    assert capsys.readouterr().out == ""


def test_the_operator_takes_them(tmp_path: Path) -> None:
    with DAG("alerting", schedule=None):
        push = BrazeUserTrackOperator(
            task_id="push",
            export=str(tmp_path / "x.txt"),
            on_failure_callback=ALERTS["tell_failure"],
            on_success_callback=ALERTS["tell_many_failed"],
        )
    assert list(push.on_failure_callback) == [ALERTS["tell_failure"]]
