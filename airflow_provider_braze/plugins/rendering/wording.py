"""How the tab says things: outcomes, states, durations.

Above: the cards and the pages. Below: nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

OUTCOME_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "accepted": "Braze queued it",
        "merged": "sent together with another record of the same user",
        "rejected": "Braze refused it",
        "invalid": "failed our checks, not sent",
        "unknown": "sent, but Braze's answer was lost",
        "not_sent": "read, but the push stopped first",
        "not_found": "Braze does not know this user",
        "planned": "would be sent",
        "unchanged": "nothing new to send",
        "in_flight": "in a request that Braze has not answered yet",
        "read_ahead": "read, and to be sent when it is its turn",
        "to_be_sent": "read, and waits for Braze with the push; it has not failed",
        "to_come": "not read yet, estimated from how much there is",
    }
)

_LABELS: Mapping[str, str] = MappingProxyType(
    {
        # No outcomes: their names alone would not say so to whoever reads them for the first time.
        "in_flight": "in requests not answered yet",
        "read_ahead": "read but not sent yet",
        "to_be_sent": "to be sent after the wait",
        "to_come": "not read yet",
    }
)

STATE_SENTENCES: Mapping[str | None, str] = MappingProxyType(
    {
        None: "Has not started yet.",
        "scheduled": "Is about to start.",
        "queued": "Is about to start.",
        "success": "Ended well, but its report is not in Airflow's database: XCom is off, or kept elsewhere.",
        "failed": "Failed before there was anything to report; the task's log says why.",
        "up_for_retry": "Failed and will be tried again; the task's log says why.",
        "up_for_reschedule": "Waits for its next turn.",
        "deferred": "Waits without a worker, and goes on by itself.",
        "restarting": "Is being started again.",
        "skipped": "Was skipped: there was nothing to push.",
        "upstream_failed": "Did not start, because a task before it failed.",
        "removed": "Is no longer part of the DAG.",
        "waiting": "Waits for its turn: exports are pushed one after the other.",
        "held up": "Was not pushed: an export before it stopped the list, and none may overtake it.",
    }
)

TOO_SHORT = "too short to tell"
STARTING = "Has just started; its progress shows here in a few seconds."
NO_STORE = "Is running. Its log says how far it is; Airflow shows that on this tab from version 3.3 on."
NO_REPORT = (
    "What is in XCom in the place of its report is none: somebody else wrote it. The report itself is in the reports "
    "folder."
)
NO_REPORT_YET = "Ended without a report. This is how far try {} had come:"
TOO_MANY_FAILED = "The push went through, but the task failed because too many of its records did."
NO_CLUSTER = "no cluster of Braze's list"
RATE_LIMITED = "Braze's rate limit is reached, until {} UTC."


MEND_RECORDS = (
    "Next: mend the records in the rejects file and push it again, or raise max_rejected and clear the task."
)
MEND_SETUP = "Next: mend what the message names, then clear the task."
GO_ON = (
    "Next: when the cause is gone, clear the task. On Airflow 3.3 it goes on where it stopped, on older ones from the "
    "start of the export."
)
_DEFAULT_THRESHOLD = (
    "max_rejected is not set: more than 1 % of at least 100 records, or all of them, may not fail."
)


def threshold(report: Mapping[str, Any]) -> str:
    """Name the threshold that a push was held against; nothing where an older version did not say."""
    if "max_rejected" not in report:
        return ""
    most = report["max_rejected"]
    if most is None:
        return _DEFAULT_THRESHOLD
    if isinstance(most, bool) or not isinstance(most, int | float) or not math.isfinite(most):
        return ""
    if isinstance(most, float) and most < 1:
        return f"max_rejected lets {most * 100:g} % of the records fail."
    return f"max_rejected lets {most:,.0f} records fail."


def passed(report: Mapping[str, Any]) -> str:
    """Say which threshold let a push with failed records pass."""
    found = threshold(report)
    return f"The task went well all the same. {found}" if found else ""


def next_step(report: Mapping[str, Any]) -> str:
    """Say what to do about a push that failed."""
    if report.get("status") in ("complete", "failed") and report.get("rejects_path"):
        return MEND_RECORDS
    return GO_ON if report.get("status") == "partial" else MEND_SETUP


def late(found: Mapping[str, Any], status: str) -> str:
    """Say why an export is late, and what became of it by its report's status."""
    newer = str(found.get("newer") or "another export").replace("\\", "/").rpartition("/")[2]
    named = found.get("fields")
    fields = ", ".join(str(field) for field in named) if isinstance(named, list) else ""
    done = {"held": "left alone", "planned": "to push it would set them back"}.get(
        status, "pushed all the same, which set them back"
    )
    return f"Late: older than {newer}, which was pushed before and set {fields or 'the same fields'}; {done}."


def set_aside(error: str) -> str:
    """Say why an export is not offered again by itself."""
    return f"Set aside: {error or 'all of its records failed.'}"


def trouble(found: Any) -> str:
    """Say what Braze answers while a push tries again; nothing where all is well."""
    if not isinstance(found, Mapping) or not isinstance(found.get("reason"), str):
        return ""
    tries = found.get("next_try"), found.get("most_tries")
    said = found["reason"].encode("utf-8", "backslashreplace").decode()
    return (
        f"{said}; try {tries[0]} of {tries[1]}." if all(isinstance(one, int) for one in tries) else f"{said}."
    )


def about(seconds: float) -> str:
    """Say an estimate of a duration, no more precisely than it is known."""
    if seconds < 60:
        return "less than a minute"
    minutes = math.ceil(seconds / 60)
    return f"about {minutes} min" if minutes < 60 else f"about {minutes // 60} h {minutes % 60} min"


def interrupted(resumed_after: int, sent_again: int, *, at_most: bool) -> str:
    """Say that a push did not come through in one go; nothing where it did."""
    if not resumed_after and not sent_again:
        return ""
    number = f"at most {sent_again:,}" if at_most else f"{sent_again:,}"
    twice = f"; {number} of the others were sent twice" if sent_again else ""
    return f"Was interrupted and went on: {resumed_after:,} records were settled before{twice}."


def duration(seconds: float) -> str:
    """Say a duration in the two largest units that matter."""
    if seconds < 10:
        return f"{math.ceil(seconds * 10) / 10:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def pace(records_per_second: float) -> str:
    """Say a pace without calling a slow one none."""
    return f"{records_per_second:,.{1 if 0 < records_per_second < 9.95 else 0}f} records/s"


def percent(share: float) -> str:
    """Say a share without calling a little nothing, or nearly all everything."""
    if 0 < share < 0.01:
        return "< 1 %"
    if 0.99 < share < 1:
        return "> 99 %"
    return f"{share:.0%}".replace("%", " %")


def spaced(outcome: str) -> str:
    """Name an outcome, or another part of the bar, as people read it."""
    return _LABELS.get(outcome, outcome.replace("_", " "))
