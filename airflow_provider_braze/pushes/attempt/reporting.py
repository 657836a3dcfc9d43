"""The report: what one push did, as JSON without personal values. It is the task's XCom.

Above: every push, and the operator. Below: the ledger, and the folder that it is written to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeRefusedError,
    HalfPushedError,
    RejectsError,
    ReportError,
    ReportsFolderError,
    describe,
)
from airflow_provider_braze.rejects.writer import RejectsFile
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import write_whole
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.outcomes import FAILED as FAILED_OUTCOMES
from airflow_provider_braze.users_track.ledger.outcomes import OUTCOMES
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace

COMPLETE, PARTIAL, FAILED, PLANNED = "complete", "partial", "failed", "planned"

HELD = "held"
"""Status of an export that was left alone because it is late."""

DEFAULT_SHARE = 0.01
DEFAULT_FLOOR = 100
"""By default a task fails when more than 1 % of at least 100 records failed."""

_SAID = (
    "records",
    "accepted",
    "merged",
    "rejected",
    "invalid",
    "unknown",
    "not_sent",
    "not_found",
    "planned",
    "unchanged",
)


def counts(ledger: Ledger) -> dict[str, Any]:
    """Write the counts of a ledger; the outcomes add up to ``records``."""
    total = ledger.total
    sent_again = ledger.sent_again.total(ledger.sent)
    bounds = ledger.upper_bounds | ({"sent_again"} if ledger.sent_again.is_short(ledger.sent) else set())
    return {
        "records": total.records,
        **{outcome: total.outcomes[outcome] for outcome in OUTCOMES},
        "failed": sum(total.outcomes[outcome] for outcome in FAILED_OUTCOMES),
        "requests": ledger.requests,
        "retries": ledger.retries,
        "objects": total.objects,
        "bytes": ledger.bytes,
        "data_points": total.data_points.total(),
        "data_points_by_attribute": total.data_points.by_attribute(),
        "resumed_after": ledger.resumed_after,
        "sent_again": sent_again,
        "upper_bounds": sorted(bounds if sent_again else bounds - {"sent_again"}),
        "reasons": dict(total.reasons.most_common()),
        "notes": list(ledger.notes),
    }


def waits(limiter: Limiter) -> dict[str, Any]:
    """Write what the limit cost."""
    return {"rate_limited": limiter.refusals, "waited_seconds": round(limiter.paused_seconds, 3)}


def setting(
    workspace: Workspace, braze_conn_id: str, dry_run: bool, error: BaseException | None
) -> dict[str, Any]:
    """Write where a push went, and what stopped it."""
    return {
        "braze_conn_id": braze_conn_id,
        "endpoint": workspace.endpoint,
        "request_path": workspace.path,
        "dry_run": dry_run,
        "error": workspace.redact(describe(error)) if error is not None else None,
    }


def status_of(ledger: Ledger, error: BaseException | None, *, dry_run: bool = False) -> str:
    """Name what became of a push.

    A push that went through is complete though some records failed; one that brought nothing through is failed.
    """
    if dry_run and error is None:
        return PLANNED
    outcomes = ledger.outcomes
    brought = outcomes["accepted"] + outcomes["not_found"] + outcomes["unchanged"]
    if error is not None:
        return PARTIAL if brought or outcomes["unknown"] else FAILED
    return FAILED if ledger.failed and not brought else COMPLETE


def is_set_aside(status: str, error: BaseException | None) -> bool:
    """Tell whether an export is a case of its own, which neither a retry nor another export has to do with.

    It was refused for what it is, or failed in every record. Where Braze refuses the workspace's requests (401, 403),
    or the reports folder cannot be written, every export is concerned; and one that waits for its other shards holds
    up those after it.
    """
    if error is None:
        return status == FAILED
    of_all = isinstance(error, BrazeRefusedError | HalfPushedError | ReportsFolderError)
    return isinstance(error, BrazeError) and not error.retryable and not of_all


def too_many_failed(report: Mapping[str, Any], max_rejected: int | float | None) -> str | None:
    """Say why a push's failed records are too many, or None.

    :param max_rejected: an int is a count, a float below 1 a share; None is the default: none was accepted, or
        more than 1 % of at least 100 records.
    """
    failed, records = report["failed"], report["records"]
    if not failed:
        return None
    said = f"{failed} of {records} records failed"
    if max_rejected is None:
        if not report["accepted"] and not report["not_found"] and not report.get("unchanged"):
            return f"{said} and none was accepted"
        too_many = records >= DEFAULT_FLOOR and failed > DEFAULT_SHARE * records
        return f"{said}, more than 1 %" if too_many else None
    if isinstance(max_rejected, float) and max_rejected < 1:
        return f"{said}, more than {max_rejected:.2%}" if failed > max_rejected * records else None
    return f"{said}, more than {max_rejected}" if failed > max_rejected else None


def report_line(report: Mapping[str, Any]) -> str:
    """Say what a push did, for the log."""
    where = where_or_why(report)
    return f"Push {report['status']} ({report['mode']}): {counts_line(report)}.{where and f' {where}'}"


def where_or_why(report: Mapping[str, Any]) -> str:
    """Name the files of a push; where there are none to look into, say what most records failed for."""
    if where := where_to_look(report):
        return where
    reason, count = max(report["reasons"].items(), key=lambda each: each[1], default=("", 0))
    return f"The most frequent reason ({count}): {reason}" if count else ""


def counts_line(report: Mapping[str, Any]) -> str:
    """Say the outcomes that there were."""
    return ", ".join(f"{report[name]} {name}" for name in _SAID if report[name] or name == "records")


def where_to_look(report: Mapping[str, Any]) -> str:
    """Name the files of a push; an empty text where there are none."""
    places = [report["report_path"] and f"Report: {report['report_path']}"]
    places.append(report["rejects_path"] and f"Rejects: {report['rejects_path']}")
    return ". ".join(filter(None, places))


def close(
    rejects: RejectsFile, error: BaseException | None, *, keep_parts: bool = False
) -> tuple[str | None, BaseException | None]:
    """Give the rejects file its name; that this fails is what stopped the push, unless something else did before."""
    try:
        url = rejects.close(keep_parts=keep_parts)
        # What broke it may have been met where nobody was told, as when the last checkpoint was taken.
        return url, error or rejects.trouble
    except RejectsError as trouble:
        return None, error or trouble


def keep(location: Location, report: dict[str, Any]) -> ReportError | None:
    """Write the report, under a temporary name first; where that fails it is not lost: the task's XCom has it too."""
    try:
        content = json.dumps(report, indent=2, ensure_ascii=False)
        write_whole(location, content.encode("utf-8", "backslashreplace"))
    except Exception as error:
        report["report_path"] = None
        return unwritable(location, error)
    return None


def unwritable(location: Location, error: Exception) -> ReportError:
    """Say that something cannot be written into the reports folder."""
    return ReportError(
        f"{location.url} cannot be written ({describe(error)}): make room, or set reports_path to a folder that the "
        "worker can write. The report is in the task's XCom."
    )
