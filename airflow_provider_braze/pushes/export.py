"""One push of one export: check, read, send, account, report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeLongWaitError,
    BrazeSetupError,
    ExportChangedError,
    ExportRefusedError,
)
from airflow_provider_braze.pushes import report as reports
from airflow_provider_braze.pushes.checkpoint import Checkpoints, Earlier, Keep, binding
from airflow_provider_braze.pushes.export_item import AUTO, REJECTS_NAME, REPORT_NAME, ExportItem
from airflow_provider_braze.pushes.progress import Progress, Tell
from airflow_provider_braze.pushes.running import Running
from airflow_provider_braze.pushes.source import ExportSource, Reading, open_buffered
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.lines import Readable
from airflow_provider_braze.redpoint.path import DEFAULT_CHANNEL_MODES, fingerprint
from airflow_provider_braze.storage.location import Location, Stat, locate
from airflow_provider_braze.storage.plain import check_plain
from airflow_provider_braze.storage.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.account import Account, Forgetful
from airflow_provider_braze.users_track.mapping import ExportMapping
from airflow_provider_braze.users_track.plan import plan, refuse_above
from airflow_provider_braze.users_track.push import Push, describe
from airflow_provider_braze.users_track.rejects import RejectsFile
from airflow_provider_braze.users_track.workspace import Workspace


@dataclass(kw_only=True)
class ExportPush:
    """
    Push one export to one workspace.

    :param export: path or URL of an export or a rejects file, or one item of the sensor's list.
    :param workspace: where to.
    :param braze_conn_id: names the workspace in the reports folder.
    :param run: names this push in the reports folder; the same name overwrites.
    :param mode: ``upsert``, ``append``, or ``auto`` for the item's or the channel's.
    :param channel_modes: channel to mode.
    :param mapping: what goes where (default: the parent's for a rejects file, else Redpoint's five attributes).
    :param dialect: what is known of the file's form.
    :param reports_path: reports folder (default: the item's, or ``_braze`` beside the channels).
    :param dry_run: send nothing, plan only.
    :param max_data_points: refuse a push that would cost more.
    :param confirm: in append mode, look users up first, so that those Braze does not know are ``not_found``.
    :param retry_events: send increments again when an answer was lost, at the risk that they count twice.
    :param progress: takes the progress every few seconds, as JSON.
    :param checkpoint: what an earlier try kept; one of another export, or of one pushed another way, is not used.
    :param keep: keeps checkpoints, so that a later try can go on from them.
    :param max_wait: seconds of pause ordered by Braze beyond which the push stops; None: it waits however long.
    """

    export: Any
    workspace: Workspace
    braze_conn_id: str
    run: str
    mode: str = AUTO
    channel_modes: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CHANNEL_MODES)
    mapping: ExportMapping | None = None
    dialect: Dialect = field(default_factory=Dialect)
    reports_path: str | None = None
    dry_run: bool = False
    max_data_points: int | None = None
    confirm: bool = False
    retry_events: bool = False
    progress: Tell | None = None
    checkpoint: Mapping[str, Any] | None = None
    keep: Keep | None = None
    max_wait: float | None = None
    _running: Running = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Be there to be stopped from the beginning."""
        self._running = Running(self.max_wait)

    def execute(self) -> dict[str, Any]:
        """Push, and write report, rejects and marker.

        :return: the report.
        :raises BrazeError: what stopped the push; its ``report`` was written, unless the set-up is wrong.
        """
        item = ExportItem.of(self.export, self.channel_modes)
        mode = item.resolve_mode(self.mode, self.channel_modes)
        reading = Reading(item, mode, item.resolve_mapping(self.mapping), self.dialect, self.retry_events)
        folder = self._reports_folder(item)
        location = locate(item.path)
        return _Attempt(
            self, self._running, reading, folder, location, _stat(location, item.base_path)
        ).execute()

    def stop(self) -> None:
        """Stop, from a signal handler: see :meth:`Running.stop`."""
        self._running.stop()

    def _reports_folder(self, item: ExportItem) -> ReportsFolder:
        path = self.reports_path or item.reports_path
        if not path:
            raise BrazeSetupError(
                f"reports_path is required: {item.path} does not lie in [Channel]/[Offer]/[Workflow ID], so there "
                "is no base path to put the reports beside."
            )
        folder = ReportsFolder.at(path)
        folder.check_writable()
        return folder


class _Attempt:
    """The push of an export that was found, with everything that it opens."""

    def __init__(
        self,
        push: ExportPush,
        running: Running,
        reading: Reading,
        folder: ReportsFolder,
        location: Location,
        before: Stat,
    ) -> None:
        self.push = push
        self.running = running
        self.reading = reading
        self.folder = folder
        self.location = location
        self.before = before
        self.fingerprint = fingerprint(reading.item.where, before.size, before.modified, before.etag)
        self.home = folder.start_run(self.fingerprint, push.run)
        bound_to = self._binding()
        self.earlier = None if push.dry_run else Earlier.of(push.checkpoint, bound_to)
        self.rejects = RejectsFile(
            self.home.child(REJECTS_NAME), (), self.earlier.parts if self.earlier else ()
        )
        self.account = Account(self.rejects)
        if self.earlier:
            self.account.resume(self.earlier.account)
        self.checkpoints = Checkpoints(
            bound_to,
            self.account,
            self.rejects,
            earlier=self.earlier,
            keep=None if push.dry_run else push.keep,
        )
        self.source: ExportSource | None = None
        self.progress: Progress | None = None
        self.extra: dict[str, Any] = {}

    def _binding(self) -> str:
        push, mapping = self.push, self.reading.mapping
        return binding(
            self.fingerprint,
            push.braze_conn_id,
            push.workspace.endpoint,
            push.workspace.partner,
            self.reading.mode,
            mapping.as_dict(),
            mapping.transform is not None,
            asdict(self.reading.dialect),
            push.confirm,
        )

    def execute(self) -> dict[str, Any]:
        """Push, then write down what happened, whatever it was."""
        error: BaseException | None = None
        try:
            error = self._push()
            if error is None:
                self._check_unchanged()
        except BaseException as raised:
            error = raised
        self.running.over()
        if isinstance(error, OSError):
            error = ExportChangedError(
                f"{self.location.url} could not be read to its end: {describe(error)}."
            )
        self.account.settle_rest("not_sent")
        self.account.flush()
        report, error = self._write(error, resumable=self.checkpoints.end(error))
        if error is not None:
            if isinstance(error, BrazeError):
                error.report = report
            raise error
        return report

    def _push(self) -> BaseException | None:
        if self.push.max_data_points is not None and not self.push.dry_run and self.earlier is None:
            self._guard_data_points(self.push.max_data_points)
        with open_buffered(self.location) as file:
            self.source = source = self._open(file)
            objects = source.objects(self.account)
            if self.push.dry_run:
                planned = plan(objects, self.push.workspace, self.account, united=source.united)
                self.extra = planned.as_dict()
                return None
            push = Push(
                objects,
                self.push.workspace,
                self.account,
                united=source.united,
                retry_events=self.push.retry_events,
                confirm=self._must_confirm(),
                feed=file,
            )
            self.checkpoints.watch(push.limiter)
            self.progress = progress = self._watch(push, source)
            try:
                self.running.run(push, progress.tick, self.checkpoints.tick)
            finally:
                self.extra = self.checkpoints.waits
                progress.finish(waiting=isinstance(push.error, BrazeLongWaitError))
            return push.error

    def _must_confirm(self) -> bool:
        return self.push.confirm and self.reading.mode == "append"

    def _open(self, file: Readable) -> ExportSource:
        source = ExportSource(file, self.reading)
        self.rejects.columns = source.columns
        return source

    def _guard_data_points(self, most: int) -> None:
        with open_buffered(self.location) as file:
            source = self._open(file)
            account = Account(Forgetful())
            refuse_above(most, source.objects(account), self.push.workspace, account, united=source.united)

    def _watch(self, push: Push, source: ExportSource) -> Progress:
        size = max(self.before.size, 1)
        return Progress(
            self.account,
            self.reading.item.path,
            tell=self.push.progress,
            share=lambda: min(source.bytes_read / size, 1.0),
            paused_for=lambda: push.paused_for,
        )

    def _check_unchanged(self) -> None:
        try:
            after = self.location.stat()
        except FileNotFoundError:
            raise ExportChangedError(
                f"{self.location.url} vanished while it was pushed; nothing is called complete."
            ) from None
        if after != self.before:
            raise ExportChangedError(
                f"{self.location.url} changed while it was pushed (size {self.before.size} to {after.size}); it was "
                "not complete, and will be pushed again."
            )

    def _write(
        self, error: BaseException | None, *, resumable: bool
    ) -> tuple[dict[str, Any], BaseException | None]:
        rejects_path, error = reports.close(self.rejects, error, keep_parts=resumable)
        report = self._report(error, rejects_path)
        if not resumable:
            self.checkpoints.tidy()
        if trouble := reports.keep(self.home.child(REPORT_NAME), report):
            return report, error or trouble
        try:
            self._mark(report, error)
        except Exception as failed:
            return report, error or reports.unwritable(self.folder.root, failed)
        return report, error

    def _mark(self, report: dict[str, Any], error: BaseException | None) -> None:
        if report["status"] == reports.COMPLETE:
            self.folder.mark_pushed(self.push.braze_conn_id, self.fingerprint)
        elif not self.push.dry_run and (
            isinstance(error, ExportRefusedError) or (report["status"] == reports.FAILED and error is None)
        ):
            # Refused for what it is, by us or by Braze record for record: not to be offered for ever.
            self.folder.mark_refused(self.push.braze_conn_id, self.fingerprint, self.push.run)

    def _report(self, error: BaseException | None, rejects_path: str | None) -> dict[str, Any]:
        item, mapping = self.reading.item, self.reading.mapping
        facts = self.source.facts() if self.source else {}
        if mismatches := facts.get("execution_id_mismatches"):
            self.account.note(
                f"{mismatches} records carry another ChannelExecutionID than the file's name; the record's own is sent."
            )
        return {
            "status": reports.status_of(self.account, error, dry_run=self.push.dry_run),
            "mode": self.reading.mode,
            **reports.counts(self.account),
            **facts,
            **self.extra,
            "seconds": self.checkpoints.seconds,
            "started_at": self.checkpoints.started_at,
            "samples": self.progress.samples() if self.progress else [],
            "report_path": self.home.child(REPORT_NAME).url,
            "rejects_path": rejects_path,
            "export": item.path,
            "channel": item.where.channel,
            "offer": item.where.offer,
            "workflow_id": item.where.workflow_id,
            "channel_execution_id": item.channel_execution_id,
            "size": self.before.size,
            "fingerprint": self.fingerprint,
            "parent": item.parent and item.parent.get("report_path"),
            "mapping": mapping.as_dict(),
            "has_transform": mapping.transform is not None,
            **reports.setting(self.push.workspace, self.push.braze_conn_id, self.push.dry_run, error),
        }


def _stat(location: Location, base_path: str | None) -> Stat:
    try:
        check_plain(location, locate(base_path) if base_path else None)
        return location.stat()
    except FileNotFoundError:
        raise ExportChangedError(
            f"{location.url} is not there: it was moved or rolled back, or the share is gone."
        ) from None
