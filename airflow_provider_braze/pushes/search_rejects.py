"""Find one user in the rejects files of a reports folder: what became of this customer?

It tells what failed. What was accepted is kept nowhere, so that a user who is not found may be known to Braze or not.
Above: the command ``find``. Below: the reports folder and the reader of rejects files.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from airflow_provider_braze.pushes.sources.rejects_parent import ROWS_COLUMNS
from airflow_provider_braze.redpoint.reading.header import normalised
from airflow_provider_braze.rejects.identifier import DEFAULT_IDENTIFIER, identifier_of
from airflow_provider_braze.rejects.reader import RejectsReader
from airflow_provider_braze.rejects.rejects_header import OWN_COLUMNS
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import open_for_reading, read_small
from airflow_provider_braze.storage.reports.browsing import children, noting, pushed_things, reports_folder_of
from airflow_provider_braze.storage.reports.reports_folder import MOST_REPORT_BYTES, REPORT_NAME


@dataclass(frozen=True, slots=True)
class Reject:
    """One record of the user that failed.

    :param export: path of the export, empty for rows of an author's own.
    :param started_at: when its push began, as its report says.
    :param line: physical line of the export, or index of the row.
    :param rejects: URL of the rejects file.
    """

    export: str
    started_at: str
    line: int
    outcome: str
    reason: str
    column: str
    rejects: str


@dataclass(slots=True)
class Searched:
    """What a search has read.

    :param rejects: the user's records that failed, the newest push first.
    :param files: rejects files that were read.
    :param problems: what could not be read, in a sentence each.
    """

    rejects: list[Reject] = field(default_factory=list)
    files: int = 0
    problems: list[str] = field(default_factory=list)


def search_rejects(path: str, user: str) -> Searched:
    """Look for a user in every rejects file of a reports folder, mended copies included, following no link.

    The user is looked for in the column that identified users in that push, ``external_id`` where nothing tells it.

    :param path: a reports folder, or the base path that one lies below.
    :param user: the identifier, without blanks around it.
    :raises BrazeSetupError: there is no such folder.
    """
    reports = reports_folder_of(path)
    searched = Searched()
    for pushed_thing in pushed_things(reports):
        for push in children(pushed_thing, searched.problems, may_be_file=True):
            _search_push(push, user.strip(), searched)
    searched.rejects.sort(key=lambda each: each.started_at, reverse=True)
    return searched


def _search_push(push: Location, user: str, searched: Searched) -> None:
    report: Mapping[str, Any] | None = None
    for file in children(push, searched.problems, may_be_file=True):
        if not file.url.lower().endswith(".csv"):
            continue
        report = _report(push) if report is None else report
        with noting(file, "read", searched.problems):
            with io.BufferedReader(cast(Any, open_for_reading(file))) as opened:
                searched.rejects += _rejects_of(opened, file.url, report, user)
            searched.files += 1


def _report(push: Location) -> Mapping[str, Any]:
    unread: list[str] = []  # a user is looked for without it, too
    with noting(push, "read", unread), contextlib.suppress(ValueError, RecursionError):
        report = json.loads(read_small(push.child(REPORT_NAME), MOST_REPORT_BYTES))
        return report if isinstance(report, dict) else {}
    return {}


def _rejects_of(file: io.BufferedReader, url: str, report: Mapping[str, Any], user: str) -> Iterator[Reject]:
    reader = RejectsReader(file, name=url)
    is_rows = tuple(map(normalised, reader.columns)) == ROWS_COLUMNS
    identifier = DEFAULT_IDENTIFIER if is_rows else identifier_of(report)
    at = [place for place, column in enumerate(reader.columns) if normalised(column) == identifier]
    for record, own in reader.with_own():
        if is_rows:
            is_users = any(_is_of_row(cell, user) for cell in record.cells)
        else:
            is_users = any(record.cells[place].strip() == user for place in at if place < len(record.cells))
        if is_users:
            _, outcome, reason, column = (own.get(name, "") for name in OWN_COLUMNS)
            export, started = (str(report.get(name) or "") for name in ("export", "started_at"))
            yield Reject(export, started, record.line, outcome, reason, column, url)


def _is_of_row(cell: str, user: str) -> bool:
    try:
        row = json.loads(cell)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and str(row.get(DEFAULT_IDENTIFIER, "")).strip() == user
