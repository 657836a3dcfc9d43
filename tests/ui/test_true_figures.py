"""What the tab says of real pushes that wait, meet trouble or have ended: it is true, and says what it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, expect

from tests.plugins.api_server import VIEWER, ApiServer
from tests.sandbox_process import SandboxProcess
from tests.ui.real_states import CONN_ID, PACED, PEOPLE, RUN_OF_STATES, TINY, TROUBLE
from tests.ui.screen import Screen, screen
from tests.ui.shown import DAG_ID, TASK_ID, sign_in

PLACE = "Braze Onboarding and Upsert / Autumn Offer / 9002"


@pytest.fixture
def tab(viewer: Screen) -> FrameLocator:
    viewer.open_run(DAG_ID, RUN_OF_STATES)
    shown = viewer.braze_tab()
    shown.get_by_role("button", name="Pause").click()
    return shown


def card(tab: FrameLocator, which: int | str) -> Locator:
    return tab.locator(f"#{TASK_ID}-{which}")


def legend(part: Locator) -> dict[str, int]:
    """Read what stands below a bar, by its words."""
    found = {}
    for text in part.locator(".legend li").all_inner_texts():
        told = re.fullmatch(r"(?:about )?([\d,]+) (.+?) (?:[<>] )?\d+ %", text.strip())
        assert told, text
        found[told[2]] = int(told[1].replace(",", ""))
    return found


def test_a_push_that_waits_has_failed_nothing(tab: FrameLocator, sandbox_process: SandboxProcess) -> None:
    waits = card(tab, "0-2")
    expect(waits.get_by_role("heading", name="RPI_Export_9101.txt")).to_be_visible()
    expect(waits.get_by_text("waiting for Braze", exact=True)).to_be_visible()
    expect(waits.get_by_text(PLACE)).to_be_visible()
    expect(waits.get_by_text(CONN_ID)).to_contain_text(sandbox_process.url)
    figures, parts = Screen.facts(waits), legend(waits)
    # 20 requests of 75 went through, of 40.
    assert parts["accepted"] == int(figures["Have their outcome"].replace(",", "")) == 1500
    assert figures["Failed"] == "0"
    assert figures["Time left, estimated"].endswith(", after the wait")
    assert parts["to be sent after the wait"] > 0
    assert sum(parts.values()) == pytest.approx(PEOPLE, rel=0.1)
    expect(waits.get_by_text(re.compile(r"^(4[5-9]|5[0-5]) % of the file$"))).to_be_visible()
    done = card(tab, "0-1")
    expect(done.get_by_text("complete", exact=True)).to_be_visible()
    assert Screen.facts(done)["Records"] == "3"


def test_errors_of_braze_do_not_look_like_progress(tab: FrameLocator) -> None:
    troubled = card(tab, TROUBLE)
    expect(troubled.get_by_text("Braze answers 500; try 3 of 6.")).to_be_visible()
    expect(troubled.get_by_text("trouble at Braze", exact=True)).to_be_visible()
    expect(troubled.get_by_text("running", exact=True)).to_have_count(0)
    expect(tab.locator(".states").get_by_text("1 trouble at Braze")).to_be_visible()
    expect(troubled.get_by_text(PLACE)).to_be_visible()
    figures, parts = Screen.facts(troubled), legend(troubled)
    # Five requests of 75 went through, and one is with Braze.
    assert parts["accepted"] == int(figures["Have their outcome"].replace(",", "")) == 375
    assert parts["in requests not answered yet"] == 75
    assert parts["read but not sent yet"] == int(figures["Records read"].replace(",", "")) - 450
    # The bar is the whole file: what is green of it is no more than what is done of it.
    green = troubled.locator("rect.accepted").get_attribute("width")
    share = troubled.get_by_role("progressbar").get_attribute("value")
    assert float(green or 0) / 1000 == pytest.approx(float(share or 0), abs=0.02)
    assert float(share or 0) == pytest.approx(375 / PEOPLE, abs=0.02)


def test_waiting_says_for_what(tab: FrameLocator) -> None:
    figures = Screen.facts(card(tab, PACED))
    assert figures["Waited as Braze ordered"] == "not at all"
    assert re.fullmatch(r"\d+(\.\d)? s", figures["Waited for the connection's own limit"])


def test_data_points_are_an_estimate_with_a_bar_for_each_attribute(tab: FrameLocator) -> None:
    ended = card(tab, PACED)
    total = int(Screen.facts(ended)["Data points, estimated"].replace(",", ""))
    ended.get_by_text("Data points by attribute, estimated").click()
    rows = ended.locator(".points tbody tr")
    points = {
        row.locator("td").nth(0).inner_text(): row.locator("td").nth(2).inner_text() for row in rows.all()
    }
    assert {"email", "home_city"} < set(points)
    counts = [int(count.replace(",", "")) for count in points.values()]
    assert sum(counts) == total > 0
    lengths = [float(bar.get_attribute("width") or 0) for bar in ended.locator(".points rect").all()]
    assert lengths == [pytest.approx(count / max(counts) * 1000, abs=0.1) for count in counts]
    for bar in ended.locator(".points svg").all():
        box = bar.bounding_box()
        assert box is not None
        assert box["width"] > 50
    # Nowhere is a number of data points said to be more than that.
    for words in tab.locator("main").inner_text().splitlines():
        assert "data points" not in words.lower() or "estimated" in words, words


def test_a_tiny_push_has_no_pace(tab: FrameLocator) -> None:
    tiny = card(tab, TINY)
    assert Screen.facts(tiny)["Pace"] == "too short to tell"
    expect(tiny).not_to_contain_text("records/s")
    expect(tiny.locator("figure")).to_have_count(0)


NAMES = "links => links.map(link => link.getAttribute('aria-label') || link.innerText)"


def test_every_link_has_a_name_of_its_own(tab: FrameLocator) -> None:
    names = tab.locator("main a:visible").evaluate_all(NAMES)
    assert len(names) > 15
    assert sorted(names) == sorted(set(names))


def test_on_a_small_window_it_scrolls_inside_itself_and_opens_alone(
    browser: Browser, server: ApiServer
) -> None:
    # 1024 pixels, and the same at 200 %.
    for width, scale in ((1024, 1.0), (512, 2.0)):
        with screen(browser, server.url, width=width, height=640, scale=scale) as small:
            sign_in(small, server, VIEWER)
            small.open_run(DAG_ID, RUN_OF_STATES)
            shown = small.braze_tab()
            last = card(shown, TINY)
            last.scroll_into_view_if_needed()
            expect(last).to_be_in_viewport()
            assert shown.locator("html").evaluate("page => page.scrollTop") > 0
            assert shown.locator("html").evaluate("page => page.scrollWidth - page.clientWidth") <= 0
            with small.page.context.expect_page() as opened:
                shown.get_by_role("link", name="Open this page alone").click()
            alone = opened.value
            expect(alone.get_by_role("heading", name="RPI_Export_9101.txt")).to_be_visible()
            expect(alone.locator("iframe")).to_have_count(0)
            expect(alone.get_by_role("link", name="Open this page alone")).to_be_hidden()


def test_who_looks_for_a_customer_is_told_the_command_that_finds_them(
    viewer: Screen, server: ApiServer, reports_folder: Path
) -> None:
    viewer.open("")
    viewer.page.get_by_role("link", name="All pushes").click()
    page = viewer.page.frame_locator("iframe")
    page.locator("#f-text").fill("Customer2")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No push of this time is like that.")).to_be_visible()
    command = (
        page.locator("code").inner_text().replace("ID", "Customer2").replace("FOLDER", str(reports_folder))
    )

    program, *arguments = command.split()
    assert program == "python"
    found = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)

    assert "it is no e-mail address" in found.stdout
