"""The tab in a real API server below a sub-path, with real rows: Airflow's permissions, its list of plugins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests

from airflow_provider_braze.airflow_compat.api_server import HAS_STORE, SIGNED_IN
from airflow_provider_braze.get_provider_info import get_provider_info
from airflow_provider_braze.plugins import app as module
from airflow_provider_braze.plugins.braze_tab import BrazeTabPlugin
from tests.plugins.api_server import ADMIN, NOBODY, SUB_PATH, VIEWER, ApiServer
from tests.plugins.auth_manager import HIDDEN_DAG, HidingAuthManager
from tests.plugins.invented import SCRIPT, progress, report
from tests.plugins.test_app import text_of
from tests.system.real_airflow import REPOSITORY

RUN, OTHER_RUN = "manual__2026-11-21T10:00:00+00:00", "manual__2026-11-21T11:00:00+00:00"
RUN_IN_VAIN = "manual__2026-11-21T12:00:00+00:00"
NO_FOLDER = f"no folder 'Summer Sale 2027'; there are: {SCRIPT}"


def rows() -> dict[str, Any]:
    pushes = [
        {"state": "success", "label": SCRIPT, "return_value": report(accepted=90, merged=3, invalid=7)},
        {
            "state": "failed",
            "report": report(
                status="partial",
                accepted=11,
                not_sent=2,
                error="Braze answered 500.",
                export=f"/x/{SCRIPT}.txt",
                reasons={SCRIPT: 2},
            ),
        },
        {"state": "running", "return_value": report(accepted=31337)},
        {"state": "success", "return_value": "kept by an XCom backend"},
    ]
    if HAS_STORE:
        pushes[2]["progress"] = progress()
    mapped = [{"task_id": "push", "map_index": n, "name": "Push", **push} for n, push in enumerate(pushes)]
    other = {"task_id": "other", "state": "success", "operator": "PythonOperator"}
    deleted = {**report(accepted=1198, rejected=2, report_path="/r/report.json"), "action": "delete"}
    synced = {"job_status": "success", "rows_synced": 4711, "rows_failed_with_errors": 0, "ambiguous": True}
    partial = {"job_status": "partial", "rows_synced": 5, "rows_failed_with_errors": 3, "error": SCRIPT}
    others = [
        {"task_id": "delete", "state": "success", "operator": "BrazeUsersOperator", "return_value": deleted},
        {"task_id": "sync", "state": "success", "operator": "BrazeCdiSyncOperator", "return_value": synced},
        {"task_id": "bad", "state": "failed", "operator": "BrazeCdiSyncOperator", "report": partial},
        {"task_id": "wait", "state": "deferred", "operator": "BrazeCdiSyncSensor"},
    ]
    hidden = report(accepted=77, offer="Secret offer")
    return {
        "one": {
            RUN: [*mapped, {**other, "return_value": report(accepted=4242)}],
            RUN_IN_VAIN: [
                {**other, "task_id": "find", "state": "failed", "nothing_found": NO_FOLDER},
                {"task_id": "push", "state": "upstream_failed"},
            ],
            OTHER_RUN: [other, {"task_id": "single", "state": None}],
        },
        "rest": {RUN: others},
        HIDDEN_DAG: {RUN: [{"task_id": "push", "state": "success", "return_value": hidden}]},
    }


@pytest.fixture(scope="module")
def server() -> Iterator[ApiServer]:
    manager = f"{HidingAuthManager.__module__}.{HidingAuthManager.__name__}"
    settings = {"AIRFLOW__CORE__AUTH_MANAGER": manager, "PYTHONPATH": str(REPOSITORY)}
    with ApiServer(rows(), settings) as running:
        yield running


def test_a_run_shows_what_became_of_users_and_syncs(server: ApiServer) -> None:
    text = server.get(f"dags/rest/runs/{RUN}").text
    assert "delete: 1,200 rows, 1,198 accepted, 2 rejected" in text
    assert "<code>/r/report.json</code>" in text
    assert "sync success: 4,711 rows synced, 0 failed" in text
    assert "which sync it was is not certain" in text
    assert "sync partial: 5 rows synced, 3 failed" in text
    assert SCRIPT not in text
    assert "data-live" in text or "Refreshes by itself" in text
    assert "No task" not in text
    alone = server.get(f"dags/rest/runs/{RUN}/tasks/delete/-").text
    assert "1,198 accepted" in alone
    assert "4,711" not in alone


def test_all_pushes_have_a_row_for_each_change_of_users_and_each_sync(server: ApiServer) -> None:
    page = server.get("pushes").text
    text = text_of(page)
    assert "delete: 1,200 rows, 1,198 accepted, 2 rejected" in text
    assert "sync success: 4,711 rows synced, 0 failed" in text
    assert "sync partial: 5 rows synced, 3 failed" in text
    assert SCRIPT not in page
    assert f"/dags/rest/runs/{quote(RUN, safe='')}#other-delete--1" in page
    only = text_of(server.get("pushes?kind=syncs&dag=rest&state=failed").text)
    assert "sync partial" in only
    assert "4,711" not in only
    assert "1,198" not in only
    # They are no pushes: there is nothing to add up.
    assert "Data points, estimated" not in only
    of_dag = text_of(server.get("dags/rest").text)
    assert "1,198 accepted" in of_dag
    assert "0 pushes" not in of_dag


def test_a_run_shows_all_of_its_pushes_and_nothing_else(server: ApiServer) -> None:
    text = server.get(f"dags/one/runs/{RUN}").text
    assert "4 pushes, 1 running" in text
    assert "<b>90</b> accepted" in text
    assert "Braze answered 500." in text
    assert "its report is not in Airflow" in text
    assert "31,337" not in text
    assert "4,242" not in text
    if HAS_STORE:
        assert "40 % of the file" in text
        assert "https://dashboard-01.braze.eu" in text


def test_content_from_the_database_is_escaped(server: ApiServer) -> None:
    text = server.get(f"dags/one/runs/{RUN}").text
    assert SCRIPT not in text
    assert "&lt;script&gt;" in text


def test_a_task_shows_its_own_push(server: ApiServer) -> None:
    text = server.get(f"dags/one/runs/{RUN}/tasks/push/1").text
    assert "<b>11</b> accepted" in text
    assert "<b>90</b> accepted" not in text


def test_a_mapped_task_without_a_map_index_shows_all_that_it_was_expanded_to(server: ApiServer) -> None:
    # As its page is opened before the expansion: from then on there is no instance without an index.
    text = server.get(f"dags/one/runs/{RUN}/tasks/push/%7BMAP_INDEX%7D").text
    assert "4 pushes, 1 running" in text
    assert "<b>90</b> accepted" in text
    assert "data-live" in text.split("</style>")[1]
    assert "/tasks/push/mapped/0" in text


def test_a_task_that_is_not_mapped_leaves_airflows_placeholder_in_the_address(server: ApiServer) -> None:
    text = server.get(f"dags/one/runs/{OTHER_RUN}/tasks/single/%7BMAP_INDEX%7D").text
    assert "Has not started yet." in text


def test_what_pushes_nothing_says_so(server: ApiServer) -> None:
    assert module.NO_PUSH_IN_TASK in server.get(f"dags/one/runs/{RUN}/tasks/other/-1").text.replace(
        "&#39;", "'"
    )


@pytest.mark.parametrize("page", ["", "/tasks/find/-1", "/tasks/push/-1"])
def test_why_there_is_nothing_to_push_is_said_on_each_page(server: ApiServer, page: str) -> None:
    answer = server.get(f"dags/one/runs/{RUN_IN_VAIN}{page}")
    assert answer.status_code == 200
    assert "no folder &#39;Summer Sale 2027&#39;; there are: " in answer.text
    assert SCRIPT not in answer.text


def test_links_stay_below_the_sub_path(server: ApiServer) -> None:
    text = server.get(f"dags/one/runs/{RUN}").text
    assert (
        f'href="{SUB_PATH}/dags/one/runs/manual__2026-11-21T10%3A00%3A00%2B00%3A00/tasks/push/mapped/0"'
        in text
    )


PAGES = [
    f"dags/one/runs/{RUN}",
    f"dags/one/runs/{RUN}/tasks/push/0",
    f"dags/one/runs/{RUN}/tasks/push/0/rejects.csv",
    f"dags/one/runs/{RUN}/tasks/push/0/again",
]


@pytest.mark.parametrize("page", PAGES)
class TestPermission:
    def test_nobody_who_is_not_signed_in(self, server: ApiServer, page: str) -> None:
        answer = server.get(page, user=None)
        assert answer.status_code == 401
        assert module.NOT_SIGNED_IN in answer.text
        assert "accepted" not in answer.text.partition("<main")[2]

    def test_nobody_without_permission(self, server: ApiServer, page: str) -> None:
        answer = server.get(page, user=NOBODY)
        assert answer.status_code == 403
        assert module.NOT_ALLOWED in answer.text.replace("&#39;", "'")
        assert "accepted" not in answer.text.partition("<main")[2]

    def test_a_viewer_by_header_and_by_the_browsers_cookie(self, server: ApiServer, page: str) -> None:
        assert server.get(page, user=VIEWER).status_code != 401
        assert server.get(page, user=VIEWER, cookie=True).status_code not in (401, 403)


def test_no_route_changes_anything() -> None:
    assert {method for route in module.app.routes for method in getattr(route, "methods", ())} == {"GET"}


def test_every_route_asks_for_permission() -> None:
    routes = {route.path: route for route in module.app.routes if hasattr(route, "dependencies")}
    # That of all DAGs asks for each of them, once it knows who asks.
    (who, _) = routes.pop("/pushes").dependant.dependencies
    assert who.call is SIGNED_IN.dependency
    assert len(routes) == 5
    assert all(route.dependencies == module.MAY_READ for route in routes.values())


class TestAllPushes:
    def test_are_those_of_all_dags_that_the_user_may_read(self, server: ApiServer) -> None:
        for_admin, for_viewer = (server.get("pushes", user=user).text for user in (ADMIN, VIEWER))
        assert "Secret offer" in for_admin
        assert "Secret" not in for_viewer
        assert HIDDEN_DAG not in for_viewer
        assert for_admin.count("<tr>") == for_viewer.count("<tr>") + 1
        assert "RPI_Export_6001.txt" in for_viewer
        assert "Braze answered 500." in for_viewer
        assert SCRIPT not in for_viewer

    def test_those_of_one_dag_are_hidden_with_its_runs(self, server: ApiServer) -> None:
        for page in ("", f"/runs/{RUN}"):
            assert server.get(f"dags/{HIDDEN_DAG}{page}", user=VIEWER).status_code == 403
            assert server.get(f"dags/{HIDDEN_DAG}{page}", user=ADMIN).status_code == 200

    def test_whom_nothing_is_allowed_sees_nothing(self, server: ApiServer) -> None:
        answer = server.get("pushes", user=NOBODY)
        assert answer.status_code == 200
        assert "Nothing was pushed" in answer.text
        assert "RPI_Export" not in answer.text

    def test_who_is_not_signed_in_is_told_so(self, server: ApiServer) -> None:
        answer = server.get("pushes", user=None)
        assert answer.status_code == 401
        assert module.NOT_SIGNED_IN in answer.text

    def test_filters_are_in_the_address_whatever_stands_there(self, server: ApiServer) -> None:
        failed = server.get("pushes?state=failed&days=7").text
        assert "Braze answered 500." in failed
        assert "RPI_Export_6001.txt" not in failed
        assert "selected>failed</option>" in failed
        odd = server.get("dags/one?days=x&day=2026-99-99&state=%00&offer=%27&sort=-&page=7")
        assert odd.status_code == 200
        assert server.get("pushes?page=0").status_code == 422

    def test_those_of_a_dag_are_its_own(self, server: ApiServer) -> None:
        text = server.get("dags/one?dag=other", user=ADMIN).text
        assert "RPI_Export_6001.txt" in text
        assert "Secret" not in text


@pytest.mark.parametrize(
    "page", ["dags/none/runs/x", "dags/one/runs/none", "dags/~/runs/none", "dags", "", "static/tab.css"]
)
def test_what_is_not_there(server: ApiServer, page: str) -> None:
    answer = server.get(page)
    assert answer.status_code == 404
    assert "<p class=" in answer.text


def test_airflow_lists_the_tab_below_the_sub_path(server: ApiServer) -> None:
    answer = requests.get(
        f"{server.url}/api/v2/plugins",
        headers={"Authorization": f"Bearer {server.sign_in(ADMIN)}"},
        timeout=60,
    )
    (plugin,) = (one for one in answer.json()["plugins"] if one["name"] == BrazeTabPlugin.name)
    assert len({view["name"] for view in plugin["external_views"]}) == 2
    assert {view["destination"]: view["href"] for view in plugin["external_views"]} == {
        "nav": f"{SUB_PATH}/braze/pushes",
        "dag": f"{SUB_PATH}/braze/dags/{{DAG_ID}}",
        "dag_run": f"{SUB_PATH}/braze/dags/{{DAG_ID}}/runs/{{RUN_ID}}",
        "task_instance": f"{SUB_PATH}/braze/dags/{{DAG_ID}}/runs/{{RUN_ID}}/tasks/{{TASK_ID}}/{{MAP_INDEX}}",
    }


def test_provider_info_names_the_plugin() -> None:
    (plugin,) = get_provider_info()["plugins"]
    assert plugin == {
        "name": BrazeTabPlugin.name,
        "plugin-class": f"{BrazeTabPlugin.__module__}.{BrazeTabPlugin.__name__}",
    }
