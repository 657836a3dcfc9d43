"""Python's own FTP client, made to do what servers expect of TLS and to time out.

Above: the sessions of ``ftp`` and ``ftps``. Below: Python's client.
"""

from __future__ import annotations

import errno
import ftplib  # nosec B402 - RPI writes to FTP servers; ftps:// is there for whoever can choose
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.protocols.airflow_connection import connection_of, flag, seconds
from airflow_provider_braze.storage.protocols.sessions import TIMEOUT

_FULL = re.compile(r"too many|maximum (number|allowed)|connection limit", re.IGNORECASE)
"""How servers say that they have no room for one session more, some of them with the code of a refused password."""

EXPLICIT, IMPLICIT = "explicit", "implicit"
IMPLICIT_PORT = 990


@dataclass(frozen=True, slots=True)
class FtpServer:
    """A server, and how to log in.

    :param tls: None, ``explicit`` (``AUTH TLS`` on the plain port) or ``implicit`` (TLS from the first byte).
    :param verify: whether its certificate must be trusted and name ``host``.
    :param ca_file: what to trust besides; None: what this machine trusts.
    """

    conn_id: str
    host: str
    port: int
    user: str
    password: str
    passive: bool
    encoding: str
    timeout: float
    tls: str | None = None
    verify: bool = True
    ca_file: str | None = None

    @classmethod
    def of(cls, conn_id: str | None, *, secure: bool) -> FtpServer:
        """Read a connection of type ``ftp``.

        :raises BrazeSetupError: it is not there, or an extra makes no sense.
        """
        connection = connection_of(conn_id, "ftps" if secure else "ftp")
        extra = connection.extra_dejson
        tls = _tls(extra, connection.port) if secure else None
        return cls(
            conn_id=str(conn_id),
            host=connection.host,
            port=connection.port or (IMPLICIT_PORT if tls == IMPLICIT else ftplib.FTP_PORT),
            user=connection.login or "anonymous",
            password=connection.password or "",
            passive=flag(extra, "passive", True),
            encoding=str(extra.get("encoding") or "utf-8"),
            timeout=seconds(extra, "timeout", TIMEOUT),
            tls=tls,
            verify=flag(extra, "verify", True),
            ca_file=str(extra["ca_file"]) if extra.get("ca_file") else None,
        )

    def connect(self) -> ftplib.FTP:
        """Log in, in binary mode.

        :raises BrazeSetupError: the login or the certificate was refused.
        """
        context = self._context()
        client = _Tls(context, implicit=self.tls == IMPLICIT) if context else ftplib.FTP()  # nosec B321
        client.encoding = self.encoding
        client.set_pasv(self.passive)
        try:
            client.connect(self.host, self.port, self.timeout)
            client.login(self.user, self.password)
            if isinstance(client, _Tls):
                client.prot_p()
            client.voidcmd("TYPE I")
        except ssl.SSLCertVerificationError as error:
            client.close()
            raise BrazeSetupError(
                f"The certificate of {self.host}:{self.port} is not trusted ({error.verify_message}): give the "
                f"connection {self.conn_id!r} the extra 'ca_file', or 'verify': false for a server you trust anyhow."
            ) from error
        except ftplib.error_perm as error:
            client.close()
            if _FULL.search(str(error)):
                raise ConnectionAbortedError(errno.ECONNABORTED, _said(error)) from error
            raise BrazeSetupError(
                f"{self.host}:{self.port} refused the login of connection {self.conn_id!r} ({_said(error)})."
            ) from error
        except BaseException:
            client.close()
            raise
        return client

    def _context(self) -> ssl.SSLContext | None:
        if self.tls is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise BrazeSetupError(
                f"The connection {self.conn_id!r} names the ca_file {self.ca_file}, which cannot be read: {error}."
            ) from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _tls(extra: dict[str, Any], port: int | None) -> str:
    value = str(extra.get("tls") or (IMPLICIT if port == IMPLICIT_PORT else EXPLICIT)).strip().lower()
    if value not in (EXPLICIT, IMPLICIT):
        raise BrazeSetupError(f"The connection's extra 'tls' must be explicit or implicit, not {value!r}.")
    return value


def _said(error: Exception) -> str:
    # Some servers repeat the user's name, none the password.
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__


class _Tls(ftplib.FTP_TLS):  # nosec B321
    """FTP over TLS, implicit too, whose data connections go on with the control connection's session.

    Servers ask for that (vsftpd by default): it proves that both connections are the same client's.
    """

    sock: socket.socket

    def __init__(self, context: ssl.SSLContext, *, implicit: bool) -> None:
        super().__init__(context=context)
        self._implicit = implicit

    def connect(
        self, host: str = "", port: int = 0, timeout: float = -999, source_address: Any = None
    ) -> str:
        """Connect; with implicit TLS, the greeting is encrypted, too."""
        if not self._implicit:
            return super().connect(host, port, timeout, source_address)
        self.host, self.port, self.timeout = host, port, timeout
        plain = socket.create_connection((host, port), timeout, source_address=source_address)
        self.af = plain.family
        try:
            self.sock = self.context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()
        return self.welcome

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int]:
        """Open a data connection."""
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        try:
            session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
            secured = self.context.wrap_socket(connection, server_hostname=self.host, session=session)
        except BaseException:
            connection.close()
            raise
        return secured, size or 0
