"""What lies in the three-segment layout below a base path, on any storage that fsspec can list."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.redpoint.discovery.path import ExportPath, segments
from airflow_provider_braze.storage.files.azure_listing import listed
from airflow_provider_braze.storage.files.location import Location, Stat
from airflow_provider_braze.storage.files.plain import lies_below

DEPTH = 4
"""``[Channel]/[Offer]/[Workflow ID]/file``."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file in the layout: where it lies, and its size and mtime at the moment of the listing."""

    path: ExportPath
    location: Location
    stat: Stat


@dataclass(slots=True)
class Listing:
    """What one walk below a base found.

    ``channels`` names every first segment that was met, whether or not it was looked into; ``problems`` names,
    in one sentence each, what could not be read.
    """

    files: list[ListedFile] = field(default_factory=list)
    channels: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)


def list_files(
    base: Location, *, admits: Callable[[tuple[str, ...]], bool], leave_out: Location | None = None
) -> Listing:
    """List every file exactly four segments below ``base``; a ``\\`` in a name parts segments as ``/`` does.

    A folder that cannot be read, a name that is not UTF-8, a link that leads out of the base, and what is neither file
    nor folder, is a problem of the listing and hides nothing else.

    :param base: where the layout starts.
    :param admits: takes the first one to four segments and says whether to look there.
    :param leave_out: a folder that is never looked into, such as the reports folder.
    :raises BrazeSetupError: the base does not exist, is no folder, or may not be read.
    :raises BrazeError: the base cannot be listed for a reason that may pass, or its storage went away meanwhile.
    """
    base.fs.invalidate_cache()
    try:
        return _walked(base, admits, None if leave_out is None else _below(base, leave_out))
    except ConnectionError as error:  # where a link leads, too, is asked of a server that may go away
        raise _out_of_reach(base, error) from error


def _walked(base: Location, admits: Callable[[tuple[str, ...]], bool], left_out: str | None) -> Listing:
    listing = Listing()
    folders: list[tuple[str, tuple[str, ...], list[dict[str, Any]]]] = [("", (), _base_entries(base))]
    while folders:
        folder, parents, entries = folders.pop()
        for name, entry in _named(base, folder, entries):
            relative = f"{folder}/{name}" if folder else name
            parts = parents + tuple(segments(name))
            if relative == left_out or len(parts) > DEPTH:
                continue
            is_folder = entry["type"] == "directory"
            if not (is_folder or len(parts) == DEPTH) or not _enters(listing, parts, admits):
                continue
            if (problem := _problem(base, relative, entry)) is not None:
                listing.problems.append(problem)
            elif is_folder:
                folders.append((relative, parts, _entries(listing, base, relative)))
            else:
                listing.files.append(ListedFile(ExportPath(*parts), base.child(relative), Stat.of(entry)))
    return listing


def looked_at(files: Iterable[ListedFile], problems: list[str]) -> Iterator[ListedFile]:
    """Give the files with etags or times that tell their states apart, asking for them where the listing did not tell.

    :param problems: takes what could not be looked at, in one sentence each.
    :raises BrazeError: the storage went away meanwhile.
    """
    for file in files:
        if file.stat.exact:
            yield file
            continue
        try:
            found = file.location.stat()
        except FileNotFoundError:  # gone since the folder was listed
            continue
        except ConnectionError as error:  # nor would it answer for any other, and each would be waited for
            raise BrazeError(f"{file.location.url} cannot be looked at ({error}).") from error
        except Exception as error:  # one file must not hide the others
            problems.append(f"{file.location.url!r} cannot be looked at ({type(error).__name__})")
            continue
        # A coarse time is good for an age all the same.
        modified = file.stat.modified if found.modified is None else found.modified
        yield replace(file, stat=replace(found, modified=modified))


def _base_entries(base: Location) -> list[dict[str, Any]]:
    try:
        with base.answered():
            return _listed_base(base)
    except FileNotFoundError as error:
        raise BrazeSetupError(
            f"base_path {base.url} does not exist: correct it, or make the folder (or mount) available to Airflow."
        ) from error
    except PermissionError as error:
        raise BrazeSetupError(
            f"base_path {base.url} may not be read ({error}): give Airflow read access to it."
        ) from error
    except BrazeError:
        raise
    except Exception as error:
        raise BrazeError(
            f"base_path {base.url} cannot be listed ({type(error).__name__}: {error})."
        ) from error


def _listed_base(base: Location) -> list[dict[str, Any]]:
    try:
        if base.fs.info(base.path)["type"] != "directory":
            raise BrazeSetupError(
                f"base_path {base.url} is not a folder: give the folder that holds the channels."
            )
        return list(base.fs.ls(base.path, detail=True))
    except FileNotFoundError:
        if base.appears_whole and _has_bucket(base):
            return []
        raise


def _has_bucket(base: Location) -> bool:
    """Tell whether an object store has the bucket of a base path: a prefix is there only once it has an object."""
    root = base.path[: len(base.path) - len(base.path.lstrip("/"))]
    bucket = base.path.strip("/").partition("/")[0]
    try:
        # Not info(): some stores call a bucket that is not there a folder.
        base.fs.ls(root + bucket, detail=False)
    except FileNotFoundError:
        return False
    return bool(bucket)


def _entries(listing: Listing, base: Location, relative: str) -> list[dict[str, Any]]:
    folder = base.child(relative)
    try:
        with folder.answered():
            return listed(folder)
    except FileNotFoundError:  # gone since its parent was listed
        return []
    except PermissionError as error:
        listing.problems.append(f"{folder.url!r} cannot be listed ({type(error).__name__})")
        return []
    except Exception as error:  # each storage has its own errors, and one folder must not hide the others
        _check_there(base, error)
        listing.problems.append(f"{folder.url!r} cannot be listed ({type(error).__name__})")
        return []


def _check_there(base: Location, trouble: Exception) -> None:
    """See that a folder alone is in trouble: of a storage that is gone, thousands would be waited for, each in vain.

    :raises BrazeError: the base path is out of reach, too.
    """
    try:
        base.fs.invalidate_cache()
        base.fs.info(base.path)
    except Exception as error:
        raise _out_of_reach(base, trouble) from error


def _out_of_reach(base: Location, trouble: Exception) -> BrazeError:
    return BrazeError(
        f"base_path {base.url} went out of reach while it was listed ({type(trouble).__name__}: {trouble})."
    )


def _named(
    base: Location, folder: str, entries: list[dict[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each entry, links followed; a link to nowhere is left out."""
    itself = (base.child(folder) if folder else base).path.strip("/")
    for entry in entries:
        path = str(entry["name"])
        if path.strip("/") == itself:  # an object store's placeholder for the folder
            continue
        if entry["type"] not in ("file", "directory"):
            try:
                followed = base.fs.info(path)
                # A server's listing has its own word for one.
                entry = {**followed, "islink": followed.get("islink") or entry["type"] == "link"}
            except ConnectionError:  # nobody knows where it leads
                raise
            except OSError:  # a link to nowhere
                continue
        yield path.rstrip("/").rsplit("/", 1)[-1], entry


def _problem(base: Location, relative: str, entry: dict[str, Any]) -> str | None:
    place = base.child(relative)
    if entry["type"] not in ("file", "directory"):
        return f"{place.url!r} is a pipe, a device or a socket"
    if entry.get("islink") and not lies_below(base, place):
        return f"{place.url!r} is a link that leads out of base_path"
    return None


def _enters(listing: Listing, parts: tuple[str, ...], admits: Callable[[tuple[str, ...]], bool]) -> bool:
    listing.channels.add(parts[0])
    if not admits(parts):
        return False
    try:
        "".join(parts).encode()
    except UnicodeEncodeError:
        listing.problems.append(f"{'/'.join(parts)!r} has a name that is not UTF-8")
        return False
    return True


def _below(base: Location, other: Location) -> str | None:
    """Path of ``other`` relative to ``base``, or None when it does not lie below it."""
    if not base.shares_storage_with(other):
        return None
    paths = [base.path, other.path]
    if "file" in base.fs.protocol:
        paths = [os.path.realpath(path) for path in paths]
    parent, child = (path.strip("/").split("/") for path in paths)
    return "/".join(child[len(parent) :]) if child[: len(parent)] == parent else None
