from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from tests.expected import MODES, REJECTED_LINES, wrong_counts, wrong_profiles
from tests.samples import EXPORTS, SampleExport, land_decoys
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow

pytestmark = pytest.mark.system

DAG_ID = "redpoint_to_braze"
COMMA, TAB, WRAPPED, UTF16, SHORT_HEADER, BROKEN = EXPORTS


class Share:
    """A fresh base path that the DAG watches, and what a user of the DAG can see."""

    def __init__(self, airflow: RealAirflow, base_path: Path) -> None:
        self.airflow = airflow
        self.base_path = base_path
        self.run_id = ""

    def land(self, *exports: SampleExport) -> None:
        """Land exports a minute apart, the last one a minute ago."""
        for age, export in enumerate(reversed(exports), start=1):
            export.land(self.base_path, modified=time.time() - 60 * age)

    def settle(self, seconds: float) -> None:
        self.airflow.set_variable("redpoint_settle_seconds", str(seconds))

    def start(self, **form: Any) -> None:
        self.run_id = self.airflow.trigger(DAG_ID, **form)

    def finish(self) -> str:
        return self.airflow.wait_for_run(DAG_ID, self.run_id)

    def push(self, **form: Any) -> list[dict[str, Any]]:
        """Run the DAG to its good end and return the reports, in the order of the pushes."""
        self.start(**form)
        return self.pushed()

    def pushed(self) -> list[dict[str, Any]]:
        """Wait for the good end of a run that has been started, and return its reports."""
        state = self.finish()
        assert state == "success", self.why()
        states = [task["state"] for task in self.tasks("push_export")]
        return self.airflow.reports(DAG_ID, self.run_id) if states == ["success"] else []

    def tasks(self, task_id: str) -> list[dict[str, Any]]:
        return [task for task in self.airflow.tasks(DAG_ID, self.run_id) if task["task_id"] == task_id]

    def why(self) -> str:
        """The logs of the tasks that failed."""
        return "\n".join(
            self.airflow.log(DAG_ID, self.run_id, task["task_id"], map_index=task["map_index"])[-3000:]
            for task in self.airflow.tasks(DAG_ID, self.run_id)
            if task["state"] == "failed"
        )

    def markers(self) -> set[str]:
        folder = self.base_path / "_braze" / "pushed" / "braze_default"
        return {path.name for path in folder.glob("*")}


@pytest.fixture
def share(airflow: RealAirflow, sandbox: SandboxProcess, tmp_path: Path) -> Share:
    airflow.unpause(DAG_ID)
    airflow.set_variable("redpoint_base_path", str(tmp_path))
    airflow.set_variable("redpoint_settle_seconds", "0")
    return Share(airflow, tmp_path)


def execution_ids(reports: Sequence[dict[str, Any]]) -> list[int]:
    return [int(report["channel_execution_id"]) for report in reports]


def test_one_export_is_pushed_on_the_oldest_airflow_too(share: Share, sandbox: SandboxProcess) -> None:
    share.settle(1)
    share.start(wait_minutes=5)
    # It lands when the sensor waits for sure: Airflow fails a task that is woken before it knows that its worker left.
    share.airflow.wait_for_worker_to_leave(share.run_id, "find_exports")
    share.land(COMMA)

    (report,) = share.pushed()

    assert wrong_counts(report, COMMA.execution_id) == []
    assert set(sandbox.profiles()) == {"P0001", "P0002", "P0003"}
    assert len(share.markers()) == 1
    assert "Pausing task as DEFERRED" in share.airflow.log(DAG_ID, share.run_id, "find_exports")


@contextmanager
def growing_on(path: Path, content: bytes) -> Iterator[None]:
    """Have a file grow by a byte again and again, by a thread: nothing that the test waits for holds it up."""
    ended = Event()

    def grow() -> None:
        while not ended.wait(0.5):
            with path.open("ab") as file:
                file.write(content[path.stat().st_size :][:1])

    thread = Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_six_exports_are_pushed_oldest_first_and_a_growing_one_when_it_is_whole(
    share: Share, sandbox: SandboxProcess
) -> None:
    share.land(*(export for export in EXPORTS if export is not UTF16))
    land_decoys(share.base_path)
    growing = share.base_path / UTF16.path
    growing.parent.mkdir(parents=True)
    growing.write_bytes(UTF16.content[:500])
    share.settle(10)

    share.start()
    with growing_on(growing, UTF16.content):
        share.airflow.wait_for(
            lambda: [task["state"] for task in share.tasks("find_exports")] == ["deferred"],
            "a deferred sensor",
            60,
        )
        share.airflow.wait_for(lambda: share.tasks("find_exports")[0]["end_date"], "the sensor's end", 120)
    assert share.finish() == "success", share.why()
    first = share.airflow.reports(DAG_ID, share.run_id)
    of_list = share.airflow.xcom(DAG_ID, share.run_id, "push_export")
    assert of_list["records"] == sum(report["records"] for report in first)
    assert execution_ids(first) == [5719, 5720, 5721, 5723, 5724]

    growing.write_bytes(UTF16.content)
    second = share.push()
    assert execution_ids(second) == [5722]

    for report in first + second:
        execution_id = int(report["channel_execution_id"])
        assert wrong_counts(report, execution_id) == []
        assert rejected_lines(report) == REJECTED_LINES.get(execution_id, [])
    assert wrong_profiles(sandbox.profiles()) == []
    assert len(share.markers()) == len(EXPORTS)
    assert one_at_a_time(first)
    assert not where_is(sandbox.key, share.airflow.home, share.base_path)


def rejected_lines(report: dict[str, Any]) -> list[int]:
    if not report["rejects_path"]:
        return []
    with Path(report["rejects_path"]).open(encoding="utf-8-sig", newline="") as file:
        return [int(row["_line"]) for row in csv.DictReader(file)]


def where_is(secret: str, *folders: Path) -> list[Path]:
    """Every file below the folders that holds a secret: logs, reports, the database."""
    return [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and secret.encode() in path.read_bytes()
    ]


def one_at_a_time(reports: list[dict[str, Any]]) -> bool:
    began = [datetime.fromisoformat(report["started_at"]) for report in reports]
    return began == sorted(began)


def test_a_form_left_empty_pushes_what_is_new(share: Share) -> None:
    share.land(COMMA, TAB)

    empty = {
        "channel": None,
        "offer": None,
        "workflow_id": "",
        "mode": "auto",
        "dry_run": False,
        "push_again": False,
        "max_rejected": None,
        "max_data_points": None,
    }

    assert execution_ids(share.push(**empty)) == [5719, 5720]


@pytest.mark.parametrize("workflow_id", ["8829", 8829])
def test_a_workflow_id_that_looks_like_a_number_selects(share: Share, workflow_id: str | int) -> None:
    share.land(COMMA, WRAPPED)

    assert execution_ids(share.push(workflow_id=workflow_id)) == [5721]


def test_a_form_selects_by_channel_and_offer(share: Share) -> None:
    share.land(COMMA, TAB, SHORT_HEADER)

    assert execution_ids(share.push(channel="Braze Append", offer="Spring Sale")) == [5723]


def test_a_dry_run_sends_nothing_and_the_export_stays_new(share: Share, sandbox: SandboxProcess) -> None:
    share.land(COMMA)

    (report,) = share.push(dry_run=True)

    assert (report["status"], report["planned"], report["accepted"]) == ("planned", 3, 0)
    assert sandbox.profiles() == {}
    assert share.markers() == set()
    assert execution_ids(share.push(dry_run=False)) == [5719]


def test_the_form_overrides_the_channels_mode(share: Share, sandbox: SandboxProcess) -> None:
    share.land(COMMA)

    (report,) = share.push(mode="append")

    assert MODES[5719] == "upsert"
    assert report["mode"] == "append"
    assert sandbox.profiles() == {}


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"max_data_points": 1}, "more than max_data_points (1); nothing was sent."),
        ({"max_rejected": "0"}, "records failed, more than 0"),
        ({"max_rejected": 0.01}, "records failed, more than 1.00%"),
    ],
)
def test_the_forms_guards_fail_the_push(share: Share, form: dict[str, Any], reason: str) -> None:
    share.land(BROKEN)

    share.start(**form)

    assert share.finish() == "failed"
    assert reason in share.why()


def test_a_workflow_that_was_pushed_is_skipped_unless_it_is_pushed_again(share: Share) -> None:
    share.land(COMMA)
    share.push(workflow_id="8828")

    assert share.push(workflow_id="8828") == []
    assert share.airflow.states(DAG_ID, share.run_id) == {
        "find_exports": ["skipped"],
        "push_export": ["skipped"],
    }
    assert "report.json" in share.airflow.log(DAG_ID, share.run_id, "find_exports")

    assert execution_ids(share.push(workflow_id="8828", push_again=True)) == [5719]


@pytest.mark.parametrize(
    "form", [{"offer": "../other"}, {"channel": ".."}, {"workflow_id": "a\\b"}, {"mode": "merge"}]
)
def test_a_form_cannot_leave_the_base_path(share: Share, form: dict[str, str]) -> None:
    with pytest.raises(Exception, match=r"answered 400.*Invalid input"):
        share.start(**form)


def test_a_base_path_that_does_not_exist_fails_the_run_at_once(share: Share) -> None:
    share.airflow.set_variable("redpoint_base_path", str(share.base_path / "nowhere"))

    share.start()

    assert share.finish() == "failed"
    assert "nowhere" in share.why()
    assert share.tasks("find_exports")[0]["try_number"] == 1


def test_a_misspelt_offer_fails_soon_and_says_what_there_is(share: Share) -> None:
    share.land(COMMA)

    share.start(offer="Summer Sale 2027")

    assert share.finish() == "failed"
    assert [task["state"] for task in share.tasks("push_export")] == ["upstream_failed"]
    said = f"no folder 'Summer Sale 2027'; there are: {COMMA.offer}"
    assert said in share.why()
    address = f"dags/{DAG_ID}/dagRuns/{share.run_id}/taskInstances/find_exports/xcomEntries/nothing_found"
    assert said in share.airflow.api("GET", address)["value"]


def test_the_form_chooses_a_connection_that_a_variable_names(share: Share) -> None:
    share.airflow.set_variable("redpoint_braze_conn_ids", "braze_sandbox, braze_prod")
    share.airflow.parse_again(DAG_ID)
    details = f"dags/{DAG_ID}/details"
    share.airflow.wait_for(
        lambda: "braze_prod" in str(share.airflow.api("GET", details)["params"]["connection"]),
        "the form's choice",
        60,
    )
    share.land(COMMA)

    (report,) = share.push(connection="braze_prod")

    assert report["braze_conn_id"] == "braze_prod"
    assert share.markers() == set()
    # For another workspace it is new.
    assert execution_ids(share.push(connection="braze_sandbox")) == [5719]
    assert share.push(connection="braze_prod") == []


def test_push_again_takes_what_is_named_and_says_so_in_a_dry_run(
    share: Share, sandbox: SandboxProcess
) -> None:
    share.land(COMMA, TAB)
    assert len(share.push()) == 2

    assert share.push(offer=COMMA.offer) == []
    assert "of it are pushed: RPI_Export_" in share.airflow.log(DAG_ID, share.run_id, "find_exports")

    share.start(push_again=True)
    assert share.finish() == "failed"
    assert "push_again needs an offer, a workflow_id or a channel_execution_id" in share.why()

    (plan,) = share.push(push_again=True, channel_execution_id=str(COMMA.execution_id), dry_run=True)
    assert (plan["status"], plan["planned"]) == ("planned", 3)
    assert execution_ids(share.push(push_again=True, channel_execution_id=COMMA.execution_id)) == [5719]
