from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.files.location import Stat, identity, locate
from tests.inbox import ObjectStore

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize("spell", ["{}", "file://{}", "{}/", "{}/../x y"])
def test_local_path(tmp_path: Path, spell: str) -> None:
    folder = tmp_path / "x y"
    folder.mkdir()
    location = locate(spell.format(folder))
    assert location.path == location.url == str(folder)
    assert location.exists()
    assert not location.appears_whole


def test_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate("inbox").url == str(tmp_path / "inbox")


@pytest.mark.skipif(os.name != "posix", reason="Windows opens UNC paths")
def test_unc_path_says_to_mount() -> None:
    with pytest.raises(BrazeSetupError, match="mount the share"):
        locate("\\\\server\\share\\rpi")


def test_local_stat(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    os.utime(path, (1.5, 1.5))
    assert locate(str(path)).stat() == Stat(5, 1.5, None)
    with pytest.raises(FileNotFoundError):
        locate(str(tmp_path / "b")).stat()


@pytest.mark.parametrize("name", ["a b", "Ünï/ç", "50%20", "a#b?c=d", "back\\slash"])
def test_child_of_an_object_store_is_found_by_its_url(name: str) -> None:
    store = ObjectStore()
    store.put(name, b"123")
    child = locate(f"{store.url}/").child(name)
    assert child.url == f"{store.url}/{name}"
    assert child.appears_whole
    assert child.stat().size == 3
    again = locate(child.url)
    assert again.path == child.path
    assert again.stat() == child.stat()


@pytest.mark.parametrize("url", ["nosuchscheme://bucket/x", "webdav://host/x"])
def test_storage_that_nothing_serves(url: str) -> None:
    with pytest.raises(BrazeSetupError, match="Install the provider"):
        locate(url)


@pytest.mark.parametrize(
    "info",
    [
        {"mtime": NOON.timestamp()},
        {"LastModified": NOON},
        {"last_modified": NOON.replace(tzinfo=None)},
        {"updated": "2026-01-02T12:00:00.000Z"},
        {"modify": "20260102120000"},
        {"modify": "20260102120000.123"},
        {"mtime": "yesterday", "created": NOON},
    ],
)
def test_stat_of_every_kind_of_storage(info: dict[str, object]) -> None:
    assert Stat.of({"size": 3} | info) == Stat(3, NOON.timestamp(), None)


def test_stat_without_a_time_and_with_an_etag() -> None:
    assert Stat.of({"size": 3, "ETag": '"abc"'}) == Stat(3, None, "abc")
    assert Stat.of({"size": None}) == Stat(0, None, None)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/mnt/rpi/a.txt", "//mnt/rpi/a.txt", True),
        ("/mnt/rpi/a.txt", "/mnt//rpi///a.txt", True),
        ("/mnt/rpi/a.txt", "/mnt/./rpi/x/../a.txt", True),
        ("/mnt/rpi/a.txt", "file:///mnt/rpi/a.txt", True),
        ("/mnt/rpi/a.txt", "file:////mnt/rpi//a.txt", True),
        ("/mnt/rpi/a.txt", "/mnt/rpi/A.txt", False),
        ("a.txt", "./a.txt", True),
        ("D/a.txt", "./D//a.txt", True),
        ("s3://aws@b/D/a.txt", "s3://aws@b/D//a.txt", False),
        ("s3://aws@b/D/a.txt", "s3://aws@b/D/./a.txt", False),
        ("s3://aws@b/D/a.txt", "s3://other@b/D/a.txt", False),
        ("s3://aws@b/D/a.txt", "s3://aws@b/D/a.txt/", True),
        ("sftp://rpi@h/D/a.txt", "sftp://rpi@h//D//./a.txt", True),
        ("sftp://rpi@h/D/a.txt", "sftp://rpi@g/D/a.txt", False),
        ("sftp://rpi@h/D/a.txt", "sftp://rpi@h/E/../D/a.txt", False),
        ("ftp://rpi@h/D/a.txt", "sftp://rpi@h/D/a.txt", False),
        ("smb://rpi@h/share/a.txt", "smb://rpi@h/share//a.txt", True),
    ],
)
def test_a_file_is_the_same_however_its_path_is_written(one: str, other: str, same: bool) -> None:
    """But in an object store a key with two slashes is another one, and on a server a link may stand above ``..``."""
    assert (identity(one) == identity(other)) is same


def test_two_slashes_at_the_beginning_are_one(tmp_path: Path) -> None:
    found = locate(f"/{tmp_path}")
    assert (found.path, found.url) == (str(tmp_path), str(tmp_path))
