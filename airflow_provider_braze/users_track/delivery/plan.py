"""The dry run: everything is read, mapped, checked and batched, and nothing is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.exceptions import TooManyDataPointsError
from airflow_provider_braze.users_track.batching.merge_window import (
    Batch,
    MergeWindow,
    SourceItem,
)
from airflow_provider_braze.users_track.batching.record_block import BlockSlice, Key, key_of
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
    :param seconds_at_limit: how long that takes at the workspace's limit.
    :param sample_payloads: the first objects as they would be sent.
    """

    planned_requests: int = 0
    planned_bytes: int = 0
    users: int = 0
    seconds_at_limit: float = 0.0
    sample_payloads: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self, *, show_values: bool = False) -> dict[str, Any]:
        """Write the plan for a report, where values are always masked."""
        return {
            "planned_requests": self.planned_requests,
            "planned_bytes": self.planned_bytes,
            "users": self.users,
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
) -> Plan:
    """Go through a source as a push would.

    :param users: counts its users; those of several plans together, where it was given to them before.
    :param outcome: what each record that would be sent is counted as.
    """
    planned = Plan()
    if users is not None:
        users.begin()
    window = MergeWindow(workspace.objects_per_request, united=united, partner=workspace.partner)
    try:
        for found in source:
            for item, reason in window.take_in(found):
                ledger.settle(item, "invalid", reason)
            while window.full or (ledger.crowded and not window.empty):
                _take(window, workspace, ledger, planned, outcome, users)
        window.finish()
        while not window.empty:
            _take(window, workspace, ledger, planned, outcome, users)
    finally:
        ledger.leave(window.drain(), lost=False, reason="the dry run stopped before this record was planned")
        ledger.flush()
    if ledger.trouble is not None:
        raise ledger.trouble
    if users is not None:
        users.settle()
        planned.users = users.here
    planned.seconds_at_limit = planned.planned_requests / workspace.requests_per_second
    return planned


def _take(
    window: MergeWindow,
    workspace: Workspace,
    ledger: Ledger,
    found: Plan,
    outcome: str,
    users: UserCount | None,
) -> None:
    batch = window.take()
    if batch is not None:
        if users is not None:
            users.add(_users(batch))
        _count(batch, workspace, ledger, found, outcome)
        window.release(batch.parts)


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
            yield key_of(part.identity)


def refuse_above(
    most: int,
    source: Iterator[SourceItem],
    workspace: Workspace,
    ledger: Ledger,
    *,
    united: frozenset[str] = frozenset(),
) -> None:
    """Refuse a push that would cost too much.

    :raises TooManyDataPointsError: it would cost more than ``most`` data points.
    """
    plan(source, workspace, ledger, united=united)
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
