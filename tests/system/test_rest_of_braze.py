"""On a real Airflow: a sync that waits in the triggerer, mails about a run and meanwhile, and OpenLineage's events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.notifications.mailbox import Mailbox, mailbox
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow

pytest.importorskip("airflow.providers.openlineage")
pytestmark = pytest.mark.system

FOR_EVER = 10**6
INTEGRATION = "11111111-2222-3333-4444-555555555555"

DAG = """
from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from datetime import timedelta

from airflow.sdk import DAG, task
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference
from airflow_provider_braze.notifications.braze import BrazePushNotifier
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.cdi import BrazeCdiSyncOperator
from airflow_provider_braze.operators.users import BrazeUsersOperator
from airflow_provider_braze.sensors.cdi import BrazeCdiSyncSensor

tell = BrazePushNotifier(SmtpNotifier(to="team@example.com"), wait_minutes=0.05)
late = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(seconds=1),
    callback=AsyncCallback(
        SmtpNotifier, kwargs=dict(to="team@example.com", subject="Not over in time", html_content="Look at it.")
    ),
)

with DAG(
    "rest_of_braze", schedule=None, on_failure_callback=tell, on_success_callback=tell, deadline=late
) as dag:
    BrazeUserTrackOperator(task_id="push", export={export!r}, max_rejected=10_000, max_wait_on_worker=2)
    BrazeUserTrackOperator(task_id="refused", export={refused!r})

    sync = BrazeCdiSyncOperator(task_id="sync", integration_id={integration!r}, poll_interval=3)
    start = BrazeCdiSyncOperator(task_id="start", integration_id={integration!r}, wait=False)
    wait = BrazeCdiSyncSensor(
        task_id="wait",
        integration_id={integration!r},
        started_after=start.output,
        deferrable=True,
        poke_interval=3,
    )
    sync >> start

    @task.braze_track(mode="upsert")
    def leavers():
        yield {{"external_id": "gone"}}

    leavers() >> BrazeUsersOperator(task_id="delete", action="delete", rows=["gone"], expect_at_most=1)
"""


@pytest.fixture
def mails() -> Iterator[Mailbox]:
    with mailbox() as server:
        yield server


def test_the_rest_of_braze_on_a_real_airflow(sandbox: SandboxProcess, mails: Mailbox, tmp_path: Path) -> None:
    folder = tmp_path / "rpi" / "Braze Onboarding and Upsert" / "Spring" / "1"
    folder.mkdir(parents=True)
    export, refused = folder / "RPI_Export_1.txt", folder / "RPI_Export_2.txt"
    export.write_text("external_id,name\nP1,Ann\n,Nobody\nP2,Ben\n", "utf-8")
    refused.write_text("name\nAnn\n", "utf-8")
    log = tmp_path / "events.jsonl"
    (tmp_path / "dags").mkdir()
    written = DAG.format(export=str(export), refused=str(refused), integration=INTEGRATION)
    (tmp_path / "dags" / "rest_of_braze.py").write_text(written, "utf-8")
    sandbox.put_cdi(
        **{
            INTEGRATION: {
                "next": [{"rows_synced": 3, "running_for": 3}, {"rows_synced": 4, "running_for": 3}]
            }
        }
    )
    # The first push to come is refused, and waits: of the one with an export, without a worker.
    sandbox.fault(status=429, retry_after=15, path="/users/track")
    smtp = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    transport = {"type": "file", "log_file_path": str(log), "append": True}

    with RealAirflow(
        dags_folder=tmp_path / "dags",
        connections={
            "braze_default": json.loads(sandbox.connection()),
            "smtp_default": {"conn_type": "smtp", "host": "127.0.0.1", "port": mails.port, "extra": smtp},
        },
        settings={"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)},
    ) as airflow:
        airflow.unpause("rest_of_braze")
        run_id = airflow.trigger("rest_of_braze")
        for task in ("sync", "wait"):
            airflow.wait_for_worker_to_leave(run_id, task)
            end_sync(sandbox)
        assert airflow.wait_for_run("rest_of_braze", run_id, 400) == "failed"
        states = airflow.states("rest_of_braze", run_id)
        assert states.pop("refused") == ["failed"]
        assert set(map(tuple, states.values())) == {("success",)}
        assert airflow.xcom("rest_of_braze", run_id, "sync")["rows_synced"] == 3
        assert airflow.xcom("rest_of_braze", run_id, "wait")["rows_synced"] == 4
        assert airflow.xcom("rest_of_braze", run_id, "delete")["accepted"] == 1
        airflow.wait_for(lambda: len(mails.messages) == 3, "the mails", 200)
        airflow.wait_for(lambda: len(_ended(log)) == 2, "OpenLineage's events", 200)

    subjects = [mail["Subject"] for mail in mails.messages]
    assert sorted(subjects) == [
        "Braze pushes of rest_of_braze: a push waits",
        "Braze pushes of rest_of_braze: failed",
        "Not over in time",
    ]
    mail = mails.messages[subjects.index("Braze pushes of rest_of_braze: failed")]
    assert subjects.index("Braze pushes of rest_of_braze: a push waits") < mails.messages.index(mail)
    said = str(mail.get_body(("html",)).get_content())
    assert "The run failed (task_failure)." in said
    assert "1 of 3 records failed" in said
    assert "/dags/rest_of_braze/runs/" in said
    assert set(sandbox.profiles()) == {"P1", "P2"}
    _check_events(_ended(log), sandbox, export, refused)
    assert sandbox.key not in log.read_text("utf-8")


def end_sync(sandbox: SandboxProcess) -> None:
    """Let the sync that is under way end; the next one is under way until it is ended, too."""
    syncs = sandbox.syncs(INTEGRATION)
    syncs[-1]["plan"]["running_for"] = 0
    sandbox.put_cdi(**{INTEGRATION: {"syncs": syncs, "next": [{"rows_synced": 4, "running_for": FOR_EVER}]}})


def _ended(log: Path) -> dict[tuple[str, str], Any]:
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    events = [json.loads(line) for line in lines]
    names = ("rest_of_braze.push", "rest_of_braze.refused")
    return {
        (event["job"]["name"], event["eventType"]): event
        for event in events
        if event["eventType"] in ("COMPLETE", "FAIL") and event["job"]["name"] in names
    }


def _check_events(events: dict[Any, Any], sandbox: SandboxProcess, export: Path, refused: Path) -> None:
    pushed, failed = events["rest_of_braze.push", "COMPLETE"], events["rest_of_braze.refused", "FAIL"]
    (read,), (written,) = pushed["inputs"], pushed["outputs"]
    assert (read["namespace"], read["name"]) == ("file", str(export))
    assert (written["namespace"], written["name"]) == (f"braze://127.0.0.1:{sandbox.port}", "users.track")
    facet = pushed["run"]["facets"]["braze_push"]
    assert facet["records"] == read["inputFacets"]["inputStatistics"]["rowCount"] == 3
    assert (facet["outcomes"]["accepted"], facet["outcomes"]["invalid"]) == (2, 1)
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert facet["dataPoints"] > 0
    assert Path(facet["rejectsPath"]).read_text("utf-8").count("Nobody") == 1
    assert [each["name"] for each in failed["inputs"]] == [str(refused)]
