"""One push of one export: check, read, send, ledger, report.

Above: the operator, and a list of exports. Below: what every attempt does, and the source of its records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError, ExportChangedError, ExportGoneError, describe
from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.pushes.attempt.attempt import AnyPush, Attempt
from airflow_provider_braze.pushes.attempt.remembering import with_targets
from airflow_provider_braze.pushes.attempt.running import Running
from airflow_provider_braze.pushes.attempt.start import Start
from airflow_provider_braze.pushes.exports.half_pushed import HalfPushed, part_of
from airflow_provider_braze.pushes.exports.lateness import STILL_TO_COME, Lateness
from airflow_provider_braze.pushes.exports.marking import Marking
from airflow_provider_braze.pushes.exports.whole_before import WholeBefore, unless_it_fails, was_cleared_since
from airflow_provider_braze.pushes.resuming.resume_state import binding
from airflow_provider_braze.pushes.sources.export_item import ExportItem, FoundExport
from airflow_provider_braze.pushes.sources.export_source import ExportSource, ResolvedExport, open_buffered
from airflow_provider_braze.pushes.sources.shards import EVERYTHING, Shard
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.path import DEFAULT_CHANNEL_MODES
from airflow_provider_braze.redpoint.reading.lines import Readable
from airflow_provider_braze.rejects.writer import RejectsFile
from airflow_provider_braze.storage.reports.markers import Marker, now
from airflow_provider_braze.storage.reports.pushed_before import PushedBefore
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.storage.reports.shard_marks import ShardMarks
from airflow_provider_braze.users_track.delivery.plan import refuse_above
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping


@dataclass(kw_only=True)
class ExportPush(AnyPush):
    """
    Push one export to one workspace.

    :param job: its mode may be ``auto`` for the item's or the channel's; without a reports folder it is the item's, or
        ``_braze`` beside the channels.
    :param export: path or URL of an export or a rejects file, one item of the sensor's list, or an ``ExportItem``.
    :param channel_modes: channel to mode.
    :param mapping: what goes where (default: the parent's for a rejects file, else Redpoint's five attributes).
    :param dialect: what is known of the file's form.
    :param confirm: in append mode, look users up first, so that those Braze does not know are ``not_found``.
    :param hold_late: leave an export alone that is late, instead of pushing it and saying so.
    :param refuse_replaced: push an item only while its file is the one that the sensor has found.
    :param round: of a list, the try with which its present round began; 0 for an export by itself.
    :param pushed_before: gives what knows which exports were pushed, of a reports folder (default: one for this push).
    """

    export: Any
    channel_modes: Mapping[str, str] = field(default_factory=lambda: DEFAULT_CHANNEL_MODES)
    mapping: ExportMapping | None = None
    dialect: Dialect = field(default_factory=Dialect)
    confirm: bool = False
    hold_late: bool = False
    refuse_replaced: bool = False
    round: int = 0
    pushed_before: Callable[[ReportsFolder], PushedBefore] | None = None

    def _execute(self) -> dict[str, Any]:
        item = ExportItem.of(self.export, self.channel_modes)
        # A retry looks before it knows that it pushes: what it saw is what it then pushes, or marks.
        # What a list has brought through, the list asks itself.
        may_be_whole = self.job.identity.try_number > 1 and not self.job.dry_run and not self.round
        found = unless_it_fails(item.look) if may_be_whole else None
        if found is not None and (whole := self._whole_before(found)) is not None:
            self.report = whole
            return whole
        if item.is_rows:
            raise BrazeSetupError(
                f"{item.path} holds rejects of rows of your own, which are pushed by themselves: give it alone."
            )
        resolved = self._resolved(item)
        self.job = replace(self.job, memory=with_targets(self.job.memory, resolved.mapping))
        folder = self._reports_folder(item)
        folder.check_writable()
        found = found or item.look()
        if self.refuse_replaced:
            found.check_as_listed()
        return _ExportAttempt(self, self._running, resolved, folder, found).execute()

    def last_report_of_this_task(self) -> dict[str, Any] | None:
        """Find the last report that an earlier try, or this one before a long wait, wrote of this export.

        :return: None where there is none, or the export as it lies there now was never pushed by this task's list. Of
            an item that has gone since it was pushed, that of the state in which the sensor had found it.
        """
        return unless_it_fails(lambda: self._last_report(is_of_a_list=True))

    def mark_whole(self, report: Mapping[str, Any]) -> None:
        """Mark an export that an earlier try has brought through, where that was ended before it could mark it.

        :param report: of this export as it lies there now.
        :raises BrazeError: it cannot be told what is marked, or a mark cannot be written.
        """
        try:
            found = ExportItem.of(self.export, self.channel_modes).look()
        except ExportGoneError:
            # Nobody will offer it again.
            return
        self._mark_whole(report, found)

    def _mark_whole(self, report: Mapping[str, Any], found: FoundExport) -> None:
        folder = self._reports_folder(found.item)

        def set_fields() -> frozenset[str]:
            with open_buffered(found.location) as file:
                return ExportSource(file, self._resolved(found.item)).set_fields

        before = WholeBefore(self.job, folder, report["fingerprint"])
        before.mark(report, self.pushed_before_in(folder), found.location.url, found.modified, set_fields)

    def pushed_before_in(self, folder: ReportsFolder) -> PushedBefore:
        """Give what knows which exports were pushed."""
        if self.pushed_before:
            return self.pushed_before(folder)
        return PushedBefore(folder, self.job.braze_conn_id, part_of(self.job.shard))

    def was_sent_in_part(self) -> bool:
        """Tell whether an earlier try of this task has sent some of this export, and not gone through."""
        report = unless_it_fails(lambda: self._last_report(is_of_a_list=bool(self.round)))
        return report is not None and report.get("status") == reports.PARTIAL

    def _whole_before(self, found: FoundExport) -> dict[str, Any] | None:
        """Give the report of an earlier try that brought the export through, and was ended before it could say so."""
        report = unless_it_fails(lambda: self._last_report(is_of_a_list=False, found=found))
        if report is None or report.get("status") != reports.COMPLETE or was_cleared_since(report, self.job):
            return None
        self.job.log(
            "An earlier try has brought this export through, and was ended before it could say so: it is not pushed "
            "again."
        )
        self._mark_whole(report, found)
        return report

    def _last_report(self, *, is_of_a_list: bool, found: FoundExport | None = None) -> dict[str, Any] | None:
        item = found.item if found else ExportItem.of(self.export, self.channel_modes)
        try:
            name = (found or item.look()).fingerprint
        except ExportGoneError:
            if item.listed is None:
                raise
            name = item.listed
        before = WholeBefore(self.job, self._reports_folder(item), name)
        return before.last_report(item.path, is_of_a_list=is_of_a_list)

    def _resolved(self, item: ExportItem) -> ResolvedExport:
        mode = item.resolve_mode(self.job.mode, self.channel_modes)
        mapping = item.resolve_mapping(self.mapping)
        return ResolvedExport(item, mode, mapping, self.dialect, self.job.retry_events)

    def _reports_folder(self, item: ExportItem) -> ReportsFolder:
        path = self.job.reports_path or item.reports_path
        if not path:
            raise BrazeSetupError(
                f"reports_path is required: {item.path} does not lie in [Channel]/[Offer]/[Workflow ID], so there "
                "is no base path to put the reports beside."
            )
        return ReportsFolder.at(path, None if self.job.reports_path else item.base_path)


class _ExportAttempt(Attempt):
    """The push of an export that was found, with everything that it opens."""

    def __init__(
        self,
        push: ExportPush,
        running: Running,
        resolved: ResolvedExport,
        folder: ReportsFolder,
        found: FoundExport,
    ) -> None:
        self.push = push
        self.resolved = resolved
        self.reports_folder = folder
        self.location = found.location
        self.stat = found.stat
        self.source: ExportSource | None = None
        job = push.job
        self.pushed_before = push.pushed_before_in(folder)
        self.modified = self.pushed_before.counted_as(found.modified, found.fingerprint)
        self.late = Lateness(found.item.path, self.modified, self.pushed_before, self._warn)
        self.fingerprint = found.fingerprint
        marks = ShardMarks(folder, job.braze_conn_id)
        self.half = HalfPushed.find(marks, self.fingerprint, job.shard, job.identity)
        self.marking = Marking(folder, job.braze_conn_id, self.pushed_before, self.half)
        if not job.dry_run:
            self.half.check()
        start = Start.of(push.job, self._binding(), folder, self.fingerprint)
        self.killed = bool(start.killed)
        super().__init__(push, running, mode=resolved.mode, start=start, ledger=Ledger(start.rejects))
        if self.modified != found.modified:
            self._warn(STILL_TO_COME.format(found.item.path))

    def _binding(self) -> str:
        job, mapping = self.push.job, self.resolved.mapping
        return binding(
            self.fingerprint,
            job.braze_conn_id,
            job.workspace.endpoint,
            job.workspace.partner,
            self.resolved.mode,
            mapping.as_dict(),
            mapping.transform is not None,
            # Only what is declared, for what came to the dialect later: checkpoints of older versions hold.
            {
                name: value
                for name, value in asdict(self.resolved.dialect).items()
                if name != "skip_lines" or value
            },
            self.push.confirm,
            *filter(None, [job.shard.text]),
        )

    def _go(self) -> BaseException | None:
        error = self._read()
        if error is None:
            self._check_unchanged()
        return error

    def _explain(self, error: BaseException | None) -> BaseException | None:
        if isinstance(error, OSError):
            return ExportChangedError(f"{self.location.url} could not be read to its end: {describe(error)}.")
        return error

    def _read(self) -> BaseException | None:
        with open_buffered(self.location) as file:
            self.source = source = self._open(file, self.job.shard)
            if self._went_through_before() or self.late.look(source.set_fields, self._may_be_held):
                return None
            if self.job.max_data_points is not None and not self.job.dry_run and self.resume_state is None:
                self._guard_data_points(self.job.max_data_points)
            objects = source.objects(self.ledger)
            size, item = max(self.stat.size, 1), self.resolved.item

            def share() -> float:
                return min((file.position() if file.position else source.bytes_read) / size, 1.0)

            if self.job.dry_run:
                self._plan(objects, source.united, item.named, share)
                return None
            return self._send(
                objects,
                united=source.united,
                confirm=self.push.confirm and self.resolved.mode == "append",
                feed=file,
                about=item.named,
                share=share,
            )

    def _open(self, file: Readable, shard: Shard = EVERYTHING) -> ExportSource:
        source = ExportSource(file, self.resolved, shard)
        if isinstance(self.rejects, RejectsFile):
            self.rejects.columns = source.columns
        return source

    def _went_through_before(self) -> bool:
        """Tell whether another task has brought this shard through, while others are still to come, and say so."""
        if self.job.dry_run:
            if (why := self.half.why_refused) is not None:
                self.ledger.note(f"A push would be refused. {why}")
            return False
        if self.half.earlier is None:
            return False
        self.ledger.note(self.half.told)
        self.job.log(self.half.told)
        return True

    def _may_be_held(self) -> bool:
        """Tell whether a late export may be left alone: not what went out in part, or nobody knew what is in Braze."""
        begun = self.resume_state or self.killed or self.half.parts.found or self.push.was_sent_in_part()
        return self.push.hold_late and not self.job.dry_run and not begun

    def _guard_data_points(self, most: int) -> None:
        # What an export costs is asked of all of it, whichever part of it is pushed here.
        with open_buffered(self.location) as file:
            source = self._open(file)
            ledger = Ledger(NullSink())
            objects, united = source.objects(ledger), source.united
            with self.remembering.preview() as memory:
                refuse_above(most, objects, self.job.workspace, ledger, united=united, changes=memory)

    def _check_unchanged(self) -> None:
        try:
            after = self.location.stat()
        except FileNotFoundError:
            raise ExportChangedError(
                f"{self.location.url} vanished while it was pushed; nothing is called complete."
            ) from None
        if after != self.stat:
            raise ExportChangedError(
                f"{self.location.url} changed while it was pushed (size {self.stat.size} to {after.size}); it was "
                "not complete, and will be pushed again."
            )

    def _mark(self, report: dict[str, Any], error: BaseException | None) -> None:
        if self.job.dry_run or self.late.held:
            return
        set_fields = self.source.set_fields if self.source and report["accepted"] else frozenset()
        where = report["report_path"], self.location.url
        marker = Marker(self.identity, now(), *where, self.modified, set_fields)
        try:
            self.marking.mark(marker, report, error)
            if self.late.look_again(set_fields, self.fingerprint, self.checkpoints.started_at):
                report |= {"late": self.late.as_reported(), "notes": list(self.ledger.notes)}
                self._write_again(report)
        except Exception as failed:
            raise reports.unwritable(self.reports_folder.root, failed) from failed

    def _report(self, error: BaseException | None, rejects_path: str | None) -> dict[str, Any]:
        report = super()._report(error, rejects_path)
        if self.late.held:
            report["status"] = reports.HELD
        return {**report, "set_aside": reports.is_set_aside(report["status"], error)}

    def _about(self) -> dict[str, Any]:
        item, mapping = self.resolved.item, self.resolved.mapping
        facts = self.source.facts() if self.source else {}
        if mismatches := facts.get("execution_id_mismatches"):
            self.ledger.note(
                f"{mismatches} records carry another ChannelExecutionID than the file's name; the record's own is sent."
            )
        if self.source and (cut := facts.get("trimmed", {}).get(self.source.identifier_column)):
            self.ledger.note(
                f"Blanks around the identifier were cut in {cut} records: where Braze holds padded identifiers, "
                "these are other profiles; trim=False in the mapping keeps the blanks."
            )
        return {
            **facts,
            **item.named,
            "channel_execution_id": item.channel_execution_id,
            "size": self.stat.size,
            "modified": self.modified,
            "late": self.late.as_reported(),
            "round": self.push.round,
            "max_tries": self.job.max_tries,
            "fingerprint": self.fingerprint,
            "parent": item.parent and item.parent.get("report_path"),
            "mapping": mapping.as_reported(),
            "has_transform": mapping.transform is not None,
        }
