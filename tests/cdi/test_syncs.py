"""Which sync is the one that was started, by Braze's times and order alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_braze.cdi.syncs import PastSyncs, Sync


def sync(began: str, ended: str | None = None, *, rows: int = 0) -> Sync:
    """A sync of one day, by its times."""
    found = Sync.of(
        {
            "job_status": "running" if ended is None else "success",
            "sync_start_time": f"2026-03-01T{began}Z",
            "sync_finish_time": ended and f"2026-03-01T{ended}Z",
            "rows_synced": rows,
        }
    )
    assert found is not None
    return found


OLD = sync("10:00:00", "10:00:30")
SHORT = sync("11:00:00", "11:00:01", rows=1)
LONG = sync("11:00:00", "11:05:00", rows=1)
SECOND = sync("12:00:00", "12:05:00", rows=2)
RUNNING = sync("12:00:00", rows=2)
THIRD = sync("13:00:00", "13:05:00", rows=3)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("listed", "rows", "candidates"),
    [
        ([LONG], 1, []),
        ([SHORT], 1, []),
        ([LONG, SECOND], 1, []),
        ([SHORT, SECOND, THIRD], 1, [1, 2]),
        ([SHORT, RUNNING], 1, [1, 2]),
        ([], None, []),
    ],
)
def test_without_a_look_right_after_the_start(
    listed: list[Sync], rows: int | None, candidates: list[int], reverse: bool
) -> None:
    syncs = [OLD, *listed]
    found = PastSyncs.of([OLD]).find(syncs[::-1] if reverse else syncs)

    assert (found and found.sync.said["rows_synced"]) == rows
    assert [each.said["rows_synced"] for each in (found.candidates if found else ())] == candidates


@pytest.mark.parametrize(
    ("right_after", "later", "rows", "candidates"),
    [
        ([RUNNING], [SECOND, THIRD], 2, []),
        ([SHORT, RUNNING], [SHORT, SECOND, THIRD], 2, [1, 2]),
        ([SHORT, SECOND], [SHORT, SECOND], 2, [1, 2]),
        # It is not listed at once: what comes first is it.
        ([], [SECOND, THIRD], 2, []),
    ],
)
def test_with_one(right_after: list[Sync], later: list[Sync], rows: int, candidates: list[int]) -> None:
    before = PastSyncs.of([OLD]).told_by([OLD, *right_after])
    before = PastSyncs.read(json.loads(json.dumps(before.as_dict())))
    found = before.find([OLD, *later])

    assert found is not None
    assert found.sync.said["rows_synced"] == rows
    assert [each.said["rows_synced"] for each in found.candidates] == candidates


@pytest.mark.parametrize("listed", [[1, 2, 3], [3, 2, 1]])
def test_of_one_second_the_one_that_is_new_is_found(listed: list[int]) -> None:
    same = [sync("10:00:00", "10:00:00", rows=number) for number in listed]
    older = sync("09:00:00", "09:00:30")
    syncs = [older, *same] if listed[0] == 1 else [*same, older]
    found = PastSyncs(OLD.said["sync_start_time"], 2).find(syncs)

    assert found is not None
    assert found.sync.said["rows_synced"] == 3


@pytest.mark.parametrize(
    "given", [{"newest": None, "count": 0}, {"newest": "2026-03-01T10:00:00Z", "count": 1}]
)
def test_what_older_versions_kept_is_read(given: dict[str, Any]) -> None:
    assert PastSyncs.read(given).as_dict() == given
