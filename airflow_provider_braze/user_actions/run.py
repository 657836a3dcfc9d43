"""One run of an action, from its rows to its report.

Counted first where there is a bound, for a deletion cannot be undone: nothing is sent when there are more rows.

Above: the operator. Below: rows, batches, their delivery, and the report.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, TooManyUsersError
from airflow_provider_braze.memory.forgetting import Forgetting
from airflow_provider_braze.memory.persistence.place import folder_of
from airflow_provider_braze.pushes.attempt import reporting as reports
from airflow_provider_braze.pushes.attempt.running import PATIENCE, Running
from airflow_provider_braze.rejects.writer import RejectsFile, RejectsInReport
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import REJECTS_NAME, REPORT_NAME, ReportsFolder
from airflow_provider_braze.user_actions.actions import ACTIONS, BadActionRowError, Change, Person
from airflow_provider_braze.user_actions.batches import ActionBatch, Batches
from airflow_provider_braze.user_actions.delivery import MOST_UNDER_WAY, STOPPED, ActionDelivery, Post
from airflow_provider_braze.user_actions.given import ActionRow
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.records import RecordCounts, RecordReference
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace

COLUMNS = ("row",)
"""Of its rejects file: the row as JSON."""

FOLDER = "users"
"""Where such runs lie in a reports folder."""

_STOPPED_BEFORE = "the task stopped before this row was sent"
_TELL_EVERY = 5.0


_CHANGE_WHO_IS_WHO = frozenset({"delete", "identify", "merge"})
"""Actions after which a profile holds something else than Braze was told."""


class _FreeLedger(Ledger):
    """Counts no data points: none of these changes costs any (Braze docs: data points)."""

    def count_data_points(
        self,
        item: ProfileObject,
        some_counts: RecordCounts | None = None,  # noqa: ARG002 - the ledger's interface
    ) -> None:
        """Count nothing."""
        item.billed_ahead = False


@dataclass(kw_only=True)
class UserActionRun:
    """
    One run.

    :param action: what is done, a name in ``ACTIONS``.
    :param rows: goes through the rows, as often as it is asked to.
    :param workspace: where to, and how fast.
    :param post: sends one request.
    :param expect_at_most: refuse to send anything when there are more rows that could be.
    :param dry_run: check every row, send nothing.
    :param reports_path: reports folder; without one there are no files, and failed rows are in the report.
    :param memory_path: folder of the memory of what Braze was told, instead of one in the reports folder.
    :param say: takes a line for the log every few seconds.

    ``report`` is there as soon as there is one, also where something else than a ``BrazeError`` ends the run.
    """

    action: str
    rows: Iterable[ActionRow]
    workspace: Workspace
    post: Post
    braze_conn_id: str
    identity: PushIdentity
    expect_at_most: int | None = None
    dry_run: bool = False
    reports_path: str | None = None
    max_rejected: int | float | None = None
    memory_path: str | None = None
    say: Callable[[str], None] = lambda _: None
    report: dict[str, Any] | None = field(default=None, init=False)
    _running: Running = field(default_factory=Running, init=False, repr=False)
    _told_at: float = field(default=0.0, init=False, repr=False)

    def execute(self) -> dict[str, Any]:
        """Send, and give the report.

        :raises BrazeError: what stopped it; its ``report`` tells how far it came, unless nothing was begun.
        """
        with self._running.told_apart():
            if self.expect_at_most is not None:
                self._refuse_above(self.expect_at_most)
            return self._execute()

    def stop(self) -> None:
        """Stop, from a signal handler."""
        self._running.stop()

    def _refuse_above(self, most: int) -> None:
        count = sum(1 for row in self.rows if isinstance(_read(self.action, row), Change))
        if count > most:
            raise TooManyUsersError(
                f"{self.action} is asked for {count} rows, more than expect_at_most ({most}); nothing was sent."
            )

    def _execute(self) -> dict[str, Any]:
        home, folder, rejects = None, None, RejectsInReport()
        sink: RejectsFile | RejectsInReport = rejects
        if self.reports_path:
            folder = ReportsFolder.at(self.reports_path)
            folder.check_writable()
            home = folder.start_run(FOLDER, self.identity)
            sink = RejectsFile(home.child(REJECTS_NAME), COLUMNS, token=self.identity.token)
        began, started_at = time.monotonic(), datetime.now(UTC)
        ledger = _FreeLedger(sink)
        forgetting = Forgetting(folder_of(self.memory_path, folder, self.braze_conn_id), ledger.note)
        try:
            error = self._go(ledger, forgetting)
        finally:
            forgetting.close()
        rejects_path = None
        if isinstance(sink, RejectsFile):
            rejects_path, error = reports.close(sink, error)
        report = {
            "status": reports.status_of(ledger, error, dry_run=self.dry_run),
            "action": self.action,
            **reports.counts(ledger),
            "seconds": round(time.monotonic() - began, 3),
            "started_at": started_at.isoformat(),
            **self.identity.as_dict(),
            "max_rejected": self.max_rejected,
            "expect_at_most": self.expect_at_most,
            "failed_rows": rejects.rows,
            "report_path": home.child(REPORT_NAME).url if home else None,
            "rejects_path": rejects_path,
            **reports.setting(self.workspace, self.braze_conn_id, self.dry_run, error),
        }
        if home and (trouble := reports.keep(home.child(REPORT_NAME), report)):
            error = error or trouble
        self.report = report
        if error is not None:
            if isinstance(error, BrazeError):
                error.report = report
            raise error
        return report

    def _go(self, ledger: Ledger, forgetting: Forgetting) -> BaseException | None:
        """Plan or send everything; what stopped it early."""
        action, batches = ACTIONS[self.action], Batches()
        pace = action.pace(self.workspace.requests_per_second)
        most = min(self.workspace.max_in_flight, MOST_UNDER_WAY)
        delivery = ActionDelivery(action, self.post, Limiter(pace), ledger, self.workspace.redact, most)
        error: BaseException | None = None
        try:
            for batch in self._batches(batches, ledger):
                if self.dry_run:
                    for each in batch.objects:
                        ledger.settle(each, "planned")
                else:
                    if self.action in _CHANGE_WHO_IS_WHO:
                        forgetting.forget(_external_ids(self.action, batch.people))
                    delivery.send(batch)
                self._tell(ledger)
                if ledger.trouble is not None:
                    raise ledger.trouble
            delivery.finish()
        except BaseException as raised:
            error = self._running.what_ended(raised)
        self._running.over()
        delivery.end(STOPPED, PATIENCE)
        for batch in batches.rest():
            ledger.leave(batch.objects, lost=False, reason=_STOPPED_BEFORE)
        ledger.settle_rest("not_sent")
        ledger.flush()
        return error or ledger.trouble

    def _batches(self, batches: Batches, ledger: Ledger) -> Iterator[ActionBatch]:
        """Read the rows, settle those that cannot be sent, and give the others in batches."""
        sendable = 0
        for row in self.rows:
            reference = RecordReference.of(row.line, row.cells, ledger.begin())
            change = _read(self.action, row)
            if not isinstance(change, Change):
                ledger.refuse(reference, "", change)
                continue
            sendable += 1
            if self.expect_at_most is not None and sendable > self.expect_at_most:
                ledger.refuse(reference, "", "more rows than expect_at_most allows")
                raise TooManyUsersError(
                    f"The rows became more than expect_at_most ({self.expect_at_most}) while they were sent."
                )
            yield from batches.add(change, reference)
        yield from batches.rest()

    def _tell(self, ledger: Ledger) -> None:
        if (now := time.monotonic()) - self._told_at >= _TELL_EVERY:
            self._told_at = now
            self.say(
                f"{self.action}: {ledger.records} rows read, {ledger.outcomes['accepted']} accepted so far."
            )


def _external_ids(action: str, people: Iterable[Person]) -> list[str] | None:
    """Give whom a batch touches by external id; None where some may be anybody."""
    named = [person for person in people if person[0] == "external_id"]
    # What is identified is a profile without an external id, of which nothing was remembered.
    if action != "identify" and len(named) < len(list(people)):
        return None
    return [str(person[1]) for person in named]


def _read(action: str, row: ActionRow) -> Change | str:
    """Give the change that a row asks for, or why it can be none."""
    if row.content is None:
        return row.problem or "it cannot be read"
    try:
        return ACTIONS[action].read(row.content)
    except BadActionRowError as bad:
        return str(bad)
