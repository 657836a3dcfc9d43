"""One and the same contract for every storage, on real servers: found, pushed, accounted for, marked, pushed again."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.discovery.poll import PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import open_for_reading, open_private
from airflow_provider_braze.storage.files.plain import replace as replace_file
from airflow_provider_braze.storage.files.remote_reader import RemoteReader
from tests.reports import check
from tests.sandbox_process import SandboxProcess
from tests.storage.real.doors import DiskDoor, Door
from tests.storage.real.object_doors import ObjectDoor
from tests.storage.real.pushing import CHANNEL, export, items, new_base, push


def test_an_export_is_found_pushed_marked_and_its_rejects_pushed_again(
    door: Door, sandbox: SandboxProcess
) -> None:
    base = new_base(door, "one")
    place = f"{base}/{CHANNEL}/Späring 50 %/8828"
    door.put(f"{place}/RPI_Export_5719.txt", export(40, invalid_every=10))
    door.put(f"{place}/RPI_Export_5719_Content.txt", b"no export")
    (item,) = items(base)
    assert item["path"] == f"{place}/RPI_Export_5719.txt"
    assert item["offer"] == "Späring 50 %"

    planned = push(item, sandbox, dry_run=True)
    check(planned, status="planned", records=40, planned=36, invalid=4)
    assert items(base), "a dry run marks nothing"

    report = push(item, sandbox)
    check(report, status="complete", records=40, accepted=36, invalid=4)
    assert report["fingerprint"] == item["fingerprint"]
    assert json.loads(door.read(report["report_path"])) == report
    assert items(base) == [], "it is marked"
    assert [each["path"] for each in items(base, only_new=False)] == [item["path"]]

    mended = door.read(report["rejects_path"]).replace(b",U", b",V")
    door.put(report["rejects_path"], mended)
    again = push(report["rejects_path"], sandbox, run="again")
    check(again, records=4, invalid=4)
    assert again["parent"] == report["report_path"]
    assert len(sandbox.profiles()) == 36


NAMES = (
    *(
        "what? yes&no=1",
        "half;life",
        "it's",
        '"quoted"',
        "#1",
        "100 %",
        "%2F %2e",
        "a@b",
        "{x}",
        "$HOME",
        "~",
        "-rf",
        "+1",
    ),
    *("a:b", "*.txt", "<b>", "a|b", "[a-z]", "!", "漢字 ß 🎉", "...", ".hidden", " before"),
    "x" * 150,
)


def test_any_name_can_be_that_of_a_folder_or_a_file(door: Door, sandbox: SandboxProcess) -> None:
    names = [name for name in NAMES if not set(name) & set(door.impossible)]
    base = f"{door.root.rstrip('/')}/names/{'/'.join(names)}"
    reports = f"{door.root.rstrip('/')}/reports of names/{'/'.join(reversed(names))}"
    file = "RPI_Export_1 #1 50 % it's;@.txt"
    url = f"{base}/{CHANNEL}/{names[0]}/{names[-2]}/{file}"
    door.put(url, export(4, invalid_every=2))
    (item,) = items(base, reports_path=reports)
    assert item["path"] == url
    assert (item["offer"], item["workflow_id"]) == (names[0], names[-2])
    report = push(item, sandbox, reports_path=reports)
    check(report, status="complete", records=4, accepted=2, invalid=2)
    assert report["rejects_path"].startswith(f"{reports}/")
    assert json.loads(door.read(report["report_path"])) == report
    check(push(report["rejects_path"], sandbox, run="again"), records=2, invalid=2)
    assert items(base, reports_path=reports) == []


def test_another_file_of_the_same_name_and_size_is_no_pushed_one(door: Door, sandbox: SandboxProcess) -> None:
    base = new_base(door, "replaced")
    url = f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt"
    door.put(url, export(5, start=10))
    (first,) = items(base)
    push(first, sandbox)
    assert items(base) == []
    if isinstance(door, DiskDoor):
        # The next whole second; what the storage tells of it is all there is to go by.
        modified = door.local(url).stat().st_mtime
        door.put(url, export(5, start=20))
        os.utime(door.local(url), (modified + 1, modified + 1))
    else:
        door.put(url, export(5, start=20))
    (second,) = items(base)
    assert second["size"] == first["size"]
    assert second["fingerprint"] != first["fingerprint"]


def test_it_has_landed_after_two_looks_that_agree(door: Door) -> None:
    base = new_base(door, "looks")
    url = f"{base}/{CHANNEL}/Offer/1/RPI_Export_1.txt"
    search = ExportSearch.read(base_path=base, settle_seconds=30)
    door.put(url, export(2))
    first = poll(search, PollState())
    if locate(base).appears_whole:
        assert len(first.items) == 1
        return
    assert first.items == []
    earlier = {state: seen - 31 for state, seen in first.memory.sightings.items()}
    door.put(url, export(3))
    grown = poll(search, replace(first.memory, sightings=earlier))
    assert grown.items == []
    settled = {state: seen - 31 for state, seen in grown.memory.sightings.items()}
    assert len(poll(search, replace(grown.memory, sightings=settled)).items) == 1


def test_what_is_not_there_is_said_to_be_missing(door: Door) -> None:
    location = locate(f"{door.root.rstrip('/')}/nowhere/at all.txt")
    assert not location.exists()
    assert not location.fs.isdir(location.path)
    with pytest.raises(FileNotFoundError):
        location.stat()
    with pytest.raises(FileNotFoundError), open_for_reading(location) as file:
        file.read(1)
    if door.has_sessions:
        with pytest.raises(BrazeSetupError, match="does not exist"):
            items(f"{door.root.rstrip('/')}/nowhere")


def test_files_are_written_in_blocks_renamed_and_deleted(door: Door) -> None:
    folder = locate(f"{door.root.rstrip('/')}/{door.awkward} files")
    folder.fs.makedirs(folder.path, exist_ok=True)
    folder.fs.makedirs(folder.path, exist_ok=True)
    old, new = folder.child("old #1.part"), folder.child("new %41.csv")
    content = bytes(range(256)) * 12_345
    with open_private(old) as file:
        for start in range(0, len(content), 100_000):
            file.write(content[start : start + 100_000])
    folder.fs.pipe_file(new.path, b"in its place before")
    replace_file(old, new)
    assert not old.exists()
    with open_for_reading(new) as file:
        assert file.read() == content
        file.seek(2_000_000)
        assert file.read(10) == content[2_000_000:2_000_010]
    assert new.stat().size == len(content)
    folder.fs.rm_file(new.path)
    assert not new.exists()
    if door.has_sessions:  # an object store deletes what is not there without a word
        with pytest.raises(FileNotFoundError):
            folder.fs.rm_file(new.path)


def test_a_client_fetches_a_few_mb_at_once_whatever_it_does_by_itself(object_door: ObjectDoor) -> None:
    url = f"{object_door.restartable}/fetched"
    object_door.put(url, bytes(24 << 20))
    before = object_door.front.read
    with RemoteReader(locate(url)) as reader:
        assert len(reader.read(1 << 20)) == 1 << 20
    assert object_door.front.read - before <= 10 << 20
