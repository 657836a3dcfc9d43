"""What a look costs, what it tells of times, and where it does not look at all."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.files.location import locate
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import DiskDoor, Door
from tests.storage.real.ftp_doors import Ftp, FtpWithoutTimes
from tests.storage.real.object_doors import S3, Azure, Gcs, ObjectDoor
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push


class Counting:
    """Counts what the sessions of a storage are asked."""

    def __init__(self, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.questions = 0
        # Of all of their kind: after a minute a storage is opened anew, with sessions of its own.
        kind = type(locate(base).fs.sessions)
        ask = kind.ask

        def counted(sessions: object, question: Callable[..., object]) -> object:
            self.questions += 1
            return ask(sessions, question)

        monkeypatch.setattr(kind, "ask", counted)


def fill(door: Door, base: str, folders: int) -> None:
    names = [f"{CHANNEL}/Offer {number % 10}/{number}/RPI_Export_{number}.txt" for number in range(folders)]
    door.put_all(base, dict.fromkeys(names, b"x"))


@pytest.mark.parametrize("folders", [40, pytest.param(2_000, marks=pytest.mark.full)])
def test_a_look_asks_once_for_each_folder_that_can_match(
    session_door: Door, monkeypatch: pytest.MonkeyPatch, folders: int
) -> None:
    base = new_base(session_door, f"listing {folders}")
    fill(session_door, base, folders)
    asked = Counting(base, monkeypatch)
    search = ExportSearch.read(base_path=base, settle_seconds=0, only_new=False, max_exports=5_000)
    assert len(poll(search, PollState()).items) == folders
    # The base twice, a channel, ten offers and the folders; vsftpd is asked for each export's time besides.
    times = folders if isinstance(session_door, Ftp) else 0
    assert asked.questions == 2 + 1 + 10 + folders + times

    asked.questions = 0
    narrow = ExportSearch.read(
        base_path=base, settle_seconds=0, only_new=False, channel=CHANNEL, offer="Offer 3", workflow_id="13"
    )
    assert len(poll(narrow, PollState()).items) == 1
    assert asked.questions == 2 + 1 + 1 + 1 + (1 if times else 0)


@pytest.mark.parametrize("folders", [40, pytest.param(2_000, marks=pytest.mark.full)])
def test_a_look_into_a_bucket_asks_once_for_each_folder_that_can_match(
    object_door: ObjectDoor, folders: int
) -> None:
    base = new_base(object_door, f"listing {folders}")
    fill(object_door, base, folders)
    # What stands before the store counts what its client really asks, by HTTP.
    base = base.replace(object_door.root, object_door.restartable)

    def asked(search: ExportSearch, exports: int) -> int:
        began = object_door.front.requests
        assert len(poll(search, PollState()).items) == exports
        return object_door.front.requests - began

    everything = ExportSearch.read(base_path=base, settle_seconds=0, only_new=False, max_exports=5_000)
    narrow = ExportSearch.read(
        base_path=base, settle_seconds=0, only_new=False, channel=CHANNEL, offer="Offer 3", workflow_id="13"
    )
    asked(narrow, 1)
    # The base, a channel, ten offers and the folders; the client asks a few times more to know what the base is.
    assert asked(everything, folders) <= 4 + 1 + 10 + folders
    assert asked(narrow, 1) <= 4 + 1 + 1 + 1


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.xdist_group(kind.name)) for kind in (S3, Gcs, Azure)]
)
@pytest.mark.parametrize("prefix", ["new prefix", "new/prefix %41#x [a]", "rpi new/", ""])
def test_a_prefix_without_an_object_is_empty_and_a_bucket_that_is_not_there_an_error(
    opened: Callable[[type[Door]], Door], kind: type[ObjectDoor], prefix: str
) -> None:
    door = opened(kind)
    scheme_and_connection = door.root.partition("@")[0]
    # Nothing lies in it at all: a store may know such a bucket in another way.
    locate(door.root).fs.mkdir(name := f"empty-{zlib.crc32(prefix.encode())}")
    for bucket in (name, "exports"):
        url = f"{scheme_and_connection}@{bucket}/{prefix}".rstrip("/")
        if prefix or bucket == name:
            assert items(url) == []
    with pytest.raises(BrazeSetupError, match="does not exist"):
        items(f"{scheme_and_connection}@no-such-bucket/{prefix}".rstrip("/"))


class TestWithoutTimes:
    @pytest.fixture
    def door(self, opened: Callable[[type[Door]], Door]) -> DiskDoor:
        door = opened(FtpWithoutTimes)
        assert isinstance(door, DiskDoor)
        return door

    def test_another_file_of_the_same_name_size_and_time_is_no_pushed_one(
        self, door: DiskDoor, sandbox: SandboxProcess
    ) -> None:
        base = new_base(door, "no times")
        url = f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt"
        door.put(url, export(5, start=10))
        modified = door.local(url).stat().st_mtime
        (first,) = items(base)
        report = push(first, sandbox)
        assert report["fingerprint"] == first["fingerprint"]
        assert items(base) == []
        door.put(url, export(5, start=20))
        os.utime(door.local(url), (modified, modified))
        (second,) = items(base)
        assert (second["size"], second["modified"]) == (first["size"], first["modified"])
        assert second["fingerprint"] != first["fingerprint"]
        push(second, sandbox)
        door.put(url, export(5, start=10))
        assert items(base) == [], "the first again, which was pushed"

    def test_an_age_is_told_by_the_listing_all_the_same(self, door: DiskDoor) -> None:
        base = new_base(door, "old")
        url = f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt"
        door.put(url, export(2))
        os.utime(door.local(url), (1_600_000_000, 1_600_000_000))
        assert items(base) == []
        (item,) = items(base, max_age=None)
        assert abs(item["modified"] - 1_600_000_000) < 24 * 3600
