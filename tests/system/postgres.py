"""A PostgreSQL for one Airflow: Debian's package, on 127.0.0.1, with data that are thrown away."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.ports import free_port

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
IS_INSTALLED = bool(_BINARIES) and (_BINARIES[-1] / "postgres").exists()
_SECONDS = 60.0


class Postgres:
    """Start and stop one server; use it as a context manager. It never runs as root."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="postgres-"))
        self.port = free_port()
        self._password = secrets.token_hex(16)
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What Airflow takes as ``[database] sql_alchemy_conn``."""
        return f"postgresql+psycopg2://airflow:{self._password}@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Make the database, start the server, and wait until it answers."""
        password = self.home / "password"
        password.write_text(self._password)
        if self._user is not None:
            for path in (self.home, password):
                shutil.chown(path, self._user)
        data = self.home / "data"
        subprocess.run(
            [
                _BINARIES[-1] / "initdb",
                "-D",
                data,
                "-U",
                "airflow",
                "-E",
                "UTF8",
                "--no-sync",
                "--pwfile",
                password,
                "--auth",
                "scram-sha-256",
            ],
            user=self._user,
            cwd=self.home,
            check=True,
            capture_output=True,
        )
        self.serve()

    def serve(self) -> None:
        """Start the server on the data that are there, and wait until it answers."""
        self._process = subprocess.Popen(
            [
                _BINARIES[-1] / "postgres",
                "-D",
                self.home / "data",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-c",
                "unix_socket_directories=",
                "-c",
                "fsync=off",
            ],
            user=self._user,
            cwd=self.home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # A Ctrl-C in the terminal must reach it last, after the Airflow that uses it has ended.
            start_new_session=True,
        )
        self._wait(self._process)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        # It listens before it has started: asked by its own client, as one that was refused would be told.
        ready = [_BINARIES[-1] / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        end = time.monotonic() + _SECONDS
        while subprocess.run(ready, cwd=self.home, check=False).returncode:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start within {_SECONDS:.0f} s ({process.poll()})")
            time.sleep(0.1)

    def end(self) -> None:
        """End the server; its data stay."""
        if self._process is not None:
            # Its word for ending at once, without waiting for those connected.
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=_SECONDS)
            self._process = None

    def stop(self) -> None:
        """End the server and remove its data."""
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)


def _unprivileged() -> str | None:
    """Name the user that it runs as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"
