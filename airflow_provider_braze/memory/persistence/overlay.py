"""A file of the memory that is only read, with what a dry run would write beside it: in a file of SQLite's own.

Nobody but this connection sees what is beside it, and it is gone when the connection is closed. Like the memory itself
it needs no more of the machine's memory for more users.

Above: dry runs. Below: the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import astuple, replace

from airflow_provider_braze.memory.persistence.entries import UserEntries
from airflow_provider_braze.memory.persistence.store import CACHE_KIB, MemoryStore, listed, place_of

_TABLES = """
CREATE TEMP TABLE beside
(id INTEGER PRIMARY KEY, at INT, whole_at INT, push INT, fresh INT, entries BLOB, whole INT, shape INT);
CREATE INDEX temp.beside_at ON beside (at);
"""


class Overlay(MemoryStore):
    """
    One file, as it would be after what was written here.

    :param path: where it is.
    :raises UnusableError: it is damaged, or of another version.
    """

    def __init__(self, path: str) -> None:
        self._facts: dict[str, Any] = {}
        super().__init__(path, only_read=True)
        try:
            self._db.execute("PRAGMA temp_store=FILE")
            self._db.execute(f"PRAGMA temp.cache_size=-{CACHE_KIB}")
            self._db.executescript(_TABLES)
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do several things, all or none."""
        # It takes no lock of the file, but sees one state of it to the end.
        self._db.execute("BEGIN")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def meta(self, name: str, default: Any = None) -> Any:
        """Read a fact about the memory."""
        return self._facts[name] if name in self._facts else super().meta(name, default)

    def forget_attribute(self, attribute: str) -> bool:
        """Forget an attribute for all users; whether anything was known of it."""
        known = self.slots.forget(attribute)
        if known:
            self._facts["generation"] = self.meta("generation", 0) + 1
        return known

    def rows(self, ids: Iterable[int]) -> dict[int, UserEntries]:
        """Read some users, those that are known."""
        users = set(ids)
        found = self._db.execute(
            "SELECT beside.id, at, whole_at, push, fresh, entries, whole, shape FROM json_each(?) "
            "CROSS JOIN beside ON beside.id = value",
            (listed(users),),
        )
        beside = {user: UserEntries(*row) for user, *row in found}
        return super().rows(users - beside.keys()) | beside

    def wholes(self, first: int, last: int, push: int, after: float) -> dict[int, int]:
        """Read what one object as a whole is remembered of, but not of users of whom something stands beside it."""
        found = super().wholes(first, last, push, after)
        beside = {
            at for (at,) in self._db.execute("SELECT at FROM beside WHERE at BETWEEN ? AND ?", (first, last))
        }
        return {whole: both for whole, both in found.items() if place_of(both) not in beside}

    def put(self, rows: Collection[tuple[int, UserEntries]]) -> None:
        """Write users beside the file, each at most once."""
        self._db.executemany(
            "INSERT OR REPLACE INTO beside VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(user, *astuple(replace(row, at=abs(row.at)))) for user, row in rows],
        )

    def begin_push(self, number: int, at: str) -> None:
        """Note nothing: nobody asks when."""
