"""The types that authors are given name every key of every kind of report."""

from __future__ import annotations

from typing import get_type_hints

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.report import Counts, ExportEntry, Report
from tests.operators.test_list import Push, Share, connection, push, share

__all__ = ["connection", "push", "share"]


def test_every_key_of_a_report_has_a_type(share: Share, push: Push) -> None:
    path = share.land(1)
    known = set(get_type_hints(Report))
    of_list = push([path, share.land(2)])
    rows = BrazeUserTrackOperator(task_id="rows", attributes=[{"external_id": "U1"}])
    for report in (push(path), push(path, dry_run=True), of_list, rows.execute({})):  # type: ignore[typeddict-item]
        assert set(report) <= known
    for entry in of_list["exports"]:
        assert set(entry) <= set(get_type_hints(ExportEntry))
        assert set(entry["counts"]) == set(get_type_hints(Counts))
