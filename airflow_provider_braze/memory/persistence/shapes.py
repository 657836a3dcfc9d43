"""What objects cost, numbered: of an object that is the very same as the last, only its number is looked up.

Above: the memory. Below: what Braze bills.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_braze.memory import rules
from airflow_provider_braze.users_track.rules.data_points import Billed, Names, Surplus, surplus

MOST_SHAPES = 1_000
"""Of a bucket. Rows of one's own may have keys without end; what an object of another shape costs is counted anew."""

_Key = tuple[Names, tuple[tuple[str, int], ...], int]


class Shapes:
    """
    Knows the numbers, from 1 on.

    :param known: those of the store: number, names and surplus as JSON, values.
    """

    def __init__(self, known: Iterable[Sequence[Any]]) -> None:
        self._by_number: dict[int, Billed] = {}
        self._numbers: dict[_Key, int] = {}
        for number, names, more, values in known:
            self._add(number, Billed.of(tuple(json.loads(names)), json.loads(more), values))
        self._written = len(self._numbers)

    def _add(self, number: int, billed: Billed) -> None:
        self._by_number[number] = billed
        self._numbers[billed.names, tuple(billed.more.items()), billed.values] = number

    def number(self, names: Names, more: Surplus, values: int) -> int:
        """Give the number of an object; 0 where there are too many.

        :param names: its keys.
        :param more: what :func:`surplus` says of it.
        :param values: how many values it has.
        """
        found = self._numbers.get((names, tuple(more.items()), values))
        if found is not None:
            return found
        if len(self._numbers) >= MOST_SHAPES:
            return 0
        self._add(len(self._numbers) + 1, Billed.of(names, more, values))
        return len(self._numbers)

    def billed(self, number: int, content: Mapping[str, Any] | None = None) -> Billed | None:
        """Give what an object costs; None where its number does not tell, and nothing else is given.

        :param content: the object.
        """
        found = self._by_number.get(number)
        return billed_of(content) if found is None and content is not None else found

    def new(self) -> list[tuple[int, str, str, int]]:
        """Give those that are not in the store yet, once."""
        found = [
            (number, json.dumps(billed.names), json.dumps(dict(billed.more)), billed.values)
            for number, billed in list(self._by_number.items())[self._written :]
        ]
        self._written = len(self._by_number)
        return found


def billed_of(content: Mapping[str, Any]) -> Billed:
    """Give what an object costs, and how many values it has."""
    return Billed.of(tuple(content), surplus(content), rules.values_of(content))
