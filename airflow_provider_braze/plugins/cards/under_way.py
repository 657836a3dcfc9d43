"""Cards of pushes that are under way, or left nothing but their progress.

Above: which card a push has. Below: what all cards have in common, and the progress of a push.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.plugins.cards.card import (
    DEFERRED,
    RUNNING,
    Badge,
    Card,
    PushTask,
    dashboard,
    empty_card,
    listed,
    moment,
    place_of,
    title_of,
    workspace_of,
)
from airflow_provider_braze.plugins.cards.table import TROUBLE
from airflow_provider_braze.plugins.rendering import wording
from airflow_provider_braze.plugins.rendering.charts import (
    SHORTEST,
    bar,
    count,
    number,
    rate_chart,
    settled_of,
    total_of,
)
from airflow_provider_braze.pushes.attempt.progress import minute_after


def running(task: PushTask, progress: Mapping[str, Any] | None, *, has_store: bool) -> Card:
    """Make the card of a push that runs, or waits without a worker."""
    if progress is None:
        card = empty_card(task)
        card.sentence = wording.STARTING if has_store else wording.NO_STORE
        return card
    until = moment(progress.get("waiting_until"))
    waits = until is not None or task.state == DEFERRED
    trouble = "" if waits else wording.trouble(progress.get("trouble"))
    if waits:
        badge = Badge("waiting for Braze", "waiting")
    elif trouble:
        badge = Badge(TROUBLE, "warning")
    else:
        badge = Badge(RUNNING, RUNNING)
    card = of_progress(task, progress, badge)
    card.trouble = trouble
    card.notes = [note for note in listed(progress.get("notes")) if isinstance(note, str)]
    card.waiting_until = minute_after(until) if until else None
    if progress.get("dry_run") is True:
        card.badges.append(Badge("dry run", "info"))
    if task.state == DEFERRED:
        card.sentence = wording.STATE_SENTENCES[DEFERRED]
    if left := _time_left(progress):
        card.facts.append(("Time left, estimated", f"{left}, after the wait" if waits else left))
    return card


def of_progress(task: PushTask, progress: Mapping[str, Any], badge: Badge) -> Card:
    """Make the card of a push from its progress alone."""
    share = progress.get("share")
    return Card(
        task,
        title_of(task, progress),
        place_of(progress),
        [badge],
        workspace=workspace_of(progress),
        share=min(number(progress, "share"), 1.0) if isinstance(share, int | float) else None,
        whole="file" if progress.get("export") else "rows",
        segments=bar(progress, running=True),
        facts=[
            ("Records read", f"{count(progress, 'records'):,}"),
            ("Have their outcome", f"{settled_of(progress):,}"),
            ("Failed", f"{count(progress, 'failed'):,}"),
            ("Pace", _pace(progress)),
            ("Requests", f"{count(progress, 'requests'):,}"),
            ("Running for", wording.duration(number(progress, "elapsed"))),
        ],
        chart=rate_chart(progress.get("samples")),
        dashboard=dashboard(progress),
    )


def _pace(progress: Mapping[str, Any]) -> str:
    if number(progress, "elapsed") < SHORTEST:
        return wording.TOO_SHORT
    return wording.pace(number(progress, "records_per_second"))


def _time_left(progress: Mapping[str, Any]) -> str:
    """Estimate the time until all has its outcome, at the present pace; empty where that is not known."""
    total, pace = total_of(progress), number(progress, "records_per_second")
    if not total or not pace or number(progress, "elapsed") < SHORTEST:
        return ""
    return wording.about(max(0.0, total - settled_of(progress)) / pace)
