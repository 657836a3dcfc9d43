"""The types of a report and of modes, for DAGs: editors and type checkers then know ``report["accepted"]``.

Every key is documented in ``docs/outcomes.md``. Which are there depends on what was pushed: an export, a list or rows.

Above: DAGs. Below: nothing.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict

ChannelMode = Literal["upsert", "append"]
Mode = Literal["auto", "upsert", "append"]

Status = Literal["complete", "partial", "failed", "planned", "held", "waiting"]
"""``waiting`` is only the status of an export in a list."""


class Counts(TypedDict, total=False):
    """The counts of one export; the outcomes add up to ``records``."""

    records: int
    accepted: int
    rejected: int
    invalid: int
    unknown: int
    not_sent: int
    merged: int
    not_found: int
    planned: int
    unchanged: int
    failed: int
    data_points: int


class OnlyChangedSavings(TypedDict, total=False):
    """What ``only_changed`` saved; only there where the push was asked for it."""

    only_changed: bool
    values_saved: int
    data_points_saved: int
    data_points_saved_by_attribute: dict[str, int]
    memory_since: str
    data_points_saved_since: int


class Late(TypedDict):
    """The newer export that was pushed before or at the same time, and fields that both set."""

    newer: str
    fields: list[str]


class _Common(Counts, OnlyChangedSavings, total=False):
    status: Status
    mode: str | None
    requests: int
    retries: int
    seconds: float
    started_at: str | None
    waited_seconds: float
    paced_seconds: float
    rate_limited: int
    resumed_after: int
    sent_again: int
    upper_bounds: list[str]
    max_rejected: int | float | None
    reasons: dict[str, int]
    notes: list[str]
    error: str | None
    report_path: str | None
    rejects_path: str | None
    data_points_by_attribute: dict[str, int]
    dry_run: bool
    endpoint: str
    request_path: str
    try_number: int
    token: str
    shard: str | None
    channel: str
    offer: str
    workflow_id: str
    channel_execution_id: str | None
    modified: float | None
    late: Late | None
    set_aside: bool
    export: str
    fingerprint: str | None
    planned_requests: int
    planned_bytes: int
    users: int
    seconds_at_limit: float


class ExportEntry(_Common, total=False):
    """What the report of a list says of one export."""

    path: str
    counts: Counts


class Report(_Common, total=False):
    """What ``BrazeUserTrackOperator`` returns."""

    objects: int
    bytes: int
    samples: list[list[float]]
    dag_id: str | None
    run_id: str | None
    task_id: str | None
    map_index: int
    braze_conn_id: str
    size: int
    round: int
    max_tries: int | None
    parent: str | None
    mapping: dict[str, Any]
    has_transform: bool
    omitted_values: dict[str, int]
    trimmed: dict[str, int]
    normalised: dict[str, int]
    execution_id_mismatches: int
    users_identified_by: list[str]
    sample_payloads: list[dict[str, Any]]
    failed_rows: list[dict[str, Any]]
    exports: list[ExportEntry]
