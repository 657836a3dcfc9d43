"""*Push again* as the person who ticks it meets it: it wants a name, shows what it would take, and takes just that."""

from __future__ import annotations

import re
import time
from pathlib import Path

from playwright.sync_api import FrameLocator, Locator, expect

from tests.inbox import land
from tests.samples import EXPORTS, SampleExport
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.ui.screen import Screen

DAG_ID = "redpoint_to_braze"
COMMA, TAB = EXPORTS[:2]
AGAIN, PLAN = "push_again", "dry_run"


def test_push_again_wants_a_name_and_takes_what_it_showed(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess, base_path: Path
) -> None:
    airflow.unpause(DAG_ID)
    COMMA.land(base_path, modified=time.time() - 120)
    TAB.land(base_path, modified=time.time() - 60)

    def run(*ticked: str, ends: str, **fields: str) -> FrameLocator:
        """Start a run by the form, wait for its end, and open its tab."""
        ui.trigger_form(DAG_ID)
        ui.fill(**fields)
        ui.section("How to push them")
        ui.tick(*ticked)
        status, run_id = ui.press_trigger()
        assert status == 200
        assert airflow.wait_for_run(DAG_ID, run_id) == ends
        ui.open_run(DAG_ID, run_id)
        return ui.braze_tab()

    run(ends="success")
    assert sandbox.stats()["objects"] == 5
    assert set(sandbox.profiles()) == {"P0001", "P0002", "P0003"}
    sandbox.reset()

    # Without a name it would take the oldest of all; the tab says so, not the log alone.
    tab = run(AGAIN, ends="failed")
    expect(
        tab.get_by_text("push_again needs an offer, a workflow_id or a channel_execution_id")
    ).to_be_visible()

    # With the other switch, too, it shows what it would take, and what that would cost.
    tab = run(AGAIN, PLAN, ends="success", offer=COMMA.offer)
    plans = ui.facts(tab.locator("section", has_text="2 plans"))
    expect(tab.locator("section")).to_have_count(1)
    cards = [ui.facts(card_of(tab, export)) for export in (COMMA, TAB)]
    points = [number(card["Data points it would cost, estimated"]) for card in cards]
    assert min(points) > 0
    assert number(plans["Data points it would cost, estimated"]) == sum(points)
    assert number(plans["Records"]) == sum(number(card["Records"]) for card in cards) == 6
    expect(tab.locator(".rows").get_by_text("planned", exact=True)).to_have_count(2)
    assert sandbox.stats()["requests"] == 0

    # One execution of them.
    tab = run(AGAIN, ends="success", channel_execution_id=str(COMMA.execution_id))
    card = card_of(tab, COMMA)
    expect(card.get_by_text("complete", exact=True)).to_be_visible()
    expect(tab.get_by_role("article")).to_have_count(1)
    assert number(ui.facts(card)["Records"]) == sandbox.stats()["objects"] == 3
    assert number(ui.facts(card)["Data points, estimated"]) == points[0]

    # A list that would be cut is refused: its oldest part alone would set people back.
    for execution in range(101):
        land(base_path, f"RPI_Export_{7000 + execution}.txt", folder="Braze Append/Weekly Offer/9001", age=60)
    tab = run(AGAIN, ends="failed", offer="Weekly Offer")
    expect(tab.get_by_text(re.compile("push_again takes 101 exports, more than max_exports"))).to_be_visible()
    assert sandbox.stats()["objects"] == 3


def card_of(tab: FrameLocator, export: SampleExport) -> Locator:
    return tab.get_by_role("article").filter(has_text=f"RPI_Export_{export.execution_id}.txt")


def number(text: str) -> int:
    return int(text.replace(",", ""))
