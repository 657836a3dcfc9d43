"""What Braze's list of syncs says: which one was started after another, and how one ended.

Starting a sync gives no id. Which run is ours is told by Braze's own clock and order alone: it is the first that began
after the newest one that was listed before. The clock of whoever asks plays no part.

Others start syncs too. One that begins and ends between the look and the start looks like ours; what a look right after
the start tells, when Braze has just said that nothing else was in progress, tells them apart. Where nothing does, all
that it could be are named.

Above: the hook, operator, sensor and trigger of such syncs. Below: only the errors.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, NamedTuple

from airflow_provider_braze.exceptions import BrazeSetupError, BrazeSyncError, BrazeSyncRefusedError

RUNNING, SUCCESS = "running", "success"

_ENDED_BADLY = {
    "partial": "some rows failed",
    "error": "no rows were synced",
    "config_error": "the integration's configuration is wrong",
}
_BEYOND_RETRY = ("partial", "config_error")
_SLIPPED_IN_SECONDS = 10.0
"""A sync that took longer, by Braze's clock, cannot have begun and ended between a look and the start after it."""

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

    @property
    def may_have_slipped_in(self) -> bool:
        """Whether it was over so soon that a look just before a start may not have seen it."""
        finished = moment(self.said["sync_finish_time"])
        return self.ended and (
            finished is None or (finished - self.began).total_seconds() <= _SLIPPED_IN_SECONDS
        )

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


class FoundSync(NamedTuple):
    """The sync that was started.

    :param sync: the one.
    :param candidates: all that it could be, itself among them, where Braze's order does not tell; else empty.
    """

    sync: Sync
    candidates: tuple[Sync, ...] = ()


@dataclass(frozen=True, slots=True)
class PastSyncs:
    """What was listed before a sync was to be started, and what is known of that one since.

    :param newest: when the newest began, as Braze wrote it; None where there was none.
    :param count: how many began just then: Braze's times may be of whole seconds.
    :param began: when the one that was started began, as Braze wrote it, once a look has told.
    :param unsure: nobody knows whether the start arrived, or a look right after it did not tell the one.
    """

    newest: str | None = None
    count: int = 0
    began: str | None = None
    unsure: bool = False

    @classmethod
    def of(cls, syncs: Iterable[Sync]) -> PastSyncs:
        """Note the newest."""
        syncs = list(syncs)
        if not syncs:
            return cls(None, 0)
        newest = max(syncs, key=lambda each: each.began)
        return cls(newest.said["sync_start_time"], sum(1 for each in syncs if each.began == newest.began))

    @classmethod
    def read(cls, given: Any) -> PastSyncs:
        """Read what :meth:`as_dict` wrote, or the time of a sync: what began later is after it.

        :raises BrazeSetupError: it is neither.
        """
        said = given
        if isinstance(given, str):
            given = {"newest": given, "count": sys.maxsize}
        newest = given.get("newest") if isinstance(given, Mapping) else ""
        count = given.get("count", sys.maxsize) if isinstance(given, Mapping) else None
        if (newest is not None and moment(newest) is None) or type(count) is not int:
            raise BrazeSetupError(
                f"started_after must be what BrazeCdiSyncOperator(wait=False) returns, or the time of a sync "
                f"such as 2026-03-01T12:00:00Z, not {said!r}."
            )
        began = given.get("began")
        return cls(newest, count, None if moment(began) is None else began, given.get("unsure") is True)

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON."""
        found: dict[str, Any] = {"newest": self.newest, "count": self.count}
        if self.began is not None:
            found["began"] = self.began
        if self.unsure:
            found["unsure"] = True
        return found

    def is_reached_by(self, syncs: Iterable[Sync]) -> bool:
        """Tell whether these go back to the newest one that was listed before."""
        began = moment(self.newest)
        return began is not None and any(each.began < began for each in syncs)

    def told_by(self, syncs: Iterable[Sync]) -> PastSyncs:
        """Learn from a look right after a start that Braze took: no other job was in progress just then.

        The only one that runs is ours then, whatever began before it. Of several that have ended already it is told
        by nothing; the last of them has read what was there when it was started.
        """
        later = self._after(syncs)
        running = [each for each in later if not each.ended]
        if not later or len(running) > 1:
            return self
        ours = running[0] if running else later[-1]
        return replace(self, began=ours.said["sync_start_time"], unsure=self.unsure or len(later) > 1)

    def find(self, syncs: Iterable[Sync]) -> FoundSync | None:
        """Find the one that was started: the known one, or the first that began after what was listed before."""
        later = self._after(syncs)
        if (known := moment(self.began)) is not None:
            later = [each for each in later if each.began <= known]
            ours = later[-1] if later and later[-1].began == known else None
        else:
            ours = later[0] if later else None
        if ours is None:
            return None
        if not self.unsure:
            # Ours is behind those that slipped in; where it was as short, what came later could be ours as well.
            short = list(takewhile(lambda each: each.may_have_slipped_in, later))
            later = later[: len(short) + 1] if self.began is None and short and len(later) > 1 else []
        return FoundSync(ours, tuple(later))

    def _after(self, syncs: Iterable[Sync]) -> list[Sync]:
        """Give what began after what was listed before, in its order."""
        syncs = list(syncs)
        began = moment(self.newest)
        if len(syncs) > 1 and syncs[0].began >= syncs[-1].began:
            syncs.reverse()
        # Of one second, in the order of the list, and what still runs began last.
        in_order = sorted(syncs, key=lambda each: (each.began, not each.ended))
        if began is None:
            return in_order
        same = [each for each in in_order if each.began == began]
        return same[self.count :] + [each for each in in_order if each.began > began]


def before_running(syncs: Iterable[Sync]) -> PastSyncs | None:
    """Give what was listed before the run that is under way; None where none is."""
    syncs = list(syncs)
    running = newest_running(syncs)
    return None if running is None else PastSyncs.of(each for each in syncs if each.began < running.began)


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
