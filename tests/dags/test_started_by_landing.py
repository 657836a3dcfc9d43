"""What the shipped DAGs that start or ask by themselves do between sensor and push, without a running Airflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException, AirflowSkipException
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from tests.dags.test_shipped_dags import is_given_the_whole_list, load
from tests.inbox import land


@pytest.fixture(scope="module")
def on_landing() -> DAG:
    return load("redpoint_on_landing")


@pytest.fixture(scope="module")
def with_approval() -> DAG:
    return load("redpoint_with_approval")


def function(dag: DAG, task_id: str) -> Callable[..., Any]:
    found: Callable[..., Any] = dag.get_task(task_id).python_callable
    return found


def event(*items: dict[str, Any]) -> SimpleNamespace:
    return SimpleNamespace(
        extra={"from_trigger": True, "payload": {"status": "landed", "items": list(items)}}
    )


@pytest.fixture
def items(tmp_path: Path) -> list[dict[str, Any]]:
    for number in range(1, 4):
        land(tmp_path, f"RPI_Export_{number}.txt", age=60 - number)
    return poll(ExportSearch.read(base_path=str(tmp_path), settle_seconds=0), PollState()).items


def test_what_watches_reads_the_same_variables_as_the_polling_dag(on_landing: DAG) -> None:
    (asset,) = on_landing.timetable.asset_condition.objects
    (watcher,) = asset.watchers

    assert isinstance(watcher.trigger, RedpointExportTrigger)
    assert watcher.trigger.variables == {
        "base_path": "redpoint_base_path",
        "braze_conn_id": "redpoint_braze_conn_id",
        "settle_seconds": "redpoint_settle_seconds",
    }


def test_exports_are_pushed_one_at_a_time(on_landing: DAG, with_approval: DAG) -> None:
    for dag, upstream in ((on_landing, "landed_exports"), (with_approval, "find_exports")):
        assert dag.max_active_runs == 1
        assert is_given_the_whole_list(dag, upstream)


def test_every_event_of_a_run_counts_and_each_export_once(
    on_landing: DAG, items: list[dict[str, Any]]
) -> None:
    first, second, third = items
    landed = function(on_landing, "landed_exports")

    assert landed("braze_default", {"asset": [event(third), event(second, first), event(third)]}) == items


def test_what_is_pushed_through_this_connection_is_left_out(
    on_landing: DAG, items: list[dict[str, Any]]
) -> None:
    landed = function(on_landing, "landed_exports")
    for item in items[:2]:
        ReportsFolder.at(item["reports_path"]).mark_pushed("braze_default", item["fingerprint"])

    assert landed("braze_default", {"asset": [event(*items)]}) == items[2:]
    assert landed("another", {"asset": [event(*items)]}) == items
    with pytest.raises(AirflowSkipException, match="pushed already"):
        landed("braze_default", {"asset": [event(*items[:2])]})


def test_what_failed_before_is_pushed_before_what_has_just_landed(
    on_landing: DAG, items: list[dict[str, Any]]
) -> None:
    first, second, third = items
    landed = function(on_landing, "landed_exports")
    ReportsFolder.at(first["reports_path"]).mark_pushed("braze_default", first["fingerprint"])
    newest = event(third)
    newest.extra["payload"]["older"] = [first, second]

    assert landed("braze_default", {"asset": [newest]}) == [second, third]


@pytest.mark.parametrize("of_the_variable", ["", " braze_default\n", "None"])
def test_a_variable_is_read_as_the_push_reads_it(
    on_landing: DAG, items: list[dict[str, Any]], of_the_variable: str
) -> None:
    """Under an empty one nothing counted as pushed: what had gone through meanwhile was pushed again."""
    ReportsFolder.at(items[0]["reports_path"]).mark_pushed("braze_default", items[0]["fingerprint"])

    landed = function(on_landing, "landed_exports")

    assert landed(of_the_variable, {"asset": [event(*items)]}) == items[1:]


@pytest.mark.parametrize(
    "extra", [{"from_rest_api": True}, {"from_trigger": True, "from_rest_api": True}, {}]
)
def test_an_event_that_somebody_made_names_no_export(
    on_landing: DAG, items: list[dict[str, Any]], extra: dict[str, Any]
) -> None:
    """Airflow notes what came by REST, whatever else is sent; with a base path of one's own it could be any file."""
    made = SimpleNamespace(extra={"payload": {"items": items}, **extra})
    landed = function(on_landing, "landed_exports")

    with pytest.raises(AirflowSkipException, match="Started by hand"):
        landed("braze_default", {"asset": [made]})
    assert landed("braze_default", {"asset": [made, event(items[1])]}) == items[1:2]


@pytest.mark.parametrize("events", [{}, {"asset": [SimpleNamespace(extra={})]}])
def test_a_run_that_no_export_started_says_so(on_landing: DAG, events: dict[str, Any]) -> None:
    with pytest.raises(AirflowSkipException, match="redpoint_with_approval"):
        function(on_landing, "landed_exports")("braze_default", events)


def plan(users: int, data_points: int, *statuses: str) -> dict[str, Any]:
    exports = [{"status": status} for status in statuses or ("planned", "planned")]
    return {"users": users, "failed": 1, "data_points": data_points, "exports": exports}


@pytest.mark.parametrize(
    ("plan", "next_task"),
    [
        (plan(10, 100), "push_export"),
        (plan(11, 100), "ask"),
        (plan(10, 101), "ask"),
        # An export that cannot be planned may be of any size.
        (plan(4, 10, "planned", "failed"), "ask"),
        (plan(4, 10, "waiting", "waiting"), "ask"),
        (None, "ask"),
    ],
)
@pytest.mark.parametrize("failed", [False, True])
def test_a_person_is_asked_above_a_limit_and_in_doubt(
    with_approval: DAG, plan: dict[str, Any] | None, next_task: str, failed: bool
) -> None:
    class TaskInstance:
        def xcom_pull(self, task_ids: str, key: str) -> dict[str, Any] | None:
            assert (task_ids, key) == ("plan_export", "report")
            return plan

    returned = None if failed else plan
    size = function(with_approval, "sum_of_plans")([{}, {}], returned, ti=TaskInstance())
    for limits in (
        {"ask_above_users": 10, "ask_above_data_points": 100},
        {"ask_above_users": "10", "ask_above_data_points": "100"},
    ):
        assert function(with_approval, "by_size")(size, limits) == next_task


def test_the_question_says_what_a_person_has_to_know(
    with_approval: DAG, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team/")
    found = plan(16_800, 268_752) | {"endpoint": "https://rest.fra-01.braze.eu", "failed": 1234}
    exports = [
        {"channel": "Braze Append", "offer": "Sale [50 %]", "channel_execution_id": number}
        for number in range(25)
    ]
    said = function(with_approval, "sum_of_plans")(exports, found, "braze_prod", run_id="manual__1+00:00")[
        "question"
    ]

    assert (
        "25 exports, 16,800 users, at most 268,752 data points, an estimate; 1,234 records cannot be sent"
        in said
    )
    assert "23 exports could not be planned." in said
    assert "counted once" in said
    assert "Workspace: `https://rest.fra-01.braze.eu`, connection `braze_prod`. Cluster: EU-01." in said
    assert "\n- Braze Append / Sale \\[50 %\\] / 19\n- and 5 more\n" in said
    plans = (
        "https://airflow.example.com/team/dags/redpoint_with_approval/runs/manual__1%2B00%3A00/plugin/braze"
    )
    assert f"({plans})" in said
    assert "No answer within 12 hours means *Reject*: then nothing is pushed" in said


def test_the_question_names_the_connection_that_an_empty_variable_means(with_approval: DAG) -> None:
    said = function(with_approval, "sum_of_plans")([{}], plan(1, 1), "", run_id="run")
    assert "connection `braze_default`" in said["question"]


def test_users_of_several_kinds_of_identifiers_are_at_most_so_many(with_approval: DAG) -> None:
    found = plan(16_800, 100) | {"users_identified_by": ["email", "external_id"]}
    said = function(with_approval, "sum_of_plans")([{}], found, "braze_prod", run_id="run")
    assert said["subject"] == "Push at most 16,800 users to Braze?"
    assert "1 exports, at most 16,800 users, at most 100 data points" in said["question"]
    assert "(email, external_id); who is there in two of them is counted twice" in said["question"]
    assert "counted once" not in said["question"]
    exact = function(with_approval, "sum_of_plans")([{}], plan(5, 1), "braze_prod", run_id="run")
    assert exact["subject"] == "Push 5 users to Braze?"


def test_a_search_that_failed_is_not_added_up(with_approval: DAG) -> None:
    with pytest.raises(AirflowFailException, match="the task before this one says why"):
        function(with_approval, "sum_of_plans")(None, None, "braze_default")


def test_it_is_filtered_as_the_polling_dag_is(with_approval: DAG) -> None:
    find = with_approval.get_task("find_exports")
    polling = load("redpoint_to_braze").get_task("find_exports")
    for name in ("channel", "offer", "workflow_id", "channel_execution_id", "max_age", "braze_conn_id"):
        assert getattr(find, name) == getattr(polling, name)


def test_only_what_was_found_and_planned_is_pushed(with_approval: DAG) -> None:
    assert with_approval.get_task("push_export").replaced == "refuse"  # type: ignore[attr-defined]


def test_who_does_not_answer_has_not_agreed(with_approval: DAG) -> None:
    ask = with_approval.get_task("ask")

    assert ask.defaults == ["Reject"]
    assert ask.response_timeout is not None
    assert with_approval.get_task("plan_export").dry_run is True
