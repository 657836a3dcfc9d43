"""Why a look found nothing to push, in words that the person who asked can act on.

Above: one look. Below: the search, and what a listing gave.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from airflow_provider_braze.redpoint.discovery.listing import ListedFile
from airflow_provider_braze.redpoint.discovery.search import ExportSearch, comparable

MOST_NAMED = 20

NOTHING_FOUND_KEY = "nothing_found"
"""XCom key under which a sensor leaves why it found nothing."""

_DAY, _HOUR = 24 * 3600, 3600


@dataclass(frozen=True, slots=True)
class NothingFound:
    """Why there is nothing to push.

    :param reason: one sentence.
    :param asked_in_vain: something was asked for by name, and is neither there, nor on its way, nor pushed: to wait
        longer does not help, somebody has to change what is asked for.
    """

    reason: str
    asked_in_vain: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What one listing showed of what is looked for.

    :param folders: the first one to three segments of every path, looked into or not.
    :param others: files that are no exports by their names.
    :param exports: every export of it, the others being parts of these:
    :param pushed: pushed whole, newest first.
    :param given_up: refused too often to be offered again.
    :param old: older than ``max_age``.
    :param waiting: not landed yet.
    :param unreadable: what could not be read, and may hold what is looked for.
    :param report: of the newest that is pushed.
    """

    folders: Collection[tuple[str, ...]]
    others: int = 0
    exports: Sequence[ListedFile] = ()
    pushed: Sequence[ListedFile] = ()
    given_up: Sequence[ListedFile] = ()
    old: Sequence[ListedFile] = ()
    waiting: Sequence[ListedFile] = ()
    unreadable: Sequence[str] = field(default_factory=list)
    report: str | None = None


def why(search: ExportSearch, seen: Seen) -> NothingFound:
    """Say why nothing can be pushed."""
    of_it = " of it" if search.names_something else ""
    if (missing := _missing(search, seen)) is not None:
        reason = missing
    elif not seen.exports:
        reason = f"there is no export{of_it} yet"
        if seen.others:
            reason += f": none of {seen.others} files is called {search.file_pattern}"
    else:
        reason = "; ".join(_states(search, seen, of_it))
    if seen.unreadable:
        reason += f"; not everything could be read: {named(seen.unreadable)}"
    in_vain = search.names_something and not (seen.pushed or seen.waiting or seen.unreadable)
    return NothingFound(f"{_asked_for(search)}: {reason}.", in_vain)


def named(names: Collection[str]) -> str:
    """Name so many that a person reads them, in order."""
    return _some(sorted(names), "; ")


def _asked_for(search: ExportSearch) -> str:
    asked = [
        f"{kind} {_printable(value)}"
        for kind, value in (
            ("channel", search.channel),
            ("offer", search.offer),
            ("workflow", search.workflow_id),
            ("execution", search.channel_execution_id),
        )
        if value is not None
    ]
    return "Nothing to push for " + ", ".join(asked) if asked else "Nothing to push"


def _missing(search: ExportSearch, seen: Seen) -> str | None:
    """Say which folder, or execution, that was asked for does not exist, and which do: the likeliest first."""
    for depth, name in enumerate((search.channel, search.offer, search.workflow_id)):
        if name is None:
            continue
        there = {
            parts[depth]
            for parts in seen.folders
            if len(parts) > depth and (depth == 0 or search.admits(parts[:depth]))
        }
        if comparable(name) not in map(comparable, there):
            return f"no folder {name!r}; {_there_are(name, there)}"
    execution = search.channel_execution_id
    if execution is not None and not seen.exports:
        return f"no export of execution {execution}"
    return None


def _there_are(name: str, there: Collection[str]) -> str:
    if not there:
        return "there are none"
    alike = difflib.get_close_matches(name, there, n=3)
    return "there are: " + _some([*alike, *sorted(set(there) - set(alike))], ", ")


def _states(search: ExportSearch, seen: Seen, of_it: str) -> list[str]:
    everything = len(seen.exports)
    states = []
    if seen.pushed:
        report = f" (report: {seen.report})" if seen.report else ""
        how = f"are pushed: {_files(seen.pushed)}{report}; push_again, or only_new=False, pushes again"
        if len(seen.pushed) == everything:
            how = how.replace("are", "is", 1) if everything == 1 else how
            states.append(f"{_all(everything)}{of_it} {how}")
        else:
            states.append(f"{len(seen.pushed)} of {everything} exports{of_it} {how}")
    for files, what, remedy in (
        (seen.old, f"older than {_duration(search.max_age or 0)}", "; max_age takes older ones"),
        (seen.given_up, "refused too often", "; replace the file, or push it again"),
        (seen.waiting, "not landed yet", ""),
    ):
        if files:
            verb = "is" if len(files) == 1 else "are"
            states.append(f"{len(files)} {verb} {what}: {_files(files)}{remedy}")
    return states or ["what there is was not taken"]


def _all(count: int) -> str:
    return "the only export" if count == 1 else f"all {count} exports"


def _files(files: Sequence[ListedFile]) -> str:
    return _some([file.path.name for file in files], ", ")


def _some(names: Sequence[str], separator: str) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return separator.join(map(_printable, names[:MOST_NAMED])) + more


def _printable(name: str) -> str:
    return name if name.isprintable() else repr(name)


def _duration(seconds: float) -> str:
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (1, "second")):
        if seconds >= unit and seconds % unit == 0:
            count = int(seconds // unit)
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"
