"""One plain loop: read until a batch is whole, send what the limiter lets go, take what is answered, look at the clock.

Above it stands ``pushes``, which gives it a source and a ledger and watches it; below it the intake (source to window),
the window (which objects belong together), the sender (what an answer means), the client (libcurl) and the limiter
(when). Everything happens on the one thread that calls :meth:`Push.run`, which waits in ``Client.wait`` and nowhere
else. What waits for something is an entry with a due time, never a suspended call, so that a stop has nothing to
interrupt. Memory does not grow with the file.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, describe
from airflow_provider_braze.users_track.batching.merge_window import MergeWindow, SourceItem
from airflow_provider_braze.users_track.delivery import sender
from airflow_provider_braze.users_track.delivery.confirming import Confirming
from airflow_provider_braze.users_track.delivery.intake import Feed, Intake
from airflow_provider_braze.users_track.delivery.lookup import Lookup, Question
from airflow_provider_braze.users_track.delivery.schedule import Lane, Schedule
from airflow_provider_braze.users_track.delivery.sender import Delivery, Sender
from airflow_provider_braze.users_track.delivery.sieve import Changes, Sieve
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.transport.client import Answer, Client, NoAnswerError
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace

_LOOKED_UP_TOGETHER = 3 * limits.EXPORT_IDS_PER_REQUEST
"""Three full look-ups make two full requests."""

_LONGEST_WAIT = 0.5
"""Seconds after which the loop looks at everything again, whatever it waits for."""


class Push:
    """One push of objects to one workspace.

    :param source: yields the objects of valid records, and None for a record that was settled already.
    :param workspace: where to.
    :param ledger: takes every outcome.
    :param united: tag attributes that are united though they are plain arrays.
    :param retry_events: send events, purchases and increments again when an answer was lost, at the risk that
        Braze gets them twice.
    :param confirm: look users up before they are sent; those Braze does not know are ``not_found``.
    :param limiter: decides when a request may go (default: one for this push alone).
    :param feed: the file behind the source, where it has one.
    :param changes: leaves out what Braze was told before (default: nothing is left out).
    :param may_send: whether so many records more may count as sent; if not, wakes when asking again tells more.
    :param client: sends the requests (default: libcurl).
    :param clock: monotonic seconds, the same as the limiter's.
    """

    def __init__(
        self,
        source: Iterator[SourceItem],
        workspace: Workspace,
        ledger: Ledger,
        *,
        united: frozenset[str] = frozenset(),
        retry_events: bool = False,
        confirm: bool = False,
        limiter: Limiter | None = None,
        feed: Feed | None = None,
        changes: Changes | None = None,
        may_send: sender.MaySend = sender.always,
        client: Client | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ledger = ledger
        self.limiter = limiter or Limiter(workspace.requests_per_second, shards=workspace.shards, clock=clock)
        self.error: BaseException | None = None
        self._clock = clock
        self._most_deliveries = workspace.max_in_flight
        self._window = MergeWindow(
            workspace.objects_per_request,
            workspace.bytes_per_request,
            united=united,
            partner=workspace.partner,
        )
        self._objects_per_request = workspace.objects_per_request
        self._client = client or Client(workspace)
        self._intake = Intake(source, self._window, ledger, feed, self._client.wake)
        self._sender = Sender(
            self._client,
            self.limiter,
            ledger,
            workspace,
            retry_events=retry_events,
            stop=self.stop,
            too_many=self._take_fewer,
            may_send=may_send,
            clock=clock,
        )
        self._sieve = (
            Sieve(self._window, changes, ledger, lambda: self._objects_per_request)
            if changes is not None and not confirm
            else None
        )
        self._stopped = False
        # Every delivery is in one place only: in flight, in a lane, or in the schedule. Here are all of them.
        self._deliveries: dict[Delivery, None] = {}
        self._in_flight = 0
        self._track = Lane(self.limiter, self._sender.send, self._sender.may_go)
        self._lanes = [self._track]
        self._schedule = Schedule(clock)
        self._confirming = self._confirm(workspace, changes) if confirm else None
        self._asked_to_stop: tuple[BaseException, float] | None = None
        self._look_at = self._cut_at = float("inf")

    def _confirm(self, workspace: Workspace, changes: Changes | None) -> Confirming:
        self._window.objects_per_request = _LOOKED_UP_TOGETHER
        lookup = Lookup(self._client, workspace, self.ledger, clock=self._clock)
        lane = Lane(lookup.limiter, lookup.ask)
        self._lanes.append(lane)
        steps = (lambda: self._objects_per_request, self._go_on, self._end, self.stop)
        return Confirming(lookup, self.ledger, self._schedule, changes, lane, *steps)

    def run(self, watch: Callable[[], None] | None = None, every: float = 5.0) -> None:
        """Send everything. What stopped the push early, if anything, is in ``error`` afterwards.

        :param watch: called every few seconds while the push runs; it must not block.
        :param every: seconds between these calls.
        """
        whole = False
        with self._client:
            try:
                self._look_at = self._clock() + every if watch else float("inf")
                while self._turn():
                    if watch is not None and self._clock() >= self._look_at:
                        self._watch(watch)
                        self._look_at = self._clock() + every
                whole = True
            finally:
                # Whatever ended the loop, an interruption too: every record that was read has an outcome after this.
                self._close_account(whole)

    def _close_account(self, whole: bool) -> None:
        if self._asked_to_stop is not None:
            self.stop(self._asked_to_stop[0])
        # From what may have arrived to what surely did not; what neither holds was torn from a line in between.
        for delivery in self._deliveries:
            self._sender.abandon(delivery)
        self._deliveries.clear()
        waiting = self._sieve.drain() if self._sieve is not None else []
        self.ledger.leave([*waiting, *self._window.drain()], lost=False, reason=sender.STOPPED_BEFORE)
        self.ledger.settle_rest("not_sent" if whole else "unknown")
        self.ledger.flush()
        self._stop_on_trouble()

    def _watch(self, watch: Callable[[], None]) -> None:
        try:
            watch()
        except Exception as error:
            # What only tells of the push does not end it, and may work the next time.
            self.ledger.note(f"The push was not watched for a moment: {describe(error)}.")

    @property
    def paused_for(self) -> float:
        """Seconds for which Braze lets nothing through."""
        return max(lane.limiter.paused_for for lane in self._lanes)

    @property
    def in_flight(self) -> int:
        """Records in requests that Braze has not answered yet."""
        return sender.records_in_flight(self._deliveries)

    @property
    def trouble(self) -> dict[str, Any] | None:
        """What Braze answers while something is tried again: ``reason``, ``next_try``, ``most_tries``."""
        return sender.worst_trouble(self._deliveries)

    def stop(self, error: BaseException) -> None:
        """Send nothing further; what is in flight may still get its answer."""
        # The first one counts: what follows is mostly its consequence.
        if self.error is None:
            self.error = error
        self._stopped = True

    def stop_from_outside(self, error: BaseException, patience: float) -> None:
        """Stop while the push runs, from a signal handler or another thread.

        :param patience: seconds in which what is in flight may get its answer.
        """
        # Only a flag, which the loop reads in its next turn: a handler may have interrupted any line of it.
        self._asked_to_stop = error, patience
        self._client.wake()

    def _stop_on_trouble(self) -> None:
        if self.ledger.trouble is not None:
            self.stop(self.ledger.trouble)

    def _turn(self) -> bool:
        """Go round once; False when nothing is left to do."""
        if self._asked_to_stop is not None:
            (error, patience), self._asked_to_stop = self._asked_to_stop, None
            self.stop(error)
            self._cut_at = min(self._cut_at, self._clock() + patience)
        # Answers first: each makes room in the window and under the limiter for what is sent in this same turn.
        for about, result in self._client.finished():
            self._in_flight -= 1
            try:
                self._answered(about, result)
            except Exception as error:
                self.stop(error)
        self._schedule.make_ready()
        if self._stopped:
            return self._wind_up()
        sent = self._send()
        if self._read() or sent or self._stopped:
            return True
        if self._intake.exhausted and not self._deliveries and not self._has_more:
            return False
        # Asked anew: since it was sent from, time has passed, in which a limiter may have opened.
        if not any(lane.is_open for lane in self._lanes):
            self._wait()
        return True

    @property
    def _has_more(self) -> bool:
        """Whether something was read that no request is made of yet."""
        return not self._window.empty or (self._sieve is not None and not self._sieve.empty)

    def _wait(self) -> None:
        """Wait until there is something to do; where only our own limits hold it, that is counted."""
        paced, since = self._is_paced(), self._clock()
        self._client.wait(self._seconds_until_something())
        if paced:
            self.limiter.paced_seconds += self._clock() - since

    def _is_paced(self) -> bool:
        """Whether something could be sent, and Braze has ordered no pause, but an endpoint's own limit holds it."""
        room = len(self._deliveries) < self._most_deliveries
        whole = room and self._intake.whole
        return any(
            (lane.ready or (whole and lane is self._lanes[-1]))
            and not lane.limiter.paused_for
            and lane.limiter.ready_in() != 0
            for lane in self._lanes
        )

    def _wind_up(self) -> bool:
        """Let go of all that is not in flight; False once nothing is any more, or nobody waits for it longer."""
        self._intake.stop()
        if not self._in_flight or self._clock() >= self._cut_at:
            return False
        self._client.wait(self._seconds_until(self._cut_at))
        return True

    def _send(self) -> bool:
        """Send what the limiters let go; whether there was anything."""
        sent = False
        for lane in self._lanes:
            while (wait := lane.limiter.ready_in()) == 0 and (lane.ready or self._next_delivery(lane)):
                if not lane.lets(lane.ready[0]):
                    break
                self._in_flight += 1
                lane.send(lane.ready.popleft())
                sent = True
            # Kept, and not asked again before the loop waits: a limiter whose moment comes in between would say 0, as
            # one does that held nothing back, and the loop would sleep through it.
            lane.opens_at = self._clock() + wait if wait else float("inf")
        return sent

    def _next_delivery(self, lane: Lane) -> bool:
        """Take a batch out of the window, if it is whole and there is room for it; whether the lane has more now."""
        # With confirm the last lane is that of look-ups: nobody is sent who was not looked up.
        if lane is not self._lanes[-1] or len(self._deliveries) >= self._most_deliveries:
            return False
        try:
            delivery = self._take()
        except BrazeError as error:
            self.stop(error)
            return False
        if delivery is None:
            return False
        self._deliveries[delivery] = None
        if self._confirming is None:
            self._go_on(delivery)
        else:
            self._confirming.begin(delivery)
        return bool(lane.ready)

    def _take(self) -> Delivery | None:
        if self._sieve is not None:
            found = self._sieve.take(self._may_take)
            return None if found is None else Delivery((), [found[0]], shares=found[1])
        batch = self._window.take() if self._may_take() else None
        return None if batch is None else Delivery(batch.parts, [batch])

    def _may_take(self) -> bool:
        # To take one that is not whole would end the look-ahead of those who wait for more records of their users.
        return self._intake.whole or self._intake.exhausted or self.ledger.crowded

    def _go_on(self, delivery: Delivery) -> None:
        if self._sender.begin(delivery):
            self._track.ready.append(delivery)
        else:
            self._end(delivery)

    def _end(self, delivery: Delivery) -> None:
        """Let the users of a delivery be sent again: all of it has its outcome."""
        # Not before: a user who is released while in flight could be in two requests, which Braze takes in any order.
        del self._deliveries[delivery]
        self._window.release(delivery.parts)
        if self._sieve is not None:
            self._sieve.ended(delivery.shares)

    def _answered(self, about: Delivery | Question, result: Answer | NoAnswerError) -> None:
        if isinstance(about, Question):
            if self._confirming is not None and about.of.about in self._deliveries:
                self._confirming.answered(about, result)
            return
        # A split, too, goes on under its delivery: one that is due again is in no lane meanwhile.
        at = self._sender.answered(about, result)
        if at is None:
            self._end(about)
        else:
            self._schedule.again(at, self._track, about)

    def _read(self) -> bool:
        """Read until the next batch is whole, but not for long; whether there was anything to read."""
        read = False
        try:
            read = self._intake.read()
        except Exception as error:
            self.stop(error)
        self._stop_on_trouble()
        return read

    def _seconds_until_something(self) -> float:
        """Seconds until the loop has something to do, should no answer come and nobody wake it before."""
        opening = [lane.opens_at for lane in self._lanes if lane.ready or self._has_more]
        return self._seconds_until(min((self._schedule.next_at, *opening)))

    def _seconds_until(self, moment: float) -> float:
        return max(0.0, min(_LONGEST_WAIT, min(moment, self._look_at) - self._clock()))

    def _take_fewer(self, refused: int) -> None:
        fewer = max(1, refused // 2)
        if fewer < self._objects_per_request:
            self._objects_per_request = fewer
            if self._confirming is None and self._sieve is None:
                self._window.objects_per_request = fewer
            self.ledger.note(
                f"Braze refused {refused} objects in one request; at most {fewer} go into one from here on. Set the "
                "connection's extra objects_per_request to what your contract allows."
            )
