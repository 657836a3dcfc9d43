"""Cards of pushes that have a report.

Above: which card a push has. Below: what all cards have in common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.plugins.cards.card import (
    TONES,
    UNFINISHED,
    Badge,
    Card,
    PushTask,
    dashboard,
    listed,
    place_of,
    state_word,
    text,
    title_of,
    workspace_of,
)
from airflow_provider_braze.plugins.rendering import wording
from airflow_provider_braze.plugins.rendering.charts import (
    SHORTEST,
    CountBar,
    bar,
    count,
    number,
    rate_chart,
    shares,
)


def ended(task: PushTask, report: Mapping[str, Any]) -> Card:
    """Make the card of a push that has ended."""
    card = Card(
        task,
        title_of(task, report),
        place_of(report),
        _badges(task, report),
        workspace=workspace_of(report),
        error=text(report, "error"),
        segments=bar(report),
        facts=_facts(report),
        chart=rate_chart(report.get("samples")) if number(report, "seconds") >= SHORTEST else None,
        data_points=_data_points(report),
        reasons=_reasons(report),
        notes=_notes(report),
        dashboard=dashboard(report),
        report_path=text(report, "report_path"),
        rejects_path=text(report, "rejects_path"),
    )
    if count(report, "failed") and report.get("dry_run") is not True:
        if not is_failed(task, report):
            card.sentence = wording.passed(report)
        elif not card.error:
            card.sentence = f"{wording.TOO_MANY_FAILED} {wording.threshold(report)}".strip()
    if is_failed(task, report) and task.state not in UNFINISHED:
        card.next_step = wording.next_step(report)
    return card


def is_failed(task: PushTask, report: Mapping[str, Any]) -> bool:
    """Tell whether the task failed by this push; of a list, its own words say so."""
    if task.number:
        return text(report, "status") not in ("planned", "held") and bool(
            text(report, "error") or report.get("set_aside") is True or report.get("status") == "failed"
        )
    return task.state == "failed"


def _badges(task: PushTask, report: Mapping[str, Any]) -> list[Badge]:
    status, failed = text(report, "status") or "ended", count(report, "failed")
    word, tone = status, TONES.get(status, "")
    if status == "complete" and failed:
        share = failed / max(count(report, "records"), failed)
        word, tone = f"{status}, {wording.percent(share)} failed", "warning"
    badges = [Badge(word, tone)]
    if task.state not in (None, "success") and task.state != status:
        badges.append(Badge(f"task {state_word(task.state)}", TONES.get(str(task.state), "")))
    elif task.number and status == "complete" and is_failed(task, report):
        badges.append(Badge("too many failed", "error"))
    if report.get("set_aside") is True:
        badges.append(Badge("set aside", "error"))
    if report.get("late"):
        badges.append(Badge("late", "warning"))
    if mode := text(report, "mode"):
        badges.append(Badge(mode, ""))
    return badges


def _facts(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    records, seconds = count(report, "records"), number(report, "seconds")
    requests, retries = count(report, "requests"), count(report, "retries")
    waited, refused = number(report, "waited_seconds"), count(report, "rate_limited")
    facts = [("Records", f"{records:,}")]
    points = f"{count(report, 'data_points'):,}"
    if report.get("dry_run") is True:
        facts += [
            ("Requests planned", f"{count(report, 'planned_requests'):,}"),
            ("Shortest at the limit", wording.duration(number(report, "seconds_at_limit"))),
            ("Data points it would cost, estimated", points),
        ]
        return [*facts, *_saved(report)]
    pace = (records - count(report, "not_sent")) / seconds if seconds >= SHORTEST else None
    facts += [
        ("Pace", wording.TOO_SHORT if pace is None else wording.pace(pace)),
        ("Duration", wording.duration(seconds)),
        ("Requests", f"{requests:,}" + (f" ({retries:,} again)" if retries else "")),
        (
            "Waited as Braze ordered",
            f"{wording.duration(waited)} ({refused:,} refusals)" if waited or refused else "not at all",
        ),
    ]
    if "paced_seconds" in report:
        paced = number(report, "paced_seconds")
        facts.append(
            ("Waited for the connection's own limit", wording.duration(paced) if paced else "not at all")
        )
    return [*facts, ("Data points, estimated", points), *_saved(report)]


def _saved(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Say what was left out because Braze was told it before."""
    if report.get("only_changed") is not True:
        return []
    facts = [("Data points saved", f"{count(report, 'data_points_saved'):,}")]
    if "data_points_saved_since" in report:
        since = text(report, "memory_since")[:10]
        facts.append((f"Saved since {since}", f"{count(report, 'data_points_saved_since'):,}"))
    return facts


def _data_points(report: Mapping[str, Any]) -> list[CountBar]:
    by_attribute = report.get("data_points_by_attribute")
    return shares(by_attribute) if isinstance(by_attribute, Mapping) else []


def _reasons(report: Mapping[str, Any]) -> list[tuple[str, int]]:
    reasons = report.get("reasons")
    if not isinstance(reasons, Mapping):
        return []
    counted = [(str(reason), count(reasons, reason)) for reason in reasons]
    return sorted(counted, key=lambda pair: -pair[1])


def _notes(report: Mapping[str, Any]) -> list[str]:
    interrupted = wording.interrupted(
        count(report, "resumed_after"),
        count(report, "sent_again"),
        at_most="sent_again" in listed(report.get("upper_bounds")),
    )
    given = [note for note in listed(report.get("notes")) if isinstance(note, str)]
    return [interrupted, *given] if interrupted else given
