"""The tab in every state, theme and width, in a browser, on an API server below a sub-path."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, FrameLocator, expect

from airflow_provider_braze.plugins import app as module
from tests.plugins.api_server import NOBODY, SUB_PATH, VIEWER, ApiServer
from tests.plugins.invented import SCRIPT
from tests.ui.screen import Screen, screen
from tests.ui.shown import DAG_ID, LONG, RUN, RUN_OF_100, TASK_ID, UNICODE, sign_in


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, browser: Browser, server: ApiServer) -> Iterator[Screen]:
    with screen(browser, server.url, theme=request.param) as ui:
        sign_in(ui, server, VIEWER)
        yield ui


def card(tab: FrameLocator | Any, map_index: int) -> Any:
    return tab.locator(f"#{TASK_ID}-{map_index}")


def colour(element: Any, name: str = "background-color") -> str:
    return str(element.evaluate(f"element => getComputedStyle(element)['{name}']"))


def test_the_tab_looks_like_airflow_around_it(themed: Screen) -> None:
    themed.open_run(DAG_ID, RUN)
    tab = themed.braze_tab()
    expect(card(tab, 0)).to_be_visible()
    # A refresh would take the cards away between two looks at one of them.
    tab.get_by_role("button", name="Pause").click()

    assert colour(tab.locator("body")) == colour(themed.page.locator("html"))
    assert colour(tab.locator("body"), "color") == colour(themed.page.locator("body"), "color")

    # Each push says how it is.
    badges = {
        n: card(tab, n).locator(".badge").all_inner_texts()
        for n in range(9)
        if card(tab, n).wait_for() is None
    }
    assert badges == {
        0: ["complete, < 1 % failed", "upsert"],
        1: ["partial", "task failed", "upsert"],
        2: ["failed", "upsert"],
        3: ["planned", "upsert"],
        4: ["waiting for Braze"],
        5: ["waiting for Braze"],
        6: ["complete", "upsert"],
        7: ["queued"],
        8: ["complete", "append"],
    }
    # None that says something is as grey as one that only names a mode.
    neutral = colour(card(tab, 0).get_by_text("upsert", exact=True))
    words = [
        (6, "complete"),
        (1, "partial"),
        (1, "task failed"),
        (2, "failed"),
        (3, "planned"),
        (4, "waiting for Braze"),
    ]
    colours = [colour(card(tab, n).get_by_text(word, exact=True)) for n, word in words]
    assert neutral not in colours
    assert len(set(colours)) == 4
    # Two outcomes side by side are told apart.
    fills = [
        colour(card(tab, 8).locator(f".bar .{outcome}"), "fill")
        for outcome in ("accepted", "not_found", "unchanged")
    ]
    assert len(set(fills)) == 3


def test_until_when_it_waits_is_in_airflows_time_zone(viewer: Screen) -> None:
    viewer.open_run(DAG_ID, RUN)
    viewer.page.evaluate("localStorage.setItem('timezone', '\"Asia/Tokyo\"')")
    tab = viewer.braze_tab()
    expect(
        card(tab, 4).get_by_text("Waiting for Braze until 21:02: its rate limit is reached.")
    ).to_be_visible()
    viewer.page.evaluate("localStorage.removeItem('timezone')")
    expect(card(tab, 5).get_by_text("Waits without a worker, and goes on by itself.")).to_be_visible()


def test_names_are_shown_as_they_are_and_run_nothing(viewer: Screen) -> None:
    said: list[str] = []
    viewer.page.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    viewer.open_run(DAG_ID, RUN)
    tab = viewer.braze_tab()
    expect(tab.get_by_role("heading", name=LONG)).to_be_visible()
    expect(card(tab, 1).get_by_text(f"Braze Append / {UNICODE} / 8828")).to_be_visible()
    expect(card(tab, 6).get_by_text(SCRIPT).first).to_be_visible()
    assert said == []


def test_a_keyboard_is_enough(viewer: Screen) -> None:
    viewer.open_run(DAG_ID, RUN)
    tab = viewer.braze_tab()
    row = tab.locator(".rows a").last
    row.focus()
    tab.locator("main").evaluate("main => { main.dataset.old = '' }")
    # The page refreshes by itself, and the keyboard stays where it was.
    with viewer.page.expect_response(re.compile(rf"{SUB_PATH}/braze/")):
        pass
    viewer.page.wait_for_timeout(300)
    expect(row).to_be_focused()
    expect(tab.locator("main[data-old]")).to_have_count(0)
    expect(tab.locator("main")).to_have_count(1)
    expect(tab.locator("main > .live")).to_be_visible()
    viewer.page.keyboard.press("Tab")
    # What failed is first.
    task = card(tab, 1).get_by_role("link", name="Task")
    expect(task).to_be_focused()
    assert colour(task, "outline-style") == "solid"

    with viewer.page.expect_response(re.compile(rf"{SUB_PATH}/braze/")):
        pass
    viewer.page.wait_for_timeout(300)
    expect(task).to_be_focused()
    viewer.page.keyboard.press("Tab")
    expect(card(tab, 1).get_by_role("link", name="Braze dashboard")).to_be_focused()
    viewer.page.keyboard.press("Shift+Tab")
    viewer.page.keyboard.press("Enter")

    expect(viewer.page).to_have_url(
        re.compile(rf"{SUB_PATH}/dags/{DAG_ID}/runs/[^/]+/tasks/{TASK_ID}/mapped/1$")
    )
    expect(viewer.page.get_by_text("[Offer / 6001]").first).to_be_visible()


def test_two_failures_among_a_hundred_are_found_in_a_small_window(
    browser: Browser, server: ApiServer
) -> None:
    # A window of 1024 pixels at 200 % has room for half as many.
    for width in (1024, 512):
        with screen(browser, server.url, width=width, height=700) as small:
            sign_in(small, server, VIEWER)
            small.open_run(DAG_ID, RUN_OF_100)
            tab = small.braze_tab()
            expect(tab.get_by_role("link", name="2 failed")).to_be_visible()
            size = "performance.getEntriesByType('navigation')[0].decodedBodySize"
            assert tab.locator("html").evaluate(f"() => {size}") < 30_000
            rows = tab.locator(".rows tbody tr")
            expect(rows).to_have_count(100)
            expect(rows.nth(0)).to_contain_text("RPI_Export_6041.txt")
            expect(rows.nth(1)).to_contain_text("RPI_Export_6073.txt")
            expect(tab.get_by_role("article")).to_have_count(0)
            # It scrolls inside itself, and can be had alone.
            assert tab.locator("html").evaluate("page => page.scrollWidth - page.clientWidth") == 0
            expect(tab.get_by_role("link", name="Open this page alone")).to_be_visible()

            tab.get_by_role("link", name="RPI_Export_6073.txt").click()
            expect(tab.get_by_role("article")).to_have_count(1)
            expect(tab.get_by_role("article")).to_contain_text("The header has no identifier.")
            expect(tab.get_by_role("article")).to_be_in_viewport()

            tab.locator("#f-offer").select_option("Offer 5")
            expect(rows).to_have_count(11)
            tab.locator("#f-text").fill("6041")
            tab.get_by_role("button", name="Filter").click()
            expect(rows).to_have_count(1)
            expect(tab.get_by_role("article")).to_contain_text("RPI_Export_6041.txt")


def test_all_pushes_are_found_in_the_navigation_and_on_the_dag(viewer: Screen) -> None:
    viewer.open("")
    viewer.page.get_by_role("link", name="All pushes").click()
    tab = viewer.page.frame_locator("iframe")
    rows = tab.locator("#rows tbody tr")
    expect(rows).to_have_count(100)
    expect(tab.get_by_role("heading", name="108 pushes, and 1 plan")).to_be_visible()
    # On Airflow 3.3, what is asked for is in the browser's own address, too.
    tab.get_by_role("link", name="2 set aside").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Set aside: The header has no identifier.")
    expect(viewer.page).to_have_url(re.compile(r"/plugin/braze_pushes/.*\?state=set\+aside"))
    viewer.page.reload()
    expect(rows).to_have_count(2)
    tab.locator("#f-text").fill("6073")
    tab.get_by_role("button", name="Filter").click()
    expect(rows).to_have_count(1)
    expect(viewer.page).to_have_url(re.compile(r"\?days=30&state=set\+aside&text=6073$"))

    tab.get_by_role("link", name="RPI_Export_6073.txt", exact=True).click()
    expect(tab.get_by_role("article")).to_contain_text("The header has no identifier.")

    viewer.open(f"dags/{DAG_ID}")
    of_dag = viewer.braze_tab()
    expect(of_dag.locator("#rows tbody tr")).to_have_count(100)
    assert of_dag.locator("html").evaluate("page => page.scrollWidth - page.clientWidth") == 0
    of_dag.get_by_role("link", name="Run of RPI_Export_6000.txt in Airflow", exact=True).click()
    expect(viewer.page).to_have_url(re.compile(rf"{SUB_PATH}/dags/{DAG_ID}/runs/[^/]+$"))


def test_a_narrow_window_hides_nothing(browser: Browser, server: ApiServer) -> None:
    with screen(browser, server.url, width=480) as narrow:
        sign_in(narrow, server, VIEWER)
        narrow.open(f"braze/dags/{DAG_ID}/runs/{RUN}")
        card(narrow.page, 8).wait_for()
        assert narrow.page.evaluate("document.documentElement.scrollWidth") <= 480


BROKEN = """() => {
  const broken = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest("option, svg, code")) continue;
    for (const word of node.data.matchAll(/[^\\s]+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
      if (lines.size > 1 && word[0].length <= 20 && !/[-\u3000-\u9fff]/.test(word[0])) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""Words of a usual length that stand on two lines; beside a hyphen, and in Japanese, a line may end."""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_word_is_broken_and_no_page_is_wider_than_its_window(
    browser: Browser, server: ApiServer, theme: Literal["light", "dark"]
) -> None:
    # Of 1,280 and 1,024 pixels, also at 200 %.
    for width in (1280, 1024, 640, 512):
        with screen(browser, server.url, width=width, theme=theme) as ui:
            sign_in(ui, server, VIEWER)
            for page in (
                "pushes",
                f"dags/{DAG_ID}",
                *(f"dags/{DAG_ID}/runs/{run}" for run in (RUN, RUN_OF_100)),
            ):
                ui.open(f"braze/{page}")
                ui.page.locator("#rows").wait_for()
                assert ui.page.evaluate(BROKEN) == [], (page, width)
                too_wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                assert ui.page.evaluate(too_wide) <= 0, (page, width)


def test_rejects_show_who_and_the_cell_at_fault_and_can_be_downloaded(viewer: Screen) -> None:
    viewer.open_push(DAG_ID, RUN, 0)
    tab = viewer.braze_tab()
    tab.get_by_text("First records: who, and the cell at fault").click()
    expect(tab.get_by_role("columnheader", name="external_id")).to_be_visible()
    expect(tab.get_by_text("Customer2", exact=True)).to_be_visible()
    expect(tab.get_by_text("somebody").first).to_be_visible()

    with viewer.page.expect_download() as downloaded:
        tab.get_by_role("link", name="Download").click()

    assert downloaded.value.suggested_filename.endswith("-rejects.csv")
    assert downloaded.value.suggested_filename.startswith("RPI_Export_")
    assert "Customer2" in Path(downloaded.value.path()).read_text("utf-8-sig")


def test_who_may_not_see_it_is_told_so(browser: Browser, server: ApiServer) -> None:
    with screen(browser, server.url) as forbidden:
        sign_in(forbidden, server, NOBODY)
        forbidden.open(f"braze/dags/{DAG_ID}/runs/{RUN}")
        expect(forbidden.page.get_by_text(module.NOT_ALLOWED)).to_be_visible()
        expect(forbidden.page.get_by_text("accepted")).to_have_count(0)


def test_airflow_shows_the_dashboards_link_and_the_documentation_of_a_task(viewer: Screen) -> None:
    viewer.open(f"dags/{DAG_ID}/runs/{quote(RUN)}/tasks/{TASK_ID}/mapped/0/details")
    link = viewer.page.get_by_role("link", name="Braze dashboard")
    expect(link).to_have_attribute("href", "https://dashboard-01.braze.com")

    viewer.task_documentation(DAG_ID, TASK_ID)
    expect(
        viewer.dialog.get_by_text(
            "Pushes exports to Braze, one after the other, and accounts for every record."
        )
    ).to_be_visible()
