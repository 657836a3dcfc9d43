"""Two profile objects of one user folded into one, where that means the same to Braze as sending both in turn.

The window stands above, which knows what came when; below are the rules of what Braze takes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from airflow_provider_braze.users_track.rules import checks, limits, standard_fields
from airflow_provider_braze.users_track.rules.languages import LANGUAGES
from airflow_provider_braze.users_track.rules.standard_fields import FIELDS

_EACH_COUNTS = frozenset({"subscription_groups", "push_tokens"})
"""Arrays whose items are instructions: a later array does not replace an earlier one."""

_CAN_REFUSE = frozenset(
    {
        "email",
        "email_subscribe",
        "push_subscribe",
        "subscription_groups",
        "current_location",
        "push_tokens",
        "email_subscription_info",
    }
)
"""Fields whose bad value makes Braze refuse the whole object (Braze docs: POST /users/track)."""

_NEVER_TAKEN = frozenset({"email_subscription_info"})
"""Those of them of which no value is good: Braze gives them, and takes none."""

_MAY_BE_IGNORED = frozenset({"language"})
"""Fields of which checked values may be unknown to Braze, which then keeps what it has."""

_CONSENT = {"email_subscribe": ("email",), "subscription_groups": ("email", "phone")}
"""Fields that change every profile with the same address or number (Braze docs: user attributes object), and which."""

_SAME_IN_BOTH = ("_update_existing_only", "push_token_import")
_MERGE = "_merge_objects"
_ALIAS = "user_alias"
_ADD = frozenset({"add"})
_SETTLED = frozenset({*_SAME_IN_BOTH, _MERGE, _ALIAS})
"""What is the same in both objects, or settled for both: one user has one alias here."""

_CANNOT = object()

_REPLACED = frozenset({str, bool, int, float})
"""Types of values that only take the place of the older one: all but arrays, objects, and the null that unsets."""


def merge(
    older: dict[str, Any],
    newer: dict[str, Any],
    united: frozenset[str] = frozenset(),
    *,
    checked: bool = False,
) -> dict[str, Any] | None:
    """Fold the newer object of a user into the older: scalars, last wins; ``add`` arrays and tags, union.

    :param united: array attributes whose plain arrays are tags, so that they are united too.
    :param checked: Braze surely takes every value of both.
    :return: one object for both, or None where Braze must get them one after the other: also where Braze may
        refuse or ignore a part of one, which must not take the other with it, or apply it to other people.
    """
    # Of the two, Braze would create the profile with one and not with the other.
    if any(older.get(flag) != newer.get(flag) for flag in _SAME_IN_BOTH):
        return None
    if _is_about_other_contact(older, newer) or not (checked or _are_plain(older, newer)):
        return None
    # How objects are taken is said once for a whole profile object; where both have such, it must be the same.
    both_deep = older.get(_MERGE) is True and newer.get(_MERGE) is True
    deciding = newer if both_deep or _has_objects(newer) else older
    deep = deciding.get(_MERGE) is True
    if deciding is newer and deep != (older.get(_MERGE) is True) and _has_objects(older):
        return None
    merged = dict(older)
    for key, value in newer.items():
        if key in older and not (checked and value.__class__ in _REPLACED and key not in _MAY_BE_IGNORED):
            if key in _SETTLED:
                continue
            value = _both(key, older[key], value, deep=deep, unite=key in united, checked=checked)
            if value is _CANNOT:
                return None
        merged[key] = value
    # Anew, and last: it may have come from the one that does not decide.
    merged.pop(_MERGE, None)
    if _MERGE in deciding:
        merged[_MERGE] = deciding[_MERGE]
    return merged


def _is_about_other_contact(older: dict[str, Any], newer: dict[str, Any]) -> bool:
    """Tell whether the older's consent would, in one object with the newer's address, be that of other people."""
    for field, contacts in _CONSENT.items():
        if field in older:
            for contact in contacts:
                if contact in newer and newer[contact] != older.get(contact, _CANNOT):
                    return True
    return False


def _are_plain(*profiles: dict[str, Any]) -> bool:
    """Tell whether Braze surely takes objects as a whole, and each of their names for an attribute of its own.

    It cuts the spaces around a name: of ``"x "`` and ``"x"`` in one object, the one that stands last is kept.
    """
    return all(
        name == name.strip() and (name not in _CAN_REFUSE or _is_taken(name, value))
        for profile in profiles
        for name, value in profile.items()
    )


def _is_taken(key: str, value: Any) -> bool:
    """Tell whether Braze surely takes a value, rather than refusing or ignoring it."""
    if key in _NEVER_TAKEN:
        return False
    try:
        standard_fields.check(key, value)
    except ValueError:
        return False
    return True


def _has_objects(profile: dict[str, Any]) -> bool:
    """Tell whether ``_merge_objects`` means anything to a profile object."""
    return any(
        isinstance(value, dict) and key not in FIELDS and key != _ALIAS and not _is_simple_change(value)
        for key, value in profile.items()
    )


def _is_simple_change(value: dict[str, Any]) -> bool:
    return checks.is_change(value) and not value.keys() & checks.OBJECT_ARRAY_CHANGES


def _both(key: str, old: Any, new: Any, *, deep: bool, unite: bool, checked: bool) -> Any:
    # What is the same needs no rule, whatever Braze makes of it.
    if isinstance(new, str) and new == old:
        return new
    if key in _MAY_BE_IGNORED and new is not None and new not in LANGUAGES:
        return _CANNOT
    if key in _EACH_COUNTS or not (checked or _is_taken(key, new)):
        return _CANNOT
    if isinstance(new, list) and unite and isinstance(old, list):
        return _union(old, new)
    if not isinstance(new, dict) or key in FIELDS or new.keys() == checks.TIME:
        return new
    if new.keys() == _ADD:
        return _added(old, new)
    if checks.is_change(new):
        return _incremented(old, new["inc"]) if "inc" in new else _CANNOT
    return _object(old, new, checked=checked) if deep else new


def _object(old: Any, new: dict[str, Any], *, checked: bool) -> Any:
    """Merge two objects as Braze does with ``_merge_objects``."""
    if not _is_object(old) or not (checked or _is_taken("", old)):
        return _CANNOT
    merged = deep_merge(old, new)
    return _CANNOT if merged is None or checks.json_bytes(merged) > limits.NESTED_BYTES else merged


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and not checks.is_change(value)


def _added(old: Any, new: dict[str, Any]) -> Any:
    items = new["add"]
    if new == old and len(items) == 1 and isinstance(items[0], str):
        return old
    if isinstance(old, dict) and old.keys() == _ADD and isinstance(old["add"], list):
        united = _union(old["add"], items)
        return united if united is _CANNOT else {"add": united}
    return _union(old, items) if isinstance(old, list) else _CANNOT


def _union(old: list[Any], new: list[Any]) -> Any:
    """Unite two arrays as Braze does when the newer is added: what is there already moves to the end.

    Beyond 500 items Braze drops those at the beginning, so the place decides what stays.
    """
    try:
        # Tags, as a rule: a user may have hundreds, in as many records, so they are not looked at one by one.
        kept, added = dict.fromkeys(old), dict.fromkeys(new)
        for item in added:
            kept.pop(item, None)
        united = [*kept, *added]
        if _are_surely_taken(united):
            return united
    except TypeError:
        pass
    try:
        return _union_of_any(checks.scalars(old), checks.scalars(new))
    except ValueError:
        return _CANNOT


def _union_of_any(old: list[Any], new: list[Any]) -> Any:
    # To Python, 1 and True are one; to Braze they are not.
    kept, added = ({msgspec.json.encode(item): item for item in items} for items in (old, new))
    every = (kept | added).values()
    # An array of several types becomes one of texts at Braze, with what it holds: then 1 is "1", and not 1.0.
    texts = {item if isinstance(item, str) else msgspec.json.encode(item).decode() for item in every}
    if not len(texts) == len({(isinstance(item, bool), item) for item in every}) == len(every):
        return _CANNOT
    return checks.scalars([*(item for key, item in kept.items() if key not in added), *added.values()])


def _are_surely_taken(texts: list[str]) -> bool:
    """Tell without writing them as JSON, where no character takes more than six bytes, that they are an array.

    :raises TypeError: not all are texts.
    """
    characters, most = len("".join(texts)), limits.STRING_CHARACTERS
    return (
        len(texts) <= limits.ARRAY_ITEMS
        and 6 * characters + 3 * len(texts) < limits.NESTED_BYTES
        and (characters <= most or max(map(len, texts)) <= most)
    )


def _incremented(old: Any, by: int) -> Any:
    is_change = isinstance(old, dict) and old.keys() == checks.INCREMENT
    base = old["inc"] if is_change else old
    if not isinstance(base, int) or isinstance(base, bool):
        return _CANNOT
    return {"inc": base + by} if is_change else base + by


def deep_merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """Merge as Braze does with ``_merge_objects``: objects key by key, everything else replaced.

    :return: None where an object takes the place of another value: merged, it would no longer do so at Braze.
    """
    merged = dict(old)
    for key, value in new.items():
        if key in merged and isinstance(value, dict) and value.keys() != checks.TIME:
            before = merged[key]
            if not isinstance(before, dict) or before.keys() == checks.TIME:
                return None
            value = deep_merge(before, value)
            if value is None:
                return None
        merged[key] = value
    return merged
