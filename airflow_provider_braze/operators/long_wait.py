"""Tells of a push that waits for Braze while it waits: who is told at the end only may be told after hours.

Above: the operator and its progress. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger

_CALLBACKS = ("on_success_callback", "on_failure_callback")


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
