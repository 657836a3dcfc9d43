"""A task that pushes a list of exports, taken apart: one card for each export, as for tasks of their own.

Above: the pages. Below: the cards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from airflow_provider_braze.plugins.cards.cards import HELD_UP, UNDER_WAY, UNFINISHED, WAITING, PushTask

_OF_ALL = ("braze_conn_id", "endpoint", "request_path", "dry_run", "max_rejected", "shard")
"""What the report of a list says of all of its exports."""


def one_by_one(tasks: Sequence[PushTask]) -> list[PushTask]:
    """Give each export of a list as a push of its own, in the order of their turns; any other push as it is."""
    return [push for task in tasks for push in _exports_of(task)]


def _exports_of(task: PushTask) -> Iterator[PushTask]:
    exports = (task.report or {}).get("exports")
    entries = [each for each in exports if isinstance(each, Mapping)] if isinstance(exports, list) else []
    if not entries:
        yield task
        return
    # The report of a list that is under way says what has ended, the progress what is being pushed.
    current = _number_under_way(task)
    for number, entry in enumerate(entries, start=1):
        push = replace(task, number=number, report=None, progress=None, about=(about := _about(task, entry)))
        if number == current:
            yield replace(push, progress=task.progress)
        elif entry.get("status") == WAITING:
            state = WAITING if task.state in UNFINISHED else HELD_UP
            yield replace(push, state=state)
        else:
            counts = entry.get("counts")
            report = {**about, **entry, **(counts if isinstance(counts, Mapping) else {})}
            # Whether the task failed is said by the export's own words; that it is tried again, by the task's state.
            goes_on = task.state in UNFINISHED and _stopped_the_list(entry)
            yield replace(push, state=task.state if goes_on else "success", report=report)


def _stopped_the_list(entry: Mapping[str, Any]) -> bool:
    return entry.get("status") in ("partial", "failed") and entry.get("set_aside") is not True


def _number_under_way(task: PushTask) -> int | None:
    if task.state not in UNDER_WAY or task.progress is None:
        return None
    number: Any = task.progress.get("number")
    return number if isinstance(number, int) and task.progress.get("try_number") == task.try_number else None


def _about(task: PushTask, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Say of an export what its list knows: which it is, and which Braze."""
    of_all = task.report or {}
    return {
        "export": entry.get("path"),
        **{name: of_all[name] for name in _OF_ALL if name in of_all},
    }
