"""A server that only a command leads to, as ``ProxyCommand`` of the user's SSH settings names one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.files.plain import open_private, read_small
from tests.storage.real.doors import Door
from tests.storage.real.ssh_and_smb import Sftp

pytestmark = pytest.mark.xdist_group("sftp")

LEADS_THERE = """\
import os, socket, sys, threading
server = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def back():
    while data := server.recv(65536):
        os.write(1, data)
threading.Thread(target=back, daemon=True).start()
while data := os.read(0, 65536):
    server.sendall(data)
"""


def test_a_file_is_written_and_read_through_a_command(
    opened: Callable[[type[Door]], Door], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = opened(Sftp)
    root = door.impatient(60).rstrip("/")
    command = tmp_path / "leads_there.py"
    command.write_text(LEADS_THERE)
    (tmp_path / ".ssh").mkdir()
    asked = f"ProxyCommand {sys.executable} {command} {door.server.port}"
    (tmp_path / ".ssh/config").write_text(f"Host 127.0.0.1\n  {asked}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    location = locate(f"{root}/through a command.txt")
    with open_private(location) as file:
        file.write(b"content")
    assert read_small(location, 100) == b"content"
    location.fs.sessions.close()
