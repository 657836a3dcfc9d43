"""The rejects file: every failed record with its line, outcome and reason, to be mended and pushed again."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from typing import IO, Any

from airflow_provider_braze.storage.location import Location
from airflow_provider_braze.users_track.batches import Origin

OWN_COLUMNS = ("_line", "_outcome", "_reason", "_column")
"""Columns the rejects file adds in front; columns that start with ``_`` are never sent."""


def open_private(location: Location) -> IO[bytes]:
    """Open a file for writing that, on a local disk, only its owner may read: it holds personal data."""
    if "file" in location.fs.protocol:
        return open(location.path, "wb", opener=lambda path, flags: os.open(path, flags, 0o600))
    return location.fs.open(location.path, "wb")  # type: ignore[no-any-return]


class RejectsFile:
    """Writes the rejects of one push; the file exists only when there are any.

    :param location: where it will be once it is whole; until then it has a temporary name.
    :param columns: the export's columns.
    """

    def __init__(self, location: Location, columns: Sequence[str]) -> None:
        self.location = location
        self.written = 0
        self.columns = columns
        self._temporary = Location(location.fs, f"{location.path}.part", f"{location.url}.part")
        self._file: io.TextIOWrapper | None = None
        self._write: Any = None

    def write(self, origin: Origin, outcome: str, reason: str, column: str) -> None:
        """Write one record; surplus cells of an over-wide one are at its end."""
        if self._file is None:
            self._open()
        self.written += 1
        self._write((origin.line, outcome, reason, column, *origin.cells))

    def _open(self) -> None:
        self.location.fs.makedirs(self.location.fs._parent(self.location.path), exist_ok=True)
        # Bytes that were not in the export's encoding come back out as they were.
        self._file = io.TextIOWrapper(
            open_private(self._temporary), encoding="utf-8", errors="surrogateescape", newline=""
        )
        self._write = csv.writer(self._file).writerow
        self._write((*OWN_COLUMNS, *self.columns))

    def close(self) -> str | None:
        """Give the file its name; its URL, or None when no record failed."""
        if self._file is None:
            return None
        self._file.close()
        self._file = None
        self.location.fs.mv(self._temporary.path, self.location.path)
        return self.location.url


class RejectsInReport:
    """Keeps failed rows of an author's own as index and reason, where there is no reports folder.

    :param most: rows that are kept; the counts are true beyond it.
    """

    def __init__(self, most: int = 1000) -> None:
        self.rows: list[dict[str, Any]] = []
        self._most = most

    def write(self, origin: Origin, outcome: str, reason: str, column: str) -> None:  # noqa: ARG002
        """Keep one row."""
        if len(self.rows) < self._most:
            self.rows.append({"index": origin.line, "outcome": outcome, "reason": reason})
