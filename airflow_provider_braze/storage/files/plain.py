"""Only plain files, and none that a link leads to from outside the base path: who may write to a share may not make a
worker read what else it can read, write over what else it can write, or wait for ever.

Above: whatever reads or writes a file. Below: locations, and the files of this machine.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import secrets
import shutil
import stat
from collections.abc import Iterable
from dataclasses import replace as changed
from typing import IO, BinaryIO, cast

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.storage.files import local, stores
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.remote_reader import RemoteReader
from airflow_provider_braze.storage.protocols.session_files import SessionFileSystem
from airflow_provider_braze.storage.protocols.sessions import ServerRefusedError

_BUFFER = 1 << 20
"""Bytes read at once from a file that lies elsewhere."""

_LOCAL_BUFFER = 1 << 16
"""The same on this machine, where a small read costs little; larger ones go past the buffer."""

_MODES = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "link": stat.S_IFLNK}
"""What a server calls them, as modes of a file; of anything else it has no more than that it is neither."""

_TRIES = 3
"""How often it is looked where a path leads, while that changes."""


def lies_below(base: Location, location: Location) -> bool:
    """Tell whether a file or folder lies below a base path, once links and ``..`` are followed to where they lead."""
    if not base.shares_storage_with(location):
        return False
    parent, child = _leads_to(base), _leads_to(location)
    if parent is None or child is None:
        return False
    return child.startswith(parent.rstrip("/" + os.sep) + (os.sep if location.is_local else "/"))


def _leads_to(location: Location) -> str | None:
    """Tell where it lies, links followed where the storage tells; None where that cannot be said."""
    if location.is_local:
        return _real(location.path)
    if not isinstance(location.fs, SessionFileSystem):
        return posixpath.normpath(location.path)
    try:
        return location.fs.real_path(location.path)
    except (FileNotFoundError, NotADirectoryError, PermissionError, ServerRefusedError, ExportRefusedError):
        return None


def _real(path: str) -> str | None:
    """Tell where a path leads; None where that changes all the while, as when somebody swaps a file for a link."""
    for _ in range(_TRIES):
        try:
            return os.path.realpath(path)
        except OSError:
            continue
    return None


def settled(location: Location, base: Location | None) -> Location:
    """Follow links and ``..`` once, to where they lead now; from there on, none is followed any more.

    A link below the base path is followed as long as it leads to a place below it. Whatever is swapped for a link after
    that is met by its name, and refused when it is opened.

    :param base: None where the author names a file that lies in no layout: it is taken as it is named.
    :raises ExportRefusedError: it leads out of the base path.
    """
    if base is None:
        return location
    found: Location | None = location
    if location.is_local:
        real, within = _real(location.path), _real(base.path)
        found = changed(location, path=real, within=within) if real and within else None
    elif isinstance(location.fs, SessionFileSystem):
        found = changed(location, path=location.fs.real_path(location.path))
    if found is None or not lies_below(base, found):
        raise ExportRefusedError(
            f"{location.url!r} leads out of {base.url!r}, by a link or by '..', and is not read: put the file itself "
            "there, or give a base_path that holds both."
        )
    return found


def check_plain(location: Location, base: Location | None) -> Location:
    """Refuse what is there and no plain file below the base path.

    :param base: None where the author names a file that lies in no layout.
    :return: where it is to be opened: see :func:`settled`.
    :raises ExportRefusedError: it is a folder, a pipe, a device or a socket, or leads out of the base path.
    :raises OSError: it cannot be looked at, for example because it is not there.
    """
    found = settled(location, base)
    if found.is_local:
        _check_kind(local.look_at(found.path, found.within).st_mode, location.path)
    elif isinstance(found.fs, SessionFileSystem):
        _check_kind(_MODES.get(found.fs.info(found.path)["type"], 0), location.url)
    else:
        with found.answered():
            is_folder = found.fs.isdir(found.path)
        if is_folder:
            raise ExportRefusedError(f"{location.url} is a folder, not an export.")
    return found


def open_plain(file: Location | str) -> BinaryIO:
    """Open a file of this machine for reading through a large buffer, without a wait.

    :param file: where it lies, or its path.
    :raises ExportRefusedError: it is anything but a plain file, or a link is in its place where none may be.
    """
    path, within = (file, None) if isinstance(file, str) else (file.path, file.within)

    def opener(_: str, flags: int) -> int:
        try:
            descriptor = local.open_descriptor(path, within, flags)
        except OSError as error:
            if within is not None and local.is_link_in_the_way(error):
                raise ExportRefusedError(_behind_a_link(path)) from None
            raise
        try:
            _check_kind(os.fstat(descriptor).st_mode, path)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    return open(path, "rb", buffering=_LOCAL_BUFFER, opener=opener)


def open_for_reading(location: Location) -> BinaryIO:
    """Open a file, wherever it lies, through a large buffer: read in small pieces, a remote one is very slow."""
    if location.is_local:
        return open_plain(location)
    if isinstance(location.fs, SessionFileSystem):
        _refuse_links(location, location.fs)
        return location.fs.open(location.path, "rb")  # type: ignore[no-any-return]
    return cast(BinaryIO, io.BufferedReader(RemoteReader(location), _BUFFER))


def _refuse_links(location: Location, fs: SessionFileSystem) -> None:
    """Refuse what the server says is reached through a link, where none may be."""
    within = location.within
    if within is None:
        return
    inside = location.path[len(within.rstrip("/")) :]
    if fs.real_path(location.path) != fs.real_path(within).rstrip("/") + inside:
        raise ExportRefusedError(_behind_a_link(location.url))


def _behind_a_link(path: str) -> str:
    return f"{path!r} has been replaced by a link, or lies behind one, and is not read: put the file itself there."


def read_small(location: Location, most: int) -> bytes:
    """Read a file that nobody expects to be large.

    :raises OSError: it is longer than ``most`` bytes, or cannot be read.
    :raises ExportRefusedError: it is a pipe, a device or a socket, or a link where none may be.
    """
    with open_for_reading(location) as file:
        content: bytes = file.read(most + 1)
    if len(content) > most:
        raise OSError(f"more than {most} bytes")
    return content


def open_private(location: Location) -> IO[bytes]:
    """Open a new file for writing that, on a local disk, only its owner may read, in place of whatever is there."""
    if location.is_local:
        return os.fdopen(local.create(location.path, location.within), "wb")
    file: IO[bytes] = location.fs.open(location.path, "wb")
    stores.bound_questions(file)
    return file


def write_whole(location: Location, content: bytes) -> None:
    """Write a small file so that nobody ever sees a part of it: where files grow, under a temporary name first."""
    if location.appears_whole:
        with location.answered(), open_private(location) as file:
            file.write(content)
        return
    temporary = beside(location, f".{secrets.token_hex(4)}.part")
    try:
        with open_private(temporary) as file:
            file.write(content)
        replace(temporary, location)
    except ConnectionError:
        # Where nobody answers, nobody deletes it either.
        raise
    except BaseException:
        with contextlib.suppress(Exception):
            remove(temporary)
        raise


def beside(location: Location, ending: str) -> Location:
    """Name a file that lies beside another, and is called like it but for its ending."""
    return changed(location, path=location.path + ending, url=location.url + ending)


def replace(source: Location, target: Location) -> None:
    """Give a file the name of another, and take the place of whatever has it; it never moves into a folder."""
    if source.is_local:
        local.replace(source.path, target.path, target.within)
    elif source.appears_whole:
        write_together([source], target)
        remove(source)
    else:
        source.fs.mv(source.path, target.path)


def write_together(parts: Iterable[Location], target: Location) -> None:
    """Write one file of several, one after the other.

    What object stores offer instead is not used: fsspec takes the names for patterns there, so that one with a ``[`` is
    not found, and Azure may still be copying when the source is deleted.
    """
    try:
        with target.answered(), open_private(target) as file:
            for part in parts:
                with open_for_reading(part) as source:
                    shutil.copyfileobj(source, file, _BUFFER)
    except BaseException:
        # An object store closes what was cut short as if it were whole.
        with contextlib.suppress(Exception):
            remove(target)
        raise


def remove(location: Location) -> None:
    """Delete a file."""
    if location.is_local:
        local.remove(location.path, location.within)
    else:
        with location.answered():
            location.fs.rm_file(location.path)


def remove_folder(location: Location) -> None:
    """Delete a folder that is empty."""
    if location.is_local:
        local.remove_folder(location.path, location.within)
    else:
        with location.answered():
            location.fs.rmdir(location.path)


def make_folders(location: Location) -> None:
    """Make a folder, and those above it, where they are not there yet."""
    if location.is_local:
        local.make_folders(location.path, location.within)
    else:
        with location.answered():
            location.fs.makedirs(location.path, exist_ok=True)


def names_in(location: Location) -> list[str]:
    """List a folder now; none where it is not there.

    :raises OSError: it cannot be listed, or is a link where none may be.
    """
    try:
        if location.is_local:
            return local.names_in(location.path, location.within)
        location.fs.invalidate_cache()
        with location.answered():
            names = location.fs.ls(location.path, detail=False)
    except FileNotFoundError:
        return []
    # An object store may list the folder's own placeholder among what the folder holds.
    own = location.path.strip("/")
    return [name.rstrip("/").rsplit("/", 1)[1] for name in names if name.strip("/") != own]


def _check_kind(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise ExportRefusedError(f"{path} is a folder, not an export.")
    if stat.S_ISLNK(mode):
        raise ExportRefusedError(f"{path!r} has been replaced by a link, and is not read.")
    if not stat.S_ISREG(mode):
        raise ExportRefusedError(
            f"{path!r} is a pipe, a device or a socket, not an export: it is not read. Remove it from the share."
        )
