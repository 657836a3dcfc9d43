"""No export overtakes an older one on a real Airflow: with answers of 500, a retry, a long wait and a second run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.system.test_redpoint_to_braze import DAG_ID, Share, share

__all__ = ["share"]

pytestmark = pytest.mark.system

CHANNEL = "Braze Onboarding and Upsert"


def land(base: Path, *numbers: int) -> None:
    """Land exports of one person, each with another nickname, a minute apart."""
    for number in numbers:
        path = base / CHANNEL / f"Offer {number}" / "8828" / f"RPI_Export_{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"external_id,nickname\nU1,from {number}\nO{number},Bo\n")
        moment = time.time() - 60 * (20 - number)
        os.utime(path, (moment, moment))


def nicknames(sandbox: SandboxProcess) -> list[str]:
    """What reached the sandbox of U1, in that order."""
    return [
        each["rpi_cdp_attributes"]["nickname"]
        for request in sandbox.requests()
        for each in request["body"]["attributes"]
        if each["external_id"] == "U1"
    ]


def wait_for_push(airflow: RealAirflow, run_id: str, state: str) -> None:
    airflow.wait_for(
        lambda: airflow.states(DAG_ID, run_id).get("push_export") == [state], f"a push that is {state}", 120
    )


def test_the_order_is_kept_over_500s_and_a_retry_on_the_oldest_airflow_too(
    share: Share, sandbox: SandboxProcess
) -> None:
    land(share.base_path, 1, 2, 3)
    sandbox.fault(status=500, after=1, count=10_000)
    share.start()
    wait_for_push(share.airflow, share.run_id, "up_for_retry")
    assert set(nicknames(sandbox)) == {"from 1", "from 2"}
    sandbox.clear_faults()

    assert share.finish() == "success", share.why()

    assert [report["channel_execution_id"] for report in share.airflow.reports(DAG_ID, share.run_id)] == [
        "1",
        "2",
        "3",
    ]
    sent = nicknames(sandbox)
    assert sent.count("from 1") == 1
    assert sent[-2:] == ["from 2", "from 3"]
    assert sandbox.profiles()["U1"]["custom_attributes"]["rpi_cdp_attributes"] == {"nickname": "from 3"}
    log = share.airflow.log(DAG_ID, share.run_id, "push_export")
    assert "stopped the list; 1 later exports wait" in log


def test_the_order_is_kept_over_a_long_wait_and_a_second_run_on_the_oldest_airflow_too(
    share: Share, sandbox: SandboxProcess
) -> None:
    land(share.base_path, 1, 2, 3)
    sandbox.fault(status=429, retry_after=65, after=1, count=1)
    share.start()
    wait_for_push(share.airflow, share.run_id, "deferred")
    land(share.base_path, 4)
    second = share.airflow.trigger(DAG_ID)

    assert share.finish() == "success", share.why()
    assert share.airflow.wait_for_run(DAG_ID, second) == "success"

    assert share.tasks("push_export")[0]["try_number"] == 1
    sent = nicknames(sandbox)
    assert sent.count("from 1") == 1
    assert sent[-3:] == ["from 2", "from 3", "from 4"]
    assert [report["status"] for report in share.airflow.reports(DAG_ID, share.run_id)] == ["complete"] * 3
    assert [report["late"] for report in share.airflow.reports(DAG_ID, second)] == [None]
