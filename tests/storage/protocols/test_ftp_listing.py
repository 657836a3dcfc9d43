from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_braze.storage.protocols.ftp_listing import facts_of, moment, parse_line

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = datetime(2026, 2, 28, 23, 59, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("line", "name", "kind", "size", "time"),
    [
        ("-rw-r--r--    1 ftp      ftp            12 Feb 28 23:59 a b.txt", "a b.txt", "file", 12, MINUTE),
        ("-rw-r--r-- 1 ftp ftp 12 Feb 28 23:59  two blanks.txt ", " two blanks.txt ", "file", 12, MINUTE),
        ("drwxr-xr-x+ 2 rpi users 4096 Feb 28 23:59 Späring 50 %", "Späring 50 %", "directory", 4096, MINUTE),
        ("lrwxrwxrwx 1 a b 3 Feb 28 23:59 link -> file", "link", "link", 3, MINUTE),
        ("-rw-r--r-- 1 ftp 12 Feb 28 23:59 no group", "no group", "file", 12, MINUTE),
        (
            "-rw-r--r-- 1 a b 5 Dec 31 10:00 x",
            "x",
            "file",
            5,
            datetime(2025, 12, 31, 10, tzinfo=UTC).timestamp(),
        ),
        ("-rw-r--r-- 1 a b 5 Dec 31  2020 x", "x", "file", 5, datetime(2020, 12, 31, tzinfo=UTC).timestamp()),
        ("-rw-r--r-- 1 a b 5 Mär 31 2020 x", "x", "file", 5, None),
        ("-rw-r--r-- 1 a b 5 31. Mär 10:00 x 1 y", "x 1 y", "file", 5, None),
        ("-rw-r--r-- 1 a b 5 3月 31 10:00 x", "x", "file", 5, None),
        ("-rw-r--r-- 1 a b 12 2026-02-28 23:59 a b.txt", "a b.txt", "file", 12, MINUTE),
        ("drwxr-xr-x 2 1000 1000 4096 2026-02-28 23:59:00  a", " a", "directory", 4096, MINUTE),
        ("prw-r--r-- 1 a b 0 Feb 28 23:59 pipe", "pipe", "other", 0, MINUTE),
        ("02-28-26  11:59PM                   12 a b.txt", "a b.txt", "file", 12, MINUTE),
        ("02-28-2026  23:59       <DIR>          Offer 1", "Offer 1", "directory", 0, MINUTE),
        ("total 12", None, None, None, None),
        ("drwxr-xr-x 2 a b 4096 Feb 28 23:59 ..", None, None, None, None),
    ],
)
def test_lines_of_list(line: str, name: Any, kind: Any, size: Any, time: Any) -> None:
    found = parse_line(line, NOW)
    if name is None:
        assert found is None
        return
    assert found == (name, {"type": kind, "size": size, "mtime": time, "exact": False})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "type=file;size=12;modify=20260228235900; a b;c.txt",
            ("a b;c.txt", {"type": "file", "size": 12, "mtime": MINUTE}),
        ),
        (
            "Type=file;Size=12;Modify=20260228235900.123;UNIX.mode=0644; a=b.txt",
            ("a=b.txt", {"type": "file", "size": 12, "mtime": MINUTE}),
        ),
        (
            "type=dir;modify=20260228235900; Offer",
            ("Offer", {"type": "directory", "size": 0, "mtime": MINUTE}),
        ),
        ("type=file;size=3; x", ("x", {"type": "file", "size": 3, "mtime": None, "exact": False})),
        (
            "type=OS.unix=slink:/etc/passwd;size=3;modify=20260228235900; x",
            ("x", {"type": "link", "size": 3, "mtime": MINUTE}),
        ),
        ("type=cdir;modify=20260228235900; .", None),
        ("type=pdir;modify=20260228235900; ..", None),
        ("type=cdir;modify=20260228235900; /rpi", ("rpi", {"type": "directory", "size": 0, "mtime": MINUTE})),
        ("nonsense", None),
    ],
)
def test_facts(line: str, expected: Any) -> None:
    assert facts_of(line) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "20261301000000", "2026"])
def test_what_is_no_time(text: str) -> None:
    assert moment(text) is None
