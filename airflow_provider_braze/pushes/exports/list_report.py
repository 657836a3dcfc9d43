"""The report of a list of exports: the sums of their reports, the worst status, and one entry for each export.

Above: a list of exports, and the tab. Below: the reports of single pushes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES

WAITING = "waiting"
"""Status of an export that has not had its turn."""

_FROM_BEST = (reports.COMPLETE, reports.PLANNED, reports.HELD, WAITING, reports.PARTIAL, reports.FAILED)

COUNTS = ("records", *OUTCOMES, "failed", "data_points")
"""Counts of each export in its entry."""

_SUMS = (
    *COUNTS,
    "requests",
    "retries",
    "objects",
    "bytes",
    "resumed_after",
    "sent_again",
    "rate_limited",
    "waited_seconds",
    "paced_seconds",
    "seconds",
)
_SUMS_OF_PLANS = ("planned_requests", "planned_bytes", "users", "seconds_at_limit")
_COUNTED_BY_NAME = ("data_points_by_attribute", "reasons")
_SUMS_OF_THE_MEMORY = ("values_saved", "data_points_saved")

_OF_EACH = (
    "channel",
    "offer",
    "workflow_id",
    "channel_execution_id",
    "modified",
    "mode",
    "late",
    "rejects_path",
    "requests",
    "retries",
    "seconds",
    "waited_seconds",
    "paced_seconds",
    "rate_limited",
    "max_rejected",
    "resumed_after",
    "sent_again",
    "upper_bounds",
    "started_at",
    "dry_run",
    "endpoint",
    "request_path",
    "try_number",
    "token",
    "shard",
    "only_changed",
    *_SUMS_OF_THE_MEMORY,
    *_SUMS_OF_PLANS,
)
"""What an entry repeats of the export's own report, so that a card needs no other file."""

_MOST_REASONS = 5
_MOST_ATTRIBUTES = 11
_MOST_CHARACTERS = 1000

OTHERS = "all others"
"""Stands for the attributes of an export that its entry does not name."""


def entry(
    path: str, status: str, report: Mapping[str, Any] | None, error: str | None, *, set_aside: bool
) -> dict[str, Any]:
    """Write what a list's report says of one export.

    :param report: its own, None where there is none.
    :param error: why it has no whole report, or failed.
    :param set_aside: it was refused for what it is, or failed in every record.
    """
    own = report or {}
    return {
        "path": path,
        "export": path,
        "fingerprint": own.get("fingerprint"),
        "status": status,
        "counts": {name: own.get(name, 0) for name in COUNTS},
        "report_path": own.get("report_path"),
        "error": error and error[:_MOST_CHARACTERS],
        "set_aside": set_aside,
        "reasons": dict(Counter(own.get("reasons") or {}).most_common(_MOST_REASONS)),
        "data_points_by_attribute": _most(own.get("data_points_by_attribute") or {}),
        "notes": list(own.get("notes") or ())[:_MOST_REASONS],
        **{name: own[name] for name in _OF_EACH if name in own},
    }


def summed(own: Iterable[Mapping[str, Any]], statuses: Sequence[str]) -> dict[str, Any]:
    """Add up the reports of a list's exports.

    :param own: those there are.
    :param statuses: of all exports, also of those without a report.
    """
    read = list(own)
    rare = (*_SUMS_OF_PLANS, *_SUMS_OF_THE_MEMORY)
    planned = [name for name in rare if any(name in each for each in read)]
    totals = {name: sum(each.get(name) or 0 for each in read) for name in (*_SUMS, *planned)}
    modes = {each.get("mode") for each in read}
    return {
        "status": max(statuses, key=_FROM_BEST.index),
        "mode": modes.pop() if len(modes) == 1 else None,
        **{name: round(value, 3) if isinstance(value, float) else value for name, value in totals.items()},
        **{name: _added(each.get(name) for each in read) for name in _COUNTED_BY_NAME},
        "upper_bounds": sorted({name for each in read for name in each.get("upper_bounds") or ()}),
        **_of_the_memory(read),
        "started_at": min((each["started_at"] for each in read if each.get("started_at")), default=None),
        "samples": [],
        "notes": [],
        "report_path": None,
        "rejects_path": None,
    }


def _of_the_memory(read: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    own = [each for each in read if each.get("only_changed")]
    if not own:
        return {}
    since = [each for each in own if "memory_since" in each][-1:]
    return {
        "only_changed": True,
        "data_points_saved_by_attribute": _added(each.get("data_points_saved_by_attribute") for each in own),
        **{name: each[name] for each in since for name in ("memory_since", "data_points_saved_since")},
    }


def list_report_line(report: Mapping[str, Any]) -> str:
    """Say what became of a list, for the log."""
    exports = report["exports"]
    statuses = Counter(each["status"] for each in exports)
    told = ", ".join(f"{count} {status}" for status, count in statuses.items())
    return f"{len(exports)} exports: {told}. {reports.counts_line(report)}."


def _most(by_attribute: Mapping[str, int]) -> dict[str, int]:
    """Keep the attributes that cost most, and the sum of all others."""
    found = dict(Counter(by_attribute).most_common(_MOST_ATTRIBUTES))
    rest = sum(by_attribute.values()) - sum(found.values())
    return {**found, OTHERS: rest} if rest else found


def _added(counts: Iterable[Mapping[str, int] | None]) -> dict[str, int]:
    added: Counter[str] = Counter()
    for each in counts:
        added.update(each or {})
    return dict(added.most_common())
