"""Types whose objects msgspec writes as the JSON of one profile object, without a dictionary between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from airflow_provider_braze.users_track.mapping.cell_values import LEFT_OUT


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
