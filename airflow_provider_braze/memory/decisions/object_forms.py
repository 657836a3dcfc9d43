"""Forms: which attributes objects have, and what kind of thing they say of each; and types that read objects of one.

msgspec reads an object of a form into a structure, whose values are got column by column. What is not of it is refused
there, for it may mean something else.

Above: objects read together. Below: the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from airflow_provider_braze.memory.decisions.plain_objects import CHANGES
from airflow_provider_braze.memory.rules import ADDED, KEY, MERGE, NO_VALUES, WHOLE
from airflow_provider_braze.users_track.rules.standard_fields import FIELDS

EXISTING_ONLY = "_update_existing_only"
_FLAGS = frozenset({"external_id", EXISTING_ONLY, MERGE})

TEXT, OTHER = "text", "other"
"""What is said of an attribute as a whole: always a text, or anything but an object."""

_MOST_COLUMNS = 500
"""Rows of one's own may have keys without end."""

Field = tuple[str, str, str]
"""Attribute, what is said of it, and the key of one that is an object."""

Form = frozenset[Field]

UNSET = msgspec.UNSET


class _ReadTag(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Adds one tag, and says nothing else."""

    add: tuple[str]


_NO_TAG = _ReadTag(())  # type: ignore[arg-type]  # of an object that says nothing of the attribute
NOTHING = msgspec.Raw(b"")


class StatementColumn(NamedTuple):
    """One thing that objects say.

    :param attribute: whose.
    :param kind: of statement.
    :param key: of an object, else empty.
    :param get: gives it from what was read.
    :param is_text: whether it is a text, rather than JSON.
    """

    attribute: str
    kind: str
    key: str
    get: Callable[[Any], Any]
    is_text: bool


class Reader(NamedTuple):
    """Reads objects of one form.

    :param decode: reads one.
    :param columns: what they say.
    :param objects: of each attribute that is an object, what gives it, and what that is where there is none.
    """

    decode: Callable[[bytes], Any]
    columns: list[StatementColumn]
    objects: list[tuple[Callable[[Any], Any], Any]]


@lru_cache(maxsize=32)
def reader_of(form: Form) -> Reader:
    """Make what reads objects of a form.

    :raises ValueError: JSON does not hold one of its names as it is.
    """
    fields: list[Any] = [("user", str), ("existing", Any, UNSET), ("merges", Any, UNSET)]
    names = {"user": "external_id", "existing": EXISTING_ONLY, "merges": MERGE}
    keys: dict[str, list[str]] = {}
    columns: list[StatementColumn] = []
    objects: list[tuple[Callable[[Any], Any], Any]] = []
    for attribute, said, key in sorted(form):
        if said == KEY:
            keys.setdefault(attribute, []).append(key)
            continue
        own = f"f{len(fields)}"
        names[own] = attribute
        if said == TEXT:
            fields.append((own, str, UNSET))
        elif said == OTHER:
            fields.append((own, msgspec.Raw, NOTHING))
        else:
            fields.append((own, _ReadTag, _NO_TAG))
        get = attrgetter(f"{own}.add" if said == ADDED else own)
        columns.append(StatementColumn(attribute, ADDED if said == ADDED else WHOLE, "", get, said != OTHER))
    for attribute, inner in keys.items():
        own = f"f{len(fields)}"
        names[own] = attribute
        kind = msgspec.defstruct(
            "Inner",
            [(f"g{at}", str, UNSET) for at in range(len(inner))],
            rename={f"g{at}": key for at, key in enumerate(inner)},
            frozen=True,
            forbid_unknown_fields=True,
            gc=False,
        )
        nothing = kind()
        fields.append((own, kind, nothing))
        objects.append((attrgetter(own), nothing))
        columns += [
            StatementColumn(attribute, KEY, key, attrgetter(f"{own}.g{at}"), True)
            for at, key in enumerate(inner)
        ]
    whole = msgspec.defstruct("Object", fields, rename=names, forbid_unknown_fields=True, gc=False)
    return Reader(msgspec.json.Decoder(whole).decode, columns, objects)


def form_of(content: Mapping[str, Any]) -> Form | None:
    """Give the form of an object; None of one that is to be looked at for itself."""
    found: set[Field] = set()
    merges = content.get(MERGE) is True
    for name, value in content.items():
        if name in NO_VALUES:
            if name not in _FLAGS:
                return None
            continue
        said = _said_of(name, value, merges=merges)
        if not said:
            return None
        found |= said
    return frozenset(found)


def _said_of(name: str, value: Any, *, merges: bool) -> set[Field]:
    """Give what is said of an attribute; nothing where that is to be looked at for itself."""
    if value.__class__ is str:
        return {(name, TEXT, "")}
    if value.__class__ is not dict:
        return {(name, OTHER, "")}
    if name in FIELDS:
        return set()
    if len(value) == 1 and (tags := value.get("add")).__class__ is list:
        return {(name, ADDED, "")} if len(tags) == 1 and tags[0].__class__ is str else set()
    if merges and CHANGES.isdisjoint(value) and all(item.__class__ is str for item in value.values()):
        return {(name, KEY, key) for key in value}
    return set()


def united(one: Form, other: Form) -> Form | None:
    """Give the form of objects of either; None where they say different kinds of things of one attribute."""
    both = one | other
    said: dict[str, set[str]] = {}
    for attribute, kind, _ in both:
        said.setdefault(attribute, set()).add(kind)
    odd = {attribute for attribute, kinds in said.items() if len(kinds) > 1}
    if any(said[attribute] != {TEXT, OTHER} for attribute in odd) or len(both) > _MOST_COLUMNS:
        return None
    return both - {(attribute, TEXT, "") for attribute in odd}
