"""What is known of rows that may be sent but once, from one try to the next."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_braze.pushes.resuming.write_ahead_log import RowReference, RowsLedger, WriteAheadLog
from airflow_provider_braze.rejects.writer import RejectsInReport
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject


def references(*ordinals: int) -> list[RowReference]:
    return [RowReference(ordinal, (), None, None, ordinal) for ordinal in ordinals]


def next_try(log: WriteAheadLog, read: int, settled: int = 0) -> tuple[WriteAheadLog, dict[str, Any]]:
    kept = json.loads(json.dumps(log.as_dict(settled, read)))
    return WriteAheadLog(kept), kept


def told(log: WriteAheadLog, *ordinals: int) -> list[str]:
    return [log.take(ordinal) for ordinal in ordinals]


def test_each_row_is_what_it_became() -> None:
    log = WriteAheadLog()
    log.announce(10)
    assert told(log, *range(6)) == ["free"] * 6
    log.became(references(0, 1), "accepted")
    log.became(references(2), "rejected")
    log.became(references(3), "unknown")
    log.became(references(4), "not_sent")
    # It was announced up to 10, and the row 5 is under way.
    later, kept = next_try(log, 6)
    assert told(later, *range(11)) == [
        "accepted", "merged", "free", "unknown", "free", "unknown", "unknown", "unknown", "unknown", "unknown", "free",
    ]  # fmt: skip
    assert kept["not_again"] == 4


def test_at_the_end_what_was_not_read_was_not_sent() -> None:
    log = WriteAheadLog()
    log.announce(10)
    log.take(0)
    log.end(1)
    later, _ = next_try(log, 1)
    assert told(later, 0, 1, 9) == ["unknown", "free", "free"]


def test_a_row_that_is_sent_after_all_is_no_longer_free_before_it_goes_out() -> None:
    log = WriteAheadLog({"mark": 4, "accepted": [0, 0], "merged": [], "free": [1, 3], "not_again": 1})
    log.announce(2)
    later, _ = next_try(log, 0)
    assert told(later, *range(5)) == ["accepted", "unknown", "free", "free", "free"]


def test_nothing_between_two_accepted_rows_becomes_accepted() -> None:
    """Announced again after a wait, and killed before any of it was read."""
    log = WriteAheadLog(
        {
            "mark": 30,
            "accepted": [5, 9, 15, 19],
            "merged": [],
            "free": [0, 4, 10, 14, 20, 29],
            "not_again": 10,
        }
    )
    log.announce(30)
    later, kept = next_try(log, 0)
    assert kept["accepted"] == [5, 9, 15, 19]
    assert told(later, *range(30)) == [
        *["unknown"] * 5, *["accepted"] * 5, *["unknown"] * 5, *["accepted"] * 5, *["unknown"] * 10,
    ]  # fmt: skip


@pytest.mark.parametrize("between", ["unknown", "rejected"])
def test_nor_does_one_of_another_outcome(between: str) -> None:
    log = WriteAheadLog()
    told(log, *range(3))
    log.became(references(0), "accepted")
    log.became(references(1), between)
    log.became(references(2), "accepted")
    later, _ = next_try(log, 3)
    assert told(later, 0, 1, 2) == ["accepted", "unknown" if between == "unknown" else "free", "accepted"]


def test_what_an_earlier_try_knew_lasts_until_it_is_read() -> None:
    log = WriteAheadLog({"mark": 9, "accepted": [5, 6], "merged": [7, 7], "free": [8, 8], "not_again": 3})
    log.announce(20)
    log.take(0)
    log.end(1)
    later, _ = next_try(log, 1)
    assert told(later, 0, 4, 5, 6, 7, 8, 9, 19) == [
        "unknown", "unknown", "accepted", "accepted", "merged", "free", "free", "free",
    ]  # fmt: skip


def test_rows_between_them_cost_nothing() -> None:
    """Where every third user has an increment, say."""
    log = WriteAheadLog()
    for ordinal in range(0, 30_000, 3):
        log.take(ordinal)
        log.became(references(ordinal), "accepted")
    later, kept = next_try(log, 30_000)
    assert kept["accepted"] == [0, 29_997]
    assert kept["not_again"] == 10_000
    assert told(later, *range(0, 30_000, 3)) == ["accepted"] * 10_000
    _, again = next_try(later, 30_000)
    assert again == kept


def test_too_much_to_keep_makes_rows_unknown_and_nothing_is_sent_twice() -> None:
    log = WriteAheadLog()
    for ordinal in range(20_000):
        log.take(ordinal)
        log.became(references(ordinal), "accepted" if ordinal % 2 else "rejected")
    later, kept = next_try(log, 20_000)
    assert len(json.dumps(kept)) < 16_000
    assert told(later, 0, 1, 998, 999) == ["free", "accepted", "free", "accepted"]
    assert told(later, 1_000, 1_001, 19_999, 20_000) == ["unknown", "unknown", "unknown", "free"]


def test_the_settled_ones_are_forgotten() -> None:
    log = WriteAheadLog()
    told(log, *range(10))
    log.became(references(*range(10)), "accepted")
    _, kept = next_try(log, 10, settled=8)
    assert (kept["accepted"], kept["merged"], kept["not_again"]) == ([], [8, 9], 2)


def test_two_rows_of_one_line_are_told_apart() -> None:
    """Of a rejects file that was mended by hand; the answer about the second may come first."""
    log = WriteAheadLog()
    told(log, 0, 1)
    log.became([RowReference(7, (), None, None, 1)], "accepted")
    later, _ = next_try(log, 2)
    assert told(later, 0, 1) == ["unknown", "accepted"]


def test_an_object_counts_with_its_first_row_because_no_later_try_sends_it_again() -> None:
    """The first may be settled, and counted, long before the others are."""
    ledger = RowsLedger(RejectsInReport(), WriteAheadLog())
    segments = [ledger.begin(), ledger.begin()]
    both = [RowReference(n, (), segment, None, n) for n, segment in enumerate(segments)]
    ledger.settle(ProfileObject("attributes", ("external_id", "U1"), {"x": 1}, both), "accepted")
    assert segments[0] is not segments[1]
    assert [segment.objects for segment in segments] == [1, 0]
