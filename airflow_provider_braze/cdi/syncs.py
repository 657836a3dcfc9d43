"""What Braze's list of syncs says: which one was started after another, and how one ended.

Starting a sync gives no id. Which run is ours is told by Braze's own clock and order alone: it is the first that began
after the newest one that was listed before. The clock of whoever asks plays no part.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from airflow_provider_braze.exceptions import BrazeSetupError, BrazeSyncError, BrazeSyncRefusedError

RUNNING, SUCCESS = "running", "success"

_ENDED_BADLY = {
    "partial": "some rows failed",
    "error": "no rows were synced",
    "config_error": "the integration's configuration is wrong",
}
_BEYOND_RETRY = ("partial", "config_error")
_FIELDS = (
    "job_status",
    "sync_start_time",
    "sync_finish_time",
    "last_timestamp_synced",
    "rows_synced",
    "rows_failed_with_errors",
)


class Sync(NamedTuple):
    """One run of an integration.

    :param began: by Braze's clock.
    :param status: ``running``, ``success``, ``partial``, ``error`` or ``config_error``; an unknown word as it is.
    :param said: what Braze says of it, as JSON.
    """

    began: datetime
    status: str
    said: dict[str, Any]

    @classmethod
    def of(cls, entry: Any) -> Sync | None:
        """Read an entry of the list; None where it does not say when it began."""
        if not isinstance(entry, Mapping) or (began := moment(entry.get("sync_start_time"))) is None:
            return None
        status = str(entry.get("job_status") or "").strip().casefold()
        return cls(began, status, {name: entry.get(name) for name in _FIELDS} | {"job_status": status})

    @property
    def ended(self) -> bool:
        """Whether it runs no more; a word that nobody knows is no end."""
        return self.status == SUCCESS or self.status in _ENDED_BADLY

    def check(self, integration_id: str) -> dict[str, Any]:
        """Give what Braze says of a sync that ended well.

        :raises BrazeSyncError: it did not.
        """
        if self.status == SUCCESS:
            return self.said
        counts = f"{_count(self.said['rows_synced'])} synced, {_count(self.said['rows_failed_with_errors'])} failed"
        kind = BrazeSyncRefusedError if self.status in _BEYOND_RETRY else BrazeSyncError
        raise kind(
            f"The sync of {integration_id} that began at {self.said['sync_start_time']} ended with "
            f"{self.status}: {_ENDED_BADLY[self.status]} (rows: {counts}). Look at its sync log in Braze.",
            self.said,
        )


@dataclass(frozen=True, slots=True)
class Before:
    """What was listed before a sync was to be started.

    :param newest: when the newest began, as Braze wrote it; None where there was none.
    :param count: how many began just then: Braze's times may be of whole seconds.
    """

    newest: str | None = None
    count: int = 0

    @classmethod
    def of(cls, syncs: Iterable[Sync]) -> Before:
        """Note the newest."""
        syncs = list(syncs)
        if not syncs:
            return cls(None, 0)
        newest = max(syncs, key=lambda each: each.began)
        return cls(newest.said["sync_start_time"], sum(1 for each in syncs if each.began == newest.began))

    @classmethod
    def read(cls, given: Any) -> Before:
        """Read what :meth:`as_dict` wrote, or the time of a sync: what began later is after it.

        :raises BrazeSetupError: it is neither.
        """
        if isinstance(given, str):
            given = {"newest": given, "count": sys.maxsize}
        newest = given.get("newest") if isinstance(given, Mapping) else ""
        count = given.get("count", sys.maxsize) if isinstance(given, Mapping) else None
        if (newest is not None and moment(newest) is None) or type(count) is not int:
            raise BrazeSetupError(
                f"started_after must be what BrazeCdiSyncOperator(wait=False) returns, or the time of a sync "
                f"such as 2026-03-01T12:00:00Z, not {given!r}."
            )
        return cls(newest, count)

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {"newest": self.newest, "count": self.count}

    def is_reached_by(self, syncs: Iterable[Sync]) -> bool:
        """Tell whether these go back to the newest one that was listed before."""
        began = moment(self.newest)
        return began is not None and any(each.began < began for each in syncs)

    def first_after(self, syncs: Iterable[Sync]) -> Sync | None:
        """Find the first that began after what was listed before."""
        began = moment(self.newest)
        later = sorted(
            (each for each in syncs if began is None or each.began > began), key=lambda each: each.began
        )
        same = [each for each in syncs if each.began == began]
        if len(same) > self.count:
            # One that began in the same second: of these, the one that is still running, or else any.
            return next((each for each in same if not each.ended), same[0])
        return later[0] if later else None


def before_running(syncs: Iterable[Sync]) -> Before | None:
    """Give what was listed before the run that is under way; None where none is."""
    syncs = list(syncs)
    running = newest_running(syncs)
    return None if running is None else Before.of(each for each in syncs if each.began < running.began)


def newest_running(syncs: Iterable[Sync]) -> Sync | None:
    """Find the run that is under way."""
    running = [each for each in syncs if not each.ended]
    return max(running, key=lambda each: each.began, default=None)


def moment(text: Any) -> datetime | None:
    """Read one of Braze's times; one without a zone is UTC."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def _count(value: Any) -> str:
    return str(value) if isinstance(value, int) else "an unknown number"
