"""What of a push's report somebody should be told, in a few lines without personal data.

Above: the notifier. Below: nothing; a report is plain JSON here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MOST_NAMED = 5
"""Exports, or reasons, that are named of each kind."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is worth a message.

    :param failed_share: told of when more of the records failed; None for never.
    :param data_points: told of when the pushes cost more; None for never.
    :param late: told of exports that came late.
    :param set_aside: told of exports that were set aside.
    :param wait_minutes: told of when a push waited longer for Braze's limit; None for never.
    """

    failed_share: float | None
    data_points: int | None
    late: bool
    set_aside: bool
    wait_minutes: float | None

    def wait(self, seconds: float) -> str | None:
        """Say that this is a long wait for Braze, if it is."""
        if self.wait_minutes is None or seconds <= self.wait_minutes * 60:
            return None
        return f"{seconds / 60:.0f} minutes for Braze's limit"

    def complaints(self, report: Mapping[str, Any], *, wait_told: bool = False) -> Iterator[str]:
        """Give a line for each thing that should be told.

        :param wait_told: that it waits for Braze was told while it did.
        """
        if not report.get("dry_run"):
            yield from self._of_failed(report)
        points = report.get("data_points") or 0
        if self.data_points is not None and points > self.data_points:
            yield f"{points:,} data points, more than {self.data_points:,}"
        waited = self.wait(report.get("waited_seconds") or 0)
        if waited and not wait_told:
            yield f"it waited {waited}"
        yield from self._of_exports(report)

    def _of_failed(self, report: Mapping[str, Any]) -> Iterator[str]:
        failed, records = report.get("failed") or 0, report.get("records") or 0
        if self.failed_share is None or not failed or failed <= self.failed_share * records:
            return
        reasons = list((report.get("reasons") or {}).items())[:_MOST_NAMED]
        named = "".join(f"; {count:,} x {reason}" for reason, count in reasons)
        yield f"{failed:,} of {records:,} records failed ({failed / records:.1%}){named}"

    def _of_exports(self, report: Mapping[str, Any]) -> Iterator[str]:
        exports = report.get("exports") or [report]
        for name, wanted in (("late", self.late), ("set_aside", self.set_aside)):
            met = [each for each in exports if each.get(name)] if wanted else []
            for each in met[:_MOST_NAMED]:
                yield f"{name.replace('_', ' ')}: {each.get('path') or each.get('export')}"
            if len(met) > _MOST_NAMED:
                yield f"and {len(met) - _MOST_NAMED} more {name.replace('_', ' ')}"


def outcome_line(report: Mapping[str, Any]) -> str:
    """Say what became of a push's records."""
    counts = [f"{report.get(name) or 0:,} {name}" for name in ("records", "accepted", "failed")]
    return f"{report.get('status')}: {', '.join(counts)}"
