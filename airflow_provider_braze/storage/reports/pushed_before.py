"""Whether a newer export was pushed before an older one, told without reading thousands of markers.

The markers are the truth. Beside them lies an index whose names say it all, so that one listing reads it:

::

    <reports folder>/order/<braze_conn_id>/exports/<modified, in microseconds>-<set of fields>-<fingerprint>
    <reports folder>/order/<braze_conn_id>/fields/<set of fields>

Every push adds names of its own and changes none, so that any number may write at once. What has a marker and no name
here is read once and added: the index may be deleted at any time. A name whose marker is gone does not count.

Above: a push. Below: the reports folder.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from airflow_provider_braze.exceptions import ExportRefusedError, ReportError
from airflow_provider_braze.storage.files.plain import read_small
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder, safe_name
from airflow_provider_braze.storage.reports.shard_marks import ALL, Part, Parts, ShardMarks

EVERY_FIELD = "*"
"""Stands among the fields of a push whose mapping has a transform: it may set any."""

_FRESH_SECONDS = 30.0
"""For so long a remote listing is good for the exports of one task; what the task itself pushes is added at once."""

_MOST_FIELDS_BYTES = 4_000_000

_AHEAD = 24 * 3600.0
"""Seconds by which the clock of a storage may be ahead of ours: it may be set to another time zone."""


@dataclass(frozen=True, slots=True)
class OverlappingExport:
    """Another export that was pushed, when (ISO 8601), and the fields that it set and the one in hand sets, too."""

    path: str
    modified: float
    fields: tuple[str, ...]
    pushed_at: str | None = None


@dataclass(frozen=True, slots=True)
class _IndexEntry:
    """One name of the index, which sorts by age as it is written."""

    modified: int
    fields: str
    fingerprint: str

    @property
    def name(self) -> str:
        return f"{self.modified:020d}-{self.fields}-{self.fingerprint}"

    @classmethod
    def of(cls, name: str) -> _IndexEntry | None:
        modified, _, rest = name.partition("-")
        fields, _, fingerprint = rest.partition("-")
        return cls(int(modified), fields, fingerprint) if modified.isdecimal() and fingerprint else None


Known = frozenset[str]
"""What was known to be pushed at some moment, as the index names it."""


class PushedBefore:
    """
    Knows what was pushed whole through one connection, by age and fields.

    :param folder: the reports folder.
    :param braze_conn_id: the connection.
    :param part: whose users are asked about: of exports that are half pushed, those count that went out to them.
    :param clock: monotonic seconds.
    """

    def __init__(
        self,
        folder: ReportsFolder,
        braze_conn_id: str,
        part: Part = ALL,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._conn_id, self._clock = folder, braze_conn_id, clock
        self._part, self._marks = part, ShardMarks(folder, braze_conn_id)
        self._half: dict[str, Parts] = {}
        self._name = f"order/{safe_name(braze_conn_id)}"
        # There may be tens of thousands: they stay text until one is looked at.
        self._names: list[str] = []
        self.known: Known = frozenset()
        """What is known to be pushed now, for :meth:`pushed_since`."""
        self._fields: dict[str, frozenset[str]] = {}
        self._listed_at = float("-inf")

    def counted_as(self, modified: float | None, fingerprint: str) -> float | None:
        """Give the time that decides which of two exports is older, in seconds since the epoch.

        A time that is still to come would make every other export late until then. It counts as that of the first push.

        :param modified: when the export was last changed, as its storage says.
        :param fingerprint: of the export.
        :raises ReportError: the reports folder cannot be read.
        """
        now = time.time()
        if modified is None or modified <= now + _AHEAD:
            return modified
        try:
            first = self._folder.marker(self._conn_id, fingerprint).modified
        except OSError as error:
            raise ReportError(
                f"{self._folder.root.url} cannot be read ({type(error).__name__}), so it cannot be told when the "
                "export was pushed first."
            ) from error
        return now if first is None else min(first, now)

    def newest_overlapping(self, modified: float | None, fields: Collection[str]) -> OverlappingExport | None:
        """Give the newest export that was pushed before, is newer than this one, and set one of the same fields.

        :param modified: when this export was last changed; None, where its storage does not tell, is never too old.
        :param fields: those that this export sets.
        :raises ReportError: the reports folder cannot be read.
        """
        if modified is None or not fields:
            return None
        try:
            self._list()
            for name in reversed(self._names):
                if (entry := _IndexEntry.of(name)) is None:
                    continue
                if entry.modified <= _microseconds(modified):
                    break
                common = shared(frozenset(fields), self._fields_of(entry.fields))
                if common and (found := self._read(entry, common)):
                    return found
        except (OSError, ExportRefusedError) as error:
            raise ReportError(
                f"{self._folder.root.url} cannot be read ({type(error).__name__}), so it cannot be told whether a "
                "newer export was pushed before."
            ) from error
        return None

    def pushed_since(self, known: Known, fields: Collection[str], *, but: str) -> list[OverlappingExport]:
        """Give what others have pushed since then that set one of the same fields, the oldest first.

        Whoever marks an export and asks only then misses nobody who does the same: of two, at least one sees the other.

        :param known: what was known then.
        :param but: fingerprint of the export that is asked for.
        :raises OSError: the reports folder cannot be read.
        """
        news = {name for name in set(self._listed()) - known if _fingerprint_of(name) != but}
        if not news:
            return []
        self._listed_at = float("-inf")
        self._list()
        found = []
        for name in self._names:
            if name in news and (entry := _IndexEntry.of(name)) is not None:
                common = shared(frozenset(fields), self._fields_of(entry.fields))
                other = self._read(entry, common) if common else None
                found += [other] if other else []
        return found

    def add(self, fingerprint: str, modified: float | None, fields: Collection[str] | None) -> None:
        """Take in an export whose marker was just written."""
        written = json.dumps(sorted(fields or ())).encode()
        entry = _IndexEntry(
            _microseconds(modified or 0.0), hashlib.sha256(written).hexdigest()[:16], fingerprint
        )
        self._folder.write(f"{self._name}/fields/{entry.fields}", written)
        self._folder.write(f"{self._name}/exports/{entry.name}", b"")
        self._fields[entry.fields] = frozenset(fields or ())
        self.known |= {entry.name}
        self._names = sorted({*self._names, entry.name})

    def _list(self) -> None:
        if self._clock() - self._listed_at < (0.0 if self._folder.root.is_local else _FRESH_SECONDS):
            return
        listed = self._listed()
        # Listed after the index: what is marked between the two is read, rather than missed.
        marks = self._marks.all()
        pushed = self._folder.pushed(self._conn_id)
        self._half = {
            fingerprint: parts
            for fingerprint, parts in marks.items()
            if fingerprint not in pushed and parts.concern(self._part)
        }
        known = pushed | self._half.keys()
        self.known = frozenset(listed)
        self._names = sorted(name for name in listed if _fingerprint_of(name) in known)
        if unknown := known.difference(map(_fingerprint_of, listed)):
            for fingerprint, marker in self._markers(unknown).items():
                # A marker of an older version tells nothing; that is noted, too.
                self.add(fingerprint, marker.modified, marker.set_fields)
        self._listed_at = self._clock()

    def _listed(self) -> list[str]:
        return self._folder.names_in(f"{self._name}/exports")

    def _markers(self, among: Collection[str]) -> dict[str, Marker]:
        """Read the markers of some exports; of those that are half pushed, the mark of a shard."""
        half = {
            each: mark
            for each in among
            if (parts := self._half.get(each)) is not None
            and (mark := self._marks.read(each, min(parts.found))) is not None
        }
        return half | self._folder.markers(self._conn_id, among)

    def _fields_of(self, name: str) -> frozenset[str]:
        if name not in self._fields:
            try:
                written = json.loads(
                    read_small(self._folder.root.child(f"{self._name}/fields/{name}"), _MOST_FIELDS_BYTES)
                )
                self._fields[name] = frozenset(map(str, written))
            except (FileNotFoundError, ValueError, TypeError, RecursionError):
                # Half an index: better one more export called late than one that is not.
                self._fields[name] = frozenset({EVERY_FIELD})
        return self._fields[name]

    def _read(self, entry: _IndexEntry, common: frozenset[str]) -> OverlappingExport | None:
        marker = self._markers([entry.fingerprint]).get(entry.fingerprint)
        if marker is None:
            return None
        fields = tuple(sorted(common))
        return OverlappingExport(
            marker.path or entry.fingerprint, entry.modified / 1e6, fields, marker.pushed_at
        )


def _fingerprint_of(name: str) -> str:
    return name.rpartition("-")[2]


def shared(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    """Give the fields that both set; whoever sets an object as a whole sets each key of it."""
    if EVERY_FIELD in one:
        return other
    if EVERY_FIELD in other:
        return one
    return (one & (other | _objects_of(other))) | (other & _objects_of(one))


def _objects_of(fields: frozenset[str]) -> frozenset[str]:
    return frozenset(name[:at] for name in fields for at in range(1, len(name)) if name[at] == ".")


def _microseconds(modified: float) -> int:
    return max(0, round(modified * 1e6))
