"""The rejects file: every failed record with its line, outcome and reason, to be mended and pushed again."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Sequence
from typing import IO, Any

from airflow_provider_braze.exceptions import RejectsError
from airflow_provider_braze.storage.location import Location
from airflow_provider_braze.users_track.batches import Origin

OWN_COLUMNS = ("_line", "_outcome", "_reason", "_column")
"""Columns the rejects file adds in front; columns that start with ``_`` are never sent."""


def open_private(location: Location) -> IO[bytes]:
    """Open a file for writing that, on a local disk, only its owner may read: it holds personal data."""
    if location.is_local:
        return open(location.path, "wb", opener=_open_private)
    return location.fs.open(location.path, "wb")  # type: ignore[no-any-return]


def _open_private(path: str, flags: int) -> int:
    # What an earlier push left behind keeps its own mode otherwise, and a link would be written through.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, flags | os.O_EXCL, 0o600)


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
        self._broken = False
        self._url: str | None = None

    def write(self, origin: Origin, outcome: str, reason: str, column: str) -> None:
        """Write one record; surplus cells of an over-wide one are at its end.

        :raises RejectsError: it cannot be written, for example because the disk is full.
        """
        row = (origin.line, outcome, reason, column, *origin.cells)
        try:
            if self._file is None:
                self._file = self._open()
            try:
                csv.writer(self._file).writerow(row)
            except UnicodeEncodeError:
                csv.writer(self._file).writerow([_writable(cell) for cell in row])
            self.written += 1
        except Exception as error:
            raise self._trouble(error) from None

    def _open(self) -> io.TextIOWrapper:
        if self._broken or self._url:
            raise ValueError("it was closed before")
        folder = self.location.fs._parent(self.location.path)
        # Where a share is gone, a new folder would lie below its mount point on the local disk.
        if not self.location.is_local or os.path.isdir(os.path.dirname(folder)):
            self.location.fs.makedirs(folder, exist_ok=True)
        # Bytes that were not in the export's encoding come back out as they were.
        file = io.TextIOWrapper(
            open_private(self._temporary), encoding="utf-8", errors="surrogateescape", newline=""
        )
        csv.writer(file).writerow((*OWN_COLUMNS, *self.columns))
        return file

    def flush(self) -> None:
        """Bring what was written to the disk, if there is one.

        :raises RejectsError: it cannot be written.
        """
        if self._file is not None and self.location.is_local:
            try:
                self._file.flush()
            except Exception as error:
                raise self._trouble(error) from None

    def close(self) -> str | None:
        """Give the file its name; its URL, or None when no record failed or the file could not be written whole.

        :raises RejectsError: only now it turned out that it cannot be written.
        """
        file, self._file = self._file, None
        if self._broken:
            with contextlib.suppress(Exception):
                file.close() if file else None
        elif file is not None:
            try:
                file.close()
                self.location.fs.mv(self._temporary.path, self.location.path)
            except Exception as error:
                raise self._trouble(error) from None
            self._url = self.location.url
        return self._url

    def _trouble(self, error: Exception) -> RejectsError:
        self._broken = True
        said = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        return RejectsError(
            f"The rejects file {self.location.url} cannot be written ({said}): "
            "make room, or set reports_path to a folder that the worker can write."
        )


def _writable(cell: Any) -> Any:
    """Spell out half a character, which no UTF-8 file can hold."""
    if not isinstance(cell, str):
        return cell
    try:
        cell.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return cell.encode("utf-8", "backslashreplace").decode()
    return cell


class RejectsInReport:
    """Keeps failed rows of an author's own as index and reason, where there is no reports folder.

    :param most: rows that are kept; the counts are true beyond it.
    """

    is_report = True

    def __init__(self, most: int = 1000) -> None:
        self.rows: list[dict[str, Any]] = []
        self._most = most

    def write(self, origin: Origin, outcome: str, reason: str, column: str) -> None:  # noqa: ARG002
        """Keep one row."""
        if len(self.rows) < self._most:
            self.rows.append({"index": origin.line, "outcome": outcome, "reason": reason})
