"""Pushes and plans of a run, each added up for themselves: a plan has sent nothing, and nothing is counted twice.

Above: the pages. Below: what all cards have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.plugins.cards.card import UNDER_WAY, PushTask, said_of, text
from airflow_provider_braze.plugins.rendering.charts import BarPart, count, lay, parts

_OF_ONE_EXPORT = ("export", "fingerprint", "braze_conn_id", "endpoint", "shard")
"""Where these are the same in two reports of a run, they are of the same push, tried by two tasks."""


@dataclass(frozen=True, slots=True)
class Summary:
    """All pushes of a run together, or all of its plans.

    :param exports: how many they are; of an export that was tried more than once, its tries are one, and so are its
        shards.
    :param data_points: of a plan, what it would cost; an estimate.
    """

    exports: int
    running: int
    records: int
    failed: int
    data_points: int
    segments: list[BarPart]
    planned: bool = False

    @classmethod
    def of(cls, tasks: Sequence[PushTask]) -> Summary:
        """Add up what the reports, and the progress of running pushes, say; plans count only among plans."""
        pushes = [task for task in tasks if not is_plan(task)]
        planned = not pushes and bool(tasks)
        said = list(last_tries(tasks if planned else pushes))
        totals: Counter[str] = Counter()
        segments: Counter[str] = Counter()
        for task, record in said:
            for name in ("records", "failed", "data_points"):
                totals[name] += count(record, name)
            segments.update(parts(record, running=task.state in UNDER_WAY))
        return cls(
            len({whole_of(record) or place for place, (_, record) in enumerate(said)}),
            sum(task.state in UNDER_WAY for task, _ in said),
            totals["records"],
            totals["failed"],
            totals["data_points"],
            lay(segments),
            planned,
        )


def summaries(tasks: Sequence[PushTask]) -> list[Summary]:
    """Add up the plans of a run, and then its pushes; one alone is not added up, nor what says nothing yet."""
    if len(tasks) < 2:
        return []
    plans = [task for task in tasks if is_plan(task)]
    pushes = [task for task in tasks if not is_plan(task)]
    # A task that is to push a list does not even know yet how many pushes that will be.
    return [Summary.of(some) for some in (plans, pushes) if any(map(said_of, some))]


def is_plan(task: PushTask) -> bool:
    """Tell whether it is a dry run; one of which nothing is known counts as a push."""
    return said_of(task).get("dry_run") is True


def whole_of(record: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Name the export of which a shard was pushed, alike for all of its shards; None of what is no shard."""
    if not text(record, "shard"):
        return None
    # One that is under way does not tell the fingerprint.
    return tuple(repr(record.get(name)) for name in ("export", "braze_conn_id", "endpoint"))


def last_tries(tasks: Sequence[PushTask]) -> Iterator[tuple[PushTask, Mapping[str, Any]]]:
    """Give each push of a run with what it says; where several tasks pushed the same export, only the last one's."""
    said = [(task, said_of(task)) for task in tasks]
    exports = [export for _, record in said if (export := text(record, "export"))]
    if len(set(exports)) == len(exports):
        yield from said
        return
    by_task: dict[Any, dict[str, list[tuple[PushTask, Mapping[str, Any]]]]] = {}
    for place, (task, record) in enumerate(said):
        key = tuple(repr(record.get(name)) for name in _OF_ONE_EXPORT) if text(record, "export") else place
        by_task.setdefault(key, {}).setdefault(task.task_id, []).append((task, record))
    for tries in by_task.values():
        yield from max(tries.values(), key=lambda found: text(found[-1][1], "started_at"))
