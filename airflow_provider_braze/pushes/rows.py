"""One push of rows of an author's own: attributes, events and purchases, sent as given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.pushes.attempt import AnyPush, Attempt
from airflow_provider_braze.pushes.checkpoint import binding
from airflow_provider_braze.pushes.export_item import AUTO, ROWS_COLUMNS, ExportItem, check_mode
from airflow_provider_braze.pushes.given_rows import GivenRows, Row, Rows
from airflow_provider_braze.pushes.rows_source import RowsSource, counted_users, rejected_rows
from airflow_provider_braze.pushes.running import Running
from airflow_provider_braze.pushes.write_ahead_log import RowsLedger, WriteAheadLog
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.path import fingerprint
from airflow_provider_braze.rejects.writer import RejectsInReport
from airflow_provider_braze.storage.reports_folder import ROWS_FOLDER, ReportsFolder
from airflow_provider_braze.users_track.batching.merge_window import ARRAYS, Identity
from airflow_provider_braze.users_track.delivery.plan import refuse_above
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink

__all__ = ["Rows", "RowsPush"]

_PATIENCE = 5.0
"""Seconds for which the store may take to keep what is announced; after that the push goes on without it."""


@dataclass(kw_only=True)
class RowsPush(AnyPush):
    """
    Push rows of an author's own; the other parameters are :class:`AnyPush`'s.

    :param attributes: rows of the array of that name; each is one record.
    :param events: likewise; never merged.
    :param purchases: likewise; never merged.
    :param mode: ``upsert`` or ``append`` sets ``_update_existing_only``; ``auto`` leaves it as given.
    :param reports_path: reports folder; without one there are no files, and failed rows are in the report.
    :param rejects: instead of rows, the rejects file of an earlier push of rows.
    :param dialect: what is known of that file's form.
    """

    attributes: Rows = None
    events: Rows = None
    purchases: Rows = None
    rejects: ExportItem | None = None
    dialect: Dialect = field(default_factory=Dialect)

    def _execute(self) -> dict[str, Any]:
        if self.mode != AUTO:
            check_mode(self.mode)
        folder = self._folder()
        given, broken = GivenRows({}, {}), None
        try:
            given = GivenRows.read({array: getattr(self, array) for array in ARRAYS})
        except Exception as error:
            broken = error
        return _RowsAttempt(self, self._running, given, broken, folder).execute()

    def _folder(self) -> ReportsFolder | None:
        path = self.reports_path or (self.rejects and self.rejects.reports_path)
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
    ) -> None:
        self.push = push
        self.given = given
        self.broken = broken
        self.log = WriteAheadLog()
        self.source: RowsSource | None = None
        digest = self._digest()
        if digest is None and broken is None and (push.keep is not None or push.max_wait is not None):
            running.stay()
            push.say(
                "The rows come one by one from a function: a retry sends all of them again, and long waits are "
                "waited for on the worker. Return a list to have it go on where it was."
            )
        bound_to = digest and binding(
            ROWS_FOLDER,
            digest,
            push.braze_conn_id,
            push.workspace.endpoint,
            push.workspace.partner,
            push.mode,
            folder is not None,
        )
        super().__init__(
            push,
            running,
            mode=push.mode,
            bound_to=bound_to,
            folder=folder,
            named=ROWS_FOLDER,
            columns=ROWS_COLUMNS,
        )

    def _digest(self) -> str | None:
        push = self.push
        if self.broken is not None or (push.keep is None and push.max_wait is None and not push.checkpoint):
            return None
        if push.rejects is None:
            return self.given.digest()
        try:
            found = push.rejects.file().stat()
        except (OSError, ExportRefusedError):
            # To be said when it is opened.
            return None
        return fingerprint(push.rejects.where, found.size, found.modified, found.etag)

    def _ledger(self) -> Ledger:
        self.log = WriteAheadLog(self.resume_state.handed if self.resume_state else None)
        return RowsLedger(self.rejects, self.log)

    def _handed(self) -> Callable[[], Mapping[str, Any]]:
        return lambda: self.log.as_dict(self.ledger.settled.records, self.source.read if self.source else 0)

    def _go(self) -> BaseException | None:
        if self.broken is not None:
            raise self.broken
        most = self.push.max_data_points
        if most is not None and not self.push.dry_run and self.resume_state is None:
            guarded = Ledger(NullSink())
            source = RowsSource(self._rows(self.given.again()), mode=self.push.mode)
            refuse_above(most, source.objects(guarded), self.push.workspace, guarded)
        rows = self._rows(self.given)
        if self.push.dry_run:
            self._plan(RowsSource(rows, mode=self.push.mode).objects(self.ledger))
            return None
        self.source = source = RowsSource(
            rows,
            mode=self.push.mode,
            counted=self._counted(),
            retry_events=self.push.retry_events,
            log=self.log,
            announce=self._announce if self.checkpoints.keeping else None,
            partner=self.push.workspace.partner,
        )
        try:
            return self._send(source.objects(self.ledger), feed=source)
        finally:
            self.log.end(source.read)

    def _counted(self) -> frozenset[Identity]:
        if not self.resumable:
            return frozenset()
        if self.push.rejects is not None:
            return counted_users(rejected_rows(self.push.rejects, self.push.dialect))
        return counted_users(self.given.rows(with_cells=False))

    def _rows(self, given: GivenRows) -> Iterator[Row]:
        if self.push.rejects is not None:
            return rejected_rows(self.push.rejects, self.push.dialect)
        return given.rows(with_cells=self.home is not None)

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
