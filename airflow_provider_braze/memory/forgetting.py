"""Forgets users who are about to be deleted, merged or identified: what Braze was told of them is gone there.

Above: runs that do so. Below: where a memory is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from airflow_provider_braze.exceptions import describe
from airflow_provider_braze.memory.in_place import Guest
from airflow_provider_braze.memory.opened import MemoryUnwritableError, Place
from airflow_provider_braze.memory.place import exists, folder_of, open_place
from airflow_provider_braze.storage.reports_folder import ReportsFolder


class Forgetting:
    """
    The memory of a connection, while a run changes who its users are.

    :param reports: the reports folder; without one, or without a memory in it, there is nothing to do.
    :param braze_conn_id: the connection.
    :param warn: takes a warning.
    """

    def __init__(
        self, reports: ReportsFolder | None, braze_conn_id: str, warn: Callable[[str], None]
    ) -> None:
        self._folder = folder_of(None, reports, braze_conn_id)
        self._warn = warn
        self._place: Place | Guest | None = None
        self._disbelieved = False

    def forget(self, external_ids: Iterable[str] | None) -> None:
        """Forget users, before the request that changes them goes out.

        :param external_ids: None where it cannot be told who they are: then nothing in the memory is believed any more.
        :raises MemoryUnwritableError: it can neither be written nor set aside.
        """
        if self._disbelieved or self._folder is None or (self._place is None and not exists(self._folder)):
            return
        if self._place is None:
            self._place = open_place(self._folder, lambda _: None, self._warn)
        if isinstance(self._place, Guest):
            return
        if external_ids is None:
            self._disbelieved = True
            self._warn(
                "Users are changed who are not named by external_id, so the memory of what Braze was told is set aside."
            )
            self._place.disbelieve()
            return
        store = self._place.store
        try:
            with store.transaction():
                store.forget_users(map(store.user_id, external_ids))
        except sqlite3.Error as error:
            raise MemoryUnwritableError(
                f"The memory of what Braze was told cannot be written ({describe(error)}): delete it, or make room."
            ) from error

    def close(self) -> None:
        """Let the next push have it."""
        if self._place is not None:
            self._place.close()
