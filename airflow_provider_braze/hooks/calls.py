"""What the hook's calls for single endpoints are made of; each group of them is a class in a module of its own.

Above: those groups, and :class:`airflow_provider_braze.hooks.braze.BrazeHook`, which is all of them.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.exceptions import (
    BrazeRateLimitError,
    BrazeRequestError,
    BrazeServerError,
    BrazeSetupError,
    BrazeUnreachableError,
)
from airflow_provider_braze.users_track.transport.client import MOST_ANSWER_BYTES

MOST_TRIES = 5
"""Tries of a call that reads, which can be made again without harm."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0
"""Seconds; an order of Braze's to wait longer is left to whoever called."""


class Calls(ABC):
    """A hook that can be asked for answers."""

    @abstractmethod
    def answer_to(
        self,
        endpoint: str,
        data: Mapping[str, Any] | bytes,
        *,
        method: str = "POST",
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> dict[str, Any]:
        """Call an endpoint once, and give its answer, a JSON object, without the key.

        :param data: the body, or of a ``GET`` the query.
        :raises BrazeRequestError: no such answer came, or it does not say success.
        """

    def read(
        self, endpoint: str, query: Mapping[str, Any], *, most_bytes: int = MOST_ANSWER_BYTES
    ) -> dict[str, Any]:
        """Read from an endpoint, again where that can help: after a 429, a 5xx, or when no answer came."""
        for tried in range(1, MOST_TRIES):
            try:
                return self.answer_to(endpoint, query, method="GET", most_bytes=most_bytes)
            except (BrazeRateLimitError, BrazeServerError, BrazeUnreachableError) as error:
                pause = pause_after(error, tried)
                if pause is None:
                    raise
                time.sleep(pause)
        return self.answer_to(endpoint, query, method="GET", most_bytes=most_bytes)


def pause_after(error: BrazeRequestError, tried: int) -> float | None:
    """Give the seconds to wait before another try; None where another try would not help soon.

    :param tried: how many tries there were.
    """
    if error.retry_after is not None:
        # A little later than ordered, and not all workers at the same moment.
        wait = error.retry_after * (1 + 0.1 * random.random())
        return wait if error.retry_after <= _LONGEST_PAUSE else None
    if isinstance(error, BrazeServerError) and (error.status or 0) < 500:
        # A 2xx that does not say success says so the next time, too.
        return None
    return random.random() * min(_FIRST_PAUSE * 2.0**tried, _LONGEST_PAUSE)


def given_id(name: str, value: Any) -> str:
    """Read an id that must be given.

    :raises BrazeSetupError: it is no text, or blank.
    """
    if not isinstance(value, str) or not value.strip():
        raise BrazeSetupError(f"{name} must be a text that is not empty, not {value!r}.")
    return value.strip()
