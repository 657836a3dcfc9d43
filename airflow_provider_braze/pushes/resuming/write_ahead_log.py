"""The write-ahead log of rows that may be sent but once: what is known of each when a try ends or is killed.

Events, purchases and increments count each time. So before one of them goes out, a checkpoint says that it may have
gone: a later try does not send it again, even when this one was killed before it could tell what became of it.

Above: the push of rows and its source. Below: the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_braze.users_track.batching.merge_window import ProfileObject
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import Sink
from airflow_provider_braze.users_track.records import LedgerSegment, RecordReference

ACCEPTED, MERGED, FREE, UNKNOWN = "accepted", "merged", "free", "unknown"
"""What a row can be: Braze has it, alone or folded into another; surely has it not; or may have it."""

_WRITTEN = (ACCEPTED, MERGED, FREE)
"""What a checkpoint names. Any other row before its mark is unknown: to forget one can never send it twice."""

_MOST_RANGES = 1000
"""Ranges of rows in a checkpoint, which has to fit Airflow's task state store (65,535 bytes)."""


class RowReference(RecordReference, frozen=True, gc=False):
    """The reference of a row that may be sent but once; ``line`` names it for people, and two may have the same.

    :param ordinal: its place among all rows, by which the log knows it.
    """

    ordinal: int = -1


class WriteAheadLog:
    """What earlier tries and this one know of each row beyond the settled beginning.

    Two rules keep it true. What an earlier try wrote is never changed, only overlaid by what this try does. And a row
    that this try has read, but not taken, is none of those that may be sent but once; so a range may run across it.
    Of a row that was not read yet nobody knows that, so a range never does.

    :param earlier: what an earlier try has written.
    """

    def __init__(self, earlier: Mapping[str, Any] | None = None) -> None:
        # From the mark on, the earlier tries have sent nothing: all that they had announced lies before it.
        self._mark_before = int(earlier["mark"]) if earlier else 0
        self._before = {
            ordinal: state for state in _WRITTEN if earlier for ordinal in _ordinals(earlier[state])
        }
        self._taken: dict[int, str] = {}
        self._announced = 0
        self.any = earlier is not None
        """Whether there are rows that may be sent but once."""
        self.not_again = int(earlier["not_again"]) if earlier else 0

    @property
    def announced(self) -> int:
        """The first row that no checkpoint of this try says anything about."""
        return self._announced

    def announce(self, until: int) -> None:
        """Say that the rows up to there may be sent from now on; a checkpoint has to be kept before one is."""
        # Never back, but at the end: a checkpoint that says it may be in the store already.
        self._announced = max(self._announced, until)

    def take(self, ordinal: int) -> str:
        """Take a row, which may be sent when it is free; what earlier tries have made of it."""
        before = self._state_before(ordinal)
        self.any = True
        # Until its outcome is known it may have been sent at any moment.
        self._taken[ordinal] = UNKNOWN if before == FREE else before
        return before

    def _state_before(self, ordinal: int) -> str:
        return FREE if ordinal >= self._mark_before else self._before.get(ordinal, UNKNOWN)

    def became(self, references: Iterable[RecordReference], outcome: str) -> None:
        """Take the outcome of an object's rows: of an accepted object one is accepted, the others merged."""
        for place, reference in enumerate(references):
            if not isinstance(reference, RowReference):
                continue
            # As the ledger counts them: else a later try would count other outcomes than this one.
            if outcome == ACCEPTED:
                state = MERGED if place else ACCEPTED
            else:
                state = outcome if outcome in (MERGED, UNKNOWN) else FREE
            self._taken[reference.ordinal] = state

    def forget(self, settled: int) -> None:
        """Forget the rows that are settled: no later try asks for them."""
        for states in (self._before, self._taken):
            for ordinal in [ordinal for ordinal in states if ordinal < settled]:
                del states[ordinal]

    def end(self, read: int) -> None:
        """Say that nothing beyond what was read has been sent, or will be: what was announced of it is taken back."""
        self._announced = read

    def as_dict(self, settled: int, read: int) -> dict[str, Any]:
        """Write it as JSON.

        :param settled: rows that are settled for good.
        :param read: rows that this try has read.
        """
        self.forget(settled)
        # What this try knows overlays what earlier ones knew; of what it has not read yet, only they know anything.
        states = dict(self._states(read))
        return {
            "mark": max(self._mark_before, self._announced, read),
            **_ranges(states, read),
            "not_again": sum(state != FREE for state in states.values()),
        }

    def _states(self, read: int) -> Iterator[tuple[int, str]]:
        yield from sorted(self._taken.items())
        for ordinal, state in sorted(self._before.items()):
            if ordinal < read:
                continue
            # From the announcement on it may be sent at any moment.
            yield ordinal, UNKNOWN if state == FREE and ordinal < self._announced else state


class RowsLedger(Ledger):
    """A ledger that logs what became of rows that may be sent but once.

    :param log: where.
    :param only_once: whether none of the rows may be sent twice: the log sees to it, and nothing else is kept for that.
    """

    def __init__(self, sink: Sink, log: WriteAheadLog, *, only_once: bool = False) -> None:
        super().__init__(sink)
        self.log = log
        self.sent_again.never = only_once

    def settle(self, item: ProfileObject, outcome: str, reason: str = "") -> None:
        """Give an object's outcome to all its records."""
        # First: the ledger takes its records out of an object that it settles.
        self.log.became(item.references, outcome)
        super().settle(item, outcome, reason)

    def leave(self, items: Iterable[ProfileObject], *, lost: bool, reason: str, final: bool = False) -> None:
        """Settle objects that get no outcome any more with a reason of ours."""
        left = list(items)
        for item in left:
            self.log.became(item.references, UNKNOWN if lost else "not_sent")
        super().leave(left, lost=lost, reason=reason, final=final)

    def resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on where an earlier try was; of what that had sent beyond, some is not sent again."""
        super().resume(checkpoint)
        again = self.sent_again
        if "sent_again" in self.upper_bounds:
            again.most = 0
        elif again.beyond is not None:
            again.beyond = max(0, again.beyond - self.log.not_again)

    def may_go_again(self) -> None:
        """Note that a row is read which an earlier try may have sent, and this one may send, too."""
        if self.sent_again.most is not None:
            self.sent_again.most += 1

    def _holder(self, references: Sequence[RecordReference]) -> LedgerSegment:
        """Count an object of rows that may be sent but once with its first row: a later try does not send it again."""
        first = references[0]
        return (
            (first.segment or self._segments[-1])
            if isinstance(first, RowReference)
            else super()._holder(references)
        )


def _ranges(states: Mapping[int, str], read: int) -> dict[str, list[int]]:
    """Write ordinals as first, last, first, last ... of each state; beyond the most ranges, rows become unknown.

    :param states: in the order of the ordinals.
    :param read: what lies between two of the ordinals before it is no row that may be sent but once.
    """
    found: dict[str, list[int]] = {state: [] for state in _WRITTEN}
    last, before = -1, UNKNOWN
    ranges = 0
    for ordinal, state in states.items():
        if state == before and state != UNKNOWN and (ordinal < read or ordinal == last + 1):
            found[state][-1] = ordinal
        elif state != UNKNOWN:
            ranges += 1
            # What is not named is unknown, and so is never sent twice: the safe side, at the price of an outcome.
            if ranges > _MOST_RANGES:
                break
            found[state] += (ordinal, ordinal)
        last, before = ordinal, state
    return found


def _ordinals(ranges: list[int]) -> Iterator[int]:
    for first, last in zip(ranges[::2], ranges[1::2], strict=True):
        yield from range(first, last + 1)
