from __future__ import annotations

import time
from pathlib import Path

import pytest

from airflow_provider_braze.pushes.rejects_by_id import id_of
from tests.inbox import land
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow

pytestmark = pytest.mark.system

DAG_ID = "push_rejects_again"
FOLDER = "Braze Onboarding and Upsert/Spring Welcome/8828"


def test_a_mended_file_beside_the_report_is_pushed(
    airflow: RealAirflow, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    airflow.unpause("redpoint_to_braze")
    airflow.unpause(DAG_ID)
    airflow.set_variable("redpoint_base_path", str(tmp_path))
    airflow.set_variable("redpoint_settle_seconds", "0")
    land(tmp_path, folder=FOLDER, text="external_id,email\nU1,ann@example.com\nU2,nonsense\n", age=60)
    first_run = airflow.trigger("redpoint_to_braze")
    assert airflow.wait_for_run("redpoint_to_braze", first_run) == "success"
    (first,) = airflow.reports("redpoint_to_braze", first_run)
    misspelt = airflow.trigger("redpoint_to_braze", dryrun=True)
    assert airflow.wait_for_run("redpoint_to_braze", misspelt) == "failed"
    written = Path(first["rejects_path"])
    mended = written.with_name("rejects (1).csv")
    mended.write_text(written.read_text("utf-8-sig").replace("nonsense", "bo@example.com"))
    assert mended.stat().st_mtime <= time.time()

    run_id = airflow.trigger(DAG_ID, rejects=id_of(first["report_path"]))

    assert airflow.wait_for_run(DAG_ID, run_id) == "success"
    report = airflow.xcom(DAG_ID, run_id, "push_export")
    assert (report["accepted"], report["parent"]) == (1, first["report_path"])
    assert sandbox.profile("U2")["email"] == "bo@example.com"
