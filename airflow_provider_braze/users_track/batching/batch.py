"""The objects of one request.

The window and ``delivery`` stand above; below are objects and blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.batching.record_block import BlockSlice
from airflow_provider_braze.users_track.records import ALREADY_SETTLED
from airflow_provider_braze.users_track.rules import limits
from airflow_provider_braze.users_track.rules.values import to_json

ARRAYS = ("attributes", "events", "purchases")
"""The arrays of a /users/track request, in the order Braze processes them."""

Part = ProfileObject | BlockSlice

_ENVELOPE = len('{"attributes":[],"events":[],"purchases":[]}')


@dataclass(slots=True)
class Batch:
    """The objects of one request.

    :param parts: what was taken for it, which stays as it is.
    :param lost: a try may have reached Braze and has no conclusive answer, so that these records can no longer be
        called not sent.
    :param ambiguous: Braze may have processed the last try, so that events must not be sent again.
    :param sending: a request with it is under way.
    """

    parts: Sequence[Part]
    lost: bool = False
    ambiguous: bool = False
    sending: bool = False
    _items: list[ProfileObject] | None = field(default=None, repr=False)

    @property
    def items(self) -> list[ProfileObject]:
        """Its objects, one for one; where nothing has to be said of single ones, :attr:`remaining` takes less time."""
        if self._items is None:
            # Whole or not at all: an interruption must not leave some of them out.
            items: list[ProfileObject] = []
            for part in self.parts:
                items += part.items() if isinstance(part, BlockSlice) else [part]
            self._items = items
        return self._items

    @items.setter
    def items(self, items: list[ProfileObject]) -> None:
        self._items = items

    @property
    def remaining(self) -> Sequence[Part]:
        """What is still to be sent: all that was taken, or its objects once they were asked for."""
        return self.parts if self._items is None else self._items

    @property
    def records(self) -> int:
        """Records that no earlier try has settled."""
        return sum(
            len(part)
            if isinstance(part, BlockSlice)
            else sum([reference.segment is not ALREADY_SETTLED for reference in part.references])
            for part in self.remaining
        )

    def body(self, partner: str | None) -> bytes:
        """Write the request's body."""
        bodies: dict[str, list[bytes]] = {array: [] for array in ARRAYS}
        for part in self.remaining:
            bodies[part.array].append(part.body)
        # Put together once: it has tens of thousands of bytes, which each step between would copy.
        pieces, comma = [b"{"], b""
        for array, some in bodies.items():
            if some:
                pieces += [comma, b'"%s":[' % array.encode(), b",".join(some), b"]"]
                comma = b","
        if partner:
            pieces += [comma, partner_member(partner)]
        pieces.append(b"}")
        return b"".join(pieces)

    def counts(self) -> dict[str, int]:
        """Count the objects of each array."""
        counts = dict.fromkeys(ARRAYS, 0)
        for part in self.remaining:
            counts[part.array] += size(part)
        return counts

    def halves(self) -> tuple[Batch, Batch]:
        """Part the batch in two, in order."""
        middle = len(self.items) // 2
        return Batch(self.items[:middle], self.lost), Batch(self.items[middle:], self.lost)


def size(part: Part) -> int:
    """Count the objects of a part."""
    return len(part) if isinstance(part, BlockSlice) else 1


def partner_member(partner: str) -> bytes:
    """Write the member of a body that names a partner."""
    return b'"partner":' + to_json(partner)


def why_never_sent(
    item: ProfileObject, partner: str | None = None, bytes_per_request: int = limits.BYTES_PER_REQUEST
) -> str | None:
    """Write an object as JSON, and say why it can never be sent, or None."""
    reason = item.encode()
    if reason is None and len(item.body) > room_for_objects(partner, bytes_per_request):
        reason = why_too_large(bytes_per_request)
    return reason


def room_for_objects(partner: str | None, bytes_per_request: int) -> int:
    """Count the bytes that the objects of one request may take."""
    return bytes_per_request - _ENVELOPE - (len(partner_member(partner)) + 1 if partner else 0)


def why_too_large(bytes_per_request: int) -> str:
    """Say why an object can never be sent."""
    return f"larger than a request may be ({bytes_per_request} bytes)"
