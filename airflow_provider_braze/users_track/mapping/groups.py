"""The columns of a layout, parted by how their cells are mapped.

Above: the mapper, one by one and by column. Below: where a column goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track.mapping.columns import Column, Layout
from airflow_provider_braze.users_track.rules import limits

ONLY_EXISTING = "_update_existing_only"
MERGE = "_merge_objects"

CHARACTER_BYTES = 6
"""JSON bytes of one character at the worst: a control character, as \\\\u001f."""


class Group:
    """The columns that go into one object: plain text, those with a reader, and those with a rule for no value."""

    def __init__(self, columns: Sequence[Column]) -> None:
        ruled = [column for column in columns if column.null_token is not None or column.empty != "omit"]
        rest = [column for column in columns if column not in ruled]
        self.ruled = tuple(ruled)
        self.plain = tuple((each.index, each.target, each.name) for each in rest if each.read is None)
        self.read = tuple(
            (each.index, each.target, each.name, each.read) for each in rest if each.read is not None
        )
        self.targets = tuple(column.target for column in columns)
        self.key_bytes = sum(len(target) * CHARACTER_BYTES + 64 for target in self.targets)
        worst = limits.STRING_CHARACTERS * CHARACTER_BYTES * len(columns) + self.key_bytes
        self.may_be_large = worst > limits.NESTED_BYTES or any(column.read for column in columns)


def actions_of(layout: Layout, offer: str | None) -> dict[str, str]:
    """Give what each tag attribute does with its tags: ``add`` or ``replace``."""
    actions: dict[str, str] = {offer: "add"} if offer else {}
    for _, tag in layout.tags:
        if actions.setdefault(tag.attribute, tag.action) != tag.action:
            raise MappingError(f"mapping tags: {tag.attribute!r} is both added to and replaced.")
    return actions


def part_tags(
    layout: Layout, actions: dict[str, str], offer: dict[str, str]
) -> tuple[tuple[tuple[int, str, str], ...], tuple[Column, ...]]:
    """Part the columns that alone add one tag to their attribute, which are most, from all others."""
    columns = [column for column, _ in layout.tags]
    sources = Counter([column.target for column in columns] + [*offer])
    lone = [
        column
        for column in columns
        if column.read is None
        and column.null_token is None
        and sources[column.target] == 1
        and actions[column.target] == "add"
    ]
    return (
        tuple((column.index, column.name, column.target) for column in lone),
        tuple(column for column in columns if column not in lone),
    )
