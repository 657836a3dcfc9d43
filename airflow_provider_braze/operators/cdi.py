"""Start a sync of Braze's Cloud Data Ingestion, and wait for its end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.cdi.syncs import PastSyncs, before_running
from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeRateLimitError,
    BrazeServerError,
    BrazeSetupError,
    BrazeSyncError,
    BrazeSyncInProgressError,
    BrazeSyncTimeoutError,
    BrazeUnreachableError,
)
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.hooks.calls import MOST_TRIES, pause_after
from airflow_provider_braze.hooks.cdi import check_id
from airflow_provider_braze.links.braze import BrazeDashboardLink
from airflow_provider_braze.native_rendering import NativeRendering
from airflow_provider_braze.operators.braze import REPORT_KEY
from airflow_provider_braze.operators.kept import Kept
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_seconds,
    as_optional_text,
    as_seconds,
    check_final,
)
from airflow_provider_braze.triggers.cdi import BrazeCdiSyncTrigger, Goal, ended, look
from airflow_provider_braze.users_track.transport.clusters import dashboard_of
from airflow_provider_braze.wrong_parameter import WrongParameterError

if TYPE_CHECKING:
    from airflow.sdk import Context

STATE_KEY = "braze_cdi_sync"
"""Key of Airflow's task state store under which a started sync is known to a later try."""

IF_RUNNING = ("wait", "join")

_MOST_REFUSALS = 60
"""Starts that Braze may refuse for their rate: each waits as long as it orders, a minute at most."""

_LOOKS_FOR_A_LOST_START = 3
"""Looks after a start whose answer was lost, before it is made again."""


class BrazeCdiSyncOperator(NativeRendering, BaseOperator):
    """
    Start a sync of a CDI integration, and wait until it has ended.

    Returns what Braze says of the sync: ``job_status``, ``sync_start_time``, ``sync_finish_time``,
    ``last_timestamp_synced``, ``rows_synced`` and ``rows_failed_with_errors``, with ``integration_id`` and
    ``started_after``. ``partial``, ``error`` and ``config_error`` fail the task with the counts.

    Braze gives a sync no id. It is found by Braze's own clock and order: it is the first that began after those that
    were listed before it was started. On Airflow 3.3+ that is kept in the task state store before the start, so that a
    retry after a kill waits for the same sync and starts no second one.

    :param integration_id: the integration's id. (templated)
    :param deferrable: wait in the triggerer, and hold no worker meanwhile.
    :param wait: wait for the end. Without, the task ends once Braze has taken the start, and ``started_after`` is for
        ``BrazeCdiSyncSensor``. (templated)
    :param if_running: what to do when another job of the integration is in progress: ``wait`` (default) until it has
        ended, and then start one; ``join`` it, and start none. (templated)
    :param poll_interval: seconds between two looks at the status. (templated)
    :param timeout: seconds (or a timedelta) after which the task fails, and is retried as it says; a retry goes on
        waiting for the same sync. (templated)
    :param braze_conn_id: connection of type ``braze``; its key needs ``cdi.integration_sync`` and
        ``cdi.integration_job_status``. (templated)
    :raises BrazeError: what a retry can mend; anything else is an ``AirflowFailException``.
    """

    template_fields: Sequence[str] = (
        "integration_id",
        "wait",
        "if_running",
        "poll_interval",
        "timeout",
        "braze_conn_id",
    )
    ui_color = "#d8d0ff"
    operator_extra_links = (BrazeDashboardLink(),)
    # Subclasses inherit it: by this name the Braze tab finds its tasks.
    custom_operator_name = "BrazeCdiSyncOperator"

    def __init__(
        self,
        *,
        integration_id: str,
        deferrable: bool = True,
        wait: bool | str = True,
        if_running: str = "wait",
        poll_interval: float | timedelta | str = 30,
        timeout: float | timedelta | str | None = 12 * 3600,
        braze_conn_id: str = BrazeHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.integration_id = integration_id
        self.wait = wait
        self.if_running = if_running
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.braze_conn_id = braze_conn_id
        self.dashboard_url: str | None = None
        try:
            check_final(self, _CHECKS)
            # It is never rendered: a template in it is a mistake, too.
            self.deferrable = as_bool("deferrable", deferrable)
        except BrazeError as error:
            raise WrongParameterError(str(error)) from error

    def execute(self, context: Context) -> dict[str, Any]:
        """Start a sync, or go on with the one that an earlier try has started."""
        with _SyncTask(self, context) as task:
            return task.begin()

    def resume(self, context: Context, event: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after a wait in the triggerer."""
        with _SyncTask(self, context) as task:
            return task.go_on(event, state)


class _SyncTask:
    """One stay of the task on a worker."""

    def __init__(self, operator: BrazeCdiSyncOperator, context: Context) -> None:
        self._operator, self._context, self._log = operator, context, operator.log

    def __enter__(self) -> _SyncTask:
        operator = self._operator
        try:
            self._id = check_id(operator.integration_id)
            self._join = _if_running("if_running", operator.if_running) == "join"
            self._wait = as_bool("wait", operator.wait, default=True)
            self._poll = as_seconds("poll_interval", operator.poll_interval, default=30)
            self._timeout = as_optional_seconds("timeout", operator.timeout)
            self._hook = BrazeHook(operator.braze_conn_id)
            endpoint = self._hook.workspace.endpoint
        except BrazeError as error:
            raise AirflowFailException(str(error)) from error
        self._kept = Kept(self._log, self._context, STATE_KEY, [self._id, self._hook.braze_conn_id, endpoint])
        operator.dashboard_url = dashboard_of(endpoint)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        push = getattr(self._context.get("ti"), "xcom_push", None)
        if isinstance(error, BrazeSyncError) and push is not None:
            # A task that fails returns nothing, yet the tab and the next task want to know.
            push(key=REPORT_KEY, value={"integration_id": self._id, "error": str(error), **error.sync})
        if isinstance(error, BrazeError) and not error.retryable:
            raise AirflowFailException(str(error)) from error

    def begin(self) -> dict[str, Any]:
        state = self._kept.read()
        if state is None:
            found = self._of_an_earlier_try()
            return self._start(self._give_up_at()) if found is None else self._await(found)
        before = PastSyncs.read(state["before"])
        if state["phase"] == "starting":
            return self._start(self._give_up_at(), before)
        self._log.info("An earlier try has started a sync: this one waits for it, and starts none.")
        return self._await(before)

    def go_on(self, event: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
        if event["status"] == "idle":
            return self._start(state.get("give_up_at"))
        before = state["before"] and PastSyncs.read(state["before"])
        if before is None and event["status"] == "timeout":
            self._check_time(0.0)  # Another job was waited for until then, by the triggerer's clock.
        return self._end(event, before)

    def _of_an_earlier_try(self) -> PastSyncs | None:
        """Below Airflow 3.3 nothing is kept: in a retry, a job in progress is most likely that of an earlier try."""
        if self._kept.is_there or getattr(self._context.get("ti"), "try_number", 1) < 2:
            return None
        before = before_running(self._hook.newest_cdi_syncs(self._id))
        if before is not None:
            self._log.info("This is a retry, and a job is in progress: it is waited for.")
        return before

    def _start(self, give_up_at: float | None, lost: PastSyncs | None = None) -> dict[str, Any]:
        """Start a sync, unless one is to be joined, or a start that was lost turns out to have arrived.

        :param lost: what was listed before a start of which nobody knows whether it arrived.
        """
        before, tried, refused = lost, 0, 0
        while lost is None or not self._is_listed(lost, _LOOKS_FOR_A_LOST_START):
            before = lost or PastSyncs.of(self._hook.newest_cdi_syncs(self._id))
            self._kept.write({"phase": "starting", "before": before.as_dict()})
            try:
                self._hook.start_cdi_sync(self._id)
                return self._started(before, give_up_at)
            except BrazeSyncInProgressError:
                # After a lost start it is most likely the one that was lost, and is listed soon.
                if lost is None and (joined := self._meet_another(give_up_at)) is not None:
                    return self._await(joined, give_up_at)
                self._check_time(give_up_at)
            except (BrazeRateLimitError, BrazeServerError, BrazeUnreachableError) as error:
                # Many tasks may want one of the few starts a minute: a refusal is waited out, and is no trouble.
                if isinstance(error, BrazeRateLimitError):
                    refused += 1
                else:
                    lost, tried = before, tried + 1
                pause = pause_after(error, tried or 1)
                if pause is None or tried >= MOST_TRIES or refused >= _MOST_REFUSALS:
                    raise
                self._log.warning("%s The start may be made again.", error)
                time.sleep(pause)
                self._check_time(give_up_at)
        assert lost is not None
        return self._started(replace(lost, unsure=True), give_up_at, look=False)

    def _started(self, before: PastSyncs, give_up_at: float | None, *, look: bool = True) -> dict[str, Any]:
        """Note that Braze has taken the start, and which sync it is, where a look tells."""
        self._log.info("Braze has taken the start of a sync of %s.", self._id)
        self._kept.write({"phase": "started", "before": before.as_dict()})
        if look and self._wait:
            with self._better_times():
                before = before.told_by(self._hook.newest_cdi_syncs(self._id, before))
            self._kept.write({"phase": "started", "before": before.as_dict()})
        return self._await(before, give_up_at)

    def _meet_another(self, give_up_at: float | None) -> PastSyncs | None:
        """Another job is in progress: join it, or wait until it has ended.

        :return: what was listed before the one that is joined; None where a sync may now be started.
        """
        # Nothing was started: a retry shall not take the other job for its own.
        self._kept.write(None)
        if not self._join:
            self._log.info("Another job of %s is in progress: waiting for its end.", self._id)
            self._wait_for("idle", None, give_up_at)
            return None
        if (found := before_running(self._hook.newest_cdi_syncs(self._id))) is None:
            # It has ended just now, or is not listed yet.
            time.sleep(min(self._poll, 1.0))
            return None
        self._log.info("Another job of %s is in progress: joining it.", self._id)
        self._kept.write({"phase": "started", "before": found.as_dict()})
        return found

    def _check_time(self, give_up_at: float | None) -> None:
        if give_up_at is not None and time.time() >= give_up_at:
            raise BrazeSyncTimeoutError(
                f"Another job of {self._id} was in progress until the task's timeout, or the limit of starts was used "
                "up; no sync was started."
            )

    def _is_listed(self, before: PastSyncs, looks: int = 1) -> bool:
        """Look whether a sync began after what was listed before."""
        for number in range(looks):
            if number:
                time.sleep(min(self._poll, 5.0))
            if before.find(self._hook.newest_cdi_syncs(self._id, before)) is not None:
                return True
        return False

    def _await(self, before: PastSyncs, give_up_at: float | None = None) -> dict[str, Any]:
        if not self._wait:
            # Nothing is left to go on with: clearing the task starts another one.
            self._kept.write(None)
            return {"integration_id": self._id, "job_status": "started", "started_after": before.as_dict()}
        return self._end(self._wait_for("started", before, give_up_at or self._give_up_at()), before)

    def _wait_for(self, goal: Goal, before: PastSyncs | None, give_up_at: float | None) -> Mapping[str, Any]:
        """Wait here, or leave the worker and go on in ``resume``."""
        while True:
            if (found := self._look(goal, before)) is not None:
                return found
            left = float("inf") if give_up_at is None else give_up_at - time.time()
            if left <= 0:
                return {"status": "timeout"}
            if self._operator.deferrable:
                self._defer(goal, before, give_up_at)
            time.sleep(min(self._poll, left))

    def _look(self, goal: Goal, before: PastSyncs | None) -> dict[str, Any] | None:
        with self._better_times():
            return look(self._hook, self._id, goal, before)
        return None

    @contextmanager
    def _better_times(self) -> Iterator[None]:
        """Wait out what may pass."""
        try:
            yield
        except BrazeError as error:
            if not error.retryable:
                raise
            self._log.warning("Cannot look at the syncs, waiting for better times: %s", error)

    def _defer(self, goal: Goal, before: PastSyncs | None, give_up_at: float | None) -> None:
        state: dict[str, Any] = {"before": before and before.as_dict(), "give_up_at": give_up_at}
        trigger = BrazeCdiSyncTrigger(
            integration_id=self._id,
            braze_conn_id=self._hook.braze_conn_id,
            goal=goal,
            poll_interval=self._poll,
            **state,
        )
        self._operator.defer(trigger=trigger, method_name="resume", kwargs={"state": state})

    def _give_up_at(self) -> float | None:
        return None if self._timeout is None else time.time() + self._timeout

    def _end(self, event: Mapping[str, Any], before: PastSyncs | None) -> dict[str, Any]:
        if event["status"] == "timeout":
            raise BrazeSyncTimeoutError(
                f"The sync of {self._id} has not ended within the task's timeout; a retry goes on waiting for it."
            )
        if event["status"] != "ended":
            raise BrazeSetupError(str(event.get("message")))
        # Whatever became of it, a retry starts another one.
        self._kept.write(None)
        said = ended(event, self._id, self._log)
        self._log.info("The sync of %s has ended: %s rows synced.", self._id, said["rows_synced"])
        return {**said, "started_after": before and before.as_dict()}


def _if_running(name: str, value: Any) -> str:
    text = as_optional_text(name, value) or IF_RUNNING[0]
    if text not in IF_RUNNING:
        raise BrazeSetupError(f"{name} must be {' or '.join(IF_RUNNING)}, not {value!r}.")
    return text


_CHECKS: Mapping[str, Any] = {
    "integration_id": lambda _, value: check_id(value),
    "wait": as_bool,
    "if_running": _if_running,
    "poll_interval": as_seconds,
    "timeout": as_optional_seconds,
    "braze_conn_id": as_optional_text,
}
