"""Rows put together for requests: up to 50 of one kind, and nobody twice in one, for Braze keeps no order within it.

What always holds: what touches one user goes out in the order of the rows, one request after the other.

Above: the delivery. Below: what each action takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.user_actions.actions import ROWS_PER_REQUEST, Change, Person
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.records import RecordReference

_MOST_OPEN = 50
"""Batches that are being filled at the same time: rows may be for many subscription groups."""


@dataclass(slots=True, eq=False)
class ActionBatch:
    """What goes into one request.

    :param array: of the request.
    :param shared: what all have in common.
    :param objects: what is sent, each with the rows that it comes from: rows that say the same are sent once.
    :param items: what of each goes into the array.
    :param people: whom it touches; of a half, whom the whole did.
    """

    array: str
    shared: dict[str, Any]
    objects: list[ProfileObject] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    people: set[Person] = field(default_factory=set)

    def add(self, change: Change, reference: RecordReference) -> None:
        """Take a row."""
        content = {change.array: change.item, **self.shared}
        self.objects.append(ProfileObject(change.array, (change.array,), content, [reference]))
        self.items.append(change.item)
        self.people |= change.people

    def fold(self, change: Change, reference: RecordReference) -> bool:
        """Take a row into one that says the same; False where there is none."""
        for item, each in zip(self.items, self.objects, strict=True):
            if item == change.item:
                each.references = [*each.references, reference]
                return True
        return False

    def halves(self) -> tuple[ActionBatch, ActionBatch]:
        """Part it in two, to find what Braze refuses in it."""
        middle = len(self.items) // 2
        first = ActionBatch(self.array, self.shared, self.objects[:middle], self.items[:middle], self.people)
        return first, ActionBatch(
            self.array, self.shared, self.objects[middle:], self.items[middle:], self.people
        )


class Batches:
    """Fills batches, and gives each when it has to go.

    :param most: rows in one request.
    """

    def __init__(self, most: int = ROWS_PER_REQUEST) -> None:
        self._most = most
        self._open: dict[tuple[Any, ...], ActionBatch] = {}
        self._whose: dict[Person, tuple[Any, ...]] = {}

    def add(self, change: Change, reference: RecordReference) -> Iterator[ActionBatch]:
        """Take a row; what must go before the next one is given, in that order."""
        key = (change.array, change.shared)
        met = {self._whose[person] for person in change.people if person in self._whose}
        if met == {key} and self._open[key].fold(change, reference):
            return
        # Of those who wait in a batch, the earlier row must go first.
        for other in sorted(met, key=list(self._open).index):
            yield self._close(other)
        if key not in self._open:
            if len(self._open) >= _MOST_OPEN:
                yield self._close(next(iter(self._open)))
            self._open[key] = ActionBatch(change.array, dict(change.shared))
        batch = self._open[key]
        batch.add(change, reference)
        self._whose |= dict.fromkeys(change.people, key)
        if len(batch.items) >= self._most:
            yield self._close(key)

    def rest(self) -> Iterator[ActionBatch]:
        """Give what is left."""
        for key in [*self._open]:
            yield self._close(key)

    def _close(self, key: tuple[Any, ...]) -> ActionBatch:
        batch = self._open.pop(key)
        for person in batch.people:
            self._whose.pop(person, None)
        return batch
