from __future__ import annotations

import json
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from demo.serve import invent_export
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.ui.screen import Screen

DAG_ID = "redpoint_to_braze"
PEOPLE = 1500


@pytest.mark.usefixtures("no_connections")
def test_a_slow_push_shows_how_far_it_is(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess, base_path: Path
) -> None:
    # Some 25 seconds: 100 requests, 4 a second.
    slow = {"requests_per_second": 4, "objects_per_request": 15}
    airflow.api(
        "POST",
        "connections",
        connection_id="braze_slow",
        conn_type="braze",
        host=sandbox.url,
        password=sandbox.key,
        extra=json.dumps(slow),
    )
    airflow.set_variable("redpoint_braze_conn_id", "braze_slow")
    airflow.unpause(DAG_ID)
    export = invent_export(6001, people=PEOPLE)
    export.land(base_path, modified=time.time() - 60)

    ui.trigger_form(DAG_ID)
    _, run_id = ui.press_trigger()
    airflow.wait_for(
        lambda: airflow.states(DAG_ID, run_id).get("push_export") == ["running"], "a push under way", 90
    )

    # On the task instance, while it runs: nobody presses reload.
    ui.open_push(DAG_ID, run_id)
    tab = ui.braze_tab()
    share = tab.get_by_role("progressbar")
    expect(share).to_be_visible()
    expect(tab.get_by_text("of the file")).to_be_visible()
    expect(tab.get_by_text("Refreshes by itself")).to_be_visible()
    expect(tab.get_by_text(f"{export.channel} / {export.offer} / {export.workflow_id}")).to_be_visible()
    expect(tab.get_by_text("Time left, estimated")).to_be_visible()
    first = float(share.get_attribute("value") or 1)
    assert 0 <= first < 1
    # Braze says no: the reader sees until when.
    sandbox.fault(status=429, rate_headers="seconds", retry_after=15, count=1)
    expect(tab.get_by_text(re.compile(r"Waiting for Braze until \d\d:\d\d: its rate limit"))).to_be_visible(
        timeout=30_000
    )
    expect(tab.get_by_text("complete", exact=True)).to_be_visible(timeout=120_000)
    expect(tab.locator("body")).to_contain_text("1,500 accepted")
    expect(tab.get_by_role("progressbar")).to_have_count(0)

    # On the run: the push named by its export, with a way to its task.
    assert airflow.wait_for_run(DAG_ID, run_id) == "success"
    ui.open_run(DAG_ID, run_id)
    tab = ui.braze_tab()
    expect(tab.get_by_role("heading", name="RPI_Export_6001.txt")).to_be_visible()
    tab.get_by_role("link", name="Task").click()
    expect(ui.page).to_have_url(re.compile(r"/tasks/push_export$"))
    expect(ui.page.get_by_text("Push to Braze").first).to_be_visible()
    # Airflow's own list of events has it, with the counts.
    (event,) = airflow.api("GET", f"assets/events?source_dag_id={DAG_ID}&source_run_id={quote(run_id)}")[
        "asset_events"
    ]
    assert (event["name"], event["extra"]["accepted"]) == ("braze_pushes", PEOPLE)
