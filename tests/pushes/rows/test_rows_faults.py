"""Rows of an author's own whose source breaks: the report is written all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import RejectsError, ReportError
from tests.reports import check
from tests.sandbox_process import SandboxProcess

PushRows = Callable[..., dict[str, Any]]


class BrokenError(Exception):
    """What an author's own function may raise."""


def breaking() -> Iterator[dict[str, Any]]:
    for n in range(3):
        yield {"external_id": f"U{n}", "x": 1}
    raise BrokenError("U2's row")


@pytest.mark.parametrize(
    ("given", "counts"),
    [
        ({"dry_run": True}, {"not_sent": 3, "records": 3}),
        ({"max_data_points": 100}, {}),
        ({}, {"not_sent": 3, "records": 3}),
    ],
)
def test_a_source_that_breaks(
    push_rows: PushRows, tmp_path: Path, given: dict[str, Any], counts: dict[str, int]
) -> None:
    with pytest.raises(BrokenError):
        push_rows(attributes=breaking, reports_path=str(tmp_path), **given)
    (path,) = tmp_path.rglob("report.json")
    report = json.loads(path.read_text())
    check(report, status="failed", **counts)
    assert report["error"] == "BrokenError"


def test_rejects_that_cannot_be_given_their_name(push_rows: PushRows, tmp_path: Path) -> None:
    with pytest.raises(RejectsError) as caught:
        push_rows(
            attributes=[{"external_id": "U1", "x": 1}, {"external_id": "U2", "email": "nonsense"}],
            reports_path=str(tmp_path),
            progress=lambda _: [part.unlink() for part in tmp_path.rglob("rejects.csv.1.part")],
        )
    (path,) = tmp_path.rglob("report.json")
    report = json.loads(path.read_text())
    assert report == caught.value.report
    assert (report["accepted"], report["rejected"], report["rejects_path"]) == (1, 1, None)
    assert "rejects.csv cannot be written" in report["error"]


def test_a_report_that_cannot_be_written_has_no_event_sent_again(
    push_rows: PushRows, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    """The failed try is tried again: Braze has everything by then."""

    def obstruct(_: Any) -> None:
        for rejects in tmp_path.rglob("rejects.csv*"):
            (rejects.parent / "report.json").mkdir(exist_ok=True)

    events: list[dict[str, Any]] = [
        {"external_id": "U1", "name": f"event {n}", "time": "2026-03-01T12:00:00Z"} for n in range(100)
    ]
    events[50] = {"name": "nobody's", "time": "2026-03-01T12:00:00Z"}
    kept: list[Any] = []
    given = {"events": events, "reports_path": str(tmp_path), "save": kept.append}
    with pytest.raises(ReportError):
        push_rows(**given, progress=obstruct)
    for obstacle in tmp_path.rglob("report.json"):
        obstacle.rmdir()
    report = push_rows(**given, checkpoint=kept[-1], run="run-2")
    check(report, records=100, accepted=99, invalid=1, status="complete")
    assert sandbox.stats()["objects"] == 99
    assert len(Path(report["rejects_path"]).read_text().splitlines()) == 2
    assert not list(tmp_path.rglob("*.part"))
