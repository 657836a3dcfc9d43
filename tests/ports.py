"""Ports for servers that tests start and that cannot choose their own."""

from __future__ import annotations

import fcntl
import secrets
import socket
import tempfile
from pathlib import Path
from typing import IO

_FIRST, _LAST = 20_000, 32_000

_HELD: list[IO[str]] = []
"""A locked file for each port that was given: nobody gets it again while this process lives, here or beside it."""


def free_port() -> int:
    """Find a TCP port on loopback that nobody uses, and that no other tests on this machine are given.

    It lies below those that the system hands to outgoing connections: a server binds it up to half a minute
    later, and the tests beside it open thousands of connections meanwhile.
    """
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if _is_free(port) and _hold(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # What a server's closed connections left behind is no reason against a port, as it is none for the server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _hold(port: int) -> bool:
    folder = Path(tempfile.gettempdir()) / "airflow-provider-braze-ports"
    folder.mkdir(exist_ok=True)
    file = (folder / str(port)).open("w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _HELD.append(file)
    return True
