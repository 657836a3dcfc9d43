"""The pipeline: read, map, batch, send, account. Nothing waits for a wave, and memory does not grow with the file."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterator

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeRefusedError,
    BrazeServerError,
    BrazeUnreachableError,
)
from airflow_provider_braze.users_track import limits
from airflow_provider_braze.users_track.account import Account
from airflow_provider_braze.users_track.batches import Batch, Outgoing, Window
from airflow_provider_braze.users_track.client import Answer, Client, NoAnswerError
from airflow_provider_braze.users_track.limiter import Limiter, LimiterClosedError
from airflow_provider_braze.users_track.lookup import Lookup
from airflow_provider_braze.users_track.verdict import Action, Verdict, judge
from airflow_provider_braze.users_track.workspace import Workspace

TRACK = "/users/track"

MOST_ATTEMPTS = 6
"""Tries of one batch that meet trouble; a 429 is none."""

LONGEST_SILENCE = 120.0
"""Seconds without any answer after which a batch is given up; time ordered by a 429 is not counted."""

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 20.0
_SURELY_UNPROCESSED = frozenset({502, 503})
"""502 never reached Braze's server, 503 found no capacity (Braze docs: API errors)."""

_LOOKED_UP_TOGETHER = 3 * limits.EXPORT_IDS_PER_REQUEST
"""Three full look-ups make two full requests."""

_BREATH = 500
"""Records after which reading lets the answers that have come be handled."""


class Push:
    """One push of objects to one workspace.

    :param source: yields an object for each valid record, and None for a record that was settled already.
    :param workspace: where to.
    :param account: takes every outcome.
    :param united: tag attributes that are united though they are plain arrays.
    :param retry_events: send events, purchases and increments again when an answer was lost, at the risk that
        Braze gets them twice.
    :param confirm: look users up before they are sent; those Braze does not know are ``not_found``.
    :param limiter: decides when a request may go (default: one for this push alone).
    """

    def __init__(
        self,
        source: Iterator[Outgoing | None],
        workspace: Workspace,
        account: Account,
        *,
        united: frozenset[str] = frozenset(),
        retry_events: bool = False,
        confirm: bool = False,
        limiter: Limiter | None = None,
    ) -> None:
        self.account = account
        self.limiter = limiter or Limiter(workspace.requests_per_second)
        self.error: BaseException | None = None
        self._source = source
        self._workspace = workspace
        self._retry_events = retry_events
        self._window = Window(workspace.objects_per_request, united=united)
        self._exhausted = False
        self._stopped = asyncio.Event()
        self._released = asyncio.Event()
        self._reading = asyncio.Lock()
        self._last_conclusive = float("-inf")
        self._client = Client(workspace)
        self._lookup = Lookup(self._client, workspace) if confirm else None
        self._objects_per_request = workspace.objects_per_request
        if confirm:
            self._window.objects_per_request = _LOOKED_UP_TOGETHER

    async def run(self, progress: Callable[[], None] | None = None, every: float = 5.0) -> None:
        """Send everything. What stopped the push early, if anything, is in ``error`` afterwards.

        :param progress: called every few seconds while the push runs.
        :param every: seconds between these calls.
        """
        async with self._client:
            ticker = asyncio.create_task(self._tick(progress, every)) if progress else None
            workers = [asyncio.create_task(self._work()) for _ in range(self._workspace.max_in_flight)]
            try:
                await asyncio.gather(*workers)
            finally:
                for task in (*workers, ticker):
                    if task is not None:
                        task.cancel()
                await asyncio.gather(*workers, return_exceptions=True)
                for item in self._window.drain():
                    self.account.settle(item, "not_sent", "the push stopped before this record was sent")

    async def _tick(self, progress: Callable[[], None], every: float) -> None:
        while True:
            await asyncio.sleep(every)
            progress()

    def stop(self, error: BaseException) -> None:
        """Send nothing further; what is in flight may still get its answer."""
        if self.error is None:
            self.error = error
        self._stopped.set()
        self._released.set()
        self.limiter.close()
        if self._lookup is not None:
            self._lookup.limiter.close()

    async def _work(self) -> None:
        while (batch := await self._next_batch()) is not None:
            items = batch.items
            try:
                if self._lookup is None:
                    await self._deliver(batch)
                else:
                    await self._deliver_known(batch, self._lookup)
            except asyncio.CancelledError:
                self._leave(items, lost=True, reason="the push was stopped while this record was in flight")
                raise
            except Exception as error:
                self._leave(items, lost=True, reason=f"the push failed ({type(error).__name__})")
                self.stop(error)
            finally:
                self._window.release(items)
                self._released.set()

    async def _next_batch(self) -> Batch | None:
        async with self._reading:
            while not self._stopped.is_set():
                await self._fill()
                if self._stopped.is_set():
                    break
                if self._window.ready:
                    batch, refused = self._window.take()
                    for item, reason in refused:
                        self.account.settle(item, "invalid", reason)
                    if batch.items:
                        return batch
                elif self._exhausted and self._window.empty:
                    return None
                else:
                    # Every user in the window is in flight: the next object goes out after an answer.
                    self._released.clear()
                    await self._released.wait()
            return None

    async def _fill(self) -> None:
        read = 0
        try:
            while not self._exhausted and not self._window.full:
                item = next(self._source, self)
                if item is self:
                    self._exhausted = True
                elif isinstance(item, Outgoing):
                    self._window.add(item)
                read += 1
                if read % _BREATH == 0:
                    await asyncio.sleep(0)
        except Exception as error:
            self._exhausted = True
            self.stop(error)

    async def _deliver_known(self, batch: Batch, lookup: Lookup) -> None:
        """Bring the users that Braze knows to their outcome; the others are not found."""
        try:
            absent = await lookup.unknown_to_braze(batch.items)
        except (BrazeError, LimiterClosedError) as error:
            self._leave(batch.items, lost=False, reason=f"not looked up: {describe(error)}")
            if isinstance(error, BrazeError):
                self.stop(error)
            return
        for item in absent:
            self.account.settle(item, "not_found", "Braze has no profile of this user")
        known = [item for item in batch.items if item.origins]
        while known:
            await self._deliver(Batch(known[: self._objects_per_request]))
            known = known[self._objects_per_request :]

    async def _deliver(self, batch: Batch) -> None:
        """Bring a batch to its outcome, in halves where Braze refuses it whole."""
        verdict = await self._exchange(batch)
        if verdict.action is Action.SPLIT:
            if verdict.too_many:
                self._take_fewer(len(batch.items))
            for half in batch.halves():
                await self._deliver(half)
            return
        for item, outcome, reason in verdict.outcomes:
            self.account.settle(item, outcome, reason)
        if verdict.note:
            self.account.note(verdict.note)
        if verdict.error is not None:
            self._leave(batch.items, lost=batch.lost, reason=f"{verdict.error}")
            self.stop(verdict.error)

    def _take_fewer(self, refused: int) -> None:
        fewer = max(1, refused // 2)
        if fewer < self._objects_per_request:
            self._objects_per_request = fewer
            if self._lookup is None:
                self._window.objects_per_request = fewer
            self.account.note(
                f"Braze refused {refused} objects in one request; {fewer} are sent from here on. Set the "
                "connection's extra objects_per_request to what your contract allows."
            )

    async def _exchange(self, batch: Batch) -> Verdict:
        """Send a batch until there is an answer that settles, splits or stops it."""
        attempts, sent_before = 0, False
        first_try = silent_since = time.monotonic()
        while True:
            try:
                await self.limiter.acquire()
            except LimiterClosedError:
                self._leave(
                    batch.items, lost=batch.lost, reason="the push stopped before this record was sent"
                )
                return Verdict(Action.SETTLE)
            verdict, reason, answer = await self._attempt(batch, repeated=sent_before)
            sent_before = True
            now = time.monotonic()
            if answer is not None:
                silent_since = now + (self.limiter.paused_for if verdict.action is Action.WAIT else 0.0)
            if verdict.action is Action.WAIT:
                continue
            if verdict.action is not Action.RETRY:
                self._last_conclusive = now
                return verdict
            attempts += 1
            self._part_unrepeatable(batch, reason)
            if not batch.items:
                return Verdict(Action.SETTLE)
            if attempts >= MOST_ATTEMPTS or now - silent_since >= LONGEST_SILENCE:
                return self._give_up(batch, reason, answer, first_try)
            await self._pause(random.random() * min(_FIRST_BACKOFF * 2**attempts, _LONGEST_BACKOFF))

    async def _attempt(self, batch: Batch, *, repeated: bool) -> tuple[Verdict, str, Answer | None]:
        body = batch.body(self._workspace.partner)
        self.account.requests += 1
        self.account.retries += repeated
        self.account.bytes += len(body)
        try:
            answer = await self._client.post(TRACK, body)
        except NoAnswerError as error:
            self.limiter.answered()
            batch.lost = batch.lost or error.sent
            batch.ambiguous = error.sent
            reason = self._workspace.redact(f"no answer from Braze: {error.reason}")
            if error.untrusted:
                refused = BrazeRefusedError(f"The host's TLS certificate is refused; {reason}")
                return Verdict(Action.STOP, error=refused), reason, None
            return Verdict(Action.RETRY), reason, None
        except BaseException:
            self.limiter.answered()
            raise
        self.limiter.answered(answer.status, answer.headers)
        verdict = judge(answer.status, answer.body, batch, self._workspace.redact)
        if verdict.action is Action.RETRY:
            batch.lost = True
            batch.ambiguous = answer.status not in _SURELY_UNPROCESSED
        return verdict, f"Braze answered {answer.status}", answer

    def _part_unrepeatable(self, batch: Batch, reason: str) -> None:
        """After a lost answer, settle what may not be sent twice."""
        if not batch.ambiguous or self._retry_events:
            return
        kept = [item for item in batch.items if item.repeatable]
        for item in batch.items:
            if not item.repeatable:
                self.account.settle(item, "unknown", f"{reason}; events and increments are not sent twice")
        batch.items = kept

    def _give_up(self, batch: Batch, reason: str, answer: Answer | None, first_try: float) -> Verdict:
        self._leave(batch.items, lost=batch.lost, reason=f"given up: {reason}")
        if self._last_conclusive < first_try:
            # Nothing else got through either: Braze is down, and every further batch would only be lost time.
            trouble = BrazeServerError if answer is not None else BrazeUnreachableError
            status = answer.status if answer is not None else None
            self.stop(trouble(f"Braze could not be reached for too long: {reason}.", status=status))
        return Verdict(Action.SETTLE)

    def _leave(self, items: list[Outgoing], *, lost: bool, reason: str) -> None:
        """Settle what will get no answer any more."""
        for item in items:
            if item.origins:
                self.account.settle(item, "unknown" if lost else "not_sent", reason)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopped.wait(), seconds)
        except TimeoutError:
            return


def describe(error: BaseException) -> str:
    """Say in one sentence why a push stopped."""
    return str(error) if isinstance(error, BrazeError) else f"{type(error).__name__}: {error}"
