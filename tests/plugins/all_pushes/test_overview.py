"""What the page of all pushes makes of them: filters, totals, days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_braze.plugins.all_pushes.history import MOST, History
from airflow_provider_braze.plugins.all_pushes.line import LATE, SET_ASIDE, UNDER_WAY, Line
from airflow_provider_braze.plugins.all_pushes.overview import SPANS, AskedOfAll, Overview, overview
from airflow_provider_braze.plugins.cards.card import Badge, PushTask
from airflow_provider_braze.plugins.one_run.others import SYNCS, USERS, Other
from airflow_provider_braze.plugins.pages import render
from tests.plugins.database import NOON
from tests.plugins.invented import SCRIPT, report
from tests.plugins.test_app import Visible, text_of


def line(
    number: int = 0, *, days: float = 0, dag_id: str = "one", run_id: str | None = None, **given: Any
) -> Line:
    task = {
        "task_id": "push",
        "map_index": number,
        "state": "success",
        "try_number": 1,
        "name": "Push",
        **given,
    }
    return Line.of(dag_id, run_id or f"run{number}", NOON - timedelta(days=days), PushTask(**task))


def page(*lines: Line, **asked: Any) -> Overview:
    return overview(History(list(lines), {}), AskedOfAll(**asked), NOON)


def html(found: Overview, *, of_dag: bool = False) -> str:
    return render(
        "pushes.html",
        nonce="n",
        page=found,
        live=found.live,
        every=20,
        of_dag=of_dag,
        spans=SPANS,
        most=MOST,
        under_way=UNDER_WAY,
    )


PUSHES = [
    line(0, report=report(accepted=10, invalid=2, offer="Spring", braze_conn_id="braze_eu")),
    line(1, days=1, dag_id="two", report=report(accepted=20, offer="Summer", channel="Braze Loyalty")),
    line(2, days=2, state="failed", report=report(status="failed", error="No.", set_aside=True, not_sent=3)),
    line(3, days=2, report=report(status="planned", planned=900, dry_run=True, data_points=50)),
    line(4, state="queued"),
]


def test_plans_are_summed_apart() -> None:
    found = page(*PUSHES)
    assert (found.pushes.pushes, found.pushes.records, found.pushes.failed) == (4, 35, 5)
    assert found.pushes.data_points == 3 * 4321
    assert (found.plans.pushes, found.plans.records, found.plans.data_points) == (1, 900, 50)
    text = text_of(html(found))
    assert "4 pushes, and 1 plan" in text
    assert "Data points, estimated12,963" in text
    assert "Plans would cost, estimated50" in text


def other(number: int, kind: str, state: str = "success", **given: Any) -> Line:
    made = Other(
        task_id=f"task{number}",
        map_index=-1,
        kind=kind,
        state=state,
        name=f"Task {number}",
        badge=Badge(state, ""),
        said=given.pop("said", f"did {number}"),
        error=given.pop("error", ""),
        report_path="",
        rejects_path="",
        workspace=given.pop("workspace", ""),
    )
    return Line.of_other(given.pop("dag_id", "one"), f"run{number}", NOON, made)


OTHERS = [
    other(10, USERS, workspace="braze_eu"),
    other(11, SYNCS, "failed", error="2 rows failed"),
    other(12, SYNCS, "deferred", dag_id="two"),
]


def test_what_is_no_push_has_a_row_and_is_in_no_total() -> None:
    alone, found = page(*PUSHES), page(*PUSHES, *OTHERS)
    assert (found.pushes, found.plans, found.days) == (alone.pushes, alone.plans, alone.days)
    assert (found.others, found.found) == (3, 8)
    text = text_of(html(found))
    assert "4 pushes, and 1 plan" in text
    assert "Users and syncs, besides3" in text
    assert "users Task 10" in text
    assert "did 11. 2 rows failed" in text
    assert "Users and syncs" not in text_of(html(alone))
    assert (alone.choices["kind"], found.choices["kind"]) == ([], ["pushes", "syncs", "users"])
    nothing_pushed = html(page(*OTHERS))
    assert "did 10" in nothing_pushed
    assert "Data points, estimated</dt>" not in nothing_pushed
    assert 'href="/braze/dags/one/runs/run10#other-task10--1"' in nothing_pushed


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [0, 1, 2, 3, 4, 10, 11, 12]),
        ({"kind": "pushes"}, [0, 1, 2, 3, 4]),
        ({"kind": "users"}, [10]),
        ({"kind": "syncs"}, [11, 12]),
        ({"kind": "nonsense"}, []),
        ({"kind": "syncs", "state": UNDER_WAY}, [12]),
        ({"state": "failed"}, [2, 11]),
        ({"dag": "two"}, [1, 12]),
        ({"workspace": "braze_eu"}, [0, 10]),
        ({"offer": "Spring"}, [0, 2, 3]),
        ({"text": "task 1"}, [10, 11, 12]),
        ({"day": "2026-11-25"}, [1]),
    ],
)
def test_filters_are_true_of_what_is_no_push(asked: dict[str, Any], found: list[int]) -> None:
    shown = page(*PUSHES, *OTHERS, **asked)
    assert [int(each.run_id.removeprefix("run")) for each in shown.lines] == found
    assert shown.others == sum(number >= 10 for number in found)
    assert shown.asked.is_filtered is (bool(asked) and "day" not in asked)


def test_an_export_that_was_pushed_in_shards_is_one_push_with_all_that_they_count() -> None:
    def shard(number: int, export: str = "a", **given: Any) -> Line:
        said = report(export=export, fingerprint=export, shard=f"{number + 1}/2", data_points=5, **given)
        return line(number, run_id="run", report=said)

    found = page(shard(0, accepted=10), shard(1, accepted=7, invalid=1), shard(0, "b", accepted=4))
    assert (found.pushes.pushes, found.pushes.records, found.pushes.failed) == (2, 22, 1)
    assert found.pushes.data_points == 15
    assert [each.row.title for each in found.lines] == ["a (shard 1/2)", "a (shard 2/2)", "b (shard 1/2)"]
    assert [day.pushes for day in found.days_with_pushes] == [2]


def test_days_have_what_was_pushed_on_them_and_no_plans() -> None:
    found = page(*PUSHES, days=7)
    assert len(found.days) == 7
    assert [(day.day, day.pushes, day.records, day.failed) for day in found.days_with_pushes] == [
        ("2026-11-26", 2, 12, 2),
        ("2026-11-25", 1, 20, 0),
        ("2026-11-24", 1, 3, 3),
    ]
    assert [(bar.name, bar.count) for bar in found.chart("failed")] == [("2026-11-24", 3), ("2026-11-26", 2)]
    assert max(bar.height for bar in found.chart("records")) == 100


def test_tries_of_one_export_in_a_run_count_once_and_those_of_two_runs_twice() -> None:
    own = [report(accepted=n, started_at=f"2026-11-26T0{n}:00:00+00:00") for n in (1, 2)]
    tries = [line(n, run_id="run", task_id=f"push{n}", report=own[n]) for n in (0, 1)]
    assert (page(*tries).pushes.pushes, page(*tries).pushes.records) == (1, 2)
    assert page(*tries).found == 2
    runs = [line(n, report=own[n]) for n in (0, 1)]
    assert (page(*runs).pushes.pushes, page(*runs).pushes.records) == (2, 3)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"dag": "two"}, [1]),
        ({"channel": "Braze Loyalty"}, [1]),
        ({"offer": "Spring", "state": "complete, some failed"}, [0]),
        ({"workspace": "braze_eu"}, [0]),
        ({"state": "failed"}, [2]),
        ({"state": SET_ASIDE}, [2]),
        ({"state": UNDER_WAY}, [4]),
        ({"state": LATE}, []),
        ({"text": "SUMMER"}, [1]),
        ({"day": "2026-11-24"}, [2, 3]),
        ({"day": "2026-11-24", "state": "planned"}, [3]),
        ({"days": 1}, [0, 4]),
        ({"days": 12345, "day": "yesterday"}, [0, 1, 2, 3, 4]),
        ({"page": 2}, []),
    ],
)
def test_filters(asked: dict[str, Any], found: list[int]) -> None:
    assert [each.push.map_index for each in page(*PUSHES, **asked).lines] == found


def test_states_are_counted_of_what_the_other_filters_leave() -> None:
    states = {state: count for state, _, count in page(*PUSHES, days=1, state="queued").states}
    assert states == {"queued": 1, UNDER_WAY: 1, "complete, some failed": 1}


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-11-31", "20261126x", SCRIPT])
def test_a_day_that_cannot_be_is_none(day: str) -> None:
    assert AskedOfAll(day=day).between(NOON) == (date(2026, 10, 28), date(2026, 11, 26))


def test_links_keep_what_is_asked_for() -> None:
    asked = AskedOfAll(state="failed", dag="one", days=7, day="2026-11-24", page=3)
    assert asked.link(page=4) == "?state=failed&page=4&dag=one&day=2026-11-24&days=7"


def test_a_hundred_rows_on_a_page_with_links_of_their_own_names() -> None:
    many = [line(n, report=report(accepted=1, export=f"/x/{n}.txt")) for n in range(250)]
    found = html(page(*many, page=3))
    tags = Visible(found).tags
    assert "Page 3 of 3" in text_of(found)
    cards = [tag["href"] for kind, tag in tags if kind == "a" and "?card=" in tag.get("href", "")]
    assert len(cards) == 50
    assert cards[0] == "/braze/dags/one/runs/run200?card=push-200#push-200"
    names = [tag.get("aria-label") or tag.get("id") or tag["href"] for kind, tag in tags if kind == "a"]
    assert len(names) == len(set(names))
    assert len(html(page(*many)).encode()) < 80_000


def test_everything_is_escaped() -> None:
    nasty = report(
        accepted=1,
        channel=SCRIPT,
        offer='"><img src=x>',
        export=f"/x/{SCRIPT}",
        braze_conn_id=SCRIPT,
        error=SCRIPT,
        late={"newer": SCRIPT, "fields": [SCRIPT]},
        set_aside=True,
        status=SCRIPT,
    )
    found = page(
        line(0, report=nasty, dag_id=SCRIPT, run_id='"><script>', state=SCRIPT, task_id='"><script>'),
        line(1, report=nasty, state="failed"),
        text=SCRIPT * 0,
    )
    for of_dag in (False, True):
        tags = [tag for tag, _ in Visible(html(found, of_dag=of_dag)).tags]
        assert (tags.count("script"), "img" in tags) == (1, False)


def test_what_was_left_out_is_said() -> None:
    found = overview(History(PUSHES, {"skipped": 7}, has_more=True), AskedOfAll(), NOON)
    text = text_of(html(found))
    assert f"Only the newest {MOST:,} pushes of this time are counted and shown" in text
    assert "7 skipped" in text


def test_an_empty_page_says_so() -> None:
    assert "Nothing was pushed to Braze in this time." in text_of(html(page()))
    assert "No push of this time is like that." in text_of(html(page(*PUSHES, text="nowhere")))


def test_it_refreshes_while_something_is_under_way_and_only_then() -> None:
    assert 'data-live="20"' in html(page(*PUSHES))
    assert "data-live" not in html(page(PUSHES[1])).split("</style>")[1].split("<script")[0]


def test_now_is_the_moment_that_is_given() -> None:
    late_in_the_day = datetime.fromisoformat("2026-11-26T23:59:59+00:00")
    assert overview(History([], {}), AskedOfAll(days=1), late_in_the_day).days[0].day == "2026-11-26"
