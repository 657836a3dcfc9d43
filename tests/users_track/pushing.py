"""What the tests of the pipeline share: objects, a push to a real server, and the sum of guarantee 1."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from airflow_provider_braze.users_track.batching.merge_window import Batch, ProfileObject, RecordBlock
from airflow_provider_braze.users_track.delivery.push import Push
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.outcomes import FAILED, OUTCOMES, WRITTEN_DOWN
from airflow_provider_braze.users_track.ledger.sink import Sink
from airflow_provider_braze.users_track.records import LedgerSegment, RecordReference
from airflow_provider_braze.users_track.rules.values import to_json
from airflow_provider_braze.users_track.transport.workspace import Workspace

KEY = "sandbox-key-0000-1111"


def profile_object(user: str, line: int = 2, array: str = "attributes", **content: Any) -> ProfileObject:
    """One record's object for a user with an external_id."""
    cells = [user, *map(str, content.values())]
    return ProfileObject(
        array, ("external_id", user), {"external_id": user, **content}, [RecordReference.of(line, cells)]
    )


def block(
    users: Sequence[str], line: int = 2, segment: LedgerSegment | None = None, **content: Any
) -> RecordBlock:
    """Objects of consecutive records, one for each user, which count their lines."""
    numbers = range(line, line + len(users))
    bodies = [
        to_json({"external_id": user, "x": n, **content}) for user, n in zip(users, numbers, strict=True)
    ]
    return RecordBlock(
        "external_id",
        users,
        bodies,
        lines=numbers,
        texts=[f"{user},{n}" for user, n in zip(users, numbers, strict=True)],
        segment=segment or LedgerSegment(),
        cut=lambda text: text.split(","),
    )


def event(user: str, line: int = 2, name: str = "chat") -> ProfileObject:
    return profile_object(user, line, "events", name=name, time="2026-01-02T03:04:05Z")


def purchase(user: str, line: int = 2) -> ProfileObject:
    bought = {"product_id": "p", "currency": "EUR", "price": 1.5, "time": "2026-01-02T03:04:05Z"}
    return profile_object(user, line, "purchases", **bought)


def people(count: int, **content: Any) -> list[ProfileObject]:
    """Objects of as many different users, with lines as in a file that has a header."""
    return [profile_object(f"u{n:06}", n + 2, city=f"c{n}", **content) for n in range(count)]


def batch_of(*items: ProfileObject) -> Batch:
    for item in items:
        assert item.encode() is None
    return Batch(list(items))


@dataclass
class Written(Sink):
    """A sink that keeps what a rejects file would hold."""

    rows: list[tuple[int, str, str, str]] = field(default_factory=list)

    def write(self, reference: RecordReference, outcome: str, reason: str, column: str) -> None:
        self.rows.append((reference.line, outcome, reason, column))

    def lines(self, outcome: str) -> list[int]:
        return sorted(row[0] for row in self.rows if row[1] == outcome)


@dataclass
class Pushed:
    """A push that has ended."""

    ledger: Ledger
    written: Written
    push: Push
    error: BaseException | None

    def __getitem__(self, outcome: str) -> int:
        return self.ledger.outcomes[outcome]

    @property
    def counts(self) -> dict[str, int]:
        return {outcome: count for outcome, count in self.ledger.outcomes.items() if count}


def check_sum(ledger: Ledger, written: Written | None = None) -> None:
    """Guarantee 1: every record has exactly one outcome, and every failed one is written down exactly once."""
    assert set(ledger.outcomes) <= set(OUTCOMES)
    assert min(ledger.outcomes.values(), default=0) >= 0
    assert sum(ledger.outcomes.values()) == ledger.records, dict(ledger.outcomes)
    assert ledger.failed == sum(ledger.outcomes[outcome] for outcome in FAILED)
    assert sum(ledger.reasons.values()) == sum(ledger.outcomes[outcome] for outcome in WRITTEN_DOWN)
    assert 0 <= ledger.retries <= ledger.requests
    if written is not None:
        expected = {outcome: ledger.outcomes[outcome] for outcome in WRITTEN_DOWN}
        assert Counter(row[1] for row in written.rows) == Counter(expected)
        lines = [row[0] for row in written.rows]
        assert len(lines) == len(set(lines)), "a record was written down twice"


def counted(items: Iterable[ProfileObject | None], ledger: Ledger) -> Iterator[ProfileObject | None]:
    """Yield objects as the sources of a push do, which count each record that is valid."""
    for item in items:
        if item is not None:
            segment = ledger.begin()
            item.references = [replace(reference, segment=segment) for reference in item.references]
        yield item


def workspace(url: str, **settings: Any) -> Workspace:
    return Workspace(endpoint=url, api_key=settings.pop("api_key", KEY), **settings)


def start(
    items: Iterable[ProfileObject | None], where: Workspace, **options: Any
) -> tuple[Push, Ledger, Written]:
    written = Written()
    ledger = Ledger(written)
    return Push(counted(items, ledger), where, ledger, **options), ledger, written


def run_within(push: Push, seconds: float = 600) -> None:
    """Run a push on this thread, and never wait for ever."""
    endless = TimeoutError(f"it still ran after {seconds} s")
    timer = threading.Timer(seconds, push.stop_from_outside, (endless, 1.0))
    timer.start()
    try:
        push.run()
    finally:
        timer.cancel()
    assert push.error is not endless, endless


def run(
    items: Iterable[ProfileObject | None], where: Workspace, seconds: float = 600, **options: Any
) -> Pushed:
    """Push, check the sum, and never wait for ever."""
    push, ledger, written = start(items, where, **options)
    run_within(push, seconds)
    check_sum(ledger, written)
    return Pushed(ledger, written, push, push.error)
