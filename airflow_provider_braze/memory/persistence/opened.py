"""What places of a memory have in common: how it is opened, set aside and called.

Above: the two kinds of places. Below: the file.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterable
from typing import Protocol

from airflow_provider_braze.exceptions import BrazeError, describe
from airflow_provider_braze.memory.persistence.store import MemoryStore, UnusableError, set_aside

Belongs = Callable[[MemoryStore], str | None]
"""Says why a memory is not of a workspace; None where it is. It may mark a new one as its own."""

Warn = Callable[[str], None]

DAMAGED = (UnusableError, sqlite3.Error, ValueError, TypeError, KeyError, struct.error)
"""What using a damaged file may raise, at once or further in: SQLite does not look at everything that it reads."""

SET_ASIDE = "The memory of what Braze was told is set aside, and everything is sent:"
"""How every warning begins that says so."""


class Place(Protocol):
    """Somewhere that a memory is kept, opened for one push."""

    store: MemoryStore
    is_guest: bool
    """Another push uses it, or may: everything is sent, and nothing of this one is remembered."""

    def is_met(self) -> bool:
        """Tell whether another push has come since; asked within a transaction of the store."""

    def disbelieve(self) -> None:
        """See to it that nobody believes what is in it, nor what comes in its place while this push runs."""

    def close(self) -> None:
        """Bring everything home, and let the next push have it."""


class Closable(Protocol):
    """Something that is closed at the end of a push."""

    def close(self) -> object:
        """Close it."""


def close_all(opened: Iterable[Closable]) -> None:
    """Close everything, also where one of it cannot be closed.

    :raises BaseException: what the last of these said.
    """
    trouble: BaseException | None = None
    for each in opened:
        try:
            each.close()
        except BaseException as error:
            trouble = error
    if trouble is not None:
        raise trouble


class InUseError(BrazeError):
    """Another push uses the memory at this moment."""


class MemoryUnwritableError(BrazeError):
    """The memory cannot be written, so it cannot forget what is about to change: nothing further is sent."""


def opened(path: str, belongs: Belongs, warn: Warn, *, synchronous: str) -> MemoryStore:
    """Open a file, or a new one in its place where it cannot be used."""
    try:
        store = MemoryStore(path, synchronous=synchronous)
        try:
            trouble = belongs(store)
        except DAMAGED as error:
            trouble = damaged_text(error)
        if trouble is None:
            return store
        store.close()
    except UnusableError as unusable:
        trouble = damaged_text(unusable)
    warn_of(trouble, warn)
    set_aside(path)
    store = MemoryStore(path, synchronous=synchronous)
    belongs(store)
    return store


def warn_of(trouble: str, warn: Warn) -> None:
    """Say once why everything is sent."""
    warn(f"{SET_ASIDE} {trouble}.")


def damaged_text(error: BaseException) -> str:
    """Say what is wrong with a file; nothing of what is in it."""
    return str(error) if isinstance(error, UnusableError) else f"it is damaged ({type(error).__name__})"


def not_brought_back(error: BaseException) -> str:
    """Say that what was noted since a memory was opened is lost."""
    return (
        f"The memory of what Braze was told could not be brought back ({describe(error)}): the next push sends "
        "everything."
    )


def give_up(place: Place, why: str, warn: Warn, *, must: bool = True) -> None:
    """Set a memory aside that is in use, and say why everything is sent.

    :param must: something could not be forgotten that is about to change, so that nobody may believe it.
    :raises MemoryUnwritableError: it must be set aside, and cannot.
    """
    warn_of(why, warn)
    try:
        place.disbelieve()
    except Exception as error:
        if must:
            raise MemoryUnwritableError(
                f"The memory of what Braze was told can neither be written nor set aside ({describe(error)}): "
                "give the worker write access, make room, or delete it."
            ) from error
