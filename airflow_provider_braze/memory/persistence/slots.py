"""Numbers for what can be said of a user: four bytes stand for an attribute, or for one key of it.

The names of attributes are no personal values, and stand in clear. To forget an attribute for all users at once, its
numbers are forgotten: what is remembered under them means nothing from then on.

Above: the memory. Below: the rules.
"""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_braze.memory.rules import Statement, are_rivals

Slot = tuple[str, str, str]
"""Attribute, kind of statement, key."""

MOST_SLOTS = 6_000
"""Of a bucket. Rows of one's own may have keys without end; what has no number is not remembered."""


class Slots:
    """
    Knows the numbers.

    :param known: those of the store.
    :param next_number: the first that was never given.
    """

    def __init__(self, known: Iterable[tuple[int, Slot]], next_number: int) -> None:
        self.next_number = next_number
        self.new: list[tuple[int, Slot]] = []
        self._numbers: dict[Slot, int] = {}
        self._of: dict[str, list[Slot]] = {}
        # By attribute: also of what has no number, because it is not remembered.
        self._rivals: dict[str, dict[Slot, frozenset[int]]] = {}
        for number, slot in known:
            self._add(number, slot)

    def _add(self, number: int, slot: Slot) -> None:
        self._numbers[slot] = number
        self._of.setdefault(slot[0], []).append(slot)
        self._rivals.pop(slot[0], None)

    def begin_like(self, others: Slots) -> None:
        """Give the same numbers as another file, before any is given here: what is hashed for one is known in both."""
        self.new = [(number, slot) for slot, number in others._numbers.items()]
        for number, slot in self.new:
            self._add(number, slot)
        self.next_number = others.next_number

    def number(self, statement: Statement) -> int | None:
        """Give the number of what a statement is about, a new one if need be; None where there are too many."""
        slot = (statement.attribute, statement.kind, statement.key)
        found = self._numbers.get(slot)
        if found is None and len(self._numbers) < MOST_SLOTS:
            found, self.next_number = self.next_number, self.next_number + 1
            self._add(found, slot)
            self.new.append((found, slot))
        return found

    def rivals(self, statement: Statement) -> frozenset[int]:
        """Give the numbers of all that is forgotten when a statement is sent, itself included."""
        attribute, kind, key = slot = (statement.attribute, statement.kind, statement.key)
        known = self._rivals.setdefault(attribute, {})
        found = known.get(slot)
        if found is None:
            found = known[slot] = frozenset(
                self._numbers[other]
                for other in self._of.get(attribute, ())
                if are_rivals(kind, key, other[1], other[2])
            )
        return found

    def forget(self, attribute: str) -> bool:
        """Forget an attribute for all users; whether anything was known of it."""
        slots = self._of.pop(attribute, [])
        gone = {self._numbers.pop(slot) for slot in slots}
        self._rivals.pop(attribute, None)
        self.new = [each for each in self.new if each[0] not in gone]
        return bool(slots)

    def by_number(self) -> dict[int, Slot]:
        """Give what each number stands for."""
        return {number: slot for slot, number in self._numbers.items()}
