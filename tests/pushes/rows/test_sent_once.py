"""Rows that may be sent but once, through every order of reading, sending, answers, checkpoints, kills and stops.

The model knows what Braze got. The real source, window, ledger, log and rejects are driven step by step in the
place of a push, and of the checkpoints only those survive a kill that were written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from airflow_provider_braze.pushes.resuming.write_ahead_log import RowsLedger, WriteAheadLog
from airflow_provider_braze.pushes.rows import rows_source
from airflow_provider_braze.pushes.rows.given_rows import GivenRow
from airflow_provider_braze.pushes.rows.rows_source import RowsSource, counted_users
from airflow_provider_braze.pushes.sources import export_source
from airflow_provider_braze.rejects.writer import RejectsInReport
from airflow_provider_braze.users_track.batching import merge_window as batches
from airflow_provider_braze.users_track.batching.merge_window import Batch, MergeWindow
from airflow_provider_braze.users_track.ledger import ledger as ledgers
from tests.reports import OUTCOMES

EVENT = {"name": "opened", "time": "2026-03-01T12:00:00Z"}
PHASES = [phase for phase in Phase if phase is not Phase.shrink]
"""To make a failing example of so many steps smaller takes minutes."""

BLOCKED = "U0"
"""A user whom Braze rejects."""

KINDS = ("sets", "sets", "counts", "event", "event", "event", "invalid", "invalid event")
SMALL = ((rows_source, "AHEAD", 7), (batches, "LOOK_AHEAD_RECORDS", 4), (ledgers, "_LARGEST_SEGMENT", 5))


def row_of(ordinal: int, kind: str, user: int) -> GivenRow:
    content: dict[str, Any] = {"external_id": f"U{user}"}
    if kind == "sets":
        content[f"x{ordinal}"] = ordinal
    elif kind == "counts":
        content |= {f"x{ordinal}": ordinal, "visits": {"inc": 1}}
    elif kind == "invalid":
        content = {"x": 1}
    else:
        content |= EVENT | ({"properties": {"p": float("inf")}} if kind == "invalid event" else {})
    return GivenRow(ordinal, "events" if "event" in kind else "attributes", content)


class Try:
    """One try: what a push is made of, without its loop and the network."""

    def __init__(self, rows: list[GivenRow], kept: dict[str, Any] | None) -> None:
        self.sink = RejectsInReport()
        if kept:
            self.sink.resume(kept["failed_rows"])
        self.log = WriteAheadLog(kept and kept["handed"])
        self.ledger = RowsLedger(self.sink, self.log)
        if kept:
            self.ledger.resume(kept["account"])
        self.source = RowsSource(
            iter(rows), mode="auto", counted=counted_users(iter(rows)), log=self.log, announce=self._announce
        )
        self.objects = self.source.objects(self.ledger)
        self.window = MergeWindow(3)
        self.in_flight: list[Batch] = []
        self.arrived: list[Batch] = []
        self.exhausted = False
        self.put: dict[str, Any] | None = None
        self.written: dict[str, Any] | None = kept

    def _announce(self, wake: Callable[[], None]) -> bool:
        self.put = self.checkpoint()
        self.written = self.put
        return True

    def checkpoint(self) -> dict[str, Any]:
        self.sink.cut()
        kept = {
            "account": self.ledger.checkpoint(),
            "handed": self.log.as_dict(self.ledger.settled.records, self.source.read),
            **self.sink.checkpoint(),
        }
        found: dict[str, Any] = json.loads(json.dumps(kept))
        return found

    def take(self) -> Batch | None:
        while not (self.exhausted or self.window.full):
            self.read()
        return self.window.take()

    def read(self) -> None:
        if self.exhausted or self.window.full:
            return
        before = self.put
        assert self.source.ready(lambda: None)
        if self.put is not before:
            return
        try:
            found = next(self.objects)
        except StopIteration:
            self.exhausted = True
            self.window.finish()
            return
        for item, reason in self.window.take_in(found):
            self.ledger.settle(item, "invalid", reason)


class SentOnce(RuleBasedStateMachine):
    """Pushes some rows, with everything that can happen between."""

    received: Counter[int]
    this: Try

    @initialize(given=st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5)), min_size=1, max_size=40))
    def begin(self, given: list[tuple[str, int]]) -> None:
        given.sort(key=lambda pair: "event" in pair[0])
        self.rows = [row_of(ordinal, kind, user) for ordinal, (kind, user) in enumerate(given)]
        once = counted_users(iter(self.rows))
        self.once = {
            row.line
            for row in self.rows
            if row.array == "events" or rows_source.identity_of(row.content) in once
        }
        self.received = Counter()
        self.this = Try(self.rows, None)
        self.calm = self.alive = True

    @rule(times=st.integers(1, 12))
    def read(self, times: int) -> None:
        for _ in range(times):
            self.this.read()

    @rule()
    def send(self) -> None:
        if (batch := self.this.take()) is not None:
            self.this.in_flight.append(batch)

    @precondition(lambda self: self.this.in_flight)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """Braze gets a request; its answer is still under way."""
        self.get(data.draw(st.sampled_from(self.this.in_flight)))

    @precondition(lambda self: self.this.in_flight)
    @rule(data=st.data(), lost=st.booleans())
    def answer(self, data: st.DataObject, lost: bool) -> None:
        this = self.this
        batch = data.draw(st.sampled_from(this.in_flight))
        this.in_flight.remove(batch)
        if lost:
            self.calm = False
            this.ledger.leave(batch.items, lost=True, reason="no answer", final=True)
        else:
            self.get(batch)
            for item in batch.items:
                this.ledger.settle(item, "rejected" if item.identity[1] == BLOCKED else "accepted", "blocked")
        this.window.release(batch.parts)

    def get(self, batch: Batch) -> None:
        if batch in self.this.arrived:
            return
        self.this.arrived.append(batch)
        for item in batch.items:
            if item.identity[1] == BLOCKED:
                continue
            for reference in item.references:
                if reference.line >= 0:
                    self.received[reference.line] += 1
                    assert reference.line not in self.once or self.received[reference.line] == 1, "sent twice"

    @rule(written=st.booleans())
    def keep(self, written: bool) -> None:
        self.this.put = self.this.checkpoint()
        if written:
            self.this.written = self.this.put

    @rule()
    def kill(self) -> None:
        self.alive = False
        self.this = Try(self.rows, self.this.written)

    @rule(lost=st.booleans())
    def stop(self, lost: bool) -> None:
        """By a signal, an error, or a long wait: what is in flight is left, and the last checkpoint is kept."""
        this = self.this
        for batch in this.in_flight:
            sent = lost or batch in this.arrived
            self.calm = self.calm and not sent
            this.ledger.leave(batch.items, lost=sent, reason="stopped")
            this.window.release(batch.parts)
        this.ledger.leave(this.window.drain(), lost=False, reason="stopped")
        this.ledger.settle_rest("not_sent")
        this.ledger.flush()
        this.log.end(this.source.read)
        self.this = Try(self.rows, this.checkpoint())

    def teardown(self) -> None:
        if not hasattr(self, "rows"):
            return
        this = self.this
        while not (this.exhausted and this.window.empty and not this.in_flight):
            self.send()
            for batch in [*this.in_flight]:
                this.in_flight.remove(batch)
                self.get(batch)
                for item in batch.items:
                    this.ledger.settle(
                        item, "rejected" if item.identity[1] == BLOCKED else "accepted", "blocked"
                    )
                this.window.release(batch.parts)
        this.ledger.flush()
        self.interpret()

    def interpret(self) -> None:
        ledger, failed = self.this.ledger, {row["index"]: row["outcome"] for row in self.this.sink.rows}
        counts = ledger.outcomes
        assert ledger.records == len(self.rows) == sum(counts[outcome] for outcome in OUTCOMES)
        assert len(failed) == len(self.this.sink.rows) == ledger.failed
        for row in self.rows:
            outcome, received = failed.get(row.line, "accepted"), self.received[row.line]
            if outcome == "accepted":
                assert received == 1 if row.line in self.once else received >= 1
            elif outcome in ("rejected", "invalid"):
                assert not received
            invalid = "external_id" not in row.content or row.content.get("properties")
            assert (outcome == "invalid") == bool(invalid)
        if self.calm:
            # An object for each record that is called accepted, whatever was sent again.
            assert ledger.total.objects == counts["accepted"]
            assert not (self.alive and counts["unknown"]), "nothing was lost, and it is said not to be known"
        if self.calm and not counts["unknown"]:
            whole = SentOnce.uninterrupted(self.rows)
            assert ledger.total.objects == whole.total.objects
            assert ledger.data_points.total() >= whole.data_points.total()
            if not ledger.upper_bounds:
                assert ledger.data_points.by_attribute() == whole.data_points.by_attribute()

    @staticmethod
    def uninterrupted(rows: list[GivenRow]) -> RowsLedger:
        """The ledger of a push that nothing befell."""
        this = Try(rows, None)
        while not (this.exhausted and this.window.empty):
            if (batch := this.take()) is not None:
                for item in batch.items:
                    this.ledger.settle(
                        item, "rejected" if item.identity[1] == BLOCKED else "accepted", "blocked"
                    )
                this.window.release(batch.parts)
        this.ledger.flush()
        return this.ledger


def test_whatever_happens_what_counts_each_time_is_sent_once_and_told_truly(monkeypatch: Any) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    for module, name, value in (*SMALL, (export_source, "REPLAYED_RECORDS", 16)):
        monkeypatch.setattr(module, name, value)
    run_state_machine_as_test(
        SentOnce, settings=settings(max_examples=300, stateful_step_count=40, phases=PHASES)
    )
