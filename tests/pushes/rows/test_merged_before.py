"""What a row cost that an earlier try had folded into another: more than nothing, and named as a bound."""

from __future__ import annotations

from airflow_provider_braze.pushes.resuming.write_ahead_log import RowsLedger, WriteAheadLog
from airflow_provider_braze.pushes.rows.given_rows import GivenRow
from airflow_provider_braze.pushes.rows.rows_source import RowsSource, counted_users
from airflow_provider_braze.rejects.writer import RejectsInReport


def test_a_row_that_was_merged_before_counts_as_an_upper_bound() -> None:
    """With what it was merged is not known any more: some of its attributes may be counted there too."""
    contents = [{"external_id": "U1", "visits": {"inc": 1}}, {"external_id": "U1", "x": 1, "y": 2}]
    rows = [GivenRow(ordinal, "attributes", content) for ordinal, content in enumerate(contents)]
    log = WriteAheadLog({"mark": 2, "accepted": [0, 0], "merged": [1, 1], "free": [], "not_again": 2})
    ledger = RowsLedger(RejectsInReport(), log)
    source = RowsSource(iter(rows), mode="auto", counted=counted_users(iter(rows)), log=log)
    assert [*source.objects(ledger)] == [None, None]
    assert ledger.outcomes == {"accepted": 1, "merged": 1}
    assert ledger.data_points.by_attribute() == {"visits": 1, "x": 1, "y": 1}
    assert ledger.upper_bounds == {"data_points"}
