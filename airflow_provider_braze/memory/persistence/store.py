"""One file of a memory, for the users of one bucket: SQLite, users by a keyed hash of their ``external_id``.

Everything is read and written in batches, each in one transaction. What a transaction wrote is in the file when it
ends: the memory has forgotten what is about to be changed at Braze before the request goes out.

Users lie in the order in which they were met first, as the next export will most likely have them again: so a batch is
read from one stretch of the file, and new users are written at its end. Where a user lies, a table of its own tells.

Above: the memory, which knows what the entries mean. Below: the standard library.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any
from urllib.parse import quote

from msgspec.structs import astuple, replace

from airflow_provider_braze.memory.persistence.buckets import BUCKETS, bucket_of
from airflow_provider_braze.memory.persistence.entries import DIGEST_BYTES, UserEntries, packed_digest
from airflow_provider_braze.memory.persistence.shapes import MOST_SHAPES, Shapes
from airflow_provider_braze.memory.persistence.slots import Slots

VERSION = 4

NAME = "memory.sqlite"
_COMPANIONS = ("", "-wal", "-shm", "-journal")

_SALT_BYTES = 32
_WAIT_SECONDS = 60.0

CACHE_KIB = 6_000 // BUCKETS
"""Of one file; of all files of a memory together it is 6 MB."""

_BUCKET_BITS = 5
_BUCKET = (1 << _BUCKET_BITS) - 1
"""The last bits of the number of a user are their bucket's."""

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE slots (number INTEGER PRIMARY KEY, attribute TEXT, kind TEXT, key TEXT);
CREATE TABLE users (at INTEGER PRIMARY KEY, whole INT, shape INT, whole_at INT, push INT, fresh INT, entries BLOB);
CREATE TABLE places (id INTEGER PRIMARY KEY, at INT);
CREATE TABLE shapes (number INTEGER PRIMARY KEY, names TEXT, more TEXT, "values" INT);
CREATE TABLE pushes (number INTEGER PRIMARY KEY, at TEXT NOT NULL);
CREATE TABLE saved (attribute TEXT PRIMARY KEY, points INTEGER NOT NULL) WITHOUT ROWID;
"""


_SHAPE_BITS = MOST_SHAPES.bit_length()


SHAPE = (1 << _SHAPE_BITS) - 1


def place_of(both: int) -> int:
    """Give the place out of what :meth:`MemoryStore.wholes` gives of a user."""
    return both >> _SHAPE_BITS


def hash_of_number(user: int) -> int:
    """Give the hash of a user of whom the number is known, the same for users of all buckets."""
    return user >> _BUCKET_BITS


def bucket_of_number(user: int) -> int:
    """Give the bucket of a user of whom the number is known."""
    return user & _BUCKET


def listed(ids: Iterable[int]) -> str:
    """Give numbers as SQLite reads many of them at once."""
    return json.dumps(sorted(ids))


class UnusableError(Exception):
    """The file is no memory, or none of this version or workspace; the text says which."""


class MemoryStore:
    """
    One open file.

    :param path: where it is; it is made, for its owner alone, when it is not there. Empty: where SQLite likes to have
        it, in a new file that is gone when it is closed.
    :param synchronous: what a power failure takes back, as SQLite calls it: nothing that a transaction wrote
        (``FULL``); what was written since it was opened (``NORMAL``); or all, and it leaves the file damaged
        (``OFF``). Whatever ends this process alone takes nothing back.
    :param only_read: change nothing.
    :raises UnusableError: it is damaged, or of another version.
    """

    def __init__(self, path: str, *, synchronous: str = "FULL", only_read: bool = False) -> None:
        self._only_read = only_read
        new = not os.path.exists(path)
        if new and path:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._db = sqlite3.connect(
            f"file:{quote(path)}?mode={'ro' if only_read else 'rw'}",
            timeout=_WAIT_SECONDS,
            isolation_level=None,
            uri=True,
        )
        try:
            self._open(new=new, synchronous=synchronous)
        except BaseException as error:
            self._db.close()
            if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
                raise
            if isinstance(error, sqlite3.Error | ValueError | KeyError | TypeError):
                raise UnusableError(f"it is damaged ({type(error).__name__})") from error
            raise

    def _open(self, *, new: bool, synchronous: str) -> None:
        db = self._db
        if not self._only_read:
            db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        if new:
            with self.transaction():
                for statement in _TABLES.strip().splitlines():
                    db.execute(statement)
                self.put_meta("version", VERSION)
                self.put_meta("salt", secrets.token_hex(_SALT_BYTES))
                self.put_meta("next_slot", 1)
        if self.meta("version") != VERSION:
            raise UnusableError("it is of another version of this provider")
        self.salt = bytes.fromhex(self.meta("salt"))
        known = [
            (number, (attribute, kind, key))
            for number, attribute, kind, key in db.execute("SELECT number, attribute, kind, key FROM slots")
        ]
        self.slots = Slots(known, self.meta("next_slot"))
        self.shapes = Shapes(db.execute('SELECT number, names, more, "values" FROM shapes'))
        db.execute("SELECT at, whole_at, push, fresh, entries, whole, shape FROM users LIMIT 1").fetchone()
        db.execute("SELECT id FROM places LIMIT 1").fetchone()
        self._last_place = int(db.execute("SELECT COALESCE(MAX(at), 0) FROM users").fetchone()[0])

    def begin(self, facts: Mapping[str, Any], like: MemoryStore | None) -> None:
        """Write the first facts about a memory that is new.

        :param like: a file whose salt and whose numbers of slots it gets (default: it keeps its own).
        """
        with self.transaction():
            if like is not None:
                self.put_meta("salt", like.salt.hex())
                self.slots.begin_like(like.slots)
            for name, value in facts.items():
                self.put_meta(name, value)
        self.salt = self.salt if like is None else like.salt

    def close(self) -> bool:
        """Write everything into the one file, and close it; whether a power failure can take nothing back any more."""
        try:
            if self._only_read:
                return True
            # Somebody who only looks may keep a part of it waiting in the log.
            return not self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Do several things, all or none; they are on disk at the end."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._write_new_numbers()
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _write_new_numbers(self) -> None:
        slots: Slots | None = getattr(self, "slots", None)
        if slots is not None and slots.new:
            self._db.executemany(
                "INSERT INTO slots VALUES (?, ?, ?, ?)", [(number, *slot) for number, slot in slots.new]
            )
            self.put_meta("next_slot", slots.next_number)
            slots.new = []
        shapes: Shapes | None = getattr(self, "shapes", None)
        if shapes is not None and (new := shapes.new()):
            self._db.executemany("INSERT INTO shapes VALUES (?, ?, ?, ?)", new)

    def meta(self, name: str, default: Any = None) -> Any:
        """Read a fact about the memory."""
        found = self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if found is None else json.loads(found[0])

    def put_meta(self, name: str, value: Any) -> None:
        """Write a fact about the memory."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))

    def user_id(self, external_id: str) -> int:
        """Give the number of a user: their hash, and in its last bits their bucket."""
        return self.user_ids((external_id,))[0]

    def user_ids(self, external_ids: Sequence[str]) -> list[int]:
        """Give the numbers of users who are all of this file's bucket."""
        if not external_ids:
            return []
        texts = [each.encode("utf-8", "surrogatepass") for each in external_ids]
        bucket = bucket_of(external_ids[0])
        return [hashed & ~_BUCKET | bucket for hashed in self.hashes(b"user:", texts)]

    def digest(self, content: bytes) -> int:
        """Hash something with the salt, to a whole number."""
        return int.from_bytes(packed_digest(self.salt, content), "little", signed=True)

    def hashes(self, prefix: bytes, contents: Iterable[bytes]) -> Sequence[int]:
        """Hash many things with the memory's own salt and a prefix, to whole numbers."""
        begin = self.salt + prefix
        found = [blake2b(begin + content).digest()[:DIGEST_BYTES] for content in contents]
        return struct.unpack(f"<{len(found)}q", b"".join(found))

    def rows(self, ids: Iterable[int]) -> dict[int, UserEntries]:
        """Read some users, those that are known."""
        found = self._db.execute(
            "SELECT places.id, users.at, whole_at, push, fresh, entries, whole, shape FROM json_each(?) "
            "CROSS JOIN places ON places.id = value CROSS JOIN users ON users.at = places.at",
            # Neighbours in the file are read one after the other.
            (listed(ids),),
        )
        return {user: UserEntries(*row) for user, *row in found}

    def wholes(self, first: int, last: int, push: int, after: float) -> dict[int, int]:
        """Read of which users in a stretch of the file one object as a whole is remembered.

        :param push: what this one has told itself is left out.
        :param after: what was not taken for up to date since then is left out, in seconds since the epoch.
        :return: by the hash of the object the user's place, and in its last bits (``SHAPE``) the object's shape.
        """
        found = self._db.execute(
            "SELECT whole, at << ? | shape FROM users WHERE at BETWEEN ? AND ? AND whole <> 0 AND whole_at > ? "
            "AND (push <> ? OR fresh = 0)",
            (_SHAPE_BITS, first, last, after, push),
        )
        return dict(found.fetchall())

    def new_places(self, count: int) -> range:
        """Give places at the end of the file to users who are not in it; negative, until something is put there."""
        first, self._last_place = self._last_place + 1, self._last_place + count
        return range(-first, -first - count, -1)

    def put(self, rows: Collection[tuple[int, UserEntries]]) -> None:
        """Write users, each at most once."""
        if not rows:
            return
        if new := sorted([(user, -row.at) for user, row in rows if row.at < 0]):
            before = self._db.total_changes
            # Sorted, they go into the tree from one end to the other.
            self._db.executemany("INSERT OR IGNORE INTO places VALUES (?, ?)", new)
            if self._db.total_changes - before < len(new):
                rows = self._at_their_places(rows)
        self._db.executemany(
            "INSERT OR REPLACE INTO users (at, whole_at, push, fresh, entries, whole, shape) "
            "VALUES (abs(?), ?, ?, ?, ?, ?, ?)",
            # By place, which comes first: new ones go to the end of the file, one after the other.
            sorted([astuple(row) for _, row in rows], reverse=True),
        )

    def _at_their_places(self, rows: Collection[tuple[int, UserEntries]]) -> list[tuple[int, UserEntries]]:
        """Keep users where they lie already: nobody may be at two places."""
        places = self.places([user for user, row in rows if row.at < 0])
        return [(user, replace(row, at=places.get(user, row.at))) for user, row in rows]

    def places(self, ids: Iterable[int]) -> dict[int, int]:
        """Tell where some users lie, those that are known."""
        found = self._db.execute(
            "SELECT places.id, at FROM json_each(?) CROSS JOIN places ON places.id = value",
            (listed(ids),),
        )
        return dict(found.fetchall())

    def begin_push(self, number: int, at: str) -> None:
        """Note when a push began, which users name as the last that told something of them."""
        self._db.execute("INSERT OR IGNORE INTO pushes VALUES (?, ?)", (number, at))

    def last_told(self, external_id: str) -> str | None:
        """Tell when the push began of which Braze accepted something of a user last, ISO 8601."""
        found = self._db.execute(
            "SELECT pushes.at FROM places JOIN users ON users.at = places.at JOIN pushes ON number = push WHERE id = ?",
            (self.user_id(external_id),),
        ).fetchone()
        return None if found is None else str(found[0])

    def forget_users(self, ids: Iterable[int]) -> int:
        """Forget users, so that nothing of them is left in the file; how many were known."""
        self._db.execute("PRAGMA secure_delete=ON")
        users = [(user,) for user in ids]
        self._db.executemany("DELETE FROM users WHERE at = (SELECT at FROM places WHERE id = ?)", users)
        before = self._db.total_changes
        self._db.executemany("DELETE FROM places WHERE id = ?", users)
        return self._db.total_changes - before

    def forget_everybody(self) -> int:
        """Forget all users; how many there were."""
        self._db.execute("PRAGMA secure_delete=ON")
        self._db.execute("DELETE FROM users")
        return self._db.execute("DELETE FROM places").rowcount

    def forget_attribute(self, attribute: str) -> bool:
        """Forget an attribute for all users; whether anything was known of it."""
        known = self.slots.forget(attribute)
        if known:
            self._db.execute("DELETE FROM slots WHERE attribute = ?", (attribute,))
            # What was hashed together with it is not believed any more, whoever's it is.
            self.put_meta("generation", self.meta("generation", 0) + 1)
            # Numbers that were given to nobody yet are not given again, either.
            self.put_meta("next_slot", self.slots.next_number)
        return known

    def users(self) -> int:
        """Count the users."""
        return int(self._db.execute("SELECT COUNT(*) FROM places").fetchone()[0])

    def add_saved(self, points: Mapping[str, int]) -> None:
        """Add data points that were saved, by attribute."""
        self._db.executemany(
            "INSERT INTO saved VALUES (?, ?) ON CONFLICT (attribute) DO UPDATE SET points = points + excluded.points",
            [*points.items()],
        )

    def saved(self) -> dict[str, int]:
        """Give the data points that were saved since the memory began, by attribute, most first."""
        return dict(self._db.execute("SELECT attribute, points FROM saved ORDER BY points DESC, attribute"))


def set_aside(path: str) -> None:
    """Give a memory that cannot be used another name, in place of an older one that was set aside."""
    for ending in _COMPANIONS:
        try:
            if ending:
                os.unlink(path + ending)
            else:
                os.replace(path, f"{path}.set-aside")
        except FileNotFoundError:
            continue
