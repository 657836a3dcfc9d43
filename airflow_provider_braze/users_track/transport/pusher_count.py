"""How many pushes share a limit, counted from what the headers of Braze's answers tell.

Everybody who shares sends at one known pace, the probe pace, in the middle of every window: the probe phase. So the
requests of all in that phase, divided by one's own, are the number of pushers. Who has just started, and has seen no
probe phase yet, divides all that was used since it noticed others by its own.

Above: how a limit is shared. Below: the windows of a limit.
"""

from __future__ import annotations

import math
from collections import deque

from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.windows import Windows

PROBE_BEGINS, PROBE_ENDS = 0.35, 0.7
"""The probe phase, as parts of a window. It is in the middle, where nobody waits any more after a 429 at the end of the
window before."""

PROBE_PACE = 0.2
"""The probe pace, as part of the limit's: five pushers fill the limit with it."""

_COUNTED_FROM = 0.4
"""Part of a window from which on answers are of requests of the probe phase."""

_OWN_AT_LEAST = 4.0
"""Own requests from which on one who has just started divides."""

_FIRST_WINDOWS = 2
"""Windows in which others that are noticed may have started at the same moment, and be many."""

_NOT_ALONE = 1.01
"""The least number of pushers as long as others were seen lately."""

_AFTER_REFUSAL = 1.25
"""Times as many pushers there are believed to be after a 429, until the next probe phase."""

_SMOOTHING, _NO_NOISE = 0.3, 0.4
"""Part of a small difference between two counts that is believed, and from which difference on all of it is."""

_UNSURE = 2
"""Windows without a count after which the number is guessed to be smaller."""

_NOTICED, _NOTICED_REQUESTS = 0.03, 2
"""Part of the limit, and requests, that others must use in a window to be noticed."""


class PusherCount:
    """The number of pushers, this one included; a fraction between two counts, 1 when nobody else was seen lately."""

    def __init__(self) -> None:
        self.number = 1.0
        self._counts: deque[float] = deque(maxlen=8)
        self._windows = 0
        self._windows_without_others = self._windows_without_count = 0
        self._refused_in = -9
        # Requests of all, and own ones: at the first answer since others were noticed, and at two of the probe phase.
        self._first: tuple[float, int] | None = None
        self._probe_first: tuple[float, int] | None = None
        self._probe_last: tuple[float, int] | None = None

    @property
    def alone(self) -> bool:
        """Whether nobody else was seen lately."""
        return self.number == 1.0

    @property
    def has_just_started(self) -> bool:
        """Whether no window was seen beginning yet, and so no probe phase from its beginning."""
        return self._windows == 0

    def refused(self, window: int) -> None:
        """Learn from a 429, once in a window: there are more than were counted."""
        if window != self._refused_in:
            more = min(self.number * _AFTER_REFUSAL, 2.0 * max(self._counts, default=2.0))
            self.number = max(2.0, self.number, more)
            self._refused_in = window

    def new_window(self, windows: Windows, used: float, others: float, target: float, now: float) -> None:
        """Draw the conclusions of the window that has ended.

        :param used: requests of all in it.
        :param others: of these, those of others at least.
        :param target: requests that all should have sent.
        """
        self._windows += 1
        self._windows_without_others = 0 if others >= _noticed(windows) else self._windows_without_others + 1
        if self._windows_without_others >= self._patience(windows, now):
            self.number = 1.0
        self._windows_without_count += 1
        if not self.alone and self._windows_without_count > _UNSURE:
            # This one is too slow to count, or was refused: the less is used by all, the more may be.
            self.number = max(_NOT_ALONE, self.number * min(max(used / target, 0.5), 0.9))
        self._first = self._probe_first = self._probe_last = None

    def observe(self, windows: Windows, unanswered: int, now: float) -> None:
        """Learn from an answer."""
        seen = (windows.used, windows.own)
        if self.alone:
            # Of own requests without an answer any may have been counted already.
            if windows.used - windows.own - unanswered <= _noticed(windows):
                return
            # As many as the probe pace has room for, until they are counted.
            self.number = 1 / PROBE_PACE if self._windows < _FIRST_WINDOWS else 2.0
        elif self.has_just_started:
            self._first = self._first or seen
            self.number = max(_NOT_ALONE, _ratio(self._first, seen, _OWN_AT_LEAST) or self.number)
        if windows.began is None:
            return
        phase = windows.phase(now) / windows.seconds
        if _COUNTED_FROM <= phase < PROBE_ENDS:
            self._probe_first, self._probe_last = self._probe_first or seen, seen
        elif phase >= PROBE_ENDS and self._probe_first is not None:
            self._end_probe(windows, now)

    def _end_probe(self, windows: Windows, now: float) -> None:
        own_at_least = max(3.0, 0.5 * PROBE_PACE * (PROBE_ENDS - _COUNTED_FROM) * windows.limit)
        found = _ratio(self._probe_first, self._probe_last, own_at_least)
        self._probe_first = self._probe_last = None
        if found is None:
            return
        self._windows_without_count = 0
        self._counts.append(max(found, _NOT_ALONE))
        # Who waits after a 429 is missing in one count, and comes back.
        counted = max(list(self._counts)[-self._patience(windows, now) :])
        difference = counted - self.number
        self.number += difference * (1.0 if abs(difference) > _NO_NOISE else _SMOOTHING)

    def _patience(self, windows: Windows, now: float) -> int:
        """Windows in which others must be missing to be gone."""
        lately = windows.number(now) - self._refused_in <= 1
        return math.ceil(limits.WINDOW_SECONDS / windows.seconds) + lately


def _noticed(windows: Windows) -> float:
    return max(_NOTICED_REQUESTS, _NOTICED * windows.limit)


def _ratio(
    first: tuple[float, int] | None, last: tuple[float, int] | None, own_at_least: float
) -> float | None:
    """Divide the requests of all between two answers by one's own; None for fewer own ones than that."""
    if first is None or last is None:
        return None
    used, own = last[0] - first[0], last[1] - first[1]
    return used / own if own >= own_at_least else None
