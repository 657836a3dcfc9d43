"""The rejects file in the UI, where an administrator allows it: a preview, and the file itself.

The preview shows who it is and the cell that is at fault, and masks the others.

Above: the tab. Below: the header, and files that no link leads to.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from airflow.configuration import conf

from airflow_provider_braze.redpoint.reading.header import normalised
from airflow_provider_braze.rejects.identifier import identifier_of
from airflow_provider_braze.rejects.rejects_header import OWN_COLUMNS, is_token, original_name
from airflow_provider_braze.storage.files.plain import open_for_reading, read_small
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import (
    MOST_REPORT_BYTES,
    REJECTS_NAME,
    REPORT_NAME,
    in_reports_folder,
)
from airflow_provider_braze.users_track.ledger.reasons import public_words, without_values

SWITCHED_OFF = (
    "It holds personal data, so it is not shown here; an administrator can switch that on with "
    "[braze] rejects_in_ui."
)
UNREADABLE = "The API server cannot read it: look where the workers write it."

PUSH_AGAIN_DAG = "push_rejects_again"
"""The shipped DAG that takes the id of a push."""

PREVIEW_RECORDS = 20
_PREVIEW_BYTES = 256 * 1024
_CHUNK = 1 << 18
_HEADER = ",".join(OWN_COLUMNS).encode()
_MASK = "•••"
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")
_LONGEST_NAME = 150


class UnreadableError(Exception):
    """It is not there, not readable from here, or not a rejects file."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The first records of a rejects file, masked."""

    columns: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]


def in_ui() -> bool:
    """Tell whether rejects may be shown and downloaded."""
    return conf.getboolean("braze", "rejects_in_ui", fallback=False)


def report_of(path: str, dag_id: str, run_id: str, task_id: str, map_index: int) -> Mapping[str, Any] | None:
    """Read the report beside a rejects file, where it says that this very task instance wrote it; else None.

    The path itself comes from an XCom, which people may edit, and DAGs may have the same runs and tasks. A report of
    an older version does not say of which DAG it is: its rejects are not shown.
    """
    folder, _, name = path.rpartition("/")
    if name != REJECTS_NAME:
        return None
    try:
        report = json.loads(read_small(in_reports_folder(f"{folder}/{REPORT_NAME}"), MOST_REPORT_BYTES))
    except Exception:
        # Storages and the providers that serve them raise what they like; to the reader it is all the same.
        return None
    own = isinstance(report, dict) and PushIdentity.of(report).is_of(dag_id, run_id, task_id, map_index)
    return report if own else None


def download_name(report: Mapping[str, Any]) -> str:
    """Name a downloaded rejects file so that it tells export and run, among others in a folder of downloads."""
    export = str(report.get("export") or report.get("task_id") or "rows").replace("\\", "/")
    stem = export.rpartition("/")[2].removesuffix(".txt")
    told = f"{stem}-{report.get('run_id')}"
    return f"{_UNSAFE.sub('_', told)[:_LONGEST_NAME]}-rejects.csv"


def preview(path: str, report: Mapping[str, Any]) -> Preview:
    """Read the first records: who it is and the cell at fault as they are, all others masked.

    :param report: of the push, which says what identified users.
    :raises UnreadableError: this machine cannot.
    """
    with _opened(path) as file:
        content = file.read(_PREVIEW_BYTES)
    if len(content) == _PREVIEW_BYTES:
        content = content[: content.rfind(b"\n") + 1]
    text = content.decode("utf-8", "replace")
    try:
        header, *records = csv.reader(io.StringIO(text, newline=""))
    except (csv.Error, ValueError):
        raise UnreadableError from None
    columns = tuple(name for name in header if not is_token(name))
    shown = frozenset({identifier_of(report)})
    return Preview(columns, tuple(_masked(record, columns, shown) for record in records[:PREVIEW_RECORDS]))


def chunks(path: str) -> Iterator[bytes]:
    """Open the file now, and give it piece by piece.

    :raises UnreadableError: this machine cannot.
    """
    return _pieces(_opened(path))


def _pieces(file: io.BufferedReader) -> Iterator[bytes]:
    with file:
        while piece := file.read(_CHUNK):
            yield piece


def _opened(path: str) -> io.BufferedReader:
    """Open a file that is a rejects file by its first bytes, and nothing else."""
    try:
        # Who may write to the share could have put a pipe there, which would be waited for, or a link.
        opened: Any = open_for_reading(in_reports_folder(path))
        file = io.BufferedReader(opened, _CHUNK)
        if file.peek(len(_HEADER))[: len(_HEADER)] == _HEADER:
            return file
        file.close()
    except Exception:
        # Storages and the providers that serve them raise what they like; to the reader it is all the same.
        raise UnreadableError from None
    raise UnreadableError


def _masked(record: list[str], columns: tuple[str, ...], shown: frozenset[str]) -> tuple[str, ...]:
    own, cells = record[: len(OWN_COLUMNS)], record[len(OWN_COLUMNS) :]
    line, outcome, reason, column = (*own, *[""] * len(OWN_COLUMNS))[: len(OWN_COLUMNS)]
    spoken = public_words if outcome == "rejected" else without_values
    shown = shown | {normalised(column)} if column else shown
    # Cells beyond the header have no name, and stay masked.
    names = [normalised(original_name(name)) for name in columns[len(OWN_COLUMNS) :]]
    named = zip_longest(cells, names[: len(cells)])
    said = (cell if name in shown else _mask(cell) for cell, name in named)
    return (line, outcome, spoken(reason, cells), column, *said)


def _mask(cell: str) -> str:
    return f"{cell[0]}{_MASK}" if len(cell) > 3 else _MASK if cell else ""
