from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.samples import EXPORTS
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow

pytestmark = pytest.mark.system

DAG_ID = "redpoint_with_approval"
COMMA, TAB = EXPORTS[:2]


@pytest.fixture(autouse=True)
def landed(airflow: RealAirflow, sandbox: SandboxProcess, tmp_path: Path) -> None:
    airflow.unpause(DAG_ID)
    airflow.set_variable("redpoint_base_path", str(tmp_path))
    airflow.set_variable("redpoint_settle_seconds", "0")
    COMMA.land(tmp_path, modified=time.time() - 120)
    TAB.land(tmp_path, modified=time.time() - 60)


def answer(
    airflow: RealAirflow, run_id: str, option: str, meanwhile: Callable[[], object] = lambda: None
) -> str:
    """Wait until the person is asked, answer as the UI does, and return the question."""
    path = f"dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/ask/-1/hitlDetails"
    airflow.wait_for(
        lambda: airflow.states(DAG_ID, run_id).get("ask") in (["awaiting_input"], ["deferred"]),
        "a question for a person",
        120,
    )
    airflow.wait_for_worker_to_leave(run_id, "ask")
    question = airflow.api("GET", path)
    assert airflow.states(DAG_ID, run_id)["push_export"] == ["None"]
    meanwhile()
    airflow.api("PATCH", path, chosen_options=[option], params_input={})
    return f"{question['subject']} {question['body']}"


def test_a_large_push_waits_until_it_is_approved(airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    run_id = airflow.trigger(DAG_ID, ask_above_users="2")

    question = answer(airflow, run_id, "Approve")

    # All two of the second export are in the first one, too.
    assert "Push 3 users to Braze?" in question
    assert "2 exports, 3 users, at most" in question
    assert "0 exports could not be planned" in question
    assert f"Workspace: `{sandbox.url}`, connection `braze_default`." in question
    assert f"- {COMMA.channel} / {COMMA.offer} / {COMMA.execution_id}\n" in question
    assert f"/dags/{DAG_ID}/runs/" in question
    assert "/plugin/braze)" in question
    assert "No answer within 12 hours means *Reject*" in question
    assert airflow.wait_for_run(DAG_ID, run_id) == "success"
    assert airflow.states(DAG_ID, run_id)["push_export"] == ["success"]
    assert set(sandbox.profiles()) == {"P0001", "P0002", "P0003"}


def test_only_what_the_form_names_is_planned(airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    run_id = airflow.trigger(
        DAG_ID, ask_above_users=0, channel_execution_id=COMMA.execution_id, max_age_days="1"
    )

    question = answer(airflow, run_id, "Approve")

    assert "1 exports, 3 users" in question
    assert airflow.wait_for_run(DAG_ID, run_id) == "success"


def test_what_is_older_than_the_form_says_is_left_out(airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    run_id = airflow.trigger(DAG_ID, ask_above_users=0, max_age_days=0)

    assert airflow.wait_for_run(DAG_ID, run_id) == "success"
    assert airflow.states(DAG_ID, run_id)["plan_export"] == ["skipped"]
    assert sandbox.profiles() == {}


def test_what_was_replaced_while_a_person_was_asked_is_not_pushed(
    airflow: RealAirflow, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    run_id = airflow.trigger(DAG_ID, ask_above_users=0)

    answer(airflow, run_id, "Approve", meanwhile=lambda: COMMA.land(tmp_path, modified=time.time() - 30))

    assert airflow.wait_for_run(DAG_ID, run_id) == "failed"
    assert "was replaced since it was found" in airflow.log(DAG_ID, run_id, "push_export")
    # The other one, which only touches profiles that are there, was pushed.
    assert sandbox.profiles() == {}
    assert len([*(tmp_path / "_braze" / "pushed").glob("*/*")]) == 1


def test_a_rejected_push_sends_nothing(airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    run_id = airflow.trigger(DAG_ID, ask_above_data_points=0)

    answer(airflow, run_id, "Reject")

    assert airflow.wait_for_run(DAG_ID, run_id) == "success"
    assert airflow.states(DAG_ID, run_id)["push_export"] == ["skipped"]
    assert sandbox.profiles() == {}


def test_nobody_is_asked_about_a_small_push(airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    run_id = airflow.trigger(DAG_ID)

    assert airflow.wait_for_run(DAG_ID, run_id) == "success"
    states = airflow.states(DAG_ID, run_id)
    assert states["ask"] == ["skipped"]
    assert states["push_export"] == ["success"]


def test_a_misspelt_offer_fails_soon_and_asks_nobody(airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    run_id = airflow.trigger(DAG_ID, ask_above_users=0, offer="Summer Sale 2027")

    assert airflow.wait_for_run(DAG_ID, run_id) == "failed"
    assert airflow.states(DAG_ID, run_id)["ask"] == ["upstream_failed"]
    assert "no folder 'Summer Sale 2027'" in airflow.log(DAG_ID, run_id, "find_exports")
