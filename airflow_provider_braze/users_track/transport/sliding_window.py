"""A limit that is counted in a sliding window, that is in any 3 s, shared with other pushers.

Each pusher knows its own requests in the window, and from ``X-RateLimit-Remaining`` those of all. It sends on at its
own part of what all together may send: when all do so, the sum is the limit, whoever they are and however many.
A little is added to each part, so that large ones shrink and small ones grow until they are alike.

Above: how a limit is shared. Below: the limits.
"""

from __future__ import annotations

from airflow_provider_braze.users_track.rules import limits

_CROWDED = 0.8
"""Part of the limit in use from which on the headers tell who uses it."""

_OTHERS = 0.05
"""Part of the limit that others must use to be noticed: answers come late, so that less may be an error."""

_AIM = 0.9
"""Part of the limit that all use together: what is missing is for those who come, and for late answers."""

_ADDED = 0.02
"""Part of the limit that is added to each one's own."""

_GONE = 1.4 * limits.WINDOW_SECONDS
"""Seconds without a crowd after which the others seem to be gone."""

_REMEMBERED = 30.0
"""Seconds after a refusal in which there are others for sure, however few they seem to be."""

_GROWTH = 0.25
"""By how much the pace grows in each second after that."""


class SlidingWindowPace:
    """How fast to send, when others send too.

    :param pace: requests a second when nobody else does; never exceeded.
    """

    def __init__(self, pace: float) -> None:
        self.pace = self._most = pace
        self._crowded_at = self._refused_at = float("-inf")

    def refused(self, now: float) -> None:
        """Learn from a 429: alone one is never refused."""
        self._refused_at = now

    def observe(self, *, limit: float, remaining: float, own: int, now: float) -> None:
        """Learn from an answer.

        :param limit: ``X-RateLimit-Limit``.
        :param remaining: ``X-RateLimit-Remaining``.
        :param own: own requests in the window, the newest included.
        :param now: monotonic second.
        """
        used = limit - remaining
        if used >= _CROWDED * limit:
            self._crowded_at = now
            if used - own > _OTHERS * limit or now - self._refused_at < _REMEMBERED:
                mine = min(own / used, 1.0) + _ADDED
                self.pace = min(self._most, mine * _AIM * limit / limits.WINDOW_SECONDS)
            else:
                self.pace = self._most
        elif self.pace < self._most and now - self._crowded_at > _GONE:
            self.pace = min(self._most, self.pace * (1 + _GROWTH * (now - self._crowded_at - _GONE)))
            self._crowded_at = now - _GONE
