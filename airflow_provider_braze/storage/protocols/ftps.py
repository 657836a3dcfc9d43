"""``ftps://``: FTP with TLS, explicit or implicit, of control and data connections.

Above: fsspec, by the scheme. Below: ``ftp``.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_braze.storage.protocols.ftp import FtpSession
from airflow_provider_braze.storage.protocols.ftp_client import FtpServer
from airflow_provider_braze.storage.protocols.session_files import SessionFileSystem

schemes = ["ftps"]
"""What Airflow asks a filesystem module for."""


class FtpsFileSystem(SessionFileSystem):
    """Files on an FTP server, reached through TLS."""

    protocol = "ftps"


def get_fs(conn_id: str | None, storage_options: dict[str, Any] | None = None) -> FtpsFileSystem:  # noqa: ARG001
    """Give Airflow the filesystem of a connection of type ``ftp``, with TLS."""
    server = FtpServer.of(conn_id, secure=True)
    return FtpsFileSystem(f"ftps://{server.host}:{server.port}", lambda: FtpSession(server))
