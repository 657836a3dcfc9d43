"""Rows that may be sent but once, and what is known of those beyond the settled beginning when a try ends or is killed.

Events, purchases and increments count each time. So before one of them goes out, a checkpoint says that it may have
gone: a later try does not send it again, even when this one was killed before it could tell what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_braze.users_track.account import Account, Sink
from airflow_provider_braze.users_track.batches import Origin, Outgoing

_MOST_RANGES = 1000
"""Ranges of rows in a checkpoint, which has to fit Airflow's task state store (65,535 bytes)."""

MAY_HAVE, NEVER = "unknown", ""
_BROUGHT = ("accepted", "merged")


class Handed:
    """Which rows Braze has, may have, or surely has not, by their ordinal.

    Of the rows below the ``mark``, Braze has those accepted and merged, has not the free ones, and may have any other.

    :param earlier: what an earlier try has written.
    """

    def __init__(self, earlier: Mapping[str, Any] | None = None) -> None:
        self._before = 0 if earlier is None else int(earlier["mark"])
        self._brought = {outcome: _ordinals(earlier[outcome]) if earlier else set() for outcome in _BROUGHT}
        self._free = _ordinals(earlier["free"]) if earlier else set()
        self._free_before = frozenset(self._free)
        self._announced = 0
        # Handed out by this try, without an outcome: ordinals by the line of the record.
        self._under_way: dict[int, int] = {}
        self._lost: set[int] = set()
        self.not_again = int(earlier["not_again"]) if earlier else 0

    @property
    def announced(self) -> int:
        """The first row that no checkpoint of this try says anything about."""
        return self._announced

    def before(self, ordinal: int) -> str:
        """Tell what earlier tries have made of a row."""
        if ordinal >= self._before or ordinal in self._free_before:
            return NEVER
        return next((outcome for outcome in _BROUGHT if ordinal in self._brought[outcome]), MAY_HAVE)

    def announce(self, until: int) -> None:
        """Say that the rows up to there may be handed out from now on."""
        self._free -= {ordinal for ordinal in self._free if self._announced <= ordinal < until}
        self._announced = until

    def hand_out(self, line: int, ordinal: int) -> None:
        """Note that a row is about to be sent."""
        # Two rows of one line, in a rejects file that was mended by hand: of the second, nothing will be known.
        self._under_way.setdefault(line, ordinal)
        self._free.discard(ordinal)

    def pass_over(self, ordinal: int) -> None:
        """Note that a row is none of these: it only lies between them."""
        if ordinal < self._before:
            for ordinals in (*self._brought.values(), self._free):
                ordinals.discard(ordinal)

    def leave_alone(self, ordinal: int) -> None:
        """Note that a row, which an earlier try may have sent, is not sent."""
        self._lost.add(ordinal)

    def became(self, origins: Iterable[Origin], outcome: str) -> None:
        """Take the outcome of an object's rows: of an accepted object one is accepted, the others merged."""
        for place, origin in enumerate(origins if self._under_way else ()):
            ordinal = self._under_way.pop(origin.line, None)
            if ordinal is None:
                continue
            if outcome == "accepted":
                self._brought["merged" if place else "accepted"].add(ordinal)
            elif outcome == "unknown":
                self._lost.add(ordinal)
            else:
                self._free.add(ordinal)

    def forget(self, settled: int) -> None:
        """Forget the rows that are settled."""
        for ordinals in (*self._brought.values(), self._free, self._lost):
            ordinals -= {ordinal for ordinal in ordinals if ordinal < settled}

    def end(self, read: int) -> None:
        """Say that nothing beyond what was read has been handed out, or will be."""
        self._announced = read
        self._free |= {ordinal for ordinal in self._free_before if ordinal >= read}

    def as_dict(self, account: Account, read: int) -> dict[str, Any]:
        """Write it as JSON.

        :param read: rows that this try has read.
        """
        settled = account.settled
        self.forget(settled.records)
        known = _ranges(
            {**self._brought, "free": self._free, MAY_HAVE: self._lost.union(self._under_way.values())}
        )
        known.pop(MAY_HAVE)
        if sum(map(len, known.values())) > 2 * _MOST_RANGES:
            # Nothing is lost by it, and nothing sent twice: more of them count as unknown.
            known = {name: [] for name in known}
        brought = sum(map(len, self._brought.values()))
        return {
            "mark": max(self._before, self._announced, read),
            **known,
            "not_again": brought + len(self._lost) + len(self._under_way),
        }


class RowsAccount(Account):
    """An account that notes what became of rows that may be sent but once.

    :param handed: where.
    """

    def __init__(self, sink: Sink, handed: Handed) -> None:
        super().__init__(sink)
        self.handed = handed

    def settle(self, item: Outgoing, outcome: str, reason: str = "") -> None:
        """Give an object's outcome to all its records."""
        self.handed.became(item.origins, outcome)
        super().settle(item, outcome, reason)

    def leave(self, items: Iterable[Outgoing], *, lost: bool, reason: str, final: bool = False) -> None:
        """Settle objects that get no outcome any more with a reason of ours."""
        left = list(items)
        for item in left:
            self.handed.became(item.origins, "unknown" if lost else "not_sent")
        super().leave(left, lost=lost, reason=reason, final=final)

    def resume(self, checkpoint: Mapping[str, Any]) -> None:
        """Go on where an earlier try was; of what that had sent beyond, some is not sent again."""
        super().resume(checkpoint)
        before = checkpoint["sent_again"]
        self.sent_again = max(before, self.sent_again - self.handed.not_again)


def _ranges(named: Mapping[str, set[int]]) -> dict[str, list[int]]:
    """Write ordinals as first, last, first, last ...; what lies between them, and is in no set, does not matter."""
    found: dict[str, list[int]] = {name: [] for name in named}
    before = None
    for ordinal, name in sorted((ordinal, name) for name, ordinals in named.items() for ordinal in ordinals):
        if name == before:
            found[name][-1] = ordinal
        else:
            found[name] += (ordinal, ordinal)
        before = name
    return found


def _ordinals(ranges: list[int]) -> set[int]:
    return {
        ordinal
        for first, last in zip(ranges[::2], ranges[1::2], strict=True)
        for ordinal in range(first, last + 1)
    }
