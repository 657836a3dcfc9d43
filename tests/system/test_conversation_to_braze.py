from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow

pytestmark = pytest.mark.system

DAG_ID = "conversation_to_braze"


def record(airflow: RealAirflow, **form: Any) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Run the DAG to its good end, and return the report and the states of its tasks."""
    airflow.unpause(DAG_ID)
    run_id = airflow.trigger(DAG_ID, **form)
    assert airflow.wait_for_run(DAG_ID, run_id) == "success", airflow.log(
        DAG_ID, run_id, "record_conversation"
    )
    return airflow.xcom(DAG_ID, run_id, "record_conversation"), airflow.states(DAG_ID, run_id)


def test_a_conversation_becomes_an_event_with_attributes(
    airflow: RealAirflow, sandbox: SandboxProcess
) -> None:
    report, states = record(airflow, environment="prod", external_id="C0001", topic="Delivery", resolved=True)

    assert (report["status"], report["records"], report["accepted"]) == ("complete", 2, 2)
    assert report["report_path"] is None
    profile = sandbox.profiles()["C0001"]
    assert profile["custom_attributes"]["last_conversation_topic"] == "Delivery"
    assert [event["name"] for event in profile["custom_events"]] == ["conversation_ended"]
    assert states["recorded"] == ["success"]
    assert states["needs_a_look"] == ["skipped"]


def test_an_answer_that_cannot_be_placed_goes_the_other_way(
    airflow: RealAirflow, sandbox: SandboxProcess
) -> None:
    sandbox.fault(kind="errors_unknown_row", count=1)

    report, states = record(airflow, external_id="C0002")

    assert report["accepted"] < report["records"] == 2
    assert states["recorded"] == ["skipped"]
    assert states["needs_a_look"] == ["success"]
