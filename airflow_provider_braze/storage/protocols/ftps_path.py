"""Lets Airflow's ``ObjectStoragePath`` take ``ftps://``, as it takes ``ftp://`` by itself.

The provider's own paths do not need it. It is loaded by universal_pathlib, from 0.3 on; what is older, as on the oldest
Airflow, has none for FTP either.

Above: universal_pathlib, by the package's entry point. Below: nothing.
"""

from __future__ import annotations

from upath.implementations.ftp import FTPPath


class FtpsPath(FTPPath):
    """A path on an FTP server that is reached through TLS; the server is the connection's."""

    __slots__ = ()

    @property
    def path(self) -> str:
        """The path on the server, without its name, which universal_pathlib cuts off for its own schemes only."""
        text = super().path
        return text if text.startswith("/") else f"/{text.partition('/')[2]}"
