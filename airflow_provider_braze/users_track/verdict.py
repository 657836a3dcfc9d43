"""Response to outcome: what an answer of /users/track says of each object (Braze docs: API errors)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import msgspec

from airflow_provider_braze.exceptions import (
    BrazeAuthError,
    BrazePermissionError,
    BrazeRefusedError,
    BrazeRequestError,
)
from airflow_provider_braze.users_track.batches import Batch, Outgoing
from airflow_provider_braze.users_track.reasons import in_words, shortened, without_values

ACCEPTED, REJECTED, UNKNOWN = "accepted", "rejected", "unknown"

_TOO_MANY_OBJECTS = "max input length exceeded"
_SPLIT_STATUSES = frozenset({400, 413, 422})


class Action(Enum):
    """What to do with a batch after an answer."""

    ACCEPT = "every object is accepted"
    SETTLE = "every object has its outcome"
    SPLIT = "send each half on its own"
    WAIT = "send it again when the limit allows"
    RETRY = "send it again after a pause"
    STOP = "nothing further can be sent"


@dataclass(slots=True)
class Verdict:
    """What one answer means.

    :param outcomes: for ``SETTLE``: each object with its outcome and the reason, in the batch's order.
    :param note: something about the answer that belongs in the report.
    :param too_many: Braze takes fewer objects in a request than were sent.
    :param error: for ``STOP``: what to raise; it says what to fix.
    """

    action: Action
    outcomes: list[tuple[Outgoing, str, str]] = field(default_factory=list)
    note: str | None = None
    too_many: bool = False
    error: BrazeRequestError | None = None


def judge(status: int, body: bytes, batch: Batch, redact: Callable[[str], str] = str) -> Verdict:
    """Read an answer.

    :param redact: takes the API key out of a text; Braze's 401 echoes it.
    """
    if 200 <= status < 300:
        return _judge_success(status, body, batch, redact)
    if status == 429:
        return Verdict(Action.WAIT)
    if status >= 500 or status == 408:
        return Verdict(Action.RETRY)
    answer = parse(body)
    if status in _SPLIT_STATUSES:
        return _judge_refused_batch(status, answer, batch, redact)
    return Verdict(Action.STOP, error=refusal(status, message_of(answer), redact))


def _judge_success(status: int, body: bytes, batch: Batch, redact: Callable[[str], str]) -> Verdict:
    answer = parse(body)
    if not isinstance(answer, dict):
        return _all(batch, UNKNOWN, f"Braze answered {status} without JSON")
    if status == 202 or answer.get("message") == "queued":
        return _all(batch, UNKNOWN, "Braze queued the request without processing it (maintenance)")
    errors = answer.get("errors")
    if not errors:
        return Verdict(Action.ACCEPT, note=_miscount(answer, batch))
    rejected, unplaced = _place(errors, batch, redact)
    if unplaced:
        # It may be about any of them, and quote any of them.
        unplaced = without_values(unplaced, [item.content for item in batch.items])
    left = (UNKNOWN, f"Braze named an error but no record: {unplaced}") if unplaced else (ACCEPTED, "")
    outcomes = [
        (item, REJECTED, rejected[id(item)]) if id(item) in rejected else (item, *left)
        for item in batch.items
    ]
    taken = Batch([item for item in batch.items if id(item) not in rejected])
    return Verdict(Action.SETTLE, outcomes, None if unplaced else _miscount(answer, taken))


def _judge_refused_batch(status: int, answer: Any, batch: Batch, redact: Callable[[str], str]) -> Verdict:
    message = redact(message_of(answer))
    errors = (answer.get("errors") if isinstance(answer, dict) else None) or []
    rejected, unplaced = _place(errors, batch, redact)
    if not unplaced and len(rejected) == len(batch.items):
        return Verdict(Action.SETTLE, [(item, REJECTED, rejected[id(item)]) for item in batch.items])
    if len(batch.items) == 1:
        reasons = "; ".join(filter(None, (_reason(entry, redact) for entry in _entries(errors))))
        return _all(batch, REJECTED, reasons or message or f"Braze answered {status}")
    return Verdict(Action.SPLIT, too_many=_TOO_MANY_OBJECTS in message.lower())


def _entries(errors: Any) -> list[Any]:
    return errors if isinstance(errors, list) else [errors]


def _place(errors: Any, batch: Batch, redact: Callable[[str], str]) -> tuple[dict[int, str], str]:
    """Place errors by array and index; also give the first error that names no object of the batch."""
    rejected: dict[int, str] = {}
    unplaced = ""
    for entry in _entries(errors):
        item = _named(entry, batch)
        reason = _reason(entry, redact) or "no reason given"
        if item is None:
            unplaced = unplaced or reason
        else:
            before = rejected.get(id(item))
            rejected[id(item)] = (
                reason if before is None else before if reason in before else f"{before}; {reason}"
            )
    return rejected, unplaced


def _named(entry: Any, batch: Batch) -> Outgoing | None:
    if not isinstance(entry, dict):
        return None
    array, index = entry.get("input_array"), entry.get("index")
    if not isinstance(array, str) or not isinstance(index, int) or isinstance(index, bool):
        return None
    return batch.placed(array, index)


def _reason(entry: Any, redact: Callable[[str], str]) -> str:
    text = entry.get("type") or entry.get("message") if isinstance(entry, dict) else entry
    return in_words(redact(str(text or "")))


def _miscount(answer: dict[str, Any], batch: Batch) -> str | None:
    for array, expected in batch.counts().items():
        counted = answer.get(f"{array}_processed", expected)
        if counted != expected:
            said = counted if isinstance(counted, int) else "something that is no number of"
            return f"Braze counted {said} {array} where {expected} were to be expected"
    return None


def _all(batch: Batch, outcome: str, reason: str) -> Verdict:
    return Verdict(Action.SETTLE, [(item, outcome, reason) for item in batch.items])


def parse(body: bytes) -> Any:
    """Read a JSON body, or None where it is something else."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def message_of(answer: Any) -> str:
    """Find Braze's message in an answer; a syntax error's message is in ``error``."""
    if not isinstance(answer, dict):
        return ""
    return shortened(str(answer.get("message") or answer.get("error") or ""))


def refusal(status: int, message: str, redact: Callable[[str], str]) -> BrazeRefusedError:
    """Say what to fix after an answer that makes every further request pointless."""
    said = f' Braze said: "{redact(message)}"' if message else ""
    if status == 401:
        # Braze's own message echoes the key, so it is not repeated here.
        return BrazeAuthError(
            "Braze refuses the API key (401): check that the connection's key belongs to this workspace, "
            "and that its host is the REST endpoint of the same cluster.",
            status=status,
        )
    if status == 403:
        return BrazePermissionError(
            "Braze denies access (403): give the API key the permission for this endpoint "
            f"(users.track to push, users.export.ids to look up) and check its IP allowlist.{said}",
            status=status,
        )
    if 300 <= status < 400:
        return BrazeRefusedError(
            f"The host answered with a redirect ({status}), which is refused because it would carry the key "
            "elsewhere: set the connection's host to the REST endpoint itself.",
            status=status,
        )
    if status == 404:
        return BrazeRefusedError(
            f"The host does not know this endpoint (404): check that it is a Braze REST endpoint.{said}",
            status=status,
        )
    return BrazeRefusedError(f"Braze refuses the request ({status}).{said}", status=status)
