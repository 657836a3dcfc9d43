"""``smb://``: what Airflow asks for, and a session with a Windows share or Samba.

Above: fsspec, by the scheme. Below: the client of Airflow's Samba provider, and the sessions.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.protocols.airflow_connection import connection_of, flag, seconds
from airflow_provider_braze.storage.protocols.links import followed
from airflow_provider_braze.storage.protocols.session_files import SessionFileSystem
from airflow_provider_braze.storage.protocols.sessions import TIMEOUT, Info, bound_sending

schemes = ["smb"]
"""What Airflow asks a filesystem module for."""


class SmbFileSystem(SessionFileSystem):
    """Files on the shares of a server; the first segment of a path is the share."""

    protocol = "smb"


def get_fs(conn_id: str | None, storage_options: dict[str, Any] | None = None) -> SmbFileSystem:  # noqa: ARG001
    """Give Airflow the filesystem of a connection of type ``samba``."""
    connection = connection_of(conn_id, "smb")
    try:
        import smbclient  # noqa: F401 - to say at once that it is missing
    except ImportError as error:
        raise BrazeSetupError(
            "smb:// needs Airflow's Samba provider: pip install apache-airflow-providers-samba."
        ) from error
    extra = connection.extra_dejson
    options = {
        "username": connection.login or None,
        "password": connection.password or None,
        "port": connection.port or 445,
        "auth_protocol": str(extra.get("auth_protocol") or "negotiate"),
    }
    encrypt = flag(extra, "encrypt", False)
    timeout = seconds(extra, "timeout", TIMEOUT)
    name = f"smb://{connection.host}:{options['port']}"
    return SmbFileSystem(name, lambda: SmbSession(connection.host, options, encrypt, str(conn_id), timeout))


class SmbSession:
    """One connection, with its own session; messages are signed, so that nobody in between changes them.

    :param host: of the server.
    :param options: user, password, port and ``auth_protocol``, as smbprotocol names them.
    :param encrypt: whether to insist on encryption.
    :param conn_id: for messages.
    :param timeout: seconds that the server may take for an answer.
    """

    def __init__(
        self, host: str, options: dict[str, Any], encrypt: bool, conn_id: str, timeout: float = TIMEOUT
    ) -> None:
        import smbclient
        from smbprotocol.exceptions import LogonFailure, SMBAuthenticationError, SMBException

        self._host = host
        self._smb: Any = smbclient
        # Sessions of the process are not shared with anybody: one that broke would be broken for all.
        self._cache: dict[str, Any] = {}
        self._options = {**options, "connection_cache": self._cache}
        try:
            self._cache[f"{host.lower()}:{options['port']}"] = _connected(host, options["port"], timeout)
            smbclient.register_session(host, encrypt=encrypt or None, **self._options)
        except (LogonFailure, SMBAuthenticationError) as error:
            self.close()
            raise BrazeSetupError(
                f"{host}:{options['port']} refused the login of connection {conn_id!r}."
            ) from error
        except SMBException as error:
            self.close()
            if (why := _REFUSED_LOGINS.get(getattr(error, "status", 0))) is not None:
                raise BrazeSetupError(
                    f"{host}:{options['port']} refused the login of connection {conn_id!r}: {why}."
                ) from error
            if "encrypt" in str(error).lower():
                raise BrazeSetupError(
                    f"{host} cannot encrypt, which the extra 'encrypt' of {conn_id!r} asks for."
                ) from error
            raise
        except BaseException:
            self.close()
            raise

    def entries(self, path: str) -> list[Info]:
        """Say what lies in a folder: names, sizes and times come together."""
        with self._answers(path):
            if path == "/":
                raise PermissionError(errno.EACCES, "name the share: smb://<connection>@<host>/<share>", path)
            return [
                _entry(f"{path}/{entry.name}", entry)
                for entry in self._smb.scandir(self._unc(path), **self._options)
            ]

    def info(self, path: str) -> Info:
        """Look at one path, links followed."""
        with self._answers(path):
            found = self._smb.stat(self._unc(path), **self._options)
        kind = "directory" if stat.S_ISDIR(found.st_mode) else "file"
        return {"name": path, "type": kind, "size": found.st_size, "mtime": found.st_mtime}

    def real_path(self, path: str) -> str:
        """Say where a path leads, by the symbolic links and junctions that the server shows.

        Samba follows links itself, and shows none: there its own setting ``wide links`` keeps them inside of the share.
        """
        with self._answers(path):
            return followed(path, self._target_of)

    def _target_of(self, path: str) -> str | None:
        if "/" not in path[1:]:  # the share
            return None
        try:
            found = self._smb.lstat(self._unc(path), **self._options)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EACCES, errno.ENOTDIR):
                return None
            raise
        if not _is_link(found.st_file_attributes, found.st_reparse_tag):
            return None
        try:
            target = str(self._smb.readlink(self._unc(path), **self._options))
        except ValueError:  # a junction
            return ""
        start = f"\\\\{self._host}\\"
        within = target.lower().startswith(start.lower())
        return "/" + target[len(start) :].replace("\\", "/") if within else ""

    def make_folder(self, path: str) -> None:
        """Make a folder."""
        with self._answers(path):
            self._smb.makedirs(self._unc(path), exist_ok=True, **self._options)

    def remove(self, path: str) -> None:
        """Delete a file."""
        with self._answers(path):
            self._smb.remove(self._unc(path), **self._options)

    def remove_folder(self, path: str) -> None:
        """Delete an empty folder."""
        with self._answers(path):
            self._smb.rmdir(self._unc(path), **self._options)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        with self._answers(old):
            self._smb.replace(self._unc(old), self._unc(new), **self._options)

    def read_from(self, path: str, offset: int) -> Any:
        """Open a file for reading; others may go on writing, renaming or deleting it."""
        with self._answers(path):
            file = self._smb.open_file(
                self._unc(path), "rb", buffering=0, share_access="rwd", **self._options
            )
            file.seek(offset)
            return file

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Write into a file; others may read it meanwhile. The first piece takes the place of a link."""
        with self._answers(path):
            if not offset and self._target_of(path) is not None:
                self._smb.remove(self._unc(path), **self._options)
        with (
            self._answers(path),
            self._smb.open_file(
                self._unc(path), "r+b" if offset else "wb", buffering=0, share_access="r", **self._options
            ) as file,
        ):
            file.seek(offset)
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]

    def close(self) -> None:
        """End the connection, without asking the server, which may be gone."""
        for connection in self._cache.values():
            with contextlib.suppress(Exception):
                connection.disconnect(close=False)
        self._cache.clear()

    def _unc(self, path: str) -> str:
        # A backslash in a name cannot be on a share: Windows parts segments with it.
        return f"\\\\{self._host}" + path.replace("/", "\\")

    @contextlib.contextmanager
    def _answers(self, path: str) -> Iterator[None]:
        """Raise the OSError that Python would raise on a disk; smbclient has two classes of its own for all.

        What is asked through an open file, as reading and writing are, raises the one that knows no numbers.
        """
        from smbprotocol.exceptions import SMBLinkRedirectionError, SMBOSError, SMBResponseException

        try:
            yield
        except SMBLinkRedirectionError as error:
            raise PermissionError(
                errno.EACCES, "a link that leads off the server is not followed", path
            ) from error
        except (SMBOSError, SMBResponseException) as error:
            status = error.ntstatus if isinstance(error, SMBOSError) else error.status
            number = _ERRNOS.get(status) or getattr(error, "errno", None)
            if number is None:
                raise
            raise OSError(number, os.strerror(number), path) from error


def _connected(host: str, port: int, timeout: float) -> Any:
    """Open a connection whose answers are waited for no longer than that.

    Its client would wait for ever for the answer to a login, and twenty minutes for any other.
    """
    from smbclient import ClientConfig
    from smbprotocol.connection import Connection

    whole = max(1, round(timeout))
    connection = Connection(ClientConfig().client_guid, host, port, require_signing=True)
    connection.connect(timeout=whole)
    # Where nothing has this name any more, sending has no limit of its own; it still ends with the connection.
    bound_sending(getattr(connection.transport, "_sock", None), timeout)
    receive = connection.receive

    def receive_in_time(
        request: Any, wait: bool = True, timeout: float | None = None, resolve_symlinks: bool = True
    ) -> Any:
        return receive(request, wait, whole if timeout is None else timeout, resolve_symlinks)

    connection.receive = receive_in_time
    return connection


_REFUSED_LOGINS = {
    0xC0000022: "access is denied",
    0xC000006E: "the account is restricted",
    0xC000006F: "not at this hour",
    0xC0000070: "not from this machine",
    0xC0000071: "the password has expired",
    0xC0000072: "the account is disabled",
    0xC000015B: "the account may not log in over the network",
    0xC0000193: "the account has expired",
    0xC0000224: "the password must be changed first",
    0xC0000234: "the account is locked",
}
"""What a server says of an account besides a wrong password; asked again, some would lock it."""

_ERRNOS = {
    0xC0000022: errno.EACCES,  # access denied
    0xC000007F: errno.ENOSPC,  # disk full
    0xC0000044: errno.ENOSPC,  # quota exceeded
    0xC00000A2: errno.EROFS,  # media write protected
    0xC0000033: errno.EINVAL,  # object name invalid
    0xC00000CC: errno.ENOENT,  # bad network name: there is no such share
    0xC0000056: errno.ENOENT,  # delete pending
    0xC0000121: errno.EACCES,  # cannot delete
    0xC00000BB: errno.ENOTSUP,  # not supported
}
"""What smbclient has no number for; anything else is taken for a session that broke."""


_STANDS_FOR_ANOTHER = 0x20000000
"""The bit of a tag that says so: symbolic links and junctions have it, while what is stored in an odd way has not, such
as deduplicated or offline files."""


def _is_link(attributes: int, tag: int) -> bool:
    return bool(attributes & stat.FILE_ATTRIBUTE_REPARSE_POINT and tag & _STANDS_FOR_ANOTHER)


def _entry(path: str, entry: Any) -> Info:
    found = entry.smb_info
    is_folder = found.file_attributes & stat.FILE_ATTRIBUTE_DIRECTORY
    # A listing has a link's tag where it has the size of extended attributes otherwise.
    is_link = _is_link(found.file_attributes, found.ea_size)
    kind = "link" if is_link else "directory" if is_folder else "file"
    return {
        "name": path,
        "type": kind,
        "size": found.end_of_file,
        "mtime": found.last_write_time.timestamp(),
    }
