"""Which shards of an export have gone through: an export is marked as pushed when all of them have.

::

    <reports folder>/shards/<braze_conn_id>/<fingerprint>-<k>-of-<n>

Each shard leaves a mark of its own, and looks at the marks only after that: so of two that end at the same moment, at
least one sees all, and no lock is needed. The marks go when the export's own marker is there, which ends what they say.

Above: a push. Below: the reports folder.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.files.plain import read_small, remove
from airflow_provider_braze.storage.reports.markers import MOST_MARKER_BYTES, Marker
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder, safe_name

FOLDER = "shards"

_NAME = re.compile(r"(.+)-([0-9]{1,6})-of-([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One shard of an export: number ``number`` of ``of``."""

    of: int
    number: int


ALL = Part(1, 1)
"""All users: what a push has to do with that is parted by no shards."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The shards of one export that have gone through, while the export itself is not marked as pushed."""

    found: frozenset[Part] = field(default_factory=frozenset)

    def are_all(self, of: int) -> bool:
        """Tell whether all of so many have."""
        return all(Part(of, number) in self.found for number in range(1, of + 1))

    def concern(self, part: Part) -> bool:
        """Tell whether any of its users went with a shard that has: those of another number may be anybody."""
        return part in self.found or self.other_than(part.of) is not None

    def other_than(self, of: int) -> int | None:
        """Give another number of shards than this one that some have gone through with; None where there is none."""
        return min((part.of for part in self.found if part.of != of), default=None)


class ShardMarks:
    """
    Reads and writes the marks of one connection.

    :param folder: the reports folder.
    :param braze_conn_id: the connection.
    """

    def __init__(self, folder: ReportsFolder, braze_conn_id: str) -> None:
        self._folder, self._conn_id = folder, braze_conn_id
        self._name = f"{FOLDER}/{safe_name(braze_conn_id)}"

    @property
    def root(self) -> Location:
        """Where they lie."""
        return self._folder.root.child(self._name)

    def all(self) -> Mapping[str, Parts]:
        """Give the shards that have gone through, by the fingerprint of their exports, marked as pushed or not.

        :raises OSError: they cannot be listed.
        """
        found: defaultdict[str, set[Part]] = defaultdict(set)
        for name in self._folder.names_in(self._name):
            if (read := _NAME.fullmatch(name)) is not None:
                found[read[1]].add(Part(int(read[3]), int(read[2])))
        return {fingerprint: Parts(frozenset(parts)) for fingerprint, parts in found.items()}

    def of(self, fingerprint: str) -> Parts:
        """Give the shards of an export that have gone through; none once it is marked as pushed.

        :raises OSError: they cannot be listed.
        """
        found = self.all().get(fingerprint, Parts())
        if found.found and fingerprint in self._folder.pushed(self._conn_id):
            # Where all are still there, whoever wrote the marker had no time left to take them away; those of some are
            # of a push that has begun anew, and sees itself through.
            if any(found.are_all(part.of) for part in found.found):
                self.clear(fingerprint)
            return Parts()
        return found

    def read(self, fingerprint: str, part: Part) -> Marker | None:
        """Read a mark; one that cannot be read tells nothing, and is there all the same. None: it is not there.

        :raises ConnectionError: its storage is out of reach.
        """
        try:
            return Marker.read(
                read_small(self._folder.root.child(self._name_of(fingerprint, part)), MOST_MARKER_BYTES)
            )
        except FileNotFoundError:
            return None
        except ConnectionError:  # nobody knows what is there
            raise
        except (OSError, ExportRefusedError):
            return Marker()

    def leave(self, fingerprint: str, part: Part, mark: Marker) -> None:
        """Say that a shard has gone through."""
        self._folder.write(self._name_of(fingerprint, part), mark.written())

    def marker_of(self, fingerprint: str, of: int, own: Marker) -> Marker | None:
        """Give the marker of an export of which all shards have gone through; None where one is missing.

        :param own: what the shard that asks would say, which has left its mark.
        """
        if not self.all().get(fingerprint, Parts()).are_all(of):
            return None
        fields: frozenset[str] = frozenset()
        marks: dict[str, Marker] = {}
        for number in range(1, of + 1):
            mark = self.read(fingerprint, Part(of, number))
            if mark is None:
                # Another shard, which saw all of them too, has written the marker by now, and taken the marks away.
                return None
            fields |= mark.set_fields or frozenset()
            marks[f"{number}/{of}"] = mark
        brought = {mark.brought for mark in marks.values()}
        return own.of_all(fields, True if True in brought else False if False in brought else None, marks)

    def seen_through_by(self, fingerprint: str, part: Part, identity: PushIdentity) -> Marker | None:
        """Give the mark that a shard had left before this very run saw its export through.

        None where there was none, or the export is not marked as pushed, or another run has seen it through.

        :param identity: who asks: a task of the run.
        :raises ConnectionError: its storage is out of reach.
        """
        marker = self._folder.marker(self._conn_id, fingerprint)
        if marker.identity is None or not marker.identity.is_of_run(identity):
            return None
        return marker.shards.get(f"{part.number}/{part.of}")

    def clear(self, fingerprint: str) -> None:
        """Take the marks of an export away, as far as that can be done: beside its marker they say nothing."""
        with contextlib.suppress(Exception):
            for part in self.all().get(fingerprint, Parts()).found:
                with contextlib.suppress(Exception):
                    remove(self._folder.root.child(self._name_of(fingerprint, part)))

    def _name_of(self, fingerprint: str, part: Part) -> str:
        return f"{self._name}/{fingerprint}-{part.number}-of-{part.of}"
