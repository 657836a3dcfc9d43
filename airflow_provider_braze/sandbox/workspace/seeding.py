"""Profiles put into a workspace as they are, without the rules of ``/users/track``.

Above: the control routes. Below: the profiles.
"""

from __future__ import annotations

import time
from typing import Any

from airflow_provider_braze.sandbox.checks.identifiers import BadIdentifierError, ProfileKey, identify
from airflow_provider_braze.sandbox.checks.profile_fields import STORED_AS
from airflow_provider_braze.sandbox.workspace.profiles import Profiles

DERIVED = frozenset({"created_at", "custom_events", "purchases", "total_revenue", "random_bucket"})
"""Shown with a profile, but worked out from the rest of it, so not taken back."""

_KINDS = {
    "external_id": str,
    "braze_id": str,
    "user_aliases": list,
    "custom_attributes": dict,
    "events_received": list,
    "purchases_received": list,
    "last_coordinates": list,
}


class BadProfileError(Exception):
    """A profile that cannot be read; the text names what is wrong."""


def seed(profiles: Profiles, given: Any) -> int:
    """Add profiles in the form in which they are shown; one that is there already is replaced.

    Nothing is added when one of them is wrong.
    """
    if isinstance(given, dict):
        given = [given]
    if not isinstance(given, list):
        raise BadProfileError("profiles must be an array of objects")
    for number, entry in enumerate(given):
        _check(number, entry)
    for entry in given:
        _add(profiles, entry)
    return len(given)


def _check(number: int, entry: Any) -> None:
    if not isinstance(entry, dict):
        raise BadProfileError(f"profile {number} must be an object")
    unknown = sorted(entry.keys() - STORED_AS.keys() - _KINDS.keys() - DERIVED)
    if unknown:
        raise BadProfileError(f"profile {number}: {unknown[0]!r} is no field; use 'custom_attributes'?")
    for name, kind in _KINDS.items():
        if name in entry and not isinstance(entry[name], kind):
            raise BadProfileError(f"profile {number}: {name!r} must be {kind.__name__}")
    if len(entry.get("last_coordinates", [0, 0])) != 2:
        raise BadProfileError(f"profile {number}: 'last_coordinates' must be [longitude, latitude]")
    for name in ("email", "phone"):
        if not isinstance(entry.get(name, ""), str):
            raise BadProfileError(f"profile {number}: {name!r} must be a text")
    for identifier in _identifiers(entry):
        try:
            identify(identifier)
        except BadIdentifierError as error:
            raise BadProfileError(f"profile {number}: {error}") from None


def _identifiers(entry: dict[str, Any]) -> list[dict[str, Any]]:
    named = [{"user_alias": alias} for alias in entry.get("user_aliases", [])]
    return named + [{name: entry[name]} for name in ("external_id", "braze_id") if name in entry]


def _add(profiles: Profiles, entry: dict[str, Any]) -> None:
    names: list[ProfileKey] = [identify(identifier) for identifier in _identifiers(entry)]
    for identifier in names:
        known = profiles.find(identifier)
        if known is not None:
            profiles.remove(known)
    profile = profiles.create(None, time.time(), braze_id=entry.get("braze_id"))
    for identifier in names:
        if identifier.kind == "external_id":
            profiles.name(profile, identifier.key)
        elif identifier.kind == "user_alias":
            profiles.alias(profile, *identifier.key)
    for field in entry.keys() & STORED_AS.keys():
        value = entry[field]
        if field == "dob" and isinstance(value, str):
            # It is shown with a time of day, and kept as a day.
            value = value.partition("T")[0]
        profiles.set_standard(profile, field, value.lower() if field == "email" and value else value)
    if "last_coordinates" in entry:
        longitude, latitude = entry["last_coordinates"]
        profiles.set_standard(profile, "current_location", {"longitude": longitude, "latitude": latitude})
    profile.custom.update(entry.get("custom_attributes", {}))
    profile.events.extend(entry.get("events_received", []))
    profile.purchases.extend(entry.get("purchases_received", []))
    profiles.touch(profile)
