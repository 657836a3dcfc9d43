"""A push while it runs: watched, and stopped from outside or by a wait that is too long for a worker.

Above: every push and action. Below: the loop, and the signals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from airflow_provider_braze.exceptions import BrazeLongWaitError, PushStoppedError
from airflow_provider_braze.pushes.attempt import signals
from airflow_provider_braze.users_track.delivery.push import Push

LOOK_EVERY = 0.5
"""Seconds between two looks at a running push."""

PATIENCE = 1.5
"""Seconds for answers that are under way when the task is stopped; Airflow kills it after five."""


class Stop(BaseException):
    """A stop on its way from a signal handler to the push.

    It is no ``Exception``: wherever the signal comes, nothing that catches what a file, a library or an author's own
    code raises takes it for that.

    :param error: what the push ends with.
    """

    def __init__(self, error: PushStoppedError) -> None:
        super().__init__(str(error))
        self.error = error


class Running:
    """Runs one push.

    :param max_wait: seconds of pause ordered by Braze beyond which the push stops; None: it waits however long.
    """

    def __init__(self, max_wait: float | None = None) -> None:
        self._max_wait = max_wait
        self._push: Push | None = None
        self._over = False
        self._stopped: PushStoppedError | None = None
        self._raised = False

    def run(self, push: Push, *looks: Callable[[], None]) -> None:
        """Run to the end; what stopped the push early is in its ``error``.

        :param looks: called twice a second, one after the other; they must not block.
        """

        def watch() -> None:
            self._look_at_the_wait(push)
            for look in looks:
                look()

        if self._stopped is not None:
            raise self._stopped
        self._push = push
        with signals.held_back(lambda error: push.stop_from_outside(error, PATIENCE), 2 * PATIENCE) as raised:
            try:
                push.run(watch, LOOK_EVERY)
            finally:
                self._push, self._over = None, True
        if raised and push.error is None:
            push.error = raised[0]

    def stay(self) -> None:
        """Wait on the worker, however long."""
        self._max_wait = None

    def over(self) -> None:
        """Say that nothing is left to stop: only the report is still to be written."""
        self._over = True

    def stop(self) -> None:
        """Stop, from a signal handler: send nothing further, and take the answers that come soon.

        :raises Stop: nothing was sent yet.
        """
        self._stopped = error = PushStoppedError(
            "The task was stopped; what was not sent counts as not_sent."
        )
        if self._push is not None:
            self._push.stop_from_outside(error, PATIENCE)
        elif not self._over:
            # Where Python swallows it, as in the callback of a weak reference, nothing is sent all the same.
            self._raised = True
            raise Stop(error)

    def what_ended(self, error: BaseException) -> BaseException:
        """Tell what ended a push: a stop, whatever was made of it on its way, or else the error."""
        if isinstance(error, Stop):
            return error.error
        if self._raised and self._stopped is not None and not isinstance(error, PushStoppedError):
            return self._stopped
        return error

    @contextmanager
    def told_apart(self) -> Iterator[None]:
        """Raise a stop as what it is, and any error as it came.

        :raises PushStoppedError: the push was stopped.
        """
        try:
            yield
        except BaseException as error:
            ended = self.what_ended(error)
            if ended is error:
                raise
            raise ended from error

    def _look_at_the_wait(self, push: Push) -> None:
        wait = push.paused_for
        if self._max_wait is not None and wait > self._max_wait:
            push.stop(
                BrazeLongWaitError(
                    f"Braze asks to wait {wait:.0f} s, longer than max_wait_on_worker ({self._max_wait:g} s).",
                    status=429,
                    retry_after=wait,
                )
            )
