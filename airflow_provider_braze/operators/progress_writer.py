"""Where a person sees how far a push has come: the task's log, and Airflow's task state store.

Above: the operator. Below: the progress of a push, and the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_braze.operators.long_wait import LongWait
from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.pushes.attempt.progress import PROGRESS_KEY, progress_line

if TYPE_CHECKING:
    from airflow.sdk.types import Logger


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
