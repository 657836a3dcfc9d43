"""Types whose objects msgspec writes as the JSON of one profile object, without a dictionary between.

Above: the mapper, one by one and by column. Below: msgspec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import msgspec

from airflow_provider_braze.users_track.mapping.cell_values import LEFT_OUT, Cells
from airflow_provider_braze.users_track.rules.values import to_json


class _WrittenTag(msgspec.Struct, gc=False):
    """Adds one tag; the memory reads such objects by a type of its own, which refuses anything else in them."""

    add: tuple[str]


def object_type(required: Sequence[str], texts: Sequence[str], others: Sequence[str]) -> Callable[..., Any]:
    """Make a type of objects with these keys; an empty text is left out, and so is what is ``LEFT_OUT``.

    msgspec leaves out what *is* the default. There is but one empty text in CPython, wherever it was cut from.
    """
    keys = [*required, *texts, *others]
    fields: list[Any] = [f"f{at}" for at in range(len(required))]
    fields += [(f"f{at + len(required)}", Any, "") for at in range(len(texts))]
    fields += [(f"f{at}", Any, LEFT_OUT) for at in range(len(required) + len(texts), len(keys))]
    names = {f"f{at}": key for at, key in enumerate(keys)}
    return msgspec.defstruct("Object", fields, rename=names, omit_defaults=True, gc=False)


def is_plain_key(key: str) -> bool:
    """Tell whether JSON holds a key as it is written, without which msgspec makes no type of it."""
    return key.isprintable() and '"' not in key and "\\" not in key


def as_json(value: Any) -> Any:
    """Write what is the same in every object as JSON, once; what cannot be is refused with each record."""
    try:
        return msgspec.Raw(to_json(value))
    except UnicodeEncodeError:
        return value


def tags_of(cells: Cells) -> Iterable[Any]:
    """Give what adds each cell as one tag."""
    if cells[0] == cells[-1] and cells.count(cells[0]) == len(cells):
        # As the execution's id is, which every record carries.
        return repeat(_WrittenTag((cells[0],)) if cells[0] else LEFT_OUT)
    tags = map(_WrittenTag, zip(cells, strict=True))
    return (
        [tag if cell else LEFT_OUT for tag, cell in zip(tags, cells, strict=True)]
        if "" in cells
        else list(tags)
    )
