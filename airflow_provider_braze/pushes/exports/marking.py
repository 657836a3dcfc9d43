"""The markers that a push leaves: an export was pushed, or was refused; or one of its shards has gone through.

Above: the push of an export. Below: the reports folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.pushes.exports.half_pushed import HalfPushed
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.pushed_before import PushedBefore
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder


@dataclass(frozen=True, slots=True)
class Marking:
    """Marks one export for one connection.

    :param pushed_before: takes in what was pushed, so that an older export is known to be late.
    :param half: the export's shards, as they were before.
    """

    folder: ReportsFolder
    braze_conn_id: str
    pushed_before: PushedBefore
    half: HalfPushed

    def mark(self, marker: Marker, report: Mapping[str, Any], error: BaseException | None) -> None:
        """Mark what a push came to.

        :param marker: what is known of the push.
        :param error: what stopped it.
        """
        if not self.half.shard.is_everything:
            self._mark_shard(marker, report, error)
        elif report["status"] == reports.COMPLETE:
            self._pushed(marker)
        elif isinstance(error, ExportRefusedError) or (report["status"] == reports.FAILED and error is None):
            # Refused for what it is, by us or by Braze record for record: not to be offered for ever.
            self._refused(marker)

    def _mark_shard(self, marker: Marker, report: Mapping[str, Any], error: BaseException | None) -> None:
        """Leave a mark for a shard that has gone through, and the export's own where it was the last one."""
        half = self.half
        if error is not None:
            # For what it is, each of its shards is refused alike: once is enough.
            if isinstance(error, ExportRefusedError) and half.shard.number == 1:
                self._refused(marker)
            return
        if half.earlier is None:
            half.leave(marker, report)
            self.pushed_before.add(half.fingerprint, marker.modified, marker.set_fields)
        self._see_through(marker)

    def is_missing(self) -> bool:
        """Tell whether an export that is whole may lack its marker, or its shard a mark."""
        # In this order: whoever takes the marks of shards away has left the export's own before.
        half = self.half
        is_left = half.is_left
        if self.folder.is_pushed(self.braze_conn_id, half.fingerprint):
            return False
        return not is_left or half.marks.of(half.fingerprint).are_all(half.shard.of)

    def make_up(self, marker: Marker, report: Mapping[str, Any]) -> None:
        """Mark what an earlier try has brought through, where that was ended before it could mark it.

        :param report: its report, which says that it is whole.
        """
        if self.half.is_left:
            self._see_through(marker)
        else:
            self.mark(marker, report, None)

    def _see_through(self, marker: Marker) -> None:
        """Leave the export's own marker where all of its shards have gone through."""
        half = self.half
        found = half.marks.marker_of(half.fingerprint, half.shard.of, marker)
        if found is None:
            return
        # Its own marker first: whoever looks between the two sees one or the other.
        if found.brought is False:
            self._refused(found)
        else:
            self._pushed(found)
        half.marks.clear(half.fingerprint)

    def _pushed(self, marker: Marker) -> None:
        self.folder.mark_pushed(self.braze_conn_id, self.half.fingerprint, marker)
        self.pushed_before.add(self.half.fingerprint, marker.modified, marker.set_fields)

    def _refused(self, marker: Marker) -> None:
        push = marker.identity.folder_name if marker.identity else ""
        self.folder.mark_refused(self.braze_conn_id, self.half.fingerprint, push, marker)
