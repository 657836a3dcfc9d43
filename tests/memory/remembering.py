"""What the tests of the memory share: a memory in a folder, and a workspace that takes what is left."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.memory import opening, rules
from airflow_provider_braze.memory.bucket import Bucket
from airflow_provider_braze.memory.memory import Memory, Reduced, Wish
from airflow_provider_braze.memory.persistence.beginning import Unheard
from airflow_provider_braze.memory.persistence.buckets import BUCKETS
from airflow_provider_braze.memory.persistence.copied import Copy, own_process
from airflow_provider_braze.memory.persistence.in_place import Guest
from airflow_provider_braze.memory.persistence.opened import Place
from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore as Profiles
from airflow_provider_braze.storage.files import plain
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.batching.merge_window import ProfileObject
from airflow_provider_braze.users_track.records import RecordReference
from airflow_provider_braze.users_track.transport.workspace import Workspace

ONLY_CHANGED = Wish(only_changed=True)

on_a_share = pytest.mark.parametrize("desk", ["share"], indirect=True)
"""Of a test that says something of a network share alone."""


def an_object(user: str, *, kind: str = "external_id", **content: Any) -> ProfileObject:
    """One record's object, written as JSON as it is when it is taken from the window."""
    item = ProfileObject("attributes", (kind, user), {kind: user, **content}, [RecordReference.of(2, [user])])
    assert item.encode() is None
    # As the mapper says of what it has looked at: Braze takes every value of it.
    item.checked = all(part.kind != rules.UNSAFE for part in rules.statements(item.content))
    return item


@dataclass
class Desk:
    """A reports folder with a memory, and a workspace."""

    folder: Path
    key: str = "key-0000-1111-2222"
    warnings: list[str] = field(default_factory=list)
    profiles: Profiles = field(default_factory=Profiles)
    conn_id: str = "braze_default"
    pushes: Iterator[int] = field(default_factory=itertools.count)

    def begin(
        self, wish: Wish = ONLY_CHANGED, token: str = "", buckets: Iterable[int] = range(BUCKETS)
    ) -> Memory | Unheard | None:
        reports = ReportsFolder.at(str(self.folder))
        place = opening.find(wish, reports, self.conn_id)
        assert place is not None
        workspace = Workspace(endpoint="http://127.0.0.1:1", api_key=self.key)
        return opening.open_memory(
            place, wish, workspace, token or f"push-{next(self.pushes)}", self.warnings.append, buckets
        )

    def open(
        self, wish: Wish = ONLY_CHANGED, token: str = "", buckets: Iterable[int] = range(BUCKETS)
    ) -> Memory | None:
        memory = self.begin(wish, token, buckets)
        assert not isinstance(memory, Unheard)
        return memory

    def opened(self, wish: Wish = ONLY_CHANGED, token: str = "") -> Memory:
        memory = self.open(wish, token)
        assert isinstance(memory, Memory)
        return memory

    def push(
        self, *items: ProfileObject, wish: Wish = ONLY_CHANGED, token: str = "", confirmed: bool = False
    ) -> Reduced:
        """Push objects, all of which Braze accepts."""
        memory = self.opened(wish, token)
        reduced = memory.reduce(items, confirmed=confirmed)
        self.accept(memory, reduced.changed)
        memory.close()
        return reduced

    def accept(self, memory: Memory, items: Sequence[ProfileObject]) -> None:
        tracked = self.profiles.track({"attributes": [item.content for item in items]})
        assert not tracked.refusals
        for item in items:
            memory.accepted([item.told])


def believed(desk: Desk) -> Iterator[Desk]:
    """Give a desk to a test of a rule, for which a memory that was given up, and sends everything, must not stand."""
    yield desk
    assert not desk.warnings


def said(reduced: Reduced) -> list[dict[str, Any]]:
    """What is sent, without whom it is about."""
    return [
        {name: value for name, value in item.content.items() if name != "external_id"}
        for item in reduced.changed
    ]


def set_clock(memory: Memory, now: float) -> None:
    """Have a memory take this for now, in seconds since the epoch."""
    opens = memory._opens

    def opened(number: int) -> Bucket | Guest | Place | None:
        bucket = opens(number)
        if isinstance(bucket, Bucket):
            bucket._decider._clock = lambda: now
        return bucket

    memory._opens = opened


def leave_mark(copy: Copy) -> None:
    """Have a mark name a process that has ended, where it is still there."""
    if copy._mark.exists():
        plain.write_whole(copy._mark, b" ".join([*own_process().split()[:2], b"999999999", b"1"]))


def kill(memory: Memory) -> None:
    """End a push as a kill does: what is not written yet is lost, and nothing is brought back."""
    for bucket in memory.believed():
        bucket._decider.accepted.clear()
        if isinstance(copy := bucket._place, Copy):
            memory._opened = {n: each for n, each in memory._opened.items() if each is not bucket}
            copy.store.close()
            shutil.rmtree(copy._working)
            leave_mark(copy)
    memory.close()
