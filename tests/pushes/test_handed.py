"""What is known of rows that may be sent but once, from one try to the next."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_braze.pushes.handed import Handed, RowsAccount
from airflow_provider_braze.users_track.account import Forgetful
from airflow_provider_braze.users_track.batches import Origin


def origins(*lines: int) -> list[Origin]:
    return [Origin(line, ()) for line in lines]


def next_try(handed: Handed, read: int, settled: int = 0) -> tuple[Handed, dict[str, Any]]:
    account = RowsAccount(Forgetful(), handed)
    account.settled.records = settled
    kept = json.loads(json.dumps(handed.as_dict(account, read)))
    return Handed(kept), kept


def told(handed: Handed, *ordinals: int) -> list[str]:
    return [handed.before(ordinal) for ordinal in ordinals]


def test_each_row_is_what_it_became() -> None:
    handed = Handed()
    handed.announce(10)
    for ordinal in range(6):
        handed.hand_out(ordinal, ordinal)
    handed.became(origins(0, 1), "accepted")
    handed.became(origins(2), "rejected")
    handed.became(origins(3), "unknown")
    handed.became(origins(4), "not_sent")
    # It was announced up to 10, and the row 5 is under way.
    later, kept = next_try(handed, 6)
    assert told(later, *range(11)) == [
        "accepted", "merged", "", "unknown", "", "unknown", "unknown", "unknown", "unknown", "unknown", "",
    ]  # fmt: skip
    assert kept["not_again"] == 4


def test_at_the_end_what_was_not_read_was_not_sent() -> None:
    handed = Handed()
    handed.announce(10)
    handed.hand_out(0, 0)
    handed.end(1)
    later, _ = next_try(handed, 1)
    assert told(later, 0, 1, 9) == ["unknown", "", ""]


def test_a_row_that_is_sent_after_all_is_no_longer_free_before_it_goes_out() -> None:
    handed = Handed({"mark": 4, "accepted": [0, 0], "merged": [], "free": [1, 3], "not_again": 1})
    handed.announce(2)
    later, _ = next_try(handed, 0)
    assert told(later, *range(5)) == ["accepted", "unknown", "", "", ""]


def test_what_an_earlier_try_knew_lasts_until_it_is_read() -> None:
    handed = Handed({"mark": 9, "accepted": [5, 6], "merged": [7, 7], "free": [8, 8], "not_again": 3})
    handed.announce(20)
    handed.hand_out(0, 0)
    handed.end(1)
    later, _ = next_try(handed, 1)
    assert told(later, 0, 4, 5, 6, 7, 8, 9, 19) == [
        "unknown", "unknown", "accepted", "accepted", "merged", "", "", "",
    ]  # fmt: skip


def test_rows_between_them_cost_nothing() -> None:
    """Where every third user has an increment, say."""
    handed = Handed()
    for ordinal in range(0, 30_000, 3):
        handed.hand_out(ordinal, ordinal)
        handed.became(origins(ordinal), "accepted")
    later, kept = next_try(handed, 30_000)
    assert kept["accepted"] == [0, 29_997]
    assert kept["not_again"] == 10_000
    for ordinal in set(range(30_000)) - set(range(0, 30_000, 3)):
        later.pass_over(ordinal)
    _, again = next_try(later, 30_000)
    assert again["not_again"] == 10_000


def test_too_much_to_keep_makes_rows_unknown_and_nothing_is_sent_twice() -> None:
    handed = Handed()
    for ordinal in range(20_000):
        handed.hand_out(ordinal, ordinal)
        handed.became(origins(ordinal), "accepted" if ordinal % 2 else "rejected")
    later, kept = next_try(handed, 20_000)
    assert len(json.dumps(kept)) < 200
    assert told(later, 0, 1, 19_999, 20_000) == ["unknown", "unknown", "unknown", ""]


def test_the_settled_ones_are_forgotten() -> None:
    handed = Handed()
    for ordinal in range(10):
        handed.hand_out(ordinal, ordinal)
    handed.became(origins(*range(10)), "accepted")
    _, kept = next_try(handed, 10, settled=8)
    assert (kept["accepted"], kept["merged"], kept["not_again"]) == ([], [8, 9], 2)


def test_of_two_rows_of_one_line_the_second_stays_unknown() -> None:
    handed = Handed()
    handed.hand_out(7, 0)
    handed.hand_out(7, 1)
    handed.became(origins(7), "accepted")
    later, _ = next_try(handed, 2)
    assert told(later, 0, 1) == ["accepted", "unknown"]
