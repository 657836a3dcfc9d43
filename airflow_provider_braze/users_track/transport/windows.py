"""The windows of a limit, as the headers of answers show them: when one began, and what was used in it by whom.

Above: how a limit is shared. Below: the limits.
"""

from __future__ import annotations

from airflow_provider_braze.users_track.rules import limits

_ON_ITS_WAY = 0.1
"""Seconds that an answer may take to come."""

_DOUBTFUL, _MUCH, _DOUBTS = (0.35, 0.5), 0.6, 2
"""Parts of a window in which so much of the limit must be used, without having fallen, in so many windows one after
the other, for them to be no windows at all."""

_FALLEN, _FALLEN_FAR = 0.5, 0.25
"""What remains of what was used when a window begins, at most; and where none was seen beginning so far."""

_APART = 0.4
"""Part of a window that lies at least between the first answers of one and the next."""

_LATELY = 1.5
"""Seconds between two answers in which only a window that begins makes that difference."""

_FRESH = 0.3
"""Part of a window in which answers of the one before may still come."""


class Windows:
    """Notices that a window has begun by this: suddenly hardly anything of the limit is used.

    All times are monotonic seconds.
    """

    def __init__(self) -> None:
        self.limit = 0.0
        self.seconds = limits.WINDOW_SECONDS
        """Length of a window; Braze's until one was seen beginning."""
        self.began: float | None = None
        """When some window began, the present one or one before; None until one was seen beginning."""
        self.used = self.used_before = 0.0
        """Most that was used in the present window, and in the one before."""
        self.own = 0
        """Own requests of the present window that were answered."""
        self.slides = False
        """Whether the limit is counted in any seconds, and not in windows one after the other."""
        self._doubted, self._doubts = -1, 0
        self._longest = 0.0
        self._passed = 0
        self._began_here = float("-inf")
        self._until: float | None = None
        self._answered_at = float("-inf")

    @property
    def rate(self) -> float:
        """Requests a second that the limit allows to all together."""
        return self.limit / self.seconds

    def phase(self, now: float) -> float:
        """Seconds since the present window began, as far as is known."""
        return (now - self.began) % self.seconds if self.began is not None else 0.0

    def number(self, now: float) -> int:
        """Number the windows, so that one can be told from the next."""
        return self._passed + int((now - self.began) // self.seconds) if self.began is not None else -1

    def is_known(self, now: float) -> bool:
        """Whether an answer of the present window has come, or no window was seen beginning yet."""
        return self.began is None or self.number(self._began_here) == self.number(now)

    def observe(self, used: float, reset: float, until: float | None, unanswered: int, now: float) -> bool:
        """Take the headers of an answer; whether they are the first of a new window.

        :param used: requests of all in the window.
        :param reset: seconds until it ends.
        :param until: the same as seconds since the epoch, where the header tells it so.
        :param unanswered: own requests that are on their way.
        """
        if until is None:
            self._longest = max(self._longest, reset)
        self._doubt(used, now)
        fallen = _FALLEN if self.began is not None else _FALLEN_FAR
        lately = now - self._answered_at < max(_LATELY, 0.5 * self.seconds)
        # Right after it has begun answers come in any order, and each but the first seems to be another.
        lately = lately and now - self._began_here > _APART * self.seconds
        if not self.slides and lately and used < fallen * self.used - 1:
            self._turn(used, reset, until, now)
            self._answered_at = now
            return True
        far = max(_FALLEN * self.used_before, self.used + unanswered + 2)
        if now - self._began_here < _FRESH * self.seconds and used > far:
            # One of the window before, overtaken by answers of this one.
            return False
        self._until, self._answered_at = until, now
        self.used = max(self.used, used)
        self.own += 1
        if until is None and self.began is not None:
            self._round_up(now + reset, now)
        return False

    def follow(self, used: float, began: float, now: float) -> bool:
        """Take what an answer tells of windows whose beginnings are known; whether it is the first of a new one.

        :param used: requests of all in the window.
        :param began: when it began.
        """
        turned = self.began is None or began - self.began > 0.5 * self.seconds
        self._set(began)
        if turned:
            self.used_before, self.used, self.own = self.used, used, 1
            self._began_here = now
            return True
        self.used = max(self.used, used)
        self.own += 1
        return False

    def _round_up(self, ends: float, now: float) -> None:
        """Learn from whole seconds, rounded up: the window ends before that, or right then."""
        began = ends - self.seconds
        ours = now - self.phase(now)
        if began < ours:
            self._set(began)

    def _set(self, began: float) -> None:
        """Correct when windows begin, without numbering them anew."""
        if self.began is not None:
            self._passed += round((began - self.began) / self.seconds)
        self.began = began

    def _doubt(self, used: float, now: float) -> None:
        """Believe no longer in windows one after the other where much is used soon after one should have begun."""
        number = self.number(now)
        if number < 0 or number == self._doubted:
            return
        if self.number(self._began_here) == number:
            self._doubts = 0
            return
        if _DOUBTFUL[0] <= self.phase(now) / self.seconds <= _DOUBTFUL[1] and used > _MUCH * self.limit:
            self._doubted, self._doubts = number, self._doubts + 1
            if self._doubts >= _DOUBTS:
                self.slides, self.began = True, None

    def _turn(self, used: float, reset: float, until: float | None, now: float) -> None:
        if until is not None and self._until is not None:
            # Where a window went by unseen, several seem to be one.
            seconds = until - self._until if self.began is None else min(self.seconds, until - self._until)
        else:
            seconds = self._longest
        if 0 < seconds != self.seconds:
            self.seconds, self.began = seconds, None
        # It began after the last answer of the one before, but for its way, and before its own first one came. Where
        # the header names a moment in between, that is it; else the earliest of all windows is nearest to the truth.
        told = now - self.seconds + reset
        if until is not None and self._answered_at - _ON_ITS_WAY <= told <= now:
            self._set(told)
        elif self.began is None or self.phase(now) > 0.5 * self.seconds:
            self._set(now)
        self.used_before, self.used, self.own = self.used, used, 1
        self._began_here, self._until = now, until
