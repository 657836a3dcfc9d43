"""Opens the memory that a push is to use, or finds that there is none.

Above: a push. Below: the memory, and where it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from hashlib import sha256

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.memory.bucket import Bucket, Saved, saved_in
from airflow_provider_braze.memory.memory import Memory, Wish
from airflow_provider_braze.memory.persistence.beginning import Unheard, has_begun, unheard
from airflow_provider_braze.memory.persistence.buckets import BUCKETS
from airflow_provider_braze.memory.persistence.entries import packed_digest
from airflow_provider_braze.memory.persistence.in_place import Guest
from airflow_provider_braze.memory.persistence.opened import SET_ASIDE, Place
from airflow_provider_braze.memory.persistence.place import (
    bucket_folder,
    check_kind,
    exists,
    folder_of,
    glimpse_of,
    is_here,
    open_place,
    retire_older,
    unwritable,
)
from airflow_provider_braze.memory.persistence.store import MemoryStore
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from airflow_provider_braze.users_track.transport.workspace import Workspace

_BITS = 63


def find(wish: Wish, reports: ReportsFolder | None, braze_conn_id: str) -> Location | None:
    """Give the folder of the memory that a push has to do with.

    :return: None where there is none, and none can come while it runs.
    :raises BrazeSetupError: it asks for one that it cannot have.
    """
    folder = folder_of(wish.path, reports, braze_conn_id)
    if not wish.only_changed:
        return None if folder is None or folder.appears_whole else folder
    if folder is None:
        raise BrazeSetupError(
            "only_changed needs a place for the memory of what Braze was told: give reports_path or memory_path."
        )
    check_kind(folder)
    return folder


def open_memory(
    folder: Location,
    wish: Wish,
    workspace: Workspace,
    token: str,
    say: Callable[[str], None],
    buckets: Iterable[int] = range(BUCKETS),
) -> Memory | Unheard | None:
    """Open the memory for one push; a push that does not ask for one only opens it where there is one already.

    :param token: names the push, the same in each of its tries.
    :param say: takes warnings, each once, however many buckets it is about.
    :param buckets: those that the push's users may be in.
    :return: None where there is none; on a disk of this machine what keeps others from beginning one meanwhile.
    :raises BrazeError: it can neither be used nor set aside.
    """
    if not is_here(folder):
        if not wish.only_changed and not exists(folder):
            return None
    elif (found := _unheard(folder, wish)) is not None:
        if wish.only_changed:
            say(
                "A push without only_changed runs at this moment, which a memory would not hear of, so none is begun, "
                "and this one sends everything."
            )
        return found
    elif not has_begun(folder):
        return None
    tell, belongs, number = _once(say), belongs_to(workspace), number_of(token)
    retire_older(folder, tell)

    def opens(bucket: int) -> Bucket | Guest | Place:
        place = open_place(bucket_folder(folder, bucket), belongs, tell)
        if isinstance(place, Guest) or place.is_guest:
            tell(
                "Another push uses the memory of what Braze was told at this moment, so this one sends everything to "
                "the users whom it shares with that one."
            )
            return place
        try:
            return Bucket(place, wish, number, tell)
        except BaseException:
            place.close()
            raise

    return Memory(opens, lambda bucket: _saved(folder, bucket), buckets)


def _unheard(folder: Location, wish: Wish) -> Unheard | None:
    try:
        return unheard(folder, begins=wish.only_changed)
    except OSError as error:
        if wish.only_changed:
            raise unwritable(folder, error) from error
        # Whoever may not read that folder cannot hold others back, and needs not for its own sake.
        return None


def _once(say: Callable[[str], None]) -> Callable[[str], None]:
    said: set[str] = set()

    def tell(text: str) -> None:
        kind = SET_ASIDE if text.startswith(SET_ASIDE) else text
        if kind not in said:
            said.add(kind)
            say(text)

    return tell


def _saved(folder: Location, bucket: int) -> Saved | None:
    """Tell what a bucket has saved that is not opened."""
    place = glimpse_of(folder, bucket)
    if place is None:
        return None
    try:
        return saved_in(place.store)
    finally:
        place.close()


def belongs_to(workspace: Workspace, *, only_read: bool = False) -> Callable[[MemoryStore], str | None]:
    """Make what tells whether a memory is of a workspace; a new one is made its own.

    The key is part of it, as a keyed hash: nothing else tells two workspaces of one cluster apart. A new file gets the
    salt and the numbers of one that was opened before it, so that a value is hashed once for all of them.
    """
    first: MemoryStore | None = None

    def own(salt: bytes) -> int:
        words = f"workspace:{workspace.endpoint}:{workspace.api_key}".encode()
        return int.from_bytes(packed_digest(salt, words), "little", signed=True)

    def belongs(store: MemoryStore) -> str | None:
        nonlocal first
        found = store.meta("workspace")
        if found is None and not only_read:
            found = own((first or store).salt)
            since = datetime.now(UTC).isoformat(timespec="seconds")
            store.begin({"workspace": found, "since": since}, first)
        if found != own(store.salt):
            return "it is of another workspace, or the API key was renewed"
        first = first or store
        return None

    return belongs


def number_of(token: str) -> int:
    """Give the number of a push."""
    return int.from_bytes(sha256(token.encode()).digest()[:8], "big") >> (64 - _BITS)
