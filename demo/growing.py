"""An export that somebody is still writing."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.samples import SampleExport

PAUSE_SECONDS = 0.5


class GrowingExport:
    """Write an export byte by byte while the ``with`` block lasts, and its rest when told to finish."""

    def __init__(self, export: SampleExport, base_path: Path) -> None:
        self._rest = export.content
        self._path = base_path / export.path
        self._stopped = threading.Event()
        self._writer = threading.Thread(target=self._grow, daemon=True)

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._write(len(self._rest) // 2)
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._writer.join()

    def finish(self) -> None:
        """Write what is missing."""
        self._stopped.set()
        self._writer.join()
        self._write(len(self._rest))

    def _grow(self) -> None:
        while len(self._rest) > 1 and not self._stopped.wait(PAUSE_SECONDS):
            self._write(1)

    def _write(self, size: int) -> None:
        with self._path.open("ab") as file:
            file.write(self._rest[:size])
        self._rest = self._rest[size:]
