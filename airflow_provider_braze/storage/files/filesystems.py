"""Which filesystem serves a URL: ours for what is reached through sessions, and what Airflow gives for all else.

Above: the location. Below: fsspec, and our protocols by name.
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from typing import Any

import fsspec

from airflow_provider_braze.storage.files import stores
from airflow_provider_braze.storage.protocols.airflow_connection import silence_of

_PROTOCOLS = "airflow_provider_braze.storage.protocols"
SESSION_SCHEMES = {
    "ftp": f"{_PROTOCOLS}.ftp",
    "ftps": f"{_PROTOCOLS}.ftps",
    "sftp": f"{_PROTOCOLS}.sftp",
    "ssh": f"{_PROTOCOLS}.sftp",
    "smb": f"{_PROTOCOLS}.smb",
}
"""Scheme to the module that serves it."""

TRUSTED_SECONDS = 60.0
"""How long what a connection said is taken for true: a password or a key may be renewed while a triggerer runs."""

_TALKATIVE = {
    "abfs": "azure",
    "abfss": "azure",
    "adl": "azure",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
}
"""Loggers that write several lines for each request where nobody set their level."""

_lock = threading.Lock()
_known: dict[tuple[str, str | None], tuple[float, Any]] = {}


def parted(url: str) -> tuple[str, str | None, str]:
    """Part a URL into its scheme, the connection it names, and the rest as it is written, with nothing decoded."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    conn_id, found, host = place.rpartition("@")
    return scheme, (conn_id or None) if found else None, host + slash + path


def session_filesystem(scheme: str, conn_id: str | None) -> fsspec.AbstractFileSystem:
    """Give the filesystem of a connection; as long as its settings are trusted, the same one.

    :raises BrazeSetupError: the connection cannot be used.
    """
    now = time.monotonic()
    with _lock:
        since, known = _known.get((scheme, conn_id), (0.0, None))
        if known is not None and now - since < TRUSTED_SECONDS:
            return known
    _quieten(scheme)
    # Not under the lock: to read a connection may take long, and in a triggerer another thread's turn.
    made = importlib.import_module(SESSION_SCHEMES[scheme]).get_fs(conn_id)
    with _lock:
        _known[scheme, conn_id] = (now, made)
    if known is not None:
        known.sessions.close()
    return made


def airflow_filesystem(scheme: str, conn_id: str | None) -> fsspec.AbstractFileSystem:
    """Give what Airflow has for a scheme.

    What a connection says is read anew from time to time; what was attached by hand stays.

    :raises ValueError: no provider of it is installed.
    :raises ImportError: what the provider needs is not installed.
    """
    # Imported here: a local path must work, and start fast, without Airflow.
    from airflow.sdk.io import attach, get_fs, has_fs

    _quieten(scheme)
    if conn_id is None or not has_fs(scheme):
        attached = attach(scheme, conn_id).fs
        stores.bound(attached)
        return attached
    now = time.monotonic()
    with _lock:
        since, known = _known.get((scheme, conn_id), (0.0, None))
    if known is None or now - since >= TRUSTED_SECONDS:
        silence = silence_of(conn_id) if scheme in stores.SCHEMES else None
        known = get_fs(scheme, conn_id, stores.options(scheme, silence) or None)
        stores.bound(known, silence)
        with _lock:
            _, before = _known.get((scheme, conn_id), (0.0, None))
            _known[scheme, conn_id] = (now, known)
        if before is not None and before is not known:
            stores.forget(before)
    return known


def _quieten(scheme: str) -> None:
    logger = logging.getLogger(_TALKATIVE.get(scheme, "fsspec"))
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.WARNING)
