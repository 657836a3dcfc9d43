"""A file of any filesystem that Airflow has, read on after its storage was out of reach for a while.

Above: what opens plain files. Below: the location, and tries that are repeated.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_braze.storage.files import stores
from airflow_provider_braze.storage.files.location import Location, Stat
from airflow_provider_braze.storage.protocols.sessions import is_answer, persist

T = TypeVar("T")

_FETCHED_BYTES = 4 << 20
"""Bytes that a client fetches at once; left to itself, one of S3 takes 50 MiB, and keeps two of them."""


class RemoteReader(io.RawIOBase):
    """Reads through whatever a filesystem opens: not all of these files can be read into a buffer, or survive a break.

    :param location: of the file.
    """

    def __init__(self, location: Location) -> None:
        super().__init__()
        self._location = location
        self._at = 0
        self._file: Any = None
        self._state: Stat | None = None
        self._persist(self._open)

    def _persist(self, ask: Callable[[bool], T]) -> T:
        with self._location.answered():
            return self._persisted(ask)

    def _persisted(self, ask: Callable[[bool], T]) -> T:
        def told(again: bool) -> T:
            try:
                return ask(again)
            except Exception as error:
                meant = stores.meaning(error, self._location.url)
                if not is_answer(meant):
                    raise
                raise meant from error

        return persist(self._location.url, told, self._leave)

    def _open(self, _: bool = False) -> None:
        fs, path = self._location.fs, self._location.path
        fs.invalidate_cache()
        state = Stat.of(fs.info(path))
        if self._state is not None and state != self._state:
            raise OSError(errno.EINVAL, "it changed while it was read", self._location.url)
        self._state = state
        self._file = fs.open(path, "rb", block_size=_FETCHED_BYTES)
        if self._at:
            self._file.seek(self._at)

    def _leave(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(Exception):
                file.close()

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Say how far it was read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Read from elsewhere."""
        size = self._state.size if self._state else 0
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: size}[whence]
        if self._file is not None:
            self._file.seek(self._at)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        """Read what comes next."""
        data: bytes = self._persist(lambda _: self._read(len(buffer)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        if self._file is None:
            self._open()
        data: bytes = self._file.read(size)
        return data

    def close(self) -> None:
        """Leave the file."""
        if not self.closed:
            self._leave()
        super().close()
