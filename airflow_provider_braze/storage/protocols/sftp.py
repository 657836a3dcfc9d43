"""``sftp://``: a session with an SSH server, logged in as Airflow's own SSH hook does it.

Airflow's SFTP provider has a filesystem too, built on another client. It checks no host key, and knows neither the
connection's ``host_key`` nor a ``private_key`` that is no file; so it is not used here.

Above: fsspec, by the scheme. Below: Airflow's SSH hook, and the sessions.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import socket
import stat
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.protocols.airflow_connection import connection_of, flag, seconds
from airflow_provider_braze.storage.protocols.session_files import SessionFileSystem
from airflow_provider_braze.storage.protocols.sessions import (
    TIMEOUT,
    Info,
    ServerRefusedError,
    bound_sending,
    ended_after,
)

_PIECE = 32 * 1024
"""Bytes of one request; every server must take as many."""


_OPENED_ANEW_AFTER = 32 << 20
"""Bytes after which a file that is read is opened anew."""


class SftpFileSystem(SessionFileSystem):
    """Files on an SFTP server."""

    protocol = ("sftp", "ssh")


def get_fs(conn_id: str | None) -> SftpFileSystem:
    """Give the filesystem of a connection of type ``sftp`` or ``ssh``.

    :raises BrazeSetupError: there is no such connection, or Airflow's provider is not installed.
    """
    connection = connection_of(conn_id, "sftp")
    try:
        from airflow.providers.ssh.hooks.ssh import SSHHook
    except ImportError as error:
        raise BrazeSetupError(
            "sftp:// needs Airflow's SFTP provider: pip install 'apache-airflow-providers-sftp[sshfs]'."
        ) from error
    hook = _checked(conn_id, lambda: SSHHook(ssh_conn_id=conn_id, keepalive_interval=30))
    # Airflow's hook compresses unless told not to, and an export then takes 3 to 8 times as long: a server packs
    # more slowly than a network of today carries.
    hook.compress = flag(connection.extra_dejson, "compress", False)
    timeout = seconds(connection.extra_dejson, "timeout", TIMEOUT)
    # Without one the hook waits for ever where the keys are exchanged.
    hook.conn_timeout = hook.conn_timeout or timeout
    hook.auth_timeout, hook.banner_timeout = timeout, min(timeout, hook.banner_timeout)
    passphrase = connection.extra_dejson.get("private_key_passphrase")
    if hook.key_file and passphrase and not hook.pkey:
        # The hook uses it for a key that is text only.
        hook.pkey = _checked(conn_id, lambda: _unlocked(hook.key_file, passphrase))
        hook.key_file = None
    name = f"sftp://{connection.host}:{connection.port or 22}"
    return SftpFileSystem(name, lambda: SftpSession(hook, conn_id, timeout))


def _checked(conn_id: str | None, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # the hook raises what its parsers raise
        raise BrazeSetupError(f"The connection {conn_id!r} cannot be used: {error}.") from error


def _unlocked(key_file: str, passphrase: str) -> Any:
    import paramiko

    return paramiko.PKey.from_path(key_file, passphrase.encode())


class SftpSession:
    """One SSH connection with one SFTP channel.

    :param hook: of Airflow's SSH provider, set up from the connection.
    :param conn_id: for messages.
    :param timeout: seconds that the server may take for an answer.
    """

    def __init__(self, hook: Any, conn_id: str | None, timeout: float = TIMEOUT) -> None:
        self._client = _connected(hook, conn_id)
        try:
            connection = self._client.get_transport().sock
            if isinstance(connection, socket.socket):  # and no command that leads there
                # Else the last piece of each request waits for the answer to the one before.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            bound_sending(connection, timeout)
            # Until the channel is there its client waits without a limit.
            with ended_after(timeout, self._client.close):
                self._sftp = self._client.open_sftp()
            self._sftp.get_channel().settimeout(timeout)
        except BaseException:
            self._client.close()
            raise

    def entries(self, path: str) -> list[Info]:
        """Say what lies in a folder."""
        with self._answers(path):
            entries = self._sftp.listdir_attr(path)
        return [_info(f"{path.rstrip('/')}/{_text(entry.filename)}", entry) for entry in entries]

    def info(self, path: str) -> Info:
        """Look at one path, links followed."""
        with self._answers(path):
            return _info(path, self._sftp.stat(path))

    def real_path(self, path: str) -> str:
        """Say where a path leads, links and ``..`` followed, as far as the server tells; OpenSSH's does."""
        with self._answers(path):
            return _text(self._sftp.normalize(path))

    def make_folder(self, path: str) -> None:
        """Make a folder."""
        with self._answers(path):
            try:
                self._sftp.mkdir(path)
            except OSError:
                # Version 3 of the protocol has no word for "it is there already".
                if not stat.S_ISDIR(self._sftp.stat(path).st_mode or 0):
                    raise

    def remove(self, path: str) -> None:
        """Delete a file."""
        with self._answers(path):
            self._sftp.remove(path)

    def remove_folder(self, path: str) -> None:
        """Delete an empty folder."""
        with self._answers(path):
            self._sftp.rmdir(path)

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        with self._answers(old):
            try:
                self._sftp.posix_rename(old, new)
            except OSError as error:
                if error.errno is not None:
                    raise
                # A server without OpenSSH's extension replaces nothing.
                self._sftp.stat(old)
                with contextlib.suppress(FileNotFoundError):
                    self._sftp.remove(new)
                self._sftp.rename(old, new)

    def read_from(self, path: str, offset: int) -> _OpenedFile:
        """Open a file for reading."""
        with self._answers(path):
            return _OpenedFile(self._sftp, path, offset)

    def write_at(self, path: str, offset: int, data: bytes) -> None:
        """Write into a file; the first piece makes a new one in place of whatever is there, never through a link."""
        with self._answers(path):
            if not offset:
                with contextlib.suppress(FileNotFoundError):
                    self._sftp.remove(path)
            with self._sftp.open(path, "r+b" if offset else "wbx") as file:
                file.seek(offset)
                file.write(data)

    def close(self) -> None:
        """End the connection."""
        self._client.close()

    @contextlib.contextmanager
    def _answers(self, path: str) -> Iterator[None]:
        """Tell what the server refused, for which paramiko has no number, from a connection that is gone."""
        try:
            yield
        except OSError as error:
            transport = self._client.get_transport()
            said = error.errno is None and not isinstance(error, TimeoutError)
            if said and transport is not None and transport.is_active():
                raise ServerRefusedError(errno.EIO, f"the server refused it ({error})", path) from error
            raise


class _OpenedFile:
    """One file, read in many requests at once, never more than are asked for."""

    def __init__(self, sftp: Any, path: str, offset: int) -> None:
        self._sftp, self._path, self._at = sftp, path, offset
        self._file = sftp.open(path, "rb")
        self._size: int = self._file.stat().st_size or 0
        self._opened_at = offset

    def read(self, size: int, /) -> bytes:
        """Read on."""
        if self._at - self._opened_at >= _OPENED_ANEW_AFTER:
            self._open_anew()
        end = min(self._at + size, self._size)
        pieces = [(at, min(_PIECE, end - at)) for at in range(self._at, end, _PIECE)]
        data = b"".join(self._file.readv(pieces)) if pieces else b""
        self._at += len(data)
        return data

    def _open_anew(self) -> None:
        """Let go of what paramiko keeps of a file until it is closed.

        It asks once more for a piece whose answer is late, and then keeps the late one: some 5 % of a long file.
        """
        old, self._file = self._file, self._sftp.open(self._path, "rb")
        try:
            was, now = old.stat(), self._file.stat()
        finally:
            old.close()
        if (was.st_size, was.st_mtime) != (now.st_size, now.st_mtime):
            raise OSError(errno.EINVAL, "it changed while it was read", self._path)
        self._opened_at = self._at

    def close(self) -> None:
        """Leave it."""
        self._file.close()


_NO_ANSWER = ("Authentication timeout", "transport shut down")
"""How paramiko says that nobody answered the login: by the error of a login that was refused."""


def _connected(hook: Any, conn_id: str | None) -> Any:
    import paramiko

    # A hook holds one client, and would try three times by itself: whoever asks for sessions counts the tries.
    hook = copy.copy(hook)
    hook.client, hook.conn_retry_attempts = None, 1
    where = f"{hook.remote_host}:{hook.port}"
    try:
        return hook.get_conn()
    except paramiko.BadHostKeyException as error:
        raise BrazeSetupError(
            f"The host key of {where} is not the one that is known for it: if the server was renewed, correct the "
            f"extra 'host_key' of connection {conn_id!r}, or known_hosts."
        ) from error
    except paramiko.AuthenticationException as error:
        if any(words in str(error) for words in _NO_ANSWER):
            raise ConnectionAbortedError(errno.ECONNABORTED, str(error)) from error
        raise BrazeSetupError(f"{where} refused the login of connection {conn_id!r} ({error}).") from error
    except paramiko.SSHException as error:
        if "not found in known_hosts" not in str(error):
            raise
        raise BrazeSetupError(
            f"The host key of {where} is not known: give the connection {conn_id!r} the extra 'host_key', as "
            "ssh-keyscan prints it, or add it to known_hosts of the user that runs Airflow."
        ) from error


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else name


def _info(path: str, attributes: Any) -> Info:
    mode = attributes.st_mode or 0
    kinds = {stat.S_IFDIR: "directory", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    modified = attributes.st_mtime
    info: Info = {
        "name": path,
        # A server may tell no mode at all; then it has plain files at least.
        "type": kinds.get(stat.S_IFMT(mode), "other") if mode else "file",
        "size": attributes.st_size or 0,
        "mtime": None if modified is None else float(modified),
    }
    if modified is None:
        info["exact"] = False
    return info
