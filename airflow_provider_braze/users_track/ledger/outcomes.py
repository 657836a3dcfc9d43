"""The words for what became of a record.

Above: whoever counts or shows outcomes. Below: nothing.
"""

from __future__ import annotations

OUTCOMES = (
    "accepted",
    "rejected",
    "invalid",
    "unknown",
    "not_sent",
    "merged",
    "not_found",
    "planned",
    "unchanged",
)
"""Every record has exactly one of these; their counts add up to the records read."""

FAILED = ("rejected", "invalid", "unknown", "not_sent")
WRITTEN_DOWN = (*FAILED, "not_found")
"""Outcomes whose records go to the rejects file."""

SENT = ("accepted", "merged", "rejected", "unknown")
"""Of these a request went out."""

SAVED = ("accepted", "unchanged", "planned")
"""With these it counts what the memory left out of an object."""
