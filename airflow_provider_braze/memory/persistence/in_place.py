"""A memory on a disk of this machine: worked on where it is, under locks that end with their process.

Above: where a memory is kept. Below: storage, and the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3

from airflow_provider_braze.memory.persistence.opened import Belongs, InUseError, Warn, opened, warn_of
from airflow_provider_braze.memory.persistence.store import NAME, MemoryStore, set_aside
from airflow_provider_braze.storage.files import local, plain
from airflow_provider_braze.storage.files.location import Location

_LOCK = "lock"
_GUESTS = "guests"
_MET = "met"
_IN_USE = "in-use"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class InPlace:
    """A memory on a disk of this machine.

    :raises InUseError: another push uses it, or runs beside it.
    """

    is_guest = False

    def __init__(self, folder: Location, belongs: Belongs, warn: Warn) -> None:
        plain.make_folders(folder)
        for path in (os.path.dirname(folder.path), folder.path):
            os.chmod(path, 0o700)
        self._folder = folder
        self._guest: Guest | None = None
        self._path, self._met = folder.child(NAME).path, folder.child(_MET)
        self._lock = _lock(folder, _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            _check_own(folder.child(NAME), warn)
            self._marked = self._mark(warn)
            self.store = self._open(belongs, warn)
            try:
                # Looked at after the word was taken away: who left it holds this lock, who comes later leaves it anew.
                os.close(_lock(folder, _GUESTS, fcntl.LOCK_EX | fcntl.LOCK_NB))
            except BaseException:
                self.store.close()
                raise
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, belongs: Belongs, warn: Warn) -> MemoryStore:
        if self.is_met():
            if os.path.exists(self._path):
                warn_of("another push came while one used it", warn)
            set_aside(self._path)
            plain.remove(self._met)
        return opened(self._path, belongs, warn, synchronous="NORMAL" if self._marked else "FULL")

    def _mark(self, warn: Warn) -> bool:
        """Leave a mark while the file is changed; whether there is one.

        What this process has written outlives it, but not this machine, which writes to its disk when it likes to. So
        the mark says since when the machine runs: who finds one of an earlier start sets the file aside. Where nothing
        tells that, there is none, and each transaction is on disk when it ends.
        """
        mark, own = self._folder.child(_IN_USE), _started()
        if mark.exists() and (_read(mark) != own or not _is_whole(self._path)):
            if os.path.exists(self._path):
                warn_of("the machine or its disk failed while a push used it", warn)
            set_aside(self._path)
        if own:
            _write_durably(mark, own)
        return bool(own)

    def is_met(self) -> bool:
        """Tell whether another push has come since."""
        return self._met.exists()

    def disbelieve(self) -> None:
        """Be a guest from here on, and set the memory aside."""
        if self._guest is None:
            with contextlib.suppress(Exception):
                self.store.close()
            self._guest = Guest(self._folder)
            set_aside(self._path)
            os.close(self._lock)

    def close(self) -> None:
        """Close the file, and let the next push have it."""
        if self._guest is not None:
            self._guest.close()
            return
        try:
            if self.store.close() and self._marked:
                plain.remove(self._folder.child(_IN_USE))
        except sqlite3.Error:
            # The disk may not hold what was written, however it reads at this moment.
            set_aside(self._path)
            raise
        finally:
            os.close(self._lock)


class Guest:
    """A push beside one that uses the memory: it sends everything, and nothing of that memory is believed any more."""

    def __init__(self, folder: Location) -> None:
        self._lock = _lock(folder, _GUESTS, fcntl.LOCK_SH)
        _write_durably(folder.child(_MET))

    def disbelieve(self) -> None:
        """Change nothing: by its being there nobody believes it."""

    def close(self) -> None:
        """Be gone."""
        os.close(self._lock)


def is_to_be_set_aside(folder: Location) -> bool:
    """Tell whether a memory on a disk of this machine says that whoever opens it next is not to believe it."""
    mark = folder.child(_IN_USE)
    return folder.child(_MET).exists() or (mark.exists() and _read(mark) != _started())


def _started() -> bytes:
    """Name this run of the machine; empty where nothing tells."""
    try:
        with open(_BOOT_ID, "rb") as file:
            return file.read().strip()
    except OSError:
        return b""


def _is_whole(path: str) -> bool:
    """Tell whether what a process wrote that died can be brought to the disk: nobody heard of an error since."""
    for each in (path, f"{path}-wal"):
        try:
            descriptor = os.open(each, os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            os.fsync(descriptor)
        except OSError:
            return False
        finally:
            os.close(descriptor)
    return True


def _read(file: Location) -> bytes:
    with plain.open_for_reading(file) as content:
        return content.read()


def _write_durably(file: Location, content: bytes = b"") -> None:
    """Write a small file, and see to it that it is there after a power failure, too."""
    descriptor = local.open_descriptor(file.path, file.within, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    parent = os.open(os.path.dirname(file.path), os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _lock(folder: Location, name: str, kind: int) -> int:
    """Take a lock, which ends with its descriptor.

    :raises InUseError: it is taken.
    """
    descriptor = local.open_descriptor(folder.child(name).path, folder.within, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind)
    except BlockingIOError:
        os.close(descriptor)
        raise InUseError("Another push uses the memory of what Braze was told at this moment.") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_own(file: Location, warn: Warn) -> None:
    """Set a file aside that somebody else has put there: what it says could keep a value from Braze."""
    try:
        found = local.look_at(file.path, file.within)
    except FileNotFoundError:
        return
    if not local.is_plain(found) or found.st_uid != os.geteuid():
        warn_of("it is no plain file of this worker's own user", warn)
        set_aside(file.path)
    elif found.st_mode & 0o077:
        os.chmod(file.path, 0o600)
