"""Wait for exports that Redpoint Interaction has finished writing.

Above: DAGs. Below: one look at the folders, and the trigger that looks off the worker.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.configuration import conf
from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_braze.airflow_compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.parameters import check_final, is_final
from airflow_provider_braze.redpoint.discovery.landing import DEFAULT_FILE_PATTERN
from airflow_provider_braze.redpoint.discovery.nothing_found import NOTHING_FOUND_KEY, NothingFound
from airflow_provider_braze.redpoint.discovery.poll import PollResult, PollState, poll
from airflow_provider_braze.redpoint.discovery.search import (
    DEFAULT_CONN_ID,
    DEFAULT_MAX_AGE,
    DEFAULT_MAX_EXPORTS,
    DEFAULT_SETTLE_SECONDS,
    ExportSearch,
    check_push_again,
    read_parameter,
)
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger
from airflow_provider_braze.wrong_parameter import WrongParameterError

if TYPE_CHECKING:
    from airflow.sdk import Context

_STATE_KEY = "redpoint_export_sightings"
# Sleep and wall clock need not agree to the millisecond.
_SLEEP_MARGIN = 0.1
# Airflow fails a task that comes back from the triggerer before the scheduler has noted that it went there.
_SHORTEST_DEFERRAL = 10.0


class RedpointExportSensor(BaseSensorOperator):
    """
    Wait until at least one export lies finished below ``<base_path>/[Channel]/[Offer]/[Workflow ID]``.

    Returns a list, oldest export first, of ``{path, base_path, reports_path, channel, offer, workflow_id,
    channel_execution_id, mode, size, modified, fingerprint}``; ``modified`` is in seconds since the epoch. Give the
    list to a ``BrazeUserTrackOperator``, ``export=sensor.output``, which pushes it in this order.

    An export has *landed* when two listings at least ``settle_seconds`` apart agree in its size and mtime. With
    ``marker_suffix`` only the marker decides, however long the file has not changed. What is visible on an object
    store has landed. A program that reserves a file's full size first and keeps its old mtime looks settled while it
    still copies: use a marker there.

    A wrong setup (a ``base_path`` that does not exist, an unusable value) fails the task at once and is not retried,
    also with ``soft_fail``, which is about exports that do not come. One folder that cannot be read is named in a
    warning and hides nothing else. Every parameter but ``deferrable`` is templated, and is read from the text that a
    form leaves: ``true`` and ``false``, numbers, and an empty text or ``None`` for unset.

    :param base_path: the folder that holds the channels: a local path, or any URL of an ``ObjectStoragePath``.
    :param channel: name of one channel's folder; unset means every channel in ``channel_modes``.
    :param offer: name of one offer's folder; unset means any.
    :param workflow_id: name of one workflow's folder; unset means any. With it, the task is skipped, naming the
        report, once everything of that workflow is pushed already.
    :param channel_execution_id: the number in ``RPI_Export_<number>.txt``: one execution of a workflow that recurs;
        unset means any.
    :param channel_modes: the mode, ``upsert`` or ``append``, of each channel. Channels that are not in it are
        named in one warning; one that is asked for by ``channel`` is returned all the same, with ``mode`` None.
    :param file_pattern: which file names are exports, with ``*`` and ``?``. RPI's ``_Content``, ``_Source``,
        ``_summary`` and ``_sample`` files never match.
    :param settle_seconds: how far apart two equal listings must be. 0 takes a file as it is first seen.
    :param marker_suffix: an export has landed when ``<its name><marker_suffix>`` lies beside it.
    :param reports_path: the reports folder, ``<base_path>/_braze`` unless given; it is never taken for a channel.
    :param braze_conn_id: the connection the exports are pushed through; what has been pushed is known for each.
    :param only_new: leave out exports that were pushed whole, and those that were refused three times for what they
        are, which a warning names.
    :param max_age: leave out exports that were last modified longer ago, as a timedelta or in seconds; None takes any.
    :param max_exports: return at most so many, never more than ``[core] max_map_length``; the next run takes the rest.
    :param with_older: with ``channel``, ``offer`` or ``workflow_id``: once an export of these has landed, return also
        those of any channel in ``channel_modes`` that landed before and are not pushed, so that it does not overtake
        them. Without effect when ``only_new`` is off.
    :param push_again: return also what was pushed whole before, as ``only_new=False`` does, but only of an ``offer``,
        ``workflow_id`` or ``channel_execution_id``, one of which is needed, and never fewer than there are: where
        ``max_exports`` would cut the list, the task fails. For a person who asks for certain exports again.
    :param give_up_after: seconds, or a timedelta, after which the wait ends where nothing has landed, and the log says
        why; 0 looks once, and once more, ``settle_seconds`` later, where something is still landing. Where what was
        asked for by name is neither there, nor on its way, nor pushed, the task fails, also with ``soft_fail``; else
        it fails or is skipped as after ``timeout``. None waits until ``timeout``.
    :param deferrable: wait in the triggerer. In mode ``reschedule`` on Airflow below 3.3, which keeps no state between
        pokes, one poke lists twice, ``settle_seconds`` apart. In that mode keep ``poke_interval`` well above the few
        seconds that a turn of the scheduler takes: Airflow fails a task that is queued again before its last poke was
        noted ("finished with state success, but the task instance's state attribute is queued").
    """

    template_fields: Sequence[str] = (
        "base_path",
        "channel",
        "offer",
        "workflow_id",
        "channel_execution_id",
        "channel_modes",
        "file_pattern",
        "settle_seconds",
        "marker_suffix",
        "reports_path",
        "braze_conn_id",
        "only_new",
        "max_age",
        "max_exports",
        "with_older",
        "push_again",
        "give_up_after",
    )
    template_fields_renderers = {"channel_modes": "json"}  # noqa: RUF012

    def __init__(
        self,
        *,
        base_path: str,
        channel: str | None = None,
        offer: str | None = None,
        workflow_id: str | None = None,
        channel_execution_id: str | None = None,
        channel_modes: Mapping[str, str] | None = None,
        file_pattern: str = DEFAULT_FILE_PATTERN,
        settle_seconds: float | str = DEFAULT_SETTLE_SECONDS,
        marker_suffix: str | None = None,
        reports_path: str | None = None,
        braze_conn_id: str = DEFAULT_CONN_ID,
        only_new: bool | str = True,
        max_age: timedelta | float | str | None = DEFAULT_MAX_AGE,
        max_exports: int | str = DEFAULT_MAX_EXPORTS,
        with_older: bool | str = False,
        push_again: bool | str = False,
        give_up_after: timedelta | float | str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.base_path = base_path
        self.channel = channel
        self.offer = offer
        self.workflow_id = workflow_id
        self.channel_execution_id = channel_execution_id
        self.channel_modes = channel_modes
        self.file_pattern = file_pattern
        self.settle_seconds = settle_seconds
        self.marker_suffix = marker_suffix
        self.reports_path = reports_path
        self.braze_conn_id = braze_conn_id
        self.only_new = only_new
        self.max_age = max_age
        self.max_exports = max_exports
        self.with_older = with_older
        self.push_again = push_again
        self.give_up_after = give_up_after
        self.deferrable = deferrable
        self._memory, self._began = PollState(), time.monotonic()
        try:
            self._check_literals()
        except BrazeSetupError as error:
            raise WrongParameterError(str(error)) from error

    def _check_literals(self) -> None:
        """Check what is as it will be when the task runs.

        :raises BrazeSetupError: naming the parameter, and what to change.
        """
        check_final(self, dict.fromkeys(self.template_fields, read_parameter))
        if not isinstance(self.deferrable, bool):
            raise BrazeSetupError(f"deferrable must be True or False, not {self.deferrable!r}.")
        named = (self.offer, self.workflow_id, self.channel_execution_id)
        again = is_final(self.push_again) and read_parameter("push_again", self.push_again)
        if again and all(map(is_final, named)):
            check_push_again(*named)

    def execute(self, context: Context) -> Any:
        """Wait for exports, here or in the triggerer."""
        self._memory, self._began = PollState(), time.monotonic()
        with self._failing_plainly(context):
            if not self.deferrable:
                return super().execute(context)
            search = self._search()
            result = self._look(search, context)
            if result.items:
                return result.items
            patience = self._patience(search, result)
            if patience == 0:
                self._give_up(context, result.nothing)
            return self.defer(
                # The triggerer has a working directory of its own.
                trigger=RedpointExportTrigger(
                    **search.as_kwargs()
                    | {
                        "base_path": locate(search.base_path).url,
                        "reports_path": search.reports_path and locate(search.reports_path).url,
                    },
                    poke_interval=self.poke_interval,
                    memory=result.memory.kept(),
                    give_up_at=None if patience is None else time.time() + max(patience, _SHORTEST_DEFERRAL),
                ),
                method_name="execute_complete",
                timeout=timedelta(seconds=self.timeout),
            )

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        search = self._search()
        after = read_parameter("give_up_after", self.give_up_after)
        store = context.get("task_state_store")
        if (after is not None and after <= search.settle_seconds) or (self.reschedule and store is None):
            result = self._look_twice(search, context)
        elif self.reschedule:
            result = self._look_remembering(search, context, store)
        else:
            result = self._look(search, context)
        is_last = after is not None and (after <= search.settle_seconds or self._waited(context) >= after)
        if is_last and not result.items:
            self._give_up(context, result.nothing)
        return PokeReturnValue(is_done=bool(result.items), xcom_value=result.items)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> list[dict[str, Any]]:
        """Return what the trigger found, or end as it says."""
        if event["status"] == "landed":
            items: list[dict[str, Any]] = event["items"]
            return items
        if event["status"] == "skipped":
            self._skip(context, event["message"])
        if event["status"] == "gave_up":
            self._give_up(context, NothingFound(event["message"], event["asked_in_vain"]))
        raise (BrazeError if event["retryable"] else BrazeSetupError)(event["message"])

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the triggerer."""
        with self._failing_plainly(context):
            return super().resume_execution(next_method, next_kwargs, context)

    def _search(self) -> ExportSearch:
        names = (name for name in self.template_fields if name != "give_up_after")
        search = ExportSearch.read(**{name: getattr(self, name) for name in names})
        # A longer list fails the task when it is mapped over.
        most = conf.getint("core", "max_map_length", fallback=1024)
        return replace(search, max_exports=min(search.max_exports, most))

    def _look(self, search: ExportSearch, context: Context) -> PollResult:
        result = poll(search, self._memory)
        self._memory = result.memory
        for warning in result.warnings:
            self.log.warning(warning)
        for note in result.notes:
            self.log.info(note)
        if result.in_vain:
            self._skip(context, result.in_vain)
        return result

    def _look_twice(self, search: ExportSearch, context: Context) -> PollResult:
        """Look as far apart as it takes: there is no later poke, or on Airflow below 3.3 nothing is kept for it."""
        result = self._look(search, context)
        if not result.items and (seconds := _until_settled(search, result)):
            time.sleep(seconds)
            result = self._look(search, context)
        return result

    def _look_remembering(self, search: ExportSearch, context: Context, store: Any) -> PollResult:
        """Look with what the last poke, in another process, left in Airflow's task state store."""
        self._memory = PollState.of(store.get(_STATE_KEY))
        result = self._look(search, context)
        if result.items:
            store.delete(_STATE_KEY)
        else:
            store.set(_STATE_KEY, result.memory.kept())
        return result

    def _patience(self, search: ExportSearch, result: PollResult) -> float | None:
        """Give how many seconds are left to wait after the first look; None for as long as ``timeout`` says."""
        after: float | None = read_parameter("give_up_after", self.give_up_after)
        return None if after is None else max(after, _until_settled(search, result))

    def _waited(self, context: Context) -> float:
        if not self.reschedule:
            return time.monotonic() - self._began
        # Each poke has a process of its own.
        began = context["ti"].get_first_reschedule_date(context)
        return (datetime.now(tz=UTC) - began).total_seconds() if began else 0.0

    def _give_up(self, context: Context, nothing: NothingFound | None) -> NoReturn:
        reason = nothing.reason if nothing else "Nothing has landed."
        if nothing is None or not nothing.asked_in_vain:
            if self.soft_fail or self.never_fail:
                self._skip(context, reason)
            _leave(context, reason)
            raise AirflowSensorTimeout(reason)
        _leave(context, reason)
        raise BrazeSetupError(reason)

    def _skip(self, context: Context, reason: str) -> NoReturn:
        self.log.info(reason)
        _leave(context, reason)
        raise AirflowSkipException(reason)

    @contextmanager
    def _failing_plainly(self, context: Context) -> Iterator[None]:
        """Fail without a retry where none can help; outside of what soft_fail turns into a skip."""
        try:
            yield
        except BrazeError as error:
            # A later try may still find something; what it cannot mend is the last word.
            if self.never_fail or not error.retryable:
                _leave(context, str(error))
            if self.never_fail:
                raise AirflowSkipException(str(error)) from error
            if not error.retryable:
                raise AirflowFailException(str(error)) from error
            raise


def _until_settled(search: ExportSearch, result: PollResult) -> float:
    """Give how many seconds after one look the next one can tell what has landed; 0 where only a marker could."""
    settles = result.waiting and search.marker_suffix is None
    return search.settle_seconds + _SLEEP_MARGIN if settles else 0.0


def _leave(context: Context, reason: str) -> None:
    """Leave the reason where the Braze tab finds it."""
    # A script that calls the sensor itself has no task instance, or half of one.
    push = getattr(context.get("ti"), "xcom_push", None)
    if push is not None:
        push(key=NOTHING_FOUND_KEY, value=reason)
