"""A server as a child process on loopback, ended by its id."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PASSWORD = "thr@w/a%20w:ay?#&ü"
"""Of all servers that have one: it holds what a URL gives a meaning to."""


class Server:
    """One process that listens on one port, with everything it writes in a log of its own.

    :param command: starts it in the foreground.
    :param port: where it will listen.
    :param log: what it says.
    """

    def __init__(
        self, command: Sequence[str], port: int, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.port = port
        self._command, self._log, self._environment = command, log, environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, patience: float = 60.0) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(self._environment or {})},
                start_new_session=True,
            )
        until = time.monotonic() + patience
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not start:\n{self._log.read_text()[-3000:]}")
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def children(self) -> list[int]:
        """The processes that serve sessions, and their own, where the server has such."""
        assert self._process is not None
        parents: dict[int, int] = {}
        for folder in Path("/proc").iterdir():
            if folder.name.isdecimal():
                with contextlib.suppress(OSError):
                    status = (folder / "stat").read_text().rpartition(")")[2].split()
                    parents[int(folder.name)] = int(status[1])
        found = [self._process.pid]
        for parent in found:
            found += [pid for pid, its_parent in parents.items() if its_parent == parent]
        return found[1:]

    def end_sessions(self) -> int:
        """Kill what serves sessions, as an administrator or a crash would; how many there were."""
        ended = self.children()
        for pid in ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(ended)

    def tell(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def pause(self) -> None:
        """Have it fall silent: the system goes on taking connections for it, and nobody answers."""
        assert self._process is not None
        for pid in (self._process.pid, *self.children()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Have it answer again."""
        assert self._process is not None
        for pid in (self._process.pid, *self.children()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> None:
        """End it and all that it started, by their ids: what serves a session may have left its process group."""
        if self._process is None:
            return
        for pid in (self._process.pid, *self.children()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
