"""Whole processes, measured from outside: wall clock, CPU of the reaped process, its peak memory.

This module and what it imports stay small on purpose: Linux counts the peak of a child from the fork on, when it is
still a copy of its parent.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks import generate
from benchmarks.sink import READY

ROOT = Path(__file__).resolve().parent.parent

_MEGABYTE = 1_000_000
_AIRFLOW_HOME = str(generate.HOME / "airflow")
_LINES_OF_ERROR = 15


@dataclass(frozen=True)
class Measured:
    """One process from start to end.

    :param wall: seconds.
    :param cpu: seconds of user and system time together.
    :param peak_mb: most resident memory, in MB of 1,000,000 bytes.
    :param said: the JSON that it printed.
    :param started: monotonic second of its start; ``ended`` of its end.
    """

    wall: float
    cpu: float
    peak_mb: float
    said: dict[str, Any]
    started: float
    ended: float


@dataclass
class Child:
    """A started process.

    :param module: what ``python -m`` runs.
    :param root: the checkout whose module that is.
    """

    module: str
    arguments: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    root: Path = ROOT

    def __post_init__(self) -> None:
        # What runs here reads no settings of this machine's Airflow, and goes through no proxy to 127.0.0.1.
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        # What is installed has its bytecode: only the first run of a checkout compiles it.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process was reaped
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", self.module, *self.arguments],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=self.root,
            env={**kept, "AIRFLOW_HOME": _AIRFLOW_HOME, **self.environment},
        )

    @property
    def pid(self) -> int:
        """Its number, while it has not been reaped."""
        return self._process.pid

    def reap(self) -> Measured:
        """Wait for its end.

        :raises RuntimeError: it failed; with the end of what it wrote to stderr.
        """
        assert self._process.stdout is not None
        with self._errors, self._process.stdout as stdout:
            output = stdout.read().splitlines()
            _, status, used = os.wait4(self._process.pid, 0)
            ended = time.monotonic()
            self._process.returncode = os.waitstatus_to_exitcode(status)
            if self._process.returncode:
                self._errors.seek(0)
                told = self._errors.read().decode(errors="replace").splitlines()[-_LINES_OF_ERROR:]
                raise RuntimeError(
                    "\n".join([f"{self.module} ended with {self._process.returncode}:", *told])
                )
        return Measured(
            wall=ended - self.started,
            cpu=used.ru_utime + used.ru_stime,
            peak_mb=used.ru_maxrss * 1024 / _MEGABYTE,
            said=json.loads(output[-1]) if output and output[-1].startswith(b"{") else {},
            started=self.started,
            ended=ended,
        )

    def line(self) -> str:
        """Read one line of what it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().decode().strip()

    def terminate(self) -> None:
        """Ask it to end."""
        self._process.terminate()


class SinkProcess:
    """A sink while the ``with`` block lasts; afterwards ``counts`` tells what came in."""

    def __init__(self, *arguments: str) -> None:
        self.arguments = arguments
        self.url = ""
        self.certificate: str | None = None
        self.counts: dict[str, Any] = {}

    def __enter__(self) -> SinkProcess:
        self._child = Child("benchmarks.sink", self.arguments)
        line = self._child.line()
        if line.startswith("Certificate "):
            self.certificate = line.removeprefix("Certificate ")
            line = self._child.line()
        if not line.startswith(READY):
            self._child.terminate()
            self._child.reap()
            raise RuntimeError(f"the sink did not start; it said {line!r}")
        self.url = line.removeprefix(READY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.terminate()
        self.counts = self._child.reap().said

    @property
    def trust(self) -> dict[str, str]:
        """Environment with which a process trusts this sink."""
        return {"SSL_CERT_FILE": self.certificate} if self.certificate else {}


def python_with(module: str) -> Measured:
    """Measure an interpreter that imports a module and ends."""
    return Child("benchmarks.importing", [module]).reap()
