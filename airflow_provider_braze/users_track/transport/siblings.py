"""The shards of one push, which know of each other without a word: each keeps to its part of the limit, evenly.

So nothing is lost to counting heads. That holds as long as the limit is theirs alone and all of them send: a refusal,
requests that none of them can have sent, or room that one of them leaves, and they share as strangers do.

Above: the share of a limit. Below: nothing.
"""

from __future__ import annotations

from airflow_provider_braze.users_track.rules import limits

_STRANGE = 0.08
"""Part of the limit by which others may seem to use more than they do: answers tell it late."""

_NEARLY = 0.9
"""Part of what may be used from which on it counts as used."""

_PATIENCE = 2
"""Spans of 3 s with room after which a shard has ended, or has not begun."""


class Siblings:
    """Says whether the shards of a push are all, and only they, on a limit.

    :param number: how many they are, this one included; one has no siblings.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.are_alone = number > 1
        """Whether each keeps to its part; once it does not, it never does again."""
        self._since: float | None = None
        self._by_others = float("inf")
        self._used = self._own = 0.0
        self._with_room = 0

    def observe(
        self, *, used: float, own: float, others: float, allowed: float, elapsed: float, now: float
    ) -> float | None:
        """Learn from an answer; give how many share the limit when they are no longer alone.

        :param used: requests of all in the window of the limit.
        :param own: own requests in as many seconds.
        :param others: requests of others in the present window, at least.
        :param allowed: requests of all shards in a window of the limit.
        :param elapsed: part of the window that is over.
        :param now: monotonic second.
        """
        part = allowed / self.number
        if others > (self.number - 1) * part * elapsed + _STRANGE * allowed:
            return self.number + 1.0
        self._used, self._own = max(self._used, used), max(self._own, own)
        self._since = now if self._since is None else self._since
        if now - self._since < limits.WINDOW_SECONDS:
            return None
        # One that is slow itself leaves room, and needs none; where they use more and more, the others just begin.
        has_room = self._used < _NEARLY * allowed and self._own > _NEARLY * part
        by_others = self._used - self._own
        grows = by_others > self._by_others + _STRANGE * allowed
        self._with_room = self._with_room + 1 if has_room and not grows else 0
        self._since, self._by_others, self._used, self._own = now, by_others, 0.0, 0.0
        return None if self._with_room < _PATIENCE else 1.0
