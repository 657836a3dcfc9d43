"""Which exports of a listing have landed: nobody is writing them any more.

Above: one look at the folders. Below: the listing.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from airflow_provider_braze.redpoint.discovery.listing import ListedFile
from airflow_provider_braze.redpoint.discovery.path import ExportPath
from airflow_provider_braze.storage.files.archives import COMPANION, SUFFIXES

DEFAULT_FILE_PATTERN = "RPI_Export_*.txt"
"""How RPI names an export file unless its channel says otherwise (Redpoint docs: Files tab)."""


def is_export(name: str, file_pattern: str = DEFAULT_FILE_PATTERN) -> bool:
    """Tell whether a file's name is that of an export. Case does not matter, as on the share RPI writes to.

    The default pattern also takes an export that RPI has zipped, whether the archive is called after the export or
    after its execution; any other pattern is taken as it is written.
    """
    lower, patterns = name.lower(), [file_pattern.lower()]
    if file_pattern == DEFAULT_FILE_PATTERN:
        patterns += [patterns[0].removesuffix(".txt") + suffix for suffix in SUFFIXES]
    return any(fnmatch.fnmatchcase(lower, pattern) for pattern in patterns) and not COMPANION.search(name)


@dataclass(frozen=True, slots=True)
class Landing:
    """The exports that have landed, those still to settle, and what to remember until the next listing."""

    landed: list[ListedFile]
    waiting: list[ListedFile]
    sightings: dict[str, float]


def landing(
    exports: Iterable[ListedFile],
    *,
    sightings: Mapping[str, float],
    started: float,
    finished: float,
    settle_seconds: float,
    appears_whole: bool = False,
    marked: Collection[ExportPath] | None = None,
) -> Landing:
    """Decide which exports have landed.

    :param exports: the exports of one listing.
    :param sightings: what the previous listing's ``Landing`` remembered: each state of a file that had not landed,
        and the time, in seconds since the epoch, at which a listing first showed it.
    :param started: when the listing was begun, in seconds since the epoch.
    :param finished: when it was complete: on a slow share a listing takes longer than a file takes to change.
    :param settle_seconds: an export has landed when two listings at least so far apart agree in its size and mtime;
        0 means that one listing is enough.
    :param appears_whole: the storage shows no unfinished file, so what is visible has landed.
    :param marked: the exports that have a marker; then only the marker decides. None where there are no markers.
    """
    result = Landing([], [], {})
    for export in exports:
        state = _state(export)
        # A clock that was set back must not make a file wait for longer than settle_seconds from now.
        seen = min(sightings.get(state, finished), finished)
        settled = appears_whole or settle_seconds == 0 or started - seen >= settle_seconds
        if settled if marked is None else export.path in marked:
            result.landed.append(export)
        else:
            result.waiting.append(export)
            result.sightings[state] = seen
    return result


def marked_exports(files: Iterable[ListedFile], marker_suffix: str) -> frozenset[ExportPath]:
    """Name every file that has its marker, ``<name><marker_suffix>``, beside it."""
    paths = {file.path for file in files}
    return frozenset(path for path in paths if replace(path, name=path.name + marker_suffix) in paths)


def _state(export: ListedFile) -> str:
    """Name one state of one file; short, because many are kept in a place that holds 64 KB."""
    state = (export.location.url, export.stat.size, export.stat.modified, export.stat.etag)
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]
