"""Several exports, pushed one after the other by one task: none goes out before an older one that is not whole.

Whole is ``complete``. What an earlier try of the same task brought through is known from its reports, so on every
Airflow. Each turn leaves a report that says in which *round* of the list it was: a retry and a deferred task go on with
their round, and a task that is cleared after all went whole begins a new one.

Above: the operator. Below: the push of each export.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeLongWaitError,
    ExportGoneError,
    ExportsSetAsideError,
    PushStoppedError,
    TooManyFailedRecordsError,
    describe,
)
from airflow_provider_braze.memory.previewing import Previews
from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.attempt.running import Stop
from airflow_provider_braze.pushes.exports.export import ExportPush
from airflow_provider_braze.pushes.exports.given_exports import Export, modified_of, path_of
from airflow_provider_braze.pushes.exports.half_pushed import part_of
from airflow_provider_braze.pushes.exports.list_report import WAITING, entry, summed
from airflow_provider_braze.pushes.exports.whole_before import unless_it_fails, was_cleared_since
from airflow_provider_braze.pushes.resuming.checkpoint import Save
from airflow_provider_braze.pushes.sources.export_item import replaced_at
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.reports.push_identity import new_token
from airflow_provider_braze.storage.reports.pushed_before import PushedBefore
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.transport.limiter import Limiter

_EXPORT = "export"
"""Key of a checkpoint that says whose it is: of a list, one export at a time is under way."""

_MOST_NAMED = 10


class Make(Protocol):
    """Makes the push of one export."""

    def __call__(
        self,
        *,
        job: Job,
        export: Export,
        round: int,
        pushed_before: Callable[[ReportsFolder], PushedBefore],
    ) -> ExportPush:
        """Take the parameters of a push that belong to its place in the list."""


@dataclass(slots=True)
class _Turn:
    """One export of the list, and what became of it.

    :param error: why it is not whole, where an error says so.
    :param too_many: why its failed records are too many.
    :param is_set_aside: the list went on without it.
    :param begun_before: an earlier try may have sent some of it.
    :param has_namesake: another one before it has the same name, and perhaps the same fingerprint: its files are to
        lie elsewhere.
    """

    export: Export
    status: str = WAITING
    report: Mapping[str, Any] | None = None
    error: str | None = None
    too_many: str | None = None
    is_set_aside: bool = False
    begun_before: bool = False
    has_namesake: bool = False

    @property
    def path(self) -> str:
        return path_of(self.export)

    @property
    def why(self) -> str | None:
        return self.error or self.too_many

    def settle(self, report: Mapping[str, Any], max_rejected: int | float | None) -> None:
        """Take a report as the last word."""
        self.report, self.status, self.error = report, report["status"], report.get("error")
        self.is_set_aside = bool(report.get("set_aside"))
        if not report.get("dry_run"):
            self.too_many = reports.too_many_failed(report, max_rejected)


class ListPush:
    """
    Push several exports.

    :param exports: in the order in which they are pushed.
    :param make: makes the push of one.
    :param job: what is asked of each. Its checkpoint is what an earlier try, or the same one before a long wait, saved
        of the export that was under way; its threshold is that of each export.
    :param begin: told the number of an export, from 1 on, before its turn.
    :param tell: told the list's report at the beginning, and after each turn.
    """

    def __init__(
        self,
        exports: Sequence[Export],
        make: Make,
        job: Job,
        *,
        begin: Callable[[int], None] = lambda _: None,
        tell: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self._turns = [_Turn(export) for export in exports]
        names: set[str] = set()
        for turn in self._turns:
            name = re.split(r"[\\/]", turn.path)[-1]
            turn.has_namesake = name in names
            names.add(name)
        self._make, self._job = make, job
        self._begin, self._tell = begin, tell
        self._round = job.identity.try_number
        # Whether an earlier try may have sent some of whichever is the first to send now.
        self._one_begun = False
        self._limiter: Limiter | None = None
        self._current: ExportPush | None = None
        self._stopped: PushStoppedError | None = None
        self._error: BaseException | None = None
        self._known: dict[str, PushedBefore] = {}
        # Of a dry run: who and what the plans have in common.
        self._users = UserCount() if job.dry_run else None
        self._previews = Previews(several=len(exports) > 1) if job.dry_run else None

    def execute(self) -> dict[str, Any]:
        """Push what is not whole yet.

        :return: the list's report.
        :raises BrazeError: what stopped the list, or that some exports failed; its ``report`` is the list's.
        """
        self._place_what_was_replaced()
        self._skip_what_is_done()
        # Whoever looks on sees from the beginning what waits for its turn.
        self._tell(self.report)
        try:
            for number, turn in enumerate(self._turns, start=1):
                if turn.status == WAITING:
                    self._take(number, turn)
            self._error = self._failure()
            if self._error is not None:
                raise self._error
        except BaseException as raised:
            self._error = error = raised.error if isinstance(raised, Stop) else raised
            if isinstance(error, BrazeError):
                error.report = self.report
            raise error from error.__cause__
        finally:
            for shared in (self._users, self._previews):
                if shared is not None:
                    shared.close()
        return self.report

    def stop(self) -> None:
        """Stop, from a signal handler: the export under way, and the list.

        :raises Stop: nothing is being sent.
        """
        self._stopped = PushStoppedError("The task was stopped; what was not sent counts as not_sent.")
        if self._current is None:
            raise Stop(self._stopped)
        self._current.stop()

    @property
    def report(self) -> dict[str, Any]:
        """The list's report as it is now."""
        own = [turn.report for turn in self._turns if turn.report is not None]
        # Who is in several of the plans is one user.
        users: dict[str, Any] = {}
        if self._users is not None:
            users = {"users": self._users.total, "users_identified_by": sorted(self._users.kinds)}
        return {
            **summed(own, [turn.status for turn in self._turns]),
            **users,
            **self._job.identity.as_dict(),
            **reports.setting(self._job.workspace, self._job.braze_conn_id, self._job.dry_run, self._error),
            "exports": [
                entry(turn.path, turn.status, turn.report, turn.why, set_aside=turn.is_set_aside)
                for turn in self._turns
            ],
        }

    def _place_what_was_replaced(self) -> None:
        """Put those that were replaced since the sensor found them to where they belong now, by their age."""
        ages = [modified_of(turn.export) for turn in self._turns]
        now = [
            None if age is None else unless_it_fails(partial(replaced_at, turn.export))
            for age, turn in zip(ages, self._turns, strict=True)
        ]
        if None in ages or not any(now):
            return
        aged = [
            (new or old or 0.0, turn.path, turn)
            for old, new, turn in zip(ages, now, self._turns, strict=True)
        ]
        self._turns = [turn for _, _, turn in sorted(aged, key=lambda each: each[:2])]

    def _skip_what_is_done(self) -> None:
        """Take over what earlier tries, or this one before a long wait, have settled in the round under way."""
        if self._job.identity.try_number <= 1 and self._job.checkpoint is None:
            return
        pushes = {id(turn): self._push(turn) for turn in self._turns}
        last = [push.last_report_of_this_task() for push in pushes.values()]
        current = max((report["round"] for report in last if report), default=self._round)
        found = [
            (turn, report)
            for turn, report in zip(self._turns, last, strict=True)
            if report and report["round"] == current
        ]
        whole = [pair for pair in found if pair[1]["status"] == reports.COMPLETE]
        anew = all(was_cleared_since(report, self._job) for _, report in whole)
        if anew and len(whole) == len(self._turns):
            self._job.log(
                "All exports went whole before, and the task was cleared: they are all pushed again."
            )
            return
        self._round = current
        aside = [pair for pair in found if pair[1].get("set_aside")]
        # Where nothing else is left to do, somebody has cleared the task to have those set aside tried again.
        done = whole + (aside if len(whole) + len(aside) < len(self._turns) else [])
        may_lack_marks = self._job.identity.try_number > 1 and not self._job.dry_run
        for turn, report in done:
            turn.settle(report, self._job.max_rejected)
            if turn.status == reports.COMPLETE and may_lack_marks:
                pushes[id(turn)].mark_whole(report)
        for turn, report in found:
            turn.begun_before = bool(report.get("requests"))
        # One goes after the other. A try that was killed leaves no report of the one that it had begun.
        self._one_begun = not any(turn.begun_before and turn.status == WAITING for turn in self._turns)
        if done:
            self._job.log(f"{len(done)} of {len(self._turns)} exports are settled already; the rest goes on.")

    def _push(self, turn: _Turn) -> ExportPush:
        checkpoint, save = self._job.checkpoint, self._job.save
        job = replace(
            self._job,
            identity=replace(self._job.identity, token=new_token())
            if turn.has_namesake
            else self._job.identity,
            checkpoint=checkpoint if checkpoint and checkpoint.get(_EXPORT) == turn.path else None,
            save=save and self._saving(save, turn.path),
            sent_before=self._job.sent_before and (turn.begun_before or self._one_begun),
            limiter=self._next_limiter,
            users=self._users,
            previews=self._previews,
        )
        return self._make(job=job, export=turn.export, round=self._round, pushed_before=self._pushed_before)

    def _pushed_before(self, folder: ReportsFolder) -> PushedBefore:
        """Give what knows of earlier pushes: one for all exports, so that it lists but once."""
        known = self._known.get(folder.root.url)
        if known is None:
            known = self._known[folder.root.url] = PushedBefore(
                folder, self._job.braze_conn_id, part_of(self._job.shard)
            )
        return known

    @staticmethod
    def _saving(save: Save, path: str) -> Save:
        return lambda checkpoint: save(checkpoint and {**checkpoint, _EXPORT: path})

    def _next_limiter(self) -> Limiter:
        workspace = self._job.workspace
        self._limiter = Limiter(workspace.requests_per_second, shards=workspace.shards, after=self._limiter)
        return self._limiter

    def _take(self, number: int, turn: _Turn) -> None:
        if self._stopped is not None:
            raise self._stopped
        self._job.log(f"Export {number} of {len(self._turns)}: {turn.path}")
        self._begin(number)
        self._current = push = self._push(turn)
        try:
            turn.settle(push.execute(), self._job.max_rejected)
        except BaseException as error:
            self._note(turn, push.report, error)
            turn.is_set_aside = self._goes_on(turn, error)
            if not turn.is_set_aside:
                self._log_what_stops(turn, error)
                raise
        finally:
            self._current = None
        if turn.report is not None:
            self._one_begun = self._one_begun and not turn.report["requests"]
            self._job.log(reports.report_line(turn.report))
        if turn.is_set_aside:
            self._job.log(f"Set aside: {turn.path}: {turn.why or 'every record failed'}")
        self._tell(self.report)

    def _note(self, turn: _Turn, report: Mapping[str, Any] | None, error: BaseException) -> None:
        turn.report, turn.error = report, self._job.workspace.redact(describe(error))
        stopped = isinstance(error, PushStoppedError) or not isinstance(error, Exception)
        turn.status = report["status"] if report else WAITING if stopped else reports.FAILED
        if isinstance(error, BrazeLongWaitError) and error.checkpoint is not None:
            error.checkpoint = {**error.checkpoint, _EXPORT: turn.path}

    def _goes_on(self, turn: _Turn, error: BaseException) -> bool:
        """Tell whether the list goes on: no retry can help this export, or it is gone from a share that is there."""
        if isinstance(error, ExportGoneError):
            folder = turn.path.replace("\\", "/").rstrip("/").rpartition("/")[0]
            return bool(folder) and locate(folder).exists()
        return reports.is_set_aside(turn.status, error)

    def _log_what_stops(self, turn: _Turn, error: BaseException) -> None:
        waiting = [each.path for each in self._turns if each.status == WAITING and each is not turn]
        if not waiting:
            return
        text = f"{turn.path} stopped the list; {len(waiting)} later exports wait: {_named(waiting)}."
        self._job.log(text)
        if isinstance(error, BrazeError):
            error.args = (f"{error} {text}", *error.args[1:])

    def _failure(self) -> BrazeError | None:
        """Say at the end that some exports failed, each by its own threshold or by being set aside."""
        failed = [turn for turn in self._turns if turn.why and (turn.is_set_aside or turn.too_many)]
        if not failed:
            return None
        told = [
            f"{turn.path} was set aside: {turn.why}" if turn.is_set_aside else f"{turn.path}: {turn.why}"
            for turn in failed
        ]
        kind = (
            ExportsSetAsideError if any(turn.is_set_aside for turn in failed) else TooManyFailedRecordsError
        )
        return kind(f"{len(told)} of {len(self._turns)} exports failed. {_named(told)}")


def _named(texts: Sequence[str]) -> str:
    more = len(texts) - _MOST_NAMED
    return "; ".join(texts[:_MOST_NAMED]) + (f"; and {more} more, in the report" if more > 0 else "")
