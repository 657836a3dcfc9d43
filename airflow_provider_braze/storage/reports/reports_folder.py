"""The reports folder: one folder for each push, and markers that say what has been pushed or refused.

::

    <reports folder>/<fingerprint>/<push>/report.json     and rejects.csv
    <reports folder>/pushed/<braze_conn_id>/<fingerprint>
    <reports folder>/refused/<braze_conn_id>/<fingerprint>/<push>

``<push>`` is the folder name of a :class:`PushIdentity`. Older versions named it by run, task and try, and left their
markers empty; both still count.

Above: every push, the sensor, and the tab. Below: markers, and files that no link leads to.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_braze.exceptions import (
    BrazeError,
    BrazeSetupError,
    ExportRefusedError,
    ReportError,
    ReportsFolderError,
)
from airflow_provider_braze.storage.files.location import Location, locate
from airflow_provider_braze.storage.files.plain import (
    make_folders,
    names_in,
    open_private,
    read_small,
    remove,
    settled,
    write_whole,
)
from airflow_provider_braze.storage.reports.markers import MOST_MARKER_BYTES, Marker, now
from airflow_provider_braze.storage.reports.push_identity import PushIdentity

REPORT_NAME = "report.json"
REJECTS_NAME = "rejects.csv"

FOLDER_NAME = "_braze"
"""The reports folder below the base path, unless another is given; never listed as a channel."""

ROWS_FOLDER = "rows"
"""Stands where an export's fingerprint stands, for rows of an author's own."""

MOST_REPORT_BYTES = 16_000_000
"""A report has 50 reasons and 60 samples at most; what is longer is none."""

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+-]")
_LONGEST_NAME = 200


def safe_name(text: str) -> str:
    """Turn any text into one file name, the same for the same text, different for different texts."""
    name = _UNSAFE.sub("_", text)
    if name == text and len(name) <= _LONGEST_NAME and name.strip("."):
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class ReportsFolder:
    """Names and reads what lies in a reports folder.

    :param base: what it may not lead out of, where only its server can tell.
    """

    root: Location
    base: Location | None = None

    @classmethod
    def at(cls, url: str, base_path: str | None = None) -> ReportsFolder:
        """Open the reports folder at a path or URL; it need not exist yet.

        It may itself be a link; below it none is followed, because others may write there.

        :param base_path: where the exports are, if nobody chose the reports folder but it lies there: then it is as
            little trusted, and may only be a link to another place below.
        :raises BrazeSetupError: it leads out of the base path. A server is asked that before something is written only.
        """
        root = locate(url)
        base = locate(base_path) if base_path else None
        if base is None or not root.path.startswith(f"{base.path.rstrip('/')}/"):
            return cls(replace(root, within=root.path))
        if not root.is_local:
            return cls(replace(root, within=root.path), base)
        return cls(_not_out_of(base, root))

    def check_writable(self) -> None:
        """Write and delete a small file, so that a push never finds out too late.

        :raises ReportsFolderError: the folder cannot be written.
        :raises BrazeSetupError: it leads out of the base path.
        :raises ReportError: there is no room.
        :raises BrazeError: its server does not answer.
        """
        probe = self.root.child(f".writable-{uuid.uuid4().hex}")
        try:
            make_folders(self.root)
            if self.base is not None:
                _not_out_of(self.base, self.root)
            try:
                with probe.answered(), open_private(probe) as file:
                    # On a full disk, an empty file can be made all the same.
                    file.write(b"Airflow can write here.\n")
            finally:
                with contextlib.suppress(FileNotFoundError):
                    remove(probe)
        except BrazeError:
            raise
        except ConnectionError as error:
            raise BrazeError(f"The reports folder {self.root.url} is out of reach ({error}).") from error
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _NO_ROOM:
                raise ReportError(
                    f"The reports folder {self.root.url} is full ({error.strerror}): make room, or set reports_path."
                ) from error
            raise ReportsFolderError(
                f"The reports folder {self.root.url} cannot be written ({type(error).__name__}: {error}): "
                "give the worker write access, or set reports_path to a folder it can write."
            ) from error

    def run(self, fingerprint: str, push: str) -> Location:
        """Folder of one push of one export, by the folder name of its identity."""
        return self.root.child(f"{fingerprint}/{safe_name(push)}")

    def start_run(self, fingerprint: str, identity: PushIdentity) -> Location:
        """Make the folder of one push.

        Nothing makes it later: where a share is gone, that would write below its mount point on the local disk.
        """
        folder = self.run(fingerprint, identity.folder_name)
        make_folders(folder)
        return folder

    def pushed(self, braze_conn_id: str) -> frozenset[str]:
        """Fingerprints of the exports that were pushed whole through this connection."""
        return frozenset(self.names_in(_pushed(braze_conn_id)))

    def is_pushed(self, braze_conn_id: str, fingerprint: str) -> bool:
        """Tell whether an export was pushed whole through this connection, without listing all that were."""
        return self.root.child(f"{_pushed(braze_conn_id)}/{fingerprint}").exists()

    def marker(self, braze_conn_id: str, fingerprint: str) -> Marker:
        """Read the marker of one export, which tells nothing where there is none.

        :raises ConnectionError: its storage is out of reach.
        """
        return self._marker(f"{_pushed(braze_conn_id)}/{fingerprint}")

    def markers(self, braze_conn_id: str, among: Collection[str] | None = None) -> dict[str, Marker]:
        """Read the markers of the exports that were pushed whole through this connection, by fingerprint.

        One that cannot be read, is empty, or holds anything else tells nothing, and is there all the same.

        :param among: only of these fingerprints.
        """
        names = self.pushed(braze_conn_id)
        wanted = names if among is None else names.intersection(among)
        return {name: self._marker(f"{_pushed(braze_conn_id)}/{name}") for name in sorted(wanted)}

    def mark_pushed(self, braze_conn_id: str, fingerprint: str, marker: Marker | None = None) -> None:
        """Write the marker that says an export was pushed whole.

        :param marker: what is known of the push.
        """
        self.write(f"{_pushed(braze_conn_id)}/{fingerprint}", (marker or Marker(pushed_at=now())).written())

    def refused(self, braze_conn_id: str) -> frozenset[str]:
        """Fingerprints of the exports that a push through this connection refused at least once."""
        return frozenset(self.names_in(f"refused/{safe_name(braze_conn_id)}"))

    def refusals(self, braze_conn_id: str, fingerprint: str) -> int:
        """How often a push refused this export for what it is."""
        return len(self.names_in(f"refused/{safe_name(braze_conn_id)}/{fingerprint}"))

    def mark_refused(
        self, braze_conn_id: str, fingerprint: str, push: str, marker: Marker | None = None
    ) -> None:
        """Note one refusal, so that one bad file is not offered for ever.

        :param push: folder name of the push that refused it.
        :param marker: what is known of it.
        """
        name = f"refused/{safe_name(braze_conn_id)}/{fingerprint}/{safe_name(push)}"
        self.write(name, (marker or Marker(pushed_at=now())).written())

    def last_report(self, fingerprint: str) -> Location | None:
        """Find the newest report of an export, for messages that point at it."""
        reports = [self.root.child(f"{fingerprint}/{run}/report.json") for run in self.names_in(fingerprint)]
        written = [(report.stat().modified or 0, report.url, report) for report in reports if report.exists()]
        return max(written)[2] if written else None

    def names_in(self, folder: str) -> list[str]:
        """List the names in a folder of this one; none where it is not there.

        What somebody began to write there, and was killed, counts for nothing.
        """
        return [name for name in names_in(self.root.child(folder)) if not name.endswith(".part")]

    def reports_of(self, fingerprint: str, identity: PushIdentity) -> list[dict[str, Any]]:
        """Read the reports of an export that this very task instance has written, whichever try, in their order."""
        begin = identity.folder_name.rpartition("--try")[0]
        written: list[tuple[int, str, int, dict[str, Any]]] = []
        for name in self.names_in(fingerprint):
            if name.startswith(f"{begin}--try") and (report := self._report(f"{fingerprint}/{name}")):
                found = PushIdentity.of(report)
                if found.is_of(identity.dag_id, identity.run_id, identity.task_id, identity.map_index):
                    written.append((found.try_number, str(report.get("started_at")), len(written), report))
        return [report for _, _, _, report in sorted(written)]

    def killed_tries(self, fingerprint: str, identity: PushIdentity) -> list[Location]:
        """Find the folders of the tries just before this one that wrote no report; the last one first.

        On an object store a folder without files is not seen.
        """
        names, found = self.names_in(fingerprint), []
        begin = identity.folder_name.rpartition("--try")[0]
        for number in range(identity.try_number - 1, 0, -1):
            of_it = [name for name in names if name.startswith(f"{begin}--try{number}--")]
            folders = [self.root.child(f"{fingerprint}/{name}") for name in of_it]
            if any(folder.child("report.json").exists() for folder in folders):
                break
            found += folders
        return found

    def _report(self, folder: str) -> dict[str, Any] | None:
        try:
            report = json.loads(read_small(self.root.child(f"{folder}/report.json"), MOST_REPORT_BYTES))
        except ConnectionError:  # nobody knows what is there
            raise
        except (OSError, ValueError, RecursionError, ExportRefusedError):
            return None
        return report if isinstance(report, dict) else None

    def _marker(self, name: str) -> Marker:
        try:
            return Marker.read(read_small(self.root.child(name), MOST_MARKER_BYTES))
        except ConnectionError:  # nobody knows what is there
            raise
        except (OSError, ExportRefusedError):
            return Marker()

    def write(self, name: str, content: bytes) -> None:
        """Write a small file below this folder, and the folders down to it."""
        file = self.root.child(name)
        make_folders(file.parent)
        write_whole(file, content)


def _not_out_of(base: Location, root: Location) -> Location:
    """Follow links to where a reports folder lies below a base path.

    :raises BrazeSetupError: it does not.
    """
    try:
        return settled(root, base)
    except ExportRefusedError:
        raise BrazeSetupError(
            f"The reports folder {root.url} is a link that leads out of {base.url}: "
            "give the place itself as reports_path."
        ) from None


def in_reports_folder(url: str, levels: int = 3) -> Location:
    """Locate what lies so many levels below a reports folder, so that no link below it is followed.

    :param levels: 3 for a file of a push, 2 for its folder.
    """
    location = locate(url)
    return replace(location, within=location.path.rsplit("/", levels)[0] or "/")


def _pushed(braze_conn_id: str) -> str:
    return f"pushed/{safe_name(braze_conn_id)}"
