from __future__ import annotations

import os
import resource
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.files.plain import (
    check_plain,
    lies_below,
    open_plain,
    open_private,
    read_small,
    write_whole,
)
from tests.inbox import ObjectStore


def at(path: Path) -> Location:
    return locate(str(path))


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


NOT_PLAIN = pytest.mark.parametrize("make", [_pipe, _socket, _device])


@NOT_PLAIN
def test_nothing_but_a_plain_file_is_opened_and_nobody_waits(
    tmp_path: Path, make: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    make(Path("x"))
    began = time.monotonic()
    with pytest.raises(ExportRefusedError, match="a pipe, a device or a socket"):
        check_plain(at(tmp_path / "x"), None)
    with pytest.raises((ExportRefusedError, OSError)):
        open_plain(str(tmp_path / "x"))
    with pytest.raises((ExportRefusedError, OSError)):
        read_small(at(tmp_path / "x"), 10)
    assert time.monotonic() - began < 30


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    check_plain(at(tmp_path / "x"), at(tmp_path))
    with open_plain(str(tmp_path / "x")) as file:
        assert file.read() == b"12345"
    assert read_small(at(tmp_path / "x"), 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_small(at(tmp_path / "x"), 4)


def test_where_links_and_dots_lead_decides(tmp_path: Path) -> None:
    base, other = tmp_path / "base", tmp_path / "base2"
    for folder in (base / "in", other):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    (base / "link in").symlink_to(base / "in")
    (base / "link out").symlink_to(other)
    (tmp_path / "link to base").symlink_to(base)
    for good in ("base/in/file", "base/link in/file", "link to base/in/file", "base2/../base/in/file"):
        check_plain(at(tmp_path / good), at(base))
        check_plain(at(tmp_path / good), at(tmp_path / "link to base"))
    for bad in ("base/link out/file", "base2/file", "base/in/../../base2/file", "base"):
        with pytest.raises(ExportRefusedError, match=r"leads out of .*base'"):
            check_plain(Location(at(base).fs, f"{tmp_path}/{bad}", bad), at(base))
    assert lies_below(at(Path("/")), at(base))


def test_on_an_object_store_dots_lead_nowhere() -> None:
    store = ObjectStore()
    store.put("a/file")
    base = locate(store.url)
    assert lies_below(base, base.child("a/file"))
    assert not lies_below(base, base.child("../other/file"))
    assert not lies_below(base, locate("/rpi/file"))


@pytest.mark.parametrize("url", ["/mnt/rpi\0/x", "memory://a\0b", "/mnt/\ud800"])
def test_what_no_name_can_be_is_no_path(url: str) -> None:
    with pytest.raises(BrazeSetupError, match="is no path"):
        locate(url)


@pytest.mark.parametrize("make", [_pipe, _device, lambda path: path.symlink_to(path.parent / "victim")])
def test_a_private_file_takes_the_place_of_what_was_put_there(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    victim, path = tmp_path / "victim", tmp_path / "report.json.part"
    victim.write_text("of somebody else")
    make(path)
    with open_private(at(path)) as file:
        file.write(b"{}")
    assert path.read_bytes() == b"{}"
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600
    assert victim.read_text() == "of somebody else"


def test_a_private_file_is_private_from_the_first_byte_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_private(at(tmp_path / "x")) as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600
    finally:
        os.umask(before)


def test_what_cannot_be_written_to_its_end_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_whole(at(path), b"earlier")
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, most[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_whole(at(path), b"later, and longer than there is room for")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert path.read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [path]
