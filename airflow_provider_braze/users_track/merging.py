"""Two profile objects of one user folded into one, where that means the same to Braze as sending both in turn."""

from __future__ import annotations

from typing import Any

from airflow_provider_braze.users_track import limits

_EACH_COUNTS = frozenset({"subscription_groups", "push_tokens"})
"""Arrays whose items are instructions: a later array does not replace an earlier one."""

_NEVER_MERGED = frozenset({"current_location", "facebook", "twitter"})
"""Standard fields whose object is always set whole."""

_CANNOT = object()


def merge(
    older: dict[str, Any], newer: dict[str, Any], united: frozenset[str] = frozenset()
) -> dict[str, Any] | None:
    """Fold the newer object of a user into the older: scalars, last wins; ``add`` arrays and tags, union.

    :param united: array attributes whose plain arrays are tags, so that they are united too.
    :return: one object for both, or None where Braze must get them one after the other.
    """
    if older.get("_update_existing_only") != newer.get("_update_existing_only"):
        return None
    deep = bool(newer.get("_merge_objects"))
    if deep != bool(older.get("_merge_objects")) and _has_objects(older) and _has_objects(newer):
        return None
    merged = dict(older)
    for key, value in newer.items():
        if key not in older:
            merged[key] = value
            continue
        both = _both(key, older[key], value, deep=deep, unite=key in united)
        if both is _CANNOT:
            return None
        merged[key] = both
    return merged


def _has_objects(profile: dict[str, Any]) -> bool:
    return any(isinstance(value, dict) and key != "user_alias" for key, value in profile.items())


def _both(key: str, old: Any, new: Any, *, deep: bool, unite: bool) -> Any:
    if key in _EACH_COUNTS:
        return _CANNOT
    if isinstance(new, list):
        return _union(old, new) if unite and isinstance(old, list) else new
    if not isinstance(new, dict) or key in _NEVER_MERGED or "$time" in new:
        return new
    if new.keys() == {"add"}:
        return _added(old, new["add"])
    if new.keys() == {"inc"}:
        return _incremented(old, new["inc"])
    if new.keys() & {"remove", "$add", "$remove", "$update"} or not isinstance(old, dict):
        return _CANNOT if new != old else new
    if old.keys() & {"add", "inc", "remove", "$add", "$remove", "$update"} or has_null(old) or has_null(new):
        return _CANNOT
    return deep_merge(old, new) if deep else new


def _union(old: list[Any], new: list[Any]) -> Any:
    items = old + [item for item in new if item not in old]
    return items if len(items) <= limits.ARRAY_ITEMS else _CANNOT


def _added(old: Any, items: Any) -> Any:
    if not isinstance(items, list):
        return _CANNOT
    if isinstance(old, list):
        return _union(old, items)
    if isinstance(old, dict) and old.keys() == {"add"} and isinstance(old["add"], list):
        united = _union(old["add"], items)
        return united if united is _CANNOT else {"add": united}
    return _CANNOT


def _incremented(old: Any, by: Any) -> Any:
    base = old.get("inc") if isinstance(old, dict) and old.keys() == {"inc"} else old
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in (base, by)):
        return _CANNOT
    return {"inc": base + by} if isinstance(old, dict) else base + by


def has_null(value: Any) -> bool:
    """Tell whether an object holds a null at any depth, on which Braze drops the whole update."""
    if isinstance(value, dict):
        return any(item is None or has_null(item) for item in value.values())
    return isinstance(value, list) and any(item is None or has_null(item) for item in value)


def deep_merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge as Braze does with ``_merge_objects``: objects key by key, everything else replaced."""
    merged = dict(old)
    for key, value in new.items():
        before = merged.get(key)
        both_objects = isinstance(before, dict) and isinstance(value, dict) and "$time" not in value
        merged[key] = deep_merge(before, value) if both_objects and isinstance(before, dict) else value
    return merged
