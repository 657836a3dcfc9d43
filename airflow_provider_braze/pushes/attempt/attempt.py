"""What every push has in common: gone on from where an earlier try was, sent, accounted for, and reported.

Above: the push of an export, and that of rows. Below: its job, checkpoints, progress and report, and the loop.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, BrazeLongWaitError, ReportError
from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.pushes.attempt.budget import Budget
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.attempt.progress import Progress
from airflow_provider_braze.pushes.attempt.remembering import Remembering
from airflow_provider_braze.pushes.attempt.running import Running
from airflow_provider_braze.pushes.attempt.start import Start
from airflow_provider_braze.pushes.resuming import allowance
from airflow_provider_braze.pushes.resuming.checkpoint import Checkpoints
from airflow_provider_braze.rejects.writer import RejectsFile
from airflow_provider_braze.storage.reports.markers import now
from airflow_provider_braze.storage.reports.reports_folder import REPORT_NAME
from airflow_provider_braze.users_track.batching.merge_window import SourceItem
from airflow_provider_braze.users_track.delivery.intake import Feed
from airflow_provider_braze.users_track.delivery.plan import plan
from airflow_provider_braze.users_track.delivery.push import Push
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.ledger.ledger import Ledger


@dataclass(kw_only=True)
class AnyPush(ABC):
    """
    A push that can be executed, and stopped meanwhile.

    :param job: what is asked of it.

    ``report`` is that of the push as soon as there is one, also where something else than a ``BrazeError`` ends it.
    """

    job: Job
    report: dict[str, Any] | None = field(default=None, init=False, repr=False)
    _running: Running = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Be there to be stopped from the beginning."""
        self._running = Running(self.job.max_wait)

    def execute(self) -> dict[str, Any]:
        """Push, and give the report.

        :raises BrazeError: what stopped the push; its ``report`` tells how far it came, unless the set-up is wrong.
        """
        with self._running.told_apart():
            return self._execute()

    @abstractmethod
    def _execute(self) -> dict[str, Any]:
        """Push, and give the report."""

    def stop(self) -> None:
        """Stop, from a signal handler: see :meth:`Running.stop`."""
        self._running.stop()


class Attempt(ABC):
    """One try of a push.

    :param push: gets the report.
    :param running: what it can be stopped by.
    :param mode: the mode, for the report.
    :param start: where it begins.
    :param ledger: takes every outcome; a new one.
    :param announced: gives what of the write-ahead log goes into its checkpoints, where there is one.
    """

    def __init__(
        self,
        push: AnyPush,
        running: Running,
        *,
        mode: str,
        start: Start,
        ledger: Ledger,
        announced: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        self.job, self.running = push.job, running
        self.ledger = ledger
        self.progress: Progress | None = None
        self.extra: dict[str, Any] = {}
        self._push, self._mode = push, mode
        self.resumable = start.bound_to is not None
        self.resume_state, self.identity = start.resume_state, start.identity
        self.folder, self.rejects = start.folder, start.rejects
        if self.resume_state:
            ledger.resume(self.resume_state.ledger)
            if self.resume_state.broke_promise:
                self._sent_before()
        elif self.resumable and self.job.checkpoint:
            self.job.log(
                "What an earlier try has kept is not of this push as it is now: another content, another setting, or "
                "its rejects are gone. It starts over."
            )
            self._sent_before()
        elif self.job.sent_before and not self.job.dry_run:
            self._sent_before()
        for number, folder in enumerate(start.killed):
            self._sent_before(
                allowance.of_a_try_without_checkpoint(folder), again=bool(number or self.resume_state)
            )
        self.remembering = Remembering(self.job, start.memory, start.remembered_as, self._warn)
        self.checkpoints = Checkpoints(
            start.bound_to or "",
            ledger,
            self.rejects,
            resume_state=self.resume_state,
            save=self.job.save if self.resumable else None,
            is_saved=self.job.is_saved,
            announced=announced if self.resumable else None,
            before=self.remembering.flush,
            token=self.identity.token,
            killed=start.killed,
        )

    def _sent_before(self, most: int | None = None, *, again: bool = False) -> None:
        """Say that an earlier try may have sent so many more of the records that this one sends; None: any number.

        :param again: those had been sent before by the one before it.
        """
        counts = self.ledger.sent_again
        counts.beyond = None if most is None or counts.beyond is None else counts.beyond + most
        counts.counted += (most or 0) if again else 0
        self.ledger.upper_bounds.add("sent_again")

    def _warn(self, text: str) -> None:
        self.job.log(text)
        self.ledger.note(text)

    @abstractmethod
    def _go(self) -> BaseException | None:
        """Plan or send everything; what stopped it early."""

    def _explain(self, error: BaseException | None) -> BaseException | None:
        """Say what an error means here."""
        return error

    @abstractmethod
    def _about(self) -> dict[str, Any]:
        """Write what a report of this kind says besides the counts."""

    def _mark(self, report: dict[str, Any], error: BaseException | None) -> None:  # noqa: B027
        """Leave a marker for the sensor, where one is due.

        :raises ReportError: it cannot be written.
        """

    def execute(self) -> dict[str, Any]:
        """Push, then write down what happened, whatever it was."""
        # In this order, so that a kill in between leaves less said than done, and never more: failed records on disk,
        # the last checkpoint, the rejects file, the report, and the marker last.
        error: BaseException | None = None
        try:
            error = self._go()
        except BaseException as raised:
            error = self.running.what_ended(raised)
        self.running.over()
        error = self._explain(error)
        self.ledger.settle_rest("not_sent")
        self.ledger.flush()
        error = self.checkpoints.finish(error)
        report, error = self._write(error, resumable=self._end(error))
        # Also where it raises: whoever catches it, or is told by a callback, finds the report.
        self._push.report = report
        if error is not None:
            if isinstance(error, BrazeError):
                error.report = report
            raise error
        return report

    def _end(self, error: BaseException | None) -> bool:
        """Save the last checkpoint, and close the memory; whether a later try may go on."""
        # The memory after the checkpoint: what it is told last belongs to what that one counts.
        try:
            resumable = self.checkpoints.end(error, only_once=self._went_out_for_good())
            about = {"token": self.identity.token, "run_id": self.identity.run_id, "at": now()}
            self.remembering.end(self.ledger, about, resumable=resumable and error is not None)
        finally:
            self.remembering.close()
        return resumable

    def _plan(
        self,
        objects: Iterator[SourceItem],
        united: frozenset[str] = frozenset(),
        about: Mapping[str, Any] | None = None,
        share: Callable[[], float] | None = None,
    ) -> None:
        """Plan, watched as a push is."""
        self.progress = progress = Progress(self.ledger, tell=self.job.progress, about=about, share=share)
        try:
            watched = progress.watching(objects)
            users = self.job.users or UserCount()
            with self.remembering.preview() as memory:
                planned = plan(
                    watched, self.job.workspace, self.ledger, united=united, users=users, changes=memory
                )
            self.extra = planned.as_dict()
        finally:
            progress.finish()

    def _send(
        self,
        objects: Iterator[SourceItem],
        *,
        united: frozenset[str] = frozenset(),
        confirm: bool = False,
        feed: Feed | None = None,
        about: Mapping[str, Any] | None = None,
        share: Callable[[], float] | None = None,
    ) -> BaseException | None:
        """Send, watched and with checkpoints; ``about`` (what is pushed) and ``share`` are told with the progress."""
        push = Push(
            objects,
            self.job.workspace,
            self.ledger,
            united=united,
            retry_events=self.job.retry_events,
            confirm=confirm,
            limiter=self.job.limiter and self.job.limiter(),
            feed=feed,
            changes=self.remembering.open(self.ledger),
            may_send=self.checkpoints.allowance.lets,
        )
        self.checkpoints.watch(push.limiter)
        self.progress = progress = Progress(
            self.ledger,
            tell=self.job.progress,
            about=about,
            share=share,
            paused_for=lambda: push.paused_for,
            waited=lambda: self.checkpoints.waits["waited_seconds"],
            in_flight=lambda: push.in_flight,
            trouble=lambda: push.trouble,
        )
        budget = Budget(push.limiter, self.ledger, share, self.job.workspace.objects_per_request, self._warn)
        try:
            self.running.run(push, self._look, budget.look)
        finally:
            self.extra = self.checkpoints.waits
            progress.finish(waiting=isinstance(push.error, BrazeLongWaitError))
        return push.error

    def _look(self) -> None:
        self.remembering.look()
        if self.progress is not None:
            self.progress.tick()
        self.checkpoints.tick()

    def _write(
        self, error: BaseException | None, *, resumable: bool
    ) -> tuple[dict[str, Any], BaseException | None]:
        rejects_path = None
        if isinstance(self.rejects, RejectsFile):
            rejects_path, error = reports.close(self.rejects, error, keep_parts=resumable)
        report = self._report(error, rejects_path)
        # Parts, and what says that a promise was broken, are for a later try alone.
        if not resumable:
            self.checkpoints.tidy()
        # No marker without its report: the sensor would never offer again what nobody can look up.
        if trouble := self._write_report(report):
            return report, error or trouble
        try:
            self._mark(report, error)
        except BrazeError as unwritable:
            return report, error or unwritable
        if error is None and resumable:
            self.checkpoints.went_through(self._to_keep(report), self.job.max_tries)
        return report, error

    def _went_out_for_good(self) -> bool:
        """Whether it has sent what must not be sent again, not even when Airflow never hears of its end."""
        return False

    def _to_keep(self, report: dict[str, Any]) -> Mapping[str, Any]:
        """Give the report as it is kept for a retry that then has nothing to send."""
        return report

    def _write_report(self, report: dict[str, Any]) -> ReportError | None:
        return reports.keep(self.folder.child(REPORT_NAME), report) if self.folder else None

    def _write_again(self, report: dict[str, Any]) -> None:
        """Write a report that says more now; where that fails, what was written is true, and log and XCom say more."""
        path = report["report_path"]
        if (trouble := self._write_report(report)) is not None:
            report["report_path"] = path
            self.job.log(str(trouble))

    def _report(self, error: BaseException | None, rejects_path: str | None) -> dict[str, Any]:
        about, job = self._about(), self.job
        return {
            "status": reports.status_of(self.ledger, error, dry_run=job.dry_run),
            "mode": self._mode,
            **reports.counts(self.ledger),
            **self.remembering.report(self.ledger),
            **self.extra,
            "seconds": self.checkpoints.seconds,
            "started_at": self.checkpoints.started_at,
            "samples": self.progress.samples() if self.progress and not job.dry_run else [],
            **self.identity.as_dict(),
            "max_rejected": job.max_rejected,
            "report_path": self.folder.child(REPORT_NAME).url if self.folder else None,
            "rejects_path": rejects_path,
            **about,
            **reports.setting(job.workspace, job.braze_conn_id, job.dry_run, error),
        }
