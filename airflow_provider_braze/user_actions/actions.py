"""What can be done with users, and how a row of each kind is read (Braze docs: user data and subscription endpoints).

Above: batches, which put what was read together. Below: nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from airflow_provider_braze.users_track.mapping.identities import digits_of
from airflow_provider_braze.users_track.rules import limits

ROWS_PER_REQUEST = 50
"""Users, aliases or merges in one request (Braze docs: POST /users/delete and its like)."""

USERS_PER_MINUTE = 20_000
"""Requests that /users/delete, identify, alias and merge share (Braze docs: API limits)."""

SUBSCRIPTIONS_PER_MINUTE = 5_000
"""Requests to /subscription/status/set and its V2 (Braze docs: API limits)."""

STATES = ("subscribed", "unsubscribed")
PRIORITIES = ("identified", "unidentified", "most_recently_updated", "least_recently_updated")
"""Which of several profiles with one e-mail address or phone number is meant."""

_ALIAS = ("alias_name", "alias_label")
_IDENTIFIERS = ("external_id", "user_alias", "braze_id", "email", "phone")

Person = tuple[str, ...]
"""Whom something is about: the kind of an identifier and its value."""


class BadActionRowError(Exception):
    """A row cannot be sent; the text says why, and quotes no value of it."""


class Change(NamedTuple):
    """One row, ready to be sent.

    :param array: of the request, that takes it.
    :param shared: what else all of one request have in common, such as the subscription group.
    :param item: what goes into the array.
    :param people: whom it touches: Braze keeps no order within a request, so nobody may be in one twice.
    """

    array: str
    shared: tuple[tuple[str, Any], ...]
    item: Any
    people: frozenset[Person]


class UserAction(NamedTuple):
    """One kind of change.

    :param endpoint: where it goes.
    :param read: makes a change of a row.
    :param per_minute: requests a minute that the endpoint takes.
    :param within: name of the array around the arrays, where there is one.
    :param texts: by the name of an array that holds texts, the field of a row that each of them is.
    """

    endpoint: str
    read: Callable[[Mapping[str, Any]], Change]
    per_minute: int = USERS_PER_MINUTE
    within: str | None = None
    texts: Mapping[str, str] = {}

    def pace(self, most: float) -> float:
        """Give the requests a second that go out, where the connection allows so many."""
        return min(most, self.per_minute / 60)


def _only(row: Mapping[str, Any], known: Iterable[str]) -> None:
    if unknown := sorted(set(row) - set(known)):
        raise BadActionRowError(f"a field that this action does not know: {unknown[0][:50]!r}")


def _text(row: Mapping[str, Any], name: str, most_bytes: int | None = None) -> str:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        # Braze keeps an id that is sent as a number as text.
        value = str(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise BadActionRowError(f"no {name}")
    if not isinstance(value, str):
        # Such as 1001.0, which pandas makes of the id 1001 where another row has none.
        raise BadActionRowError(f"{name} is neither text nor a whole number")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        # It would keep all others of its request from being written.
        raise BadActionRowError(f"not JSON: {name} holds half a character") from None
    if most_bytes is not None and size > most_bytes:
        raise BadActionRowError(f"{name} has more than {most_bytes} bytes")
    return value


def _alias(row: Mapping[str, Any]) -> dict[str, str]:
    """Read an alias, given as one object or as two fields of the row."""
    given = row.get("user_alias", row)
    if not isinstance(given, Mapping):
        raise BadActionRowError("user_alias must hold alias_name and alias_label")
    if given is not row:
        _only(given, _ALIAS)
    return {name: _text(given, name, limits.ALIAS_BYTES) for name in _ALIAS}


def _person(kind: str, value: Any) -> Person:
    if kind == "user_alias":
        return (kind, value["alias_label"], value["alias_name"])
    if kind == "phone":
        with suppress(ValueError):
            return (kind, digits_of(value))
    return (kind, value.lower() if kind == "email" else value)


def _prioritization(row: Mapping[str, Any]) -> list[str]:
    given = row.get("prioritization")
    if not isinstance(given, list) or not given or not all(each in PRIORITIES for each in given):
        raise BadActionRowError(
            f"an email or phone needs prioritization, a list of {', '.join(PRIORITIES)}: it says which of several "
            "profiles is meant"
        )
    if {"identified", "unidentified"} <= set(given):
        raise BadActionRowError("prioritization takes only one of identified and unidentified")
    return given


def _identifier(
    row: Mapping[str, Any], kinds: Iterable[str], *, beside: Iterable[str] = ()
) -> tuple[str, Any]:
    """Read the one identifier of a row.

    :param beside: other fields that it may have.
    """
    kinds = tuple(kinds)
    _only(row, (*kinds, *(_ALIAS if "user_alias" in kinds else ()), "prioritization", *beside))
    given = [kind for kind in kinds if row.get(kind) not in (None, "")]
    if "user_alias" in kinds and "user_alias" not in given and any(row.get(name) for name in _ALIAS):
        given.append("user_alias")
    if len(given) != 1:
        raise BadActionRowError(
            f"{'several identifiers' if given else 'no identifier'}: give one of {', '.join(kinds)}"
        )
    (kind,) = given
    if kind == "user_alias":
        return kind, _alias(row)
    return kind, _text(row, kind, limits.EXTERNAL_ID_BYTES if kind == "external_id" else None)


def _with_priority(kind: str, value: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    """Write an identifier as an object."""
    if kind in ("email", "phone"):
        return {kind: value, "prioritization": _prioritization(row)}
    return {kind: value}


_DELETED = {
    "external_id": "external_ids",
    "user_alias": "user_aliases",
    "braze_id": "braze_ids",
    "email": "email_addresses",
    "phone": "phone_numbers",
}

_AS_OBJECTS = {
    "user_alias": "alias_name and alias_label",
    "email": "email and prioritization",
    "phone": "phone and prioritization",
}
"""Identifiers that are objects where users are deleted, and what these hold."""


def _delete(row: Mapping[str, Any]) -> Change:
    kind, value = _identifier(row, _IDENTIFIERS)
    item = _with_priority(kind, value, row) if kind in ("email", "phone") else value
    return Change(_DELETED[kind], (), item, frozenset({_person(kind, value)}))


_IDENTIFIED = {
    "user_alias": "aliases_to_identify",
    "email": "emails_to_identify",
    "phone": "phone_numbers_to_identify",
}


def _identify(row: Mapping[str, Any]) -> Change:
    external_id = _text(row, "external_id", limits.EXTERNAL_ID_BYTES)
    kind, value = _identifier(row, _IDENTIFIED, beside=["external_id"])
    people = frozenset({("external_id", external_id), _person(kind, value)})
    return Change(
        _IDENTIFIED[kind], (), {"external_id": external_id, **_with_priority(kind, value, row)}, people
    )


def _alias_new(row: Mapping[str, Any]) -> Change:
    _only(row, ("external_id", "user_alias", *_ALIAS))
    alias = _alias(row)
    people = {_person("user_alias", alias)}
    item: dict[str, Any] = dict(alias)
    if row.get("external_id") is not None:
        item["external_id"] = _text(row, "external_id", limits.EXTERNAL_ID_BYTES)
        people.add(("external_id", item["external_id"]))
    return Change("user_aliases", (), item, frozenset(people))


_RENAMED = ("alias_label", "old_alias_name", "new_alias_name")


def _alias_update(row: Mapping[str, Any]) -> Change:
    _only(row, _RENAMED)
    item = {name: _text(row, name, limits.ALIAS_BYTES) for name in _RENAMED}
    label, old, new = item.values()
    return Change(
        "alias_updates", (), item, frozenset({("user_alias", label, old), ("user_alias", label, new)})
    )


_MERGED = ("identifier_to_merge", "identifier_to_keep")


def _merge(row: Mapping[str, Any]) -> Change:
    _only(row, _MERGED)
    item: dict[str, Any] = {}
    people: set[Person] = set()
    for name in _MERGED:
        given = row.get(name)
        if not isinstance(given, Mapping):
            raise BadActionRowError(f"no {name}, an object with an identifier")
        kind, value = _identifier(given, ("external_id", "user_alias", "email", "phone"))
        item[name] = _with_priority(kind, value, given)
        people.add(_person(kind, value))
    if item["identifier_to_merge"] == item["identifier_to_keep"]:
        raise BadActionRowError("a user cannot be merged into itself")
    return Change("merge_updates", (), item, frozenset(people))


_SUBSCRIBED = {"external_id": "external_ids", "email": "emails", "phone": "phones"}
_OF_A_SUBSCRIPTION = ("subscription_group_id", "subscription_state", "use_double_opt_in_logic")


def _subscription(row: Mapping[str, Any]) -> Change:
    kind, value = _identifier(row, _SUBSCRIBED, beside=_OF_A_SUBSCRIPTION)
    state = row.get("subscription_state")
    if state not in STATES:
        raise BadActionRowError(f"subscription_state must be {' or '.join(STATES)}")
    shared: dict[str, Any] = {
        "subscription_group_id": _text(row, "subscription_group_id"),
        "subscription_state": state,
    }
    if (opt_in := row.get("use_double_opt_in_logic")) is not None:
        if not isinstance(opt_in, bool):
            raise BadActionRowError("use_double_opt_in_logic must be true or false")
        shared["use_double_opt_in_logic"] = opt_in
    return Change(_SUBSCRIBED[kind], tuple(shared.items()), value, frozenset({_person(kind, value)}))


def _texts(arrays: Mapping[str, str], as_objects: Iterable[str] = ()) -> dict[str, str]:
    return {array: kind for kind, array in arrays.items() if kind not in as_objects}


ACTIONS: Mapping[str, UserAction] = {
    "delete": UserAction("/users/delete", _delete, texts=_texts(_DELETED, _AS_OBJECTS)),
    "identify": UserAction("/users/identify", _identify),
    "alias_new": UserAction("/users/alias/new", _alias_new),
    "alias_update": UserAction("/users/alias/update", _alias_update),
    "merge": UserAction("/users/merge", _merge),
    "subscription_status": UserAction(
        "/v2/subscription/status/set",
        _subscription,
        SUBSCRIPTIONS_PER_MINUTE,
        "subscription_groups",
        _texts(_SUBSCRIBED),
    ),
}
"""By the operator's word for each."""


_HOLDING = {_DELETED[kind]: f" with {fields}" for kind, fields in _AS_OBJECTS.items()}


def item_of(action: UserAction, array: str, item: Any, shared: Mapping[str, Any]) -> Any:
    """Read what stands in an array of a request, as the row of it would be read.

    :param item: plain JSON.
    :param shared: what else all of one request have in common.
    :raises BadActionRowError: it can be no such item.
    """
    if (field := action.texts.get(array)) is not None:
        if item is None or item == "":
            raise BadActionRowError(f"no {field}")
        return action.read({**shared, field: item}).item
    if not isinstance(item, Mapping):
        raise BadActionRowError(f"it must be a dict{_HOLDING.get(array, '')}, not {type(item).__name__}")
    change = action.read(item)
    if change.array != array:
        raise BadActionRowError(f"it is none of {array}, but of {change.array}")
    return change.item


def body_of(action: UserAction, array: str, shared: Mapping[str, Any], items: list[Any]) -> dict[str, Any]:
    """Write the body of one request."""
    content = {**shared, array: items}
    return {action.within: [content]} if action.within else content
