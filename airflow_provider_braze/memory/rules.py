"""What an object tells Braze, statement by statement, and what of it may be left out. Pure: no file, no hash, no clock.

A *statement* sets one thing: an attribute as a whole, one key of an attribute that is an object, or tags that are added
to an array or removed from it. One rule covers all: a statement may be left out when it says what was the last that
Braze accepted about the same thing, for to say it again changes nothing. Statements about the same attribute in another
way are its rivals: each sent one makes the memory forget the others.

Above: the memory. Below: what Braze takes as a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from airflow_provider_braze.users_track.rules import checks, standard_fields
from airflow_provider_braze.users_track.rules.data_points import points
from airflow_provider_braze.users_track.rules.names import squash
from airflow_provider_braze.users_track.rules.standard_fields import FIELDS

WHOLE, KEY, ADDED, REMOVED = "=", ".", "+", "-"
"""What a statement is about: an attribute as a whole, one key of an object, tags added, tags removed."""

TAGS = (ADDED, REMOVED)

UNSAFE = "!"
"""Anything else: an increment, a change of an array of objects, what Braze may ignore. It is never left out."""

MOST_TAGS = 400
"""Known tags of one array above which all are sent: Braze keeps 500, and drops what was not added for longest."""

ALWAYS_SENT = frozenset(
    {
        "country",
        "current_location",
        "date_of_first_session",
        "date_of_last_session",
        "email_click_tracking_disabled",
        "email_open_tracking_disabled",
        "email_subscribe",
        "language",
        "marked_email_as_spam_at",
        "push_subscribe",
        "push_tokens",
        "subscription_groups",
        "time_zone",
    }
)
"""Standard fields that people, SDKs or Braze itself change."""

MERGE = "_merge_objects"
_EXISTING_ONLY = "_update_existing_only"
NO_VALUES = frozenset({"external_id", "braze_id", "user_alias", _EXISTING_ONLY, MERGE, "push_token_import"})
"""Members of an object that are none of a profile's values."""


class Statement(NamedTuple):
    """One thing that an object says.

    :param attribute: whose.
    :param kind: ``WHOLE``, ``KEY``, ``ADDED``, ``REMOVED`` or ``UNSAFE``.
    :param key: of an object, else empty.
    :param values: what is said: one value, or tags.
    :param remembered: whether it may be left out, once Braze has accepted it.
    """

    attribute: str
    kind: str
    key: str
    values: tuple[Any, ...]
    remembered: bool = True


def creates(content: Mapping[str, Any]) -> bool:
    """Tell whether Braze makes the profile when there is none, of an object that names its user by ``external_id``."""
    return content.get(_EXISTING_ONLY) is not True


def statements(
    content: Mapping[str, Any], always_send: AbstractSet[str] = frozenset(), *, checked: bool = False
) -> list[Statement]:
    """Take an object apart.

    :param content: an attributes object.
    :param always_send: names, as :func:`squash` spells them, of attributes and of keys inside objects that are
        never left out, because others change them, too.
    :param checked: Braze surely takes every value of it; otherwise each is looked at.
    """
    found: list[Statement] = []
    merges = content.get(MERGE) is True
    odd = frozenset() if checked else _odd_names(content)
    for name, value in content.items():
        if name in NO_VALUES:
            continue
        remembered = name not in ALWAYS_SENT and not is_always_sent((name,), always_send)
        if checked and value.__class__ is str:
            found.append(Statement(name, WHOLE, "", (value,), remembered))
        elif name.strip() in odd or not (checked or _is_taken(name, value)):
            found.append(Statement(name.strip(), UNSAFE, "", (value,), False))
        elif is_object(name, value) and merges and value:
            found += _of_object(name, value, always_send, remembered=remembered)
        elif is_object(name, value) or not _is_change(name, value):
            # An empty object that is merged changes nothing, whereas alone it empties what Braze holds.
            is_unclear = (merges and value == {}) or _holds_always_sent(name, value, always_send)
            found.append(Statement(name, WHOLE, "", (value,), remembered and not is_unclear))
        else:
            found.append(_change(name, value, remembered=remembered))
    return found


def _of_object(
    name: str, value: Mapping[str, Any], always_send: AbstractSet[str], *, remembered: bool
) -> Iterator[Statement]:
    for key, item in value.items():
        path = f"{name}.{key}"
        always = is_always_sent((key, path), always_send) or _holds_always_sent(path, item, always_send)
        yield Statement(name, KEY, key, (item,), remembered and not always)


def is_always_sent(names: Iterable[str], always_send: AbstractSet[str]) -> bool:
    """Tell whether an author wants something always to be sent.

    :param names: what it may be called.
    """
    return bool(always_send) and not always_send.isdisjoint(map(squash, names))


def _holds_always_sent(path: str, value: Any, always_send: AbstractSet[str]) -> bool:
    """Tell whether an object, which is compared as one, holds at any depth what is always to be sent.

    :param path: the names of the attribute and of the keys that lead to it.
    """
    if not always_send or not isinstance(value, dict):
        return False
    inside = ((key, f"{path}.{key}", item) for key, item in value.items())
    return any(
        is_always_sent((key, deeper), always_send) or _holds_always_sent(deeper, item, always_send)
        for key, deeper, item in inside
    )


def is_object(name: str, value: Any) -> bool:
    """Tell whether ``_merge_objects`` means anything to a value."""
    return isinstance(value, dict) and name not in FIELDS and not checks.is_change(value)


def _is_change(name: str, value: Any) -> bool:
    return isinstance(value, dict) and name not in FIELDS and value.keys() != checks.TIME


def _change(name: str, value: Mapping[str, Any], *, remembered: bool) -> Statement:
    for operation, kind in (("add", ADDED), ("remove", REMOVED)):
        if value.keys() == {operation} and isinstance(tags := value[operation], list) and tags:
            return Statement(name, kind, "", tuple(tags), remembered)
    return Statement(name, UNSAFE, "", (value,), False)


def _odd_names(content: Mapping[str, Any]) -> frozenset[str]:
    """Give the attributes that one name of an object means in another writing: Braze cuts the spaces at its ends."""
    return frozenset(name.strip() for name in content if name != name.strip())


def _is_taken(name: str, value: Any) -> bool:
    """Tell whether Braze surely takes a value, rather than refusing or ignoring it."""
    try:
        if name not in FIELDS:
            checks.key(name)
        standard_fields.check(name, value)
    except ValueError:
        return False
    return True


def values_of(content: Mapping[str, Any]) -> int:
    """Count the values that an object tells: each key of an object, and each tag."""
    return sum(len(part.values) for part in statements(content, checked=True))


def are_rivals(kind: str, key: str, other_kind: str, other_key: str) -> bool:
    """Tell whether sending the one makes the memory forget the other; both are about the same attribute.

    What is sent is itself forgotten, too, until Braze has accepted it. Only keys of one object leave each other alone.
    """
    return not (kind == other_kind == KEY and key != other_key)


def attributes_of(content: Mapping[str, Any]) -> frozenset[str]:
    """Give the attributes that an object is about, whoever its user is."""
    return frozenset(name.strip() for name in content if name not in NO_VALUES)


def without(
    content: Mapping[str, Any], parts: Iterable[Statement], sent: Iterable[tuple[Any, ...]]
) -> dict[str, Any]:
    """Leave out of an object what needs not be sent.

    :param parts: all that it says.
    :param sent: the values of each that are to be sent; none: it is left out.
    """
    kept = {name: value for name, value in content.items() if name in NO_VALUES}
    written: dict[str, list[str]] = {}
    for name in content:
        # Two names may mean one attribute; then both are sent, for Braze takes one after the other.
        written.setdefault(name.strip(), []).append(name)
    for part, values in zip(parts, sent, strict=True):
        if not values:
            continue
        names = written[part.attribute]
        if part.kind == KEY:
            kept.setdefault(names[0], {})[part.key] = values[0]
        elif part.kind in TAGS:
            kept[names[0]] = {"add" if part.kind == ADDED else "remove": list(values)}
        else:
            kept.update((name, content[name]) for name in names)
    return kept


def cost(part: Statement, values: tuple[Any, ...]) -> int:
    """Count the data points of some values of a statement, at least one."""
    if part.kind in TAGS:
        return len(values)
    return points("" if part.kind == KEY else part.attribute, values[0])
