"""The pipeline: read, map, batch, send, account. Nothing waits for a wave, and memory does not grow with the file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.users_track import limits
from airflow_provider_braze.users_track.account import Account
from airflow_provider_braze.users_track.batches import Batch, Found, Window
from airflow_provider_braze.users_track.client import Client
from airflow_provider_braze.users_track.exchange import STOPPED_AFTER, STOPPED_BEFORE, TRACK, Exchange
from airflow_provider_braze.users_track.limiter import Limiter, LimiterClosedError
from airflow_provider_braze.users_track.lookup import Lookup
from airflow_provider_braze.users_track.verdict import ACCEPTED, Action
from airflow_provider_braze.users_track.workspace import Workspace

__all__ = ["TRACK", "Push", "describe"]

_LOOKED_UP_TOGETHER = 3 * limits.EXPORT_IDS_PER_REQUEST
"""Three full look-ups make two full requests."""

_BREATH = 500
"""Records after which reading lets the answers that have come be handled."""


class Feed(Protocol):
    """What a source is read from, so that the push need not be blocked by it."""

    hungry: bool
    """Whether reading on may block, until :meth:`fed`."""

    async def fed(self) -> None:
        """Wait until there is something to read."""

    def stop(self) -> None:
        """Wait no longer."""


class Push:
    """One push of objects to one workspace.

    :param source: yields the objects of valid records, and None for a record that was settled already.
    :param workspace: where to.
    :param account: takes every outcome.
    :param united: tag attributes that are united though they are plain arrays.
    :param retry_events: send events, purchases and increments again when an answer was lost, at the risk that
        Braze gets them twice.
    :param confirm: look users up before they are sent; those Braze does not know are ``not_found``.
    :param limiter: decides when a request may go (default: one for this push alone).
    :param feed: the file behind the source, where it has one.
    """

    def __init__(
        self,
        source: Iterator[Found],
        workspace: Workspace,
        account: Account,
        *,
        united: frozenset[str] = frozenset(),
        retry_events: bool = False,
        confirm: bool = False,
        limiter: Limiter | None = None,
        feed: Feed | None = None,
    ) -> None:
        self.account = account
        self.limiter = limiter or Limiter(workspace.requests_per_second)
        self.error: BaseException | None = None
        self._source = source
        self._feed = feed
        self._workers = workspace.max_in_flight
        self._window = Window(workspace.objects_per_request, united=united, partner=workspace.partner)
        self._exhausted = False
        self._stopped = False
        self._cut_short = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._released = asyncio.Event()
        self._reading = asyncio.Lock()
        self._client = Client(workspace)
        self._exchange = Exchange(self._client, self.limiter, account, workspace, retry_events=retry_events)
        self._lookup = Lookup(self._client, workspace, account) if confirm else None
        self._objects_per_request = workspace.objects_per_request
        if confirm:
            self._window.objects_per_request = _LOOKED_UP_TOGETHER

    async def run(self, watch: Callable[[], Awaitable[None]] | None = None, every: float = 5.0) -> None:
        """Send everything. What stopped the push early, if anything, is in ``error`` afterwards.

        :param watch: called every few seconds while the push runs.
        :param every: seconds between these calls.
        """
        self._loop = asyncio.get_running_loop()
        async with self._client:
            self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]
            watching = [asyncio.create_task(self._watch(watch, every))] if watch else []
            whole = False
            try:
                await asyncio.gather(*self._tasks)
                whole = True
            except asyncio.CancelledError:
                if not self._cut_short:
                    raise
            finally:
                for task in (*self._tasks, *watching):
                    task.cancel()
                await asyncio.gather(*self._tasks, *watching, return_exceptions=True)
                self._close_account(whole)

    def _close_account(self, whole: bool) -> None:
        self.account.leave(self._window.drain(), lost=False, reason=STOPPED_BEFORE)
        self.account.settle_rest("not_sent" if whole else "unknown")
        self.account.flush()
        self._stop_on_trouble()

    async def _watch(self, watch: Callable[[], Awaitable[None]], every: float) -> None:
        while True:
            await asyncio.sleep(every)
            try:
                await watch()
            except Exception as error:
                # What only tells of the push does not end it, and may work the next time.
                self.account.note(f"The push was not watched for a moment: {describe(error)}.")

    @property
    def paused_for(self) -> float:
        """Seconds for which Braze lets nothing through."""
        lookups = self._lookup.limiter.paused_for if self._lookup is not None else 0.0
        return max(self.limiter.paused_for, lookups)

    def stop(self, error: BaseException) -> None:
        """Send nothing further; what is in flight may still get its answer."""
        if self.error is None:
            self.error = error
        self._stopped = True
        if self._feed is not None:
            self._feed.stop()
        self._exchange.stop()
        self._released.set()
        if self._lookup is not None:
            self._lookup.limiter.close()

    def stop_from_outside(self, error: BaseException, patience: float) -> None:
        """Stop while the push runs, from a signal handler or another thread.

        :param patience: seconds in which what is in flight may get its answer.
        """
        if self._loop is None:
            self.stop(error)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._cut, error, patience)

    def _cut(self, error: BaseException, patience: float) -> None:
        self.stop(error)
        asyncio.get_running_loop().call_later(patience, self._give_up_waiting)

    def _give_up_waiting(self) -> None:
        self._cut_short = True
        for task in self._tasks:
            task.cancel()

    def _stop_on_trouble(self) -> None:
        if self.account.trouble is not None:
            self.stop(self.account.trouble)

    async def _work(self) -> None:
        while (batch := await self._next_batch()) is not None:
            try:
                if self._lookup is None:
                    await self._deliver(batch)
                else:
                    await self._deliver_known(batch, self._lookup)
            except BaseException as error:
                reason = STOPPED_AFTER if batch.lost else STOPPED_BEFORE
                self.account.leave(batch.items, lost=batch.lost, reason=reason)
                if not isinstance(error, Exception):
                    raise
                self.stop(error)
            finally:
                self._window.release(batch.parts)
                self._released.set()

    async def _next_batch(self) -> Batch | None:
        async with self._reading:
            while not self._stopped:
                if not self.account.crowded:
                    await self._fill()
                if self._stopped:
                    break
                batch = self._window.take()
                if batch is not None:
                    return batch
                if self._exhausted and self._window.empty:
                    break
                if not self._window.waits:
                    # There was nothing but objects that an earlier try had settled.
                    await asyncio.sleep(0)
                    continue
                # Every user in the window is in flight: the next object goes out after an answer.
                self._released.clear()
                await self._released.wait()
            return None

    async def _fill(self) -> None:
        """Read until the next batch is whole or the source is at its end."""
        window, feed = self._window, self._feed
        if not (self._exhausted or window.full):
            # What was handed over goes out before anything is read: answers can come meanwhile.
            await asyncio.sleep(0)
        breath = window.read + _BREATH
        try:
            while not (self._exhausted or self._stopped or window.full):
                if feed is not None and feed.hungry:
                    await feed.fed()
                    continue
                try:
                    found = next(self._source)
                except StopIteration:
                    self._exhausted = True
                    window.finish()
                    break
                for item, reason in window.take_in(found):
                    self.account.settle(item, "invalid", reason)
                if window.read >= breath:
                    breath = window.read + _BREATH
                    self._stop_on_trouble()
                    await asyncio.sleep(0)
        except Exception as error:
            self._exhausted = True
            self.stop(error)
        self._stop_on_trouble()

    async def _deliver_known(self, batch: Batch, lookup: Lookup) -> None:
        """Bring the users that Braze knows to their outcome; the others are not found."""
        try:
            absent = await lookup.unknown_to_braze(batch.items)
        except (BrazeError, LimiterClosedError) as error:
            self.account.leave(batch.items, lost=False, reason=f"not looked up: {describe(error)}")
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
        verdict = await self._exchange.bring(batch)
        if verdict.action is Action.SPLIT:
            if verdict.too_many:
                self._take_fewer(len(batch.items))
            for half in batch.halves():
                await self._deliver(half)
            return
        if verdict.action is Action.ACCEPT:
            self.account.settle_batch(batch, ACCEPTED)
        for item, outcome, reason in verdict.outcomes:
            self.account.settle(item, outcome, reason)
        if verdict.note:
            self.account.note(verdict.note)
        if verdict.error is not None:
            self.account.leave(batch.items, lost=batch.lost, reason=f"{verdict.error}")
            self.stop(verdict.error)

    def _take_fewer(self, refused: int) -> None:
        fewer = max(1, refused // 2)
        if fewer < self._objects_per_request:
            self._objects_per_request = fewer
            if self._lookup is None:
                self._window.objects_per_request = fewer
            self.account.note(
                f"Braze refused {refused} objects in one request; at most {fewer} go into one from here on. Set the "
                "connection's extra objects_per_request to what your contract allows."
            )


def describe(error: BaseException) -> str:
    """Say in one sentence why a push stopped; another library's text may quote a record, so it is left out."""
    if isinstance(error, BrazeError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{type(error).__name__}: {error.strerror}"
    return type(error).__name__
