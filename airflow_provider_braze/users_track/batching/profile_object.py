"""One object on its way to Braze, and the records it comes from.

Above: the merge window, the sender and the ledger, which settles its records. Below: the rules of merging, and
references to records.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec

from airflow_provider_braze.users_track.batching.merging import merge
from airflow_provider_braze.users_track.records import ALREADY_SETTLED, RecordReference
from airflow_provider_braze.users_track.rules.data_points import (
    DataPoints,
    LeftOutValues,
    Names,
    Surplus,
    surplus,
)
from airflow_provider_braze.users_track.rules.values import to_json

Identity = tuple[str | None, ...]


def _as_it_is(number: str) -> float | Decimal:
    """Read a number so that it is written as the same one again, be it finer than a float is."""
    exact = Decimal(number)
    return found if Decimal(repr(found := float(number))) == exact else exact


from_json = msgspec.json.Decoder(float_hook=_as_it_is).decode
"""Reads an object back."""

_SHARED_NAMES: dict[Names, Names] = {}
_MOST_SHARED_NAMES = 1000

DEEPEST = 100
"""Levels of objects and arrays in one object; far beyond what Braze can use, and within what Python can walk."""

TOO_DEEP = f"nested deeper than {DEEPEST} levels"


class ProfileObject(msgspec.Struct, eq=False, gc=False):
    """One object on its way, with every record that was folded into it.

    Thousands wait in the window, so what waits is JSON: the object itself is read back in the rare cases that need it.

    :param array: ``attributes``, ``events`` or ``purchases``.
    :param identity: whom it is about.
    :param given: the object, until it is JSON.
    :param references: the records it comes from.
    :param more: the data points that its attributes count beyond one each (default: found out).
    :param body: the object as JSON.
    :param weight: characters that it takes of the window.
    :param checked: Braze surely takes every value of it: the mapper has looked at each.
    :param billed_ahead: its segment counts its data points already, as if Braze had accepted it. Whatever else becomes
        of it, :meth:`unbill` takes them back; once it is accepted, they count for good, and this is over.
    :param names: the names of its attributes, once it is JSON and not billed ahead.
    :param told: what the memory keeps once Braze has accepted it.
    :param saved: what was left out of it.
    """

    array: str
    identity: Identity
    given: dict[str, Any] | None
    references: Sequence[RecordReference]
    more: Surplus | None = None
    body: bytes = b""
    weight: int = 0
    checked: bool = False
    billed_ahead: bool = False
    names: Names = ()
    told: Any = None
    saved: LeftOutValues | None = None
    # Of its place in the window: the user's objects around it that have no outcome, the ordinal of its first
    # record, whether nothing more is looked ahead for, and whether it was taken.
    before: ProfileObject | None = None
    after: ProfileObject | None = None
    position: int = 0
    past_look_ahead: bool = False
    taken: bool = False

    @property
    def content(self) -> dict[str, Any]:
        """The object."""
        if self.given is None:
            found: dict[str, Any] = from_json(self.body)
            return found
        return self.given

    def billed(self, content: dict[str, Any] | None = None) -> tuple[Names, Surplus]:
        """Give the names of its attributes, and what those count that are not one data point.

        :param content: the object, where it is at hand.
        """
        if self.names and self.more is not None:
            return self.names, self.more
        content = self.content if content is None else content
        return tuple(content), surplus(content) if self.more is None else self.more

    def bill_to(self, data_points: DataPoints) -> None:
        """Add what Braze bills for it."""
        if self.array == "attributes":
            data_points.add(str(self.identity[0]), *self.billed())
        else:
            quantity = self.content.get("quantity") if self.array == "purchases" else 1
            data_points.add_other(self.array, quantity if isinstance(quantity, int) and quantity > 0 else 1)

    def encode(self) -> str | None:
        """Write the object as JSON, and weigh it; the reason when it cannot be sent."""
        content = self.content
        try:
            body = to_json(content)
        except Exception as error:
            # The text of the error may hold a value, so only its type is told.
            return f"not JSON: {type(error).__name__}"
        if body.count(b"{") + body.count(b"[") > DEEPEST and _depth(content) > DEEPEST:
            return TOO_DEEP
        # Such a number would be written as null, which unsets what Braze has stored.
        if b"null" in body and _holds_no_number(content):
            return "not JSON: a value of type float that is infinite or not a number"
        self.become(content, body)
        self.weight = len(body) + sum([reference.weight for reference in self.references])
        return None

    def become(self, content: dict[str, Any], body: bytes) -> None:
        """Take this content, of which only the JSON is kept."""
        self.body = body
        names = tuple(content)
        # Most objects have the same few attributes, so that they can share one tuple.
        self.names = _SHARED_NAMES.setdefault(names, names)
        if len(_SHARED_NAMES) > _MOST_SHARED_NAMES:
            _SHARED_NAMES.clear()
        if self.more is None:
            self.more = surplus(content)
        self.given = None

    def fold_in(self, item: ProfileObject, united: frozenset[str], room: int) -> int | None:
        """Take in a later attributes object of the same user, with its records, where that means the same.

        :param united: tag attributes that are united though they are plain arrays.
        :param room: most bytes of an object.
        :return: characters by which this one takes more of the window; None where both must be sent.
        """
        older, newer = self.content, item.content
        checked = self.checked and item.checked
        merged = merge(older, newer, united, checked=checked)
        if merged is None:
            return None
        body = to_json(merged)
        if len(body) > room:
            return None
        # Both were counted as two objects; from here on the one that is sent is.
        self.unbill(older)
        item.unbill(newer)
        grown = item.weight - len(item.body) + len(body) - len(self.body)
        self.weight += grown
        # Of the merged object, the surplus is found out anew.
        self.more = None
        self.checked = checked
        self.become(merged, body)
        self.references = (*self.references, *item.references)
        return grown

    def unbill(self, content: dict[str, Any] | None = None) -> None:
        """Take back what was counted ahead, because Braze does not get it, or not like this.

        :param content: the object, where it is at hand.
        """
        if not self.billed_ahead:
            return
        self.billed_ahead = False
        if (segment := self.references[0].segment) is not None:
            segment.data_points.deduct(str(self.identity[0]), *self.billed(content))

    @property
    def settled_earlier(self) -> bool:
        """Whether an earlier try has settled every record of it, so that it need not be sent again for itself."""
        return bool(self.references) and self.references[-1].segment is ALREADY_SETTLED

    @property
    def repeatable(self) -> bool:
        """Whether Braze may get it twice without harm: sets of values are, events and increments are not."""
        return self.array == "attributes" and not any(map(_counts_each_time, self.content.values()))


def _depth(value: Any) -> int:
    deepest, pending = 0, [(value, 1)]
    while pending:
        value, depth = pending.pop()
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, list | tuple | set):
            continue
        deepest = max(deepest, depth)
        pending += [(item, depth + 1) for item in value]
    return deepest


def _holds_no_number(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_no_number, value.values()))
    return isinstance(value, list | tuple | set) and any(map(_holds_no_number, value))


def _counts_each_time(value: Any) -> bool:
    return isinstance(value, dict) and ("$add" in value or value.keys() == {"inc"})
