"""Airflow's own pages as a person uses them: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from playwright.sync_api import Browser, FrameLocator, Locator, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 60_000
"""How long a page may take on a busy machine."""
expect.set_options(timeout=PATIENCE_MS)

# Without these, a start of Chromium calls hosts that a test has no business with.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Screen:
    """One tab of the browser, on one Airflow.

    :param page: Playwright's page.
    :param url: where that Airflow's UI is.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def open(self, path: str) -> None:
        """Open a page of the UI."""
        self.page.goto(f"{self.url}/{path}")

    def leave(self) -> None:
        """Show nothing: a page of a run asks Airflow for its state again and again, beside whatever comes next."""
        self.page.goto("about:blank")

    @property
    def dialog(self) -> Locator:
        """The form that is open."""
        return self.page.get_by_role("dialog").last

    def section(self, title: str) -> None:
        """Open a section of a form; Airflow closes the one that was open."""
        self.dialog.get_by_role("button", name=title, exact=True).click()

    def fill(self, **fields: str) -> None:
        """Fill in fields of the section that is open, by their names."""
        for name, value in fields.items():
            self.field(name).fill(value)

    def field(self, name: str) -> Locator:
        """Find a field of a form by its name."""
        return self.dialog.locator(f"[name={name}], [name=element_{name}]").first

    def tick(self, *names: str) -> None:
        """Switch fields of the section that is open on, by their names."""
        for name in names:
            switch = self.page.locator(f"[name=element_{name}]")
            self.dialog.locator("label", has=switch).click()
            expect(self.dialog.locator(f"[name=element_{name}]")).to_be_checked()

    def choices(self, name: str) -> list[str]:
        """List what a field offers."""
        self.dialog.locator(f"#element_{name}").click()
        options = self.page.get_by_role("option")
        options.first.wait_for()
        texts = options.all_inner_texts()
        self.dialog.locator(f"#element_{name}").click()
        return texts

    def choose(self, name: str, option: str) -> None:
        """Choose one of a field's options."""
        self.dialog.locator(f"#element_{name}").click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def new_connection(self, conn_id: str) -> None:
        """Open the form of a new connection of type Braze."""
        self.open("connections")
        self.page.get_by_role("button", name="Add Connection").click()
        self.dialog.get_by_label("Connection ID").fill(conn_id)
        self.dialog.get_by_role("combobox").fill("Braze")
        self.page.get_by_role("option", name="Braze", exact=True).click()
        self.field("host").wait_for()

    def save(self) -> None:
        """Save the form that is open."""
        self.dialog.get_by_role("button", name="Save").click()
        self.page.get_by_role("dialog").wait_for(state="detached")

    def test_connection(self, conn_id: str) -> str:
        """Press Test on the list of connections, and return what Airflow then says."""
        row = self.page.get_by_role("row").filter(has=self.page.get_by_text(conn_id, exact=True))
        with self.page.expect_response("**/connections/test") as answered:
            row.get_by_role("button", name="Test Connection").click()
        message = str(answered.value.json().get("message"))
        self.page.locator("[data-scope=toast]").get_by_text(message).first.wait_for()
        return message

    def trigger_form(self, dag_id: str) -> None:
        """Open the form of a DAG."""
        self.open(f"dags/{dag_id}")
        self.page.get_by_role("button", name="Trigger").first.click()
        self.dialog.get_by_role("button", name="Advanced Options").wait_for()

    def press_trigger(self) -> tuple[int, str]:
        """Send the form, and return the answer's status and the id of the run that it started."""
        with self.page.expect_response(re.compile(r"/dagRuns$")) as answered:
            self.dialog.get_by_role("button", name="Trigger", exact=True).click()
        answer = answered.value
        return answer.status, answer.json()["dag_run_id"] if answer.ok else ""

    def open_run(self, dag_id: str, run_id: str) -> None:
        """Open the page of a run."""
        self.open(f"dags/{dag_id}/runs/{quote(run_id)}")

    def open_push(self, dag_id: str, run_id: str, map_index: int | None = None) -> None:
        """Open the page of the task that pushes, or of one of several that it is mapped to."""
        mapped = "" if map_index is None else f"/mapped/{map_index}"
        self.open(f"dags/{dag_id}/runs/{quote(run_id)}/tasks/push_export{mapped}")

    def task_documentation(self, dag_id: str, task_id: str) -> None:
        """Open what a task's author has written of it."""
        self.open(f"dags/{dag_id}/tasks/{task_id}")
        self.page.get_by_role("button", name="Documentation").click()

    @staticmethod
    def facts(part: Locator) -> dict[str, str]:
        """Read the figures of a sum or a card, each with the name that stands beside it."""
        part.wait_for()
        figures = part.locator(".facts > div")
        return {
            str(figure.locator("dt").text_content()): str(figure.locator("dd").text_content())
            for figure in figures.all()
        }

    def braze_tab(self) -> FrameLocator:
        """Open the tab Braze of the page that is open, and return its content."""
        self.page.get_by_role("link", name="Braze", exact=True).click()
        return self.page.frame_locator("iframe")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser while the ``with`` block lasts; Playwright runs one at a time."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def screen(
    browser: Browser,
    url: str,
    *,
    width: int = 1280,
    height: int = 900,
    theme: Literal["light", "dark"] = "light",
    scale: float = 1,
) -> Iterator[Screen]:
    """Open a window of its own while the ``with`` block lasts; it shares nothing with other windows."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        device_scale_factor=scale,
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    # Airflow keeps the choice of its menu here.
    context.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    try:
        yield Screen(context.new_page(), url)
    finally:
        context.close()
