"""What the sandbox noticed of its clients: counts, pace, and whether a user was ever in two requests at once.

Above: the server, the API and the control routes. Below: nothing.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any

PACE_WINDOW = 3.0
"""Seconds. Braze's burst limit is stated for this window (Braze docs: API limits)."""


class Stats:
    """Counters since the start or the last :meth:`reset`.

    :param clock: a monotonic time in seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._in_flight = 0
        self._users_in_flight: Counter[Hashable] = Counter()
        self.reset()

    def reset(self) -> None:
        """Count from zero; what is in flight stays in flight."""
        self.requests = 0
        self.objects = 0
        self.refused_objects = 0
        self.by_status: Counter[str] = Counter()
        self.by_path: Counter[str] = Counter()
        self.by_fault: Counter[str] = Counter()
        self._arrivals: deque[float] = deque()
        self._most_in_window = 0
        self._most_in_flight = self._in_flight
        self._overlapping_users = 0
        self._repeated_users = 0
        self._largest_body = 0
        self._most_objects = 0

    def arrived(self, path: str) -> None:
        """Note a POST to the API; :meth:`left` must follow."""
        now = self._clock()
        self.requests += 1
        self.by_path[path] += 1
        self._arrivals.append(now)
        while self._arrivals[0] <= now - PACE_WINDOW:
            self._arrivals.popleft()
        self._most_in_window = max(self._most_in_window, len(self._arrivals))
        self._in_flight += 1
        self._most_in_flight = max(self._most_in_flight, self._in_flight)

    def left(self, status: str) -> None:
        """Note how a request ended: its status, or what was done instead of answering."""
        self.by_status[status] += 1
        self._in_flight -= 1

    def sized(self, size: int, objects: int) -> None:
        """Note how large a body was, in bytes and in objects."""
        self._largest_body = max(self._largest_body, size)
        self._most_objects = max(self._most_objects, objects)

    def users_arrived(self, users: Iterable[Hashable]) -> None:
        """Note the users of one request's objects; :meth:`users_left` must follow with the same ones."""
        counted = Counter(users)
        self._repeated_users += sum(1 for times in counted.values() if times > 1)
        self._overlapping_users += sum(1 for user in counted if user in self._users_in_flight)
        self._users_in_flight.update(counted.keys())

    def users_left(self, users: Iterable[Hashable]) -> None:
        """Note that the request is being answered, or that its client has gone."""
        for user in set(users):
            if self._users_in_flight[user] > 1:
                self._users_in_flight[user] -= 1
            else:
                del self._users_in_flight[user]

    def as_dict(self) -> dict[str, Any]:
        """Return everything counted, as ``GET /sandbox/stats`` shows it."""
        return {
            "requests": self.requests,
            "objects": self.objects,
            "refused_objects": self.refused_objects,
            "by_status": dict(self.by_status),
            "by_path": dict(self.by_path),
            "by_fault": dict(self.by_fault),
            "in_flight": self._in_flight,
            "max_in_flight": self._most_in_flight,
            "max_requests_in_3s": self._most_in_window,
            "max_objects_in_a_request": self._most_objects,
            "max_body_bytes": self._largest_body,
            "overlapping_users": self._overlapping_users,
            "users_repeated_in_a_request": self._repeated_users,
        }
