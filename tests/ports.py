"""Ports for servers that tests start and that cannot choose their own."""

from __future__ import annotations

import secrets
import socket

_FIRST, _LAST = 20_000, 32_000


def free_port() -> int:
    """Find a TCP port on loopback that nobody uses.

    It lies below those that the system hands to outgoing connections: a server binds it up to half a minute
    later, and the tests beside it open thousands of connections meanwhile.
    """
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        with socket.socket() as probe:
            # What a server's closed connections left behind is no reason against a port, as it is none for the server.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
