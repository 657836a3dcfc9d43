"""What the page of all pushes reads of the database."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from airflow_provider_braze.airflow_compat.api_server import HAS_STORE, TaskInstance
from airflow_provider_braze.plugins.all_pushes import history as module
from airflow_provider_braze.plugins.all_pushes.history import History, dags_that_push, history
from airflow_provider_braze.plugins.all_pushes.line import LATE, SET_ASIDE, UNDER_WAY, Line
from airflow_provider_braze.plugins.one_run.stored import read_object
from airflow_provider_braze.pushes.exports.list_report import entry
from tests.plugins.database import NOON, add_push, database, make_tables, on_postgres
from tests.plugins.invented import progress, report
from tests.system.postgres import IS_INSTALLED, Postgres

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    if not IS_INSTALLED:
        assert os.environ.get("CI") != "true"
        pytest.skip("apt-get install postgresql")
    with Postgres() as server:
        make_tables(server.url)
        yield server.url


@pytest.fixture(params=["sqlite", "postgres"])
def session(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(module, "_memory", module._Memory())
    is_postgres = request.param == "postgres"
    with on_postgres(request.getfixturevalue("postgres")) if is_postgres else database() as opened:
        yield opened


def read(session: Session, *dag_ids: str, **given: Any) -> History:
    return history(session, dag_ids or ["one"], NOON - DAY, NOON + DAY, **given)


def lines(session: Session, *dag_ids: str) -> list[Line]:
    return read(session, *dag_ids).lines


def test_newest_first_and_only_of_the_dags_and_days_asked_for(session: Session) -> None:
    for number, hours in enumerate((3, 1, 2)):
        began = NOON - timedelta(hours=hours)
        add_push(
            session, f"run{number}", start_date=began, report=report(accepted=1, export=f"/x/{hours}.txt")
        )
    add_push(session, dag_id="other", report=report(accepted=1))
    add_push(session, "old", start_date=NOON - 2 * DAY, report=report(accepted=1))
    add_push(session, "python", custom_operator_name="PythonOperator", report=report(accepted=1))
    assert [line.row.title for line in lines(session)] == ["1.txt", "2.txt", "3.txt"]
    assert len(lines(session, "one", "other")) == 4
    assert lines(session, "nobody's") == []
    assert sorted(dags_that_push(session)) == ["one", "other"]


def test_each_state_is_what_the_tab_says(session: Session) -> None:
    error = {"status": "failed", "error": "No identifier.", "set_aside": True, "late": {"newer": "/x/9.txt"}}
    add_push(session, "a", state="failed", report=report(**error))
    add_push(session, "b", report=report(accepted=3, invalid=1))
    add_push(session, "c", report=report(planned=5, status="planned", dry_run=True))
    add_push(session, "d", state=None, start_date=None)
    add_push(session, "e", value='"kept elsewhere"')
    found = {line.run_id: line for line in lines(session)}
    assert found["a"].states == ("failed", LATE, SET_ASIDE)
    assert found["b"].states == ("complete, some failed",)
    assert (found["c"].states, found["c"].is_plan, found["c"].data_points) == (("planned",), True, 4321)
    assert found["d"].states == ("not started", UNDER_WAY)
    assert found["e"].states == ("success",)
    assert found["a"].why == (
        "Late: older than 9.txt, which was pushed before and set the same fields; pushed all the same, which set "
        "them back. Set aside: No identifier."
    )
    assert found["b"].why == "25 % failed."
    assert found["d"].why == "Has not started yet."


@pytest.mark.skipif(not HAS_STORE, reason="Airflow has the task state store from 3.3 on")
def test_what_runs_shows_its_progress(session: Session) -> None:
    waits = progress(waiting_until="2026-11-26T12:01:20+00:00", braze_conn_id="braze_eu")
    add_push(session, "a", state="running", progress=waits, report=report(accepted=31337))
    trouble = {"reason": "Braze answers 500", "next_try": 3, "most_tries": 6}
    add_push(session, "b", state="running", progress=progress(trouble=trouble))
    found = {line.run_id: line for line in lines(session)}
    assert found["a"].states == ("waiting for Braze", UNDER_WAY)
    assert (found["a"].row.records, found["a"].workspace) == (1000, "braze_eu")
    assert found["a"].why == "Braze's rate limit is reached, until 12:02 UTC."
    assert found["b"].why == "Braze answers 500; try 3 of 6."


def test_changes_of_users_and_syncs_are_rows_that_are_no_pushes(session: Session) -> None:
    users = report(accepted=3, invalid=1) | {"action": "delete", "braze_conn_id": "braze_eu"}
    sync = {
        "job_status": "partial",
        "rows_synced": 5,
        "rows_failed_with_errors": 2,
        "error": "2 rows failed.",
    }
    kinds = ("BrazeUsersOperator", "BrazeCdiSyncOperator", "BrazeCdiSyncSensor", "BrazeUserTrackOperator")
    names = [{"custom_operator_name": kind, "task_id": f"t{n}"} for n, kind in enumerate(kinds)]
    add_push(session, "a", report=users, **names[0])
    add_push(session, "b", report=sync, state="failed", **names[1])
    add_push(session, "c", state="deferred", report=sync, **names[2])
    add_push(session, "d", report=users, **names[3])
    add_push(session, "e", value="{", dag_id="other", **names[0])
    add_push(session, "f", state="skipped", **names[0])
    found = {line.run_id: line for line in lines(session, "one", "other")}
    assert {name: line.kind for name, line in found.items()} == {
        "a": "users",
        "b": "syncs",
        "c": "syncs",
        "d": "pushes",
        "e": "users",
    }
    assert found["a"].why == "delete: 4 rows, 3 accepted, 1 invalid"
    assert found["b"].why == "sync partial: 5 rows synced, 2 failed. 2 rows failed."
    assert (found["a"].states, found["b"].states) == (("success",), ("failed",))
    # What it returned was of an earlier try.
    assert (found["c"].states, found["c"].why) == (("deferred", UNDER_WAY), "")
    assert (found["a"].workspace, found["b"].workspace) == ("braze_eu", "")
    assert found["a"].card == "/braze/dags/one/runs/a#other-t0--1"
    assert [
        (line.row.records, line.row.failed, line.data_points) for line in found.values() if line.other
    ] == [(0, 0, 0)] * 4
    assert sorted(dags_that_push(session)) == ["one", "other"]
    assert read(session).idle == {"skipped": 1}
    assert [line.kind for line in read(session, idle=True).lines] == ["users"]


def test_a_list_shows_each_of_its_exports(session: Session) -> None:
    own = [
        report(accepted=n, export=f"/x/{n}.txt", started_at=(NOON + timedelta(minutes=n)).isoformat())
        for n in (1, 2)
    ]
    own[0] |= {"started_at": "9999-12-31T23:59:59+00:00"}
    exports = [entry(each["export"], "complete", each, None, set_aside=False) for each in own]
    listed = report(exports=exports, braze_conn_id="braze_prod")
    add_push(session, report=listed)
    found = lines(session)
    assert [(line.row.title, line.row.records, line.workspace) for line in found] == [
        ("2.txt", 2, "braze_prod"),
        ("1.txt", 1, "braze_prod"),
    ]
    # What cannot be is not believed.
    assert [line.began - NOON for line in found] == [timedelta(minutes=2), timedelta(0)]


def test_tasks_that_had_nothing_to_push_are_counted_and_shown_only_when_asked_for(session: Session) -> None:
    add_push(session, "a", state="skipped")
    add_push(session, "b", state="skipped")
    add_push(session, "c", report=report(accepted=1))
    found = read(session)
    assert ([line.run_id for line in found.lines], found.idle) == (["c"], {"skipped": 2})
    assert sorted(line.run_id for line in read(session, idle=True).lines) == ["a", "b"]


def test_what_has_ended_is_read_once_until_its_task_changes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_push(session, "a", report=report(accepted=1))
    add_push(session, "b", state="running")
    decoded: list[str | None] = []
    slim = module._slim
    monkeypatch.setattr(module, "_slim", lambda text: decoded.append(text) or slim(text))
    first = lines(session)
    assert lines(session) == first
    assert len(decoded) == 1

    session.query(TaskInstance).filter_by(run_id="a").update(
        {"state": "queued", "updated_at": NOON + timedelta(minutes=1)}
    )
    assert {line.run_id: line.row.state for line in lines(session)} == {"a": "queued", "b": "running"}


def test_what_is_kept_is_forgotten_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    memory = module._Memory()
    memory.look()["key"] = []
    now += 599
    assert "key" in memory.look()
    now += 2
    assert memory.look() == {}


def test_only_the_newest_of_very_many_are_read(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    for number in range(4):
        add_push(session, f"run{number}", start_date=NOON - timedelta(hours=number))
    found = read(session)
    assert ([line.run_id for line in found.lines], found.has_more) == (["run0", "run1", "run2"], True)


REPORT = report(accepted=5, invalid=1, late={"newer": "/x/9.txt", "fields": ["a"]}, braze_conn_id="c")
NASTY = [
    "",
    "nothing",
    "null",
    "[]",
    '"text"',
    "{" * 50_000,
    '{"status": 5}',
    '{"status": "complete", "records": 1e999}',
    '{"status": "complete", "records": 99999999999999999999999999, "offer": "Spring"}',
    '{"status": "complete", "exports": "none", "records": 5}',
    '{"status": "complete", "exports": [1, {"path": "/x/1.txt", "counts": []}]}',
    '{"status": "complete", "offer": "\\ud800", "records": true}',
    '{"status": "complete", "counts": ' + "[" * 100 + "]" * 100 + "}",
]


@pytest.mark.parametrize("text", [json.dumps(REPORT), json.dumps(json.dumps(REPORT)), *NASTY])
def test_a_row_shows_of_any_text_what_the_tab_shows(session: Session, text: str) -> None:
    """Decoded in part and quickly, or whole: nothing that people wrote there costs the page, or changes a count."""
    slim, whole = module._slim(text), read_object(text)
    if slim is not None and whole is not None:
        assert {name: whole[name] for name in slim} == slim
    add_push(session, value=text)
    (line, *_) = lines(session)
    assert line.row.records in (0, 5, 6)
    assert line.why is not None
