"""What was decided of objects, done to them: what needs not be sent is taken out.

Above: the memory. Below: comparing, rules and entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

import msgspec

from airflow_provider_braze.memory import rules
from airflow_provider_braze.memory.decisions.comparing import Compared
from airflow_provider_braze.memory.persistence.entries import UserEntries
from airflow_provider_braze.memory.persistence.shapes import billed_of
from airflow_provider_braze.users_track.batching.batch import Part
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.batching.record_block import BlockSlice
from airflow_provider_braze.users_track.rules.data_points import Billed
from airflow_provider_braze.users_track.rules.values import to_json

T = TypeVar("T")

PLAIN = "external_id"


class Told(msgspec.Struct, frozen=True, gc=False):
    """What is to be remembered once Braze has accepted an object."""

    user: int
    row: UserEntries


@dataclass(slots=True)
class Reduced:
    """What becomes of some objects.

    :param changed: those that are to be sent, in their order, without what needs not be.
    :param unchanged: those of which nothing is left.
    """

    changed: list[ProfileObject] = field(default_factory=list)
    unchanged: list[ProfileObject] = field(default_factory=list)


@dataclass(slots=True)
class Sifted:
    """What becomes of consecutive objects of a block of which something is left out, or of an unchanged one.

    :param items: an unchanged object of its own.
    :param unchanged: what those cost of which nothing is left.
    :param reduced_by: what is left out of the others.
    :param changed: the others, in their order.
    """

    items: list[ProfileObject] = field(default_factory=list)
    unchanged: list[Billed] = field(default_factory=list)
    reduced_by: list[Billed] = field(default_factory=list)
    changed: list[Part] = field(default_factory=list)


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What was found out about one object, and what is to be done to it.

    :param told: what is remembered of it once Braze has accepted it.
    :param unchanged: nothing of it is left: what it costs.
    :param left_out: what is left out of it, where that is not all.
    :param left: what is left of it then.
    """

    told: Told | None = None
    unchanged: Billed | None = None
    left_out: Billed | None = None
    left: dict[str, Any] | None = None


_TOLD, _UNCHANGED, _LEFT_OUT = (attrgetter(name) for name in ("told", "unchanged", "left_out"))

AS_IT_IS = Decision()
"""Send all of it, and remember nothing."""


def decision_of(
    user: int,
    content: dict[str, Any],
    parts: list[rules.Statement],
    compared: Compared,
    *,
    unchanged: bool,
) -> Decision:
    """Decide of an object that was compared statement by statement."""
    if unchanged:
        return Decision(unchanged=billed_of(content))
    told = None if compared.after is None else Told(user, compared.after)
    if not compared.values:
        return Decision(told)
    left = rules.without(content, parts, compared.sent)
    return Decision(told, None, Billed.of_points(compared.values, compared.saved), left)


@dataclass(slots=True)
class Gathered:
    """Objects of a taking.

    :param users: the ``external_id`` of each; None where the memory does not know the user.
    :param bodies: each as JSON.
    :param checked: whether Braze surely takes every value of each.
    :param shared: those attributes objects whose users are named in another way.
    """

    users: list[str | None] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    checked: list[bool] = field(default_factory=list)
    shared: list[bytes] = field(default_factory=list)

    def of(self, indexes: Sequence[int]) -> Gathered:
        """Give some of them; none that is shared."""
        return Gathered(
            [*some(self.users, indexes)],
            [*some(self.bodies, indexes)],
            [*some(self.checked, indexes)],
        )


def some(values: Sequence[T], indexes: Sequence[int]) -> Sequence[T]:
    """Give the values at some indexes, which are in order, each once."""
    if len(indexes) == len(values):
        return values
    return itemgetter(*indexes)(values) if len(indexes) > 1 else [values[at] for at in indexes]


def gathered(parts: Sequence[Part]) -> Gathered:
    """Gather what was taken, object by object."""
    found = Gathered()
    for part in parts:
        if isinstance(part, BlockSlice):
            _gather_slice(part, found)
            continue
        found.users.append(str(part.identity[1]) if is_plain(part) else None)
        found.bodies.append(part.body)
        found.checked.append(part.checked)
        if part.array == "attributes" and not is_plain(part):
            found.shared.append(part.body)
    return found


def _gather_slice(part: BlockSlice, found: Gathered) -> None:
    block, places = part.block, part.places
    bodies = [block.bodies[at] for at in places]
    keys = [block.keys[at] for at in places]
    found.bodies += bodies
    found.checked += [True] * len(bodies)
    if keys and isinstance(keys[0], str):
        found.users += keys  # type: ignore[arg-type]  # all of a block are named in the same way
    else:
        found.users += [None] * len(bodies)
        found.shared += bodies


def is_plain(item: ProfileObject) -> bool:
    """Tell whether an object is one that the memory knows the user of."""
    return item.array == "attributes" and item.identity[0] == PLAIN


def applied(items: Sequence[ProfileObject], decided: Sequence[Decision]) -> Reduced:
    """Take out of objects what is decided."""
    found = Reduced()
    for item, decision in zip(items, decided, strict=True):
        if (billed := decision.unchanged) is not None:
            item.saved = billed.saved if billed.values else None
            found.unchanged.append(item)
        else:
            take_out(item, decision)
            found.changed.append(item)
    return found


def take_out(item: ProfileObject, decision: Decision) -> None:
    """Take out of an object of which something is left what is decided."""
    item.told = decision.told
    item.saved = None if decision.left_out is None else decision.left_out.saved
    if decision.left is not None:
        item.unbill()
        item.more = None
        item.become(decision.left, to_json(decision.left))


def sifted(part: Part, decided: Sequence[Decision]) -> Sifted | None:
    """Take out of what was taken what is decided; None where it can be sent as it is then."""
    if isinstance(part, ProfileObject):
        unchanged = applied([part], decided).unchanged
        return Sifted(items=unchanged) if unchanged else None
    unchanged_ones = list(filter(None, map(_UNCHANGED, decided)))
    reduced_by = list(filter(None, map(_LEFT_OUT, decided)))
    if not unchanged_ones and not reduced_by:
        part.told = list(map(_TOLD, decided))
        return None
    found = Sifted(unchanged=unchanged_ones, reduced_by=reduced_by)
    if len(unchanged_ones) < len(decided):
        found.changed.append(_left_of(part, decided))
    return found


def _left_of(part: BlockSlice, decided: Sequence[Decision]) -> BlockSlice:
    """Give what is left of objects of a block."""
    changed = [(at, each) for at, each in zip(part.places, decided, strict=True) if each.unchanged is None]
    bodies = part.block.bodies
    left = part.block.some(
        [at for at, _ in changed],
        [bodies[at] if each.left is None else to_json(each.left) for at, each in changed],
    )
    left.told = [each.told for _, each in changed]
    left.left_out = [each.left_out for _, each in changed]
    return left
