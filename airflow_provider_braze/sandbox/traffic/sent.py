"""One request as it arrived.

Above: the server and the endpoints. Below: which users its objects name.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from airflow_provider_braze.sandbox.checks.identifiers import BadIdentifierError, identify
from airflow_provider_braze.sandbox.workspace.profile_store import ARRAYS


@dataclass(slots=True)
class Sent:
    """A request; ``value`` is its JSON, None when it has none, and ``oversize`` bodies are not kept."""

    path: str
    authorization: str
    content_type: str
    body: bytes
    oversize: bool = False
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    value: Any = None

    def __post_init__(self) -> None:
        try:
            self.value = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.value = None

    def arrays(self) -> dict[str, list[Any]]:
        """Return the arrays of a track body that are arrays."""
        value = self.value if isinstance(self.value, dict) else {}
        return {name: value[name] for name in ARRAYS if isinstance(value.get(name), list)}

    def users(self) -> list[Hashable]:
        """Return the user of each object that names one, array by array."""
        users: list[Hashable] = []
        for items in self.arrays().values():
            for item in items:
                try:
                    users.append(identify(item) if isinstance(item, dict) else None)
                except BadIdentifierError:
                    users.append(None)
        return [user for user in users if user is not None]
