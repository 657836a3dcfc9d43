"""A long file on an SFTP server is opened anew now and then, and is still one file."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import open_for_reading
from airflow_provider_braze.storage.protocols import sftp as protocol
from tests.storage.real.doors import Door
from tests.storage.real.pushing import new_base
from tests.storage.real.ssh_and_smb import Sftp

pytestmark = pytest.mark.xdist_group("sftp")

MB = 1 << 20


@pytest.fixture
def sftp(opened: Callable[[type[Door]], Door], monkeypatch: pytest.MonkeyPatch) -> Sftp:
    monkeypatch.setattr(protocol, "_OPENED_ANEW_AFTER", MB)
    door = opened(Sftp)
    assert isinstance(door, Sftp)
    return door


def test_what_is_read_is_what_lies_there(sftp: Sftp) -> None:
    url = f"{new_base(sftp, 'long')}/file"
    content = random.Random(7).randbytes(5 * MB + 12_345)
    sftp.put(url, content)
    with open_for_reading(locate(url)) as file:
        pieces = []
        while piece := file.read(300_000):
            pieces.append(piece)
    assert b"".join(pieces) == content


@pytest.mark.parametrize("size", [5 * MB, 6 * MB])
def test_a_file_that_takes_its_place_meanwhile_is_not_read_on_in(sftp: Sftp, size: int) -> None:
    url = f"{new_base(sftp, f'replaced {size}')}/file"
    sftp.put(url, b"a" * (5 * MB))
    path = sftp.local(url)
    with open_for_reading(locate(url)) as file:
        assert file.read(MB) == b"a" * MB
        beside = path.with_name("new")
        beside.write_bytes(b"b" * size)
        os.utime(beside, (path.stat().st_mtime + 10,) * 2)
        beside.replace(path)
        read: list[bytes] = []
        with pytest.raises(OSError, match="it changed while it was read"):
            read.extend(iter(lambda: file.read(300_000), b""))
    assert b"b" not in b"".join(read)
