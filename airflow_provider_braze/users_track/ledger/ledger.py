"""Every record's outcome, counted as it becomes known, and the failed ones written down.

Above: the delivery, which settles; checkpoint and report, which read. Below: counts of records, and what writes failed
ones. What always holds: a record that was read has one outcome or none yet, never two.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.users_track.batching.batch import Batch
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.ledger.outcomes import FAILED, SAVED, SENT, WRITTEN_DOWN
from airflow_provider_braze.users_track.ledger.reasons import public_words, shortened, without_values
from airflow_provider_braze.users_track.ledger.sent_again import SentAgain
from airflow_provider_braze.users_track.ledger.sink import HeldRecords, Sink
from airflow_provider_braze.users_track.records import (
    ALREADY_SETTLED,
    MOST_REASONS,
    Failed,
    LedgerSegment,
    RecordCounts,
    RecordReference,
)
from airflow_provider_braze.users_track.rules.data_points import Billed, DataPoints

_LARGEST_SEGMENT = 500
"""Records of a segment, which are mapped together; the first ones are smaller, to have soon what to resume from."""

_MANY_SEGMENTS = 128
"""Segments that wait for an older one, after which new ones get larger."""


@dataclass(slots=True)
class Ledger:
    """Counts of one push, segment by segment, so that the counts of its settled beginning are known at any time.

    Counting never fails: what goes wrong in writing a record down is in ``trouble``, for the push to stop.

    :param sink: takes every failed or not_found record, in the order in which they were read, segment by segment.
    :param settled: counts of the longest beginning of what was read of which every record is settled for good.
    :param facts: what the source knows of what it has read so far, as JSON.
    :param settled_facts: what it knew at the end of that beginning.
    :param sent: records that were handed to Braze, each once.
    :param sent_again: counts those that an earlier try had handed to Braze, too.
    :param resumed_after: records that earlier tries had settled.
    :param upper_bounds: names of counts that may be too high: what an earlier try had counted is not known precisely.
    :param remember: takes what the memory keeps of objects that Braze accepted; None where it keeps nothing of one.
    """

    sink: Sink
    settled: RecordCounts = field(default_factory=RecordCounts)
    facts: Callable[[], Mapping[str, Any]] = dict
    settled_facts: Mapping[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    sent: int = 0
    sent_again: SentAgain = field(default_factory=SentAgain)
    resumed_after: int = 0
    upper_bounds: set[str] = field(default_factory=set)
    remember: Callable[[Sequence[Any]], None] = field(default=lambda _: None)
    trouble: Exception | None = None
    _segments: deque[LedgerSegment] = field(default_factory=lambda: deque([LedgerSegment()]))
    _opened: int = 1
    _size: int = 1
    _held: HeldRecords = field(default_factory=HeldRecords)

    @property
    def total(self) -> RecordCounts:
        """Counts of everything that was read so far."""
        # Counted by attribute once, and not in each sum anew.
        return RecordCounts.of((self.settled.resolve(), *self._segments)).resolve()

    @property
    def records(self) -> int:
        """Records read."""
        return self.settled.records + sum(segment.records for segment in self._segments)

    @property
    def outcomes(self) -> Counter[str]:
        """Records by outcome."""
        return RecordCounts.outcomes_of((self.settled, *self._segments))

    @property
    def reasons(self) -> Counter[str]:
        """Failed and not_found records by reason."""
        return self.total.reasons

    @property
    def data_points(self) -> DataPoints:
        """What the accepted objects cost."""
        return self.total.data_points

    @property
    def failed(self) -> int:
        """Records that were rejected, invalid, unknown or not sent."""
        return sum(map(self.outcomes.__getitem__, FAILED))

    @property
    def crowded(self) -> bool:
        """Whether so many failed records wait to be written down that nothing more should be read for now."""
        if self._held.crowded and self._segments[-1].failed:
            self._open()  # They wait for the end of their segment, which would not come if nothing more were read.
        return self._held.crowded

    def room(self) -> int:
        """How many records can be counted together next."""
        # A few are not worth being read and mapped for themselves, so a segment may stay a little smaller.
        if self._segments[-1].records >= self._size - self._size // 8:
            self._open()
        return self._size - self._segments[-1].records

    def begin(self, records: int = 1) -> LedgerSegment:
        """Count records that were read, and give the segment that they belong to."""
        segment = self._segments[-1]
        if segment.records >= self._size:
            segment = self._open()
        segment.records += records
        segment.unsettled += records
        return segment

    def _open(self) -> LedgerSegment:
        self._segments[-1].facts = self.facts()
        segment = LedgerSegment()
        self._segments.append(segment)
        self._opened += 1
        # They grow: a short file soon has a settled beginning, and behind one slow answer there are not ever more.
        self._size = min(self._opened**2, _LARGEST_SEGMENT) * (1 + len(self._segments) // _MANY_SEGMENTS)
        self._advance()
        return segment

    def _advance(self) -> None:
        """Move the oldest segments, as far as every record of them is settled, to the settled beginning."""
        segments = self._segments
        # Never the last one, which is still filled.
        while len(segments) > 1 and not segments[0].unsettled and not segments[0].incomplete:
            segment = segments[0]
            # First on disk, then counted: what a checkpoint counts as failed must stand in the rejects file.
            if not self._write_down(segment):
                break
            settled = RecordCounts.of((self.settled, segment))
            # Nothing is called between these two lines: no interruption sees its records twice or not at all.
            self.settled, self.settled_facts = settled, segment.facts
            segments.popleft()

    def refuse(self, reference: RecordReference, column: str, reason: str) -> None:
        """Settle a record that never became an object."""
        if reference.segment is not ALREADY_SETTLED:
            self._settle([reference], "invalid", reason, reason, column)

    def settle(self, item: ProfileObject, outcome: str, reason: str = "") -> None:
        """Give an object's outcome to all its records: of an accepted object one is accepted, the others merged."""
        # Before its records are taken out of it: their segment is what has counted it.
        if outcome != "accepted":
            item.unbill()
        references, became = self._unsettled_of(item, outcome)
        if not references:
            return
        if item.saved is not None and outcome in SAVED:
            self._holder(references).save(item.saved)
        if outcome != "accepted":
            # A rejection is told in Braze's words, all others in ours.
            spoken = public_words if outcome == "rejected" else without_values
            public = spoken(reason, item.content) if reason else ""
            self._settle(references, outcome, reason, public)
            return
        if item.told is not None:
            self.remember((item.told,))
        first = references[0].segment or self._segments[-1]
        holder = self._holder(references)
        holder.objects += 1
        self.count_data_points(item, holder)
        first.outcomes[became] += 1
        first.unsettled -= 1
        for reference in references[1:]:
            segment = reference.segment or self._segments[-1]
            segment.outcomes["merged"] += 1
            segment.unsettled -= 1
        if not self._segments[0].unsettled:
            self._advance()

    def leave_out(self, segment: LedgerSegment, billed: Sequence[Billed], others: Iterable[Billed]) -> None:
        """Settle objects of one record each that are left out as a whole; the segment has counted what they cost.

        :param others: what is left out of others.
        """
        segment.outcomes["unchanged"] += len(billed)
        segment.unsettled -= len(billed)
        segment.leave_out(billed)
        segment.take_back(others)
        self._advance()

    def _holder(self, references: Sequence[RecordReference]) -> LedgerSegment:
        """Give the segment that counts an accepted object: that of its last record.

        Once that one is settled, all of the object's records are, so that no later try sends the object again. In
        the segment of its first record it would count twice: settled with it, and sent again with the last one.
        """
        return references[-1].segment or self._segments[-1]

    def settle_batch(self, batch: Batch, outcome: str) -> None:
        """Give all that a batch holds the same outcome, with which its data points count.

        :param outcome: ``accepted``, or what a plan counts them as.
        """
        for part in batch.remaining:
            if isinstance(part, ProfileObject):
                if outcome != "accepted":
                    self.count_data_points(part)
                self.settle(part, outcome)
            elif not part.settled:
                # Its segment has counted the data points since it was mapped; what is refused is detached, and
                # takes them back.
                part.settled = True
                segment = part.block.segment
                segment.outcomes[outcome] += len(part)
                segment.objects += len(part) if outcome == "accepted" else 0
                segment.unsettled -= len(part)
                if part.left_out and outcome in SAVED:
                    segment.save_all(filter(None, part.left_out))
                if part.told and outcome == "accepted":
                    self.remember(part.told)
        self._advance()

    def _unsettled_of(self, item: ProfileObject, outcome: str) -> tuple[Sequence[RecordReference], str]:
        """Take an object's records out of it, and tell what the first becomes when the object is accepted."""
        # Whoever settles an object once more finds no records: each is counted once, whatever befalls its request.
        references, item.references = item.references, ()
        if not references or references[0].segment is not ALREADY_SETTLED:
            return references, "accepted"
        # An earlier try has counted the object of these as accepted.
        mine = [reference for reference in references if reference.segment is not ALREADY_SETTLED]
        if outcome in SENT:
            self.sent_again.counted += len(references) - len(mine)
        return mine, "merged"

    def leave(self, items: Iterable[ProfileObject], *, lost: bool, reason: str, final: bool = False) -> None:
        """Settle those objects that have no outcome, and will get no answer any more, with a reason of ours.

        :param final: a push that resumes later shall not send them again.
        """
        outcome = "unknown" if lost else "not_sent"
        for item in items:
            item.unbill()
            references, _ = self._unsettled_of(item, outcome)
            if not final:
                for reference in references:
                    (reference.segment or self._segments[-1]).incomplete = True
            if references:
                self._settle(references, outcome, reason, reason)

    def settle_rest(self, outcome: str) -> None:
        """Count what was read and has no outcome because an interruption tore it from the push's hands."""
        missing = 0
        for segment in self._segments:
            # Counted anew: the interruption may have come between two steps of counting.
            if (lost := segment.records - sum(segment.outcomes.values())) > 0:
                missing += lost
                segment.outcomes[outcome] += lost
                segment.unsettled, segment.incomplete = 0, True
        if missing:
            self.note(f"{missing} records were interrupted while handled; they are in no rejects file.")

    def flush(self) -> None:
        """Write down what is left, while there is still time to say that it cannot be written."""
        self._advance()
        self._guard(self.sink.rest)
        for segment in self._segments:
            self._write_down(segment)
        self._guard(self.sink.flush)
        if self.trouble is not None:
            # Nobody can write these down any more; they and their segments would keep each other in memory.
            for segment in self._segments:
                segment.failed.clear()

    def _guard(self, write: Callable[..., None], *what: Any) -> None:
        """Have the sink do something, unless it failed before."""
        if self.trouble is None:
            try:
                write(*what)
            except Exception as error:
                self.trouble = error

    def _settle(
        self, references: Sequence[RecordReference], outcome: str, reason: str, public: str, column: str = ""
    ) -> None:
        written_down = outcome in WRITTEN_DOWN
        public = shortened(public)
        grouped = f"{column}: {public}" if column else public
        written = public if self.sink.is_report else shortened(reason)
        for reference in references:
            segment = reference.segment or self._segments[-1]
            segment.outcomes[outcome] += 1
            segment.unsettled -= 1
            if written_down:
                segment.reasons[grouped] += 1
                self._held.add(segment, Failed(reference, outcome, written, column))
        self._advance()

    def _write_down(self, segment: LedgerSegment) -> bool:
        """Write a segment's failed records down; False when some could not be."""
        self._guard(self._held.write_down, segment, self.sink)
        segment.incomplete = segment.incomplete or bool(segment.failed)
        return not segment.incomplete

    def note(self, text: str) -> None:
        """Keep a remark for the report, once, and not without end."""
        if text not in self.notes and len(self.notes) < MOST_REASONS:
            self.notes.append(text)

    def count_data_points(self, item: ProfileObject, some_counts: RecordCounts | None = None) -> None:
        """Add what Braze bills for an object; of one that was billed ahead, let that count for good."""
        if item.billed_ahead:
            item.billed_ahead = False
            return
        item.bill_to((some_counts or self._segments[-1]).data_points)

    def checkpoint(self, sent_until: int | None = None) -> dict[str, Any]:
        """Write what a later try needs to go on after the settled beginning, as JSON (see ``SentAgain.promised``)."""
        return {
            "settled": self.settled.as_dict(),
            "facts": dict(self.settled_facts),
            "notes": list(self.notes),
            "requests": self.requests,
            "retries": self.retries,
            "bytes": self.bytes,
            "sent": self.sent,
            **self.sent_again.promised(self.sent, sent_until),
            "upper_bounds": sorted(self.upper_bounds),
        }

    def resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on where an earlier try was, before anything is read."""
        self.settled = RecordCounts.from_dict(checkpoint["settled"])
        self.resumed_after = self.settled.records
        self.settled_facts = checkpoint["facts"]
        self.notes = list(checkpoint["notes"])
        self.requests, self.retries = checkpoint["requests"], checkpoint["retries"]
        self.bytes = checkpoint["bytes"]
        # Older versions counted an object with its first record, so that it may be settled and yet be sent again.
        self.upper_bounds = set(checkpoint.get("upper_bounds", ("data_points", "objects")))
        self.sent = sum(self.settled.outcomes[outcome] for outcome in SENT)
        if not self.sent_again.resume(checkpoint, self.sent):
            self.upper_bounds.add("sent_again")
