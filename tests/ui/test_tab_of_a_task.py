"""The tab of a task from before it is expanded to its end, open all the while, and never loaded again."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import expect

from airflow_provider_braze.plugins.app import NO_PUSH_IN_TASK
from tests.samples import EXPORTS
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.ui.screen import Screen

DAG_ID = "one_task_for_each"
COMMA, TAB = EXPORTS[:2]

LISTEN = """(html, words) => {
  window.untrue = 0;
  new MutationObserver(() => { window.untrue += html.innerText.includes(words) })
    .observe(html, { childList: true, subtree: true });
}"""


def test_the_tab_of_a_mapped_task_shows_what_becomes_of_it(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess, base_path: Path
) -> None:
    airflow.unpause(DAG_ID)
    run_id = airflow.trigger(DAG_ID)
    airflow.wait_for(
        lambda: airflow.states(DAG_ID, run_id).get("find_exports") == ["deferred"], "a sensor that waits", 120
    )
    airflow.wait_for_worker_to_leave(run_id, "find_exports")
    ui.open_push(DAG_ID, run_id)
    tab = ui.braze_tab()
    expect(tab.get_by_text("Has not started yet.")).to_be_visible()
    expect(tab.get_by_text("Refreshes by itself")).to_be_visible()
    tab.locator("html").evaluate(LISTEN, NO_PUSH_IN_TASK)

    # Braze takes its time, so that both pushes are seen under way.
    sandbox.fault(kind="late", seconds=10, count=2)
    COMMA.land(base_path, modified=time.time() - 120)
    TAB.land(base_path, modified=time.time() - 60)

    rows = tab.locator(".rows tbody tr")
    expect(rows).to_have_count(2, timeout=120_000)
    expect(tab.get_by_text("Refreshes by itself")).to_be_visible()
    expect(rows.filter(has_text="complete")).to_have_count(2, timeout=120_000)
    for export in (COMMA, TAB):
        card = tab.get_by_role("article").filter(has_text=f"RPI_Export_{export.execution_id}.txt")
        expect(card.get_by_text(f"{export.channel} / {export.offer} / {export.workflow_id}")).to_be_visible()
    # The sensor and both pushes have ended: nothing is left to be refreshed.
    expect(tab.get_by_text("Refreshes by itself")).to_have_count(0)
    assert ui.facts(tab.locator("section", has_text="2 pushes"))["Records"] == "6"
    assert sandbox.stats()["by_status"].get("201") == 2
    # All of it on one page, which said nothing untrue meanwhile.
    assert tab.locator("html").evaluate("() => window.untrue") == 0
