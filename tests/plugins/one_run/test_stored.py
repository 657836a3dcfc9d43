"""Whatever stands in the database in the place of a report: it is read as plain JSON, and costs no other card."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.plugins.cards.cards import PushTask, card_of, summaries
from airflow_provider_braze.plugins.cards.table import Table, TableQuery, row_of
from airflow_provider_braze.plugins.one_run.lists import one_by_one
from airflow_provider_braze.plugins.one_run.stored import is_kept_elsewhere, read_object, read_plain
from airflow_provider_braze.plugins.pages import render
from airflow_provider_braze.plugins.rendering.wording import NO_REPORT, OUTCOME_MEANINGS
from tests.plugins.api_server import ApiServer
from tests.plugins.invented import progress, report

RUN = "manual__2026-11-21T10:00:00+00:00"
CLASS = {
    "__classname__": "airflow.sdk.definitions.connection.Connection",
    "__version__": 1,
    "__data__": {"conn_id": "x"},
}

HUGE = "1" + "0" * 400
NO_REPORTS = [
    "null",
    "7",
    HUGE,
    "1" + "0" * 5000,
    "[]",
    "{}",
    "{",
    "",
    "[" * 200_000,
    '{"status": ' + "[" * 500 + "]" * 500 + "}",
    json.dumps(CLASS),
    json.dumps({"status": CLASS}),
    json.dumps({"status": "complete", "records": 10**400}),
    json.dumps({"status": "complete", "exports": [{"records": 10**400}]}),
]
ODD_REPORTS = [
    report(accepted=1, export="/x/\ud800.txt", notes=["\udfff"], error="\ud800"),
    report(accepted=1, started_at="9999-12-31T23:59:59+00:00"),
    report(accepted=1, seconds=1e308, waited_seconds=float("inf")),
    report(accepted=1, samples=[[0, 0], [1e-300, 1], [1e300, 2]]),
    report(accepted=1, reasons={"\ud800": 1}),
    report(accepted=1, error=CLASS),
]


def test_one_that_was_serialised_before_it_was_stored_is_read_too() -> None:
    assert read_object(json.dumps(json.dumps({"status": "complete"}))) == {"status": "complete"}
    assert read_plain(json.dumps("kept by an XCom backend")) == "kept by an XCom backend"
    assert is_kept_elsewhere('"s3://bucket/key"')
    assert not is_kept_elsewhere("[" * 200_000)


def test_no_value_becomes_an_object() -> None:
    assert read_object(json.dumps({"status": CLASS})) == {"status": CLASS}
    before = set(sys.modules)
    for depth in (json.dumps(CLASS), json.dumps(json.dumps(CLASS))):
        assert read_object(depth) == CLASS
    assert set(sys.modules) == before


def test_half_a_character_is_written_out_before_anything_is_made_of_it() -> None:
    half = report(accepted=1, export="/x/\ud800.txt", error="\udfff", rejects_path="/r/\ud800/rejects.csv")
    card = card_of(task(report=half, state="failed"), has_store=True)
    assert (card.title, card.error, card.rejects_path) == (
        "ud800.txt",
        "\\udfff",
        "/r/\\ud800/rejects.csv",
    )
    said = row_of(task(report=half)).title
    assert said.encode() == b"ud800.txt"


@pytest.mark.parametrize("content", [{"records": 10**400}, {"a": json.loads("[" * 500 + "]" * 500)}])
def test_what_no_push_has_written_is_no_report(content: dict[str, Any]) -> None:
    assert read_object(json.dumps({"status": "complete", **content})) is None


def task(**given: Any) -> PushTask:
    usual = {"task_id": "push", "map_index": -1, "state": "success", "try_number": 1, "name": "Push"}
    return PushTask(**{**usual, **given})


def show(*of_run: PushTask) -> str:
    """Render the cards as the page does, and the sum of all of them."""
    tasks = one_by_one(of_run)
    cards = [(card_of(each, has_store=True), {"task": "/", "rejects": "/"}, "") for each in tasks]
    page = render(
        "run.html",
        nonce="n",
        cards=cards,
        live=False,
        in_run=True,
        sums=summaries(tasks),
        table=Table.of(tasks, TableQuery()),
        empty="",
        said="",
        others=[],
    )
    return page.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize(
    "moment", ["9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59"]
)
def test_a_moment_at_the_end_of_time(moment: str) -> None:
    running = task(state="running", progress=progress(waiting_until=moment, try_number=1))
    assert "</article>" in show(running)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**14, 10**500)
    | st.floats()
    | st.text(st.characters()),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=8,
)
NAMES = sorted(
    {
        *report(),
        *progress(),
        *OUTCOME_MEANINGS,
        "exports",
        "late",
        "max_rejected",
        "data_points_by_attribute",
        "trouble",
        "paced_seconds",
        "to_be_sent",
        "shard",
    }
)


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=8))
def test_any_value_of_any_field_is_a_card(fields: dict[str, Any]) -> None:
    found = {**report(accepted=1), **fields}
    page = show(
        task(report=found),
        task(state="running", map_index=1, progress={**progress(try_number=1), **fields}),
        task(state="failed", map_index=2, report=report(accepted=4711)),
    )
    assert "4,711" in page


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    raw = [*NO_REPORTS, *(json.dumps(each) for each in ODD_REPORTS)]
    tasks = [
        {"task_id": "push", "map_index": n, "name": f"Push {n}", "state": "success", "raw": value}
        for n, value in enumerate(raw)
    ]
    good = {"task_id": "push", "map_index": len(raw), "name": "Push", "state": "success"}
    with ApiServer(
        {"one": {RUN: [*tasks, {**good, "return_value": report(accepted=4711)}]}}, on_sqlite=True
    ) as running:
        yield running


def test_none_of_them_costs_the_page(server: ApiServer) -> None:
    answer = server.get(f"dags/one/runs/{RUN}")
    assert answer.status_code == 200
    assert "<b>4,711</b> accepted" in answer.text
    assert answer.text.count(NO_REPORT) == len(NO_REPORTS)


@pytest.mark.parametrize("number", range(len(NO_REPORTS)))
def test_each_says_that_it_is_no_report(server: ApiServer, number: int) -> None:
    answer = server.get(f"dags/one/runs/{RUN}/tasks/push/{number}")
    assert answer.status_code == 200
    assert NO_REPORT in answer.text


@pytest.mark.parametrize("number", range(len(ODD_REPORTS)))
def test_what_is_odd_in_a_report_is_shown_or_left_out(server: ApiServer, number: int) -> None:
    answer = server.get(f"dags/one/runs/{RUN}/tasks/push/{len(NO_REPORTS) + number}")
    assert answer.status_code == 200
    assert "<b>1</b> accepted" in answer.text
