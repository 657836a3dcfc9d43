"""What a server sees of a rate: a limit that it keeps, and the highest count in any window."""

from __future__ import annotations

import math
import time
from collections import deque


class Crowd:
    """Counts events in a sliding window, and remembers the most there were at once."""

    def __init__(self, seconds: float) -> None:
        self.most = 0
        self._seconds = seconds
        self._times: deque[float] = deque()

    def add(self, now: float) -> None:
        """Note one event."""
        self._times.append(now)
        self.most = max(self.most, self.now(now))

    def now(self, now: float) -> int:
        """Count the events in the window that ends now."""
        times = self._times
        while times and times[0] <= now - self._seconds:
            times.popleft()
        return len(times)

    @property
    def oldest(self) -> float:
        """When the oldest event in the window was."""
        return self._times[0]


class Limit:
    """Lets so many requests through in a window.

    :param most: requests in a window.
    :param seconds: length of the window.
    :param by_clock: windows follow the clock, as a server's counters often do; otherwise every window counts.
    :param began: where they follow it, epoch second when one of them begins.
    """

    def __init__(self, most: int, seconds: float, *, by_clock: bool = False, began: float = 0.0) -> None:
        self.most = most
        self.seconds = seconds
        self.remaining = most
        self._by_clock = by_clock
        self._began = began
        self._taken = Crowd(seconds)
        self._window = -1

    def take(self, now: float) -> bool:
        """Use one request, if there is one left."""
        if self._by_clock:
            window = int((time.time() - self._began) // self.seconds)
            if window != self._window:
                self._window, self.remaining = window, self.most
        else:
            self.remaining = self.most - self._taken.now(now)
        if self.remaining <= 0:
            return False
        self.remaining -= 1
        if not self._by_clock:
            self._taken.add(now)
        return True

    def reset(self, now: float) -> int:
        """Epoch second from which on there is more again."""
        if self._by_clock:
            window = (time.time() - self._began) // self.seconds
            return math.ceil(self._began + (window + 1) * self.seconds)
        return math.ceil(time.time() + self._taken.oldest + self.seconds - now)
