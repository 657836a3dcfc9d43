"""What holds for every report."""

from __future__ import annotations

import csv
import io
from typing import Any

from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import open_for_reading

OUTCOMES = (
    "accepted",
    "rejected",
    "invalid",
    "unknown",
    "not_sent",
    "merged",
    "not_found",
    "planned",
    "unchanged",
)


def check(report: dict[str, Any], **expected: Any) -> dict[str, Any]:
    """Check that the outcomes add up, that failed is what it says, and the expected fields; others of them are 0."""
    assert report["records"] == sum(report[outcome] for outcome in OUTCOMES), report
    assert report["failed"] == sum(report[name] for name in ("rejected", "invalid", "unknown", "not_sent"))
    counted = {name: report[name] for name in ("records", *OUTCOMES) if report[name]}
    wanted = {name: value for name, value in expected.items() if value and name in ("records", *OUTCOMES)}
    assert counted == wanted
    for name, value in expected.items():
        assert report[name] == value, name
    if report.get("rejects_path"):
        written = [row["_outcome"] for row in rejects(report)]
        for outcome in ("rejected", "invalid", "unknown", "not_sent", "not_found"):
            assert written.count(outcome) == report[outcome]
    return report


def rejects(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the rejects file; surplus cells are under None."""
    with io.TextIOWrapper(
        open_for_reading(locate(report["rejects_path"])), "utf-8", errors="surrogateescape", newline=""
    ) as file:
        return list(csv.DictReader(file))
