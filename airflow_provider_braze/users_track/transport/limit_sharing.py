"""A workspace's limit used together with others, by what the headers of Braze's answers tell, and nothing else.

Braze counts in windows of a few seconds, and each answer tells what remains of the present one. In the middle of every
window is the roll call: everybody who is not alone sends at the same slow pace, so that who sees four times as many
requests as its own knows that they are four. In the rest of the window each sends, evenly, until it has used its
fourth. Who comes begins at the pace of the roll call and is counted in the next one; who goes is missed in the next
one. Who sees nobody else never slows down. Shortly before nothing remains, all hold back until the next window begins,
so that hardly anything is refused. A window of an hour is shared in parts of a few seconds, by the same rules.
The shards of one push, which know how many they are, need no roll call as long as they are alone.

Above: the limiter. Below: the windows of a limit, the shards of a push.
"""

from __future__ import annotations

import math
from collections import deque

from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.long_window import LongWindow
from airflow_provider_braze.users_track.transport.proportion import Proportion
from airflow_provider_braze.users_track.transport.siblings import Siblings
from airflow_provider_braze.users_track.transport.windows import Windows

_BEGINS, _COUNTS, _ENDS = 0.35, 0.4, 0.7
"""Parts of a window: when the roll call begins, from when on its answers count, and when it ends. It is in the middle,
where nobody waits any more after a refusal at the end of the window before."""

_CALLED = 0.2
"""The pace of the roll call, as part of the limit's: five fill the limit with it."""

_AIM = 0.95
"""Part of the limit that all use together: what is missing is for those who come."""

_HASTE = 2.0
"""Times its fair pace that one sends at most, to make up for what was missed earlier in the window."""

_SHORTLY = 1.5
"""Times ``most`` that one sends at most for a part of a window, to make up for the roll call; the limiter counts."""

_WARNED = 1.25
"""Times as many as were counted there seem to be after a refusal, until the next roll call."""

_LOOSE = 0.985
"""Part of the limit that one alone uses where a window is shorter than Braze's, and a round trip much of it."""

_SLOWLY, _CLEARLY = 0.3, 0.4
"""Part of a small difference in heads that is believed at once, and from how many heads on a difference is none."""

_NOT_ALONE = 1.01
"""Heads at least, as long as others were seen lately."""

_ASKS = 0.5
"""Seconds after which one who has seen no window beginning asks again whether anything remains."""

_PATIENCE = 2
"""Roll calls in which one may count too few to be sure."""

_MARGIN = 0.01
"""Seconds that one waits longer than until a window begins, so that nothing is sent before."""

_SURE = 1.5
"""Windows after which one would have been seen beginning."""

_NOTICED = 0.03
"""Part of the limit that others must use to be noticed."""

_FEW = 2
"""Requests that others must use to be noticed, however small the limit."""

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
        self.siblings = Siblings(shards)
        self.windows = Windows()
        self.long: LongWindow | None = None
        """The window of an hour, where the headers tell of one; ``windows`` are its parts then."""
        self.heads = 1.0
        """How many share the limit, by the last roll call."""
        self._stretch = 1.0
        self._remaining = self._remaining_at = 0.0
        self._sent, self._sent_in = 0, 0
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None
        self._refused_in = -9
        self._used = 0.0
        self._flying = 0.0
        self._uncounted = 0
        self._unseen = 0
        self._calls: deque[float] = deque(maxlen=8)
        self._ends = self._since = float("inf")
        self._proportion = Proportion(most)

    @property
    def told(self) -> bool:
        """Whether the answers tell what of a limit all together use in a few seconds."""
        return self.windows.limit > 0

    @property
    def alone(self) -> bool:
        """Whether nobody else was seen lately."""
        return self.heads == 1.0

    def pace(self, now: float) -> float:
        """Requests a second to send at now."""
        windows = self.windows
        if not self.told:
            return self.most / self.siblings.number
        if self.siblings.are_alone:
            return min(self.most, windows.rate) / self.siblings.number
        if self._slides(now):
            return self._proportion.pace
        if self.alone:
            tight = windows.seconds < limits.WINDOW_SECONDS
            return min(self.most, windows.rate * (_LOOSE if tight else 1.0))
        called = _CALLED * windows.rate
        fair = _AIM * windows.rate / self.heads * self._stretch
        if windows.began is None:
            return min(self.most, max(called, fair))
        phase = windows.phase(now) / windows.seconds
        if _BEGINS <= phase < _ENDS:
            return min(self.most, called)
        part, left = fair * windows.seconds - self._sent, 1.0 - phase
        if phase < _BEGINS:
            part, left = part - called * (_ENDS - _BEGINS) * windows.seconds, left - (_ENDS - _BEGINS)
        return min(_SHORTLY * self.most, max(part, 1.0) / (left * windows.seconds), _HASTE * fair)

    def holds(self, now: float, unanswered: int) -> float:
        """Seconds to wait because what is on its way may use up what remains of the window; 0 where it is enough.

        :param unanswered: own requests that are on their way; of the others it is assumed that they have as many.
        """
        windows, since = self.windows, now - self._remaining_at
        others = (1.0 - 1.0 / self.heads) * windows.rate * since
        others += (self.heads - 1.0) * max(self._flying, 0.5 * unanswered)
        if self.long is not None and (wait := self.long.holds(now, unanswered, others)):
            return wait
        if self.alone or now >= self._ends or self._slides(now) or not windows.is_known(now):
            return 0.0
        if windows.began is None and since > _ASKS:
            return 0.0
        if self._remaining - unanswered - others >= 1.0:
            return 0.0
        return _ASKS if windows.began is None else windows.seconds - windows.phase(now) + _MARGIN

    def _slides(self, now: float) -> bool:
        """Whether the limit seems to be counted in any seconds: no window was seen beginning."""
        windows = self.windows
        return windows.slides or (windows.began is None and now - self._since > _SURE * windows.seconds)

    def sent(self, now: float) -> None:
        """Note that a request goes out."""
        number = self.windows.number(now)
        if number != self._sent_in:
            self._sent, self._sent_in = 0, number
        self._sent += 1

    def refused(self, now: float) -> None:
        """Learn from a 429: there are more than were counted."""
        self._proportion.refused(now)
        self._leave_siblings(self.siblings.number)
        number = self.windows.number(now)
        if number != self._refused_in:
            more = min(self.heads * _WARNED, 2.0 * max(self._calls, default=2.0))
            self.heads = max(2.0, self.heads, more)
            self._refused_in = number

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
        if reset > _LONGEST_WINDOW or self.long is not None:
            # Also in its last seconds.
            self._observe_long(limit, remaining, reset, unanswered, now, refused=refused)
            return
        windows = self.windows
        windows.limit = limit
        self._since = min(self._since, now)
        self._proportion.observe(limit=limit, remaining=remaining, own=own, now=now)
        before = windows.used
        others_before = windows.used - windows.own - unanswered
        self._ends = now + reset
        self._flying += 0.1 * (unanswered - self._flying)
        if windows.observe(limit - remaining, reset, until, unanswered, now):
            self._new_window(before, others_before, now)
        self._remaining, self._remaining_at = limit - windows.used, now
        if self.siblings.are_alone:
            self._look_for_strangers(limit - remaining, own, now)
        else:
            self._count(unanswered, now)

    def _look_for_strangers(self, used: float, own: int, now: float) -> None:
        """Keep to one's part, unless the shards of the push are not alone, or not all.

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
        heads = self.siblings.observe(
            used=used,
            own=own * windows.seconds / limits.WINDOW_SECONDS,
            others=others,
            allowed=min(self.most * windows.seconds, windows.limit),
            elapsed=elapsed,
            now=now,
        )
        if heads is not None:
            self._leave_siblings(heads)

    def _leave_siblings(self, heads: float) -> None:
        """Share with whoever there is from now on."""
        if self.siblings.are_alone:
            self.siblings.are_alone, self.heads = False, heads

    def _observe_long(
        self, limit: float, remaining: float, reset: float, unanswered: int, now: float, *, refused: bool
    ) -> None:
        """Learn from an answer that tells of an hour: in parts of it, all share what one alone would send."""
        if self.long is None:
            self.long, self.windows = LongWindow(), Windows()
            self._leave_siblings(1.0)
        if not self.long.observe(limit, remaining, reset, now, refused=refused):
            return
        windows = self.windows
        if not self.long.is_exact:
            windows.limit, self.heads = 0.0, 1.0
            return
        windows.limit = self.most * windows.seconds
        before, others_before = windows.used, windows.used - windows.own - unanswered
        self._ends = float("inf")
        self._flying += 0.1 * (unanswered - self._flying)
        used, began = self.long.part(now)
        if windows.follow(used, began, now):
            self._new_window(before, others_before, now)
        self._remaining, self._remaining_at = windows.limit - windows.used, now
        self._count(unanswered, now)

    def _patience(self, now: float) -> int:
        """Windows in which one must be missed to be gone."""
        lately = self.windows.number(now) - self._refused_in <= 1
        return math.ceil(limits.WINDOW_SECONDS / self.windows.seconds) + lately

    def _noticed(self) -> float:
        return max(_FEW, _NOTICED * self.windows.limit)

    def _new_window(self, used: float, others: float, now: float) -> None:
        """Draw the conclusions of the window that has ended.

        :param used: requests of all in it.
        :param others: of these, those of others at least.
        """
        self._unseen = 0 if others >= self._noticed() else self._unseen + 1
        if self._unseen >= self._patience(now):
            self.heads, self._stretch = 1.0, 1.0
        self._uncounted += 1
        if not self.alone and self._uncounted > _PATIENCE:
            # Too slow to be counted, or refused: the less is used by all, the more may be.
            self.heads = max(_NOT_ALONE, self.heads * min(max(used / (_AIM * self.windows.limit), 0.5), 0.9))
        self._first = self._last = None
        if not self.alone and used > 0:
            # Some send less than their share: what they leave is for all, who see it alike.
            most, self._used = max(used, self._used), used
            wider = self._stretch * min(_AIM * self.windows.limit / most, 1.4) ** 0.5
            self._stretch = min(max(1.0, 1.0 + 0.7 * (wider - 1.0)), self.heads)

    def _count(self, unanswered: int, now: float) -> None:
        """Count heads: when one alone sees others, as long as no window was seen, and at the end of a roll call."""
        windows, seen = self.windows, (self.windows.used, self.windows.own)
        phase = windows.phase(now) / windows.seconds
        if self.alone:
            if windows.used - windows.own - unanswered > self._noticed():
                self.heads = 2.0 if windows.began is not None else 1 / _CALLED
        elif windows.began is None:
            # New here: what was counted since the beginning must do.
            self._first, self._last = self._first or seen, seen
            self.heads = max(_NOT_ALONE, self._ratio(4.0) or self.heads)
        elif _COUNTS <= phase < _ENDS:
            self._first, self._last = self._first or seen, seen
        elif phase >= _ENDS and self._first is not None:
            self._end_roll_call(now)

    def _end_roll_call(self, now: float) -> None:
        found = self._ratio(max(3.0, 0.5 * _CALLED * (_ENDS - _COUNTS) * self.windows.limit))
        self._first = self._last = None
        if found is None:
            return
        self._uncounted = 0
        self._calls.append(max(found, _NOT_ALONE))
        # Who waits after a refusal is missed, and comes back.
        heads = max(list(self._calls)[-self._patience(now) :])
        self.heads += (heads - self.heads) * (1.0 if abs(heads - self.heads) > _CLEARLY else _SLOWLY)

    def _ratio(self, least: float) -> float | None:
        """Give how many requests of all came for each own one; None for fewer than so many own ones."""
        if self._first is None or self._last is None:
            return None
        used, own = self._last[0] - self._first[0], self._last[1] - self._first[1]
        return used / own if own >= least else None
