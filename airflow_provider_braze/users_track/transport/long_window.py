"""A limit that is counted in a window of minutes or an hour, as Braze's contracts by monthly active users have it.

Such headers tell nothing of how fast may be sent; that is the connection's ``requests_per_second``, the workspace's
for all pushes together. But what is used tells who else sends: looked at in intervals of a few seconds, the long window
is shared as short ones are. Who sends as fast as all others uses as much of the hour as each of them. And since it only
ever falls, what remains tells what all have sent in any last seconds.

Braze's pages call what remains approximate. It is believed only where it falls with each own answer; a number that
stands still while requests are answered says nothing of others. It may stand still while they are refused: what goes
over the burst limit uses nothing of the hour.

Above: how fast to send. Below: nothing.
"""

from __future__ import annotations

import math
from collections import deque

from airflow_provider_braze.users_track.rules import limits

_INTERVAL = limits.WINDOW_SECONDS
"""Seconds of an interval. All pushes count them back from the end of the window, so that they have the same ones."""

_APART_IN_HISTORY = 0.01
"""Seconds between two entries of the history at least, which bounds it to 300."""

_APART = 2.0
"""Seconds by which the ends of two windows differ at least; where whole seconds are told, one end differs by one."""

_ENOUGH = 5
"""Answers with which what remains must have fallen, to be believed; and that may tell the same one after the other."""

_ASKS = 0.5
"""Seconds after which somebody asks whether anything remains."""


class LongWindow:
    """What the answers tell of it. All times are monotonic seconds."""

    def __init__(self) -> None:
        self.limit = self.remaining = 0.0
        """Requests that all may send in the window, and that remain of it."""
        self.ends = float("-inf")
        self._told_at = float("-inf")
        self._last = float("nan")
        self._fallen = self._same = 0
        self._is_vague = False
        self._number: int | None = None
        self._base = 0.0
        self._history: deque[tuple[float, float]] = deque()
        """Times, and how many requests all pushers had sent by then in this window."""

    @property
    def is_exact(self) -> bool:
        """Whether what remains is counted request by request, so that it tells what others use."""
        return self._fallen >= _ENOUGH and not self._is_vague

    def observe(
        self, limit: float, remaining: float, reset: float, now: float, *, refused: bool = False
    ) -> bool:
        """Take the headers of an answer; False for one of a window that is over.

        :param reset: seconds until the window ends.
        :param refused: it is a 429, be it that of another limit.
        """
        ends = now + reset
        if ends < self.ends - _APART:
            return False
        if ends > self.ends + _APART:
            self._history.clear()
            if self.limit:
                # A new window, of which nothing was used when it began.
                self._history.append((now, 0.0))
            self.ends, self.remaining, self._number = ends, remaining, None
        self.ends = min(self.ends, ends)
        if not refused:
            # Of one that is used up, everybody is told the same.
            self._same = self._same + 1 if 0 < remaining == self._last else 0
            self._is_vague = self._is_vague or self._same >= _ENOUGH
            self._fallen += remaining < self.remaining
            self._last = remaining
        self.limit, self.remaining = limit, min(self.remaining, remaining)
        self._told_at = now
        return True

    def interval(self, now: float) -> tuple[float, float]:
        """Tell what was used in the present interval, and when that began."""
        number = math.floor((self.ends - now) / _INTERVAL)
        used = self.limit - self.remaining
        if number != self._number:
            # The answer that is looked at belongs to the new interval.
            self._number, self._base = number, used - 1
        return used - self._base, self.ends - (number + 1) * _INTERVAL

    def note(self, now: float, in_flight: float) -> None:
        """Keep what was used by now for :meth:`sent_lately`.

        :param in_flight: requests of all pushers that are on their way.
        """
        history, used = self._history, self.limit - self.remaining
        if not history:
            # Before the first answer nothing is known; the request that it answers was sent.
            history.append((now, used - 1))
        if now - history[-1][0] >= _APART_IN_HISTORY:
            history.append((now, used + in_flight))

    def sent_lately(self, now: float, in_flight: float) -> tuple[float, float]:
        """Tell how many requests all pushers have sent in the last 3 s, and in how many seconds that will be less.

        :param in_flight: requests of all pushers that are on their way.
        """
        history = self._history
        while len(history) > 1 and history[1][0] <= now - _INTERVAL:
            history.popleft()
        if not history:
            return 0.0, 0.0
        less_in = history[1][0] + _INTERVAL - now if len(history) > 1 else _ASKS
        return self.limit - self.remaining + in_flight - history[0][1], less_in

    def hold(self, now: float, unanswered: int, others: float) -> float:
        """Seconds to wait because what is on its way may use up the window; 0 where it is not known to.

        :param others: requests that others may have sent since the last answer.
        """
        since = now - self._told_at
        if now >= self.ends or since > _ASKS or self.remaining - unanswered - others >= 1.0:
            return 0.0
        # Nothing is on its way: the others may have stopped, which only an answer tells.
        return 0.0 if not unanswered and others < 1.0 <= self.remaining else _ASKS
