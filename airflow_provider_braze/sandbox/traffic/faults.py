"""Trouble on request: which answers go wrong, and how.

A fault is JSON such as ``{"status": 500, "count": 3}`` or ``{"kind": "drop", "processed": true}``; docs/sandbox.md
lists every field. This module reads faults and hands them out; the server makes them happen.

Above: the server, and what an answer looks like. Below: the headers of rate limits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_braze.sandbox.traffic.rate import HEADER_FAMILIES

PROCESSED_BY_KIND = {
    "status": False,
    "hang": False,
    "drop": False,
    "reset": False,
    "refuse": False,
    "redirect": False,
    "late": True,
    "cut": True,
    "slow": True,
    "queued": True,
    "invalid_json": True,
    "wrong_counts": True,
    "errors_without_index": True,
    "errors_unknown_row": True,
}
"""Every kind of fault, and whether the request is processed unless the fault says otherwise."""

SECONDS_BY_KIND = {"late": 1.0, "slow": 0.01, "hang": 3600.0, "refuse": 1.0}
"""``late``: before the answer. ``slow``: between two bytes. ``hang``: until the connection is closed after all.
``refuse``: until connections are taken again."""

BODIES = ("json", "html", "empty")


class BadFaultError(Exception):
    """A fault that cannot be read; the text names what is wrong."""


@dataclass(slots=True)
class Fault:
    """One kind of trouble for the next ``count`` requests, after the ``after`` ones that go through."""

    kind: str
    count: int
    processed: bool
    status: int = 500
    body: str = "json"
    text: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    rate_headers: str | None = None
    retry_after: float | None = None
    seconds: float = 0
    path: str | None = None
    after: int = 0
    share: float = 1.0
    location: str = "http://127.0.0.1:9/elsewhere"


class Faults:
    """The faults that are still to happen, in order; ``seed`` makes those with a ``share`` repeatable."""

    def __init__(self, seed: int = 0) -> None:
        self._faults: list[Fault] = []
        self._random = random.Random(seed)

    def replace(self, given: Any) -> None:
        """Take new faults, one object or an array of them, in place of the old."""
        entries = given if isinstance(given, list) else [given]
        self._faults = [fault for fault in map(read_fault, entries) if fault.count]

    def clear(self) -> None:
        """Forget every fault."""
        self._faults = []

    def next_for(self, path: str) -> Fault | None:
        """Return the fault that befalls a request to this path, and count it."""
        for fault in self._faults:
            if fault.path not in (None, path):
                continue
            if fault.after:
                fault.after -= 1
                return None
            if fault.share == 1 or self._random.random() < fault.share:
                fault.count -= 1
                if not fault.count:
                    self._faults.remove(fault)
                return fault
        return None

    def as_list(self) -> list[dict[str, Any]]:
        """Return what is still to happen, as ``GET /sandbox/faults`` shows it."""
        return [asdict(fault) for fault in self._faults]


def read_fault(given: Any) -> Fault:
    """Read one fault from JSON; a mistake in it is a :class:`BadFaultError`."""
    if not isinstance(given, dict):
        raise BadFaultError("a fault must be an object")
    unknown = sorted(given.keys() - _FIELDS.keys())
    if unknown:
        raise BadFaultError(f"{unknown[0]!r} is no field of a fault; the fields are {', '.join(_FIELDS)}")
    for name, value in given.items():
        allowed, description = _FIELDS[name]
        if not allowed(value):
            raise BadFaultError(f"{name!r} must be {description}")
    kind = given.get("kind", "status")
    if given.get("count") != 0 and kind == "status" and "status" not in given:
        raise BadFaultError("a fault needs a 'status' or another 'kind'")
    defaults = {"count": 1, "processed": PROCESSED_BY_KIND[kind], "seconds": SECONDS_BY_KIND.get(kind, 0)}
    if kind == "redirect":
        defaults["status"] = 307
    return Fault(**{"kind": kind, **defaults, **given})


def _is_int(value: Any, low: int, high: float) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_number(value: Any, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= high


def _one_of(allowed: Collection[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in allowed


def _is_headers(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(text, str) and text.isascii() for text in value.values()
    )


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "kind": (_one_of(PROCESSED_BY_KIND), f"one of {', '.join(PROCESSED_BY_KIND)}"),
    "status": (lambda value: _is_int(value, 200, 599), "a number from 200 to 599"),
    "count": (lambda value: _is_int(value, 0, 10**9), "a whole number, 0 to clear"),
    "processed": (lambda value: isinstance(value, bool), "true or false"),
    "body": (_one_of(BODIES), f"one of {', '.join(BODIES)}"),
    "text": (lambda value: isinstance(value, str), "a text, sent as the body"),
    "headers": (_is_headers, "an object of ASCII texts"),
    "rate_headers": (_one_of(HEADER_FAMILIES), f"one of {', '.join(HEADER_FAMILIES)}"),
    "retry_after": (lambda value: _is_number(value, 10**9), "a number of seconds"),
    "seconds": (lambda value: _is_number(value, 3600), "a number of seconds, at most 3600"),
    "path": (lambda value: isinstance(value, str) and value.startswith("/"), "a path such as /users/track"),
    "after": (lambda value: _is_int(value, 0, 10**9), "a whole number of requests"),
    "share": (lambda value: _is_number(value, 1) and value > 0, "a number above 0, at most 1"),
    "location": (lambda value: isinstance(value, str) and value.isascii(), "a URL"),
}
