"""Where a person sees how far a push has come: log, task state store, and who is told of long waits.

Above: the operator. Below: the progress of a push, and the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.pushes.attempt.progress import PROGRESS_KEY, progress_line

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger


_CALLBACKS = ("on_success_callback", "on_failure_callback")


class ProgressWriter:
    """Takes a push's progress every few seconds.

    The store keeps what ``Progress.as_dict`` of ``pushes/attempt/progress.py`` gives, and the facts, under the key
    ``braze_progress``.

    :param log: the task's log; one line each time.
    :param store: the task state store.
    :param facts: what else to keep: the try, the endpoint and so on.
    :param also: called each time that there is a progress to tell, with whether the push waits for Braze.
    :param long_wait: takes each progress, to tell others of long waits.
    """

    def __init__(
        self,
        log: Logger,
        store: StateStore,
        facts: Mapping[str, Any],
        *,
        also: Callable[[bool], None] = lambda waits: None,  # noqa: ARG005 named for who reads it
        long_wait: LongWait | None = None,
    ) -> None:
        self._log, self._store, self._facts, self._also = log, store, dict(facts), also
        self._long_wait = long_wait

    def begin(self, number: int) -> None:
        """Say which export of a list comes now, from 1 on."""
        self._facts["number"] = number
        if self._long_wait is not None:
            self._long_wait.begin()

    def __call__(self, progress: dict[str, Any]) -> None:
        """Log one line, and write the store."""
        self._log.info("%s", progress_line(progress))
        self._store.put(PROGRESS_KEY, {**progress, **self._facts})
        self._also(progress["waiting_until"] is not None)
        if self._long_wait is not None:
            self._long_wait(progress)


class ListReportWriter:
    """Keeps the report of a list in an XCom while it is pushed, so that the tab shows what has had its turn.

    :param log: the task's log.
    :param ti: the task instance; None outside of Airflow.
    :param key: key of the XCom.
    :param clock: monotonic seconds.
    """

    _EVERY = 5.0

    def __init__(
        self, log: Logger, ti: Any, key: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log, self._ti, self._key, self._clock = log, ti, key, clock
        self._written_at: float | None = None
        self._unwritten: dict[str, Any] | None = None

    def __call__(self, report: dict[str, Any]) -> None:
        """Write it, or later where one was written a moment ago."""
        self._unwritten = report
        self.catch_up()

    def catch_up(self, at_once: bool = False) -> None:
        """Write the last one, if that was not done and it is time.

        :param at_once: it is time, because nothing new is to be expected for long.
        """
        if self._unwritten is None:
            return
        if at_once or self._written_at is None or self._clock() - self._written_at >= self._EVERY:
            self._write(self._unwritten)

    def end(self, report: dict[str, Any]) -> None:
        """Leave no XCom that tells of something unfinished."""
        if self._written_at is not None:
            self._write(report)

    def _write(self, report: dict[str, Any]) -> None:
        self._written_at, self._unwritten = self._clock(), None
        if self._ti is None:
            return
        try:
            self._ti.xcom_push(key=self._key, value=report)
        except Exception as error:
            # Whoever looks on sees less of it; the push does not depend on that.
            self._log.warning("The report of the list cannot be shown yet (%s).", type(error).__name__)


class WaitListener(Protocol):
    """A callback of a DAG or of a task that is told of waits, such as ``BrazePushNotifier``."""

    def tell_wait(self, context: Mapping[str, Any], seconds: float) -> bool:
        """Take for how long a push has waited and is going to; True once it need not be told again."""


class LongWait:
    """Hands every wait of one push on to those that listen.

    They tell it elsewhere, such as to a mail server that may hang, and a task may talk with Airflow in one thread only
    below 3.3. So they are called in between, when Braze lets nothing through and no request is under way.

    :param log: the task's log.
    :param task: the running task; its callbacks and its DAG's are the listeners.
    :param context: of the running task.
    """

    def __init__(self, log: Logger, task: Any, context: Context) -> None:
        self._log, self._context = log, context
        self._listeners = list(_listeners(task, context.get("dag")))
        self._waited_before = self._waited = 0.0

    def begin(self) -> None:
        """Note that another export of the list comes now: what was waited for with those before it counts as well."""
        self._waited_before += self._waited
        self._waited = 0.0

    def __call__(self, progress: Mapping[str, Any]) -> None:
        """Take a push's progress."""
        self._waited = progress["waited_seconds"]
        until = progress["waiting_until"]
        if until is None or progress["in_flight"]:
            return
        ordered = max(0.0, (datetime.fromisoformat(until) - datetime.now(UTC)).total_seconds())
        for each in [*self._listeners]:
            if self._tell(each, self._waited_before + self._waited + ordered):
                self._listeners.remove(each)

    def _tell(self, listener: WaitListener, seconds: float) -> bool:
        try:
            return listener.tell_wait(self._context, seconds)
        except Exception as error:
            # Once is enough: whoever cannot be reached must not hold the push up again and again.
            self._log.warning("The long wait for Braze could not be told (%s).", type(error).__name__)
            return True


def _listeners(*owners: Any) -> Iterator[WaitListener]:
    """Find the callbacks that listen, each once: a DAG most often has one for both ends of a run."""
    known: list[Any] = []
    for owner in owners:
        for name in _CALLBACKS:
            given = getattr(owner, name, None) or ()
            for each in given if isinstance(given, list | tuple) else (given,):
                if callable(getattr(each, "tell_wait", None)) and not any(each is other for other in known):
                    known.append(each)
                    yield each
