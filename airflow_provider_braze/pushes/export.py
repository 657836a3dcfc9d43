"""One push of one export: check, read, send, account, report."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeSetupError,
    ExportChangedError,
    ExportRefusedError,
    TooManyDataPointsError,
)
from airflow_provider_braze.pushes import report as reports
from airflow_provider_braze.pushes.export_item import AUTO, ExportItem
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.export import ExportReader
from airflow_provider_braze.redpoint.path import DEFAULT_CHANNEL_MODES, fingerprint
from airflow_provider_braze.storage.location import Location, Stat, locate
from airflow_provider_braze.storage.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.account import Account
from airflow_provider_braze.users_track.batches import Origin, Outgoing
from airflow_provider_braze.users_track.mapper import BadRecordError, Mapper
from airflow_provider_braze.users_track.mapping import ExportMapping
from airflow_provider_braze.users_track.plan import plan
from airflow_provider_braze.users_track.push import Push, describe
from airflow_provider_braze.users_track.rejects import RejectsFile
from airflow_provider_braze.users_track.workspace import Workspace

_BUFFER = 1 << 20
"""Bytes read from a storage at once; line by line, a remote file would be a thousand times slower."""

Progress = Callable[[Account, float], None]
"""Called every few seconds with the counts and the share of the file that was read."""


@dataclass(kw_only=True)
class ExportPush:
    """
    Push one export to one workspace.

    :param export: path or URL of the export, or one item of the sensor's list.
    :param workspace: where to.
    :param braze_conn_id: names the workspace in the reports folder.
    :param run: names this push in the reports folder; the same name overwrites.
    :param mode: ``upsert``, ``append``, or ``auto`` for the item's or the channel's.
    :param channel_modes: channel to mode.
    :param mapping: what goes where.
    :param dialect: what is known of the file's form.
    :param reports_path: reports folder (default: the item's, or ``_braze`` beside the channels).
    :param dry_run: send nothing, plan only.
    :param max_data_points: refuse a push that would cost more.
    :param progress: called every few seconds.
    """

    export: Any
    workspace: Workspace
    braze_conn_id: str
    run: str
    mode: str = AUTO
    channel_modes: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CHANNEL_MODES)
    mapping: ExportMapping = field(default_factory=ExportMapping)
    dialect: Dialect = field(default_factory=Dialect)
    reports_path: str | None = None
    dry_run: bool = False
    max_data_points: int | None = None
    progress: Progress | None = None

    def execute(self) -> dict[str, Any]:
        """Push, and write report, rejects and marker.

        :return: the report.
        :raises BrazeError: what stopped the push; its ``report`` was written, unless the set-up is wrong.
        """
        item = ExportItem.of(self.export, self.channel_modes)
        mode = item.resolve_mode(self.mode, self.channel_modes)
        folder = self._reports_folder(item)
        location = locate(item.path)
        before = _stat(location)
        return _Attempt(self, item, mode, folder, location, before).execute()

    def _reports_folder(self, item: ExportItem) -> ReportsFolder:
        path = self.reports_path or item.reports_path
        if not path:
            raise BrazeSetupError(
                f"reports_path is required: {item.path} does not lie in [Channel]/[Offer]/[Workflow ID], so there is "
                "no base path to put the reports beside."
            )
        folder = ReportsFolder.at(path)
        folder.check_writable()
        return folder


class _Attempt:
    """The push of an export that was found, with everything that it opens."""

    def __init__(
        self,
        push: ExportPush,
        item: ExportItem,
        mode: str,
        folder: ReportsFolder,
        location: Location,
        before: Stat,
    ) -> None:
        self.push = push
        self.item = item
        self.mode = mode
        self.folder = folder
        self.location = location
        self.before = before
        self.fingerprint = fingerprint(item.where, before.size, before.modified, before.etag)
        self.home = folder.run(self.fingerprint, push.run)
        self.rejects = RejectsFile(self.home.child("rejects.csv"), ())
        self.account = Account(self.rejects)
        self.mismatches = 0
        self.extra: dict[str, Any] = {}
        self.mapper: Mapper | None = None
        self.started = time.monotonic()
        self.started_at = datetime.now(UTC)

    def execute(self) -> dict[str, Any]:
        """Push, then write down what happened, whatever it was."""
        error: BaseException | None = None
        try:
            error = self._push()
            if error is None:
                self._check_unchanged()
        except BaseException as raised:
            error = raised
        if isinstance(error, OSError):
            error = ExportChangedError(f"{self.item.path} could not be read to its end: {describe(error)}.")
        report = self._write(error)
        if error is not None:
            if isinstance(error, BrazeError):
                error.report = report
            raise error
        return report

    def _push(self) -> BaseException | None:
        if self.push.max_data_points is not None and not self.push.dry_run:
            self._guard_data_points(self.push.max_data_points)
        with _open(self.location) as file:
            reader, mapper = self._open_export(file)
            self.rejects.columns = reader.columns
            objects = self._objects(reader, mapper, self.account)
            if self.push.dry_run:
                self.extra = plan(
                    objects, self.push.workspace, self.account, united=mapper.replaced_tags
                ).as_dict()  # fmt: skip
                return None
            push = Push(objects, self.push.workspace, self.account, united=mapper.replaced_tags)
            try:
                asyncio.run(push.run(self._ticker(reader)))
            finally:
                self.extra = reports.waits(push.limiter)
            return push.error

    def _guard_data_points(self, most: int) -> None:
        with _open(self.location) as file:
            reader, mapper = self._open_export(file)
            account = Account(_Nowhere())
            plan(
                self._objects(reader, mapper, account),
                self.push.workspace,
                account,
                united=mapper.replaced_tags,
            )
        cost = sum(account.data_points.values())
        if cost > most:
            raise TooManyDataPointsError(
                f"The push would cost {cost} data points, more than max_data_points ({most}); nothing was sent."
            )

    def _open_export(self, file: BinaryIO) -> tuple[ExportReader, Mapper]:
        reader = ExportReader(file, dialect=self.push.dialect, name=self.item.where.name)
        mapper = Mapper(reader.columns, self.push.mapping, mode=self.mode, offer=self.item.where.offer)
        self.mapper = mapper
        return reader, mapper

    def _objects(self, reader: ExportReader, mapper: Mapper, account: Account) -> Iterator[Outgoing | None]:
        expected = self.item.where.channel_execution_id
        at = mapper.execution_id_index if expected else None
        for line, cells, problem in reader:
            origin = Origin(line, cells)
            if problem is not None:
                account.refuse(origin, "", problem)
                yield None
                continue
            try:
                identity, profile = mapper.map(cells)
            except BadRecordError as bad:
                account.refuse(origin, bad.column, bad.reason)
                yield None
                continue
            account.records += 1
            if at is not None and cells[at] != expected:
                self.mismatches += 1
            yield Outgoing("attributes", identity, profile, [origin])

    def _ticker(self, reader: ExportReader) -> Callable[[], None] | None:
        progress = self.push.progress
        if progress is None:
            return None
        size = max(self.before.size, 1)
        return lambda: progress(self.account, min(reader.bytes_read / size, 1.0))

    def _check_unchanged(self) -> None:
        try:
            after = self.location.stat()
        except FileNotFoundError:
            raise ExportChangedError(
                f"{self.item.path} vanished while it was pushed; nothing is called complete."
            ) from None
        if after != self.before:
            raise ExportChangedError(
                f"{self.item.path} changed while it was pushed (size {self.before.size} to {after.size}); it was not "
                "complete, and will be pushed again."
            )

    def _write(self, error: BaseException | None) -> dict[str, Any]:
        rejects_path = self.rejects.close()
        report = self._report(error, rejects_path)
        self.home.fs.makedirs(self.home.path, exist_ok=True)
        reports.write(self.home.child("report.json"), report)
        if report["status"] == reports.COMPLETE:
            self.folder.mark_pushed(self.push.braze_conn_id, self.fingerprint)
        elif isinstance(error, ExportRefusedError) or (report["status"] == reports.FAILED and error is None):
            # Refused for what it is, by us or by Braze record for record: not to be offered for ever.
            self.folder.mark_refused(self.push.braze_conn_id, self.fingerprint, self.push.run)
        return report

    def _report(self, error: BaseException | None, rejects_path: str | None) -> dict[str, Any]:
        where = self.item.where
        planned = self.push.dry_run and error is None
        if self.mismatches:
            self.account.note(
                f"{self.mismatches} records carry another ChannelExecutionID than the file's name; "
                "the record's own is sent."
            )
        return {
            "status": reports.PLANNED if planned else reports.status_of(self.account, error),
            "mode": self.mode,
            **reports.counts(self.account),
            "execution_id_mismatches": self.mismatches,
            "omitted_values": dict(self.mapper.omitted) if self.mapper else {},
            **self.extra,
            "seconds": round(time.monotonic() - self.started, 3),
            "started_at": self.started_at.isoformat(timespec="seconds"),
            "report_path": self.home.child("report.json").url,
            "rejects_path": rejects_path,
            "export": self.item.path,
            "channel": where.channel,
            "offer": where.offer,
            "workflow_id": where.workflow_id,
            "channel_execution_id": where.channel_execution_id,
            "size": self.before.size,
            "fingerprint": self.fingerprint,
            "braze_conn_id": self.push.braze_conn_id,
            "endpoint": self.push.workspace.endpoint,
            "dry_run": self.push.dry_run,
            "mapping": self.push.mapping.as_dict(),
            "error": self.push.workspace.redact(describe(error)) if error is not None else None,
        }


class _Nowhere:
    def write(self, origin: Origin, outcome: str, reason: str, column: str) -> None:
        """Forget the record: it will be met again when it is pushed."""


def _stat(location: Location) -> Stat:
    try:
        if location.fs.isdir(location.path):
            raise ExportRefusedError(f"{location.url} is a folder, not an export.")
        return location.stat()
    except FileNotFoundError:
        raise ExportChangedError(
            f"{location.url} is not there: it was moved or rolled back, or the share is gone."
        ) from None


def _open(location: Location) -> BinaryIO:
    if "file" in location.fs.protocol:
        return open(location.path, "rb", buffering=_BUFFER)
    raw = location.fs.open(location.path, "rb")
    return cast(BinaryIO, io.BufferedReader(raw, _BUFFER))
