"""What every push has in common: gone on from where an earlier try was, sent, accounted for, and reported."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, BrazeLongWaitError
from airflow_provider_braze.pushes import report as reports
from airflow_provider_braze.pushes.checkpoint import Checkpoints, Keep, ResumeState
from airflow_provider_braze.pushes.export_item import AUTO
from airflow_provider_braze.pushes.progress import Progress, Tell
from airflow_provider_braze.pushes.running import Running
from airflow_provider_braze.rejects.writer import RejectsFile, RejectsInReport
from airflow_provider_braze.storage.push_identity import PushIdentity
from airflow_provider_braze.storage.reports_folder import REJECTS_NAME, REPORT_NAME, ReportsFolder
from airflow_provider_braze.users_track.batching.merge_window import SourceItem
from airflow_provider_braze.users_track.delivery.intake import Feed
from airflow_provider_braze.users_track.delivery.plan import plan
from airflow_provider_braze.users_track.delivery.push import Push
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace


@dataclass(kw_only=True)
class AnyPush(ABC):
    """
    What is asked of any push.

    :param workspace: where to.
    :param braze_conn_id: names the workspace in the report and the reports folder.
    :param run: names a push outside of Airflow.
    :param identity: whose push it is, for its names in the reports folder and its report.
    :param mode: ``upsert``, ``append`` or ``auto``.
    :param reports_path: reports folder.
    :param dry_run: send nothing, plan only.
    :param max_data_points: refuse a push that would cost more.
    :param max_rejected: most failed records, as the task's threshold; only told in the report.
    :param retry_events: send events, purchases and increments again when an answer was lost, at the risk that they
        count twice.
    :param progress: takes the progress every few seconds, as JSON.
    :param checkpoint: what an earlier try kept; one of something else, or of the same pushed another way, is not used.
    :param keep: keeps checkpoints, so that a later try can go on from them.
    :param is_kept: whether what was given to ``keep`` is in its store by now.
    :param say: takes a remark for the log.
    :param max_wait: seconds of pause ordered by Braze beyond which the push stops; None: it waits however long.
    :param limiter: makes what decides when a request may go (default: one for this push alone).
    :param users: counts the users of a plan together with those of others (default: by themselves).

    ``report`` is that of the push as soon as there is one, also where something else than a ``BrazeError`` ends it.
    """

    workspace: Workspace
    braze_conn_id: str
    run: str = ""
    identity: PushIdentity = field(default_factory=PushIdentity)
    mode: str = AUTO
    reports_path: str | None = None
    dry_run: bool = False
    max_data_points: int | None = None
    max_rejected: int | float | None = None
    retry_events: bool = False
    progress: Tell | None = None
    checkpoint: Mapping[str, Any] | None = None
    keep: Keep | None = None
    is_kept: Callable[[], bool] = lambda: True
    say: Callable[[str], None] = lambda _: None
    max_wait: float | None = None
    limiter: Callable[[], Limiter] | None = None
    users: UserCount | None = None
    report: dict[str, Any] | None = field(default=None, init=False, repr=False)
    _running: Running = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Be there to be stopped from the beginning."""
        if self.identity.run_id is None:
            self.identity = replace(self.identity, run_id=self.run or None)
        self._running = Running(self.max_wait)

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

    :param push: what is asked of it.
    :param running: what it can be stopped by.
    :param mode: the mode, for the report.
    :param bound_to: what its checkpoints belong to; None where no later try can go on from one.
    :param folder: reports folder; None: there are no files.
    :param named: what is pushed, as its folder in there is named.
    :param columns: columns of its rejects file, as far as they are known.
    """

    def __init__(
        self,
        push: AnyPush,
        running: Running,
        *,
        mode: str,
        bound_to: str | None,
        folder: ReportsFolder | None,
        named: str,
        columns: tuple[str, ...] = (),
    ) -> None:
        self.running = running
        self.progress: Progress | None = None
        self.extra: dict[str, Any] = {}
        self._push, self._mode = push, mode
        self.resumable = bound_to is not None and not push.dry_run
        self.resume_state = ResumeState.of(push.checkpoint, bound_to) if bound_to and self.resumable else None
        self.identity = push.identity
        if self.resume_state and self.resume_state.token:
            self.identity = replace(push.identity, token=self.resume_state.token)
        self.home = folder.start_run(named, self.identity) if folder else None
        self.rejects = self._sink(columns)
        self.ledger = self._ledger()
        if self.resume_state:
            self.ledger.resume(self.resume_state.ledger)
        elif self.resumable and push.checkpoint:
            push.say(
                "What an earlier try has kept is not of this push as it is now: another content, another setting, or "
                "its rejects are gone. It starts over."
            )
        self.checkpoints = Checkpoints(
            bound_to or "",
            self.ledger,
            self.rejects,
            resume_state=self.resume_state,
            keep=push.keep if self.resumable else None,
            is_kept=push.is_kept,
            handed=self._handed() if self.resumable else None,
            token=self.identity.token,
        )

    def _sink(self, columns: tuple[str, ...]) -> RejectsFile | RejectsInReport:
        if self.home is None:
            in_report = RejectsInReport()
            if self.resume_state and self.resume_state.failed_rows:
                in_report.resume(self.resume_state.failed_rows)
            return in_report
        parts = self.resume_state.parts if self.resume_state else ()
        return RejectsFile(self.home.child(REJECTS_NAME), columns, parts)

    def _ledger(self) -> Ledger:
        return Ledger(self.rejects)

    def _handed(self) -> Callable[[], Mapping[str, Any]] | None:
        """Give what else goes into a checkpoint, where there is anything."""
        return None

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
        error: BaseException | None = None
        try:
            error = self._go()
        except BaseException as raised:
            error = self.running.what_ended(raised)
        self.running.over()
        error = self._explain(error)
        self.ledger.settle_rest("not_sent")
        self.ledger.flush()
        report, error = self._write(error, resumable=self.checkpoints.end(error))
        self._push.report = report
        if error is not None:
            if isinstance(error, BrazeError):
                error.report = report
            raise error
        return report

    def _plan(
        self,
        objects: Iterator[SourceItem],
        united: frozenset[str] = frozenset(),
        about: Mapping[str, Any] | None = None,
        share: Callable[[], float] | None = None,
    ) -> None:
        """Plan, watched as a push is."""
        self.progress = progress = Progress(self.ledger, tell=self._push.progress, about=about, share=share)
        try:
            watched = progress.watching(objects)
            users = self._push.users or UserCount()
            planned = plan(watched, self._push.workspace, self.ledger, united=united, users=users)
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
            self._push.workspace,
            self.ledger,
            united=united,
            retry_events=self._push.retry_events,
            confirm=confirm,
            limiter=self._push.limiter and self._push.limiter(),
            feed=feed,
        )
        self.checkpoints.watch(push.limiter)
        self.progress = progress = Progress(
            self.ledger,
            tell=self._push.progress,
            about=about,
            share=share,
            paused_for=lambda: push.paused_for,
            in_flight=lambda: push.in_flight,
            trouble=lambda: push.trouble,
        )
        try:
            self.running.run(push, self._look)
        finally:
            self.extra = self.checkpoints.waits
            progress.finish(waiting=isinstance(push.error, BrazeLongWaitError))
        return push.error

    def _look(self) -> None:
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
        if not resumable:
            self.checkpoints.tidy()
        if self.home and (trouble := reports.keep(self.home.child(REPORT_NAME), report)):
            return report, error or trouble
        try:
            self._mark(report, error)
        except BrazeError as unwritable:
            return report, error or unwritable
        return report, error

    def _report(self, error: BaseException | None, rejects_path: str | None) -> dict[str, Any]:
        about, push = self._about(), self._push
        return {
            "status": reports.status_of(self.ledger, error, dry_run=push.dry_run),
            "mode": self._mode,
            **reports.counts(self.ledger),
            **self.extra,
            "seconds": self.checkpoints.seconds,
            "started_at": self.checkpoints.started_at,
            "samples": self.progress.samples() if self.progress and not push.dry_run else [],
            **self.identity.as_dict(),
            "max_rejected": push.max_rejected,
            "report_path": self.home.child(REPORT_NAME).url if self.home else None,
            "rejects_path": rejects_path,
            **about,
            **reports.setting(push.workspace, push.braze_conn_id, push.dry_run, error),
        }
