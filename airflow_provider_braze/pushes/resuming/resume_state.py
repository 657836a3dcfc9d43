"""What a later try finds of the earlier ones: their counts and the parts of their rejects file, out of a checkpoint.

``checkpoint.py``, which writes them, and each attempt stand above.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.pushes.resuming import allowance
from airflow_provider_braze.rejects.writer import parts_of
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.reports.reports_folder import in_reports_folder

_VERSION = 1


def binding(*settings: Any) -> str:
    """Name what a checkpoint belongs to: the same export, pushed the same way to the same workspace."""
    text = json.dumps([_VERSION, *settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


@dataclass(frozen=True, slots=True)
class ResumeState:
    """What earlier tries of the same push have left.

    :param ledger: counts of what they settled.
    :param parts: parts of the rejects file that belong to it.
    :param attempt_folders: the tries' folders, which may hold parts that belong to nothing any more.
    :param failed_rows: of rows of an author's own without a rejects file, those that failed.
    :param write_ahead_log: of such rows, what is known of those beyond the settled ones.
    :param started_at: when the first of them began, ISO 8601.
    :param seconds: how long they took.
    :param waited_seconds: how long of that they waited for Braze, also between two of them.
    :param rate_limited: how often Braze answered 429.
    :param paced_seconds: how long they waited for the connection's own limit.
    :param token: of the push that they are tries of; None where an older version kept the checkpoint.
    :param broke_promise: whether the last of them has sent more than its last checkpoint had promised.
    """

    ledger: Mapping[str, Any]
    parts: tuple[Location, ...]
    attempt_folders: tuple[str, ...]
    started_at: str
    seconds: float
    waited_seconds: float
    rate_limited: int
    failed_rows: Mapping[str, Any] | None = None
    write_ahead_log: Mapping[str, Any] | None = None
    token: str | None = None
    paced_seconds: float = 0.0
    broke_promise: bool = False

    @classmethod
    def of(cls, checkpoint: Mapping[str, Any] | None, bound_to: str) -> ResumeState | None:
        """Read a checkpoint; None where there is none, or not of this push, or its rejects are gone."""
        if not checkpoint or checkpoint.get("bound_to") != bound_to:
            return None
        parts = tuple(map(in_reports_folder, parts_of(checkpoint)))
        if not all(part.exists() for part in parts):
            return None
        since = checkpoint["waiting_since"]
        waited = max(0.0, time.time() - since) if since else 0.0
        return cls(
            checkpoint["account"],
            parts,
            tuple(checkpoint.get("homes", ())),
            checkpoint["started_at"],
            checkpoint["seconds"] + waited,
            checkpoint["waited_seconds"] + waited,
            checkpoint["rate_limited"],
            checkpoint.get("failed_rows"),
            checkpoint.get("handed"),
            checkpoint.get("token"),
            checkpoint.get("paced_seconds", 0.0),
            allowance.is_broken(checkpoint.get("homes", ()), checkpoint["account"]),
        )
