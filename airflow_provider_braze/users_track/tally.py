"""Counts of records: of a whole push, of its settled beginning, or of one segment of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_braze.users_track.data_points import DataPoints

if TYPE_CHECKING:
    from airflow_provider_braze.users_track.outgoing import Origin

MOST_REASONS = 50
_OTHER_REASONS = "other reasons"


class Tally:
    """What has become of some records.

    :param records: how many were read.
    """

    def __init__(self, records: int = 0) -> None:
        self.records = records
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.data_points = DataPoints()
        self.objects = 0

    @staticmethod
    def of(tallies: Iterable[Tally]) -> Tally:
        """Add counts up into new ones."""
        total = Tally()
        for tally in tallies:
            total.add(tally)
        return total

    def add(self, other: Tally) -> None:
        """Take in the counts of other records; beyond the first fifty, reasons are counted together."""
        self.records += other.records
        self.outcomes.update(other.outcomes)
        for reason, records in other.reasons.items():
            full = reason not in self.reasons and len(self.reasons) >= MOST_REASONS
            self.reasons[_OTHER_REASONS if full else reason] += records
        self.data_points.add_all(other.data_points)
        self.objects += other.objects

    def as_dict(self) -> dict[str, Any]:
        """Write the counts as JSON."""
        return {
            "records": self.records,
            "outcomes": dict(self.outcomes),
            "reasons": dict(self.reasons),
            "data_points": self.data_points.as_dict(),
            "objects": self.objects,
        }

    @classmethod
    def from_dict(cls, counts: Mapping[str, Any]) -> Tally:
        """Read what :meth:`as_dict` wrote."""
        tally = cls(counts["records"])
        tally.outcomes.update(counts["outcomes"])
        tally.reasons.update(counts["reasons"])
        tally.data_points = DataPoints.from_dict(counts["data_points"])
        tally.objects = counts["objects"]
        return tally


class Failed(NamedTuple):
    """A record to be written down."""

    origin: Origin
    outcome: str
    reason: str
    column: str


class Segment(Tally):
    """Some consecutive records of a push, counted for themselves until all of them are settled.

    ``torn`` means that some of them have no final outcome: they would be sent again by a push that resumes here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unsettled = 0
        self.torn = False
        self.failed: list[Failed] = []
        self.facts: Mapping[str, Any] = {}


EARLIER = Segment()
"""Segment of all records that an earlier try has settled; they are read again for what is merged into them."""
