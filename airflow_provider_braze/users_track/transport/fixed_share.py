"""The fixed share of a shard: the shards of one push know how many they are, so each keeps to its n-th of the limit.

Nothing is lost to counting. That holds as long as the limit is theirs alone and all of them send: a 429, requests that
none of them can have sent, or room that one of them leaves, and they share as all other pushers do.

Above: how a limit is shared. Below: nothing.
"""

from __future__ import annotations

from airflow_provider_braze.users_track.rules import limits

_TOLERANCE = 0.08
"""Part of the limit by which the other shards may seem to use more than they do: answers tell it late."""

_NEARLY = 0.9
"""Part of what may be used from which on it counts as used."""

_PATIENCE = 2
"""Spans of 3 s with room after which a shard has ended, or has not begun."""


class FixedShare:
    """Says whether all shards of a push, and only they, use a limit.

    :param shards: how many they are, this one included; a push without shards has no fixed share.
    """

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self.holds = shards > 1
        """Whether each keeps to its part; once it does not, it never does again."""
        self._since: float | None = None
        self._by_others = float("inf")
        self._used = self._own = 0.0
        self._with_room = 0

    def observe(
        self, *, used: float, own: float, others: float, allowed: float, elapsed: float, now: float
    ) -> float | None:
        """Learn from an answer; give how many share the limit when the fixed share holds no longer.

        :param used: requests of all in the window of the limit.
        :param own: own requests in as many seconds.
        :param others: requests of others in the present window, at least.
        :param allowed: requests of all shards in a window of the limit.
        :param elapsed: part of the window that is over.
        :param now: monotonic second.
        """
        part = allowed / self.shards
        if others > (self.shards - 1) * part * elapsed + _TOLERANCE * allowed:
            return self.shards + 1.0
        self._used, self._own = max(self._used, used), max(self._own, own)
        self._since = now if self._since is None else self._since
        if now - self._since < limits.WINDOW_SECONDS:
            return None
        # One that is slow itself leaves room, and needs none; where they use more and more, the others just begin.
        has_room = self._used < _NEARLY * allowed and self._own > _NEARLY * part
        by_others = self._used - self._own
        grows = by_others > self._by_others + _TOLERANCE * allowed
        self._with_room = self._with_room + 1 if has_room and not grows else 0
        self._since, self._by_others, self._used, self._own = now, by_others, 0.0, 0.0
        return None if self._with_room < _PATIENCE else 1.0
