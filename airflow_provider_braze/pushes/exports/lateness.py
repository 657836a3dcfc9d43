"""What is late: an export older than one that was pushed before and set one of the same fields.

Above: the push of an export. Below: what was pushed before, by the reports folder.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.storage.reports.markers import seconds
from airflow_provider_braze.storage.reports.pushed_before import Newer

MOST_FIELDS = 20
"""Fields that are named of a late export."""


def age_of(item: ExportItem, modified: float | None) -> float | None:
    """Say when an export was last changed, in seconds since the epoch; a rejects file is as old as its first parent."""
    if item.parent is None:
        return modified
    inherited = seconds(item.parent.get("modified"))
    if inherited is not None:
        return inherited
    try:
        # Reports of older versions do not say it: it was there when its push began.
        return datetime.fromisoformat(str(item.parent.get("started_at"))).timestamp()
    except (ValueError, OverflowError):
        return modified


def lateness_line(path: str, newer: Newer, *, held: bool) -> str:
    """Say that an export is late, which newer one was pushed before, and what becomes of it."""
    fields = ", ".join(newer.fields[:MOST_FIELDS]) + (", ..." if len(newer.fields) > MOST_FIELDS else "")
    done = "It is left alone (late='hold')." if held else "It is pushed all the same, and sets them back."
    why = f"which was pushed before and set the same fields ({fields})"
    return f"Late: {path} is older than {newer.path}, {why}. {done}"
