"""No memory begins beside a push that it would not hear of: where there is none, a lock tells who runs.

A push without ``only_changed`` forgets what it sends where there is a memory. Where there is none, it holds a lock
until it ends, together with others of its kind; whoever begins a memory needs that lock for itself, for a moment. The
lock is on the folder that holds the memories, so that it leaves nothing behind, and ends with its process.

Above: opening, forgetting. Below: nothing.
"""

from __future__ import annotations

import fcntl
import os

from airflow_provider_braze.storage.files import plain
from airflow_provider_braze.storage.files.location import Location

FOLDER = "memory"
"""Below the reports folder; never taken for anything else there."""


class Unheard:
    """A push that has no memory to tell what it sends: none begins while it runs.

    :param folder: of the memory that there might be. It is to be looked for once more: who begins one was waited for.
    """

    def __init__(self, folder: Location) -> None:
        self._lock: int | None = _open(folder)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def close(self) -> None:
        """Let others begin one."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def unheard(folder: Location, *, begins: bool) -> Unheard | None:
    """See to it, on a disk of this machine, that there is a memory, or that none begins while a push runs.

    :param begins: begin one where there is none, and no other push runs that it would not hear of.
    :return: None where there is one; otherwise what is to be closed when the push ends.
    """
    if has_begun(folder) or (begins and begin(folder)):
        return None
    found = Unheard(folder)
    if has_begun(folder):
        found.close()
        return None
    return found


def has_begun(folder: Location) -> bool:
    """Tell whether there is a memory on a disk of this machine, were it an empty one."""
    return os.path.isdir(folder.path)


def begin(folder: Location) -> bool:
    """Begin a memory on a disk of this machine; whether it has.

    Where it has not, a push runs that could not tell it what it sends, or somebody else begins it at this moment.
    """
    lock = _open(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        plain.make_folders(folder)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _open(folder: Location) -> int:
    """Open the folder that holds the memories, or the reports folder above it: by whatever path, it is the same."""
    above = os.path.realpath(os.path.dirname(folder.path))
    if os.path.basename(above) == FOLDER:
        above = os.path.dirname(above)
    os.makedirs(above, exist_ok=True)
    return os.open(above, os.O_RDONLY | os.O_DIRECTORY)
