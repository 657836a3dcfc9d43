"""Every record's outcome, counted as it becomes known, and the failed ones written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from airflow_provider_braze.users_track.batches import Origin, Outgoing
from airflow_provider_braze.users_track.data_points import DataPoints
from airflow_provider_braze.users_track.reasons import shortened, without_values

OUTCOMES = (
    "accepted",
    "rejected",
    "invalid",
    "unknown",
    "not_sent",
    "merged",
    "not_found",
    "planned",
    "unchanged",
)
"""Every record has exactly one of these; their counts add up to the records read."""

FAILED = ("rejected", "invalid", "unknown", "not_sent")
WRITTEN_DOWN = (*FAILED, "not_found")
"""Outcomes whose records go to the rejects file."""

_MOST_REASONS = 50
_OTHER_REASONS = "other reasons"


class Sink(Protocol):
    """Where failed records are written.

    A sink that ``is_report`` holds no personal values; one that collects before it writes has a ``flush``.
    """

    def write(self, origin: Origin, outcome: str, reason: str, column: str) -> None:
        """Write one record."""


class Forgetful:
    """A sink for a plan before the push: failed records will be met again."""

    def write(self, origin: Origin, outcome: str, reason: str, column: str) -> None:
        """Forget the record."""


@dataclass(slots=True)
class Account:
    """Counts of one push.

    Counting never fails: what goes wrong in writing a record down is in ``trouble``, for the push to stop.

    :param sink: takes every failed or not_found record.
    """

    sink: Sink
    records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    data_points: DataPoints = field(default_factory=DataPoints)
    notes: list[str] = field(default_factory=list)
    requests: int = 0
    retries: int = 0
    objects: int = 0
    bytes: int = 0
    trouble: Exception | None = None

    @property
    def failed(self) -> int:
        """Records that were rejected, invalid, unknown or not sent."""
        return sum(self.outcomes[outcome] for outcome in FAILED)

    def refuse(self, origin: Origin, column: str, reason: str) -> None:
        """Settle a record that never became an object."""
        self.records += 1
        self._settle([origin], "invalid", reason, reason, column)

    def settle(self, item: Outgoing, outcome: str, reason: str = "") -> None:
        """Give an object's outcome to all its records: of an accepted object one is accepted, the others merged."""
        origins, item.origins = item.origins, []
        if not origins:
            return
        if outcome == "accepted":
            self.outcomes["accepted"] += 1
            self.outcomes["merged"] += len(origins) - 1
            self.objects += 1
            self.count_data_points(item)
            return
        self._settle(origins, outcome, reason, without_values(reason, item.content))

    def leave(self, items: Iterable[Outgoing], *, lost: bool, reason: str) -> None:
        """Settle those objects that have no outcome, and will get no answer any more, with a reason of ours."""
        for item in items:
            origins, item.origins = item.origins, []
            if origins:
                self._settle(origins, "unknown" if lost else "not_sent", reason, reason)

    def settle_rest(self, outcome: str) -> None:
        """Count what was read and has no outcome because an interruption tore it from the push's hands."""
        missing = self.records - sum(self.outcomes.values())
        if missing > 0:
            self.outcomes[outcome] += missing
            self.note(
                f"{missing} records were interrupted while they were handled; they are in no rejects file."
            )

    def flush(self) -> None:
        """Let the sink write what it has collected, while there is still time to say that it cannot."""
        flush = getattr(self.sink, "flush", None)
        if flush is not None and self.trouble is None:
            try:
                flush()
            except Exception as error:
                self.trouble = error

    def _settle(
        self, origins: Sequence[Origin], outcome: str, reason: str, public: str, column: str = ""
    ) -> None:
        self.outcomes[outcome] += len(origins)
        if outcome not in WRITTEN_DOWN:
            return
        public = shortened(public)
        grouped = f"{column}: {public}" if column else public
        if grouped not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            grouped = _OTHER_REASONS
        self.reasons[grouped] += len(origins)
        written = public if getattr(self.sink, "is_report", False) else shortened(reason)
        try:
            for origin in origins if self.trouble is None else ():
                self.sink.write(origin, outcome, written, column)
        except Exception as error:
            self.trouble = error

    def note(self, text: str) -> None:
        """Keep a remark for the report, once, and not without end."""
        if text not in self.notes and len(self.notes) < _MOST_REASONS:
            self.notes.append(text)

    def count_data_points(self, item: Outgoing) -> None:
        """Add what Braze bills for an object."""
        if item.array == "attributes":
            self.data_points.add(str(item.identity[0]), *item.billed())
        else:
            quantity = item.content.get("quantity") if item.array == "purchases" else 1
            self.data_points.add_other(
                item.array, quantity if isinstance(quantity, int) and quantity > 0 else 1
            )
