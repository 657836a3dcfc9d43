"""Where a memory is kept, and who may use it: one push at a time.

On a disk of this machine the file is worked on where it is, under a lock that ends with its process. A push that finds
it locked leaves a word in it before its own first request: it was *met by another*, and nothing in it is believed from
then on, by whoever has it nor by who comes next.

A network share knows no such lock, and SQLite must not work there. So the file is copied to this machine, and a mark
*in use* is left beside it until the copy is brought back. Who finds a mark cannot tell a dead push from one that runs:
the memory is set aside, and the mark taken away, by which the other, if it runs, knows that it was met.

Above: opening, forgetting, inspecting. Below: the two kinds of places.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import replace as changed

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.memory.persistence.beginning import FOLDER
from airflow_provider_braze.memory.persistence.buckets import BUCKETS
from airflow_provider_braze.memory.persistence.copied import Copy, download, marks, set_aside_of
from airflow_provider_braze.memory.persistence.in_place import Guest, InPlace, is_to_be_set_aside
from airflow_provider_braze.memory.persistence.opened import (
    Belongs,
    InUseError,
    MemoryUnwritableError,
    Place,
    Warn,
    warn_of,
)
from airflow_provider_braze.memory.persistence.store import NAME, MemoryStore, UnusableError
from airflow_provider_braze.storage.files import plain
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder, safe_name

_OF_THIS_MACHINE = frozenset(
    "apfs bcachefs btrfs ext2 ext3 ext4 f2fs hfs jfs overlay ramfs reiserfs rootfs tmpfs ufs xfs zfs".split()  # noqa: SIM905
)
"""File systems with locks that hold, as ``/proc`` names them; any other may be a share."""


def folder_of(memory_path: str | None, reports: ReportsFolder | None, braze_conn_id: str) -> Location | None:
    """Give the folder of a connection's memory; None where there can be none.

    :param memory_path: the place that an author names.
    :param reports: the reports folder of the push.
    :raises BrazeSetupError: the author names an object store.
    """
    if memory_path:
        root = locate(memory_path)
        if root.is_local:
            root = changed(root, within=root.path)
    elif reports is not None:
        root = reports.root.child(FOLDER)
    else:
        return None
    return root.child(safe_name(braze_conn_id))


def check_kind(folder: Location) -> None:
    """Refuse an object store, which cannot change a part of a file, nor tell in time that another changed it.

    :raises BrazeSetupError: it is one.
    """
    if folder.appears_whole:
        raise BrazeSetupError(
            f"The memory of only_changed cannot be kept on an object store ({folder.url}): set memory_path to a folder "
            "on a disk or a network share that every worker reaches."
        )


def is_of_this_machine(path: str) -> bool:
    """Tell whether a path lies on a disk of this machine, whose locks hold; where nothing tells, it does."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            mounts = [line.split() for line in file]
    except OSError:
        return True
    real, best, kind = os.path.realpath(path), "", ""
    for mount in mounts:
        point = mount[4].encode().decode("unicode_escape") if "\\" in mount[4] else mount[4]
        if (real == point or real.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, mount[mount.index("-") + 1]
    return not best or kind in _OF_THIS_MACHINE


def bucket_folder(folder: Location, bucket: int) -> Location:
    """Name the folder of a bucket, in that of the memory."""
    return folder.child(f"{bucket:02}")


def has_bucket(folder: Location, bucket: int) -> bool:
    """Tell whether anything is remembered of the users of a bucket."""
    return bucket_folder(folder, bucket).child(NAME).exists()


def exists(folder: Location) -> bool:
    """Tell whether there is a memory."""
    if folder.appears_whole:
        return False
    try:
        found = plain.names_in(folder)
    except OSError:
        return False
    names = {bucket_folder(folder, bucket).path.rsplit("/", 1)[1]: bucket for bucket in range(BUCKETS)}
    return any(has_bucket(folder, names[name]) for name in found if name in names)


def retire_older(folder: Location, warn: Warn) -> None:
    """Set a memory aside that is all in one file, as it once was."""
    older = folder.child(NAME)
    if older.exists():
        warn_of("it is of another version of this provider", warn)
        with contextlib.suppress(FileNotFoundError):
            plain.replace(older, set_aside_of(folder))


def open_place(folder: Location, belongs: Belongs, warn: Warn) -> Place | Guest:
    """Open a bucket in its folder for this process alone, or begin one; where another push uses it, be its guest.

    One that cannot be used is set aside, with one warning.

    :param belongs: says why a memory is not this workspace's; None where it is. It may mark a new one as its own.
    :param warn: takes the warning.
    :raises BrazeError: it can neither be used nor set aside.
    """
    check_kind(folder)
    kind = InPlace if is_here(folder) else Copy
    try:
        return kind(folder, belongs, warn)
    except InUseError:
        return Guest(folder)
    except (OSError, ExportRefusedError, sqlite3.Error, UnusableError) as error:
        raise unwritable(folder, error) from error


def unwritable(folder: Location, error: Exception) -> MemoryUnwritableError:
    """Say that a memory cannot be used, and what to do."""
    return MemoryUnwritableError(
        f"The memory in {folder.url} cannot be opened ({type(error).__name__}): give the worker write access, or "
        "set memory_path to a folder that it can write."
    )


def is_here(folder: Location) -> bool:
    """Tell whether a memory lies on a disk of this machine, or would."""
    return folder.is_local and is_of_this_machine(_nearest(folder.path))


def _nearest(path: str) -> str:
    while not os.path.exists(path) and path != "/":
        path = os.path.dirname(path)
    return path


def exclusive(folder: Location, warn: Warn) -> Place:
    """Open a bucket that is there for somebody at a terminal, who must not disturb a push.

    :param warn: told when it was damaged or of another version: it is set aside then, and a new one opened.
    :raises BrazeSetupError: a push uses it.
    """
    try:
        if is_here(folder):
            return InPlace(folder, lambda _: None, warn)
        if marks(folder):
            raise InUseError
        return Copy(folder, lambda _: None, warn)
    except InUseError:
        raise BrazeSetupError(
            f"A push uses the memory in {folder.url} at this moment, or died while it did: try again when it has ended."
        ) from None


def only_read(path: str) -> MemoryStore:
    """Open a file to look at it."""
    return MemoryStore(path, only_read=True)


class Glimpse:
    """A bucket that is only looked at: on this machine where it is, else in a copy.

    :param folder: of the bucket.
    :param opens: opens the file.
    :raises UnusableError: it is damaged, or of another version.
    """

    def __init__(
        self,
        folder: Location,
        opens: Callable[[str], MemoryStore] = only_read,
    ) -> None:
        self._working: str | None = None
        path = folder.child(NAME).path
        if not is_here(folder):
            self._working = tempfile.mkdtemp(prefix="braze-memory-")
            path = os.path.join(self._working, NAME)
        try:
            if self._working is not None:
                download(folder.child(NAME), path)
            self.store = opens(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it, and delete the copy."""
        store: MemoryStore | None = getattr(self, "store", None)
        if store is not None:
            store.close()
        if self._working is not None:
            shutil.rmtree(self._working, ignore_errors=True)


def glimpse_of(
    folder: Location, bucket: int, opens: Callable[[str], MemoryStore] = only_read
) -> Glimpse | None:
    """Look at a bucket of a memory; None where there is none that can be used."""
    try:
        return Glimpse(bucket_folder(folder, bucket), opens) if has_bucket(folder, bucket) else None
    except (UnusableError, OSError, ExportRefusedError, sqlite3.Error):
        return None


def is_believed(folder: Location, bucket: int) -> bool:
    """Tell whether a push that began now would believe a bucket that is there, as far as its marks say."""
    within = bucket_folder(folder, bucket)
    try:
        return not (is_to_be_set_aside(within) if is_here(within) else marks(within))
    except OSError:
        return False


def disbelieve(folder: Location, warn: Warn) -> list[Place]:
    """See to it that nobody believes the memory on a share any more: something was sent that it cannot know.

    :return: what has to be closed at the end of the push.
    """
    found: list[Place] = []
    try:
        # Those that are not there yet, too: whoever begins one finds that it is not alone.
        for bucket in range(BUCKETS):
            found.append(copy := Copy(bucket_folder(folder, bucket), lambda _: None, warn))
            copy.disbelieve()
    except BaseException:
        for each in found:
            with contextlib.suppress(Exception):
                each.close()
        raise
    return found
