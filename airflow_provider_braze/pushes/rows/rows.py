"""One push of rows of an author's own: attributes, events and purchases, sent as given.

Above: the operator. Below: what every attempt does, the source of its objects, and the write-ahead log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.pushes.attempt.attempt import AnyPush, Attempt
from airflow_provider_braze.pushes.attempt.running import Running
from airflow_provider_braze.pushes.attempt.start import Start
from airflow_provider_braze.pushes.resuming.checkpoint import WENT_THROUGH
from airflow_provider_braze.pushes.resuming.resume_state import binding
from airflow_provider_braze.pushes.resuming.write_ahead_log import RowsLedger, WriteAheadLog
from airflow_provider_braze.pushes.rows.given_rows import GivenRow, GivenRows, Rows, are_given
from airflow_provider_braze.pushes.rows.rows_source import RowsSource, counted_users, own_rows, rejected_rows
from airflow_provider_braze.pushes.sources.export_item import AUTO, ExportItem, check_mode
from airflow_provider_braze.pushes.sources.rejects_parent import ROWS_COLUMNS
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.path import fingerprint
from airflow_provider_braze.rejects.writer import RejectsInReport
from airflow_provider_braze.storage.reports.reports_folder import ROWS_FOLDER, ReportsFolder
from airflow_provider_braze.users_track.batching.merge_window import ARRAYS
from airflow_provider_braze.users_track.batching.profile_object import Identity
from airflow_provider_braze.users_track.delivery.plan import refuse_above
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink

__all__ = ["Rows", "RowsPush"]

_MOST_KEPT = 24_000
"""Characters of failed rows in a kept report, which has to fit Airflow's task state store (65,535 bytes)."""

_PATIENCE = 5.0
"""Seconds for which the store may take to keep what is announced; after that the push goes on without it."""


@dataclass(kw_only=True)
class RowsPush(AnyPush):
    """
    Push rows of an author's own.

    :param job: its mode ``upsert`` or ``append`` sets ``_update_existing_only``, ``auto`` takes that of the push whose
        rejects they are, else leaves it as given; without a reports folder there are no files, and failed rows are in
        the report.
    :param attributes: rows of the array of that name; each is one record.
    :param events: likewise; never merged.
    :param purchases: likewise; never merged.
    :param rejects: instead of rows, the rejects file of an earlier push of rows.
    :param dialect: what is known of that file's form.
    """

    attributes: Rows = None
    events: Rows = None
    purchases: Rows = None
    rejects: ExportItem | None = None
    dialect: Dialect = field(default_factory=Dialect)

    def _execute(self) -> dict[str, Any]:
        if self.rejects is not None and self.job.mode == AUTO:
            self.job = replace(self.job, mode=self.rejects.mode or AUTO)
        if self.job.mode != AUTO:
            check_mode(self.job.mode)
        folder = self._folder()
        given, broken = GivenRows({}, {}), None
        try:
            given = GivenRows.read({array: getattr(self, array) for array in ARRAYS})
        except Exception as error:
            broken = error
        bound_to = self._binding(given, broken, folder)
        if (report := self._went_through_before(bound_to)) is not None:
            self.report = report
            return report
        return _RowsAttempt(self, self._running, given, broken, folder, bound_to).execute()

    def _went_through_before(self, bound_to: str | None) -> dict[str, Any] | None:
        """Give the report of an earlier try that went through, and was ended before Airflow knew of it."""
        job = self.job
        kept = (job.checkpoint or {}).get(WENT_THROUGH)
        if kept is None or job.dry_run:
            return None
        if kept.get("max_tries") != job.max_tries:
            # The task was cleared since, to push anew.
            self.job = replace(job, checkpoint=None)
            return None
        if kept["bound_to"] != bound_to:
            return None
        job.log(
            "An earlier try has pushed these rows, and was ended before it could say so: they are not pushed again."
        )
        report: dict[str, Any] = kept["report"]
        return report

    def _binding(
        self, given: GivenRows, broken: Exception | None, folder: ReportsFolder | None
    ) -> str | None:
        """Name what a checkpoint of these rows belongs to; None where nothing can be gone on from."""
        job = self.job
        digest = self._digest(given, broken)
        if digest is None and broken is None and (job.save is not None or job.max_wait is not None):
            self._running.stay()
            job.log(
                "The rows come one by one from a function: a retry sends all of them again, and long waits are "
                "waited for on the worker. Return a list to have it go on where it was."
            )
        return digest and binding(
            ROWS_FOLDER,
            digest,
            job.braze_conn_id,
            job.workspace.endpoint,
            job.workspace.partner,
            job.mode,
            folder is not None,
            *filter(None, [job.shard.text]),
        )

    def _digest(self, given: GivenRows, broken: Exception | None) -> str | None:
        job, rejects = self.job, self.rejects
        if broken is not None or (job.save is None and job.max_wait is None and not job.checkpoint):
            return None
        if rejects is None:
            return given.digest()
        try:
            found = rejects.file().stat()
        except (OSError, ExportRefusedError):
            # To be said when it is opened.
            return None
        return fingerprint(rejects.where, found.size, found.modified, found.etag)

    def _folder(self) -> ReportsFolder | None:
        path = self.job.reports_path or (self.rejects and self.rejects.reports_path)
        if not path:
            return None
        folder = ReportsFolder.at(path)
        folder.check_writable()
        return folder


class _RowsAttempt(Attempt):
    """The push of rows that were read, or of an error that kept them from being read."""

    def __init__(
        self,
        push: RowsPush,
        running: Running,
        given: GivenRows,
        broken: Exception | None,
        folder: ReportsFolder | None,
        bound_to: str | None,
    ) -> None:
        self.push = push
        self.given = given
        self.broken = broken
        self.source: RowsSource | None = None
        job = push.job
        start = Start.of(job, bound_to, folder, ROWS_FOLDER, ROWS_COLUMNS)
        self.log = WriteAheadLog(start.resume_state.write_ahead_log if start.resume_state else None)
        super().__init__(
            push,
            running,
            mode=job.mode,
            start=start,
            ledger=RowsLedger(start.rejects, self.log, only_once=self._only_once()),
            announced=self._announced,
        )

    def _went_out_for_good(self) -> bool:
        return self.checkpoints.keeping and self.log.any

    def _to_keep(self, report: dict[str, Any]) -> Mapping[str, Any]:
        rows: list[dict[str, Any]] = []
        size = 0
        for row in report["failed_rows"]:
            size += len(json.dumps(row))
            if size > _MOST_KEPT:
                note = (
                    f"{len(report['failed_rows']) - len(rows)} failed rows of earlier tries are not listed; set "
                    "reports_path to have them in a file."
                )
                return {**report, "failed_rows": rows, "notes": [*report["notes"], note]}
            rows.append(row)
        return report

    def _only_once(self) -> bool:
        push = self.push
        return not (are_given(push.attributes) or push.rejects or push.job.retry_events)

    def _announced(self) -> Mapping[str, Any]:
        return self.log.as_dict(self.ledger.settled.records, self.source.read if self.source else 0)

    def _go(self) -> BaseException | None:
        if self.broken is not None:
            raise self.broken
        most = self.job.max_data_points
        if most is not None and not self.job.dry_run and self.resume_state is None:
            guarded = Ledger(NullSink())
            # What they cost is asked of all of them, whichever part is pushed here.
            source = RowsSource(self._all_rows(self.given.again()), mode=self.job.mode)
            with self.remembering.preview() as memory:
                refuse_above(most, source.objects(guarded), self.job.workspace, guarded, changes=memory)
        rows = self._rows(self.given)
        if self.job.dry_run:
            self._plan(RowsSource(rows, mode=self.job.mode).objects(self.ledger))
            return None
        self.source = source = RowsSource(
            rows,
            mode=self.job.mode,
            counted=self._counted(),
            retry_events=self.job.retry_events,
            log=self.log,
            announce=self._announce if self.checkpoints.keeping else None,
            partner=self.job.workspace.partner,
        )
        try:
            return self._send(source.objects(self.ledger), feed=source, share=self._share_of(source))
        finally:
            self.log.end(source.read)

    def _share_of(self, source: RowsSource) -> Callable[[], float] | None:
        """Tell how much of the rows was read, where it is known how many there are."""
        count = None if self.push.rejects is not None else self.given.count
        if not count:
            return None
        return lambda: min(source.passed / count, 1.0)

    def _counted(self) -> frozenset[Identity]:
        if not self.resumable:
            return frozenset()
        if self.push.rejects is not None:
            return counted_users(self._rows(self.given))
        return counted_users(own_rows(self.given.rows(with_cells=False), self.job.shard))

    def _rows(self, given: GivenRows) -> Iterator[GivenRow]:
        rows, shard = self._all_rows(given), self.job.shard
        return rows if shard.is_everything else own_rows(rows, shard)

    def _all_rows(self, given: GivenRows) -> Iterator[GivenRow]:
        if self.push.rejects is not None:
            return rejected_rows(self.push.rejects, self.push.dialect)
        return given.rows(with_cells=self.folder is not None)

    def _announce(self, wake: Callable[[], None]) -> bool:
        """Have the log of what must not be sent twice written down; whether that is done, one way or the other."""
        in_time = self.checkpoints.ahead(_PATIENCE, wake)
        if in_time is None:
            return False
        if not in_time and self.source:
            self.source.stop()
            self.ledger.note(
                "Airflow's task state store was too slow: had this try been killed, a retry would have sent events, "
                "purchases and increments again."
            )
        if self.ledger.trouble is not None:
            raise self.ledger.trouble
        return True

    def _about(self) -> dict[str, Any]:
        failed: list[dict[str, Any]] = []
        if isinstance(self.rejects, RejectsInReport):
            failed = self.rejects.rows
            if self.rejects.left_out:
                self.ledger.note(
                    f"{self.rejects.left_out} failed rows of earlier tries are not listed; set reports_path to have "
                    "them in a file."
                )
        rejects = self.push.rejects
        return {
            "failed_rows": failed,
            "parent": rejects.parent.get("report_path") if rejects and rejects.parent else None,
        }
