"""An fsspec filesystem over sessions, and the files that are read and written through it.

Above: each protocol, and what opens plain files. Below: the sessions.
"""

from __future__ import annotations

import errno
import io
import os
import posixpath
from collections.abc import Callable
from typing import Any, ClassVar

from fsspec import AbstractFileSystem

from airflow_provider_braze.storage.protocols.sessions import (
    FileReader,
    Info,
    Session,
    Sessions,
    close_quietly,
)

BLOCK_BYTES = 1 << 20
"""Bytes that are read or written through a session at once."""


class SessionFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Files on a server that is reached through sessions. Paths are absolute, and taken literally.

    :param server: names it, for messages and to tell it from others; it is no secret.
    :param connect: opens a session, from any thread.
    """

    cachable = False
    protocol: ClassVar[str | tuple[str, ...]] = "abstract"

    def __init__(self, server: str, connect: Callable[[], Session]) -> None:
        super().__init__()
        self.server = server
        self.sessions = Sessions(server, connect)

    @property
    def fsid(self) -> str:
        """Name the server, not the class."""
        return self.server

    @classmethod
    def _strip_protocol(cls, path: Any) -> str:
        text = os.fspath(path)
        scheme, found, rest = text.partition("://")
        names = (cls.protocol,) if isinstance(cls.protocol, str) else cls.protocol
        if found and scheme in names:
            text = f"/{rest.partition('/')[2]}"
        # "." and ".." lead where the server says; two slashes are one to each of them.
        return f"/{text.strip('/')}"

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        """List a folder; of a file, the file itself."""
        folder = self._strip_protocol(path)
        entries = self.sessions.ask(lambda session, _: session.entries(folder))
        return entries if detail else [entry["name"] for entry in entries]

    def info(self, path: str, **_: Any) -> Info:
        """Look at one path."""
        asked = self._strip_protocol(path)
        return self.sessions.ask(lambda session, _: session.info(asked))

    def real_path(self, path: str) -> str:
        """Say where a path leads, links followed as far as the server tells of them.

        :raises FileNotFoundError: a folder above it is not there.
        :raises ExportRefusedError: it leads through a link to where the server does not say.
        """
        asked = self._strip_protocol(path)
        return self.sessions.ask(lambda session, _: session.real_path(asked))

    def exists(self, path: str, **_: Any) -> bool:
        """Tell whether something is there; that nobody answers is an error, not a no."""
        try:
            self.info(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def isdir(self, path: str) -> bool:
        """Tell whether a folder is there."""
        try:
            return bool(self.info(path)["type"] == "directory")
        except (FileNotFoundError, NotADirectoryError):
            return False

    def isfile(self, path: str) -> bool:
        """Tell whether a file is there."""
        try:
            return bool(self.info(path)["type"] == "file")
        except (FileNotFoundError, NotADirectoryError):
            return False

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Make a folder."""
        if create_parents:
            self.makedirs(path, exist_ok=True)
        else:
            self.sessions.ask(lambda session, _: session.make_folder(self._strip_protocol(path)))

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make a folder and those above it."""
        wanted = self._strip_protocol(path)
        if self.exists(wanted):
            if not exist_ok:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), wanted)
            return
        parent = posixpath.dirname(wanted)
        if parent != "/":
            self.makedirs(parent, exist_ok=True)
        self.sessions.ask(lambda session, _: session.make_folder(wanted))

    def rmdir(self, path: str) -> None:
        """Delete an empty folder."""
        self.sessions.ask(lambda session, _: session.remove_folder(self._strip_protocol(path)))

    def rm_file(self, path: str) -> None:
        """Delete a file."""
        gone = self._strip_protocol(path)

        def remove(session: Session, again: bool) -> None:
            try:
                session.remove(gone)
            except FileNotFoundError:
                if not again:  # else the first try was heard, only its answer was lost
                    raise

        self.sessions.ask(remove)

    _rm = rm_file

    def mv(self, path1: str, path2: str, **_: Any) -> None:
        """Give a file another name; one that has it is replaced."""
        old, new = self._strip_protocol(path1), self._strip_protocol(path2)

        def rename(session: Session, again: bool) -> None:
            try:
                session.rename(old, new)
            except FileNotFoundError:
                if not again:
                    raise
                session.info(new)

        self.sessions.ask(rename)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Write a whole file."""
        if mode != "overwrite":
            raise NotImplementedError(mode)
        with self._open(self._strip_protocol(path), "wb") as file:
            file.write(value)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Read a file, or a stretch of it."""
        with self._open(self._strip_protocol(path), "rb") as file:
            file.seek(start or 0)
            content: bytes = file.read(-1 if end is None else max(0, end - (start or 0)))
            return content

    def modified(self, path: str) -> Any:
        """Give the time of the last change, in seconds since the epoch."""
        return self.info(path)["mtime"]

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        if mode == "rb":
            return io.BufferedReader(SessionReader(self.sessions, path), BLOCK_BYTES)
        if mode in ("wb", "xb"):
            if mode == "xb" and self.exists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            return io.BufferedWriter(SessionWriter(self.sessions, path), BLOCK_BYTES)
        raise NotImplementedError(f"mode {mode!r}")


class SessionReader(io.RawIOBase):
    """Reads a file through a session of its own, and goes on where it was after that broke.

    :param sessions: where to get it.
    :param path: of the file.
    """

    def __init__(self, sessions: Sessions, path: str) -> None:
        super().__init__()
        self._sessions, self._path = sessions, path
        self._session: Session | None = None
        self._file: FileReader | None = None
        self._at = 0
        self._state: tuple[Any, ...] | None = None
        self.size = 0
        sessions.persist(self._open, self._leave)

    def _open(self, again: bool) -> None:
        self._session = session = self._sessions.take(new=again)
        info = session.info(self._path)
        state = (info["size"], info["mtime"])
        if self._state is not None and state != self._state:
            raise OSError(errno.EINVAL, "it changed while it was read", self._path)
        self._state, self.size = state, info["size"]
        self._file = session.read_from(self._path, self._at)

    def _leave(self) -> None:
        # The session first: a file of one that hangs would wait for the answer to its closing.
        for held in (self._session, self._file):
            if held is not None:
                close_quietly(held)
        self._file = self._session = None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is: from elsewhere it is read through a new session."""
        return True

    def tell(self) -> int:
        """Say how far it was read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Read from elsewhere."""
        at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        if at != self._at:
            self._leave()
            self._at = at
        return at

    def readinto(self, buffer: Any, /) -> int:
        """Read what comes next."""
        data = self._sessions.persist(lambda again: self._read(len(buffer), again), self._leave)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, size: int, again: bool) -> bytes:
        if self._at >= self.size:
            return b""
        if self._file is None:
            self._open(again)
        assert self._file is not None
        data = self._file.read(size)
        if not data:
            raise EOFError("the file ended early")
        return data

    def close(self) -> None:
        """Leave the file and its session."""
        if not self.closed:
            self._leave()
        super().close()


class SessionWriter(io.RawIOBase):
    """Writes a file block by block, each of them written when the next begins.

    :param sessions: where to get a session for each.
    :param path: of the file, which is made, or emptied, at once.
    """

    def __init__(self, sessions: Sessions, path: str) -> None:
        super().__init__()
        self._sessions, self._path = sessions, path
        self._at = 0
        self._write(b"")

    def writable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Say how much is written."""
        return self._at

    def write(self, data: Any, /) -> int:
        """Write a block."""
        block = bytes(data)
        if block:
            self._write(block)
        return len(block)

    def _write(self, block: bytes) -> None:
        at = self._at
        # Written twice, the same bytes are in the same place.
        self._sessions.ask(lambda session, _: session.write_at(self._path, at, block))
        self._at += len(block)
