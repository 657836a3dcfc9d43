"""One push of rows of an author's own: attributes, events and purchases, sent as given."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.pushes import report as reports
from airflow_provider_braze.pushes.export_item import AUTO, REJECTS_NAME, REPORT_NAME, ExportItem, check_mode
from airflow_provider_braze.pushes.progress import Progress, Tell
from airflow_provider_braze.pushes.running import Running
from airflow_provider_braze.pushes.source import MAY_HAVE_ARRIVED, open_buffered
from airflow_provider_braze.redpoint.rejects import RejectsReader
from airflow_provider_braze.storage.location import Location, locate
from airflow_provider_braze.storage.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.account import Account, Forgetful
from airflow_provider_braze.users_track.batches import ARRAYS, Identity, Origin, Outgoing
from airflow_provider_braze.users_track.plan import plan, refuse_above
from airflow_provider_braze.users_track.push import Push
from airflow_provider_braze.users_track.rejects import RejectsFile, RejectsInReport
from airflow_provider_braze.users_track.standard_fields import IDENTIFIERS
from airflow_provider_braze.users_track.workspace import Workspace

Rows = Iterable[Mapping[str, Any]] | Callable[[], Iterable[Mapping[str, Any]]] | str | None

_FOLDER = "rows"
"""Stands where an export's fingerprint stands in the reports folder."""

_COLUMNS = ("array", "object")
"""Columns of the rejects file of rows: the array a row belongs to, and the row as JSON."""


def read_rows(name: str, rows: Rows) -> Iterable[Any]:
    """Give the rows of a parameter: a list, a function that returns or yields rows, or JSON text from a template.

    :raises BrazeSetupError: it is none of these.
    """
    if callable(rows):
        rows = rows()
    if isinstance(rows, str):
        try:
            rows = json.loads(rows) if rows.strip() not in ("", "None") else None
        except ValueError:
            raise BrazeSetupError(
                f"{name} must be a list of rows, or a template that renders to JSON."
            ) from None
    if rows is None:
        return ()
    if isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        raise BrazeSetupError(f"{name} must be a list of rows, not {type(rows).__name__}.")
    return rows


def identity_of(row: Mapping[str, Any]) -> Identity | None:
    """Tell whom a row is about, by Braze's precedence; None where it names nobody."""
    for kind in IDENTIFIERS:
        value = row.get(kind)
        if isinstance(value, Mapping):
            return (kind, str(value.get("alias_name")), str(value.get("alias_label")))
        if value not in (None, ""):
            return (kind, str(value).lower() if kind == "email" else str(value))
    return None


@dataclass(kw_only=True)
class RowsPush:
    """
    Push rows of an author's own.

    :param attributes: rows of the array of that name; each is one record.
    :param events: likewise; never merged.
    :param purchases: likewise; never merged.
    :param workspace: where to.
    :param braze_conn_id: named in the report.
    :param run: names this push in the reports folder.
    :param mode: ``upsert`` or ``append`` sets ``_update_existing_only``; ``auto`` leaves it as given.
    :param reports_path: reports folder; without one there are no files, and failed rows are in the report.
    :param dry_run: send nothing, plan only.
    :param max_data_points: refuse a push that would cost more.
    :param retry_events: send events, purchases and increments again after a lost answer.
    :param rejects: instead of rows, the rejects file of an earlier push of rows.
    :param progress: takes the progress every few seconds, as JSON.
    """

    workspace: Workspace
    braze_conn_id: str
    run: str
    attributes: Rows = None
    events: Rows = None
    purchases: Rows = None
    mode: str = AUTO
    reports_path: str | None = None
    dry_run: bool = False
    max_data_points: int | None = None
    retry_events: bool = False
    rejects: ExportItem | None = None
    progress: Tell | None = None
    _running: Running = field(default_factory=Running, init=False, repr=False)

    def execute(self) -> dict[str, Any]:
        """Push, and give the report.

        :raises BrazeError: what stopped the push; its ``report`` tells how far it came.
        """
        if self.mode != AUTO:
            check_mode(self.mode)
        home = self._home()
        sink = RejectsFile(home.child(REJECTS_NAME), _COLUMNS) if home else RejectsInReport()
        account = Account(sink)
        started, started_at = time.monotonic(), datetime.now(UTC)
        extra, error = self._push(account)
        rejects_path, error = reports.close(sink, error) if isinstance(sink, RejectsFile) else (None, error)
        report = {
            "status": reports.status_of(account, error, dry_run=self.dry_run),
            "mode": self.mode,
            **reports.counts(account),
            **extra,
            "seconds": round(time.monotonic() - started, 3),
            "started_at": started_at.isoformat(timespec="seconds"),
            "report_path": home.child(REPORT_NAME).url if home else None,
            "rejects_path": rejects_path,
            "failed_rows": sink.rows if isinstance(sink, RejectsInReport) else [],
            "parent": self.parent,
            **reports.setting(self.workspace, self.braze_conn_id, self.dry_run, error),
        }
        if home and (trouble := reports.keep(home.child(REPORT_NAME), report)):
            error = error or trouble
        if error is not None:
            if isinstance(error, BrazeError):
                error.report = report
            raise error
        return report

    def stop(self) -> None:
        """Stop, from a signal handler: see :meth:`Running.stop`."""
        self._running.stop()

    @property
    def parent(self) -> str | None:
        """Path of the report of the push whose rejects are pushed again."""
        return self.rejects.parent.get("report_path") if self.rejects and self.rejects.parent else None

    def _home(self) -> Location | None:
        path = self.reports_path or (self.rejects and self.rejects.reports_path)
        if not path:
            return None
        folder = ReportsFolder.at(path)
        folder.check_writable()
        return folder.start_run(_FOLDER, self.run)

    def _push(self, account: Account) -> tuple[dict[str, Any], BaseException | None]:
        objects = self._objects(account)
        if self.dry_run:
            try:
                return plan(objects, self.workspace, account).as_dict(), None
            except Exception as raised:
                return {}, raised
        if self.max_data_points is not None:
            guarded = Account(Forgetful())
            try:
                refuse_above(self.max_data_points, self._objects(guarded), self.workspace, guarded)
            except Exception as refused:
                return {}, refused
        push = Push(objects, self.workspace, account, retry_events=self.retry_events)
        progress = Progress(account, tell=self.progress, paused_for=lambda: push.paused_for)
        error: BaseException | None = None
        try:
            self._running.run(push, progress.tick)
        except BaseException as raised:
            error = raised
        progress.finish()
        return {**reports.waits(push.limiter), "samples": progress.samples()}, error or push.error

    def _objects(self, account: Account) -> Iterator[Outgoing | None]:
        if self.rejects is not None:
            yield from self._rejected(account, self.rejects)
            return
        index = 0
        for array in ARRAYS:
            rows = getattr(self, array)
            if self.max_data_points is not None and isinstance(rows, Iterator):
                # It is gone through twice, once for the guard.
                rows = list(rows)
                setattr(self, array, rows)
            for row in read_rows(array, rows):
                yield self._object(account, array, index, row)
                index += 1

    def _rejected(self, account: Account, rejects: ExportItem) -> Iterator[Outgoing | None]:
        with open_buffered(locate(rejects.path)) as file:
            reader = RejectsReader(file, name=rejects.where.name)
            for (index, cells, problem), outcome in reader.with_outcomes():
                array, text = cells if len(cells) == len(_COLUMNS) else ("", "")
                row = _row_of(text)
                if problem is not None or array not in ARRAYS or row is None:
                    origin = Origin.of(index, cells, account.begin())
                    account.refuse(
                        origin, "", problem or "not a row of attributes, events or purchases as JSON"
                    )
                    yield None
                    continue
                item = self._object(account, array, index, row)
                if (
                    item is not None
                    and outcome == "unknown"
                    and not item.repeatable
                    and not self.retry_events
                ):
                    account.settle(item, "unknown", MAY_HAVE_ARRIVED)
                    item = None
                yield item

    def _object(self, account: Account, array: str, index: int, row: Any) -> Outgoing | None:
        identity = identity_of(row) if isinstance(row, Mapping) else None
        cells = (array, _as_json(row)) if self.reports_path or self.rejects else ()
        origin = Origin.of(index, cells, account.begin())
        if identity is None:
            reason = (
                "no identifier"
                if isinstance(row, Mapping)
                else f"a row must be a dict, not {type(row).__name__}"
            )
            account.refuse(origin, "", reason)
            return None
        content = dict(row)
        if self.mode != AUTO:
            content["_update_existing_only"] = self.mode == "append"
        return Outgoing(array, identity, content, [origin])


def _row_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _as_json(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False, default=str)
