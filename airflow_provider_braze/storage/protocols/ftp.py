"""``ftp://``: what Airflow asks for, and a session with an FTP server. ``ftps://`` shares all of it.

Above: ``ftps``, and fsspec by the scheme. Below: the client, its listings, and the sessions.
"""

from __future__ import annotations

import contextlib
import errno
import ftplib  # nosec B402
import os
import posixpath
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

from airflow_provider_braze.storage.protocols.ftp_client import FtpServer
from airflow_provider_braze.storage.protocols.ftp_listing import (
    facts_of,
    links_in,
    moment,
    parse_line,
    target_among,
    target_in_facts,
)
from airflow_provider_braze.storage.protocols.links import followed
from airflow_provider_braze.storage.protocols.session_files import SessionFileSystem
from airflow_provider_braze.storage.protocols.sessions import Info, ServerRefusedError

schemes = ["ftp"]
"""What Airflow asks a filesystem module for."""

_FRESH_SECONDS = 2.0
"""For so long a session knows of a folder which links are in it: thousands of markers in one are read one by one."""

_NO_SPACE = frozenset({"452", "552"})


class FtpFileSystem(SessionFileSystem):
    """Files on an FTP server."""

    protocol = "ftp"


def get_fs(conn_id: str | None, storage_options: dict[str, Any] | None = None) -> FtpFileSystem:  # noqa: ARG001
    """Give Airflow the filesystem of a connection of type ``ftp``."""
    server = FtpServer.of(conn_id, secure=False)
    return FtpFileSystem(f"ftp://{server.host}:{server.port}", lambda: FtpSession(server))


class FtpSession:
    """One control connection. Times are exact where the server has ``MLSD`` or ``MDTM``, which all but few have.

    :param server: where to, and as whom.
    """

    def __init__(self, server: FtpServer) -> None:
        self._ftp = server.connect()
        # When a folder was listed for them, and its links.
        self._links: dict[str, tuple[float, list[str]]] = {}
        self._features = self._ask_features()

    def _ask_features(self) -> frozenset[str]:
        try:
            lines = self._ftp.sendcmd("FEAT").splitlines()[1:-1]
        except ftplib.error_perm:  # from before 1998
            return frozenset()
        found = frozenset(" ".join(line.upper().split()) for line in lines)
        return found | {line.split()[0] for line in found if line}

    def entries(self, path: str) -> list[Info]:
        """Say what lies in a folder."""
        with _answers(path):
            if "MLSD" in self._features or "MLST" in self._features:
                pairs = [facts_of(line) for line in self._lines(f"MLSD {_literal(path)}")]
            else:
                # Some servers take an argument of LIST for options or a pattern.
                self._ftp.cwd(_literal(path))
                pairs = [parse_line(line) for line in self._lines("LIST")]
        return [{**info, "name": posixpath.join(path, name)} for name, info in filter(None, pairs)]

    def _lines(self, command: str) -> list[str]:
        connection = self._ftp.transfercmd(command)
        with connection, connection.makefile("rb") as file:
            text = file.read()
            _end_tls(connection)
        self._ftp.voidresp()
        lines = text.decode(self._ftp.encoding, "surrogateescape").split("\n")
        return [line.removesuffix("\r") for line in lines if line.strip()]

    def info(self, path: str) -> Info:
        """Look at one path, links followed."""
        with _answers(path):
            if "MLST" in self._features:
                lines = self._ftp.sendcmd(f"MLST {_literal(path)}").splitlines()
                found = facts_of(lines[1].removeprefix(" ")) if len(lines) > 1 else None
                if found is not None and found[1]["type"] != "link":
                    return {**found[1], "name": path}
            return self._info_by_parts(path)

    def _info_by_parts(self, path: str) -> Info:
        try:
            size = self._ftp.size(_literal(path))
        except ftplib.error_perm:
            self._ftp.cwd(_literal(path))  # raises where nothing is
            return {"name": path, "type": "directory", "size": 0, "mtime": None}
        modified = self._modified(path)
        known = {} if modified is not None else {"exact": False}
        return {"name": path, "type": "file", "size": size or 0, "mtime": modified, **known}

    def _modified(self, path: str) -> float | None:
        try:
            return moment(self._ftp.sendcmd(f"MDTM {_literal(path)}")[4:])
        except ftplib.error_perm:
            return None

    def real_path(self, path: str) -> str:
        """Say where a path leads, by what listings tell of links.

        What they do not tell nobody can know: FTP has no question for it, some servers list what a link leads to, and
        most leave out names that begin with a dot.
        """
        with _answers(path):
            return followed(path, self._target_of)

    def _target_of(self, path: str) -> str | None:
        if "MLST" in self._features:
            with contextlib.suppress(ftplib.error_perm):
                lines = self._ftp.sendcmd(f"MLST {_literal(path)}").splitlines()
                if len(lines) > 1 and (target := target_in_facts(lines[1])) is not None:
                    return target
        folder, name = posixpath.split(path)
        return target_among(self._links_of(folder), name)

    def _links_of(self, folder: str) -> list[str]:
        """List the links in a folder; of a server with MLSD too, which may tell there what the links lead to."""
        listed_at, links = self._links.get(folder, (float("-inf"), []))
        if time.monotonic() - listed_at < _FRESH_SECONDS:
            return links
        try:
            self._ftp.cwd(_literal(folder))
            links = links_in(self._lines("LIST"))
        except (ftplib.error_perm, ftplib.error_temp) as error:
            if str(error)[:3] == "421":
                raise
            links = []  # it may not be listed, is empty, or is not there
        self._links[folder] = time.monotonic(), links
        return links

    def make_folder(self, path: str) -> None:
        """Make a folder."""
        with _answers(path):
            try:
                self._ftp.mkd(_literal(path))
            except ftplib.error_perm:
                if self.info(path)["type"] != "directory":
                    raise

    def remove(self, path: str) -> None:
        """Delete a file."""
        with _answers(path):
            try:
                self._ftp.delete(_literal(path))
            except ftplib.error_perm:
                self.info(path)  # some servers tell a missing file and a forbidden one apart only so
                raise

    def remove_folder(self, path: str) -> None:
        """Delete an empty folder."""
        with _answers(path):
            self._ftp.rmd(_literal(path))

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        with _answers(old):
            try:
                self._ftp.rename(_literal(old), _literal(new))
            except ftplib.error_perm:
                # Windows' server replaces nothing.
                self.info(old)
                self._ftp.delete(_literal(new))
                self._ftp.rename(_literal(old), _literal(new))

    def read_from(self, path: str, offset: int) -> _Download:
        """Open a file for reading."""
        with _answers(path):
            return _Download(self._ftp, self._ftp.transfercmd(f"RETR {_literal(path)}", offset or None))

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Write into a file; the first piece makes a new one in place of whatever is there, never through a link."""
        with _answers(path):
            if not offset:
                # Where it may not be deleted, or is not there, STOR says what it is.
                with contextlib.suppress(ftplib.error_perm):
                    self._ftp.delete(_literal(path))
            command = "STOR"
            if offset and "REST STREAM" not in self._features:
                command, done = "APPE", (self._ftp.size(_literal(path)) or 0) - offset
                offset, data = 0, data[max(done, 0) :]
            connection = self._ftp.transfercmd(f"{command} {_literal(path)}", offset or None)
            with connection:
                connection.sendall(data)
                _end_tls(connection)
            self._ftp.voidresp()

    def close(self) -> None:
        """End the connection; whoever asks politely may wait for a dead server."""
        self._ftp.close()


class _Download:
    """One file on its way here. It is whole only when the server says so."""

    def __init__(self, ftp: ftplib.FTP, connection: socket.socket) -> None:
        self._ftp, self._connection = ftp, connection

    def read(self, size: int, /) -> bytes:
        """Read what has arrived."""
        return self._connection.recv(size)

    def close(self) -> None:
        """Leave it."""
        self._connection.close()


def _end_tls(connection: socket.socket) -> None:
    """Say that nothing follows: a server may take a connection that just ends for a broken one."""
    if isinstance(connection, ssl.SSLSocket):
        with contextlib.suppress(OSError, ValueError):
            connection.unwrap()


def _literal(path: str) -> str:
    """Refuse what would end the command."""
    if "\r" in path or "\n" in path or "\0" in path:
        raise FileNotFoundError(errno.ENOENT, "no such name is possible on FTP", path)
    return path


@contextlib.contextmanager
def _answers(path: str) -> Iterator[None]:
    """Raise what a server refused as an OSError of its kind; 421 and the like mean that the session is over."""
    try:
        yield
    except (ftplib.error_perm, ftplib.error_temp) as error:
        raise _meant(error, path) from error


def _meant(error: Exception, path: str) -> Exception:
    text = str(error)
    said = text.lower()
    if text[:3] in _NO_SPACE or "no space" in said or "quota" in said:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    if text.startswith("451 Failure writing to local file"):  # vsftpd's only word for a full disk
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    # vsftpd's last word, when its process for the session dies.
    if text.startswith("500 OOPS") or (isinstance(error, ftplib.error_temp) and text[:3] != "450"):
        return ConnectionAbortedError(errno.ECONNABORTED, text[:200], path)
    if any(
        word in said
        for word in ("permission", "denied", "not allowed", "privilege", "read-only", "read only")
    ):
        return PermissionError(errno.EACCES, text[:200], path)
    if text[:3] in ("450", "550") or "no such" in said or "not found" in said:
        return FileNotFoundError(errno.ENOENT, text[:200], path)
    if text[:3] == "553":
        return PermissionError(errno.EACCES, text[:200], path)
    return ServerRefusedError(errno.EIO, text[:200], path)
