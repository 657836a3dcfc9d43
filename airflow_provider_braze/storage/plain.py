"""Only plain files, and none that a link leads to from outside the base path: who may write to a share may not make a
worker read what else it can read, or wait for ever.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import BinaryIO

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.storage.location import Location

_BUFFER = 1 << 20
"""Bytes read from a file at once."""


def lies_below(base: Location, location: Location) -> bool:
    """Tell whether a file or folder lies below a base path, once links and ``..`` are followed to where they lead."""
    if type(base.fs) is not type(location.fs):
        return False
    settle = os.path.realpath if location.is_local else posixpath.normpath
    parent, child = settle(base.path), settle(location.path)
    return child.startswith(parent.rstrip("/" + os.sep) + (os.sep if location.is_local else "/"))


def check_plain(location: Location, base: Location | None) -> None:
    """Refuse what is there and no plain file below the base path.

    :param base: None where the author names a file that lies in no layout.
    :raises ExportRefusedError: it is a folder, a pipe, a device or a socket, or leads out of the base path.
    :raises OSError: it cannot be looked at, for example because it is not there.
    """
    if base is not None and not lies_below(base, location):
        raise ExportRefusedError(
            f"{location.url!r} leads out of {base.url!r}, by a link or by '..', and is not read: put the file itself "
            "there, or give a base_path that holds both."
        )
    if location.fs.isdir(location.path):
        raise ExportRefusedError(f"{location.url} is a folder, not an export.")
    if location.is_local:
        _check_kind(os.stat(location.path).st_mode, location.path)


def open_plain(path: str) -> BinaryIO:
    """Open a local file for reading through a large buffer; anything but a plain file is refused, without a wait.

    :raises ExportRefusedError: it is a pipe, a device or a socket.
    """
    return open(path, "rb", buffering=_BUFFER, opener=_opener)


def read_small(location: Location, most: int) -> bytes:
    """Read a file that nobody expects to be large.

    :raises OSError: it is longer than ``most`` bytes, or cannot be read.
    :raises ExportRefusedError: it is a pipe, a device or a socket.
    """
    with open_plain(location.path) if location.is_local else location.fs.open(location.path, "rb") as file:
        content: bytes = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"more than {most} bytes")
    return content


def _opener(path: str, flags: int) -> int:
    # Opening a pipe waits for a writer, unless told not to; of a plain file this changes nothing.
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    try:
        _check_kind(os.fstat(descriptor).st_mode, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_kind(mode: int, path: str) -> None:
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise ExportRefusedError(
            f"{path!r} is a pipe, a device or a socket, not an export: it is not read. Remove it from the share."
        )
