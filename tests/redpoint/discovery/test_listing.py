from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.redpoint.discovery.listing import Listing, list_files
from airflow_provider_braze.storage.files.location import Location, locate
from tests.inbox import ObjectStore, land


def everything(_parts: tuple[str, ...]) -> bool:
    return True


def found(listing: Listing) -> set[str]:
    return {"/".join((f.path.channel, f.path.offer, f.path.workflow_id, f.path.name)) for f in listing.files}


LAYOUT = [
    "Braze Append/Spring/8/RPI_Export_1.txt",
    "Braze Append\\Spring\\8\\RPI_Export_2.txt",
    "Braze Append/Spring\\8/RPI_Export_3.txt",
    "Été \u2019 夏/Offer, 50% [new] #1?/8 x/RPI_Export_4.txt",
]
OUTSIDE = [
    "readme.txt",
    "Braze Append/notes.txt",
    "Braze Append/Spring/8/old/RPI_Export_9.txt",
    "a\\b\\c\\d\\e.txt",
]


def test_walks_four_segments_of_a_folder_whatever_the_separator(tmp_path: Path) -> None:
    for name in LAYOUT + OUTSIDE:
        folder, _, file = name.rpartition("/")
        land(tmp_path, file, folder=folder, text=name)
    listing = list_files(locate(str(tmp_path)), admits=everything)
    assert found(listing) == {name.replace("\\", "/") for name in LAYOUT}
    assert not listing.problems
    for file in listing.files:
        assert Path(file.location.path).read_text().replace("\\", "/") in found(listing)
        assert file.stat == locate(file.location.url).stat()


def test_walks_an_object_store_alike() -> None:
    store = ObjectStore()
    for key in LAYOUT + OUTSIDE:
        store.put(key, key.encode())
    listing = list_files(locate(store.url), admits=everything)
    assert found(listing) == {key.replace("\\", "/") for key in LAYOUT}
    for file in listing.files:
        assert locate(file.location.url).stat().size == file.stat.size > 0
        assert int(locate(file.location.url).stat().modified or 0) == int(file.stat.modified or -1)


@pytest.mark.parametrize("prefix", ["landing", "landing/eu", "landing/"])
def test_a_prefix_without_an_object_is_empty_and_a_bucket_that_is_not_there_an_error(prefix: str) -> None:
    store = ObjectStore()
    listing = list_files(locate(f"memory://{store.name}/{prefix}"), admits=everything)
    assert not listing.files
    assert not listing.problems
    for nowhere in (f"memory://{store.name}-2/{prefix}", f"memory://{store.name}-2"):
        with pytest.raises(BrazeSetupError, match="does not exist"):
            list_files(locate(nowhere), admits=everything)


class Recording(LocalFileSystem):
    """The local disk, which notes the folders it lists and refuses some, as root is refused nothing."""

    cachable = False

    def __init__(self, refused: str | None = None, error: type[Exception] = PermissionError) -> None:
        super().__init__()
        self.listed: list[str] = []
        self.refused = refused
        self.error = error

    def ls(self, path: str, detail: bool = False, **kwargs: Any) -> list[Any]:
        self.listed.append(path)
        if self.refused and path.endswith(self.refused):
            raise self.error("no")
        return super().ls(path, detail=detail, **kwargs)


def at(tmp_path: Path, fs: LocalFileSystem) -> Location:
    return Location(fs, str(tmp_path), str(tmp_path))


def test_looks_only_where_it_is_admitted(tmp_path: Path) -> None:
    for folder in ("A/x/1", "A/y/1", "B/x/1"):
        land(tmp_path, folder=folder)
    fs = Recording()
    listing = list_files(at(tmp_path, fs), admits=lambda parts: parts[:2] in (("A",), ("A", "x")))
    assert found(listing) == {"A/x/1/RPI_Export_1.txt"}
    assert listing.channels == {"A", "B"}
    assert not [path for path in fs.listed if path.endswith(("/B", "/y"))]


@pytest.mark.parametrize("error", [PermissionError, OSError, ValueError])
def test_one_unreadable_folder_hides_nothing_else(tmp_path: Path, error: type[Exception]) -> None:
    for folder in ("A/x/1", "A/y/1", "B/x/1"):
        land(tmp_path, folder=folder)
    listing = list_files(at(tmp_path, Recording("/A/y", error)), admits=everything)
    assert found(listing) == {"A/x/1/RPI_Export_1.txt", "B/x/1/RPI_Export_1.txt"}
    assert len(listing.problems) == 1
    assert f"{tmp_path}/A/y" in listing.problems[0]
    assert error.__name__ in listing.problems[0]


def test_a_folder_that_vanishes_meanwhile_is_no_problem(tmp_path: Path) -> None:
    land(tmp_path, folder="A/x/1")
    listing = list_files(at(tmp_path, Recording("/A/x", FileNotFoundError)), admits=everything)
    assert not listing.files
    assert not listing.problems


def test_a_name_that_is_not_utf8_is_named_and_left_out(tmp_path: Path) -> None:
    land(tmp_path, folder="A/x/1")
    (tmp_path / "A/x/2").mkdir()
    (tmp_path / "A/x/2" / os.fsdecode(b"RPI_Export_\xff.txt")).write_text("x")
    (tmp_path / "A" / os.fsdecode(b"Offer \xe9")).mkdir()
    listing = list_files(locate(str(tmp_path)), admits=everything)
    assert found(listing) == {"A/x/1/RPI_Export_1.txt"}
    assert len(listing.problems) == 2
    assert all("not UTF-8" in problem and problem.encode() for problem in listing.problems)
    assert any("\\udcff" in problem for problem in listing.problems)


def test_links_are_followed_and_dead_ones_ignored(tmp_path: Path) -> None:
    base = tmp_path / "base"
    land(base, folder="A/x/1")
    target = land(base, "whole.txt", folder="staging", text="12345", age=1000)
    (base / "A/x/1/RPI_Export_2.txt").symlink_to(target)
    (base / "A/x/1/RPI_Export_3.txt").symlink_to(tmp_path / "nowhere")
    (base / "B").symlink_to(base / "A")
    link = tmp_path / "link to the base"
    link.symlink_to(base)
    assert found(list_files(locate(str(link)), admits=everything)) == {
        f"{c}/x/1/RPI_Export_{n}.txt" for c in "AB" for n in (1, 2)
    }
    listing = list_files(locate(str(base)), admits=everything)
    assert not listing.problems
    files = {file.location.url: file.stat for file in listing.files}
    assert set(files) == {f"{base}/{c}/x/1/RPI_Export_{n}.txt" for c in "AB" for n in (1, 2)}
    # The operator asks for one file; the listing must say the same of it.
    assert all(locate(url).stat() == stat for url, stat in files.items())


def test_links_that_lead_out_of_the_base_are_named_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "base of another" / "x/1/RPI_Export_1.txt"
    land(outside.parent, outside.name, folder=".")
    base = tmp_path / "base"
    land(base, folder="A/x/1")
    (base / "A/x/1/RPI_Export_2.txt").symlink_to(outside)
    (base / "A/y").symlink_to(outside.parents[1])
    # Not "below" only because its name begins alike.
    (base / "B").symlink_to(tmp_path / "base of another")
    listing = list_files(locate(str(base)), admits=everything)
    assert found(listing) == {"A/x/1/RPI_Export_1.txt"}
    assert sorted(listing.problems) == [
        f"{f'{base}/{name}'!r} is a link that leads out of base_path"
        for name in ("A/x/1/RPI_Export_2.txt", "A/y", "B")
    ]


def test_what_is_neither_file_nor_folder_is_named_and_not_opened(tmp_path: Path) -> None:
    land(tmp_path, folder="A/x/1")
    os.mkfifo(tmp_path / "A/x/1/RPI_Export_2.txt")
    os.mkfifo(tmp_path / "A/pipe beside the layout")
    (tmp_path / "A/x/1/RPI_Export_3.txt").symlink_to("/dev/zero")
    listing = list_files(locate(str(tmp_path)), admits=everything)
    assert found(listing) == {"A/x/1/RPI_Export_1.txt"}
    assert [problem.partition(" is ")[0][-6:-1] for problem in sorted(listing.problems)] == ["2.txt", "3.txt"]


@pytest.mark.parametrize("where", ["_braze", "Braze Append/_reports", "Braze Append/Spring/8"])
def test_the_folder_left_out_is_never_entered(tmp_path: Path, where: str) -> None:
    base = tmp_path / "base"
    land(base, folder="Braze Append/Summer/9")
    land(base, folder=f"{where}/pushed/conn/x")
    land(base, folder=f"{where}/pushed")
    land(base, folder=where)
    link = tmp_path / "link"
    link.symlink_to(base)
    for spelling in (base, link):
        listing = list_files(
            locate(str(base)),
            admits=everything,
            leave_out=locate(f"{spelling}/{where}/../{where.split('/')[-1]}"),
        )
        assert found(listing) == {"Braze Append/Summer/9/RPI_Export_1.txt"}
        assert listing.channels == {"Braze Append"}


def test_the_folder_left_out_of_an_object_store() -> None:
    store = ObjectStore()
    store.put("A/x/1/RPI_Export_1.txt")
    store.put("A/x/_reports/RPI_Export_1.txt")
    listing = list_files(locate(store.url), admits=everything, leave_out=locate(f"{store.url}/A/x/_reports/"))
    assert found(listing) == {"A/x/1/RPI_Export_1.txt"}


def test_an_empty_base_is_empty(tmp_path: Path) -> None:
    assert list_files(locate(str(tmp_path)), admits=everything) == Listing()


@pytest.mark.parametrize("base", ["nothing here", "file.txt"])
def test_a_base_that_is_no_folder(tmp_path: Path, base: str) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(BrazeSetupError, match=f"base_path .*{base}"):
        list_files(locate(str(tmp_path / base)), admits=everything)


def test_a_base_that_may_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(BrazeSetupError, match="read access"):
        list_files(at(tmp_path, Recording(tmp_path.name)), admits=everything)


def test_a_base_in_trouble_may_recover(tmp_path: Path) -> None:
    with pytest.raises(BrazeError, match="TimeoutError") as caught:
        list_files(at(tmp_path, Recording(tmp_path.name, TimeoutError)), admits=everything)
    assert caught.value.retryable
