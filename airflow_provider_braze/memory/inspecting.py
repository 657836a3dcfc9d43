"""What a person may want to know of a memory, and have it forget: for the command line.

Above: the commands. Below: the file, and where it is kept.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError
from airflow_provider_braze.memory.decisions.comparing import Hashes
from airflow_provider_braze.memory.persistence.beginning import FOLDER
from airflow_provider_braze.memory.persistence.buckets import BUCKETS, bucket_of
from airflow_provider_braze.memory.persistence.copied import set_aside_of
from airflow_provider_braze.memory.persistence.entries import UserEntries
from airflow_provider_braze.memory.persistence.opened import Place, close_all
from airflow_provider_braze.memory.persistence.place import (
    Glimpse,
    bucket_folder,
    exclusive,
    exists,
    has_bucket,
)
from airflow_provider_braze.memory.persistence.slots import Slot
from airflow_provider_braze.memory.persistence.store import NAME, MemoryStore, UnusableError
from airflow_provider_braze.memory.rules import ADDED, KEY, REMOVED
from airflow_provider_braze.storage.files import plain
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.reports.browsing import reports_folder_of


def memories(folder: str | None, memory_path: str | None = None) -> list[Location]:
    """Find the memories of a reports folder, or of a folder that an author named: one for each connection.

    :raises BrazeSetupError: the folder cannot be listed.
    """
    root = locate(memory_path) if memory_path else reports_folder_of(str(folder)).root.child(FOLDER)
    try:
        names = sorted(plain.names_in(root))
    except OSError as error:
        raise BrazeSetupError(f"{root.url} cannot be listed ({type(error).__name__}).") from error
    return [root.child(name) for name in names if exists(root.child(name))]


class Glimpses:
    """A memory that is only read, each bucket when it is asked for.

    :param folder: the memory's.
    """

    def __init__(self, folder: Location) -> None:
        self._folder = folder
        self._opened: dict[int, Glimpse] = {}

    def __enter__(self) -> Glimpses:
        return self

    def __exit__(self, *_: object) -> None:
        opened, self._opened = self._opened, {}
        close_all(opened.values())

    def of(self, user: str) -> MemoryStore | None:
        """Give the file of a user's bucket; None where there is none.

        :raises BrazeSetupError: it cannot be used; so says :meth:`all`.
        """
        return self._bucket(bucket_of(user))

    def all(self) -> list[MemoryStore]:
        """Give all files."""
        return [store for bucket in range(BUCKETS) if (store := self._bucket(bucket)) is not None]

    def _bucket(self, bucket: int) -> MemoryStore | None:
        if bucket not in self._opened:
            if not has_bucket(self._folder, bucket):
                return None
            within = bucket_folder(self._folder, bucket)
            try:
                self._opened[bucket] = Glimpse(within)
            except (UnusableError, OSError, ExportRefusedError) as error:
                raise BrazeSetupError(f"The memory in {within.url} cannot be read: {error}.") from error
        return self._opened[bucket].store


def show(folder: Location) -> dict[str, Any]:
    """Say what is in a memory, without anything of a user."""
    with Glimpses(folder) as glimpses:
        stores = glimpses.all()
        saved: Counter[str] = Counter()
        for store in stores:
            saved.update(store.saved())
        sizes = [
            bucket_folder(folder, bucket).child(NAME).stat().size
            for bucket in range(BUCKETS)
            if has_bucket(folder, bucket)
        ]
        pushes = [last for store in stores if (last := store.meta("last_push"))]
        return {
            "memory": folder.url,
            "since": min((since for store in stores if (since := store.meta("since"))), default=None),
            "users": sum(store.users() for store in stores),
            "bytes": sum(sizes),
            "last_push": max(pushes, key=lambda push: str(push.get("at")), default=None),
            "attributes": attributes(stores),
            "data_points_saved": saved.total(),
            "data_points_saved_by_attribute": dict(
                sorted(saved.items(), key=lambda each: (-each[1], each[0]))
            ),
        }


def attributes(stores: Iterable[MemoryStore]) -> list[str]:
    """Name the attributes of which anything is remembered."""
    return sorted({slot[0] for store in stores for slot in store.slots.by_number().values()})


def last_told(folder: Location, user: str) -> str | None:
    """Tell when the push began of which Braze accepted something of a user last; None where it never did."""
    with Glimpses(folder) as glimpses:
        store = glimpses.of(user)
        return None if store is None else store.last_told(user)


def forget(
    folder: Location,
    warn: Callable[[str], None],
    *,
    users: Collection[str] = (),
    attributes: Collection[str] = (),
    everything: bool = False,
) -> int:
    """Have a memory forget users, attributes, or all.

    :param warn: takes a warning: of a file that is damaged, or of another version, all is forgotten.
    :return: how many users or attributes were known.
    :raises BrazeSetupError: a push uses it; then nothing is forgotten.
    """
    known: set[str] = set()
    found = 0
    places: list[Place] = []
    try:
        # All of it, so that a user is forgotten also where a file was set aside.
        for bucket in range(BUCKETS):
            if has_bucket(folder, bucket):
                places.append(exclusive(bucket_folder(folder, bucket), warn))
        for store in (place.store for place in places):
            with store.transaction():
                if everything:
                    found += store.forget_everybody()
                found += store.forget_users(store.user_id(user) for user in users)
                known.update(name for name in map(str.strip, attributes) if store.forget_attribute(name))
    finally:
        close_all(places)
    if users or everything:
        for within in (folder, *(bucket_folder(folder, bucket) for bucket in range(BUCKETS))):
            with contextlib.suppress(FileNotFoundError):
                plain.remove(set_aside_of(within))
    return found + len(known)


def drift(store: MemoryStore, user: str, profile: Mapping[str, Any]) -> Counter[str] | None:
    """Compare what a user's profile holds with what Braze was told.

    :param profile: as ``/users/export/ids`` gives it.
    :return: by attribute how many remembered values it does not hold; None where nothing of the user is remembered.
    """
    row = store.rows([store.user_id(user)]).get(store.user_id(user))
    if row is None:
        return None
    hashes = Hashes(store.digest)
    slots = store.slots.by_number()
    found: Counter[str] = Counter()
    held = {**profile, **(profile.get("custom_attributes") or {})}
    for number, at in UserEntries.parted(row, -1)[1]:
        slot = slots.get(number)
        if slot is not None and not _is_held(slot, at, held, hashes):
            found[f"{slot[0]}.{slot[2]}" if slot[1] == KEY else slot[0]] += 1
    return found


def _is_held(slot: Slot, at: int, held: Mapping[str, Any], hashes: Hashes) -> bool:
    attribute, kind, key = slot
    value = held.get(attribute)
    if kind == KEY:
        value = value.get(key) if isinstance(value, dict) else None
    if kind in (ADDED, REMOVED):
        tags = {hashes.of(tag) for tag in value} if isinstance(value, list) else set()
        return (at in tags) is (kind == ADDED)
    return at in {hashes.of(each) for each in _writings(value)}


def _writings(value: Any) -> list[Any]:
    """Give how a value may have been sent: Braze writes what looks like a date or a time in its own way."""
    found = [value]
    if isinstance(value, str) and value.endswith("Z") and "T" in value:
        day, _, rest = value.partition("T")
        short = value.replace(".000Z", "Z")
        found += [day] if rest.startswith("00:00:00") else []
        found += [short, short[:-1], f"{short[:-1]}+00:00", f"{day} {short[11:-1]}"]
        found += [{"$time": each} for each in found]
    return found
