"""Whether a push fits into what is left of an hour's requests, where Braze's answers tell of them; if not, it says so.

It only says so: the push sends what there is and waits for the next hour, as it would anyway.

Above: the push of an export. Below: what the answers told of the limit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.transport.limiter import Limiter

_ENOUGH = 20
"""Requests after which it is known how many records one takes; before, each is taken to be full."""


class Budget:
    """Compares what a push needs with what is left, until it has said that the one is more than the other.

    :param limiter: knows what the answers told.
    :param ledger: counts of the push.
    :param share: share of what is pushed that was read; None where nobody knows, so that only what was read counts.
    :param full: objects of a full request.
    :param say: takes the sentence.
    :param clock: monotonic seconds, the same as the limiter's.
    :param wall: the time of day.
    """

    def __init__(
        self,
        limiter: Limiter,
        ledger: Ledger,
        share: Callable[[], float] | None,
        full: int,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._limiter, self._ledger, self._share = limiter, ledger, share
        self._full, self._say = full, say
        self._clock, self._wall = clock, wall
        self._requests_before = ledger.requests
        self._settled_before = sum(ledger.outcomes.values())
        self._is_said = False

    def look(self) -> None:
        """Say once that the push does not fit, as soon as that is known."""
        long, now = self._limiter.long_window, self._clock()
        if self._is_said or long is None or long.ends <= now:
            return
        needed = self._needed()
        if needed is None or needed <= long.remaining:
            return
        self._is_said = True
        ends = self._wall() + timedelta(seconds=long.ends - now + 30)
        self._say(
            f"About {needed:,} more requests are needed, and {long.remaining:,.0f} of Braze's {long.limit:,.0f} are "
            f"left until {ends:%H:%M} UTC, for all pushes together: once these are used up, the push waits until then."
        )

    def _needed(self) -> int | None:
        """Requests until the end, about; None where that cannot be known yet."""
        share = 1.0 if self._share is None else self._share()
        if share <= 0.0:
            return None
        settled = sum(self._ledger.outcomes.values())
        requests = self._ledger.requests - self._requests_before
        each: float = self._full
        if requests >= _ENOUGH and settled > self._settled_before:
            each = (settled - self._settled_before) / requests
        return math.ceil((self._ledger.records / share - settled) / each)
