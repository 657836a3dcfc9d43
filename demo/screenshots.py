"""``make screenshots``: the pictures in ``docs/images``, taken from the real UI while it does real work."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser

from demo.serve import invent_export
from demo.stage import DAG_ID, Stage, land_samples, say, stage
from tests.plugins.api_server import VIEWER, ApiServer
from tests.plugins.invented import of_100, of_a_month
from tests.system.real_airflow import REPOSITORY
from tests.ui.screen import CHROMIUM, Screen, chromium, screen

IMAGES = REPOSITORY / "docs" / "images"
APPROVAL, ON_LANDING = "redpoint_with_approval", "redpoint_on_landing"
WIDTH, HEIGHT = 1280, 1300


def take(ui: Screen, name: str, *, height: int, settle: float = 1.5) -> None:
    """Take the whole window, once nothing moves in it any more."""
    ui.page.set_viewport_size({"width": WIDTH, "height": height})
    ui.page.wait_for_timeout(settle * 1000)
    ui.page.screenshot(path=IMAGES / f"{name}.png")
    ui.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    say(f"  {name}.png")


class Photographer:
    """Takes one picture after the other of one Airflow."""

    def __init__(self, scene: Stage, ui: Screen) -> None:
        self.scene = scene
        self.airflow = scene.airflow
        self.ui = ui

    def take(self, name: str, *, height: int, settle: float = 1.5) -> None:
        """Take the whole window."""
        take(self.ui, name, height=height, settle=settle)

    def take_form(self, name: str) -> None:
        """Take the form that is open, without what it covers."""
        # Airflow's message stays while the mouse is on it, which has just pressed a button below.
        self.ui.page.mouse.move(0, 0)
        self.ui.page.locator("[data-scope=toast][data-part=root]").first.wait_for(state="detached")
        self.ui.page.wait_for_timeout(1500)
        self.ui.dialog.screenshot(path=IMAGES / f"{name}.png")
        say(f"  {name}.png")

    def connection_form(self) -> None:
        """Take both halves of the connection form, and what Test says."""
        ui = self.ui
        ui.new_connection("braze_default")
        ui.fill(host="https://rest.iad-01.braze.com", password="not-a-key", port="443")
        self.take_form("connection-form")
        ui.section("Extra Fields")
        ui.fill(requests_per_second="250")
        self.take_form("connection-extras")
        self.airflow.api(
            "POST",
            "connections",
            connection_id="braze_sandbox_eu",
            conn_type="braze",
            host=self.scene.sandbox.url,
            port=443,
            password=self.scene.sandbox.key,
        )
        ui.open("connections")
        ui.test_connection("braze_sandbox_eu")
        self.take("connection-test", height=420)
        self.airflow.api(
            "PATCH",
            "connections/braze_sandbox_eu?update_mask=password",
            connection_id="braze_sandbox_eu",
            conn_type="braze",
            password=self.scene.sandbox.export_only_key,
        )
        ui.open("connections")
        ui.test_connection("braze_sandbox_eu")
        self.take("connection-test-failed", height=420)

    def trigger_form(self) -> None:
        """Take each section of the trigger form, and a refusal."""
        ui = self.ui
        ui.trigger_form(DAG_ID)
        ui.choose("channel", "Braze Append")
        ui.fill(offer="Spring Sale")
        self.take_form("trigger-form")
        ui.section("How to push them")
        self.take_form("trigger-form-how")
        ui.section("When to refuse")
        ui.fill(max_rejected="0.05", max_data_points="500000")
        self.take_form("trigger-form-guards")
        ui.trigger_form(DAG_ID)
        ui.fill(offer="../Other Offer")
        ui.press_trigger()
        self.take_form("trigger-form-refused")

    def pushes(self) -> str:
        """Push the samples, take the grid of the run, and return the run."""
        land_samples(self.scene.base_path)
        run_id = self.airflow.trigger(DAG_ID)
        self.airflow.wait_for_run(DAG_ID, run_id)
        self.ui.open(f"dags/{DAG_ID}/runs/{quote(run_id)}")
        self.take("grid", height=760, settle=4)
        return run_id

    def tabs(self, run_id: str) -> None:
        """Take the Braze tab of the run, and of one of its pushes."""
        self.ui.open_run(DAG_ID, run_id)
        self.ui.braze_tab().locator("article").first.wait_for()
        self.take("braze-tab-run", height=1000)
        self.ui.open_push(DAG_ID, run_id)
        self.ui.braze_tab().locator("article").first.scroll_into_view_if_needed()
        self.take("braze-tab-task", height=920)

    def running_push(self) -> str:
        """Take the tab of a push that is under way, which a low limit draws out."""
        slow = {"requests_per_second": 4, "objects_per_request": 15}
        sandbox = self.scene.sandbox
        self.airflow.api(
            "POST",
            "connections",
            connection_id="braze_slow",
            conn_type="braze",
            host=sandbox.url,
            password=sandbox.key,
            extra=json.dumps(slow),
        )
        self.airflow.set_variable("redpoint_braze_conn_id", "braze_slow")
        invent_export(6001, people=6000).land(self.scene.base_path, modified=time.time() - 60)
        run_id = self.airflow.trigger(DAG_ID, workflow_id="9001")
        self.airflow.wait_for(
            lambda: self.airflow.states(DAG_ID, run_id).get("push_export") == ["running"], "a push", 90
        )
        self.ui.open_push(DAG_ID, run_id)
        self.ui.braze_tab().get_by_role("progressbar").wait_for()
        self.take("braze-tab-running", height=640, settle=12)
        sandbox.fault(status=429, rate_headers="seconds", retry_after=25, count=1)
        self.ui.page.frame_locator("iframe").get_by_text("Waiting for Braze until").wait_for()
        self.take("braze-tab-waiting", height=640)
        self.airflow.wait_for_run(DAG_ID, run_id)
        self.airflow.set_variable("redpoint_braze_conn_id", "braze_default")
        return run_id

    def task(self, run_id: str) -> None:
        """Take what a task says of itself, and the event that it left."""
        self.ui.task_documentation(DAG_ID, "push_export")
        self.take_form("task-documentation")
        self.ui.open(f"dags/{DAG_ID}/runs/{quote(run_id)}/tasks/push_export/asset_events")
        self.take("asset-event", height=540, settle=4)

    def rejects(self, run_id: str) -> None:
        """Take the preview of the rejects, where an administrator has switched that on."""
        self.airflow.end("api-server")
        self.airflow.spawn("api-server", AIRFLOW__BRAZE__REJECTS_IN_UI="True")
        self.airflow.wait_for(self.airflow.answers, "an API server that answers", 120)
        self.ui.open_push(DAG_ID, run_id)
        self.ui.braze_tab().get_by_text("First records: who, and the cell at fault").click()
        self.take("braze-tab-rejects", height=1060, settle=4)

    def push_again(self, run_id: str) -> None:
        """Take the page that pushes rejects again, of a push whose rejects somebody has mended."""
        written = [Path(report["rejects_path"]) for report in self._reports(run_id) if report["rejects_path"]]
        for path in written:
            path.with_name("mended.csv").write_bytes(path.read_bytes())
        self.ui.open_run(DAG_ID, run_id)
        tab = self.ui.braze_tab()
        tab.get_by_role("link", name="Push rejects again").first.click()
        tab.get_by_text("mended.csv").first.wait_for()
        self.take("push-rejects-again", height=640)

    def _reports(self, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.airflow.xcom(DAG_ID, run_id, "push_export")["exports"]
        return found

    def started_by_file(self) -> None:
        """Take the run that an export has started by landing."""
        with self.airflow.started_by_landing(ON_LANDING, paused=DAG_ID):
            invent_export(6003, people=150).land(self.scene.base_path, modified=time.time() - 60)
            self.airflow.wait_for(
                lambda: [run for run in self.airflow.runs(ON_LANDING) if run["state"] == "success"],
                "a run that an export has started",
                240,
            )
        self.ui.open(f"dags/{ON_LANDING}/runs")
        self.take("started-by-file", height=480, settle=4)

    def approval(self) -> None:
        """Take the question that a person is asked before a large push."""
        invent_export(6002, people=1200).land(self.scene.base_path, modified=time.time() - 60)
        self.airflow.unpause(APPROVAL)
        run_id = self.airflow.trigger(APPROVAL, ask_above_users=1000)
        self.airflow.wait_for(
            lambda: self.airflow.states(APPROVAL, run_id).get("ask") in (["awaiting_input"], ["deferred"]),
            "a question for a person",
            120,
        )
        self.ui.open(f"dags/{APPROVAL}/runs/{quote(run_id)}/tasks/ask/required_actions")
        self.take("approval", height=520, settle=4)


def many_pushes(browser: Browser) -> None:
    """Take a run with 100 exports, and the page of all pushes: on an API server that has invented pushes of a month."""
    now = datetime.now(UTC)
    busy = {**of_100(), "start": (now - timedelta(days=2, hours=3)).isoformat()}
    run_id = f"manual__{now.date()}T08:00:00+00:00"
    rows = {DAG_ID: {**of_a_month(now), run_id: [busy]}}
    with ApiServer(rows, with_dags=True) as server:
        for theme, suffix in (("light", ""), ("dark", "-dark")):
            with screen(browser, server.url, width=WIDTH, height=HEIGHT, theme=theme) as ui:
                token = server.sign_in(VIEWER)
                ui.page.context.add_cookies([{"name": "_token", "value": token, "url": server.url}])
                ui.open_run(DAG_ID, run_id)
                ui.braze_tab().locator("#rows").wait_for()
                take(ui, f"braze-tab-100{suffix}", height=900)
                ui.open("plugin/braze_pushes")
                ui.page.frame_locator("iframe").locator("#rows").wait_for()
                take(ui, f"all-pushes{suffix}", height=1000)


def take_all() -> int:
    """Take every picture, and return the exit status."""
    if not CHROMIUM.exists():
        say(f"{CHROMIUM} is not installed: apt-get install chromium")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with stage(scheduled=False) as scene, chromium() as browser:
        say(f"Taking the pictures in {IMAGES.relative_to(REPOSITORY)}")
        with screen(browser, scene.airflow.url, width=WIDTH, height=HEIGHT) as ui:
            photographer = Photographer(scene, ui)
            photographer.connection_form()
            photographer.trigger_form()
            run_id = photographer.pushes()
            photographer.tabs(run_id)
            photographer.push_again(run_id)
            photographer.running_push()
            photographer.task(run_id)
            photographer.approval()
            photographer.started_by_file()
            photographer.rejects(run_id)
        with screen(browser, scene.airflow.url, width=WIDTH, height=HEIGHT, theme="dark") as ui:
            ui.open_run(DAG_ID, run_id)
            ui.braze_tab().locator("article").first.wait_for()
            Photographer(scene, ui).take("braze-tab-dark", height=1000)
    with chromium() as browser:
        many_pushes(browser)
    return 1 if _too_large(sorted(IMAGES.glob("*.png"))) else 0


def _too_large(pictures: list[Path]) -> bool:
    large = [picture for picture in pictures if picture.stat().st_size > 300_000]
    for picture in large:
        say(f"{picture.name} has more than 300 kB")
    return bool(large)


if __name__ == "__main__":
    raise SystemExit(take_all())
