"""Rate and back-off: a pure object that is asked whether a request may go now, and if not, when.

Above: the loop of a push, and whoever sends single requests. Below: :class:`Share`, which knows of others that send.

It waits for nothing itself. Who sends asks :meth:`Limiter.ready_in`, then says :meth:`Limiter.take` when a request goes
out and :meth:`Limiter.answered` when it has ended, in whatever order requests end.

The burst limit is Braze's: at most three times ``requests_per_second`` in any 3 s as the server sees it. When a
request reaches the server is not known, only that it lies between sending and answer; so each request occupies
the window from when it is sent until 3 s after its answer, which can never let more through than the limit.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.limit_sharing import Share
from airflow_provider_braze.users_track.transport.long_window import LongWindow

SHORTEST_PAUSE = 0.5
"""Seconds to wait at least on a 429 that says nothing usable."""

LONGEST_GUESSED_PAUSE = 30.0
LONGEST_PAUSE = 2 * 3600.0
"""No header is believed beyond this: Braze's longest window is an hour."""

_CATCH_UP = 0.1
"""Seconds of pace that may be made up after a delay of ours, so that a late wake-up costs nothing."""

_CATCH_UP_TOGETHER = 0.02
"""The same where others share the limit: what is missed is made up for within the window anyway."""

_MANY = 100
"""Requests of a window from which on the last is never sent: its answer would say that nothing remains until the reset,
which is told in whole seconds, so that up to one of them would be lost each time."""

_LATEST = 2.0
"""Seconds at most that a push goes on later than was ordered: of a new hour, the others would use what is there."""

_FIRST, _FIRST_FEW, _GROWTH = 0.02, 4, 0.5
"""Part of what a window of 3 s holds, and requests, that may be in flight before the first answer; every other answer
allows one more. So several that start at the same moment know of each other before they have used up the limit, while
one alone has as many in flight as it needs at a round trip of 50 ms from the start, and after some at any."""

_MOST_DOUBLINGS = 6
_EPOCH = 1_000_000_000
_WRONG_CLOCK = 5.0
"""Seconds by which this machine's clock may differ from Braze's before Braze's is believed."""


class Limiter:
    """Says when the next request may go.

    :param requests_per_second: pace; no 3 s window holds more than three times as many.
    :param shards: how many shards of one push send at that pace together.
    :param clock: monotonic seconds.
    :param wall: seconds since the epoch, to read epoch headers.
    :param jitter: random number in [0, 1).
    :param after: that of a push which has just ended: what went out lately counts, and what Braze ordered holds.
    """

    def __init__(
        self,
        requests_per_second: float,
        *,
        shards: int = 1,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        after: Limiter | None = None,
    ) -> None:
        self._share: Share = after._share if after else Share(requests_per_second, shards)
        self._window = requests_per_second * limits.WINDOW_SECONDS
        self._clock, self._wall, self._jitter = clock, wall, jitter
        self._next_at = clock()
        # Before the first request there is nothing to make up for.
        self._catch_up = 0.0
        self._paused_until: float = after._paused_until if after else 0.0
        # A request is in one of the two from when it goes out until 3 s after it has ended; the latter holds when each
        # leaves it, the earliest first.
        self._unanswered = 0
        self._answered: deque[float] = deque(after._answered if after else ())
        self._refusals_in_a_row = 0
        # Requests that may be in flight: few until the first answers tell who else sends.
        self._may_fly: float = (
            after._may_fly if after else max(_FIRST_FEW, int(_FIRST * self._window / shards))
        )
        self.refusals = 0
        # Seconds in which something waited for the pace alone; who sends counts them.
        self.paced_seconds = 0.0
        # What is left of a pause is waited for here.
        self._paused_in_all = self.paused_for

    @property
    def long_window(self) -> LongWindow | None:
        """What the answers told of a limit of an hour; None where they told of none."""
        return self._share.long

    @property
    def paused_seconds(self) -> float:
        """Seconds of pause so far that Braze ordered."""
        return self._paused_in_all - self.paused_for

    @property
    def paused_for(self) -> float:
        """Seconds until the pause that Braze ordered is over; 0 when there is none."""
        return max(0.0, self._paused_until - self._clock())

    def ready_in(self) -> float | None:
        """Seconds until a request may go, 0 when one may go now; None where only an answer can make room."""
        now = self._clock()
        while self._answered and self._answered[0] <= now:
            self._answered.popleft()
        # Three answers to the same question, of which the latest holds: Braze's order, our pace, the others.
        wait = max(0.0, self._paused_until - now, self._next_at - now)
        wait = max(wait, self._share.hold(now, self._unanswered))
        if self._unanswered >= self._may_fly:
            # Held back on purpose: nothing of that is made up for.
            self._catch_up = 0.0
            return None
        if self._unanswered + len(self._answered) < self._most():
            return wait
        # What has no answer yet may reach the server at any time, so it occupies the window for as long.
        if not self._answered:
            return None
        return max(wait, self._answered[0] - now)

    def _most(self) -> int:
        """Most requests that may occupy the window of 3 s."""
        share = self._share
        window = self._window
        if share.told and share.alone and share.windows.seconds >= limits.WINDOW_SECONDS:
            window = min(window, share.windows.limit)
        # Where the answers tell what others use, the whole limit may be ours; else only a shard's part of it.
        if share.fixed.holds or not share.told:
            window /= share.fixed.shards
        most = max(1, int(window))
        return most - (most >= _MANY)

    def take(self) -> None:
        """Note that a request goes out now, as :meth:`ready_in` allowed; :meth:`answered` must follow."""
        now = self._clock()
        self._share.sent(now)
        # From when it was due, not from now: what a busy loop missed is made up for, but only so much of it.
        self._next_at = max(self._next_at, now - self._catch_up) + 1.0 / self._share.pace(now)
        self._catch_up = _CATCH_UP if self._share.alone else _CATCH_UP_TOGETHER
        self._unanswered += 1

    def answered(self, status: int | None = None, headers: Mapping[str, str] | None = None) -> None:
        """Note the end of a request, with what the answer says of the limit; no status means no answer."""
        now = self._clock()
        # Before anything is learned: the server counts a request until its own window is over, answered or not.
        self._unanswered -= 1
        self._may_fly += _GROWTH
        self._answered.append(now + limits.WINDOW_SECONDS)
        if status == 429:
            self._refused(headers or {}, now)
            return
        if status is not None:
            self._refusals_in_a_row = 0
        if headers and headers.get("X-RateLimit-Remaining"):
            self._heed(headers, now)
        else:
            self._share.answered_without_headers()

    def _heed(self, headers: Mapping[str, str], now: float) -> None:
        """Learn what is left of the limit, and pause when that is nothing."""
        if self._learn(headers, now) == 0:
            reset = self._reset(headers) or 0.0
            left = self._share.left(now)
            self._pause_until(now + (reset if left is None else min(left, reset)), now)

    def _learn(self, headers: Mapping[str, str], now: float, *, refused: bool = False) -> float | None:
        """Learn what the others use of the limit; give what is left of it, where the headers tell."""
        remaining = _number(headers.get("X-RateLimit-Remaining"))
        if remaining is not None:
            reset = self._reset(headers) or 0.0
            limit = _number(headers.get("X-RateLimit-Limit")) or 0.0
            until = _number(headers.get("X-RateLimit-Reset"))
            until = until if until is not None and until > _EPOCH else None
            self._share.observe(
                limit=limit,
                remaining=remaining,
                reset=reset,
                until=until,
                unanswered=self._unanswered,
                own=self._unanswered + len(self._answered),
                now=now,
                refused=refused,
            )
        return remaining

    def _refused(self, headers: Mapping[str, str], now: float) -> None:
        self.refusals += 1
        self._share.refused(now)
        self._learn(headers, now, refused=True)
        ordered = self.ordered_wait(headers)
        if ordered is None:
            # Requests that were in flight together are refused together: that is one refusal.
            self._refusals_in_a_row += now >= self._paused_until
            doublings = min(max(self._refusals_in_a_row - 1, 0), _MOST_DOUBLINGS)
            ordered = min(SHORTEST_PAUSE * 2**doublings, LONGEST_GUESSED_PAUSE)
        # A little later than ordered, and not all workers of a workspace at the same moment.
        self._pause_until(now + ordered + min(0.1 * ordered, _LATEST) * self._jitter(), now)

    def _pause_until(self, until: float, now: float) -> None:
        # Never shortened: of requests that were answered together, the longest order holds.
        if until > self._paused_until:
            # Only what comes on top: pauses that overlap were waited for once.
            self._paused_in_all += until - max(now, self._paused_until)
            self._paused_until = until
            self._next_at = max(self._next_at, until)

    def ordered_wait(self, headers: Mapping[str, str]) -> float | None:
        """Seconds that a 429's headers order to wait: ``X-Ratelimit-Retry-After``, ``Retry-After`` or the reset."""
        # A wait of 0 is an order too: whatever a later header says of its window, Braze may be asked again.
        for wait in (_number(headers.get("X-Ratelimit-Retry-After")), self._retry_after(headers)):
            if wait is not None and wait >= 0:
                return min(max(wait, SHORTEST_PAUSE), LONGEST_PAUSE)
        reset = self._reset(headers)
        return min(max(reset, SHORTEST_PAUSE), LONGEST_PAUSE) if reset else None

    def _retry_after(self, headers: Mapping[str, str]) -> float | None:
        value = headers.get("Retry-After")
        seconds = _number(value)
        if seconds is not None:
            return seconds
        at = _moment(value)
        return None if at is None else at - self._server_time(headers)

    def _reset(self, headers: Mapping[str, str]) -> float | None:
        """Seconds until the window resets; contracts differ in epoch seconds or seconds left."""
        value = _number(headers.get("X-RateLimit-Reset"))
        if value is None:
            return None
        left = value - self._server_time(headers) if value > _EPOCH else value
        return min(max(0.0, left), LONGEST_PAUSE)

    def _server_time(self, headers: Mapping[str, str]) -> float:
        """Seconds since the epoch, by Braze's clock where ours is plainly wrong."""
        ours, theirs = self._wall(), _moment(headers.get("Date"))
        return ours if theirs is None or abs(theirs - ours) < _WRONG_CLOCK else theirs


@lru_cache(maxsize=16)
def _moment(value: str | None) -> float | None:
    """Read an HTTP date as seconds since the epoch; hundreds of answers carry the same one."""
    try:
        at = parsedate_to_datetime(value) if value else None
        # "-0000" means UTC, though it is read as a time without a zone.
        return None if at is None else at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    """Read a header's number; Braze sends empty ones on a 401."""
    try:
        number = float(value) if value else None
    except ValueError:
        return None
    return number if number is not None and 0 <= number < float("inf") else None
