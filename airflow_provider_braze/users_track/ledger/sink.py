"""Where failed records are written, and those that wait for it.

The sinks themselves stand above, in ``rejects``; the ledger says when each record's turn is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from airflow_provider_braze.users_track.records import Failed, LedgerSegment, RecordReference

_MOST_HELD = 50_000
"""Failed records that are kept until older ones are settled."""

_MOST_HELD_CHARACTERS = 8_000_000
"""Of these records and their reasons: a file may be made of long ones."""


class Sink(ABC):
    """Where failed records are written."""

    is_report: ClassVar[bool] = False
    """Whether it may hold no personal value."""

    @abstractmethod
    def write(self, reference: RecordReference, outcome: str, reason: str, column: str) -> None:
        """Write one record."""

    def flush(self) -> None:  # noqa: B027 - most write at once
        """Bring what was collected to where it belongs."""

    def rest(self) -> None:  # noqa: B027 - most are no part of a checkpoint
        """Hear that what follows is not settled for good: a later try reads it again."""


class NullSink(Sink):
    """A sink for a plan before the push: failed records will be met again."""

    def write(self, reference: RecordReference, outcome: str, reason: str, column: str) -> None:
        """Forget the record."""


@dataclass(slots=True)
class HeldRecords:
    """Failed records of all segments that wait to be written down, since an older one has no outcome yet.

    What always holds: they are written in the order in which they were read, each once, also when an interruption
    comes between two of them.
    """

    records: int = 0
    characters: int = 0

    @property
    def crowded(self) -> bool:
        """Whether there are so many that nothing more should be read for now."""
        return self.records >= _MOST_HELD or self.characters >= _MOST_HELD_CHARACTERS

    def add(self, segment: LedgerSegment, record: Failed) -> None:
        """Hold a record until its segment's turn."""
        segment.failed.append(record)
        self.records += 1
        self.characters += _weight(record)

    def write_down(self, segment: LedgerSegment, sink: Sink) -> None:
        """Write a segment's records; those that the sink did not take, or an interruption left, stay held."""
        written = 0
        try:
            for record in segment.failed:
                sink.write(*record)
                written += 1
                self.records -= 1
                self.characters -= _weight(record)
        finally:
            del segment.failed[:written]


def _weight(record: Failed) -> int:
    return record.reference.weight + len(record.reason)
