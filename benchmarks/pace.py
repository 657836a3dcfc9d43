"""One push watched from outside: what the server got in each tenth of a second, and the memory meanwhile."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import Child, SinkProcess
from benchmarks.runs import PRODUCT, run_of

_PAUSE = 0.25
"""Seconds between two looks at the memory."""

_MEGABYTE = 1_000_000
_OBJECTS = 75


class MemoryWatch:
    """Notes the resident memory of a process until it is gone.

    :param pid: of the process.
    """

    def __init__(self, pid: int) -> None:
        self.seen: list[tuple[float, float]] = []
        self._status = Path(f"/proc/{pid}/statm")
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._ended = threading.Event()
        self._thread.start()

    def _watch(self) -> None:
        page = os.sysconf("SC_PAGE_SIZE")
        while not self._ended.is_set():
            try:
                resident = int(self._status.read_text().split()[1]) * page
            except (OSError, IndexError):
                return
            if resident:
                self.seen.append((time.monotonic(), resident / _MEGABYTE))
            self._ended.wait(_PAUSE)

    def end(self) -> list[tuple[float, float]]:
        """Stop looking, and give the monotonic second and the MB of each look."""
        self._ended.set()
        self._thread.join()
        return self.seen


def watch(variant: str, path: str, limit: int, *sink: str, options: Sequence[str] = ()) -> dict[str, Any]:
    """Push an export, and tell besides what it cost how it went on.

    :param limit: requests that the server lets through in 3 s.
    """
    with SinkProcess(*sink) as server:
        child = Child(PRODUCT, [path, "--host", server.url, *options], server.trust)
        memory = MemoryWatch(child.pid)
        measured = child.reap()
        seen = memory.end()
    run = run_of(variant, measured, server.counts)
    began, tenths = server.counts["began"], server.counts["by_tenth"]
    return {
        "limit": limit,
        "run": run.as_dict(),
        "by_tenth": tenths,
        # Looks before the first request and after the last one are of an interpreter that starts and ends.
        "memory": [
            (_records_until(at - began, tenths), round(megabytes, 2))
            for at, megabytes in seen
            if 0 <= at - began <= len(tenths) / 10
        ],
    }


def _records_until(second: float, by_tenth: Sequence[int]) -> int:
    """About how many records were sent until then: a request carries 75 of them."""
    return _OBJECTS * sum(by_tenth[: int(second * 10)])


def in_three_seconds(by_tenth: Sequence[int]) -> list[tuple[float, int]]:
    """Give the second and the requests of the 3 s before it, ten times a second."""
    return [
        ((number + 1) / 10, sum(by_tenth[max(0, number - 29) : number + 1]))
        for number in range(len(by_tenth))
    ]
