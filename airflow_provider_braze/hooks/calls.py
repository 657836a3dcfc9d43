"""What the hook's calls for single endpoints are made of; each group of them is a class in a module of its own.

Above: those groups, and :class:`airflow_provider_braze.hooks.braze.BrazeHook`, which is all of them.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_braze.exceptions import (
    BrazeRateLimitError,
    BrazeRequestError,
    BrazeServerError,
    BrazeUnreachableError,
)
from airflow_provider_braze.hooks.answers import redacted
from airflow_provider_braze.user_actions.delivery import Reply
from airflow_provider_braze.users_track.delivery.interpret import parse
from airflow_provider_braze.users_track.transport.client import MOST_ANSWER_BYTES

if TYPE_CHECKING:
    from requests import Response

    from airflow_provider_braze.users_track.transport.workspace import Workspace

T = TypeVar("T")

MOST_TRIES = 5
"""Tries of a call that reads, which can be made again without harm."""

_FIRST_PAUSE = 1.0

LONGEST_PAUSE = 60.0
"""Seconds; an order of Braze's to wait longer is left to whoever called."""


class Calls(ABC):
    """A hook that can be asked for answers."""

    @property
    @abstractmethod
    def workspace(self) -> Workspace:
        """Endpoint, key and limits."""

    @abstractmethod
    def run(
        self,
        endpoint: str | None = None,
        data: Mapping[str, Any] | list[Any] | str | bytes | None = None,
        headers: dict[str, Any] | None = None,
        extra_options: dict[str, Any] | None = None,
        *,
        method: str | None = None,
        **request_kwargs: Any,
    ) -> Response:
        """Call any endpoint once."""

    def answer_to(
        self,
        endpoint: str,
        data: Mapping[str, Any] | bytes,
        *,
        method: str = "POST",
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> dict[str, Any]:
        """
        Call any endpoint once, and give its answer.

        :param endpoint: path below the REST endpoint.
        :param data: body (a mapping is sent as JSON), or query parameters for ``GET``.
        :param method: HTTP method.
        :param most_bytes: bounds the unpacked answer.
        :return: the answer's JSON object; the key is taken out of it.
        :raises BrazeRequestError: as :meth:`run` does, and for an answer that is no JSON object.
        """
        return self.answer_with_headers(endpoint, data, method, most_bytes)[0]

    def answer_with_headers(
        self,
        endpoint: str,
        data: Mapping[str, Any] | bytes,
        method: str,
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> tuple[dict[str, Any], Mapping[str, str]]:
        """Call any endpoint once as :meth:`answer_to` does, and give the answer's headers too."""
        response = self.run(endpoint, data, {}, {"most_bytes": most_bytes}, method=method)
        answer = parse(response.content)
        if not isinstance(answer, dict):
            raise BrazeServerError(
                f"Braze answered {response.status_code} without JSON.", status=response.status_code
            )
        found: dict[str, Any] = redacted(answer, self.workspace.redact)
        return found, response.headers

    def post(self, endpoint: str, body: Mapping[str, Any]) -> Reply:
        """Send one request, once, and give whatever was answered, for those who look at every answer themselves.

        :raises BrazeUnreachableError: there was no answer.
        """
        response = self.run(endpoint, body, {}, {"check_response": False}, method="POST")
        return Reply(response.status_code, response.headers, response.content)

    def read(
        self, endpoint: str, query: Mapping[str, Any], *, most_bytes: int = MOST_ANSWER_BYTES
    ) -> dict[str, Any]:
        """Read from an endpoint, again where that can help: after a 429, a 5xx, or when no answer came."""
        return again_where_it_helps(
            lambda: self.answer_to(endpoint, query, method="GET", most_bytes=most_bytes)
        )


def again_where_it_helps(call: Callable[[], T]) -> T:
    """Make a call that reads, and make it again after a 429, a 5xx, or when no answer came."""
    for tried in range(1, MOST_TRIES):
        try:
            return call()
        except (BrazeRateLimitError, BrazeServerError, BrazeUnreachableError) as error:
            pause = pause_after(error, tried)
            if pause is None:
                raise
            time.sleep(pause)
    return call()


def pause_after(error: BrazeRequestError, tried: int) -> float | None:
    """Give the seconds to wait before another try; None where another try would not help soon.

    :param tried: how many tries there were.
    """
    if error.retry_after is not None:
        # A little later than ordered, and not all workers at the same moment.
        wait = error.retry_after * (1 + 0.1 * random.random())
        return wait if error.retry_after <= LONGEST_PAUSE else None
    if isinstance(error, BrazeServerError) and (error.status or 0) < 500:
        # A 2xx that does not say success says so the next time, too.
        return None
    return random.random() * min(_FIRST_PAUSE * 2.0**tried, LONGEST_PAUSE)
