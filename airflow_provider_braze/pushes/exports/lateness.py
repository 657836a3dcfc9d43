"""What is late: an export older than one that was pushed before and set one of the same fields.

Above: the push of an export. Below: what was pushed before, by the reports folder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.storage.reports.pushed_before import Known, OverlappingExport, PushedBefore

_MOST_FIELDS = 20
"""Fields that are named of a late export."""

STILL_TO_COME = (
    "The time at which {} was last changed is still to come, by more than a day. Whether it is older than another "
    "export is told by the time of its first push."
)
"""Said where that time says nothing; see :meth:`PushedBefore.counted_as`."""


@dataclass(slots=True)
class Lateness:
    """
    Looks whether one export is late, and says so: when its push begins, and again when it is over.

    :param path: the export's.
    :param modified: when it was last changed, in seconds since the epoch.
    :param pushed_before: knows what was pushed.
    :param say: takes a remark for log and report.
    """

    path: str
    modified: float | None
    pushed_before: PushedBefore
    say: Callable[[str], None]
    held: bool = False
    newer: OverlappingExport | None = None
    _known: Known = frozenset()

    def look(self, fields: Collection[str], may_be_held: Callable[[], bool]) -> bool:
        """Look at the beginning; whether the export is to be left alone.

        :param fields: those that it sets.
        :param may_be_held: asked where it is late.
        :raises ReportError: the reports folder cannot be read.
        """
        self.newer = self.pushed_before.newest_overlapping(self.modified, fields)
        self._known = self.pushed_before.known
        if self.newer is None:
            return False
        self.held = may_be_held()
        done = (
            "It is left alone (late='hold')."
            if self.held
            else "It is pushed all the same, and sets them back."
        )
        self.say(
            f"Late: {self.path} is older than {self.newer.path}, which was pushed before and set the same fields "
            f"({_named(self.newer)}). {done}"
        )
        return self.held

    def look_again(self, fields: Collection[str], fingerprint: str, begun_at: str) -> bool:
        """Look, once it is marked, who else went through meanwhile; whether there is anything new to report.

        :param fields: those that it has set.
        :param fingerprint: of the export.
        :param begun_at: when its push began, ISO 8601.
        :raises OSError: the reports folder cannot be read.
        """
        if self.modified is None or not fields:
            return False
        found = self.pushed_before.pushed_since(self._known, fields, but=fingerprint)
        newer = [other for other in found if other.modified > self.modified][-1:]
        # What was pushed before this one began has not set it back.
        older = [
            other
            for other in found
            if other.modified < self.modified and (other.pushed_at is None or other.pushed_at >= begun_at)
        ][-1:]
        for other in newer:
            self.newer = other
            self._say_who_came_between(self.path, other.path, other)
        for other in older:
            self._say_who_came_between(other.path, self.path, other)
        return bool(newer or older)

    def _say_who_came_between(self, older: str, newer: str, other: OverlappingExport) -> None:
        self.say(
            f"Late: {older} is older than {newer}, and both were pushed at the same time and set the same fields "
            f"({_named(other)}). Whom both hold may have been set back."
        )

    def as_reported(self) -> dict[str, Any] | None:
        """Write it as a report holds it; None where the export is not late."""
        if self.newer is None:
            return None
        return {"newer": self.newer.path, "fields": list(self.newer.fields[:_MOST_FIELDS])}


def _named(other: OverlappingExport) -> str:
    return ", ".join(other.fields[:_MOST_FIELDS]) + (", ..." if len(other.fields) > _MOST_FIELDS else "")
