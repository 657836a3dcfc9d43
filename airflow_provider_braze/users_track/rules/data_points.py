"""What Braze bills for an object (Braze docs: data points): every attribute sent, changed or not.

Above: objects, the ledger and the memory. Below: the names of standard fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from airflow_provider_braze.users_track.rules.standard_fields import READERS

Names = tuple[str, ...]
Surplus = Mapping[str, int]


class LeftOutValues(NamedTuple):
    """What was left out of an object, because Braze was told it before.

    :param values: how many values.
    :param points: the data points that they would have cost, by attribute.
    """

    values: int
    points: Mapping[str, int]


_FREE = frozenset({"email_subscribe", "push_subscribe", "subscription_groups", "push_tokens", "external_id"})
_NOT_DATA = frozenset(
    {"_update_existing_only", "_merge_objects", "push_token_import", "user_alias", "braze_id"}
)
_CHANGES = frozenset({"add", "remove", "$add", "$remove", "$update"})
_MOST_SHAPES = 10_000


class Billed:
    """What an object costs, or what is left out of it; all that cost the same are one object, see :meth:`of`.

    :param names: its keys.
    :param more: what :func:`surplus` says of it.
    :param values: how many values it has.
    """

    __slots__ = ("more", "names", "points", "values")

    def __init__(self, names: Names, more: Surplus, values: int) -> None:
        self.names, self.more, self.values = names, more, values
        # By attribute. Counted once, since millions may cost the same.
        self.points: Mapping[str, int] = {
            name: 1 + more.get(name, 0) for name in names if name not in _FREE and name not in _NOT_DATA
        }

    @staticmethod
    def of(names: Names, more: Surplus, values: int) -> Billed:
        """Give the one object for what costs so much."""
        key = names, tuple(more.items()), values
        found = _BILLED.get(key)
        if found is None:
            if len(_BILLED) >= _MOST_SHAPES:
                _BILLED.clear()
            found = _BILLED[key] = Billed(names, more, values)
        return found

    @staticmethod
    def of_points(values: int, points: Mapping[str, int]) -> Billed:
        """Give what some values cost.

        :param points: their data points by attribute.
        """
        more = {name: count - 1 for name, count in points.items() if count != 1}
        return Billed.of(tuple(points), more, values)

    @property
    def saved(self) -> LeftOutValues:
        """What it saves to leave it out."""
        return LeftOutValues(self.values, self.points)


_BILLED: dict[tuple[Names, tuple[tuple[str, int], ...], int], Billed] = {}


def points(name: str, value: Any) -> int:
    """Count the data points of one attribute: one, or one for each value added, or one for each nested key."""
    if name in READERS or not isinstance(value, dict):
        return 1
    found = len(value)
    if _CHANGES.isdisjoint(value):
        for item in value.values():
            if isinstance(item, dict):
                found += points("", item) - 1
    else:
        for item in value.values():
            if isinstance(item, list):
                found += len(item) - 1
    return found


def surplus(content: Mapping[str, Any]) -> Surplus:
    """Give the attributes that do not count as one, with what they count besides."""
    return {
        name: more
        for name, value in content.items()
        if value.__class__ is dict
        # One tag is added, as most often.
        and not (len(value) == 1 and (tags := value.get("add")).__class__ is list and len(tags) == 1)
        and (more := points(name, value) - 1)
    }


class DataPoints:
    """Counts the data points of many objects by their attribute names, most of which come again and again."""

    def __init__(self) -> None:
        self._shapes: Counter[tuple[str, Names]] = Counter()
        self._counts: Counter[str] = Counter()

    def add(self, kind: str, names: Names, more: Surplus) -> None:
        """Count one attributes object.

        :param kind: how its user is identified, which is not billed.
        :param names: the object's keys.
        :param more: what :func:`surplus` says of it.
        """
        self._shapes[kind, names] += 1
        for name, count in more.items():
            self._counts[name] += count
        self._bound()

    def add_counted(self, counts: Mapping[str, int]) -> None:
        """Count many attributes objects at once.

        :param counts: their data points by attribute.
        """
        self._counts.update(counts)

    def deduct(self, kind: str, names: Names, more: Surplus, objects: int = 1) -> None:
        """Take back attributes objects that were counted; each is given as to :meth:`add`."""
        self._shapes[kind, names] -= objects
        for name, count in more.items():
            self._counts[name] -= count * objects
        self._bound()

    def add_other(self, array: str, count: int) -> None:
        """Count an event, or a purchase of several pieces."""
        self._counts[array] += count

    def add_all(self, other: DataPoints) -> None:
        """Take in what others counted."""
        self._shapes.update(other._shapes)
        self._counts.update(other._counts)
        self._bound()

    def as_dict(self) -> dict[str, int]:
        """Write the counts as JSON."""
        self._resolve()
        return dict(self._counts)

    @classmethod
    def from_dict(cls, counts: Mapping[str, int]) -> DataPoints:
        """Read what :meth:`as_dict` wrote."""
        points = cls()
        points._counts.update(counts)
        return points

    def _bound(self) -> None:
        """Keep no more shapes than memory is meant for."""
        if len(self._shapes) > _MOST_SHAPES:
            self._resolve()

    def _resolve(self) -> None:
        for (kind, names), count in self._shapes.items():
            for name in names:
                self._counts[name] += count if name != kind else 0
        self._shapes.clear()

    def by_attribute(self) -> dict[str, int]:
        """Give the data points by attribute, most first."""
        self._resolve()
        billed = Counter({name: n for name, n in self._counts.items() if n and name not in _FREE | _NOT_DATA})
        return dict(billed.most_common())

    def total(self) -> int:
        """Give all data points."""
        return sum(self.by_attribute().values())
