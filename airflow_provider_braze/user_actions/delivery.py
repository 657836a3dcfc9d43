"""One batch and Braze: sent, and sent again where that helps, until every row of it has its outcome.

All these changes may be asked for twice without harm: who is deleted, identified, merged or subscribed stays so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from airflow_provider_braze.exceptions import BrazeRequestError, BrazeServerError, BrazeUnreachableError
from airflow_provider_braze.user_actions.actions import Action, body_of
from airflow_provider_braze.user_actions.batches import Batch
from airflow_provider_braze.users_track.delivery.interpret import is_success, message_of, parse, refusal
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.reasons import LONGEST_READ, explained
from airflow_provider_braze.users_track.transport.limiter import Limiter

MOST_TRIES = 6
"""Tries of one request that meet trouble; a 429 is none."""

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
_PARTED = frozenset({400, 413, 422})


class Reply(NamedTuple):
    """What came of one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Post(Protocol):
    """Sends one request, once."""

    def __call__(self, endpoint: str, body: dict[str, Any]) -> Reply:
        """Give the answer.

        :raises BrazeUnreachableError: there is none.
        """


class Delivery:
    """Brings batches to their outcome, one request after the other.

    :param action: what is done.
    :param post: sends one request.
    :param limiter: says when one may go.
    :param ledger: counts requests, and takes the outcomes.
    :param redact: takes the API key out of a text.
    """

    def __init__(
        self, action: Action, post: Post, limiter: Limiter, ledger: Ledger, redact: Callable[[str], str]
    ) -> None:
        self._action, self._post = action, post
        self._limiter, self._ledger, self._redact = limiter, ledger, redact
        self._on_its_way: Batch | None = None

    def send(self, batch: Batch) -> None:
        """Send a batch, and settle every row of it.

        :raises BrazeRequestError: what makes all further requests pointless; the rows of this one are settled.
        """
        waiting = [batch]
        try:
            while waiting:
                part = waiting[-1]
                self._on_its_way = part
                reply, lost = self._answer(part)
                waiting.pop()
                waiting += self._settle(part, reply, lost)
                self._on_its_way = None
        except BrazeRequestError as error:
            may_have_arrived = isinstance(error, BrazeServerError | BrazeUnreachableError)
            for part in reversed(waiting):
                lost = may_have_arrived and part is self._on_its_way
                self._ledger.leave(part.objects, lost=lost, reason=str(error))
            self._on_its_way = None
            raise

    def abandon(self, reason: str) -> None:
        """Settle what was being sent when something else than an answer ended it."""
        if self._on_its_way is not None:
            self._ledger.leave(self._on_its_way.objects, lost=True, reason=reason)
            self._on_its_way = None

    def _answer(self, batch: Batch) -> tuple[Reply, bool]:
        """Get an answer that says something, and tell whether an earlier try may have arrived."""
        body = body_of(self._action, batch.array, batch.shared, batch.items)
        tried, lost = 0, False
        while True:
            self._wait_for_the_limit()
            self._limiter.take()
            self._ledger.requests += 1
            try:
                reply = self._post(self._action.endpoint, body)
            except BrazeUnreachableError:
                self._limiter.answered()
                lost, tried = True, tried + 1
                if tried >= MOST_TRIES:
                    raise
            except BaseException:
                self._limiter.answered()
                raise
            else:
                self._limiter.answered(reply.status, reply.headers)
                if reply.status != 429 and reply.status < 500:
                    return reply, lost
                if reply.status != 429:
                    lost, tried = True, tried + 1
                    if tried >= MOST_TRIES:
                        raise BrazeServerError(
                            f"Braze has trouble: it answered {reply.status}.", status=reply.status
                        )
            self._ledger.retries += 1
            if tried:
                time.sleep(random.random() * min(_FIRST_PAUSE * 2.0**tried, _LONGEST_PAUSE))

    def _wait_for_the_limit(self) -> None:
        while (wait := self._limiter.ready_in()) is None or wait > 0:
            # None: only an answer makes room; there is none under way, so that its window ends soon.
            time.sleep(min(wait or 0.1, 1.0))

    def _settle(self, batch: Batch, reply: Reply, lost: bool) -> list[Batch]:
        """Give the rows of a batch their outcome, and the halves that are to be sent on their own."""
        answer = parse(reply.body)
        if 200 <= reply.status < 300:
            self._settle_success(batch, reply.status, answer)
            return []
        if reply.status not in _PARTED:
            raise refusal(reply.status, message_of(answer), self._redact)
        named = self._named(batch, answer)
        if len(named) == len(batch.objects) or len(batch.objects) == 1:
            said = explained(self._redact(message_of(answer))) or f"Braze answered {reply.status}"
            for index, each in enumerate(batch.objects):
                self._ledger.settle(each, "unknown" if lost else "rejected", named.get(index) or said)
            return []
        first, second = batch.halves()
        return [second, first]

    def _settle_success(self, batch: Batch, status: int, answer: Any) -> None:
        named = self._named(batch, answer)
        unplaced = self._has_unplaced(batch, answer)
        counted = _count(answer)
        taken = is_success(answer) or (
            isinstance(answer, dict) and "message" not in answer and counted == len(batch.objects)
        )
        for index, each in enumerate(batch.objects):
            if index in named:
                self._ledger.settle(each, "rejected", named[index])
            elif unplaced:
                self._ledger.settle(each, "unknown", "Braze named an error but no record")
            elif taken:
                self._ledger.settle(each, "accepted")
            else:
                self._ledger.settle(each, "unknown", f"Braze answered {status}, but not with success")
        expected = len(batch.objects) - len(named)
        if taken and counted is not None and counted != expected:
            self._ledger.note(f"Braze counted {counted} users where {expected} were to be expected.")

    def _named(self, batch: Batch, answer: Any) -> dict[int, str]:
        """Find the rows that Braze names an error of, by their place in the request's array."""
        named: dict[int, str] = {}
        for entry in _errors(answer):
            index = entry.get("index") if isinstance(entry, dict) else None
            if type(index) is int and 0 <= index < len(batch.objects) and index not in named:
                text = str(entry.get("type") or entry.get("message") or "")
                named[index] = explained(self._redact(text)[:LONGEST_READ]) or "no reason given"
        return named

    def _has_unplaced(self, batch: Batch, answer: Any) -> bool:
        return any(
            not isinstance(entry, dict)
            or type(entry.get("index")) is not int
            or not 0 <= entry["index"] < len(batch.objects)
            for entry in _errors(answer)
        )


def _errors(answer: Any) -> list[Any]:
    """Read what should be a list of errors."""
    found = (answer.get("errors") or answer.get("error")) if isinstance(answer, dict) else None
    if isinstance(found, list):
        return found
    return [found] if found else []


def _count(answer: Any) -> int | None:
    """Read how many Braze says it took."""
    if isinstance(answer, dict):
        for name in ("deleted", "aliases_processed", "emails_processed", "phone_numbers_processed"):
            if type(answer.get(name)) is int:
                return int(answer[name])
    return None
