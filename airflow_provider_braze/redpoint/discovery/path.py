"""The path RPI writes an export to: `[Channel]/[Offer]/[Workflow ID]/file`, and what it tells.

Above: whoever has an export's path. Below: nothing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DEFAULT_CHANNEL_MODES: Mapping[str, str] = MappingProxyType(
    {"Braze Append": "append", "Braze Onboarding and Upsert": "upsert"}
)
"""Channel to mode, as Redpoint's own set-up names the channels."""

_SEPARATOR = re.compile(r"[\\/]+")
_EXECUTION_ID = re.compile(r"RPI_Export_([0-9]+)(?![^\W_])", re.IGNORECASE)


def segments(path: str) -> list[str]:
    """Split a path at ``/`` and ``\\``: how RPI's backslashes land on Linux or in an object key is not documented."""
    return [part for part in _SEPARATOR.split(path) if part]


@dataclass(frozen=True, slots=True)
class ExportPath:
    """Where an export lies below the base path. Segments that a path does not have are empty."""

    channel: str
    offer: str
    workflow_id: str
    name: str

    @classmethod
    def below_base(cls, relative: str) -> ExportPath | None:
        """Read a path relative to the base, or None when it is not in the three-segment layout."""
        parts = segments(relative)
        return cls(*parts) if len(parts) == 4 else None

    @classmethod
    def of(cls, path: str) -> ExportPath:
        """Read the last four segments of any path or URL."""
        _, scheme, rest = path.rpartition("://")
        parts = segments(rest)
        # The first part of a URL is its bucket or host, never a channel.
        parts = parts[1:] if scheme and not path.startswith("file://") else parts
        parts = [""] * (4 - len(parts)) + parts[-4:]
        return cls(*parts)

    @property
    def channel_execution_id(self) -> str | None:
        """The number in ``RPI_Export_<number>.txt``, which by all signs is the channel execution's ID."""
        found = _EXECUTION_ID.match(self.name)
        return found.group(1) if found else None


def fingerprint(path: ExportPath, size: int, modified: float | None, etag: str | None = None) -> str:
    """Name one state of one export: where it lies, its size, and its etag or mtime in whole seconds.

    A file that was appended to or replaced has another fingerprint, so it is pushed again.
    """
    version = etag or str(int(modified or 0))
    state = "\n".join((path.channel, path.offer, path.workflow_id, path.name, str(size), version))
    return hashlib.sha256(state.encode("utf-8", "surrogateescape")).hexdigest()
