"""One card of the tab for each push of a run: what its task, its report and its progress say.

Above: the pages. Below: each kind of card.
"""

from __future__ import annotations

from airflow_provider_braze.plugins.cards.card import (
    DEFERRED,
    HELD_UP,
    RUNNING,
    TONES,
    UNDER_WAY,
    UNFINISHED,
    WAITING,
    Badge,
    Card,
    PushTask,
    empty_card,
    progress_of,
    state_word,
)
from airflow_provider_braze.plugins.cards.ended import ended
from airflow_provider_braze.plugins.cards.sums import Summary, summaries
from airflow_provider_braze.plugins.cards.under_way import of_progress, running
from airflow_provider_braze.plugins.rendering import wording
from airflow_provider_braze.plugins.rendering.charts import count

__all__ = [
    "HELD_UP",
    "UNDER_WAY",
    "UNFINISHED",
    "WAITING",
    "Card",
    "PushTask",
    "Summary",
    "card_of",
    "summaries",
]


def card_of(task: PushTask, *, has_store: bool) -> Card:
    """Make the card of one push.

    :param has_store: whether this Airflow has a task state store (3.3+).
    """
    try:
        return _card_of(task, has_store=has_store)
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError):
        # Whatever people wrote there, the other cards of the page are shown.
        card = empty_card(task)
        card.sentence = wording.NO_REPORT
        return card


def _card_of(task: PushTask, *, has_store: bool) -> Card:
    progress = progress_of(task)
    if task.state == RUNNING or (task.state == DEFERRED and progress is not None):
        return running(task, progress, has_store=has_store)
    if task.report is not None:
        return ended(task, task.report)
    if progress is not None and task.state != "success":
        card = of_progress(task, progress, Badge(state_word(task.state), TONES.get(str(task.state), "")))
        card.sentence = wording.NO_REPORT_YET.format(count(progress, "try_number") or 1)
        return card
    card = empty_card(task)
    card.sentence = wording.STATE_SENTENCES.get(task.state, "")
    if task.has_no_report and task.state in ("success", "failed"):
        card.sentence = wording.NO_REPORT
    return card
