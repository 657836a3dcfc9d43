"""Rows of an author's own whose source breaks: the report is written all the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import RejectsError
from tests.reports import check

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
