"""From what a person is told to what they do next: a question is answered, mended rejects go out."""

from __future__ import annotations

import re
import runpy
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

from playwright.sync_api import expect

from tests.docs.pages import DOCS
from tests.inbox import land
from tests.samples import EXPORTS
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.ui.screen import Screen

APPROVAL, PUSH, AGAIN = "redpoint_with_approval", "redpoint_to_braze", "push_rejects_again"
COMMA = EXPORTS[0]
FOLDER = f"{COMMA.channel}/{COMMA.offer}/{COMMA.workflow_id}"
ONE_OF_TWO = "external_id,email\nU1,ann@example.com\nU2,nonsense\n"


def test_a_question_is_understood_and_answered_and_sums_are_true_before_and_after(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess, base_path: Path
) -> None:
    airflow.unpause(APPROVAL)
    COMMA.land(base_path, modified=time.time() - 120)
    land(base_path, "RPI_Export_5720.txt", folder=FOLDER, text=ONE_OF_TWO, age=60)
    ui.trigger_form(APPROVAL)
    ui.fill(max_age_days="0.5", ask_above_users="10.000")
    assert ui.press_trigger() == (400, "")
    expect(ui.dialog.get_by_text("a whole number without separators")).to_be_visible()
    # Airflow's own message of the refusal lies over the button.
    ui.trigger_form(APPROVAL)
    ui.fill(max_age_days="0.5", ask_above_users="0")

    status, run_id = ui.press_trigger()

    assert status == 200
    airflow.wait_for(
        lambda: airflow.states(APPROVAL, run_id).get("ask") in (["awaiting_input"], ["deferred"]),
        "a question for a person",
        240,
    )
    airflow.wait_for_worker_to_leave(run_id, "ask")
    ui.open(f"dags/{APPROVAL}/runs/{quote(run_id)}/tasks/ask/required_actions")
    for said in (
        "Push 4 users to Braze?",
        "2 exports, 4 users, at most",
        sandbox.url,
        "braze_default",
        f"{COMMA.channel} / {COMMA.offer} / {COMMA.execution_id}",
        "No answer within 12 hours",
    ):
        expect(ui.page.get_by_text(said).first).to_be_visible()
    plans = ui.page.get_by_role("link", name="Each plan is in the tab Braze of this run")
    where = plans.get_attribute("href")
    assert where is not None
    answer = ui.page.url
    ui.page.goto(where)
    tab = ui.page.frame_locator("iframe")
    planned = tab.locator("section", has_text="2 plans")
    before = ui.facts(planned)
    points = airflow.xcom(APPROVAL, run_id, "plan_export")["data_points"]
    assert points > 0
    assert before == {
        "Records": "5",
        "Would fail": "1",
        "Data points it would cost, estimated": f"{points:,}",
    }
    # Nothing was pushed, so nothing is said of pushes.
    expect(tab.locator("section")).to_have_count(1)
    assert sandbox.stats()["requests"] == 0

    ui.page.goto(answer)
    ui.page.get_by_role("button", name="Approve").click()
    assert airflow.wait_for_run(APPROVAL, run_id) == "success"
    ui.page.goto(where)
    expect(tab.get_by_role("heading", name=f"RPI_Export_{COMMA.execution_id}.txt").first).to_be_visible()
    pushed = tab.locator("section", has_text="2 pushes")
    truth = {"Records": "5", "Failed": "1", "Data points, estimated": f"{points:,}"}
    assert ui.facts(pushed) == truth
    assert ui.facts(planned) == before
    assert set(sandbox.profiles()) == {"P0001", "P0002", "P0003", "U1"}
    assert sandbox.stats()["objects"] == 4

    # Who clears the task has everything pushed again: that is another try of the same pushes.
    airflow.clear(APPROVAL, run_id, "push_export")
    assert airflow.wait_for_run(APPROVAL, run_id) == "success"
    assert sandbox.stats()["objects"] == 8
    ui.page.goto(where)
    assert ui.facts(pushed) == truth
    assert ui.facts(planned) == before


def test_mended_rejects_go_out_from_their_card(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess, base_path: Path
) -> None:
    airflow.unpause(PUSH)
    airflow.unpause(AGAIN)
    land(base_path, folder=FOLDER, text=ONE_OF_TWO, age=60)
    run_id = airflow.trigger(PUSH)
    assert airflow.wait_for_run(PUSH, run_id) == "success"
    (first,) = airflow.reports(PUSH, run_id)
    written = Path(first["rejects_path"])
    mended = written.with_name("mended.csv")
    mended.write_text(written.read_text("utf-8-sig").replace("nonsense", "bo@example.com"))
    ti = SimpleNamespace(dag_id=PUSH, run_id=run_id, task_id="push_export", map_index=-1)
    alerts = runpy.run_path(str(DOCS / "examples" / "braze_alerts.py"))
    # What an alert names is where the card is.
    ui.open(f"dags/{alerts['card_of'](ti).partition('/dags/')[2]}")
    card = ui.page.frame_locator("iframe")
    push_id = card.get_by_role("paragraph").filter(has_text="Push again").locator("code").inner_text()
    assert push_id == "/".join(written.parts[-3:-1])
    card.get_by_role("link", name="Push rejects again").click()
    expect(card.get_by_text("mended.csv was changed last")).to_be_visible()
    # First the plan, then the push; nothing is typed.
    for dry_run, status in ((True, "planned"), (False, "complete")):
        card.get_by_role("checkbox", name="Dry run").set_checked(dry_run)
        with ui.page.expect_response(re.compile(r"/dagRuns$")) as answered:
            card.get_by_role("button", name="Push").click()
        again = answered.value.json()["dag_run_id"]
        assert airflow.wait_for_run(AGAIN, again) == "success"
        report = airflow.xcom(AGAIN, again, "push_export")
        assert (report["status"], report["parent"]) == (status, first["report_path"])
    assert report["accepted"] == 1
    card.get_by_role("link", name="The run of the push").click()
    expect(ui.page).to_have_url(re.compile(rf"/dags/{AGAIN}/runs/{re.escape(quote(again, safe=''))}$"))
    profile = sandbox.profile("U2")
    assert profile is not None
    assert profile["email"] == "bo@example.com"
