"""What the provider raises: one root, and a child for each thing a DAG author may want to tell apart.

No airflow imports, so that the classes can be named in an Airflow retry policy or caught in a plain script.

Above: everything. Below: nothing, not even Airflow.
"""

from __future__ import annotations

from typing import Any


class BrazeError(Exception):
    """Root of everything this provider raises.

    ``retryable`` says whether running the same task again can help; where it cannot, the operator and the
    sensor fail at once with ``AirflowFailException``. ``report`` is the report of the push that it ended, if any.
    """

    retryable = True
    report: dict[str, Any] | None = None


class BrazeSetupError(BrazeError):
    """A parameter, a connection or a mapping is wrong; the message names what to change."""

    retryable = False


class ReportsFolderError(BrazeSetupError):
    """The reports folder cannot be written: no export has anything to do with that, so none is set aside for it."""


class HalfPushedError(BrazeSetupError):
    """Some shards of the export have gone through, and it is now to be pushed with another number of shards."""


class MappingError(BrazeSetupError):
    """The mapping does not fit the export's columns or Braze's fields."""


class ExportError(BrazeError):
    """The export cannot be read."""


class ExportRefusedError(ExportError):
    """The export is refused for what it is: a damaged archive, no identifier column, an unknown dialect."""

    retryable = False


class ExportChangedError(ExportError):
    """The export changed or vanished while it was read, so nothing is called complete."""


class ExportGoneError(ExportChangedError):
    """The export is not there any more, or its share is gone."""


class ExportsSetAsideError(ExportError):
    """Of a list, some exports were set aside: refused for what they are, or failed in every record.

    The message names them; the others were pushed.
    """

    retryable = False


class PushStoppedError(BrazeError):
    """The task was stopped from outside: marked as failed, or its worker shut down. A retry goes on from there."""


class RejectsError(BrazeError):
    """Failed records cannot be written down, so the push stops: none may be lost."""


class ReportError(BrazeError):
    """The report, or the marker of a pushed export, cannot be written into the reports folder."""


class BrazeRequestError(BrazeError):
    """Braze answered a request with something other than success.

    :param message: one sentence without the API key.
    :param status: HTTP status, or None when there was no answer.
    :param errors: Braze's own ``errors`` list, as answered.
    :param retry_after: seconds that Braze asked to wait, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        errors: list[Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors or []
        self.retry_after = retry_after


class BrazeRefusedError(BrazeRequestError):
    """Braze refused the request for what it is (4xx); repeating it cannot help."""

    retryable = False


class BrazeAuthError(BrazeRefusedError):
    """401: the key is wrong, or belongs to another cluster or workspace."""


class BrazePermissionError(BrazeRefusedError):
    """403: the key is valid but lacks a permission."""


class BrazeRateLimitError(BrazeRequestError):
    """429: the workspace's limit is used up."""


class BrazeSyncInProgressError(BrazeRateLimitError):
    """429 of a sync that was to be started: another job of the integration is in progress."""


class BrazeSyncError(BrazeError):
    """A sync of Cloud Data Ingestion ended, but not well; ``sync`` is what Braze says of it.

    A retry of the task starts another sync.
    """

    def __init__(self, message: str, sync: dict[str, Any]) -> None:
        super().__init__(message)
        self.sync = sync


class BrazeSyncRefusedError(BrazeSyncError):
    """Another sync would not end better: its configuration is wrong, or rows were refused for what they are."""

    retryable = False


class BrazeSyncTimeoutError(BrazeError):
    """A sync did not end in time; a retry goes on waiting for the same one."""


class BrazeLongWaitError(BrazeRateLimitError):
    """Braze asks to wait longer than a task should hold its worker.

    ``retry_after`` is the rest of the wait in seconds, ``checkpoint`` what the push goes on from.
    """

    checkpoint: dict[str, Any] | None = None


class BrazeServerError(BrazeRequestError):
    """5xx: Braze had trouble."""


class BrazeUnreachableError(BrazeRequestError):
    """No answer: refused connection, unknown host, TLS trouble, timeout."""


class TooManyFailedRecordsError(BrazeError):
    """More records failed than the task's threshold allows."""

    retryable = False


class TooManyDataPointsError(BrazeError):
    """The plan costs more data points than the author allows; nothing was sent."""

    retryable = False


class TooManyUsersError(BrazeError):
    """More users would be changed than the author expects; nothing was sent, unless the rows grew meanwhile."""

    retryable = False


def describe(error: BaseException) -> str:
    """Say in one sentence why a push stopped; another library's text may quote a record, so it is left out."""
    if isinstance(error, BrazeError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
