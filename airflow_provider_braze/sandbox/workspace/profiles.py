"""The profiles of a workspace, and how they are found.

Above: the store, and endpoints that act on users. Below: identifiers and dates.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_braze.sandbox.checks import dates
from airflow_provider_braze.sandbox.checks.identifiers import ProfileKey, digits_of

ON_A_NEW_PROFILE = {"email_subscribe": "subscribed", "push_subscribe": "subscribed"}
"""Recorded of live workspaces, also of profiles without an address."""

BUCKETS = 10_000
"""``random_bucket`` is one of so many; here it follows from the braze_id, so that tests repeat."""

EVENTS_SHOWN_FOR = 90 * 24 * 3600
"""Seconds."""


@dataclass(slots=True, eq=False)
class Profile:
    """One user: identifiers, standard fields and custom attributes apart, so that no name can clash."""

    braze_id: str
    created_at: float
    external_id: str | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    standard: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    purchases: list[dict[str, Any]] = field(default_factory=list)
    changed: int = 0

    def exported(self, now: float) -> dict[str, Any]:
        """Return what ``/users/export/ids`` shows: events are summed up by name, and what is empty is left out.

        Always there, as in recordings of live workspaces, are ``user_aliases``, ``total_revenue`` and
        ``random_bucket``.
        """
        since = _spelled(now - EVENTS_SHOWN_FOR)
        aliases = [{"alias_name": name, "alias_label": label} for label, name in self.aliases.items()]
        location = self.standard.get("current_location")
        hidden = ("subscription_groups", "current_location")
        shown = {
            "external_id": self.external_id,
            "braze_id": self.braze_id,
            "created_at": _spelled(self.created_at),
            **{name: value for name, value in self.standard.items() if name not in hidden},
            "last_coordinates": location and [location["longitude"], location["latitude"]],
            "custom_attributes": dict(self.custom),
            "custom_events": _summed(self.events, "name", since),
            "purchases": _summed(self.purchases, "product_id", since),
        }
        if "dob" in self.standard:
            shown["dob"] = dates.as_stored(self.standard["dob"])
        # A false is a value; only what is empty is left out.
        return {name: value for name, value in shown.items() if value or value is False} | {
            "user_aliases": aliases,
            "total_revenue": sum(entry["price"] * entry["quantity"] for entry in self.purchases),
            "random_bucket": zlib.crc32(self.braze_id.encode()) % BUCKETS,
        }

    def readable(self, now: float) -> dict[str, Any]:
        """Return what is exported and what Braze would not show there: groups, and each event and purchase."""
        shown = self.exported(now)
        rest = {
            "subscription_groups": self.standard.get("subscription_groups"),
            "events_received": self.events,
            "purchases_received": self.purchases,
        }
        return shown | {name: value for name, value in rest.items() if value}


def _spelled(seconds: float) -> str:
    return dates.spelled(datetime.fromtimestamp(seconds, UTC))


def _summed(entries: list[dict[str, Any]], name: str, since: str) -> list[dict[str, Any]]:
    sums: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry["time"] < since:
            continue
        known = sums.setdefault(
            entry[name], {"name": entry[name], "first": entry["time"], "last": entry["time"], "count": 0}
        )
        known["first"], known["last"] = min(known["first"], entry["time"]), max(known["last"], entry["time"])
        known["count"] += entry.get("quantity", 1)
    return list(sums.values())


class Profiles:
    """All profiles, indexed by everything that they can be found by."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget every profile; braze ids are never given twice all the same."""
        self._by_braze_id: dict[str, Profile] = {}
        self._by_external_id: dict[str, Profile] = {}
        self._by_alias: dict[tuple[str, str], Profile] = {}
        # Several profiles may share an email or a phone.
        self._by_email: dict[str, dict[str, Profile]] = {}
        self._by_phone: dict[str, dict[str, Profile]] = {}
        self._tokens: set[str] = set()
        self._changes = 0
        self._made = getattr(self, "_made", 0)

    def __len__(self) -> int:
        return len(self._by_braze_id)

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._by_braze_id.values())

    def find(self, identifier: ProfileKey) -> Profile | None:
        """Return the one profile that an object with this identifier writes to."""
        if identifier.kind == "external_id":
            return self._by_external_id.get(identifier.key)
        if identifier.kind == "user_alias":
            return self._by_alias.get(identifier.key)
        if identifier.kind == "braze_id":
            return self._by_braze_id.get(identifier.key)
        # The most recently updated one that has an external_id, else the most recently updated one.
        return max(
            self.matches(identifier), key=lambda p: (p.external_id is not None, p.changed), default=None
        )

    def matches(self, identifier: ProfileKey) -> list[Profile]:
        """Return every profile that has this identifier: email and phone may be shared."""
        if identifier.kind == "email":
            return list(self._by_email.get(identifier.key, {}).values())
        if identifier.kind == "phone":
            return list(self._by_phone.get(identifier.key, {}).values())
        found = self.find(identifier)
        return [] if found is None else [found]

    def create(self, identifier: ProfileKey | None, now: float, *, braze_id: str | None = None) -> Profile:
        """Add a profile; one without identifier is anonymous. An email or a phone is written as a field later."""
        self._made += 1
        profile = Profile(braze_id or f"{self._made:024x}", now, standard=dict(ON_A_NEW_PROFILE))
        self._by_braze_id[profile.braze_id] = profile
        if identifier is not None and identifier.kind == "external_id":
            self.name(profile, identifier.key)
        elif identifier is not None and identifier.kind == "user_alias":
            self.alias(profile, *identifier.key)
        return profile

    def name(self, profile: Profile, external_id: str) -> None:
        """Give a profile its external_id."""
        profile.external_id = external_id
        self._by_external_id[external_id] = profile

    def alias(self, profile: Profile, label: str, name: str) -> None:
        """Give a profile an alias; it has one name per label."""
        self._by_alias.pop((label, profile.aliases.get(label, "")), None)
        profile.aliases[label] = name
        self._by_alias[label, name] = profile

    def remove(self, profile: Profile) -> None:
        """Forget one profile."""
        self.set_standard(profile, "email", None)
        self.set_standard(profile, "phone", None)
        del self._by_braze_id[profile.braze_id]
        self._by_external_id.pop(profile.external_id or "", None)
        for label, name in profile.aliases.items():
            self._by_alias.pop((label, name), None)

    def set_standard(self, profile: Profile, name: str, value: Any) -> None:
        """Set a standard field, None for unset, and keep the indexes true."""
        if name in ("email", "phone"):
            self._reindex(profile, name, value)
        if value is None:
            profile.standard.pop(name, None)
        else:
            profile.standard[name] = value

    def touch(self, profile: Profile) -> None:
        """Note that a profile is now the most recently updated one."""
        self._changes += 1
        profile.changed = self._changes

    def take_new_tokens(self, tokens: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return those push tokens that no profile was given yet, and note them."""
        new = {token["token"]: token for token in tokens if token["token"] not in self._tokens}
        self._tokens.update(new)
        return list(new.values())

    def _reindex(self, profile: Profile, name: str, value: Any) -> None:
        index, key_of = (self._by_email, str.lower) if name == "email" else (self._by_phone, digits_of)
        old = profile.standard.get(name)
        if old is not None and old != value:
            sharing = index.get(key_of(old), {})
            sharing.pop(profile.braze_id, None)
            if not sharing:
                index.pop(key_of(old), None)
        if value:
            index.setdefault(key_of(value), {})[profile.braze_id] = profile
