"""A workspace's rate limit shared with other pushers, by what the headers of Braze's answers tell and nothing else.

A *pusher* is whoever sends: another push, on whatever worker, or another tool. Braze counts in *windows* of a few
seconds, and each answer tells what remains of the present one. From that a pusher knows how many share the limit
(``pusher_count``), and so its *quota*, its equal part of what all together should send in a window:

- alone, it sends at the full pace, and never slows down;
- with others, it sends at the probe pace in the probe phase of a window, so that all can count, and spreads the rest of
  its quota over the rest of the window;
- shortly before nothing remains of the window, all hold until the next one begins, so that hardly anything is refused;
- what some leave of their quota, because they are slow, raises everybody's quota.

Who has just started sends only a few requests before the first answers come (``limiter``), and then takes itself for
one of as many as the probe pace has room for, until it has counted.

There are three other cases. Of a limit of an hour (``long_window``), the headers say nothing of how fast may be sent:
the hour is looked at in intervals of 3 s, each used like a window, and as nobody knows when the windows of the burst
limit begin, all hold as soon as the last 3 s, whenever they began, are full. A limit that is counted in any 3 s,
without windows, has a pace of its own (``sliding_window``). And the shards of one push know how many they are, so each
keeps to a fixed share as long as nobody else is seen (``fixed_share``).

Above: the limiter. Below: the count of pushers, the windows of a limit, the other cases.
"""

from __future__ import annotations

from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.fixed_share import FixedShare
from airflow_provider_braze.users_track.transport.long_window import LongWindow
from airflow_provider_braze.users_track.transport.pusher_count import (
    PROBE_BEGINS,
    PROBE_ENDS,
    PROBE_PACE,
    PusherCount,
)
from airflow_provider_braze.users_track.transport.sliding_window import SlidingWindowPace
from airflow_provider_braze.users_track.transport.windows import Windows

_TARGET = 0.95
"""Part of the limit that all use together: what is missing is for those who come."""

_MOST_IN_3_SECONDS = 0.97
"""Part of the burst limit from which on pushers that share an hour hold, because headers tell late what is used."""

_FASTER_THAN_QUOTA, _FASTER_THAN_ALONE = 2.0, 1.5
"""Times the even pace of its quota, and times ``most``, that a pusher sends at most for a part of a window, to make up
for what it sent less before; the limiter counts, too."""

_SHORT_WINDOW = 0.985
"""Part of the limit that one alone uses where a window is shorter than Braze's, and a round trip much of it."""

_MOST_RAISED, _RAISED_BY = 1.4, 0.7
"""Times by which quotas are raised at most from one window to the next, and part of that which is done at once."""

_SMOOTHING = 0.1
"""Part that each answer has in the number of own requests in flight, which stands for that of the others, too."""

_LEAST = 0.1
"""Part of its quota that one sends in its first window at least, or it could not count."""

_NEARLY_OVER = 0.1
"""Seconds before the end of one's first window from which on its quota is no longer looked at."""

_ASKS = 0.5
"""Seconds after which one who has seen no window beginning asks again whether anything remains."""

_MARGIN = 0.01
"""Seconds that one waits longer than until a window begins, so that nothing is sent before."""

_SURE = 1.5
"""Windows after which one would have been seen beginning."""

_LONGEST_WINDOW = limits.WINDOW_SECONDS + 1
"""Seconds until a reset beyond which the headers tell of a window of an hour, or of minutes."""


class Share:
    """How fast to send, when others may send too.

    :param most: requests a second when nobody else does; not exceeded in any window.
    :param shards: how many shards of its push send, too: until an answer tells of the limit, and where none ever does,
        it keeps to its part of ``most``.
    """

    def __init__(self, most: float, shards: int = 1) -> None:
        self.most = most
        self.fixed = FixedShare(shards)
        self.windows = Windows()
        self.long: LongWindow | None = None
        """The window of an hour, where the headers tell of one; ``windows`` are its intervals then."""
        self.pushers = PusherCount()
        self._sliding = SlidingWindowPace(most)
        self._raised = 1.0
        """Times its equal part of the limit that a quota is, because some leave a part of theirs."""
        self._most_used = 0.0
        self._sent, self._sent_in = 0, 0
        self._started, self._sent_since_start = float("inf"), 0
        self._remaining = self._remaining_at = 0.0
        self._in_flight = 0.0
        self._ends = self._first_answer_at = float("inf")

    @property
    def told(self) -> bool:
        """Whether the answers tell what of a limit all together use in a few seconds."""
        return self.windows.limit > 0

    @property
    def alone(self) -> bool:
        """Whether nobody else was seen lately."""
        return self.pushers.alone

    def pace(self, now: float) -> float:
        """Requests a second to send at now."""
        windows = self.windows
        if not self.told:
            return self.most / self.fixed.shards
        if self.fixed.holds:
            return min(self.most, windows.rate) / self.fixed.shards
        if self._slides(now):
            return self._sliding.pace
        if self.alone:
            is_short = windows.seconds < limits.WINDOW_SECONDS
            return min(self.most, windows.rate * (_SHORT_WINDOW if is_short else 1.0))
        probe, even = PROBE_PACE * windows.rate, _TARGET * windows.rate / self.pushers.number * self._raised
        if windows.began is None:
            # Nobody knows when to probe.
            return min(self.most, max(probe, even))
        if self._probes(now):
            return min(self.most, probe)
        return self._pace_of_quota(even, probe, now)

    def _probes(self, now: float) -> bool:
        """Whether it is the probe phase of a window."""
        return PROBE_BEGINS <= self.windows.phase(now) / self.windows.seconds < PROBE_ENDS

    def _pace_of_quota(self, even: float, probe: float, now: float) -> float:
        """Spread what is left of the quota over what is left of the window, except for the probe phase.

        :param even: pace of the quota over a whole window.
        :param probe: the probe pace.
        """
        windows, quota = self.windows, even * self.windows.seconds
        if self.pushers.has_just_started:
            # Its first window begins with its first request, whichever window of the limit that was in.
            left = self._started + windows.seconds - now
            return (
                min(self.most, max(quota - self._sent_since_start, 1.0) / left)
                if left > _NEARLY_OVER
                else even
            )
        phase = windows.phase(now) / windows.seconds
        unsent, left = quota - self._sent, 1.0 - phase
        if phase < PROBE_BEGINS:
            unsent -= probe * (PROBE_ENDS - PROBE_BEGINS) * windows.seconds
            left -= PROBE_ENDS - PROBE_BEGINS
        evenly = max(unsent, 1.0) / (left * windows.seconds)
        return min(_FASTER_THAN_ALONE * self.most, evenly, _FASTER_THAN_QUOTA * even)

    def hold(self, now: float, unanswered: int) -> float:
        """Seconds to wait because what is on its way may use up what remains; 0 where it is enough.

        :param unanswered: own requests that are on their way; of the others it is assumed that they have as many.
        """
        windows, since, number = self.windows, now - self._remaining_at, self.pushers.number
        by_others = (1.0 - 1.0 / number) * windows.rate * since
        by_others += (number - 1.0) * max(self._in_flight, 0.5 * unanswered)
        if self.long is not None:
            return self.long.hold(now, unanswered, by_others) or self._hold_burst(now, unanswered)
        if self.alone or now >= self._ends or self._slides(now) or not windows.is_known(now):
            return 0.0
        if windows.began is None and since > _ASKS:
            return 0.0
        if self._remaining - unanswered - by_others >= 1.0:
            return 0.0
        return _ASKS if windows.began is None else windows.seconds - windows.phase(now) + _MARGIN

    def _hold_burst(self, now: float, unanswered: int) -> float:
        """Seconds to wait because all pushers of an hour may have sent what the burst limit takes in 3 s."""
        if self.long is None or not self.long.is_exact or self.alone or self._probes(now):
            # Who holds in the probe phase is not counted.
            return 0.0
        number = self.pushers.number
        sent, less_in = self.long.sent_lately(now, unanswered + (number - 1.0) * self._in_flight)
        # Each of the others may send one at this very moment.
        most = _MOST_IN_3_SECONDS * self.most * limits.WINDOW_SECONDS - number
        return less_in if sent > most else 0.0

    def _slides(self, now: float) -> bool:
        """Whether the limit seems to be counted in any seconds: no window was seen beginning."""
        windows = self.windows
        return windows.slides or (
            windows.began is None and now - self._first_answer_at > _SURE * windows.seconds
        )

    def sent(self, now: float) -> None:
        """Note that a request goes out."""
        number = self.windows.number(now)
        if number != self._sent_in:
            self._sent, self._sent_in = 0, number
        self._sent += 1
        self._started = min(self._started, now)
        self._sent_since_start += 1

    def answered_without_headers(self) -> None:
        """Note the end of a request that may have been counted, without an answer that tells of the limit."""
        self.windows.own += 1

    def refused(self, now: float) -> None:
        """Learn from a 429: there are more pushers than were counted."""
        self._sliding.refused(now)
        self._end_fixed(self.fixed.shards)
        self.pushers.refused(self.windows.number(now))

    def left(self, now: float) -> float | None:
        """Seconds until the present window of seconds ends; None where none was seen beginning."""
        if self.long is not None or self.windows.began is None:
            return None
        return self.windows.seconds - self.windows.phase(now)

    def observe(
        self,
        *,
        limit: float,
        remaining: float,
        reset: float,
        until: float | None,
        unanswered: int,
        own: int,
        now: float,
        refused: bool = False,
    ) -> None:
        """Learn from an answer.

        :param limit: ``X-RateLimit-Limit``.
        :param remaining: ``X-RateLimit-Remaining``.
        :param reset: seconds until the limit's window resets.
        :param until: when that is in seconds since the epoch, where the header tells it so.
        :param unanswered: own requests that are on their way.
        :param own: own requests in the last 3 s, those included.
        :param now: monotonic second.
        :param refused: it is a 429.
        """
        if limit <= 0:
            return
        self._in_flight += _SMOOTHING * (unanswered - self._in_flight)
        if reset > _LONGEST_WINDOW or self.long is not None:
            # Also in its last seconds.
            self._observe_long(limit, remaining, reset, unanswered, now, refused=refused)
            return
        windows = self.windows
        windows.limit = limit
        self._first_answer_at = min(self._first_answer_at, now)
        self._sliding.observe(limit=limit, remaining=remaining, own=own, now=now)
        self._ends = now + reset
        used, others = windows.used, windows.used - windows.own - unanswered
        if windows.observe(limit - remaining, reset, until, unanswered, now):
            self._new_window(used, others, now)
        self._remaining, self._remaining_at = limit - windows.used, now
        if self.fixed.holds:
            self._look_for_others(limit - remaining, own, now)
        else:
            self.pushers.observe(windows, unanswered, now)

    def _observe_long(
        self, limit: float, remaining: float, reset: float, unanswered: int, now: float, *, refused: bool
    ) -> None:
        """Learn from an answer that tells of an hour: in its intervals, all share what one alone would send."""
        if self.long is None:
            self.long, self.windows = LongWindow(), Windows()
            self._end_fixed(1.0)
        if not self.long.observe(limit, remaining, reset, now, refused=refused):
            return
        windows, in_flight = self.windows, unanswered + (self.pushers.number - 1.0) * self._in_flight
        self.long.note(now, in_flight)
        if not self.long.is_exact:
            windows.limit, self.pushers.number = 0.0, 1.0
            return
        windows.limit = self.most * windows.seconds
        before, others = windows.used, windows.used - windows.own - unanswered
        used, began = self.long.interval(now)
        was_known = windows.began is not None
        if windows.follow(used, began, now) and was_known:
            self._new_window(before, others, now)
        self._remaining, self._remaining_at = windows.limit - windows.used, now
        self.pushers.observe(windows, unanswered, now)

    def _new_window(self, used: float, others: float, now: float) -> None:
        """Draw the conclusions of the window that has ended.

        :param used: requests of all in it.
        :param others: of these, those of others at least.
        """
        target = _TARGET * self.windows.limit
        self.pushers.new_window(self.windows, used, others, target, now)
        if self.alone:
            self._raised = 1.0
        elif used > 0:
            # All see alike what some leave, so all raise their quotas alike.
            most, self._most_used = max(used, self._most_used), used
            raised = self._raised * min(target / most, _MOST_RAISED) ** 0.5
            self._raised = min(max(1.0, 1.0 + _RAISED_BY * (raised - 1.0)), self.pushers.number)

    def _look_for_others(self, used: float, own: int, now: float) -> None:
        """Keep to the fixed share, unless the shards of the push are not alone, or not all.

        :param used: requests of all in the window of the limit.
        :param own: own requests in the last 3 s.
        """
        windows = self.windows
        others, elapsed = used - own, 1.0
        if windows.began is not None:
            # Of a window that has just begun nothing is known before its first answer.
            is_known = windows.is_known(now) and self._sent_in == windows.number(now)
            others = windows.used - self._sent if is_known else 0.0
            elapsed = windows.phase(now) / windows.seconds
        pushers = self.fixed.observe(
            used=used,
            own=own * windows.seconds / limits.WINDOW_SECONDS,
            others=others,
            allowed=min(self.most * windows.seconds, windows.limit),
            elapsed=elapsed,
            now=now,
        )
        if pushers is not None:
            self._end_fixed(pushers)

    def _end_fixed(self, pushers: float) -> None:
        """Share with whoever there is from now on."""
        if self.fixed.holds:
            self.fixed.holds, self.pushers.number = False, pushers
