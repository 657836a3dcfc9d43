"""Batches and Braze: sent, and sent again where that helps, until every row has its outcome.

All these changes may be asked for twice without harm: who is deleted, identified, merged or subscribed stays so.

Several batches are under way at once: one after the other never come to 20,000 requests a minute. What always holds:
nobody is in two of them, so that a user's rows arrive in their order. Threads only send and wait; the caller settles.

Above: the run of an action. Below: batches, what an answer means, and the ledger.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from airflow_provider_braze.exceptions import BrazeRequestError, BrazeServerError, BrazeUnreachableError
from airflow_provider_braze.user_actions.actions import UserAction, body_of
from airflow_provider_braze.user_actions.batches import ActionBatch
from airflow_provider_braze.users_track.delivery.interpret import is_success, message_of, parse, refusal
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.reasons import LONGEST_READ, explained, public_words
from airflow_provider_braze.users_track.transport.limiter import Limiter

MOST_TRIES = 6
"""Tries of one request that meet trouble; a 429 is none."""

MOST_UNDER_WAY = 64
"""Requests at once: at a fifth of a second each they come to 20,000 a minute."""

_SMOOTH_BEFORE_MORE = 10
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 20.0
_PARTED = frozenset({400, 413, 422})

STOPPED = "the task stopped before Braze gave a final answer"


def room_after(smooth: int, most: int = MOST_UNDER_WAY) -> int:
    """Say how many batches may be under way at once.

    :param smooth: answers since there was trouble.
    """
    return min(max(1, 1 + smooth - _SMOOTH_BEFORE_MORE), most)


class Reply(NamedTuple):
    """What came of one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Post(Protocol):
    """Sends one request, once; several threads call it."""

    def __call__(self, endpoint: str, body: dict[str, Any]) -> Reply:
        """Give the answer.

        :raises BrazeUnreachableError: there is none.
        """


class _BatchResult(NamedTuple):
    """What came of one batch.

    :param reply: an answer that says something; None where there is none, and none is waited for.
    :param lost: whether an earlier try may have arrived.
    :param smooth: whether the first try was answered.
    :param error: what kept it from being answered.
    """

    reply: Reply | None
    lost: bool
    smooth: bool = False
    error: BrazeRequestError | None = None


class ActionDelivery:
    """Brings batches to their outcome, several at a time.

    It begins with one, and after so many smooth answers takes one more for each; trouble makes it one again.

    :param action: what is done.
    :param post: sends one request.
    :param limiter: says when one may go.
    :param ledger: counts requests, and takes the outcomes.
    :param redact: takes the API key out of a text.
    :param most: batches under way at once.
    """

    def __init__(
        self,
        action: UserAction,
        post: Post,
        limiter: Limiter,
        ledger: Ledger,
        redact: Callable[[str], str],
        most: int = MOST_UNDER_WAY,
    ) -> None:
        self._action, self._post = action, post
        self._limiter, self._ledger, self._redact = limiter, ledger, redact
        self._most, self._smooth = most, 0
        self._pool = ThreadPoolExecutor(most, thread_name_prefix="braze-users")
        self._under_way: dict[Future[_BatchResult], ActionBatch] = {}
        # What an interruption may tear from our hands.
        self._in_hand: ActionBatch | None = None
        # Of the limiter, and of the ledger's counts of requests.
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def send(self, batch: ActionBatch) -> None:
        """Send a batch as soon as there is room, and nobody of it is under way; settle what is answered meanwhile.

        :raises BrazeRequestError: what makes all further requests pointless; the rows that met it are settled.
        """
        while len(self._under_way) >= self._room or any(
            not batch.people.isdisjoint(other.people) for other in self._under_way.values()
        ):
            self._settle_some()
        self._submit(batch)
        if self._room == 1:
            self.finish()

    @property
    def _room(self) -> int:
        return room_after(self._smooth, self._most)

    def finish(self) -> None:
        """Settle all that is under way.

        :raises BrazeRequestError: as :meth:`send`.
        """
        while self._under_way:
            self._settle_some()

    def end(self, reason: str, patience: float) -> None:
        """Send nothing further; settle what is answered within so many seconds, and the rest with a reason of ours."""
        self._stopping.set()
        wait(self._under_way, timeout=patience)
        while self._under_way:
            future, batch = self._under_way.popitem()
            never_begun = future.cancel()
            if never_begun or not future.done():
                self._ledger.leave(batch.objects, lost=not never_begun, reason=reason)
                continue
            unsent = [batch]
            # Another error has ended it already; the rows that met this one are settled all the same.
            with suppress(Exception):
                unsent = self._settle_answered(batch, future.result())
            for each in unsent:
                self._ledger.leave(each.objects, lost=False, reason=reason)
        if self._in_hand is not None:
            self._ledger.leave(self._in_hand.objects, lost=True, reason=reason)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _submit(self, batch: ActionBatch) -> None:
        self._in_hand = batch
        self._under_way[self._pool.submit(self._answer, batch)] = batch
        self._in_hand = None

    def _settle_some(self) -> None:
        answered, _ = wait(self._under_way, return_when=FIRST_COMPLETED)
        for future in answered:
            result = future.result()
            self._smooth = self._smooth + 1 if result.smooth else 0
            self._in_hand = self._under_way.pop(future)
            try:
                halves = self._settle_answered(self._in_hand, result)
            except BrazeRequestError:
                self._in_hand = None
                raise
            self._in_hand = None
            for half in halves:
                self._submit(half)

    def _settle_answered(self, batch: ActionBatch, result: _BatchResult) -> list[ActionBatch]:
        """Give the rows of a batch their outcome, and the halves that are to be sent on their own."""
        try:
            if result.error is not None:
                raise result.error
            if result.reply is None:
                self._ledger.leave(batch.objects, lost=result.lost, reason=STOPPED)
                return []
            return self._settle(batch, result.reply, result.lost)
        except BrazeRequestError as error:
            may_have_arrived = isinstance(error, BrazeServerError | BrazeUnreachableError)
            self._ledger.leave(batch.objects, lost=may_have_arrived, reason=str(error))
            raise

    def _answer(self, batch: ActionBatch) -> _BatchResult:
        """Get an answer that says something; in a thread, which settles nothing."""
        body = body_of(self._action, batch.array, batch.shared, batch.items)
        tried, lost, smooth = 0, False, True
        while self._may_go():
            reply, trouble = self._try(body)
            if reply is not None and trouble is None:
                if reply.status != 429:
                    return _BatchResult(reply, lost, smooth)
            else:
                lost, tried = True, tried + 1
                if tried >= MOST_TRIES:
                    return _BatchResult(None, lost, error=trouble)
            smooth = False
            with self._lock:
                self._ledger.retries += 1
            if tried:
                self._stopping.wait(random.random() * min(_FIRST_PAUSE * 2.0**tried, _LONGEST_PAUSE))
        return _BatchResult(None, lost)

    def _try(self, body: dict[str, Any]) -> tuple[Reply | None, BrazeRequestError | None]:
        """Send once; what came of it, or the trouble that another try may be spared."""
        status: int | None = None
        headers: Mapping[str, str] = {}
        try:
            reply = self._post(self._action.endpoint, body)
            status, headers = reply.status, reply.headers
        except BrazeUnreachableError as error:
            return None, error
        finally:
            with self._lock:
                self._limiter.answered(status, headers)
        if status < 500:
            return reply, None
        return reply, BrazeServerError(f"Braze has trouble: it answered {status}.", status=status)

    def _may_go(self) -> bool:
        """Wait until the limit lets a request go, and take its place; False once nothing further is sent."""
        while not self._stopping.is_set():
            with self._lock:
                ready = self._limiter.ready_in()
                if ready is not None and ready <= 0:
                    self._limiter.take()
                    self._ledger.requests += 1
                    return True
            # None: only an answer makes room, after which its window ends soon.
            self._stopping.wait(min(ready or 0.1, 1.0))
        return False

    def _settle(self, batch: ActionBatch, reply: Reply, lost: bool) -> list[ActionBatch]:
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
                reason = named.get(index) or said
                if lost:
                    # The reasons of an unknown outcome are taken for our own words, and this one is Braze's.
                    self._ledger.settle(each, "unknown", public_words(reason, each.content))
                else:
                    self._ledger.settle(each, "rejected", reason)
            return []
        first, second = batch.halves()
        return [second, first]

    def _settle_success(self, batch: ActionBatch, status: int, answer: Any) -> None:
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

    def _named(self, batch: ActionBatch, answer: Any) -> dict[int, str]:
        """Find the rows that Braze names an error of, by their place in the request's array."""
        named: dict[int, str] = {}
        for entry in _errors(answer):
            index = entry.get("index") if isinstance(entry, dict) else None
            if type(index) is int and 0 <= index < len(batch.objects) and index not in named:
                text = str(entry.get("type") or entry.get("message") or "")
                named[index] = explained(self._redact(text)[:LONGEST_READ]) or "no reason given"
        return named

    def _has_unplaced(self, batch: ActionBatch, answer: Any) -> bool:
        return any(
            not isinstance(entry, dict)
            or type(entry.get("index")) is not int
            or not 0 <= entry["index"] < len(batch.objects)
            for entry in _errors(answer)
        )


def _errors(answer: Any) -> list[Any]:
    """Read what should be a list of errors, under either name."""
    found: list[Any] = []
    for name in ("errors", "error") if isinstance(answer, dict) else ():
        named = answer.get(name)
        found += named if isinstance(named, list) else [named] if named else []
    return found


def _count(answer: Any) -> int | None:
    """Read how many Braze says it took."""
    if isinstance(answer, dict):
        for name in ("deleted", "aliases_processed", "emails_processed", "phone_numbers_processed"):
            if type(answer.get(name)) is int:
                return int(answer[name])
    return None
