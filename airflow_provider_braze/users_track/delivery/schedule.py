"""Requests that are not in flight: ready in the lane of their endpoint, or due at some time.

Above: the loop. Below: the limiter.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.users_track.transport.limiter import Limiter


@dataclass(slots=True, eq=False)
class Lane:
    """Requests to one endpoint: those that may go at once, in order, under the endpoint's limiter.

    :param send: sends one of them.
    :param lets: whether one of them may go yet, as far as its records are concerned.
    :param opens_at: when the limiter lets the next one go, if it held it back when it was last asked; never, where it
        did not, or only an answer makes room.
    """

    limiter: Limiter
    send: Callable[[Any], None]
    lets: Callable[[Any], bool] = lambda _: True
    ready: deque[Any] = field(default_factory=deque)
    opens_at: float = float("inf")

    @property
    def is_open(self) -> bool:
        """Whether the next of those that are ready may go at once."""
        return bool(self.ready) and self.limiter.ready_in() == 0 and self.lets(self.ready[0])


class Schedule:
    """What may be tried again at some time, the earliest first.

    :param clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # The number keeps the order of equal times.
        self._due: list[tuple[float, int, Lane, Any]] = []
        self._number = itertools.count()

    @property
    def next_at(self) -> float:
        """When the first of them is due; never, where there is none."""
        return self._due[0][0] if self._due else float("inf")

    def again(self, at: float, lane: Lane, about: Any) -> None:
        """Send something again, at some time; at once, it goes before what was never sent."""
        if at <= self._clock():
            lane.ready.appendleft(about)
        else:
            heapq.heappush(self._due, (at, next(self._number), lane, about))

    def make_ready(self) -> None:
        """Let what is due by now go back into its lane."""
        while self.next_at <= self._clock():
            _, _, lane, about = heapq.heappop(self._due)
            lane.ready.append(about)
