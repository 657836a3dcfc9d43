"""The page that pushes rejects again, in a browser: Airflow's rights decide, and each of its answers is a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, FrameLocator, Route, expect

from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from tests.plugins.api_server import USER, VIEWER, ApiServer
from tests.plugins.invented import report
from tests.plugins.test_app import rejects_of
from tests.ui.screen import Screen, screen
from tests.ui.shown import sign_in

DAG_ID, AGAIN = "redpoint_to_braze", "push_rejects_again"
RUN, RUN_OF_ANOTHER = "manual__2026-11-21T10:00:00+00:00", "manual__2026-11-21T11:00:00+00:00"


def written(base_path: Path) -> Path:
    """The rejects of the first run's push, and a mended copy beside them."""
    reports = base_path / "_braze"
    path = Path(rejects_of(reports, PushIdentity(DAG_ID, RUN, "push_export")))
    path.parents[1].rename(reports / ("a" * 64))
    path = reports / ("a" * 64) / path.parent.name / path.name
    path.with_name("mended.csv").write_bytes(path.read_bytes())
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    base_path = tmp_path_factory.mktemp("landing")
    rejects_path = str(written(base_path))

    def push(conn_id: str) -> list[dict[str, Any]]:
        said = report(accepted=9, invalid=38, rejects_path=rejects_path, braze_conn_id=conn_id)
        return [{"task_id": "push_export", "name": "Push", "state": "success", "return_value": said}]

    rows = {DAG_ID: {RUN: push("braze_default"), RUN_OF_ANOTHER: push("braze_of_another_year")}}
    with ApiServer(rows, with_dags=True) as running:
        running.be_admin()
        running.set_variable("redpoint_base_path", str(base_path))
        yield running


@pytest.fixture
def user(browser: Browser, server: ApiServer) -> Iterator[Screen]:
    """The window of somebody who may start runs."""
    with screen(browser, server.url) as opened:
        sign_in(opened, server, USER)
        yield opened


def page_of(ui: Screen, run_id: str = RUN) -> FrameLocator:
    """Go from the run over the card to the page."""
    ui.open_run(DAG_ID, run_id)
    tab = ui.braze_tab()
    tab.get_by_role("link", name="Push rejects again").click()
    expect(tab.get_by_role("heading", name="Push rejects again")).to_be_visible()
    expect(tab.get_by_role("link", name="Open this page alone")).to_be_visible()
    return tab


def answer_with(answer: dict[str, Any] | None, route: Route) -> None:
    """Answer in Airflow's place, as cannot be had of it at will; None: not at all."""
    if answer is None:
        route.abort()
    else:
        route.fulfill(**answer)


def press(tab: FrameLocator) -> None:
    tab.get_by_role("button", name="Push").click()


def test_who_may_not_start_runs_is_told_so(browser: Browser, server: ApiServer) -> None:
    server.be_admin()
    server.unpause(AGAIN)
    with screen(browser, server.url) as viewer:
        sign_in(viewer, server, VIEWER)
        tab = page_of(viewer)
        press(tab)
        expect(tab.get_by_text(f"You may not start runs of the DAG {AGAIN}")).to_be_visible()
        assert server.runs_of(AGAIN) == []


def test_a_paused_dag_is_named_and_started_once_it_is_switched_on(user: Screen, server: ApiServer) -> None:
    server.be_admin()
    server.pause(AGAIN)
    before = len(server.runs_of(AGAIN))
    tab = page_of(user)
    expect(tab.get_by_text("mended.csv was changed last")).to_be_visible()
    press(tab)
    expect(tab.get_by_text("is paused, so nothing was started")).to_be_visible()
    assert len(server.runs_of(AGAIN)) == before

    server.unpause(AGAIN)
    press(tab)
    expect(tab.get_by_role("link", name="The run of the plan")).to_be_visible()
    tab.get_by_role("checkbox", name="Dry run").uncheck()
    tab.get_by_role("combobox", name="File").select_option("rejects.csv")
    # To choose starts nothing.
    expect(tab.get_by_role("link", name="The run of the plan")).to_be_visible()
    press(tab)
    link = tab.get_by_role("link", name="The run of the push")
    expect(link).to_be_visible()
    expect(tab.get_by_role("button", name="Push")).to_be_disabled()

    *_, plan, push = server.runs_of(AGAIN)
    assert len(server.runs_of(AGAIN)) == before + 2
    assert (plan[1]["dry_run"], plan[1]["file_name"], plan[2]) == (True, None, USER)
    assert (push[1]["dry_run"], push[1]["file_name"], push[2]) == (False, "rejects.csv", USER)
    assert re.fullmatch(r"a{64}/redpoint_to_braze--.*", push[1]["rejects"])
    link.click()
    expect(user.page).to_have_url(re.compile(rf"/dags/{AGAIN}/runs/[^/]+$"))


def test_what_airflow_answers_is_said(user: Screen, server: ApiServer) -> None:
    server.be_admin()
    server.unpause(AGAIN)
    before = server.runs_of(AGAIN)
    # Its connection is not one of those that the form may choose.
    tab = page_of(user, RUN_OF_ANOTHER)
    press(tab)
    expect(tab.get_by_text("Airflow refused it, so nothing was started: 400. ")).to_contain_text(
        "Invalid input for param connection"
    )
    for answer, sentence in (
        ({"status": 409, "json": {"detail": "there is one"}}, "Airflow has a run of this moment already"),
        ({"status": 502, "body": "<html>"}, "Airflow refused it, so nothing was started: 502."),
        (None, "it is not known whether a run was started"),
    ):
        user.page.route("**/dagRuns", partial(answer_with, answer))
        press(tab)
        expect(tab.get_by_text(sentence)).to_be_visible()
        user.page.unroute("**/dagRuns")
    assert server.runs_of(AGAIN) == before

    # A DAG that is not there, and then nobody who is signed in.
    form = tab.locator("#again")
    form.evaluate("form => { form.dataset.api = form.dataset.api.replace(/[^/]+$/, 'nowhere') }")
    press(tab)
    expect(tab.get_by_text(f"There is no DAG {AGAIN}, so nothing was started: copy ")).to_be_visible()
    user.page.context.clear_cookies()
    press(tab)
    expect(tab.get_by_text("Your session has ended, so nothing was started")).to_be_visible()
    assert server.runs_of(AGAIN) == before
