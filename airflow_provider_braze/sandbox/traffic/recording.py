"""The last requests, so that a test can see what was really sent.

Above: the server, and the control routes. Below: requests.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from airflow_provider_braze.sandbox.traffic.sent import Sent

NEVER_KEPT = frozenset({"authorization"})


class Recording:
    """The last ``size`` requests; their keys are not kept."""

    def __init__(self, size: int) -> None:
        self._kept: deque[tuple[Sent, dict[str, str]]] = deque(maxlen=size)

    def add(self, sent: Sent, headers: Mapping[str, str]) -> None:
        """Keep one request."""
        if self._kept.maxlen:
            self._kept.append(
                (sent, {name: text for name, text in headers.items() if name not in NEVER_KEPT})
            )

    def clear(self) -> None:
        """Forget them all."""
        self._kept.clear()

    def as_list(self) -> list[dict[str, Any]]:
        """Return the requests, oldest first; ``body`` is null where it was no JSON."""
        return [
            {
                "method": sent.method,
                "path": sent.path,
                "query": dict(sent.query),
                "headers": headers,
                "bytes": len(sent.body),
                "body": sent.value,
            }
            for sent, headers in self._kept
        ]
