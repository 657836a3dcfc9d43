"""Connections that wait for their next request: is one still open at the other end?

libcurl looks itself, but since 8.22 at most once a second. What is sent on a connection that the host has closed is
lost, and nobody can tell whether it arrived, so that events would be given up as unknown.

Above: the client. Below: sockets.
"""

from __future__ import annotations

import select
import socket

import pycurl

_CLOSED = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


_Ends = tuple[str, int]
"""The host's address and the local port."""


class Connections:
    """The sockets of one client. libcurl tells only the addresses of the one it is about to use."""

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._sockets: dict[_Ends, int] = {}
        self._ends: dict[int, _Ends] = {}

    def opened(self, fd: int, _purpose: int) -> int:
        """Note a socket before it is connected (``SOCKOPTFUNCTION``)."""
        if (ends := self._ends.pop(fd, None)) is not None and self._sockets.get(ends) == fd:
            del self._sockets[ends]
        self._new.add(fd)
        return int(pycurl.SOCKOPT_OK)

    def check(self, remote_ip: str, _local_ip: str, _remote_port: int, local_port: int) -> int:
        """Refuse a connection that the host has closed, before anything is sent on it (``PREREQFUNCTION``)."""
        ends = remote_ip, local_port
        fd = self._sockets.get(ends)
        if fd is not None and _ends_of(fd) == ends:
            return int(pycurl.PREREQFUNC_ABORT if _is_closed(fd) else pycurl.PREREQFUNC_OK)
        self._find(ends)
        return int(pycurl.PREREQFUNC_OK)

    def _find(self, ends: _Ends) -> None:
        """Find the socket of a connection that is used for the first time."""
        for fd in self._new:
            if _ends_of(fd) == ends:
                self._sockets[ends], self._ends[fd] = fd, ends
                self._new.discard(fd)
                return


def _is_closed(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, _CLOSED)
    return bool(poll.poll(0))


def _ends_of(fd: int) -> _Ends | None:
    """Tell where a socket leads, which libcurl may have closed since."""
    try:
        borrowed = socket.socket(fileno=fd)
    except OSError:
        return None
    try:
        return borrowed.getpeername()[0], borrowed.getsockname()[1]
    except (OSError, IndexError):
        return None
    finally:
        borrowed.detach()
