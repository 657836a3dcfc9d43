"""Forgets users who are about to be deleted, merged or identified: what Braze was told of them is gone there.

Above: runs that do so. Below: where a memory is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airflow_provider_braze.exceptions import describe
from airflow_provider_braze.memory.persistence.beginning import Unheard, unheard
from airflow_provider_braze.memory.persistence.buckets import BUCKETS, by_bucket
from airflow_provider_braze.memory.persistence.in_place import Guest
from airflow_provider_braze.memory.persistence.opened import (
    DAMAGED,
    Place,
    close_all,
    give_up,
    not_brought_back,
)
from airflow_provider_braze.memory.persistence.place import bucket_folder, exists, is_here, open_place
from airflow_provider_braze.storage.files.location import Location


class Forgetting:
    """
    The memory of a connection, while a run changes who its users are.

    :param folder: of the memory; without one, or where there is no memory, there is nothing to do.
    :param warn: takes a warning.
    """

    def __init__(self, folder: Location | None, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._warn = warn
        self._places: dict[int, Place | Guest] = {}
        self._unheard: Unheard | None = None
        self._disbelieved = False

    def forget(self, external_ids: Iterable[str] | None) -> None:
        """Forget users, before the request that changes them goes out.

        :param external_ids: None where it cannot be told who they are: then nothing in the memory is believed any more.
        :raises MemoryUnwritableError: it can neither be written nor set aside.
        """
        if self._disbelieved or self._folder is None or not self._is_there(self._folder):
            return
        if external_ids is None:
            self._warn(
                "Users are changed who are not named by external_id, so the memory of what Braze was told is set aside."
            )
            for bucket in range(BUCKETS):
                self._place(self._folder, bucket).disbelieve()
            self._disbelieved = True
            return
        users = [*external_ids]
        for bucket, indexes in by_bucket(users).items():
            place = self._place(self._folder, bucket)
            if not isinstance(place, Guest):
                self._forget(place, [users[at] for at in indexes])

    def _is_there(self, folder: Location) -> bool:
        if self._places or not is_here(folder):
            return bool(self._places) or exists(folder)
        if self._unheard is None:
            self._unheard = unheard(folder, begins=False)
        return self._unheard is None

    def _place(self, folder: Location, bucket: int) -> Place | Guest:
        found = self._places.get(bucket)
        if found is None:
            within = bucket_folder(folder, bucket)
            found = self._places[bucket] = open_place(within, lambda _: None, self._warn)
        return found

    def _forget(self, place: Place, external_ids: Iterable[str]) -> None:
        try:
            with place.store.transaction():
                place.store.forget_users(map(place.store.user_id, external_ids))
        except (*DAMAGED, OSError) as error:
            give_up(place, f"it cannot be used ({describe(error)})", self._warn)

    def close(self) -> None:
        """Let the next push have it."""
        places, self._places = self._places, {}
        try:
            close_all([*places.values(), *filter(None, [self._unheard])])
        except Exception as error:
            # What the run did is still to be reported.
            self._warn(not_brought_back(error))
