"""One look below the base path: which exports are ready to be pushed. Sensor and trigger ask this, and nothing else."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.redpoint.discovery.landing import is_export, landing, marked_exports
from airflow_provider_braze.redpoint.discovery.listing import ListedFile, Listing, list_files, looked_at
from airflow_provider_braze.redpoint.discovery.nothing_found import NothingFound, Seen, named, why
from airflow_provider_braze.redpoint.discovery.path import fingerprint
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.reports.reports_folder import FOLDER_NAME, ReportsFolder

MOST_REFUSALS = 3
"""How often an export that was refused for what it is, is offered."""

_MOST_SIGHTINGS_KEPT = 1000  # about 40 KB of JSON: the task state store takes 64 KB a value


@dataclass(frozen=True, slots=True)
class PollState:
    """What one look leaves for the next.

    :param sightings: when states of files were first seen.
    :param said: which warnings were given.
    :param trusted: exports whose markers were read and have a report behind them: on a slow share that takes its time.
        It is not kept, because it is only for speed.
    """

    sightings: Mapping[str, float] = field(default_factory=dict)
    said: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> PollState:
        """Read what ``kept`` gave."""
        return cls(dict(kept["sightings"]), frozenset(kept["said"])) if kept else cls()

    def kept(self) -> dict[str, Any]:
        """Give it as JSON, small enough for Airflow's task state store."""
        oldest = sorted(self.sightings.items(), key=lambda sighting: sighting[1])[:_MOST_SIGHTINGS_KEPT]
        return {"sightings": dict(oldest), "said": sorted(self.said)}


@dataclass(frozen=True, slots=True)
class PollResult:
    """What one look found.

    :param items: the landed exports, oldest first, as the sensor returns them.
    :param waiting: how many exports have not landed yet.
    :param in_vain: why there is nothing to wait for, or None.
    :param nothing: why there are no items, or None where there are.
    :param notes: lines for the log.
    :param warnings: those that were not given before.
    :param memory: for the next look.
    """

    items: list[dict[str, Any]]
    waiting: int
    in_vain: str | None
    nothing: NothingFound | None
    notes: list[str]
    warnings: list[str]
    memory: PollState


def poll(search: ExportSearch, memory: PollState, *, clock: Callable[[], float] = time.time) -> PollResult:
    """List what lies below the base path and tell what is ready.

    :param memory: what the previous look of the same wait left, or an empty one.
    :param clock: gives seconds since the epoch.
    :raises BrazeSetupError: the base path, the reports folder or a parameter is wrong.
    :raises BrazeError: the storage does not answer as it should; a later look may succeed.
    """
    base, reports = _folders(search)
    started = clock()
    folders: set[tuple[str, ...]] = set()
    listing = list_files(base, admits=_noting(folders, _admits(search)), leave_out=reports.root)
    finished = clock()
    found_exports = [
        file
        for file in listing.files
        if is_export(file.path.name, search.file_pattern)
        and (search.brings_older or search.selects(file.path))
    ]
    exports = {_fingerprint(file): file for file in looked_at(found_exports, listing.problems)}
    marks = _Marks.read(reports, search, exports, memory.trusted)
    recent, old = _by_age(search, marks.without(exports), started)
    landed = landing(
        recent,
        sightings=memory.sightings,
        started=started,
        finished=finished,
        settle_seconds=search.settle_seconds,
        appears_whole=base.appears_whole,
        marked=None if search.marker_suffix is None else marked_exports(listing.files, search.marker_suffix),
    )
    found = sorted(landed.landed, key=lambda file: (file.stat.modified or 0, file.location.url))
    selected = {each: file for each, file in exports.items() if search.selects(file.path)}
    if len(selected) < len(exports):
        # The older ones go with those that are looked for, and alone they are no reason to go.
        last = max((at for at, file in enumerate(found) if search.selects(file.path)), default=-1)
        found = found[: last + 1]
    if search.push_again and len(found) > search.max_exports:
        raise BrazeSetupError(
            f"push_again takes {len(found)} exports, more than max_exports ({search.max_exports}): to push the oldest "
            "of them alone would set people back. Name a workflow_id or a channel_execution_id, too."
        )
    taken = found[: search.max_exports]
    notes = _notes(
        search, base, landed=len(found), waiting=len(landed.waiting), marks=marks, old=len(old), taken=taken
    )
    nothing = None
    if not taken:
        selection = _Selection(selected, folders, listing, marks, old, landed.waiting)
        nothing = why(search, _seen(search, selection, reports))
    warnings = {_digest(text): text for text in _warnings(search, listing, marks, exports)}
    return PollResult(
        items=[_item(search, file, base, reports) for file in taken],
        waiting=len(landed.waiting),
        in_vain=_in_vain(search, nothing, marks, selected, listing),
        nothing=nothing,
        notes=notes,
        warnings=[text for digest, text in warnings.items() if digest not in memory.said],
        memory=PollState(landed.sightings, memory.said | warnings.keys(), marks.trusted),
    )


def _folders(search: ExportSearch) -> tuple[Location, ReportsFolder]:
    base = locate(search.base_path)
    reports = ReportsFolder.at(
        search.reports_path or base.child(FOLDER_NAME).url, None if search.reports_path else base.url
    )
    if reports.root.url == base.url:
        raise BrazeSetupError("reports_path must not be base_path itself: give it a folder of its own.")
    return base, reports


def _notes(
    search: ExportSearch,
    base: Location,
    *,
    landed: int,
    waiting: int,
    marks: _Marks,
    old: int,
    taken: Sequence[ListedFile],
) -> list[str]:
    """Say in a few lines what the listing came to."""
    notes = [
        f"{base.url}: {landed} landed, {waiting} not landed yet, "
        f"{len(marks.pushed)} pushed before, {old} older than max_age."
    ]
    if landed > len(taken):
        notes.append(
            f"{landed - len(taken)} more exports are held back (max_exports); the next run takes them."
        )
    if search.push_again and taken:
        notes.append(f"To be pushed again: {', '.join(file.path.name for file in taken)}.")
    return notes


@dataclass(frozen=True, slots=True)
class _Marks:
    """What the reports folder says of the exports in a listing, as fingerprints.

    :param pushed: pushed whole; of these are:
    :param trusted: those that a report is behind: they need not be looked at again.
    :param older: those of them whose marker an older version wrote, and that were not looked at before.
    :param unexplained: those whose marker no report is behind: it may have been put there by anybody.
    :param given_up: refused too often.
    """

    pushed: frozenset[str] = frozenset()
    trusted: frozenset[str] = frozenset()
    older: frozenset[str] = frozenset()
    unexplained: frozenset[str] = frozenset()
    given_up: frozenset[str] = frozenset()

    @classmethod
    def read(
        cls, reports: ReportsFolder, search: ExportSearch, exports: Collection[str], trusted: frozenset[str]
    ) -> _Marks:
        # Who asks to push again, asks for it whatever became of the export before.
        if not search.only_new:
            return cls()
        conn_id = search.braze_conn_id
        try:
            refused = reports.refused(conn_id).intersection(exports)
            pushed = reports.pushed(conn_id).intersection(exports)
            read = reports.markers(conn_id, pushed - trusted)
            silent = frozenset(each for each, marker in read.items() if marker.report is None)
            unexplained = frozenset(each for each in silent if reports.last_report(each) is None)
            return cls(
                pushed,
                pushed - unexplained,
                silent - unexplained,
                unexplained,
                frozenset(each for each in refused if reports.refusals(conn_id, each) >= MOST_REFUSALS),
            )
        except PermissionError as error:
            raise BrazeSetupError(
                f"The reports folder {reports.root.url} may not be read: give Airflow read access to it, "
                "or set reports_path."
            ) from error
        except BrazeError:
            raise
        except Exception as error:
            raise BrazeError(
                f"The reports folder {reports.root.url} cannot be read ({type(error).__name__}: {error})."
            ) from error

    def without(self, exports: Mapping[str, ListedFile]) -> list[ListedFile]:
        return [file for each, file in exports.items() if each not in self.pushed | self.given_up]


@dataclass(frozen=True, slots=True)
class _Selection:
    """What one look knows of the exports that are looked for, by fingerprint, and of all."""

    exports: Mapping[str, ListedFile]
    folders: Collection[tuple[str, ...]]
    listing: Listing
    marks: _Marks
    old: Collection[ListedFile]
    waiting: Collection[ListedFile]


def _seen(search: ExportSearch, selection: _Selection, reports: ReportsFolder) -> Seen:
    exports, marks = selection.exports, selection.marks
    newest_first = sorted(exports, key=lambda each: exports[each].stat.modified or 0, reverse=True)
    pushed = [each for each in newest_first if each in marks.pushed]
    report = reports.last_report(pushed[0]) if search.names_something and pushed else None
    return Seen(
        folders=selection.folders,
        others=sum(
            search.selects(file.path) and not is_export(file.path.name, search.file_pattern)
            for file in selection.listing.files
        ),
        exports=list(exports.values()),
        pushed=[exports[each] for each in pushed],
        given_up=[exports[each] for each in newest_first if each in marks.given_up],
        old=[file for file in selection.old if search.selects(file.path)],
        waiting=[file for file in selection.waiting if search.selects(file.path)],
        unreadable=selection.listing.problems,
        report=report.url if report else None,
    )


def _in_vain(
    search: ExportSearch,
    nothing: NothingFound | None,
    marks: _Marks,
    selected: Mapping[str, ListedFile],
    listing: Listing,
) -> str | None:
    """Say that everything of a workflow or an execution is pushed already: nothing more of it is waited for."""
    named_one = search.workflow_id is not None or search.channel_execution_id is not None
    # What could not be read may hold what is waited for.
    if nothing is None or listing.problems or not (named_one and selected):
        return None
    return nothing.reason if marks.pushed.issuperset(selected) else None


def _noting(
    folders: set[tuple[str, ...]], admits: Callable[[tuple[str, ...]], bool]
) -> Callable[[tuple[str, ...]], bool]:
    """Note each folder that is asked about, admitted or not: a misspelt name is told from those that there are."""

    def noting(parts: tuple[str, ...]) -> bool:
        if not parts[0].startswith(".") and parts[0] != FOLDER_NAME:
            folders.add(parts[:3])
        return admits(parts)

    return noting


def _admits(search: ExportSearch) -> Callable[[tuple[str, ...]], bool]:
    if not search.brings_older:
        return search.admits
    return lambda parts: search.admits(parts) or search.widened.admits(parts)


def _by_age(
    search: ExportSearch, files: list[ListedFile], now: float
) -> tuple[list[ListedFile], list[ListedFile]]:
    """Part the files into recent and old ones."""
    oldest = float("-inf") if search.max_age is None else now - search.max_age
    modified = [(file, now if file.stat.modified is None else file.stat.modified) for file in files]
    return [file for file, at in modified if at >= oldest], [file for file, at in modified if at < oldest]


def _warnings(
    search: ExportSearch, listing: Listing, marks: _Marks, exports: Mapping[str, ListedFile]
) -> list[str]:
    warnings = []
    if listing.problems:
        warnings.append(f"Left out, the rest is not affected: {named(listing.problems)}.")
    others = [repr(name) for name in listing.channels if search.is_other_channel(name)]
    if others:
        warnings.append(f"Not looked into, because channel_modes does not name them: {named(others)}.")
    if marks.older:
        warnings.append(
            f"{len(marks.older)} exports were marked as pushed by an older version, whose markers do not say by whom; "
            "they count."
        )
    if marks.unexplained:
        unexplained = [exports[each].location.url for each in marks.unexplained]
        warnings.append(
            f"Marked as pushed through {search.braze_conn_id}, but there is no report of it: {named(unexplained)}. "
            "They are left out. Look who may write to the reports folder; set only_new to false to push them again."
        )
    given_up = [exports[each].location.url for each in marks.given_up]
    if given_up:
        warnings.append(
            f"Refused {MOST_REFUSALS} times and not offered any more: {named(given_up)}. "
            "Replace the file, or set only_new to false to push it again."
        )
    return warnings


def _item(search: ExportSearch, file: ListedFile, base: Location, reports: ReportsFolder) -> dict[str, Any]:
    return {
        "path": file.location.url,
        "base_path": base.url,
        "reports_path": reports.root.url,
        "channel": file.path.channel,
        "offer": file.path.offer,
        "workflow_id": file.path.workflow_id,
        "channel_execution_id": file.path.channel_execution_id,
        "mode": search.mode_of(file.path.channel),
        "size": file.stat.size,
        "modified": file.stat.modified,
        "fingerprint": _fingerprint(file),
    }


def _fingerprint(file: ListedFile) -> str:
    return fingerprint(file.path, file.stat.size, file.stat.modified, file.stat.etag)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
