"""Where a record stands, and counts of records: of a whole push, of its settled beginning, or of one segment of it.

Above: objects, the ledger, and what writes rejects. Below: the data points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from airflow_provider_braze.users_track.rules.data_points import Billed, DataPoints, LeftOutValues

MOST_REASONS = 50
_MOST_LEFT_OUT = 10_000
"""Objects that are counted by what they cost: among so many, most cost the same as another."""

_PLAIN = "external_id"
_OTHER_REASONS = "other reasons"


_CELL = 8
"""What a cell costs beside its characters: a file may have ten thousand empty columns."""

_CELL_END = "\x1f"
"""Between the cells of a packed record: one text takes a tenth of the memory of sixteen, and thousands are waiting."""


class RecordCounts:
    """What has become of some records.

    :param records: how many were read.
    """

    def __init__(self, records: int = 0) -> None:
        self.records = records
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.data_points = DataPoints()
        self.objects = 0
        self.values_saved = 0
        self.saved: Counter[str] = Counter()
        # Objects that are counted by what they cost; by attribute only when it is asked for.
        self._left_out: list[Billed] = []
        self._reduced_by: list[Billed] = []

    @staticmethod
    def of(all_counts: Iterable[RecordCounts]) -> RecordCounts:
        """Add counts up into new ones."""
        total = RecordCounts()
        for some_counts in all_counts:
            total.add(some_counts)
        return total

    @staticmethod
    def outcomes_of(all_counts: Iterable[RecordCounts]) -> Counter[str]:
        """Add up outcomes alone, which are asked for again and again while a push runs."""
        total: Counter[str] = Counter()
        for some_counts in all_counts:
            total.update(some_counts.outcomes)
        return total

    def add(self, other: RecordCounts) -> None:
        """Take in the counts of other records; beyond the first fifty, reasons are counted together."""
        self.records += other.records
        self.outcomes.update(other.outcomes)
        for reason, records in other.reasons.items():
            full = reason not in self.reasons and len(self.reasons) >= MOST_REASONS
            self.reasons[_OTHER_REASONS if full else reason] += records
        self.data_points.add_all(other.data_points)
        self.objects += other.objects
        if other.values_saved:
            self.values_saved += other.values_saved
            self.saved.update(other.saved)
        self._left_out += other._left_out
        self._reduced_by += other._reduced_by
        self._bound()

    def leave_out(self, billed: Iterable[Billed]) -> None:
        """Count objects that are left out as a whole, and take back their data points, which were counted ahead."""
        self._left_out += billed
        self._bound()

    def take_back(self, left_out: Iterable[Billed]) -> None:
        """Take back the data points, which were counted ahead, of what is left out of objects."""
        for billed, objects in Counter(left_out).items():
            self.data_points.deduct(_PLAIN, billed.names, billed.more, objects)

    def save_all(self, left_out: Iterable[Billed]) -> None:
        """Count what was left out of objects; their data points were taken back."""
        self._reduced_by += left_out
        self._bound()

    def _bound(self) -> None:
        if len(self._left_out) + len(self._reduced_by) > _MOST_LEFT_OUT:
            self.resolve()

    def resolve(self) -> RecordCounts:
        """Count by attribute what was left out; only then what it cost and saved is in the counts."""
        left_out, self._left_out = self._left_out, []
        reduced_by, self._reduced_by = self._reduced_by, []
        self.take_back(left_out)
        for billed, objects in Counter(left_out + reduced_by).items():
            self.values_saved += billed.values * objects
            for name, points in billed.points.items():
                self.saved[name] += points * objects
        return self

    def save(self, saved: LeftOutValues) -> None:
        """Count what was left out of an object."""
        self.values_saved += saved.values
        self.saved.update(saved.points)

    def as_dict(self) -> dict[str, Any]:
        """Write the counts as JSON."""
        self.resolve()
        return {
            "records": self.records,
            "outcomes": dict(self.outcomes),
            "reasons": dict(self.reasons),
            "data_points": self.data_points.as_dict(),
            "objects": self.objects,
            **({"values_saved": self.values_saved, "saved": dict(self.saved)} if self.values_saved else {}),
        }

    @classmethod
    def from_dict(cls, counts: Mapping[str, Any]) -> RecordCounts:
        """Read what :meth:`as_dict` wrote."""
        some_counts = cls(counts["records"])
        some_counts.outcomes.update(counts["outcomes"])
        some_counts.reasons.update(counts["reasons"])
        some_counts.data_points = DataPoints.from_dict(counts["data_points"])
        some_counts.objects = counts["objects"]
        some_counts.values_saved = counts.get("values_saved", 0)
        some_counts.saved.update(counts.get("saved", {}))
        return some_counts


class RecordReference(msgspec.Struct, frozen=True, gc=False):
    """The record an object comes from.

    ``line`` is its physical line, or the index of an author's own row; ``packed`` its cells; ``segment`` where it is
    counted, None for the ledger's newest; ``cut`` takes the cells out of a packed text that is the line itself.
    """

    line: int
    packed: str | tuple[str, ...]
    segment: LedgerSegment | None = None
    cut: Callable[[str], Sequence[str]] | None = None

    @classmethod
    def of(cls, line: int, cells: Sequence[str], segment: LedgerSegment | None = None) -> RecordReference:
        """Pack a record."""
        packed = _CELL_END.join(cells)
        if not cells or packed.count(_CELL_END) != len(cells) - 1:
            return cls(line, tuple(cells), segment)
        return cls(line, packed, segment)

    @property
    def cells(self) -> Sequence[str]:
        """The record as it was read."""
        if not isinstance(self.packed, str):
            return self.packed
        return self.cut(self.packed) if self.cut is not None else self.packed.split(_CELL_END)

    @property
    def weight(self) -> int:
        """Roughly its characters in memory; an empty cell costs something too."""
        if isinstance(self.packed, str):
            return len(self.packed)
        return sum(map(len, self.packed)) + len(self.packed) * _CELL


class Failed(NamedTuple):
    """A record to be written down."""

    reference: RecordReference
    outcome: str
    reason: str
    column: str


class LedgerSegment(RecordCounts):
    """Some consecutive records of a push, counted for themselves until all of them are settled.

    ``incomplete`` means that some of them have no final outcome: they would be sent again by a push that resumes here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unsettled = 0
        self.incomplete = False
        self.failed: list[Failed] = []
        self.facts: Mapping[str, Any] = {}


ALREADY_SETTLED = LedgerSegment()
"""Segment of all records that an earlier try has settled; they are read again for what is merged into them."""
