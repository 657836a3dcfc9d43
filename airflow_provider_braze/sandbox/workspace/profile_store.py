"""What a Braze workspace does with the objects it is sent: pure, synchronous, in memory.

:class:`ProfileStore` knows nothing of HTTP. It takes decoded JSON and answers what became of each object.

Above: the API. Below: the profiles, and all checks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.sandbox.checks import custom_attributes, events, profile_fields, refusal_reasons
from airflow_provider_braze.sandbox.checks.identifiers import (
    BadIdentifierError,
    ProfileKey,
    digits_of,
    identify,
)
from airflow_provider_braze.sandbox.checks.profile_fields import KEEP, STORED_AS
from airflow_provider_braze.sandbox.workspace.profiles import Profile, Profiles

ARRAYS = ("attributes", "events", "purchases")
"""In the order in which Braze begins to process them."""

SHARED: dict[str, tuple[str, ...]] = {
    "email_subscribe": ("email",),
    "subscription_groups": ("email", "phone"),
}
"""Consent belongs to the address or number: these fields change every profile that has the same one, however the
object names its user (Braze docs: user attributes object)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why one object was refused; ``reason`` is one of ``refusal_reasons``."""

    input_array: str
    index: int
    reason: str


@dataclass(slots=True)
class Tracked:
    """What became of one request's objects: how many of each array were taken, and why others were not."""

    processed: dict[str, int] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)


class ProfileStore:
    """The profiles of a workspace, and the rules by which objects change them.

    :param lag: seconds after which a write shows in :meth:`export`.
    :param blocked: external ids that are refused, as Braze blocks some.
    :param clock: the time in seconds since the epoch.
    """

    def __init__(
        self,
        *,
        lag: float = 0,
        blocked: Collection[str] = frozenset(),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.profiles = Profiles()
        self._blocked = blocked
        self._lag = lag
        self._clock = clock
        # Of each profile that changed within the lag: when, and what it looked like before (None: it was not there).
        self._before: dict[str, deque[tuple[float, dict[str, Any] | None]]] = {}

    def clear(self) -> None:
        """Forget every profile."""
        self.profiles.clear()
        self._before.clear()

    def track(self, body: dict[str, list[Any]]) -> Tracked:
        """Process the arrays of one ``/users/track`` body, each object by itself."""
        outcome = Tracked()
        for array in ARRAYS:
            if array not in body:
                continue
            taken = 0
            for index, item in enumerate(body[array]):
                refused = self._take(array, item)
                outcome.refusals.extend(Refusal(array, index, reason) for reason in refused)
                taken += not refused
            outcome.processed[array] = taken
        return outcome

    def export(self, identifier: ProfileKey) -> list[dict[str, Any]]:
        """Return the profiles with this identifier, as they showed ``lag`` seconds ago."""
        shown = (self._as_seen(profile) for profile in self.profiles.matches(identifier))
        return [profile for profile in shown if profile is not None]

    def readable(self) -> list[dict[str, Any]]:
        """Return every profile as it is now, whatever the lag."""
        now = self._clock()
        return [profile.readable(now) for profile in self.profiles]

    def _take(self, array: str, item: Any) -> Sequence[str]:
        """Process one object and return why it is refused, if it is."""
        if not isinstance(item, dict):
            return [refusal_reasons.NOT_AN_OBJECT]
        refused = _REFUSALS[array](item)
        identifier = None
        try:
            identifier = identify(item) if not _is_token_import(array, item) else None
        except BadIdentifierError as error:
            if str(error) not in refused:
                refused = [str(error), *refused]
        if refused:
            return refused
        if identifier is not None and identifier.kind == "external_id" and identifier.key in self._blocked:
            return ["BLACKLISTED_EXTERNAL_USER_ID"]
        if identifier is None:
            self._import_tokens(item)
            return ()
        profile = self._profile_for(identifier, item)
        if profile is not None:
            self._write(array, profile, item, identifier)
        return ()

    def _profile_for(self, identifier: ProfileKey, item: dict[str, Any]) -> Profile | None:
        """Return the profile to write to, made when there is none and the object may make one."""
        profile = self.profiles.find(identifier)
        if profile is not None:
            self._remember(profile)
            return profile
        if identifier.kind == "braze_id" or _only_existing(identifier, item):
            return None
        profile = self.profiles.create(identifier, self._clock())
        self._remember(profile, new=True)
        return profile

    def _write(self, array: str, profile: Profile, item: dict[str, Any], identifier: ProfileKey) -> None:
        now = self._clock()
        self.profiles.touch(profile)
        if array == "attributes":
            self._write_attributes(profile, item)
            return
        if identifier.kind in ("email", "phone") and identifier.kind not in profile.standard:
            self._write_standard(profile, identifier.kind, item[identifier.kind])
        if array == "events":
            kept, target = events.event_kept(item, now), profile.events
        else:
            kept, target = events.purchase_kept(item, now), profile.purchases
        if kept is not None:
            target.append(kept)

    def _write_attributes(self, profile: Profile, item: dict[str, Any]) -> None:
        merge = item.get("_merge_objects") is True
        for name, value in item.items():
            if name in STORED_AS:
                self._write_standard(profile, name, value)
            elif name not in profile_fields.NEVER_STORED:
                self._write_custom(profile, name, value, merge)
        for name in SHARED.keys() & item.keys():
            for other in self._sharing(profile, SHARED[name]):
                self._remember(other)
                self._write_standard(other, name, item[name])

    def _sharing(self, profile: Profile, contacts: Sequence[str]) -> list[Profile]:
        """Return the other profiles that have the same email or phone."""
        found: dict[str, Profile] = {}
        for kind in contacts:
            contact = profile.standard.get(kind)
            if contact:
                key = contact.lower() if kind == "email" else digits_of(contact)
                found.update((each.braze_id, each) for each in self.profiles.matches(ProfileKey(kind, key)))
        found.pop(profile.braze_id, None)
        return list(found.values())

    def _write_standard(self, profile: Profile, name: str, value: Any) -> None:
        stored = None if value is None else STORED_AS[name](value)
        if stored is KEEP:
            return
        if name == "subscription_groups" and stored:
            known = {group["subscription_group_id"]: group for group in profile.standard.get(name, [])}
            known.update((group["subscription_group_id"], group) for group in stored)
            stored = list(known.values())
        if name == "push_tokens" and stored:
            stored = [*profile.standard.get(name, []), *self.profiles.take_new_tokens(stored)]
        self.profiles.set_standard(profile, name, stored)

    def _write_custom(self, profile: Profile, name: str, value: Any, merge: bool) -> None:
        key = custom_attributes.attribute_name(name)
        if key is None:
            return
        if value is None:
            profile.custom.pop(key, None)
            return
        new = custom_attributes.changed(profile.custom.get(key), value, merge=merge)
        if new is not KEEP:
            profile.custom[key] = new

    def _import_tokens(self, item: dict[str, Any]) -> None:
        """Make an anonymous profile for each push token; tokens that are known already are ignored."""
        for token in self.profiles.take_new_tokens(item["push_tokens"]):
            profile = self.profiles.create(None, self._clock())
            self._remember(profile, new=True)
            self.profiles.set_standard(profile, "push_tokens", [token])

    def _remember(self, profile: Profile, *, new: bool = False) -> None:
        if self._lag:
            now = self._clock()
            history = self._before.setdefault(profile.braze_id, deque())
            while history and history[0][0] <= now - self._lag:
                history.popleft()
            history.append((now, None if new else profile.exported(now)))

    def _as_seen(self, profile: Profile) -> dict[str, Any] | None:
        now = self._clock()
        history = self._before.get(profile.braze_id)
        while history and history[0][0] <= now - self._lag:
            history.popleft()
        if history:
            return history[0][1]
        self._before.pop(profile.braze_id, None)
        return profile.exported(now)


def _only_existing(identifier: ProfileKey, item: dict[str, Any]) -> bool:
    """Tell whether an object may not make a profile: said, or left out beside a user_alias."""
    said = item.get("_update_existing_only")
    return said if isinstance(said, bool) else identifier.kind == "user_alias"


def _is_token_import(array: str, item: dict[str, Any]) -> bool:
    return array == "attributes" and item.get("push_token_import") is True


_REFUSALS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "attributes": profile_fields.refusals,
    "events": events.event_refusals,
    "purchases": events.purchase_refusals,
}
