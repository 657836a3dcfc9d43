"""Whose push something in the reports folder is: every name there belongs to exactly one push.

Above: the reports folder, reports, checkpoints and the Braze tab. Below: nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_UNSAFE = re.compile(r"[^A-Za-z0-9._@+-]")

_LONGEST_PART = 50
"""Characters of a DAG, run or task in a name: a file system takes 255 bytes, and below it come names of files."""


def new_token() -> str:
    """Make a token that no other push has: also of two Airflows with the same DAGs on one share."""
    return secrets.token_hex(8)


@dataclass(frozen=True, slots=True)
class PushIdentity:
    """The push of one try of one task.

    :param dag_id: None outside of Airflow, as ``run_id`` and ``task_id`` may be.
    :param map_index: -1 where the task is not mapped.
    :param shard: ``k/n`` where it is one of several parts of a push; else None.
    :param token: random; a push that goes on from a checkpoint keeps that of the try which made it. So what the same
        try wrote before it was deferred has the same name, and what another try wrote has another.
    """

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int = -1
    try_number: int = 1
    token: str = field(default_factory=new_token)
    shard: str | None = None

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> PushIdentity:
        """Read what ``as_dict`` wrote, from a report or a marker; what is not there, or no such value, is left out."""
        texts = {name: _text(written.get(name)) for name in ("dag_id", "run_id", "task_id", "shard")}
        return cls(
            **texts,
            map_index=_number(written.get("map_index"), -1),
            try_number=_number(written.get("try_number"), 1),
            token=_text(written.get("token")) or "",
        )

    def as_dict(self) -> dict[str, Any]:
        """Write it as JSON, as reports and markers hold it."""
        return asdict(self)

    def is_of(self, dag_id: str | None, run_id: str | None, task_id: str | None, map_index: int) -> bool:
        """Tell whether it is a push of this very task instance, in whichever try."""
        return (self.dag_id, self.run_id, self.task_id, self.map_index) == (
            dag_id,
            run_id,
            task_id,
            map_index,
        )

    def is_of_run(self, other: PushIdentity) -> bool:
        """Tell whether it is a push of the same task as another one, in the same run: each of its shards is."""
        return (self.dag_id, self.run_id, self.task_id) == (other.dag_id, other.run_id, other.task_id)

    @property
    def folder_name(self) -> str:
        """Name of its folder: one segment of at most 200 characters that every storage takes.

        The parts are there for people, and are cut off; the try and the token make it the only one.
        """
        parts = [_part(text) for text in (self.dag_id, self.run_id, self.task_id) if text]
        if self.map_index >= 0:
            parts.append(str(self.map_index))
        if self.shard:
            parts.append(_part(self.shard.replace("/", "of")))
        return "--".join([*parts, f"try{self.try_number}", _part(self.token)])


def _part(text: str) -> str:
    return _UNSAFE.sub("_", text)[:_LONGEST_PART]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
