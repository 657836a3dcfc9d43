"""Files of this machine, reached from the descriptor of a folder, component by component, and never through a link.

A path that was checked by its name may be a link by the time it is opened. So whoever may be met by others on a share
names the folder that he trusts (``within``), and everything below it is opened from there: a component that is a link
ends in an ``OSError``, whenever it was put there.

Above: plain files and the reports folder. Below: the system.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Who may only pass through a folder, not list it, still gets what lies in it.
_PASSING = _FOLDER | getattr(os, "O_PATH", 0)


@contextlib.contextmanager
def folder_of(path: str, within: str | None) -> Iterator[tuple[int, str]]:
    """Give the descriptor of the folder that a file lies in, and the file's name in there.

    :param within: a folder above it, below which no link is followed; None: the folder is taken as it is named.
    :raises OSError: it cannot be reached; ``ELOOP`` or ``ENOTDIR`` where a link is in the way.
    """
    parent, name = os.path.split(path.rstrip("/"))
    if name in ("", ".", ".."):
        raise OSError(errno.EINVAL, "no name of a file", path)
    descriptor = _descend(parent, within, _PASSING)
    try:
        yield descriptor, name
    finally:
        os.close(descriptor)


def open_descriptor(path: str, within: str | None, flags: int, mode: int = 0o600) -> int:
    """Open a file; a link in its place is refused where ``within`` is given."""
    with folder_of(path, within) as (folder, name):
        # Opening a pipe waits for its other end, unless told not to; of a plain file this changes nothing.
        flags |= os.O_CLOEXEC | os.O_NONBLOCK | (os.O_NOFOLLOW if within is not None else 0)
        return os.open(name, flags, mode, dir_fd=folder)


def create(path: str, within: str | None) -> int:
    """Open a new file for its owner alone, in place of whatever has its name."""
    with folder_of(path, within) as (folder, name):
        # What an earlier push left behind keeps its own mode otherwise, and a link would be written through.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(name, flags, 0o600, dir_fd=folder)


def replace(source: str, target: str, within: str | None) -> None:
    """Give a file the name of another, in place of whatever has it; a folder is no file, and a link is replaced.

    :raises OSError: what was to get the name is no plain file any more, or a folder has that name.
    """
    with folder_of(source, within) as (old, was), folder_of(target, within) as (new, name):
        if not is_plain(os.stat(was, dir_fd=old, follow_symlinks=False)):
            raise OSError(errno.ELOOP, "no plain file any more", source)
        os.replace(was, name, src_dir_fd=old, dst_dir_fd=new)


def remove(path: str, within: str | None) -> None:
    """Delete a file, or a link, not what it leads to."""
    with folder_of(path, within) as (folder, name):
        os.unlink(name, dir_fd=folder)


def remove_folder(path: str, within: str | None) -> None:
    """Delete a folder that is empty."""
    with folder_of(path, within) as (folder, name):
        os.rmdir(name, dir_fd=folder)


def make_folders(path: str, within: str | None) -> None:
    """Make a folder and those above it, down from ``within``, which is made as it is named."""
    if within is None:
        os.makedirs(path, exist_ok=True)
        return
    os.makedirs(within, exist_ok=True)
    descriptor = os.open(within, _PASSING)
    try:
        for part in _parts(path, within):
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=descriptor)
            descriptor = _step(descriptor, part, _PASSING)
    finally:
        os.close(descriptor)


def look_at(path: str, within: str | None) -> os.stat_result:
    """Tell what is there; of a link, the link itself where ``within`` is given."""
    with folder_of(path, within) as (folder, name):
        return os.stat(name, dir_fd=folder, follow_symlinks=within is None)


def names_in(path: str, within: str | None) -> list[str]:
    """List a folder; one that is a link is refused where ``within`` is given."""
    descriptor = _descend(path, within, _FOLDER)
    try:
        return os.listdir(descriptor)
    finally:
        os.close(descriptor)


def is_link_in_the_way(error: OSError) -> bool:
    """Tell whether an error may mean that a component is a link, or no folder."""
    return error.errno in (errno.ELOOP, errno.ENOTDIR)


def is_plain(found: os.stat_result) -> bool:
    """Tell whether it is a plain file."""
    return stat.S_ISREG(found.st_mode)


def _descend(folder: str, within: str | None, flags: int) -> int:
    if within is None:
        return os.open(folder or ".", flags)
    parts = _parts(folder, within)
    descriptor = os.open(within, _PASSING if parts else flags)
    try:
        for at, part in enumerate(parts):
            descriptor = _step(descriptor, part, flags if at == len(parts) - 1 else _PASSING)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _step(descriptor: int, part: str, flags: int) -> int:
    """Go one folder down, and leave the one above."""
    below = os.open(part, flags | os.O_NOFOLLOW, dir_fd=descriptor)
    os.close(descriptor)
    return below


def _parts(path: str, within: str) -> list[str]:
    """Cut what leads down from a folder; ``..`` would lead up again, past the folder itself."""
    above = within.rstrip("/")
    if path.rstrip("/") == above:
        return []
    if not path.startswith(f"{above}/"):
        raise OSError(errno.EINVAL, f"not below {within}", path)
    parts = [part for part in path[len(above) :].split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OSError(errno.EINVAL, "a path with ..", path)
    return parts
