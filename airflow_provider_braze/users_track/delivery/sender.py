"""One batch and Braze: sent, and sent again where that helps, until there is an answer that says what became of it.

A delivery says in plain fields what is still to be sent, how often that met trouble, and since when. Nothing here
waits, or knows the time but by the clock it is given: the loop in ``push`` does the waiting.

The loop stands above; below are the interpretation of answers, the ledger, the client and the limiter.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import BrazeRefusedError, BrazeServerError, BrazeUnreachableError
from airflow_provider_braze.users_track.batching.batch import Part
from airflow_provider_braze.users_track.batching.merge_window import Batch
from airflow_provider_braze.users_track.delivery.interpret import ACCEPTED, Action, Interpretation, interpret
from airflow_provider_braze.users_track.delivery.sieve import Share
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.transport.client import Answer, Client, NoAnswerError
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace

MOST_ATTEMPTS = 6
"""Tries of one batch that meet trouble; a 429 is none."""

LONGEST_SILENCE = 120.0
"""Seconds of trying without any answer after which a batch is given up; waiting for the limit is not counted."""

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 20.0
_SURELY_UNPROCESSED = frozenset({502, 503})
"""502 never reached Braze's server, 503 found no capacity (Braze docs: API errors): events may be sent again."""

MaySend = Callable[[int, Callable[[], None]], bool]
"""Whether so many records more may count as sent; if not, the other is called when asking again tells more."""

STOPPED_BEFORE = "the push stopped before this record was sent"
STOPPED_AFTER = "the push stopped before Braze gave a final answer"


@dataclass(slots=True, eq=False)
class Delivery:
    """What was taken from the window together, on its way until all of it has its outcome.

    One batch of it is sent at a time, so that of a user with several objects in it the next never overtakes.

    :param parts: what was taken; the window gets its users back at the end.
    :param batches: what is still to be sent, the next one last.
    :param since: when the present batch was first ready to go.
    :param attempts: its tries that met trouble.
    :param silence: seconds of trying since the last answer.
    :param length: of its last request, in bytes.
    :param repeated: the present batch may have reached Braze as it is: the same again is a retry.
    :param began: when the present request went out.
    :param counted: records that the present request counts as sent.
    :param trouble: what its last try met, in words for whoever looks on; empty once it goes on.
    :param shares: what its objects were taken with, where what needs not be sent was left out.
    """

    parts: Sequence[Part]
    batches: list[Batch]
    since: float = 0.0
    attempts: int = 0
    silence: float = 0.0
    length: int = 0
    repeated: bool = False
    began: float = 0.0
    counted: int = 0
    trouble: str = ""
    shares: Sequence[Share] = ()

    @property
    def batch(self) -> Batch:
        """The present batch."""
        return self.batches[-1]


def always(records: int, wake: Callable[[], None]) -> bool:  # noqa: ARG001 a MaySend
    """Nothing bounds what is sent."""
    return True


def _forget(batch: Batch) -> None:
    """Let the memory keep nothing of a batch, whatever Braze answers later: it may have got it more than once."""
    for item in batch.items:
        item.told = None


def worst_trouble(deliveries: Iterable[Delivery]) -> dict[str, Any] | None:
    """Say what the delivery that was tried most often met, and which try is next; None where all goes well."""
    worst = max((each for each in deliveries if each.trouble), key=lambda each: each.attempts, default=None)
    if worst is None:
        return None
    return {
        "reason": worst.trouble,
        "next_try": min(worst.attempts + 1, MOST_ATTEMPTS),
        "most_tries": MOST_ATTEMPTS,
    }


def records_in_flight(deliveries: Iterable[Delivery]) -> int:
    """Count the records of requests that Braze has not answered yet."""
    return sum(each.batch.records for each in deliveries if each.batches and each.batch.sending)


class Sender:
    """Brings the deliveries of one push to their outcome, request by request.

    :param client: sends the requests.
    :param limiter: is told of each; whoever calls :meth:`send` has asked it.
    :param ledger: counts requests, and takes the outcomes.
    :param workspace: partner, and what to redact.
    :param retry_events: send events, purchases and increments again when an answer was lost.
    :param stop: ends the push, for a reason that no repeat mends.
    :param too_many: told how many objects Braze refused as too many for one request.
    :param may_send: see ``MaySend``.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        limiter: Limiter,
        ledger: Ledger,
        workspace: Workspace,
        *,
        retry_events: bool,
        stop: Callable[[BaseException], None],
        too_many: Callable[[int], None],
        may_send: MaySend,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._limiter = client, limiter
        self._ledger, self._workspace = ledger, workspace
        self._retry_events = retry_events
        self._stop, self._too_many, self._clock = stop, too_many, clock
        self._may_send = may_send
        self._last_conclusive = float("-inf")

    def begin(self, delivery: Delivery) -> bool:
        """Make the next batch of a delivery ready to be sent; False when all of it has its outcome."""
        batches = delivery.batches
        while batches and not batches[-1].remaining:
            batches.pop()
        if not batches:
            return False
        delivery.since, delivery.attempts, delivery.silence = self._clock(), 0, 0.0
        delivery.trouble, delivery.repeated = "", False
        return True

    def may_go(self, delivery: Delivery) -> bool:
        """Whether the present batch may be sent, as far as the number of its records is concerned."""
        return self._may_send(delivery.batch.records, self._client.wake)

    def send(self, delivery: Delivery) -> None:
        """Send the present batch once."""
        batch = delivery.batch
        # Made anew for each try, and kept by libcurl alone: few requests are repeated.
        body = batch.body(self._workspace.partner)
        delivery.length = len(body)
        delivery.counted = 0 if batch.lost else batch.records
        self._ledger.sent += delivery.counted
        self._count(delivery, 1)
        delivery.began = self._clock()
        self._limiter.take()
        # From here on, until there is an answer, Braze may have got it, whatever ends the push.
        batch.sending = True
        self._client.start(self._workspace.path, body, delivery)

    def answered(self, delivery: Delivery, result: Answer | NoAnswerError) -> float | None:
        """Take what became of a request.

        :return: when the next request of the delivery may go; None once all of it has its outcome.
        """
        batch, now = delivery.batch, self._clock()
        interpretation, reason = self._interpret(delivery, result)
        if not batch.lost:
            self._ledger.sent -= delivery.counted
        answer = result if isinstance(result, Answer) else None
        delivery.silence = 0.0 if answer else delivery.silence + now - delivery.began
        if interpretation.action is Action.WAIT:
            # A 429 processed nothing and is no try; the limiter knows how long to wait.
            return now
        if interpretation.action is Action.RETRY:
            pause = self._after_trouble(delivery, answer, reason)
            if pause is not None:
                return now + pause
        else:
            self._last_conclusive = now
            self._conclude(delivery, interpretation)
        return now if self.begin(delivery) else None

    def _interpret(self, delivery: Delivery, result: Answer | NoAnswerError) -> tuple[Interpretation, str]:
        """Read what became of a request, and note on its batch whether Braze has it, may have it, or has it not."""
        batch, lost_before = delivery.batch, delivery.batch.lost
        if isinstance(result, NoAnswerError):
            self._limiter.answered()
            batch.lost, batch.ambiguous, batch.sending = lost_before or result.sent, result.sent, False
            if result.sent:
                delivery.repeated = True
            else:
                self._count(delivery, -1)
            return self._unanswered(result)
        self._limiter.answered(result.status, result.headers)
        interpretation = interpret(
            result.status, result.body, batch, self._workspace.redact, self._workspace.permission
        )
        trouble = interpretation.action is Action.RETRY
        # What Braze has settled stays "may have got it" until it is in the ledger, should the push be torn away.
        batch.lost = lost_before or trouble or interpretation.action in (Action.ACCEPT, Action.SETTLE)
        batch.ambiguous = trouble and result.status not in _SURELY_UNPROCESSED
        batch.sending = False
        delivery.repeated = True
        return interpretation, f"Braze answered {result.status}"

    def _unanswered(self, error: NoAnswerError) -> tuple[Interpretation, str]:
        reason = self._workspace.redact(f"no answer from Braze: {error.reason}")
        if error.untrusted:
            refused = BrazeRefusedError(f"The host's TLS certificate is refused; {reason}")
            return Interpretation(Action.STOP, error=refused), reason
        return Interpretation(Action.RETRY), reason

    def _count(self, delivery: Delivery, by: int) -> None:
        self._ledger.requests += by
        self._ledger.retries += by if delivery.repeated else 0
        self._ledger.bytes += by * delivery.length

    def _after_trouble(self, delivery: Delivery, answer: Answer | None, reason: str) -> float | None:
        """Give the seconds until the present batch is tried again; None when it has its outcome instead."""
        batch = delivery.batch
        delivery.attempts += 1
        if batch.lost:
            _forget(batch)
        delivery.trouble = f"Braze answers {answer.status}" if answer else f"{reason[:1].upper()}{reason[1:]}"
        if self._part_unrepeatable(batch, reason):
            delivery.repeated = False
        if not batch.items:
            return None
        # Either would do for a host that is down; silence also ends what takes its whole timeout each time.
        if delivery.attempts >= MOST_ATTEMPTS or delivery.silence >= LONGEST_SILENCE:
            self._give_up(delivery, answer, reason)
            return None
        pause = random.random() * min(_FIRST_BACKOFF * float(2**delivery.attempts), _LONGEST_BACKOFF)
        delivery.silence += pause
        return pause

    def _part_unrepeatable(self, batch: Batch, reason: str) -> bool:
        """After a lost answer, settle what may not be sent twice; whether there was any."""
        if not batch.ambiguous or self._retry_events:
            return False
        kept = [item for item in batch.items if item.repeatable]
        for item in batch.items:
            if not item.repeatable:
                self._ledger.settle(item, "unknown", f"{reason}; events and increments are not sent twice")
        parted = len(kept) < len(batch.items)
        batch.items = kept
        return parted

    def _give_up(self, delivery: Delivery, answer: Answer | None, reason: str) -> None:
        batch = delivery.batches.pop()
        down = self._last_conclusive < delivery.since
        self._ledger.leave(batch.items, lost=batch.lost, reason=f"given up: {reason}", final=not down)
        if not down:
            return
        # Nothing else got through either: Braze is down, and every further batch would only be lost time.
        if answer is None:
            self._stop(BrazeUnreachableError(f"Braze could not be reached: {reason}."))
        else:
            self._stop(
                BrazeServerError(f"Braze has trouble: it answered {answer.status}.", status=answer.status)
            )

    def _conclude(self, delivery: Delivery, interpretation: Interpretation) -> None:
        """Give the present batch its outcome, or part it in halves where Braze refuses it whole."""
        batch = delivery.batch
        if interpretation.action is Action.SPLIT:
            if interpretation.too_many:
                self._too_many(len(batch.items))
            _forget(batch)
            # The next one last: of a user with objects in both, the older goes first.
            first, second = batch.halves()
            delivery.batches[-1:] = [second, first]
            return
        if interpretation.action is Action.ACCEPT:
            self._ledger.settle_batch(batch, ACCEPTED)
        for item, outcome, reason in interpretation.outcomes:
            self._ledger.settle(item, outcome, reason)
        if interpretation.note:
            self._ledger.note(interpretation.note)
        if interpretation.error is not None:
            self._ledger.leave(batch.items, lost=batch.lost, reason=f"{interpretation.error}")
            self._stop(interpretation.error)
        delivery.batches.pop()

    def abandon(self, delivery: Delivery) -> None:
        """Settle what has no outcome yet and gets no answer any more."""
        for batch in reversed(delivery.batches):
            lost = batch.lost or batch.sending
            reason = STOPPED_AFTER if lost else STOPPED_BEFORE
            self._ledger.leave(batch.items, lost=lost, reason=reason)
        delivery.batches.clear()
