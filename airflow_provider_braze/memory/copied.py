"""A memory on a network share: worked on in a copy on this machine, with a mark beside the original.

Above: where a memory is kept. Below: storage, and the file.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile

from airflow_provider_braze.memory.opened import Belongs, Warn, opened, warn_of
from airflow_provider_braze.memory.store import NAME
from airflow_provider_braze.storage import plain
from airflow_provider_braze.storage.location import Location

_MARK = "in-use-"
_MOST_COPIED_AT_ONCE = 1 << 20


class Copy:
    """A memory on a network share, worked on in a copy on this machine."""

    def __init__(self, folder: Location, belongs: Belongs, warn: Warn) -> None:
        plain.make_folders(folder)
        self._folder, self._home = folder, folder.child(NAME)
        self._disbelieved = False
        self._mark = folder.child(f"{_MARK}{secrets.token_hex(8)}")
        self._working = tempfile.mkdtemp(prefix="braze-memory-")
        try:
            self._take(belongs, warn)
        except BaseException:
            shutil.rmtree(self._working, ignore_errors=True)
            raise

    def _take(self, belongs: Belongs, warn: Warn) -> None:
        # Its own mark first: of two that come at once, each finds the other's.
        plain.write_whole(self._mark, b"")
        were_there = self._take_marks_away()
        path = os.path.join(self._working, NAME)
        if were_there and self._home.exists():
            warn_of("a push that used it has not brought it back, or still runs", warn)
            self._set_home_aside()
        elif self._home.exists():
            download(self._home, path)
        self.store = opened(path, belongs, warn, synchronous="OFF")

    def _take_marks_away(self) -> bool:
        """Take the marks of others away; whether there were any."""
        others = [name for name in marks(self._folder) if self._folder.child(name).url != self._mark.url]
        for name in others:
            with contextlib.suppress(FileNotFoundError):
                plain.remove(self._folder.child(name))
        return bool(others)

    def is_met(self) -> bool:
        """Tell whether another push has taken the mark away, or brought one of its own."""
        return [self._folder.child(name).url for name in marks(self._folder)] != [self._mark.url]

    def disbelieve(self) -> None:
        """Take the marks of others away, and set the memory aside; its own mark stays while this push runs."""
        self._disbelieved = True
        self._take_marks_away()
        if self._home.exists():
            self._set_home_aside()

    def _set_home_aside(self) -> None:
        plain.replace(self._home, set_aside_of(self._folder))

    def close(self) -> None:
        """Bring the copy back, and take the mark away; where it was met, nobody's copy is believed any more."""
        try:
            self.store.close()
            if self._disbelieved or self.is_met():
                self.disbelieve()
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


def download(home: Location, path: str) -> None:
    """Copy a memory to this machine, for its owner alone."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as target, plain.open_for_reading(home) as source:
        shutil.copyfileobj(source, target, _MOST_COPIED_AT_ONCE)


def marks(folder: Location) -> list[str]:
    """Give the names of the marks that say that a memory is in use."""
    return [name for name in plain.names_in(folder) if name.startswith(_MARK) and not name.endswith(".part")]
