"""The callbacks of the documentation, on reports as pushes leave them."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.dag_run import run_dag
from tests.docs.pages import DOCS
from tests.plugins.invented import report

A_DAG = """
from airflow.sdk import DAG
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from braze_alerts import tell_failure, tell_many_failed

PEOPLE = [{"external_id": "P1"}, *({} for _ in range(9))]
ALERTS = {"on_failure_callback": tell_failure, "on_success_callback": tell_many_failed}

with DAG("alerting", schedule=None, default_args=ALERTS) as dag:
    BrazeUserTrackOperator(task_id="passes", attributes=PEOPLE, max_rejected=9)
    BrazeUserTrackOperator(task_id="fails", attributes=PEOPLE, max_rejected=8)
    BrazeUserTrackOperator(task_id="whole", attributes=PEOPLE[:1])
    BrazeUserTrackOperator(task_id="never_began", attributes=PEOPLE, braze_conn_id="nobody")
    BrazeUserTrackOperator.partial(task_id="mapped", max_rejected=0).expand(attributes=[PEOPLE[:2]])
"""

ITS_RUN = """
from airflow_provider_braze.sandbox.testing import running_sandbox

with running_sandbox():
    run = dag.test()
print("states:", dict(sorted((ti.task_id, str(ti.state)) for ti in run.get_task_instances())))
"""

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


def test_airflow_calls_them_with_what_they_need(tmp_path: Path) -> None:
    """A whole run of Airflow's own, in a process of its own."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "alerting.py").write_text(A_DAG)
    (dags / "braze_alerts.py").write_text((DOCS / "examples" / "braze_alerts.py").read_text())
    where = "https://airflow.example.com"
    said = run_dag(dags / "alerting.py", ITS_RUN, tmp_path, AIRFLOW__API__BASE_URL=where)
    states = {"passes": "success", "fails": "failed", "whole": "success", "never_began": "failed"}
    assert f"states: {dict(sorted((states | {'mapped': 'failed'}).items()))}" in said
    # The dag.test() of Airflow 3.1 does not tell callbacks the exception, as its workers do.
    why = r"(9 of 10 records failed, more than 8\.|see its log)"
    assert re.search(rf"Push failed: {why}\n10 records, 1 accepted, 9 failed; 9 x no identifier", said)
    assert re.search(
        r"Push failed: (There is no connection 'nobody'.*|see its log)\nNothing was sent\.", said
    )
    assert "90.0 % failed, and the push passed.\n10 records, 1 accepted, 9 failed; 9 x no identifier" in said
    assert said.count("and the push passed") == 1
    run = f"{where}/dags/alerting/runs/manual__"
    links = sorted(line.partition("/tasks/")[2] for line in said.splitlines() if line.startswith(run))
    assert links == [
        f"{each}/plugin/braze_task" for each in ("fails", "mapped/mapped/0", "never_began", "passes")
    ]


def test_the_operator_takes_them(tmp_path: Path) -> None:
    with DAG("alerting", schedule=None):
        push = BrazeUserTrackOperator(
            task_id="push",
            export=str(tmp_path / "x.txt"),
            on_failure_callback=ALERTS["tell_failure"],
            on_success_callback=ALERTS["tell_many_failed"],
        )
    assert list(push.on_failure_callback) == [ALERTS["tell_failure"]]
