"""Response to outcome: what an answer of /users/track says of each object (Braze docs: API errors).

The sender stands above, which does what is said here; below are batches and what may be shown of a reason.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Callable, Mapping
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
from airflow_provider_braze.users_track.batching.batch import ARRAYS
from airflow_provider_braze.users_track.batching.merge_window import Batch, ProfileObject
from airflow_provider_braze.users_track.ledger.reasons import (
    LONGEST_READ,
    explained,
    joined,
    public_words,
    shortened,
)

ACCEPTED, REJECTED, UNKNOWN = "accepted", "rejected", "unknown"

_TOO_MANY_OBJECTS = "max input length exceeded"
_SPLIT_STATUSES = frozenset({400, 413, 422})
_NO_REASON = "no reason given"


class Action(Enum):
    """What to do with a batch after an answer."""

    ACCEPT = "every object is accepted"
    SETTLE = "every object has its outcome"
    SPLIT = "send each half on its own"
    WAIT = "send it again when the limit allows"
    RETRY = "send it again after a pause"
    STOP = "nothing further can be sent"


@dataclass(slots=True)
class Interpretation:
    """What one answer means.

    :param outcomes: for ``SETTLE``: each object with its outcome and the reason, in the batch's order.
    :param note: something about the answer that belongs in the report.
    :param too_many: Braze takes fewer objects in a request than were sent.
    :param error: for ``STOP``: what to raise; it says what to fix.
    """

    action: Action
    outcomes: list[tuple[ProfileObject, str, str]] = field(default_factory=list)
    note: str | None = None
    too_many: bool = False
    error: BrazeRequestError | None = None


def interpret(
    status: int,
    body: bytes,
    batch: Batch,
    redact: Callable[[str], str] = str,
    permission: str = "users.track",
) -> Interpretation:
    """Read an answer.

    :param redact: takes the API key out of a text; Braze's 401 echoes it.
    :param permission: what the key needs for the endpoint.
    """
    # From the surest to what nobody knows: what is not named here stops the push, rather than be guessed at.
    if 200 <= status < 300:
        return _interpret_success(status, body, batch, redact)
    if status == 429:
        return Interpretation(Action.WAIT)
    if status >= 500 or status == 408:
        return Interpretation(Action.RETRY)
    answer = parse(body)
    if status in _SPLIT_STATUSES:
        return _interpret_refused_batch(status, answer, batch, redact)
    return Interpretation(Action.STOP, error=refusal(status, message_of(answer), redact, permission))


def _interpret_success(
    status: int, body: bytes, batch: Batch, redact: Callable[[str], str]
) -> Interpretation:
    """A status of 2xx alone says nothing: Braze has to say success, or to count what was sent."""
    answer = parse(body)
    if not isinstance(answer, dict):
        return _all(batch, UNKNOWN, f"Braze answered {status} without JSON")
    if status == 202 or _said(answer) == "queued":
        return _all(batch, UNKNOWN, "Braze queued the request without processing it (maintenance)")
    # Under either name, and whatever stands there: what may be an error never passes for a success.
    errors = [*_entries(answer.get("errors")), *_entries(answer.get("error"))]
    if not errors and is_success(answer):
        return Interpretation(Action.ACCEPT, note=_miscount(answer, batch.counts()))
    if not errors and counts_fit(answer, batch.counts()):
        return Interpretation(Action.ACCEPT)
    # Who is named is rejected; of the others Braze must have taken just as many as are left.
    placed = _place(errors, batch, redact)
    left = Batch([item for item in batch.items if id(item) not in placed.rejected])
    outcomes = _outcomes_beside(placed, left, answer, status)
    return Interpretation(
        Action.SETTLE,
        [
            (item, REJECTED, placed.rejected[id(item)])
            if id(item) in placed.rejected
            else (item, *outcomes[item.array])
            for item in batch.items
        ],
        None if placed.unplaced or not is_success(answer) else _miscount(answer, left.counts()),
    )


def _outcomes_beside(
    placed: _Placed, left: Batch, answer: Mapping[str, Any], status: int
) -> dict[str, tuple[str, str]]:
    """Tell for each array what its objects are that no error names."""
    outcomes: dict[str, tuple[str, str]] = {}
    counts = left.counts()
    for array in ARRAYS:
        reason = placed.unplaced.get(array) or placed.unplaced.get("")
        if reason:
            # It may be about any of them, and quote any of them.
            said = public_words(reason, [item.content for item in left.items])
            outcomes[array] = UNKNOWN, f"Braze named an error but no record: {said}"
        elif is_success(answer) or counts_fit(answer, counts, array):
            outcomes[array] = ACCEPTED, ""
        else:
            outcomes[array] = UNKNOWN, f"Braze answered {status}, but neither success nor counts that fit"
    return outcomes


def _said(answer: Mapping[str, Any]) -> str:
    message = answer.get("message")
    return message.strip().casefold() if isinstance(message, str) else ""


def is_success(answer: Any) -> bool:
    """Tell whether Braze says that it took a request, in any case of the word."""
    return isinstance(answer, dict) and _said(answer) == "success"


def counts_fit(answer: Mapping[str, Any], expected: Mapping[str, int], array: str | None = None) -> bool:
    """Tell whether Braze counts just what was sent, which says as much as the word success.

    :param expected: objects by array; what was not sent must not be counted either.
    :param array: the one that has to fit (default: all that were sent).
    """
    counted = {name: answer.get(f"{name}_processed") for name in expected}
    if any(counted[name] not in (None, 0) for name, count in expected.items() if not count):
        return False
    asked = [array] if array else [name for name, count in expected.items() if count]
    return bool(asked) and all(
        type(counted[name]) is int and counted[name] == expected[name] for name in asked
    )


def _interpret_refused_batch(
    status: int, answer: Any, batch: Batch, redact: Callable[[str], str]
) -> Interpretation:
    message = redact(message_of(answer))
    errors = _entries(answer.get("errors")) if isinstance(answer, dict) else []
    # A 400 takes nothing of a batch, be it for one object: the others are innocent until they are sent alone.
    placed = _place(errors, batch, redact)
    if not placed.unplaced and len(placed.rejected) == len(batch.items):
        return Interpretation(
            Action.SETTLE, [(item, REJECTED, placed.rejected[id(item)]) for item in batch.items]
        )
    # Halved again and again, every refusal ends here, with the one object that it is about.
    if len(batch.items) == 1:
        reasons = joined(_reason(entry, redact) for entry in errors)
        return _all(batch, REJECTED, reasons or message or f"Braze answered {status}")
    return Interpretation(Action.SPLIT, too_many=_TOO_MANY_OBJECTS in message.lower())


def _entries(errors: Any) -> list[Any]:
    """Read what should be a list of errors; a null, and what is empty, names none."""
    if isinstance(errors, list):
        return errors
    return [errors] if errors else []


@dataclass(slots=True)
class _Placed:
    """Errors of one answer.

    :param rejected: the reason by ``id`` of the object that is named.
    :param unplaced: the first error that names no object, by the array that it names; of none that was sent: ``""``.
    """

    rejected: dict[int, str]
    unplaced: dict[str, str]


def _place(errors: list[Any], batch: Batch, redact: Callable[[str], str]) -> _Placed:
    """Place errors by array and index, once through: an answer can hold tens of thousands about one object."""
    members: dict[str, list[ProfileObject]] = {array: [] for array in ARRAYS}
    for each in batch.items:
        members[each.array].append(each)
    found: dict[int, dict[str, None]] = {}
    lengths: Counter[int] = Counter()
    unplaced: dict[str, str] = {}
    for entry in errors:
        array, item = _named(entry, members)
        if item is None:
            if array not in unplaced:
                unplaced[array] = _reason(entry, redact) or _NO_REASON
            continue
        reasons = found.setdefault(id(item), {})
        if lengths[id(item)] < LONGEST_READ:
            reason = _reason(entry, redact) or _NO_REASON
            lengths[id(item)] += 0 if reason in reasons else len(reason)
            reasons[reason] = None
    return _Placed({item: "; ".join(reasons) for item, reasons in found.items()}, unplaced)


def _named(entry: Any, members: Mapping[str, list[ProfileObject]]) -> tuple[str, ProfileObject | None]:
    """Find the array that an error names, if it was sent, and the object."""
    # Braze counts within each array, and an answer may be anything: only what surely names an object does.
    array = entry.get("input_array") if isinstance(entry, dict) else None
    if not isinstance(array, str) or not (some := members.get(array)):
        return "", None
    index = entry.get("index")
    if type(index) is not int or not 0 <= index < len(some):
        return array, None
    return array, some[index]


def _reason(entry: Any, redact: Callable[[str], str]) -> str:
    text = entry.get("type") or entry.get("message") if isinstance(entry, dict) else entry
    # First without the key, of which nothing is left over then by cutting.
    return explained(redact(str(text or ""))[:LONGEST_READ])


def _miscount(answer: Mapping[str, Any], expected: Mapping[str, int]) -> str | None:
    for array, count in expected.items():
        counted = answer.get(f"{array}_processed", count)
        if type(counted) is not int or counted != count:
            said = counted if type(counted) is int and counted >= 0 else "something that is no number of"
            return f"Braze counted {said} {array} where {count} were to be expected"
    return None


def _all(batch: Batch, outcome: str, reason: str) -> Interpretation:
    return Interpretation(Action.SETTLE, [(item, outcome, reason) for item in batch.items])


def parse(body: bytes) -> Any:
    """Read a JSON body, or None where it is something else."""
    try:
        # A mark says nothing of what Braze has taken, and is put there by those in between.
        return msgspec.json.decode(body.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def message_of(answer: Any) -> str:
    """Find Braze's message in an answer; a syntax error's message is in ``error``."""
    if not isinstance(answer, dict):
        return ""
    return shortened(str(answer.get("message") or answer.get("error") or ""))


def quotable(message: str, redact: Callable[[str], str]) -> str:
    """Show a message of Braze's without what it may quote; nothing, where no word of it is known."""
    shown = public_words(redact(message))
    return shown if any(map(str.isalpha, shown)) else ""


def refusal(
    status: int, message: str, redact: Callable[[str], str], permission: str = "users.track"
) -> BrazeRefusedError:
    """Say what to fix after an answer that makes every further request pointless."""
    quoted = quotable(message, redact)
    said = f' Braze said: "{quoted}"' if quoted else ""
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
            f"({permission} to push, users.export.ids to look up) and check its IP allowlist.{said}",
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
