"""What was decided of objects, done to them: what needs not be sent is taken out.

Above: the memory. Below: comparing, rules and entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_provider_braze.memory import rules
from airflow_provider_braze.memory.comparing import Compared
from airflow_provider_braze.memory.entries import Row
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.rules.data_points import Saved
from airflow_provider_braze.users_track.rules.values import to_json

PLAIN = "external_id"


class Told(NamedTuple):
    """What is to be remembered once Braze has accepted an object."""

    user: int
    row: Row


@dataclass(slots=True)
class Reduced:
    """What becomes of some objects.

    :param changed: those that are to be sent, in their order, without what needs not be.
    :param unchanged: those of which nothing is left.
    """

    changed: list[ProfileObject] = field(default_factory=list)
    unchanged: list[ProfileObject] = field(default_factory=list)


class Decision(NamedTuple):
    """What was found out about one object: whose it is, all that it says, and what of it goes."""

    user: int
    content: dict[str, Any]
    parts: list[rules.Statement]
    compared: Compared
    unchanged: bool


def is_plain(item: ProfileObject) -> bool:
    """Tell whether an object is one that the memory knows the user of."""
    return item.array == "attributes" and item.identity[0] == PLAIN


def applied(items: Sequence[ProfileObject], decided: Sequence[Decision | None]) -> Reduced:
    """Take out of objects what is decided; of one without a decision, nothing."""
    found = Reduced()
    for item, decision in zip(items, decided, strict=True):
        if decision is None:
            item.told = None
            found.changed.append(item)
            continue
        compared = decision.compared
        item.saved = Saved(compared.values, compared.saved) if compared.values else None
        if decision.unchanged:
            found.unchanged.append(item)
            continue
        item.told = compared.after and Told(decision.user, compared.after)
        if compared.values:
            sent = iter(compared.sent)
            content = rules.without(decision.content, lambda _, sent=sent: next(sent), decision.parts)  # type: ignore[misc]
            if content is not None:
                item.unbill(decision.content)
                item.more = None
                item.become(content, to_json(content))
        found.changed.append(item)
    return found
