"""Shards: who is in which, how they are written, and the marks that they leave."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.memory.persistence.buckets import encoded
from airflow_provider_braze.pushes.sources.shards import (
    EVERYTHING,
    MOST_SHARDS,
    Shard,
    same_for_all_spellings,
)
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.pushed_before import PushedBefore
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.storage.reports.shard_marks import Part, ShardMarks

CONN = "braze_default"
EXPORT = "a" * 64


@pytest.mark.parametrize("unset", [None, "", " ", "None", "1/1", " 1 / 1 "])
def test_unset_is_everything(unset: str | None) -> None:
    assert Shard.read("shard", unset) == EVERYTHING
    assert EVERYTHING.text is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("4/3", "one of 1/3 to 3/3, not '4/3'"),
        ("0/2", "one of 1/2 to 2/2, not '0/2'"),
        ("1/0", "one of 1/1 to 1/1, not '1/0'"),
        ("a/b", "such as 1/2 for the first of two shards, not 'a/b'"),
        ("2", "such as 1/2"),
        ("1/2/3", "such as 1/2"),
        ("-1/2", "such as 1/2"),
        ("½", "such as 1/2"),
        ("\uff11/2", "such as 1/2"),
        ("1/101", "more than 100 shards"),
        ("1/999999999", "such as 1/2"),
        (2, "shard must be text"),
        (0.5, "shard must be text"),
        (True, "shard must be text"),
        (["1/2"], "shard must be text"),
    ],
)
def test_what_is_no_shard_is_refused_saying_what_is_one(given: object, said: str) -> None:
    with pytest.raises(BrazeSetupError, match=said):
        Shard.read("shard", given)


def test_the_shard_of_a_user_is_the_same_for_ever() -> None:
    """Written down: a push that goes on with a later version must find the users where they were."""
    users: list[tuple[str, ...]] = [
        ("external_id", "U1"),
        ("external_id", "U2"),
        ("external_id", "Ω"),
        ("user_alias", "A1", "crm"),
        ("email", "jo@example.com"),
        ("phone", "15550109999"),
        ("braze_id", "U1"),
    ]
    found = [next(k for k in range(1, 8) if Shard(k, 7).takes(user)) for user in users]
    assert found == WRITTEN_DOWN


WRITTEN_DOWN = [1, 5, 5, 4, 4, 7, 7]


@pytest.mark.parametrize("of", [1, 2, 3, 7, MOST_SHARDS])
def test_each_user_is_in_exactly_one_and_many_at_once_as_one_by_one(of: int) -> None:
    ids = [*(f"U{n:05}" for n in range(2000)), "", "é", "🙂", "\udcff", "a\0b"]
    shards = [Shard(k, of) for k in range(1, of + 1)]
    found: Counter[int] = Counter()
    for shard in shards:
        taken = shard.taken("external_id", encoded(ids))
        assert taken == [at for at, each in enumerate(ids) if shard.takes(("external_id", each))]
        found.update(taken)
    assert found == Counter(range(len(ids)))


@pytest.mark.parametrize("of", [2, 3, 4, 10])
@pytest.mark.parametrize("spelt", ["{}", "{:07}", "C-{}00", "user{}@example.com"])
def test_users_are_spread_evenly(of: int, spelt: str) -> None:
    ids = [spelt.format(n) for n in range(20_000)]
    sizes = [len(Shard(k, of).taken("external_id", encoded(ids))) for k in range(1, of + 1)]
    assert max(sizes) < 1.1 * len(ids) / of


def test_who_is_nobody_is_in_the_first() -> None:
    assert [Shard(k, 3).takes(None) for k in (1, 2, 3)] == [True, False, False]


def test_spellings_of_a_phone_are_one() -> None:
    assert same_for_all_spellings(("phone", "+1 555 010-9999")) == same_for_all_spellings(
        ("phone", "5550109999")
    )
    assert same_for_all_spellings(("phone", "none")) == ("phone", "none")
    assert same_for_all_spellings(("email", "a@b.c")) == ("email", "a@b.c")


@pytest.fixture(params=["disk", "object store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ReportsFolder:
    if request.param == "disk":
        return ReportsFolder.at(str(tmp_path / "_braze"))
    # Its objects appear whole, it has no folders, and there is no lock.
    path = f"/shards{tmp_path}/_braze"
    return ReportsFolder(Location(MemoryFileSystem(), path, f"memory:/{path}"))


def mark(shard: int = 1, *, brought: bool | None = True, fields: tuple[str, ...] = ("city",)) -> Marker:
    return Marker(
        PushIdentity(run_id="r", shard=f"{shard}/2"),
        "2026-11-26T10:00:00+00:00",
        f"report{shard}",
        "export.txt",
        1000.0,
        frozenset(fields),
        brought,
    )


def test_the_last_of_the_marks_makes_the_marker(folder: ReportsFolder) -> None:
    marks = ShardMarks(folder, CONN)
    assert marks.of(EXPORT).found == frozenset()
    marks.leave(EXPORT, Part(2, 2), mark(2, fields=("email",)))
    assert marks.marker_of(EXPORT, 2, mark(2)) is None
    marks.leave("b" * 64, Part(2, 1), mark())
    assert marks.marker_of(EXPORT, 2, mark(2)) is None
    marks.leave(EXPORT, Part(3, 1), mark())
    assert marks.marker_of(EXPORT, 2, mark(2)) is None
    assert marks.of(EXPORT).other_than(3) == 2
    marks.leave(EXPORT, Part(2, 1), mark())
    found = marks.marker_of(EXPORT, 2, mark(1))
    assert found is not None
    assert (found.set_fields, found.brought, found.report) == ({"city", "email"}, True, "report1")
    marks.clear(EXPORT)
    assert marks.all().keys() == {"b" * 64}


@pytest.mark.parametrize(
    ("brought", "of_all"),
    [
        ((True, False), True),
        ((False, False), False),
        ((False, None), False),
        ((None, None), None),
        ((None, True), True),
    ],
)
def test_of_all_shards_one_that_brought_something_is_enough(
    folder: ReportsFolder, brought: tuple[bool | None, ...], of_all: bool | None
) -> None:
    marks = ShardMarks(folder, CONN)
    for number, each in enumerate(brought, start=1):
        marks.leave(EXPORT, Part(2, number), mark(number, brought=each))
    found = marks.marker_of(EXPORT, 2, mark())
    assert found is not None
    assert found.brought is of_all


def steps(folder: ReportsFolder, number: int) -> Iterator[str]:
    """What a shard does at its end, with a stop wherever another one may come between."""
    marks = ShardMarks(folder, CONN)
    marks.leave(EXPORT, Part(2, number), mark(number))
    yield "left"
    found = marks.marker_of(EXPORT, 2, mark(number))
    yield "looked"
    if found is not None:
        folder.mark_pushed(CONN, EXPORT, found)
        yield "marked"
        marks.clear(EXPORT)
    yield "ended"


@pytest.mark.parametrize("turns", sorted(set(itertools.permutations("1111" + "2222"))))
def test_two_that_end_at_the_same_moment_see_it_through(turns: tuple[str, ...], tmp_path: Path) -> None:
    folder = ReportsFolder.at(str(tmp_path / "_braze"))
    both = {"1": steps(folder, 1), "2": steps(folder, 2)}
    left = set()
    for turn in turns:
        if next(both[turn], None) == "left":
            left.add(turn)
        assert len(left) == 2 or not folder.pushed(CONN)
    for each in both.values():
        assert list(each) is not None
    assert folder.pushed(CONN) == {EXPORT}
    assert ShardMarks(folder, CONN).all() == {}


def test_one_that_was_killed_before_it_could_mark_is_seen_through_by_whoever_looks_next(
    folder: ReportsFolder,
) -> None:
    one, two = steps(folder, 1), steps(folder, 2)
    assert [next(one), next(two), next(one), next(two)] == ["left", "left", "looked", "looked"]
    one.close()
    two.close()
    again = steps(folder, 2)
    assert [*again] == ["left", "looked", "marked", "ended"]
    assert folder.pushed(CONN) == {EXPORT}


def test_marks_that_were_left_beside_the_marker_say_nothing(folder: ReportsFolder) -> None:
    marks = ShardMarks(folder, CONN)
    marks.leave(EXPORT, Part(2, 1), mark())
    folder.mark_pushed(CONN, EXPORT)
    assert marks.of(EXPORT).found == frozenset()
    marks.leave(EXPORT, Part(2, 2), mark())
    assert marks.of(EXPORT).found == frozenset()
    assert marks.all() == {}


Asked = Callable[[Part], PushedBefore]


class TestLate:
    """Of exports that are half pushed, those are newer that went out to users of this shard."""

    @pytest.fixture
    def asked(self, folder: ReportsFolder) -> Asked:
        return lambda part: PushedBefore(folder, CONN, part)

    def test_a_shard_knows_its_own_and_those_of_another_number(
        self, folder: ReportsFolder, asked: Asked
    ) -> None:
        ShardMarks(folder, CONN).leave(EXPORT, Part(2, 1), mark())
        found = {
            part: asked(part).newest_overlapping(900.0, {"city"})
            for part in (Part(2, 1), Part(2, 2), Part(3, 1), Part(1, 1))
        }
        assert {part.number / part.of for part, newer in found.items() if newer} == {1 / 2, 1 / 3, 1}
        newer = found[Part(2, 1)]
        assert newer is not None
        assert (newer.path, newer.fields) == ("export.txt", ("city",))

    def test_once_whole_it_is_newer_to_all(self, folder: ReportsFolder, asked: Asked) -> None:
        folder.mark_pushed(CONN, EXPORT, mark())
        assert asked(Part(2, 2)).newest_overlapping(900.0, {"city"}) is not None
