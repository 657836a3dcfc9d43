"""The reports folder: one folder for each push, and empty markers that say what has been pushed or refused.

::

    <reports folder>/<fingerprint>/<run>/report.json     and rejects.csv
    <reports folder>/pushed/<braze_conn_id>/<fingerprint>
    <reports folder>/refused/<braze_conn_id>/<fingerprint>/<run>
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.location import Location, locate

FOLDER_NAME = "_braze"
"""The reports folder below the base path, unless another is given; never listed as a channel."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+-]")
_LONGEST_NAME = 200


def safe_name(text: str) -> str:
    """Turn any text into one file name, the same for the same text, different for different texts."""
    name = _UNSAFE.sub("_", text)
    if name == text and len(name) <= _LONGEST_NAME and name.strip("."):
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(text.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def push_name(run_id: str, task_id: str, map_index: int | None, try_number: int) -> str:
    """Name one push of a task in the reports folder: its run, the task and the try."""
    parts = [run_id, task_id]
    if map_index is not None and map_index >= 0:
        parts.append(str(map_index))
    return "--".join([*parts, f"try{try_number}"])


@dataclass(frozen=True, slots=True)
class ReportsFolder:
    """Names and reads what lies in a reports folder."""

    root: Location

    @classmethod
    def at(cls, url: str) -> ReportsFolder:
        """Open the reports folder at a path or URL; it need not exist yet."""
        return cls(locate(url))

    def check_writable(self) -> None:
        """Write and delete a small file, so that a push never finds out too late.

        :raises BrazeSetupError: the folder cannot be written.
        """
        probe = self.root.child(f".writable-{uuid.uuid4().hex}")
        try:
            self.root.fs.makedirs(self.root.path, exist_ok=True)
            self.root.fs.pipe_file(probe.path, b"")
            self.root.fs.rm_file(probe.path)
        except Exception as error:
            raise BrazeSetupError(
                f"The reports folder {self.root.url} cannot be written ({type(error).__name__}: {error}): "
                "give the worker write access, or set reports_path to a folder it can write."
            ) from error

    def run(self, fingerprint: str, run: str) -> Location:
        """Folder of one push of one export."""
        return self.root.child(f"{fingerprint}/{safe_name(run)}")

    def start_run(self, fingerprint: str, run: str) -> Location:
        """Make the folder of one push.

        Nothing makes it later: where a share is gone, that would write below its mount point on the local disk.
        """
        folder = self.run(fingerprint, run)
        self.root.fs.makedirs(folder.path, exist_ok=True)
        return folder

    def pushed(self, braze_conn_id: str) -> frozenset[str]:
        """Fingerprints of the exports that were pushed whole through this connection."""
        return frozenset(self._names(f"pushed/{safe_name(braze_conn_id)}"))

    def mark_pushed(self, braze_conn_id: str, fingerprint: str) -> None:
        """Write the empty marker that says an export was pushed whole."""
        self._touch(f"pushed/{safe_name(braze_conn_id)}", fingerprint)

    def refused(self, braze_conn_id: str) -> frozenset[str]:
        """Fingerprints of the exports that a push through this connection refused at least once."""
        return frozenset(self._names(f"refused/{safe_name(braze_conn_id)}"))

    def refusals(self, braze_conn_id: str, fingerprint: str) -> int:
        """How often a push refused this export for what it is."""
        return len(self._names(f"refused/{safe_name(braze_conn_id)}/{fingerprint}"))

    def mark_refused(self, braze_conn_id: str, fingerprint: str, run: str) -> None:
        """Note one refusal, so that one bad file is not offered for ever."""
        self._touch(f"refused/{safe_name(braze_conn_id)}/{fingerprint}", safe_name(run))

    def last_report(self, fingerprint: str) -> Location | None:
        """Find the newest report of an export, for messages that point at it."""
        reports = [self.root.child(f"{fingerprint}/{run}/report.json") for run in self._names(fingerprint)]
        written = [(report.stat().modified or 0, report.url, report) for report in reports if report.exists()]
        return max(written)[2] if written else None

    def _names(self, folder: str) -> list[str]:
        self.root.fs.invalidate_cache()
        parent = self.root.child(folder).path
        try:
            names = self.root.fs.ls(parent, detail=False)
        except FileNotFoundError:
            return []
        # An object store may list the folder's own placeholder among what the folder holds.
        return [name.rstrip("/").rsplit("/", 1)[1] for name in names if name.strip("/") != parent.strip("/")]

    def _touch(self, folder: str, name: str) -> None:
        parent = self.root.child(folder)
        self.root.fs.makedirs(parent.path, exist_ok=True)
        self.root.fs.pipe_file(parent.child(name).path, b"")
