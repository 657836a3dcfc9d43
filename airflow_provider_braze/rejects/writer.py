"""The rejects file: every failed record with its line, outcome and reason, to be mended and pushed again.

Above: every push. Below: the header, and the folder of the push.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_braze.exceptions import RejectsError
from airflow_provider_braze.rejects.rejects_header import OWN_COLUMNS, token_name, written_name
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import (
    beside,
    make_folders,
    names_in,
    open_private,
    remove,
    write_together,
)
from airflow_provider_braze.storage.files.plain import replace as put_in_place
from airflow_provider_braze.users_track.ledger.sink import Sink
from airflow_provider_braze.users_track.records import RecordReference

_MOST_KEPT = 24_000
"""Characters of failed rows in a checkpoint: a value of Airflow's task state store has at most 65,535 bytes."""


class RejectsFile(Sink):
    """Writes the rejects of one push; the file exists only when there are any.

    What is written goes to parts, each of them whole once it is cut off; ``close`` makes one file of them. So a push
    that was killed leaves whole parts for the one that resumes it, on an object store too.

    :param location: where it will be once it is whole.
    :param columns: the export's columns.
    :param parts: what an earlier try left behind, to go on from.
    :param token: of the push, as its report has it: a copy beside another push's report is then known for one.
    """

    def __init__(
        self,
        location: Location,
        columns: Sequence[str],
        parts: Sequence[Location] = (),
        *,
        token: str = "",
    ) -> None:
        self.location, self.folder = location, location.parent
        self.written = 0
        self.columns = columns
        self._token = [token_name(token)] if token else []
        self.parts = list(parts)
        self._file: io.TextIOWrapper | None = None
        # Parts that have ended, and are still to be closed.
        self._ended: list[io.TextIOWrapper] = []
        self._settled = len(self.parts)
        self._rest = False
        self._broken = False
        self._said = ""
        self.trouble: RejectsError | None = None
        """Why it cannot be written whole, once that is known; however often it is asked."""
        self._url: str | None = None

    def write(self, reference: RecordReference, outcome: str, reason: str, column: str) -> None:
        """Write one record; surplus cells of an over-wide one are at its end.

        :raises RejectsError: it cannot be written, for example because the disk is full.
        """
        row = (reference.line, outcome, reason, column, *reference.cells)
        try:
            self._check_unbroken()
            if self._file is None:
                self._file = self._open()
            try:
                csv.writer(self._file).writerow(row)
            except UnicodeEncodeError:
                csv.writer(self._file).writerow([_writable(cell) for cell in row])
            self.written += 1
        except Exception as error:
            raise self._trouble(error) from None
        except (
            BaseException
        ):  # a time limit that ended the wait for a storage: what was on its way there may be lost
            self._broken = True
            raise

    def _open(self) -> io.TextIOWrapper:
        if self._url:
            raise ValueError("it was closed before")
        folder = self.location.parent
        # Where a share is gone, a new folder would lie below its mount point on the local disk.
        if not self.location.is_local or os.path.isdir(folder.parent.path):
            make_folders(folder)
        part = beside(self.location, f".{len(self.parts) + 1}.part")
        # Bytes that were not in the export's encoding come back out as they were.
        file = io.TextIOWrapper(open_private(part), encoding="utf-8", errors="surrogateescape", newline="")
        if not self.parts:
            csv.writer(file).writerow((*OWN_COLUMNS, *map(written_name, self.columns), *self._token))
        self.parts.append(part)
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

    def cut(self) -> None:
        """End the present part: what is written from here on goes to the next one."""
        if self._file is not None:
            self._ended.append(self._file)
            self._file = None
        if not self._rest:
            self._settled = len(self.parts)

    def rest(self) -> None:
        """End the present part: what is written from here on is not settled for good, and in no checkpoint."""
        self.cut()
        self._rest = True

    @property
    def settled_parts(self) -> list[Location]:
        """The parts that a later try goes on from, as of the last cut."""
        return self.parts[: self._settled]

    def finish_parts(self) -> None:
        """Bring the parts that have ended to their storage; may run in a thread.

        :raises RejectsError: they cannot be written, or could not be before: what a file had still to write when that
            failed is gone, and closing it once more says nothing.
        """
        try:
            self._check_unbroken()
            self._close_ended()
        except Exception as error:
            raise self._trouble(error) from None

    def _check_unbroken(self) -> None:
        if self._broken:
            raise ValueError("it could not be written before")

    def _close_ended(self) -> None:
        while self._ended:
            self._ended[0].close()
            self._ended.pop(0)

    def close(self, *, keep_parts: bool = False) -> str | None:
        """Make one file of the parts; its URL, or None when no record failed or the file could not be written whole.

        :param keep_parts: a later try may go on from those that are settled.
        :raises RejectsError: only now it turned out that it cannot be written.
        """
        self.cut()
        if self._broken:
            with contextlib.suppress(Exception):
                self._close_ended()
            return None
        self.finish_parts()
        if self.parts and self._url is None:
            try:
                self._unite(keep_parts)
            except Exception as error:
                raise self._trouble(error) from None
            self._url = self.location.url
        return self._url

    def _unite(self, keep_parts: bool) -> None:
        whole = self.parts[0]
        if self.location.appears_whole:
            whole = self.location
        elif len(self.parts) > 1 or keep_parts:
            whole = beside(self.location, ".part")
        if whole != self.parts[0]:
            write_together(self.parts, whole)
        if whole != self.location:
            put_in_place(whole, self.location)
        self._remove(self.parts[self._settled :] if keep_parts else self.parts)

    def checkpoint(self) -> dict[str, Any]:
        """Write what a later try goes on from, as of the last cut, as JSON."""
        return {
            "homes": [self.location.parent.url],
            "rejects_parts": _numbered(self.settled_parts),
        }

    def tidy(self, attempt_folders: Iterable[Location]) -> None:
        """Delete what earlier tries have left in their folders, once nothing goes on from it any more."""
        for folder in attempt_folders:
            self._remove_parts(folder)
        if not self.parts:
            # Written when the same try left its worker for a wait: of records that have been sent since.
            with contextlib.suppress(FileNotFoundError):
                remove(self.location)

    def _remove_parts(self, folder: Location) -> None:
        name = self.location.path.rpartition("/")[2]
        with contextlib.suppress(Exception):
            for each in names_in(folder):
                if each.startswith(f"{name}.") and each.endswith(".part"):
                    remove(folder.child(each))

    def _remove(self, parts: Sequence[Location]) -> None:
        for part in parts:
            # One that is left over is only untidy.
            with contextlib.suppress(Exception):
                remove(part)

    def _trouble(self, error: Exception) -> RejectsError:
        # What broke it is said however often it is asked.
        if not self._said:
            told = isinstance(error, OSError) and error.strerror
            self._said = str(told) if told else type(error).__name__
        self._broken, said = True, self._said
        self.trouble = RejectsError(
            f"The rejects file {self.location.url} cannot be written ({said}): "
            "make room, or set reports_path to a folder that the worker can write."
        )
        return self.trouble


def parts_of(checkpoint: Mapping[str, Any]) -> list[str]:
    """Give the URLs of the parts that :meth:`RejectsFile.checkpoint` names."""
    return [
        f"{url}.{number}.part"
        for url, first, last in checkpoint.get("rejects_parts", ())
        for number in range(first, last + 1)
    ]


def _numbered(parts: Iterable[Location]) -> list[list[Any]]:
    """Name parts by their file, the first number and the last: a long push has hundreds, and a store takes 64 KB."""
    found: list[list[Any]] = []
    for part in parts:
        url, number = part.url.removesuffix(".part").rsplit(".", 1)
        if found and found[-1][0] == url and found[-1][2] + 1 == int(number):
            found[-1][2] = int(number)
        else:
            found.append([url, int(number), int(number)])
    return found


def _writable(cell: Any) -> Any:
    """Spell out half a character, which no UTF-8 file can hold."""
    if not isinstance(cell, str):
        return cell
    try:
        cell.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return cell.encode("utf-8", "backslashreplace").decode()
    return cell


class RejectsInReport(Sink):
    """Keeps failed rows of an author's own as index and reason, where there is no reports folder.

    :param most: rows that are kept; the counts are true beyond it.
    """

    is_report = True
    folder = None

    def __init__(self, most: int = 1000) -> None:
        self.rows: list[dict[str, Any]] = []
        self.left_out = 0
        self._most = most
        self._settled: int | None = None

    def write(self, reference: RecordReference, outcome: str, reason: str, column: str) -> None:  # noqa: ARG002
        """Keep one row."""
        if len(self.rows) < self._most:
            self.rows.append({"index": reference.line, "outcome": outcome, "reason": reason})

    def rest(self) -> None:
        """Say that the rows from here on are not settled for good, and in no checkpoint."""
        if self._settled is None:
            self._settled = len(self.rows)

    def cut(self) -> None:
        """Rows are settled as they are written: there is nothing to end."""

    def finish_parts(self) -> None:
        """Everything is in memory."""

    def tidy(self, attempt_folders: Iterable[Location]) -> None:
        """There is nothing to delete."""

    def checkpoint(self) -> dict[str, Any]:
        """Write the settled rows as JSON that fits Airflow's task state store: each reason once, and not too many."""
        reasons: dict[tuple[str, str], int] = {}
        found: list[int] = []
        size, left_out = 0, self.left_out
        for row in self.rows[: self._settled]:
            reason = (row["outcome"], row["reason"])
            number = reasons.get(reason, len(reasons))
            size += len(f"{row['index']},{number},")
            if number == len(reasons):
                size += len(json.dumps(reason))
            if size > _MOST_KEPT:
                left_out += 1
                continue
            reasons[reason] = number
            found += (row["index"], number)
        return {"failed_rows": {"reasons": [*map(list, reasons)], "rows": found, "left_out": left_out}}

    def resume(self, kept: Mapping[str, Any]) -> None:
        """Go on from what :meth:`checkpoint` wrote."""
        indexes, numbers = kept["rows"][::2], kept["rows"][1::2]
        for index, number in zip(indexes, numbers, strict=True):
            outcome, reason = kept["reasons"][number]
            self.rows.append({"index": index, "outcome": outcome, "reason": reason})
        self.left_out = kept["left_out"]
