"""What a marker of the reports folder holds: who pushed an export, when, and which report tells of it.

Above: the reports folder. Below: whose push it was.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.storage.reports.push_identity import PushIdentity

MOST_MARKER_BYTES = 1 << 20
"""A marker holds a few hundred bytes, and the names of an export's fields; what is longer is none of ours."""


def now() -> str:
    """Tell this moment as markers hold it: ISO 8601, UTC, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Marker:
    """What is known of the push that wrote a marker; whatever a file does not tell is None or empty.

    :param identity: whose push it was; None for one that an older version wrote, which is an empty file.
    :param pushed_at: when, ISO 8601.
    :param report: URL of its report.
    :param path: URL of the export.
    :param modified: when the export was last changed, in seconds since the epoch.
    :param set_fields: top-level attributes that the push set, as opposed to added to; None: not known.
    :param brought: of a shard that went through, whether anything reached Braze: True, or False where all that it had
        has failed; None where it had nothing, or of anything else.
    :param shards: of an export that shards have brought through, what the mark of each said, by ``k/n``; of the export
        and its fields they tell nothing.
    """

    identity: PushIdentity | None = None
    pushed_at: str | None = None
    report: str | None = None
    path: str | None = None
    modified: float | None = None
    set_fields: frozenset[str] | None = None
    brought: bool | None = None
    shards: Mapping[str, Marker] = field(default_factory=dict)

    @classmethod
    def read(cls, content: bytes) -> Marker:
        """Read a marker's file; one that is empty or holds anything else counts all the same, and tells nothing."""
        try:
            written = json.loads(content)
        except (ValueError, RecursionError):
            return cls()
        return cls._of(written) if isinstance(written, Mapping) else cls()

    @classmethod
    def _of(cls, written: Mapping[str, Any]) -> Marker:
        fields, shards = written.get("set_fields"), written.get("shards")
        named = shards if isinstance(shards, Mapping) else {}
        return cls(
            PushIdentity.of(written) if isinstance(written.get("token"), str) else None,
            _text(written.get("pushed_at")),
            _text(written.get("report")),
            _text(written.get("path")),
            seconds(written.get("modified")),
            frozenset(map(str, fields)) if isinstance(fields, list) else None,
            found if isinstance(found := written.get("brought"), bool) else None,
            {
                name: cls._of({**each, "shards": None})
                for name, each in named.items()
                if isinstance(each, Mapping)
            },
        )

    def of_all(
        self, fields: frozenset[str], brought: bool | None, shards: Mapping[str, Marker] | None = None
    ) -> Marker:
        """Give the same of an export all of whose shards have gone through.

        :param shards: their marks, by ``k/n``.
        """
        return replace(self, set_fields=fields, brought=brought, shards=shards or {})

    def written(self) -> bytes:
        """Give the content of its file."""
        content = self._content()
        if self.shards:
            content["shards"] = {
                # What they say of the export, it says itself.
                name: replace(mark, path=None, modified=None, set_fields=None)._content()
                for name, mark in self.shards.items()
            }
        return json.dumps(content, indent=1).encode()

    def _content(self) -> dict[str, Any]:
        return {
            **(self.identity.as_dict() if self.identity else {}),
            "pushed_at": self.pushed_at,
            "report": self.report,
            "path": self.path,
            "modified": self.modified,
            "set_fields": None if self.set_fields is None else sorted(self.set_fields),
            **({} if self.brought is None else {"brought": self.brought}),
        }


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def seconds(value: Any) -> float | None:
    """Read seconds since the epoch out of JSON that anybody may have written; None where they are no moment."""
    # An integer of hundreds of digits is no float.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) < 1e15 else None
