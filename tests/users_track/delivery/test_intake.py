"""What is read, and when nothing is: failed records that wait for an older one may not pile up."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_provider_braze.users_track.batching.merge_window import MergeWindow, SourceItem
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.delivery.intake import Intake
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.records import RecordReference

RECORDS = 200


def test_nothing_more_is_read_while_long_failed_records_wait_for_an_answer() -> None:
    """Few records may be many characters, and Braze may take its time for the good one before them."""
    ledger, read = Ledger(NullSink()), []

    def source() -> Iterator[SourceItem]:
        good = RecordReference.of(1, ["U1"], ledger.begin())
        yield ProfileObject("attributes", ("external_id", "U1"), {"external_id": "U1", "x": 1}, [good])
        for line in range(2, RECORDS):
            ledger.refuse(RecordReference.of(line, ["x" * 100_000], ledger.begin()), "", "bad")
            read.append(line)
            yield None

    window = MergeWindow()
    intake = Intake(source(), window, ledger, None, lambda: None)
    while intake.read():
        pass
    assert not intake.exhausted
    assert len(read) < 100

    batch = window.take()
    assert batch is not None
    for item in batch.items:
        ledger.settle(item, "accepted")
    assert intake.read()
