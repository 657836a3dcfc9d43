"""Shards with the memory of what Braze was told: two at once have no file of it in common, and keep nothing back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.memory import opening
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.persistence import place
from airflow_provider_braze.memory.persistence.buckets import (
    BUCKETS,
    MOST_APART,
    bucket_of,
    by_bucket,
    encoded,
)
from airflow_provider_braze.pushes.sources.shards import EVERYTHING, Shard
from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore as Profiles
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import rows_push
from tests.memory.remembering import ONLY_CHANGED, Desk, an_object, kill, on_a_share, said
from tests.memory.test_twin import CHANGES, SCALARS, shape, told
from tests.reports import check
from tests.sandbox_process import SandboxProcess

USERS = [f"u{n}" for n in range(60)]
HALVES = (Shard(1, 2), Shard(2, 2))
WRITTEN_DOWN = [0, 12, 14, 21, 4]


class TestBuckets:
    @pytest.mark.parametrize("of", range(1, MOST_APART + 1))
    def test_so_many_shards_are_whole_buckets(self, of: int) -> None:
        found = [bucket for number in range(1, of + 1) for bucket in Shard(number, of).buckets]
        assert found == list(range(BUCKETS))

    @pytest.mark.parametrize("of", [1, 2, 3, 7, 8, 9, 64, 100])
    def test_each_user_is_in_a_bucket_of_the_shard(self, of: int) -> None:
        users = [*(f"P-{n}" for n in range(500)), "", "é", "\udcff", "a\0b"]
        for number in range(1, of + 1):
            shard = Shard(number, of)
            mine = [users[at] for at in shard.taken("external_id", encoded(users))]
            assert set(by_bucket(mine)) <= set(shard.buckets)

    def test_the_bucket_of_a_user_is_the_same_for_ever(self) -> None:
        """Written down: a later version must find what was remembered."""
        assert BUCKETS == 22
        assert [bucket_of(user) for user in ("U1", "U2", "Ω", "P-1001", "\udcff")] == WRITTEN_DOWN

    def test_many_at_once_as_one_by_one(self) -> None:
        users = ["U1", None, "\udcff", *USERS, ""]
        found = by_bucket(users)
        assert {at: bucket for bucket, indexes in found.items() for at in indexes} == {
            at: bucket_of(user) for at, user in enumerate(users) if user is not None
        }


def of_shard(shard: Shard, users: list[str] = USERS) -> list[str]:
    return [users[at] for at in shard.taken("external_id", encoded(users))]


def reduced(desk: Desk, memory: Memory | None, users: list[str], **content: Any) -> list[str]:
    """Push an object to some users; who is sent anything."""
    assert memory is not None
    changed = memory.reduce([an_object(user, **content) for user in users]).changed
    desk.accept(memory, changed)
    return [str(item.identity[1]) for item in changed]


@pytest.mark.parametrize("of", [2, 3, 5, 7])
def test_shards_at_once_leave_out_what_is_unchanged(desk: Desk, of: int) -> None:
    shards = [Shard(number, of) for number in range(1, of + 1)]
    for told_already in (False, True):
        memories = [desk.open(buckets=shard.buckets) for shard in shards]
        for shard, memory in zip(shards, memories, strict=True):
            assert reduced(desk, memory, of_shard(shard), x=1) == ([] if told_already else of_shard(shard))
        for memory in memories:
            assert memory is not None
            memory.close()
    assert not desk.warnings
    assert desk.push(*(an_object(user, x=1) for user in USERS)).changed == [], "nor without shards"


@on_a_share
def test_a_killed_shard_sets_aside_its_own_buckets_only(desk: Desk) -> None:
    desk.push(*(an_object(user, x=1) for user in USERS))
    killed, other = (desk.open(buckets=shard.buckets) for shard in HALVES)
    assert reduced(desk, other, of_shard(HALVES[1]), x=2) == of_shard(HALVES[1])
    assert reduced(desk, killed, of_shard(HALVES[0]), x=2) == of_shard(HALVES[0])
    assert killed is not None
    assert other is not None
    kill(killed)
    other.close()
    memory = desk.opened()
    assert reduced(desk, memory, USERS, x=2) == of_shard(HALVES[0])
    memory.close()
    assert len(desk.warnings) == 1
    assert "not brought it back" in desk.warnings[0]


def test_one_damaged_file_is_set_aside_alone(desk: Desk) -> None:
    desk.push(*(an_object(user, x=1) for user in USERS))
    damaged = bucket_of("u1")
    path = desk.folder / "memory" / "braze_default" / f"{damaged:02}" / "memory.sqlite"
    path.write_bytes(b"x" * 8192)
    memory = desk.opened()
    assert reduced(desk, memory, USERS, x=1) == [user for user in USERS if bucket_of(user) == damaged]
    memory.close()
    assert len(desk.warnings) == 1


def test_more_shards_than_are_apart_share_a_file_and_keep_nothing_back(desk: Desk) -> None:
    first, second = Shard(1, 10), Shard(2, 10)
    shared = set(first.buckets) & set(second.buckets)
    assert shared
    desk.push(*(an_object(user, x=1) for user in USERS))
    memories = [desk.open(buckets=shard.buckets) for shard in (first, second)]
    assert reduced(desk, memories[0], of_shard(first), x=1) == []
    for shard, memory in zip((second, first), reversed(memories), strict=True):
        sent = reduced(desk, memory, of_shard(shard), x=1)
        assert sent == [user for user in of_shard(shard) if bucket_of(user) in shared]
    for memory in memories:
        assert memory is not None
        memory.close()


def test_one_number_of_shards_after_another(desk: Desk) -> None:
    for of in (2, 3, 1, 8, 5):
        for number in range(1, of + 1):
            shard = Shard(number, of)
            memory = desk.open(buckets=shard.buckets)
            assert reduced(desk, memory, of_shard(shard), x=1) == (of_shard(shard) if of == 2 else [])
            assert memory is not None
            memory.close()
    assert not desk.warnings


class TestWhoIsNamedOtherwise:
    """A user named by e-mail may be anybody, of any bucket."""

    def test_it_is_forgotten_in_buckets_of_no_shard_that_runs(self, desk: Desk) -> None:
        desk.push(*(an_object(user, x=1, y=1) for user in USERS))
        memory = desk.open(buckets=HALVES[0].buckets)
        assert memory is not None
        memory.reduce([an_object("ada@example.com", kind="email", x=2)])
        memory.close()
        found = desk.push(*(an_object(user, x=1, y=1) for user in USERS))
        assert said(found) == [{"x": 1}] * len(USERS)

    def test_a_shard_that_runs_remembers_nothing(self, desk: Desk) -> None:
        desk.push(*(an_object(user, x=1) for user in USERS))
        one, other = (desk.open(buckets=shard.buckets) for shard in HALVES)
        theirs = of_shard(HALVES[1])
        assert reduced(desk, other, theirs[:5], x=1) == []
        assert one is not None
        assert other is not None
        one.reduce([an_object("ada@example.com", kind="email", x=2)])
        assert reduced(desk, other, theirs, x=1) == theirs
        other.close()
        one.close()
        assert said(desk.push(*(an_object(user, x=1) for user in theirs))) == [{"x": 1}] * len(theirs)

    def test_a_shard_that_begins_meanwhile_remembers_nothing(self, desk: Desk) -> None:
        desk.push(*(an_object(user, x=1) for user in USERS))
        one = desk.open(buckets=HALVES[0].buckets)
        assert one is not None
        one.reduce([an_object("ada@example.com", kind="email", x=2)])
        theirs = of_shard(HALVES[1])
        other = desk.open(buckets=HALVES[1].buckets)
        assert reduced(desk, other, theirs, x=1) == theirs
        assert other is not None
        other.close()
        # The request of the first may arrive only now.
        one.close()
        assert said(desk.push(*(an_object(user, x=1) for user in theirs))) == [{"x": 1}] * len(theirs)

    def test_a_shard_without_only_changed(self, desk: Desk) -> None:
        desk.push(*(an_object(user, x=1, y=1) for user in USERS))
        memory = desk.open(Wish(), buckets=HALVES[0].buckets)
        assert memory is not None
        memory.reduce([an_object("ada@example.com", kind="email", x=2)])
        memory.close()
        found = desk.push(*(an_object(user, x=1, y=1) for user in USERS))
        assert said(found) == [{"x": 1}] * len(USERS)


def test_a_user_of_another_shard_is_looked_up_in_their_own_bucket(desk: Desk) -> None:
    desk.push(*(an_object(user, x=1) for user in USERS))
    memory = desk.open(buckets=HALVES[0].buckets)
    assert reduced(desk, memory, USERS, x=1) == []
    assert reduced(desk, memory, USERS, x=2) == USERS
    assert memory is not None
    memory.close()
    assert desk.push(*(an_object(user, x=2) for user in USERS)).changed == []


def test_a_memory_in_one_file_is_set_aside(desk: Desk) -> None:
    folder = desk.folder / "memory" / "braze_default"
    folder.mkdir(parents=True)
    (folder / "memory.sqlite").write_bytes(b"of an older version")
    assert len(desk.push(an_object("u1", x=1)).changed) == 1
    assert len(desk.warnings) == 1
    assert desk.push(an_object("u1", x=1)).changed == []
    assert len(desk.warnings) == 1


SHARDS = [EVERYTHING, *HALVES, *HALVES, Shard(2, 3), Shard(1, 9), Shard(2, 9)]
PUSHES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(SHARDS),
        st.sampled_from(["push", "push", "push", "unheard", "end", "die"]),
        st.sampled_from(["external_id", "external_id", "external_id", "email"]),
        st.integers(0, 2),
        st.fixed_dictionaries({}, optional={"x": SCALARS, "t": CHANGES}),
    ),
    min_size=5,
    max_size=16,
)


class Running:
    """Some pushes at once, each of a shard of its own; the last is without only_changed."""

    def __init__(self, folder: str) -> None:
        self.desk, self.twin = Desk(Path(folder) / "reports"), Profiles()
        self.running: dict[int, tuple[Shard, Memory | None]] = {}
        for user in {each for shard in SHARDS for each in of_shard(shard)[:3]}.union(USERS[:3]):
            # So that who is named by e-mail is somebody of any bucket.
            for profiles in (self.desk.profiles, self.twin):
                assert told(profiles, {"external_id": user, "email": f"{user}@example.com"})

    def end(self, who: int, *, dies: bool = False) -> None:
        _, memory = self.running.pop(who, (EVERYTHING, None))
        if memory is not None:
            (kill if dies else Memory.close)(memory)

    def push(
        self, who: int, shard: Shard, kind: str, user: int, content: dict[str, Any], heard: bool
    ) -> None:
        if who not in self.running:
            wish = Wish() if who == 3 and place.exists(self.folder) else ONLY_CHANGED
            self.running[who] = shard, self.desk.open(wish, buckets=shard.buckets)
        shard, memory = self.running[who]
        assert memory is not None
        name = (USERS if kind == "email" else of_shard(shard))[user]
        item = an_object(f"{name}@example.com" if kind == "email" else name, kind=kind, **content)
        assert told(self.twin, item.content)
        for each in memory.reduce([item]).changed:
            assert told(self.desk.profiles, each.content)
            if heard:
                memory.accepted([each.told])

    @property
    def folder(self) -> Any:
        return opening.find(ONLY_CHANGED, ReportsFolder.at(str(self.desk.folder)), self.desk.conn_id)


@pytest.mark.hypothesis
@pytest.mark.parametrize("place_of", ["disk", "share"])
def test_shards_at_once_and_in_turn_keep_nothing_back(place_of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if place_of == "share":
        monkeypatch.setattr(place, "_OF_THIS_MACHINE", frozenset())

    @settings(
        max_examples=50 if place_of == "disk" else 20,
        suppress_health_check=list(HealthCheck),
    )
    @given(PUSHES)
    def several(steps: list[Any]) -> None:
        with TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            pushes = Running(folder)
            try:
                for who, shard, step, kind, user, content in steps:
                    if step in ("end", "die"):
                        pushes.end(who, dies=step == "die")
                    else:
                        pushes.push(who, shard, kind, user, content, step == "push")
                    assert shape(pushes.desk.profiles) == shape(pushes.twin)
            finally:
                for who in list(pushes.running):
                    pushes.end(who)

    several()


class TestWholePushes:
    ROWS = tuple({"external_id": user, "tier": "A", "score": 5} for user in USERS)

    @pytest.fixture
    def push(
        self, sandbox: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., list[dict[str, Any]]]:
        """Push both shards in two threads, each of which has its memory open before either sends."""

        def run(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
            both_open, opens = threading.Barrier(2), opening.open_memory

            def open_memory(*args: Any) -> Memory | None:
                found = opens(*args)
                assert isinstance(found, Memory)
                for bucket in args[-1]:
                    assert found._bucket(bucket) is not None
                both_open.wait(120)
                return found

            def one(shard: Shard) -> dict[str, Any]:
                return rows_push(
                    workspace=Workspace(endpoint=sandbox.url, api_key=sandbox.key),
                    attributes=rows,
                    reports_path=str(tmp_path / "_braze"),
                    memory=ONLY_CHANGED,
                    shard=shard,
                ).execute()

            with monkeypatch.context() as patched, ThreadPoolExecutor(2) as pool:
                patched.setattr(opening, "open_memory", open_memory)
                return list(pool.map(one, HALVES))

        return run

    def test_two_at_once(self, push: Callable[..., list[dict[str, Any]]], sandbox: SandboxProcess) -> None:
        sizes = [len(of_shard(shard)) for shard in HALVES]
        for report, size in zip(push(list(self.ROWS)), sizes, strict=True):
            check(report, status="complete", records=size, accepted=size)
        changed = [{**row, "tier": "B"} if row["external_id"] == "u7" else row for row in self.ROWS]
        second = push(changed)
        assert sum(report["data_points"] for report in second) == 1
        assert [report["unchanged"] + report["accepted"] for report in second] == sizes
        requests = sandbox.stats()["requests"]
        for report, size in zip(push(changed), sizes, strict=True):
            check(report, status="complete", records=size, unchanged=size, requests=0)
            assert "memory_since" in report
        assert sandbox.stats()["requests"] == requests
        found = sandbox.profiles()
        assert {user: each["custom_attributes"]["tier"] for user, each in found.items()} == {
            user: "B" if user == "u7" else "A" for user in USERS
        }
