"""Every name below the reports folder belongs to one push of one DAG, and reports and markers say of which."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.operators.users import BrazeUsersOperator
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.connections import connect
from tests.reliability.pushing import TaskInstance
from tests.reports import rejects
from tests.sandbox_process import SandboxProcess

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

WHOSE = ("dag_id", "run_id", "task_id", "map_index", "try_number")


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)
    connect(monkeypatch, sandbox, conn_id="braze_other")


@pytest.fixture
def export(tmp_path: Path) -> str:
    path = tmp_path / "Braze Onboarding and Upsert" / "Offer" / "8828" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("external_id,first_name,email\nU1,Ann,ann@example.com\nU2,Bo,nonsense\n")
    return str(path)


def push(export: str, ti: Any = None, **given: Any) -> dict[str, Any]:
    task = BrazeUserTrackOperator(task_id="push", export=export, max_rejected=1, **given)
    return task.execute({"ti": ti} if ti else {})  # type: ignore[typeddict-item,typeddict-unknown-key]


def test_two_dags_with_the_same_run_and_task(export: str, sandbox: SandboxProcess) -> None:
    one = push(export, TaskInstance(dag_id="one"), mapping={"omit": ["first_name"]})
    other = push(export, TaskInstance(dag_id="other"), braze_conn_id="braze_other")
    assert [report["dag_id"] for report in (one, other)] == ["one", "other"]
    assert json.loads(Path(one["report_path"]).read_text()) == one
    assert json.loads(Path(other["report_path"]).read_text()) == other
    assert len(rejects(one)) == len(rejects(other)) == 1

    path = Path(one["rejects_path"])
    path.write_text(path.read_text().replace("nonsense", "bo@example.com"))
    again = push(str(path), TaskInstance(dag_id="one", try_number=2))
    assert again["mapping"] == one["mapping"]
    assert "first_name" not in (sandbox.profile("U2") or {})


def test_two_airflows_with_the_same_dag_on_one_share(export: str) -> None:
    reports = [push(export, TaskInstance()) for _ in range(2)]
    assert [{name: report[name] for name in WHOSE} for report in reports] == [
        {
            "dag_id": "nightly",
            "run_id": TaskInstance().run_id,
            "task_id": "push",
            "map_index": -1,
            "try_number": 1,
        }
    ] * 2
    assert (
        len({report["token"] for report in reports})
        == len({report["rejects_path"] for report in reports})
        == 2
    )


def test_rows_of_ones_own_too(tmp_path: Path) -> None:
    rows = [{"external_id": "U1"}, {"x": 1}]
    reports = [
        BrazeUserTrackOperator(
            task_id="push", attributes=rows, reports_path=str(tmp_path), max_rejected=1
        ).execute(
            {"ti": TaskInstance(dag_id=dag_id, map_index=4)}  # type: ignore[typeddict-item,typeddict-unknown-key]
        )
        for dag_id in ("one", "other")
    ]
    assert [Path(report["rejects_path"]).exists() for report in reports] == [True, True]
    assert [(report["dag_id"], report["map_index"]) for report in reports] == [("one", 4), ("other", 4)]


def test_a_list_and_each_of_its_exports_say_whose_they_are(export: str) -> None:
    other = Path(export).with_name("RPI_Export_2.txt")
    other.write_text("external_id,first_name\nU3,Cy\n")
    lists = []
    for dag_id in ("one", "other"):
        task = BrazeUserTrackOperator(task_id="push", export=[export, str(other)], max_rejected=1)
        lists.append(task.execute({"ti": TaskInstance(dag_id=dag_id)}))  # type: ignore[typeddict-item,typeddict-unknown-key]
    for dag_id, listed in zip(("one", "other"), lists, strict=True):
        assert (listed["dag_id"], listed["task_id"], listed["try_number"]) == (dag_id, "push", 1)
        assert len(listed["exports"]) == 2
        for each in listed["exports"]:
            own = json.loads(Path(each["report_path"]).read_text())
            assert each["token"] == own["token"] == listed["token"]
            assert Path(each["report_path"]).parent.name.endswith(own["token"])
    assert lists[0]["token"] != lists[1]["token"]


def test_changes_of_users_too(tmp_path: Path) -> None:
    reports = [
        BrazeUsersOperator(
            task_id="delete",
            action="delete",
            rows=["U1", {"x": 1}],
            expect_at_most=2,
            max_rejected=1,
            reports_path=str(tmp_path),
        ).execute(
            {"ti": TaskInstance(dag_id=dag_id, map_index=4)}  # type: ignore[typeddict-item,typeddict-unknown-key]
        )
        for dag_id in ("one", "one", "other")
    ]
    assert [(report["dag_id"], report["map_index"]) for report in reports] == [
        ("one", 4),
        ("one", 4),
        ("other", 4),
    ]
    for report in reports:
        # Nobody has written over what another has left.
        assert json.loads(Path(report["report_path"]).read_text())["token"] == report["token"]
        assert rejects(report)
        assert Path(report["rejects_path"]).parent == Path(report["report_path"]).parent
        assert Path(report["report_path"]).parent.name.endswith(report["token"])
        assert Path(report["report_path"]).parent.name.startswith(report["dag_id"])
    assert len({report["report_path"] for report in reports}) == 3


def test_a_script_has_neither_dag_nor_run(export: str) -> None:
    reports = [push(export) for _ in range(2)]
    assert [(report["dag_id"], report["task_id"], report["map_index"]) for report in reports] == [
        (None, "push", -1)
    ] * 2
    assert len({report["report_path"] for report in reports}) == 2


@pytest.mark.parametrize("name", ["x" * 250, "Été à 50 %", "a/../b", "--", "."])
def test_names_as_airflow_allows_them_or_not(export: str, name: str) -> None:
    report = push(export, TaskInstance(dag_id=name, run_id=name))
    assert (report["dag_id"], report["run_id"]) == (name, name)
    assert Path(report["report_path"]).parent.parent.name == report["fingerprint"]


def test_a_marker_says_who_pushed_and_when(export: str) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    report = push(export, TaskInstance(dag_id="one"))
    folder = ReportsFolder.at(report["report_path"].rsplit("/", 3)[0])
    found = Path(export).stat()
    told = folder.markers("braze_default")[report["fingerprint"]].pushed_at
    assert told is not None
    assert before <= datetime.fromisoformat(told) <= datetime.now(UTC)
    assert folder.markers("braze_default") == {
        report["fingerprint"]: Marker(
            PushIdentity.of(report),
            told,
            report["report_path"],
            export,
            found.st_mtime,
            frozenset({"email", "first_name"}),
        )
    }
    assert folder.markers("braze_other") == {}


def test_the_marker_of_a_refusal_says_so_too(export: str) -> None:
    Path(export).write_text("external_id,email\nU2,nonsense\n")
    report = push(export, TaskInstance(dag_id="one"))
    root = Path(report["report_path"].rsplit("/", 3)[0])
    (place,) = root.glob(f"refused/braze_default/{report['fingerprint']}/*")
    marker = Marker.read(place.read_bytes())
    assert (marker.identity, marker.report) == (PushIdentity.of(report), report["report_path"])
    assert marker.pushed_at


def test_what_was_deferred_goes_on_under_its_own_name(export: str, sandbox: SandboxProcess) -> None:
    sandbox.fault(status=429, retry_after=600, count=10**6)
    task = BrazeUserTrackOperator(task_id="push", export=export, max_wait_on_worker=5, max_rejected=1)
    context: Any = {"ti": TaskInstance()}
    with pytest.raises(TaskDeferred) as left:
        task.execute(context)
    sandbox.clear_faults()
    report = task.resume(context, None, **left.value.kwargs)
    assert report["token"] == left.value.kwargs["checkpoint"]["token"]
    (written,) = Path(report["report_path"]).parent.parent.iterdir()
    assert written == Path(report["report_path"]).parent


def test_the_next_try_keeps_the_token_and_has_a_name_of_its_own(export: str, sandbox: SandboxProcess) -> None:
    sandbox.fault(status=429, retry_after=600, count=10**6)
    task = BrazeUserTrackOperator(task_id="push", export=export, max_wait_on_worker=5, max_rejected=1)
    with pytest.raises(TaskDeferred) as left:
        task.execute({"ti": TaskInstance()})  # type: ignore[typeddict-item,typeddict-unknown-key]
    sandbox.clear_faults()
    context: Any = {"ti": TaskInstance(try_number=2)}
    report = task.resume(context, None, **left.value.kwargs)
    assert report["try_number"] == 2
    tries = list(Path(report["report_path"]).parent.parent.iterdir())
    assert len(tries) == 2
    assert all(each.name.endswith(report["token"]) for each in tries)
