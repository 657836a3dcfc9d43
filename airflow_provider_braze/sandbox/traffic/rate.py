"""Rate limits, and the two families of headers that tell of them (Braze docs: API limits; users/track).

Above: the API, and faults. Below: nothing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

HEADER_FAMILIES = ("epoch", "seconds", "none")
"""``epoch``: Reset is in seconds since the epoch. ``seconds``: the pages of MAU contracts, where it is the seconds
left, and a 429 carries ``X-Ratelimit-Retry-After`` only. ``none``: no header at all."""

UNLIMITED = 250_000
"""What Braze was recorded to announce in 2020, as limit and as remaining."""

HOUR = 3600


class RateLimit:
    """At most ``limit`` requests in each window of ``seconds``; windows follow the clock, as Braze's do.

    :param limit: requests in one window, None for no limit.
    :param family: which headers tell of it, one of ``HEADER_FAMILIES``.
    """

    def __init__(
        self,
        limit: int | None = None,
        seconds: float = 1,
        *,
        family: str = "epoch",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limit = limit
        self.seconds = seconds
        self.family = family
        self._clock = clock
        self._window = -1
        self._used = 0

    def take(self) -> bool:
        """Use one request of the current window; False when it is used up."""
        if self.limit is None:
            return True
        self._roll()
        if self._used >= self.limit:
            return False
        self._used += 1
        return True

    def headers(self) -> dict[str, str]:
        """Return the headers of an answer that was not refused for its rate."""
        if self.limit is None:
            limit = remaining = UNLIMITED
        else:
            self._roll()
            limit, remaining = self.limit, self.limit - self._used
        reset = self._reset()
        if self.family == "seconds":
            reset -= self._clock()
        return _family(self.family, limit, remaining, math.ceil(reset))

    def refusal_headers(self, family: str | None = None, wait: float | None = None) -> dict[str, str]:
        """Return the headers of a 429.

        :param family: another family than the usual one.
        :param wait: seconds to announce, instead of those left in the window.
        """
        family = family or self.family
        if wait is None:
            # Where nothing is limited, a 429 is a fault on demand, which should not last until the clock hour.
            wait = 1.0 if self.limit is None else self._reset() - self._clock()
        left = wait
        if family == "seconds":
            return {"X-Ratelimit-Retry-After": str(max(1, math.ceil(left)))}
        return _family(family, self.limit or UNLIMITED, 0, math.ceil(self._clock() + left))

    def _roll(self) -> None:
        window = int(self._clock() // self.seconds)
        if window != self._window:
            self._window, self._used = window, 0

    def _reset(self) -> float:
        seconds = HOUR if self.limit is None else self.seconds
        return (self._clock() // seconds + 1) * seconds


def empty_headers() -> dict[str, str]:
    """Return the headers of a 401: recorded to be there, and empty."""
    return dict.fromkeys(("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"), "")


def read_rate(text: str) -> tuple[int, float]:
    """Read ``N`` (a second) or ``N/S`` (in S seconds)."""
    number, _, seconds = text.partition("/")
    limit, window = int(number), float(seconds or 1)
    if limit < 1 or not 0 < window <= HOUR:
        raise ValueError(text)
    return limit, window


def _family(family: str, limit: int, remaining: int, reset: int) -> dict[str, str]:
    if family == "none":
        return {}
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(reset),
    }
