"""How many users there are in what was planned: each once, however far apart, also across the exports of a list.

Above: plans. Below: SQLite, which keeps digests in a file without a name, so that memory stays constant.
"""

from __future__ import annotations

import secrets
import sqlite3
import tempfile
from collections.abc import Iterable
from hashlib import blake2b

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.users_track.batching.record_block import Key, kind_of

_DIGEST_BYTES = 8
"""Of ten million users, two have the same digest with a chance of one in 300,000: then one is not counted."""

_AT_ONCE = 20_000
"""Digests that are put into the file together, in their order, which is several times as fast as one by one."""

_SETTINGS = """
PRAGMA journal_mode = OFF; PRAGMA cache_size = -8000; PRAGMA temp_store = FILE;
CREATE TABLE users (digest INTEGER PRIMARY KEY, export INTEGER NOT NULL);
"""
"""Of a file that nobody reads again; 8 MB of it are held in memory."""


class UserCount:
    """Counts users.

    Nothing of a user can be read back from the file: the digests are keyed, and the key is never written. Nobody else
    can open it, and it is gone when the process ends, however that happens.

    :raises BrazeError: from every method: there is no room for the file.

    ``total`` counts each user once; ``here`` those since the last :meth:`begin`. Both are right after :meth:`settle`.
    ``kinds`` are the kinds of identifiers that were counted, ``kinds_here`` those since then: nobody can tell that an
    external id and an e-mail address are of the same user, so of several kinds the counts are an upper bound.
    """

    def __init__(self) -> None:
        self.total = 0
        self.here = 0
        self.kinds: set[str] = set()
        self.kinds_here: set[str] = set()
        self._export = 0
        self._key = secrets.token_bytes(32)
        self._waiting: set[int] = set()
        self._file: sqlite3.Connection | None = None

    def begin(self) -> None:
        """Go on with another export."""
        self.settle()
        self._export += 1
        self.here = 0
        self.kinds_here = set()

    def add(self, users: Iterable[Key]) -> None:
        """Count some users."""
        waiting, key, kinds = self._waiting, self._key, self.kinds_here
        for user in users:
            kinds.add(kind_of(user))
            # A name of an identifier beside its value is a tuple, and so never looks like an external id alone.
            digest = blake2b(repr(user).encode(), digest_size=_DIGEST_BYTES, key=key).digest()
            waiting.add(int.from_bytes(digest, signed=True))
        self.kinds |= kinds
        if len(waiting) >= _AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Bring ``total`` and ``here`` up to date."""
        if not self._waiting:
            return
        digests = sorted(self._waiting)
        self._waiting.clear()
        try:
            file = self._open()
            before = file.total_changes
            file.execute("BEGIN")
            file.executemany(
                "INSERT OR IGNORE INTO users VALUES (?, ?)", ((digest, self._export) for digest in digests)
            )
            self.total += file.total_changes - before
            if self._export > 1:
                # Of those that an earlier export has, too.
                file.executemany(
                    "UPDATE users SET export = ?1 WHERE digest = ?2 AND export <> ?1",
                    ((self._export, digest) for digest in digests),
                )
            file.execute("COMMIT")
            self.here += file.total_changes - before
        except sqlite3.Error as error:
            raise BrazeError(
                f"The users of the plan cannot be counted ({error}): that takes 20 bytes for each in the folder for "
                f"temporary files. Make room there, or let SQLITE_TMPDIR name another one than {tempfile.gettempdir()}."
            ) from error

    def close(self) -> None:
        """Give the file up; the counts stay."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> sqlite3.Connection:
        if self._file is None:
            # Without a name, SQLite makes a temporary file that nobody else can find, once its cache is full.
            self._file = sqlite3.connect("", isolation_level=None)
            self._file.executescript(_SETTINGS)
        return self._file
