"""What an earlier try of the same task has brought through: its report says so, and only a mark may be missing.

A try may be killed, or its reports folder be full, after the report was written and before the mark was. Then only the
mark is written, and nothing is sent again.

Above: the push of an export. Below: its markers, and the reports folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.exports.half_pushed import HalfPushed
from airflow_provider_braze.pushes.exports.marking import Marking
from airflow_provider_braze.storage.files.location import identity
from airflow_provider_braze.storage.reports.markers import Marker, now
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.pushed_before import PushedBefore
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.storage.reports.shard_marks import ShardMarks

T = TypeVar("T")


def unless_it_fails(ask: Callable[[], T]) -> T | None:
    """Ask before it is an export's turn; trouble is to be said when it is, and gives None here.

    :raises BrazeError: a server is out of reach: the export may well have been pushed, and younger ones after it.
    """
    try:
        return ask()
    except (BrazeError, OSError) as error:
        if isinstance(error.__cause__, ConnectionError):
            raise
        return None


@dataclass(frozen=True, slots=True)
class WholeBefore:
    """
    Reads the reports of the earlier tries of one export, and marks what they say is whole.

    :param job: whose tries.
    :param folder: the reports folder.
    :param fingerprint: of the export as it lies there now.
    """

    job: Job
    folder: ReportsFolder
    fingerprint: str

    def last_report(self, path: str, *, is_of_a_list: bool) -> dict[str, Any] | None:
        """Find the last report that an earlier try, or this one before a long wait, wrote of the export.

        What went to another workspace, because a template or the connection has changed since, counts for nothing.

        :param path: of the export: beside RPI's folders, two of one name, size and time have the same fingerprint.
        :param is_of_a_list: of a turn in a list, which has a round, or of the export by itself.
        """
        written = self.folder.reports_of(self.fingerprint, self.job.identity)
        job = self.job
        same = {"braze_conn_id": job.braze_conn_id, "endpoint": job.workspace.endpoint}
        found = [
            each
            for each in written
            if is_of_a_list == _has_round(each)
            and same.items() <= each.items()
            and identity(str(each.get("export"))) == identity(path)
        ]
        return found[-1] if found else None

    def mark(
        self,
        report: Mapping[str, Any],
        pushed_before: PushedBefore,
        where: str,
        modified: float | None,
        set_fields: Callable[[], frozenset[str]],
    ) -> None:
        """Mark the export, unless it is.

        :param report: says that it is whole.
        :param where: URL of the export.
        :param modified: when it was last changed, in seconds since the epoch.
        :param set_fields: reads which attributes it sets.
        :raises ReportError: a mark can be neither read nor written.
        """
        job = self.job
        marks = ShardMarks(self.folder, job.braze_conn_id)
        half = HalfPushed.find(marks, self.fingerprint, job.shard, job.identity)
        marking = Marking(self.folder, job.braze_conn_id, pushed_before, half)
        try:
            if marking.is_missing():
                fields = set_fields() if report["accepted"] else frozenset()
                identity = PushIdentity.of(report)
                modified = pushed_before.counted_as(modified, self.fingerprint)
                marker = Marker(identity, now(), report["report_path"], where, modified, fields)
                marking.make_up(marker, report)
        except OSError as failed:
            raise reports.unwritable(self.folder.root, failed) from failed


def _has_round(report: Mapping[str, Any]) -> bool:
    return isinstance(report.get("round"), int) and bool(report["round"])


def was_cleared_since(report: Mapping[str, Any], job: Job) -> bool:
    """Tell whether the task was cleared since it wrote a report, which raises its ``max_tries``: it pushes anew."""
    then = report.get("max_tries")
    # Older versions did not write it; then its retries tell whether it was ever cleared.
    return not job.is_retry if then is None or job.max_tries is None else then != job.max_tries
