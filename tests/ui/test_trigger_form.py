from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.docs.pages import DOCS
from tests.expected import wrong_counts
from tests.samples import EXPORTS
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.ui.screen import Screen

DAG_ID = "redpoint_to_braze"
COMMA, TAB = EXPORTS[:2]


@pytest.fixture(autouse=True)
def landed(airflow: RealAirflow, base_path: Path) -> None:
    airflow.unpause(DAG_ID)
    COMMA.land(base_path, modified=time.time() - 120)
    TAB.land(base_path, modified=time.time() - 60)


def test_the_form_explains_itself(ui: Screen) -> None:
    ui.trigger_form(DAG_ID)

    for text in ("Channel", "Offer", "Workflow ID", "Push only exports of this offer"):
        expect(ui.dialog.get_by_text(text, exact=False).first).to_be_visible()
    assert ui.choices("channel") == ["every channel", "Braze Onboarding and Upsert", "Braze Append"]
    ui.section("How to push them")
    expect(ui.dialog.get_by_text("Push again even if already pushed")).to_be_visible()
    expect(ui.dialog.get_by_text("Dry run")).to_be_visible()
    assert ui.choices("mode") == [
        "as the channel says",
        "upsert: create profiles or change them",
        "append: only touch profiles that exist",
    ]
    ui.section("When to refuse")
    expect(ui.dialog.get_by_text("a count, or a share below 1 such as 0.05")).to_be_visible()
    expect(ui.dialog.get_by_text("Most data points")).to_be_visible()


def test_the_form_says_which_braze_each_connection_leads_to(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess
) -> None:
    airflow.parse_again(DAG_ID)
    airflow.wait_for(
        lambda: sandbox.url in str(airflow.api("GET", f"dags/{DAG_ID}/details")["params"]["connection"]),
        "the endpoint in the form",
        120,
    )
    ui.trigger_form(DAG_ID)
    ui.section("How to push them")
    assert ui.choices("connection") == [f"braze_default · {sandbox.url} (unless chosen otherwise)"]


def test_what_is_filled_in_is_pushed(ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess) -> None:
    ui.trigger_form(DAG_ID)
    ui.choose("channel", "Braze Onboarding and Upsert")
    ui.fill(offer=COMMA.offer, workflow_id=COMMA.workflow_id)
    ui.section("When to refuse")
    ui.fill(max_rejected="0.05", max_data_points="1000")

    status, run_id = ui.press_trigger()
    ui.open_run(DAG_ID, run_id)

    assert status == 200
    assert airflow.wait_for_run(DAG_ID, run_id) == "success"
    # Without a reload, beside the name of the run.
    expect(ui.page.get_by_text("Success", exact=True).first).to_be_visible(timeout=30_000)
    assert airflow.api("GET", f"dags/{DAG_ID}/dagRuns/{run_id}")["conf"] == {
        "channel": COMMA.channel,
        "offer": COMMA.offer,
        "workflow_id": COMMA.workflow_id,
        "channel_execution_id": None,
        "max_age_days": 7,
        "wait_minutes": 0,
        "connection": None,
        "mode": "auto",
        "only_changed": None,
        "dry_run": False,
        "push_again": False,
        "max_rejected": "0.05",
        "max_data_points": "1000",
    }
    # The other export is of another channel.
    (report,) = airflow.reports(DAG_ID, run_id)
    assert wrong_counts(report, COMMA.execution_id) == []
    assert set(sandbox.profiles()) == {"P0001", "P0002", "P0003"}


@pytest.mark.parametrize(
    ("asked", "fields", "words"),
    [
        ("by name", {"offer": "Summer Sale 2027"}, "no folder 'Summer Sale 2027'; there are: "),
        ("nothing by name", {"max_age_days": "0.01"}, "2 are older than "),
    ],
)
def test_a_run_with_nothing_to_push_ends_as_the_docs_say_and_the_tab_says_why(
    ui: Screen, airflow: RealAirflow, base_path: Path, asked: str, fields: dict[str, str], words: str
) -> None:
    for export in (COMMA, TAB):
        export.land(base_path, modified=time.time() - 7200)
    of_run, *of_tasks = promised(asked)
    ui.trigger_form(DAG_ID)
    ui.fill(**fields)
    status, run_id = ui.press_trigger()
    assert status == 200
    airflow.wait_for_run(DAG_ID, run_id)

    ui.open_run(DAG_ID, run_id)

    expect(ui.page.get_by_text(of_run, exact=True).first).to_be_visible()
    expect(ui.braze_tab().get_by_text(words)).to_be_visible()
    for task_id in ("find_exports", "push_export") if of_tasks else ():
        ui.open(f"dags/{DAG_ID}/runs/{quote(run_id)}/tasks/{task_id}")
        expect(ui.page.get_by_text(of_tasks[0].capitalize(), exact=True).first).to_be_visible()
        expect(ui.braze_tab().get_by_text(words)).to_be_visible()


def promised(asked: str) -> list[str]:
    """Read in the docs what becomes of a run that was asked for so, and of its tasks: the words of Airflow's pages."""
    lines = (DOCS / "airflow-ui.md").read_text("utf-8").splitlines()
    (row,) = (line for line in lines if re.match(rf"\| {asked}\b.*\| \*\w+\*", line))
    return re.findall(r"\*(\w+)\*", row.split("|")[2])


@pytest.mark.parametrize(
    ("section", "field", "value", "words"),
    [
        ("", "offer", "../Secret Offer", "the name of one folder, without a slash or backslash"),
        ("", "workflow_id", "..", "the name of one folder, without a slash or backslash"),
        ("", "max_age_days", "1.000", "a number of days such as 7 or 0.5, without separators"),
        ("", "wait_minutes", "13", "a number of minutes, at most 12"),
        ("When to refuse", "max_rejected", "5%", "a count, or a share below 1 such as 0.05"),
        ("When to refuse", "max_rejected", "500.000", "a count, or a share below 1 such as 0.05"),
        ("When to refuse", "max_data_points", "500.000", "a whole number without separators, such as 500000"),
    ],
)
def test_a_bad_value_is_refused_in_the_form(
    ui: Screen, airflow: RealAirflow, section: str, field: str, value: str, words: str
) -> None:
    runs = len(airflow.runs(DAG_ID))
    ui.trigger_form(DAG_ID)
    if section:
        ui.section(section)
    ui.fill(**{field: value})

    assert ui.press_trigger() == (400, "")

    expect(ui.dialog.get_by_text(f"Invalid input for param {field}: '{value}'")).to_be_visible()
    expect(ui.dialog.get_by_text(f"'$comment': '{words}'")).to_be_visible()
    assert len(airflow.runs(DAG_ID)) == runs
