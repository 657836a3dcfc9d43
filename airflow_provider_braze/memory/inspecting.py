"""What a person may want to know of a memory, and have it forget: for the command line.

Above: the commands. Below: the file, and where it is kept.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from airflow_provider_braze.exceptions import BrazeSetupError, ExportRefusedError, describe
from airflow_provider_braze.memory.decisions.comparing import Hashes
from airflow_provider_braze.memory.persistence.beginning import FOLDER
from airflow_provider_braze.memory.persistence.buckets import BUCKETS, bucket_of
from airflow_provider_braze.memory.persistence.copied import set_aside_of
from airflow_provider_braze.memory.persistence.entries import UserEntries
from airflow_provider_braze.memory.persistence.opened import (
    DAMAGED,
    Place,
    close_all,
    damaged_text,
    warn_of,
)
from airflow_provider_braze.memory.persistence.place import (
    Glimpse,
    bucket_folder,
    exclusive,
    exists,
    has_bucket,
)
from airflow_provider_braze.memory.persistence.slots import Slot
from airflow_provider_braze.memory.persistence.store import NAME, MemoryStore
from airflow_provider_braze.memory.rules import ADDED, KEY, REMOVED
from airflow_provider_braze.storage.files import plain
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.reports.browsing import reports_folder_of

T = TypeVar("T")


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

    ``problems`` says why buckets cannot be read, each once; the others can.

    :param folder: the memory's.
    """

    def __init__(self, folder: Location) -> None:
        self._folder = folder
        self._opened: dict[int, Glimpse] = {}
        self._problems: dict[int, str] = {}

    def __enter__(self) -> Glimpses:
        return self

    def __exit__(self, *_: object) -> None:
        opened, self._opened = self._opened, {}
        close_all(opened.values())

    @property
    def problems(self) -> list[str]:
        """Say why buckets cannot be read."""
        return [text for _, text in sorted(self._problems.items())]

    def can_read(self, user: str) -> bool:
        """Tell whether nothing was found wrong with the file of a user's bucket."""
        return bucket_of(user) not in self._problems

    def of(self, user: str, asked: Callable[[MemoryStore], T]) -> T | None:
        """Ask the file of a user's bucket; None where there is none, or it cannot be read."""
        return self._ask(bucket_of(user), asked)

    def all(self, asked: Callable[[MemoryStore], T]) -> list[T]:
        """Ask all files that can be read."""
        found = (self._ask(bucket, asked) for bucket in range(BUCKETS))
        return [each for each in found if each is not None]

    def _ask(self, bucket: int, asked: Callable[[MemoryStore], T]) -> T | None:
        if bucket in self._problems:
            return None
        within = bucket_folder(self._folder, bucket)
        try:
            if bucket not in self._opened:
                if not has_bucket(self._folder, bucket):
                    return None
                self._opened[bucket] = Glimpse(within)
            return asked(self._opened[bucket].store)
        except DAMAGED as error:
            self._problems[bucket] = (
                f"The memory in {within.url} cannot be read: {damaged_text(error)}. The push that meets that sets it "
                "aside, and sends everything to its users."
            )
        except (OSError, ExportRefusedError) as error:
            self._problems[bucket] = f"The memory in {within.url} cannot be read: {describe(error)}."
        return None


class _Facts(NamedTuple):
    """What a file says of itself."""

    since: str | None
    users: int
    last_push: Mapping[str, Any]
    attributes: frozenset[str]
    saved: Mapping[str, int]


def _facts(store: MemoryStore) -> _Facts:
    since = store.meta("since")
    return _Facts(
        None if since is None else str(since),
        store.users(),
        dict(store.meta("last_push") or {}),
        attributes_of(store),
        {str(attribute): int(points) for attribute, points in store.saved().items()},
    )


def show(folder: Location) -> dict[str, Any]:
    """Say what is in a memory, without anything of a user; of files that cannot be read, which they are."""
    with Glimpses(folder) as glimpses:
        found, problems = glimpses.all(_facts), glimpses.problems
    saved: Counter[str] = Counter()
    for each in found:
        saved.update(each.saved)
    return {
        "memory": folder.url,
        "since": min((each.since for each in found if each.since), default=None),
        "users": sum(each.users for each in found),
        "bytes": sum(_size(folder, bucket) for bucket in range(BUCKETS)),
        "last_push": max(
            filter(None, (each.last_push for each in found)),
            key=lambda push: str(push.get("at")),
            default=None,
        ),
        "attributes": sorted(frozenset().union(*(each.attributes for each in found))),
        "data_points_saved": saved.total(),
        "data_points_saved_by_attribute": dict(sorted(saved.items(), key=lambda each: (-each[1], each[0]))),
        "unreadable": problems,
    }


def _size(folder: Location, bucket: int) -> int:
    try:
        return bucket_folder(folder, bucket).child(NAME).stat().size
    except (OSError, ExportRefusedError):
        return 0


def attributes_of(store: MemoryStore) -> frozenset[str]:
    """Name the attributes of which anything is remembered."""
    return frozenset(str(slot[0]) for slot in store.slots.by_number().values())


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
        for place in places:
            try:
                with place.store.transaction():
                    found += _forget(place.store, users, everything=everything)
                    known.update(filter(place.store.forget_attribute, map(str.strip, attributes)))
            except DAMAGED as error:
                warn_of(damaged_text(error), warn)
                place.disbelieve()
    finally:
        close_all(places)
    if users or everything:
        for within in (folder, *(bucket_folder(folder, bucket) for bucket in range(BUCKETS))):
            with contextlib.suppress(FileNotFoundError):
                plain.remove(set_aside_of(within))
    return found + len(known)


def _forget(store: MemoryStore, users: Iterable[str], *, everything: bool) -> int:
    known = store.forget_everybody() if everything else 0
    return known + store.forget_users(map(store.user_id, users))


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
