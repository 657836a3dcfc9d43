"""What a Windows server tells of links, given to the session as smbprotocol gives it: Samba 4.17 has none to show."""

from __future__ import annotations

import errno
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.storage.protocols.smb import SmbSession, _entry
from tests.storage.real.doors import MissingError, need_module

FILE, FOLDER, REPARSE = 0x80, 0x10, 0x400
SYMLINK, JUNCTION, DEDUPLICATED, DFS, OFFLINE = 0xA000000C, 0xA0000003, 0x80000013, 0x8000000A, 0xC0000004


class Windows:
    """The answers of a server that holds some files, folders and links below ``\\\\files\\share``."""

    def __init__(self, **tags: tuple[int, str]) -> None:
        self.tags = tags
        self.removed: list[str] = []

    def lstat(self, path: str, **_: Any) -> Any:
        assert path.startswith("\\\\files\\")
        name = path.rpartition("\\")[2]
        if name == "missing":
            raise OSError(errno.ENOENT, "no", path)
        tag = self.tags.get(name, (0, ""))[0]
        return SimpleNamespace(st_file_attributes=FILE | (REPARSE if tag else 0), st_reparse_tag=tag)

    def readlink(self, path: str, **_: Any) -> str:
        tag, target = self.tags[path.rpartition("\\")[2]]
        if tag != SYMLINK:
            raise ValueError("Cannot read link of reparse point")
        return target


@pytest.fixture(autouse=True)
def smbprotocol() -> None:
    try:
        need_module("smbclient", "apache-airflow-providers-samba")
    except MissingError as missing:
        pytest.skip(str(missing))


def session(windows: Windows) -> SmbSession:
    found = SmbSession.__new__(SmbSession)
    found._host, found._smb, found._options, found._cache = "files", windows, {}, {}
    return found


@pytest.mark.parametrize(
    ("tag", "target", "leads_to"),
    [
        (SYMLINK, r"\\files\share\base\other", "/share/base/other/x.txt"),
        (SYMLINK, r"\\FILES\share\elsewhere", "/share/elsewhere/x.txt"),
        (SYMLINK, r"\\files\c$\secrets", "/c$/secrets/x.txt"),
        (SYMLINK, r"\\other\share\base", None),
        (SYMLINK, r"C:\secrets", None),
        (JUNCTION, r"C:\secrets", None),
        # They are stored in an odd way, and are the files themselves.
        (DEDUPLICATED, "", "/share/base/offer/x.txt"),
        (DFS, "", "/share/base/offer/x.txt"),
        (OFFLINE, "", "/share/base/offer/x.txt"),
        (0, "", "/share/base/offer/x.txt"),
    ],
)
def test_where_a_path_leads(tag: int, target: str, leads_to: str | None) -> None:
    asked = session(Windows(offer=(tag, target)))
    if leads_to is None:
        with pytest.raises(ExportRefusedError, match="does not say where it leads"):
            asked.real_path("/share/base/offer/x.txt")
    else:
        assert asked.real_path("/share/base/offer/x.txt") == leads_to


def test_what_is_not_there_leads_nowhere_else() -> None:
    assert session(Windows()).real_path("/share/missing/missing") == "/share/missing/missing"
    assert session(Windows()).real_path("/share") == "/share"


@pytest.mark.parametrize(
    ("attributes", "tag", "kind"),
    [
        (FILE, 0, "file"),
        (FOLDER, 0, "directory"),
        (FILE | REPARSE, SYMLINK, "link"),
        (FOLDER | REPARSE, SYMLINK, "link"),
        (FOLDER | REPARSE, JUNCTION, "link"),
        (FILE | REPARSE, DEDUPLICATED, "file"),
        # Without the attribute, it is the size of extended attributes.
        (FILE, 0x20000000, "file"),
    ],
)
def test_what_a_listing_tells(attributes: int, tag: int, kind: str) -> None:
    at = SimpleNamespace(timestamp=lambda: 1.0)
    told = SimpleNamespace(file_attributes=attributes, ea_size=tag, end_of_file=3, last_write_time=at)
    assert _entry("/share/x", SimpleNamespace(smb_info=told))["type"] == kind
