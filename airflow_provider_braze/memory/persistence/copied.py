"""A memory on a network share: worked on in a copy on this machine, with a mark beside the original.

Above: where a memory is kept. Below: storage, and the file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.memory.persistence.opened import Belongs, Warn, opened, warn_of
from airflow_provider_braze.memory.persistence.store import NAME
from airflow_provider_braze.storage.files import plain
from airflow_provider_braze.storage.files.location import Location

_MARK = "in-use-"
_MOST_COPIED_AT_ONCE = 1 << 20

_MARK_WORDS = 4
_LONGEST_MARK = 200


class Copy:
    """A memory on a network share, worked on in a copy on this machine."""

    def __init__(self, folder: Location, belongs: Belongs, warn: Warn) -> None:
        plain.make_folders(folder)
        self._folder, self._home = folder, folder.child(NAME)
        self.is_guest = self._disbelieved = False
        self._mark = folder.child(f"{_MARK}{secrets.token_hex(8)}")
        self._working = tempfile.mkdtemp(prefix="braze-memory-")
        try:
            self._take(belongs, warn)
        except BaseException:
            shutil.rmtree(self._working, ignore_errors=True)
            raise

    def _take(self, belongs: Belongs, warn: Warn) -> None:
        # Its own mark first: of two that come at once, each finds the other's.
        plain.write_whole(self._mark, own_process())
        others = self._others()
        # Who still runs may send something yet before it finds its mark gone, and may be killed before it can say so.
        self.is_guest = self._disbelieved = not all(map(_is_dead, others))
        self._take_away(others)
        path = os.path.join(self._working, NAME)
        if others and self._home.exists():
            warn_of("a push that used it has not brought it back, or still runs", warn)
            self._set_home_aside()
        elif self._home.exists():
            download(self._home, path)
        self.store = opened(path, belongs, warn, synchronous="OFF")

    def _others(self) -> list[Location]:
        found = [self._folder.child(name) for name in marks(self._folder)]
        return [mark for mark in found if mark.url != self._mark.url]

    def _take_away(self, others: Iterable[Location]) -> None:
        for mark in others:
            with contextlib.suppress(FileNotFoundError):
                plain.remove(mark)

    def is_met(self) -> bool:
        """Tell whether another push has taken the mark away, or brought one of its own."""
        return [self._folder.child(name).url for name in marks(self._folder)] != [self._mark.url]

    def disbelieve(self) -> None:
        """Take the marks of others away, and set the memory aside; its own mark is there while this push runs."""
        self._disbelieved = True
        if not self._mark.exists():
            plain.write_whole(self._mark, own_process())
        self._set_all_aside()

    def _set_all_aside(self) -> None:
        self._take_away(self._others())
        if self._home.exists():
            self._set_home_aside()

    def _set_home_aside(self) -> None:
        plain.replace(self._home, set_aside_of(self._folder))

    def close(self) -> None:
        """Bring the copy back, and take the mark away; where it was met, nobody's copy is believed any more."""
        try:
            self.store.close()
            if self._disbelieved or self.is_met():
                self._set_all_aside()
            else:
                self._upload()
            with contextlib.suppress(FileNotFoundError):
                plain.remove(self._mark)
        finally:
            shutil.rmtree(self._working, ignore_errors=True)

    def _upload(self) -> None:
        temporary = plain.beside(self._home, f".{secrets.token_hex(4)}.part")
        try:
            with (
                open(os.path.join(self._working, NAME), "rb") as source,
                plain.open_private(temporary) as target,
            ):
                shutil.copyfileobj(source, target, _MOST_COPIED_AT_ONCE)
            plain.replace(temporary, self._home)
        except BaseException:
            with contextlib.suppress(Exception):
                plain.remove(temporary)
            raise


def set_aside_of(folder: Location) -> Location:
    """Name what a memory that cannot be used is called from then on."""
    return folder.child(f"{NAME}.set-aside")


def own_process() -> bytes:
    """Name this process as no other is called, on any machine; empty where nothing tells."""
    return _process("self")


def _process(number: str) -> bytes:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            machine = file.read().strip()
        with open(f"/proc/{number}/stat", encoding="utf-8", errors="replace") as file:
            # Its name may hold anything; the 22nd word tells when it started.
            stat = file.read()
        started = stat.rpartition(")")[2].split()[19]
        return f"{machine} {os.readlink('/proc/self/ns/pid')} {stat.split()[0]} {started}".encode()
    except (OSError, IndexError):
        return b""


def _is_dead(mark: Location) -> bool:
    """Tell whether the process that left a mark surely has ended: it was of this machine, where there is none such."""
    try:
        found = plain.read_small(mark, _LONGEST_MARK).split(b" ")
    except (OSError, ExportRefusedError):
        return False
    own = own_process().split(b" ")
    if len(found) != _MARK_WORDS or found[:2] != own[:2]:
        return False
    return _process(found[2].decode("ascii", "replace")).split(b" ") != found


def download(home: Location, path: str) -> None:
    """Copy a memory to this machine, for its owner alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target, plain.open_for_reading(home) as source:
        shutil.copyfileobj(source, target, _MOST_COPIED_AT_ONCE)


def marks(folder: Location) -> list[str]:
    """Give the names of the marks that say that a memory is in use."""
    return [name for name in plain.names_in(folder) if name.startswith(_MARK) and not name.endswith(".part")]
