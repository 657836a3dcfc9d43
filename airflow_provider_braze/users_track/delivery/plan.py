"""The dry run: everything is read, mapped, checked and batched, and nothing is sent.

Above: an attempt that is a dry run, and the command line. Below: the merge window and the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.exceptions import TooManyDataPointsError
from airflow_provider_braze.users_track.batching.merge_window import (
    Batch,
    MergeWindow,
    ProfileObject,
    SourceItem,
)
from airflow_provider_braze.users_track.batching.record_block import BlockSlice, Key, user_key
from airflow_provider_braze.users_track.delivery.sieve import Changes, Sieve
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.transport.workspace import Workspace

MASK = "***"
_FLAGS = ("_update_existing_only", "_merge_objects")
SAMPLE_PAYLOADS = 3


@dataclass(slots=True)
class Plan:
    """What a push would do.

    :param planned_requests: requests it would send.
    :param planned_bytes: bytes of their bodies.
    :param users: users in its requests, each once; 0 where nobody asked for it.
    :param users_identified_by: kinds of identifiers by which they were told apart; of several kinds, ``users`` is an
        upper bound.
    :param seconds_at_limit: how long that takes at the workspace's limit.
    :param sample_payloads: the first objects as they would be sent.
    """

    planned_requests: int = 0
    planned_bytes: int = 0
    users: int = 0
    users_identified_by: list[str] = field(default_factory=list)
    seconds_at_limit: float = 0.0
    sample_payloads: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self, *, show_values: bool = False) -> dict[str, Any]:
        """Write the plan for a report, where values are always masked."""
        return {
            "planned_requests": self.planned_requests,
            "planned_bytes": self.planned_bytes,
            "users": self.users,
            "users_identified_by": self.users_identified_by,
            "seconds_at_limit": round(self.seconds_at_limit, 3),
            "sample_payloads": self.sample_payloads if show_values else mask(self.sample_payloads),
        }


def plan(
    source: Iterator[SourceItem],
    workspace: Workspace,
    ledger: Ledger,
    *,
    united: frozenset[str] = frozenset(),
    outcome: str = "planned",
    users: UserCount | None = None,
    changes: Changes | None = None,
) -> Plan:
    """Go through a source as a push would.

    :param users: counts its users; those of several plans together, where it was given to them before.
    :param outcome: what each record that would be sent is counted as.
    :param changes: leaves out what Braze was told before.
    """
    planned = Plan()
    if users is not None:
        users.begin()
    window = MergeWindow(
        workspace.objects_per_request, workspace.bytes_per_request, united=united, partner=workspace.partner
    )
    taker = _Taker(window, changes, ledger, workspace)

    def count(batch: Batch) -> None:
        if users is not None:
            users.add(_users(batch))
        _count(batch, workspace, ledger, planned, outcome)

    try:
        for found in source:
            for item, reason in window.take_in(found):
                ledger.settle(item, "invalid", reason)
            while taker.may_take() and taker.take(count):
                pass
        window.finish()
        taker.is_at_the_end = True
        while taker.take(count):
            pass
    finally:
        left = [*taker.drain(), *window.drain()]
        ledger.leave(left, lost=False, reason="the dry run stopped before this record was planned")
        ledger.flush()
    if ledger.trouble is not None:
        raise ledger.trouble
    if users is not None:
        users.settle()
        planned.users, planned.users_identified_by = users.here, sorted(users.kinds_here)
    planned.seconds_at_limit = planned.planned_requests / workspace.requests_per_second * workspace.shards
    return planned


class _Taker:
    """Takes batches from a window as a push does, with or without what Braze was told before."""

    def __init__(
        self, window: MergeWindow, changes: Changes | None, ledger: Ledger, workspace: Workspace
    ) -> None:
        self.is_at_the_end = False
        self._window, self._ledger = window, ledger
        self._changes, self._sieve = changes, None
        if changes is not None:
            self._sieve = Sieve(window, changes, ledger, lambda: workspace.objects_per_request)

    def may_take(self) -> bool:
        """Whether the window may be asked without ending anybody's look-ahead early."""
        return self._window.full or (self._ledger.crowded and not self._window.empty) or self.is_at_the_end

    def take(self, count: Callable[[Batch], None]) -> bool:
        """Take a batch, have it counted, and give its users back; False where there is none."""
        if self._sieve is None or self._changes is None:
            batch = None if self._window.empty else self._window.take()
            if batch is not None:
                count(batch)
                self._window.release(batch.parts)
            return batch is not None
        found = self._sieve.take(self.may_take)
        if found is not None:
            count(found[0])
            # Braze would accept it: what comes later is compared with that.
            for part in found[0].parts:
                self._changes.accepted(part.told if isinstance(part, BlockSlice) else [part.told])
            self._sieve.ended(found[1])
        return found is not None

    def drain(self) -> list[ProfileObject]:
        """Take out what was taken, and is in no batch yet."""
        return [] if self._sieve is None else self._sieve.drain()


def _count(batch: Batch, workspace: Workspace, ledger: Ledger, found: Plan, outcome: str) -> None:
    found.planned_requests += 1
    found.planned_bytes += len(batch.body(workspace.partner))
    if (missing := SAMPLE_PAYLOADS - len(found.sample_payloads)) > 0:
        found.sample_payloads += [item.content for item in batch.items[:missing]]
    ledger.settle_batch(batch, outcome)


def _users(batch: Batch) -> Iterable[Key]:
    for part in batch.parts:
        if isinstance(part, BlockSlice):
            yield from part.keys
        else:
            yield user_key(part.identity)


def refuse_above(
    most: int,
    source: Iterator[SourceItem],
    workspace: Workspace,
    ledger: Ledger,
    *,
    united: frozenset[str] = frozenset(),
    changes: Changes | None = None,
) -> None:
    """Refuse a push that would cost too much.

    :raises TooManyDataPointsError: it would cost more than ``most`` data points.
    """
    plan(source, workspace, ledger, united=united, changes=changes)
    cost = ledger.data_points.total()
    if cost > most:
        raise TooManyDataPointsError(
            f"The push would cost {cost} data points, more than max_data_points ({most}); nothing was sent."
        )


def mask(value: Any) -> Any:
    """Replace every value, so that only the shape is left."""
    if isinstance(value, dict):
        return {key: item if key in _FLAGS else mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item) for item in value]
    return MASK
