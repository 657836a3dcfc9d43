"""What a watcher has offered: each landed export once, and again while nobody has pushed it; and what is left to push.

A watcher cannot know what becomes of its events. So the marker in the reports folder alone ends an offer, and whoever
takes offers up leaves out what is marked as pushed.

Above: the trigger, which runs for ever, and DAGs. Below: the markers in the reports folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from airflow_provider_braze.redpoint.discovery.search import read_parameter
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder

HANDED_OVER_SECONDS = 10.0
"""An event waits in the triggerer's memory for about a second before it is written to Airflow's database."""

_INDEX = "exports"
_KEY_LENGTH = 16


class AssetStateStore(Protocol):
    """What is used of Airflow's ``asset_state_store``, which is there from 3.3 on."""

    async def aget(self, key: str, default: Any = None) -> Any:
        """Read a value."""

    async def aset(self, key: str, value: Any) -> None:
        """Write a value."""

    async def adelete(self, key: str) -> None:
        """Delete a key that may not exist."""


class Offers:
    """
    Remembers which exports were offered: in memory, and across restarts in Airflow's asset state store.

    The store holds one key for each export, ``{"offered_at": <seconds since the epoch>}``, and one that lists these
    keys, because a store cannot be asked which keys it holds. An offer is written only once its event is surely in
    Airflow's database: what a killed triggerer took with it is offered again.

    :param store: where to remember; None to remember in memory only.
    :param again_after: seconds after which an export that is still not pushed is offered again; None for never.
    :param max_age: seconds after which an offer is forgotten; None for never. It may be set anew at any time.
    """

    def __init__(
        self, store: AssetStateStore | None, *, again_after: float | None, max_age: float | None
    ) -> None:
        self._store = store
        self._again_after = again_after
        self.max_age = max_age
        self._offered: dict[str, float] = {}
        self._stored: dict[str, float] = {}
        self._read = False

    def due(self, items: Sequence[Mapping[str, Any]], now: float) -> list[dict[str, Any]]:
        """Give the exports that are to be offered now.

        :param items: every export that has landed and is not marked as pushed.
        """
        return [dict(item) for item in items if self._is_due(_key(item), now)]

    def _is_due(self, key: str, now: float) -> bool:
        offered_at = self._offered.get(key)
        if offered_at is None:
            return True
        # An offer of the future was noted before the clock was set back: of what it says nothing holds.
        return self._again_after is not None and not 0 <= now - offered_at < self._again_after

    def note(self, items: Iterable[Mapping[str, Any]], now: float) -> None:
        """Note that these exports have been offered."""
        self._offered |= {_key(item): now for item in items}

    async def keep(self, now: float) -> None:
        """Read at first what the store holds; write what is new, and forget what is too old.

        :raises Exception: whatever the store raises; what could not be done is done by a later call.
        """
        if self._store is not None and not self._read:
            await self._read_from(self._store)
            self._read = True
        old = [
            key for key, at in self._offered.items() if self.max_age is not None and now - at > self.max_age
        ]
        for key in old:
            del self._offered[key]
        if self._store is not None:
            await self._write_to(self._store, now)

    async def _read_from(self, store: AssetStateStore) -> None:
        for key in await store.aget(_INDEX, default=[]):
            kept = await store.aget(key)
            # An unknown time is the oldest: better offered again than never.
            self._stored[key] = kept["offered_at"] if kept else 0.0
        self._offered = self._stored | self._offered

    async def _write_to(self, store: AssetStateStore, now: float) -> None:
        new = {
            key: at
            for key, at in self._offered.items()
            if self._stored.get(key) != at and now - at >= HANDED_OVER_SECONDS
        }
        gone = self._stored.keys() - self._offered.keys()
        if new.keys() - self._stored.keys():
            # Listed first: a key that is not listed would stay for ever.
            await store.aset(_INDEX, sorted(self._stored.keys() | new.keys()))
        for key, at in new.items():
            await store.aset(key, {"offered_at": at})
            self._stored[key] = at
        if gone:
            for key in gone:
                await store.adelete(key)
            remaining = self._stored.keys() - gone
            await store.aset(_INDEX, sorted(remaining))
            self._stored = {key: self._stored[key] for key in remaining}


def _key(item: Mapping[str, Any]) -> str:
    return str(item["fingerprint"])[:_KEY_LENGTH]


def older_than(due: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give what has landed before the newest of those due and is not pushed, though it was offered before.

    What failed meanwhile must not be overtaken by what landed after it.

    :param due: exports that are offered now.
    :param items: every export that has landed and is not marked as pushed, oldest first.
    """
    offered = {_key(item) for item in due}
    last = max((at for at, item in enumerate(items) if _key(item) in offered), default=0)
    return [dict(item) for item in items[:last] if _key(item) not in offered]


def left_to_push(offered: Iterable[Mapping[str, Any]], braze_conn_id: str) -> list[dict[str, Any]]:
    """Give the offered exports that are not marked as pushed, each file once, oldest first.

    :param offered: items as the sensor returns them, of any number of offers: ``items`` and ``older`` of each event.
    :param braze_conn_id: the connection they are to be pushed through, read as the operator reads it: from a template,
        where an empty text is the default.
    """
    conn_id = read_parameter("braze_conn_id", braze_conn_id)
    oldest_first = sorted(offered, key=lambda item: (item["modified"] or 0, item["path"]))
    # A file that was replaced between two offers is pushed as it lies there now.
    newest_by_path = {item["path"]: dict(item) for item in oldest_first}
    pushed = {
        folder: ReportsFolder.at(folder).pushed(conn_id)
        for folder in {item["reports_path"] for item in newest_by_path.values()}
    }
    left = [
        item for item in newest_by_path.values() if item["fingerprint"] not in pushed[item["reports_path"]]
    ]
    return sorted(left, key=lambda item: (item["modified"] or 0, item["path"]))
