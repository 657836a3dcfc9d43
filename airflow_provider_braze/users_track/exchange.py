"""One batch and Braze: sent, and sent again where that helps, until there is an answer that says what became of it."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

from airflow_provider_braze.exceptions import BrazeRefusedError, BrazeServerError, BrazeUnreachableError
from airflow_provider_braze.users_track.account import Account
from airflow_provider_braze.users_track.batches import Batch
from airflow_provider_braze.users_track.client import Answer, Client, NoAnswerError
from airflow_provider_braze.users_track.limiter import Limiter, LimiterClosedError
from airflow_provider_braze.users_track.verdict import Action, Verdict, judge
from airflow_provider_braze.users_track.workspace import Workspace

TRACK = "/users/track"

MOST_ATTEMPTS = 6
"""Tries of one batch that meet trouble; a 429 is none."""

LONGEST_SILENCE = 120.0
"""Seconds of trying without any answer after which a batch is given up; waiting for the limit is not counted."""

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 20.0
_SURELY_UNPROCESSED = frozenset({502, 503})
"""502 never reached Braze's server, 503 found no capacity (Braze docs: API errors): events may be sent again."""

STOPPED_BEFORE = "the push stopped before this record was sent"
STOPPED_AFTER = "the push stopped before Braze gave a final answer"


@dataclass(frozen=True, slots=True)
class _Try:
    """One POST.

    :param sent: whether it may have reached Braze.
    """

    verdict: Verdict
    reason: str
    answer: Answer | None
    sent: bool = True


class Exchange:
    """Sends batches for one push.

    :param client: sends the requests.
    :param limiter: decides when.
    :param account: counts requests, and takes the outcomes that need no answer.
    :param workspace: partner, and what to redact.
    :param retry_events: send events, purchases and increments again when an answer was lost.
    """

    def __init__(
        self, client: Client, limiter: Limiter, account: Account, workspace: Workspace, *, retry_events: bool
    ) -> None:
        self._client = client
        self._limiter = limiter
        self._account = account
        self._workspace = workspace
        self._retry_events = retry_events
        self._stopped = asyncio.Event()
        self._last_conclusive = float("-inf")

    def stop(self) -> None:
        """Wait for nothing any more, and send nothing further."""
        self._stopped.set()
        self._limiter.close()

    async def bring(self, batch: Batch) -> Verdict:
        """Send a batch until there is an answer that settles, splits or stops it.

        Objects that get no answer any more, or may not be sent twice, have their outcome when it returns or raises.
        """
        try:
            return await self._bring(batch)
        except LimiterClosedError:
            self._abandon(batch)
            return Verdict(Action.SETTLE)
        except BaseException:
            self._abandon(batch)
            raise

    def _abandon(self, batch: Batch) -> None:
        reason = STOPPED_AFTER if batch.lost else STOPPED_BEFORE
        self._account.leave(batch.items, lost=batch.lost, reason=reason)

    async def _bring(self, batch: Batch) -> Verdict:
        attempts, silence = 0, 0.0
        body, sent = batch.body(self._workspace.partner), b""
        started = time.monotonic()
        while True:
            await self._limiter.acquire()
            began = time.monotonic()
            tried = await self._attempt(batch, body, repeated=body == sent)
            now = time.monotonic()
            sent = body if tried.sent else sent
            silence = 0.0 if tried.answer is not None else silence + now - began
            if tried.verdict.action is Action.WAIT:
                continue
            if tried.verdict.action is not Action.RETRY:
                self._last_conclusive = now
                return tried.verdict
            attempts += 1
            if self._part_unrepeatable(batch, tried.reason):
                body = batch.body(self._workspace.partner)
            if not batch.items:
                return Verdict(Action.SETTLE)
            if attempts >= MOST_ATTEMPTS or silence >= LONGEST_SILENCE:
                return self._give_up(batch, tried, started)
            await self._pause(random.random() * min(_FIRST_BACKOFF * 2**attempts, _LONGEST_BACKOFF))
            silence += time.monotonic() - now

    async def _attempt(self, batch: Batch, body: bytes, *, repeated: bool) -> _Try:
        records = 0 if batch.lost else batch.records
        self._account.sent += records
        tried = await self._post(batch, body, repeated=repeated)
        if not batch.lost:
            self._account.sent -= records
        return tried

    async def _post(self, batch: Batch, body: bytes, *, repeated: bool) -> _Try:
        # Whatever ends this try, until there is an answer Braze may have got it.
        lost_before, batch.lost = batch.lost, True
        self._count(body, repeated, 1)
        try:
            answer = await self._client.post(TRACK, body)
        except NoAnswerError as error:
            self._limiter.answered()
            batch.lost = lost_before or error.sent
            batch.ambiguous = error.sent
            if not error.sent:
                self._count(body, repeated, -1)
            return self._unanswered(error)
        except BaseException:
            self._limiter.answered()
            raise
        self._limiter.answered(answer.status, answer.headers)
        verdict = judge(answer.status, answer.body, batch, self._workspace.redact)
        trouble = verdict.action is Action.RETRY
        # What Braze has settled stays "may have got it" until it is in the account, should the push be torn away.
        batch.lost = lost_before or trouble or verdict.action in (Action.ACCEPT, Action.SETTLE)
        batch.ambiguous = trouble and answer.status not in _SURELY_UNPROCESSED
        return _Try(verdict, f"Braze answered {answer.status}", answer)

    def _count(self, body: bytes, repeated: bool, by: int) -> None:
        self._account.requests += by
        self._account.retries += by if repeated else 0
        self._account.bytes += by * len(body)

    def _unanswered(self, error: NoAnswerError) -> _Try:
        reason = self._workspace.redact(f"no answer from Braze: {error.reason}")
        if error.untrusted:
            refused = BrazeRefusedError(f"The host's TLS certificate is refused; {reason}")
            return _Try(Verdict(Action.STOP, error=refused), reason, None, error.sent)
        return _Try(Verdict(Action.RETRY), reason, None, error.sent)

    def _part_unrepeatable(self, batch: Batch, reason: str) -> bool:
        """After a lost answer, settle what may not be sent twice; whether there was any."""
        if not batch.ambiguous or self._retry_events:
            return False
        kept = [item for item in batch.items if item.repeatable]
        for item in batch.items:
            if not item.repeatable:
                self._account.settle(item, "unknown", f"{reason}; events and increments are not sent twice")
        parted = len(kept) < len(batch.items)
        batch.items = kept
        return parted

    def _give_up(self, batch: Batch, tried: _Try, started: float) -> Verdict:
        down = self._last_conclusive < started
        self._account.leave(batch.items, lost=batch.lost, reason=f"given up: {tried.reason}", final=not down)
        if not down:
            return Verdict(Action.SETTLE)
        # Nothing else got through either: Braze is down, and every further batch would only be lost time.
        if tried.answer is None:
            return Verdict(
                Action.STOP, error=BrazeUnreachableError(f"Braze could not be reached: {tried.reason}.")
            )
        status = tried.answer.status
        return Verdict(
            Action.STOP, error=BrazeServerError(f"Braze has trouble: it answered {status}.", status=status)
        )

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return
