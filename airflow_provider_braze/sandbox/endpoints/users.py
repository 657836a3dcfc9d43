"""Deleting, identifying, merging, aliases and subscription status (Braze docs: endpoints for user data).

Above: the API. Below: the profiles, and which one is meant.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_braze.sandbox.checks.identifiers import BadIdentifierError, ProfileKey, identify
from airflow_provider_braze.sandbox.checks.refusal_reasons import spoken
from airflow_provider_braze.sandbox.traffic.http_answers import HttpAnswer, refusal
from airflow_provider_braze.sandbox.traffic.sent import Sent
from airflow_provider_braze.sandbox.workspace.profiles import Profile, Profiles

MOST = 50
"""Users, aliases or merges in one request."""

_TOO_MANY = "The max number of ids per request was exceeded"
_TOO_MANY_MERGES = "a single request may not contain more than 50 merge updates"
_BAD_IDENTIFIER = (
    "identifiers must be objects with an 'external_id' property that is a string, 'user_alias' property that is an "
    "object, 'email' property that is a string, or 'phone' property that is a string"
)
_BAD_MERGE = "'merge_updates' must only have 'identifier_to_merge' and 'identifier_to_keep'"
_PRIORITIES = frozenset({"identified", "unidentified", "most_recently_updated", "least_recently_updated"})

_DELETED = {
    "external_ids": "external_id",
    "user_aliases": "user_alias",
    "braze_ids": "braze_id",
    "email_addresses": None,
    "phone_numbers": None,
}
"""What each member of an array is; None: an object that says it itself."""

_IDENTIFIED = {
    "aliases_to_identify": "user_alias",
    "emails_to_identify": "email",
    "phone_numbers_to_identify": "phone",
}
_SUBSCRIBED = {"external_ids": "external_id", "emails": "email", "phones": "phone"}


class Users:
    """These endpoints, on the profiles of a workspace."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self.answers: Mapping[str, Callable[[Sent], HttpAnswer]] = {
            "/users/delete": self._delete,
            "/users/identify": self._identify,
            "/users/alias/new": self._alias_new,
            "/users/alias/update": self._alias_update,
            "/users/merge": self._merge,
            "/v2/subscription/status/set": self._subscribe,
        }

    def _delete(self, sent: Sent) -> HttpAnswer:
        given = {name: sent.value[name] for name in _DELETED if sent.value.get(name)}
        if len(given) != 1:
            return refusal(400, f"Only one of {', '.join(_DELETED)} can be included in a single request")
        ((name, items),) = given.items()
        if not isinstance(items, list):
            return refusal(400, f"'{name}' must be an array")
        if len(items) > MOST:
            return refusal(400, _TOO_MANY)
        found: list[Profile | None] = []
        for each in items:
            try:
                kind = _DELETED[name]
                found.append(self._one({kind: each} if kind else each))
            except BadIdentifierError as error:
                return refusal(400, spoken(str(error)))
        for profile in {id(each): each for each in found if each is not None}.values():
            self._profiles.remove(profile)
        return HttpAnswer(201, {"deleted": len(items), "message": "success"})

    def _one(self, item: Any) -> Profile | None:
        """Find the one profile that an identifier means; with ``prioritization``, by its order."""
        if not isinstance(item, dict):
            raise BadIdentifierError(_BAD_IDENTIFIER)
        named = {name: value for name, value in item.items() if name != "prioritization"}
        identifier = identify(named)
        if identifier.kind not in ("email", "phone"):
            return self._profiles.find(identifier)
        order = item.get("prioritization")
        if not isinstance(order, list) or not order or not set(order) <= _PRIORITIES:
            raise BadIdentifierError("'prioritization' is required with an email or a phone")
        return _by_priority(self._profiles.matches(identifier), order)

    def _identify(self, sent: Sent) -> HttpAnswer:
        given = {name: sent.value[name] for name in _IDENTIFIED if sent.value.get(name)}
        if not given or not all(isinstance(items, list) for items in given.values()):
            return refusal(400, f"One of {', '.join(_IDENTIFIED)} is required")
        if sum(map(len, given.values())) > MOST:
            return refusal(400, _TOO_MANY)
        errors: list[dict[str, Any]] = []
        done = 0
        for name, items in given.items():
            for index, each in enumerate(items):
                try:
                    self._identify_one(_IDENTIFIED[name], each)
                    done += 1
                except BadIdentifierError as error:
                    errors.append(_error(index, str(error)))
        return _processed(done, errors)

    def _identify_one(self, kind: str, each: Any) -> None:
        if not isinstance(each, dict) or not isinstance(each.get("external_id"), str) or kind not in each:
            raise BadIdentifierError("IDENTIFIER_REQUIRED")
        wanted = identify({"external_id": each["external_id"]})
        anonymous = self._one({name: value for name, value in each.items() if name != "external_id"})
        if anonymous is None or anonymous.external_id is not None:
            return
        known = self._profiles.find(wanted)
        if known is None:
            self._profiles.name(anonymous, wanted.key)
            self._profiles.touch(anonymous)
        elif not known.aliases.keys() & anonymous.aliases.keys():
            # Users can only have one alias for a label: otherwise the profiles are not combined.
            self._combine(anonymous, known)

    def _combine(self, gone: Profile, kept: Profile) -> None:
        """Fill what the kept one lacks, and remove the other."""
        standard = dict(gone.standard)
        self._profiles.remove(gone)
        for name, value in standard.items():
            if name not in kept.standard:
                self._profiles.set_standard(kept, name, value)
        kept.custom = {**gone.custom, **kept.custom}
        kept.events = [*gone.events, *kept.events]
        kept.purchases = [*gone.purchases, *kept.purchases]
        for label, alias in gone.aliases.items():
            if label not in kept.aliases:
                self._profiles.alias(kept, label, alias)
        self._profiles.touch(kept)

    def _is_there(self, profile: Profile | None) -> bool:
        """Tell whether an earlier merge of the same request has left it."""
        return (
            profile is not None and self._profiles.find(ProfileKey("braze_id", profile.braze_id)) is profile
        )

    def _alias_new(self, sent: Sent) -> HttpAnswer:
        items = sent.value.get("user_aliases")
        if not isinstance(items, list) or not items:
            return refusal(400, "'user_aliases' must be an array of objects")
        if len(items) > MOST:
            return refusal(400, _TOO_MANY)
        errors: list[dict[str, Any]] = []
        for index, each in enumerate(items):
            try:
                self._alias_one(each)
            except BadIdentifierError as error:
                errors.append(_error(index, str(error)))
        return _processed(len(items) - len(errors), errors)

    def _alias_one(self, each: Any) -> None:
        alias = (
            {name: each.get(name) for name in ("alias_name", "alias_label")} if isinstance(each, dict) else {}
        )
        identifier = identify({"user_alias": alias})
        taken = self._profiles.find(identifier)
        if (external_id := each.get("external_id")) is not None:
            profile = self._profiles.find(identify({"external_id": external_id}))
            if profile is not None and taken is None:
                self._profiles.alias(profile, *identifier.key)
        elif taken is None:
            self._profiles.create(identifier, time.time())

    def _alias_update(self, sent: Sent) -> HttpAnswer:
        items = sent.value.get("alias_updates")
        if not isinstance(items, list) or not items or not all(isinstance(each, dict) for each in items):
            return refusal(400, "'alias_updates' must be an array of objects")
        if len(items) > MOST:
            return refusal(400, _TOO_MANY)
        names = ("alias_label", "old_alias_name", "new_alias_name")
        errors = [
            _error(index, f"{', '.join(names)} are required")
            for index, each in enumerate(items)
            if not all(isinstance(each.get(name), str) and each[name] for name in names)
        ]
        if errors:
            return _processed(0, errors)
        for each in items:
            label, old, new = (each[name] for name in names)
            profile = self._profiles.find(ProfileKey("user_alias", (label, old)))
            if profile is not None and self._profiles.find(ProfileKey("user_alias", (label, new))) is None:
                self._profiles.alias(profile, label, new)
        return HttpAnswer(201, {"message": "success"})

    def _merge(self, sent: Sent) -> HttpAnswer:
        items = sent.value.get("merge_updates")
        if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
            return refusal(400, "'merge_updates' must be an array of objects")
        if len(items) > MOST:
            return refusal(400, _TOO_MANY_MERGES)
        pairs: list[tuple[Profile | None, Profile | None]] = []
        for each in items:
            if each.keys() != {"identifier_to_merge", "identifier_to_keep"}:
                return refusal(400, _BAD_MERGE)
            try:
                pairs.append((self._one(each["identifier_to_merge"]), self._one(each["identifier_to_keep"])))
            except BadIdentifierError:
                return refusal(400, _BAD_IDENTIFIER)
        for gone, kept in pairs:
            if gone is not kept and self._is_there(gone) and self._is_there(kept):
                assert gone is not None
                assert kept is not None
                self._combine(gone, kept)
        return HttpAnswer(202, {"message": "success"})

    def _changes_of(self, each: dict[str, Any]) -> list[tuple[Profile, str, str]]:
        group, state = each.get("subscription_group_id"), each.get("subscription_state")
        if not isinstance(group, str) or state not in ("subscribed", "unsubscribed"):
            raise BadIdentifierError("Invalid subscription group id or state")
        return [
            (profile, group, str(state))
            for name, items in _members(each).items()
            for item in items
            for profile in self._profiles.matches(identify({_SUBSCRIBED[name]: item}))
        ]

    def _subscribe(self, sent: Sent) -> HttpAnswer:
        groups = sent.value.get("subscription_groups")
        if not isinstance(groups, list) or not groups or not all(isinstance(each, dict) for each in groups):
            return refusal(400, "'subscription_groups' must be an array of objects")
        changes: list[tuple[Profile, str, str]] = []
        try:
            for each in groups:
                changes += self._changes_of(each)
        except BadIdentifierError as error:
            return refusal(400, spoken(str(error)))
        for profile, group, state in changes:
            known = profile.standard.get("subscription_groups") or []
            rest = [each for each in known if each["subscription_group_id"] != group]
            new = [*rest, {"subscription_group_id": group, "subscription_state": state}]
            self._profiles.set_standard(profile, "subscription_groups", new)
        return HttpAnswer(201, {"message": "success"})


def _members(group: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the users that a change of a subscription group names, by the array that they are in."""
    if group.get("emails") and group.get("phones"):
        raise BadIdentifierError("You cannot include both emails and phones")
    given = {name: group[name] for name in _SUBSCRIBED if group.get(name)}
    if not given or not all(isinstance(items, list) for items in given.values()):
        raise BadIdentifierError(f"One of {', '.join(_SUBSCRIBED)} is required")
    if max(map(len, given.values())) > MOST:
        raise BadIdentifierError(_TOO_MANY)
    return given


def _by_priority(found: list[Profile], order: list[str]) -> Profile | None:
    """Narrow several profiles down; where more than one is left, none is meant."""
    for word in order:
        if word in ("identified", "unidentified"):
            found = [each for each in found if (each.external_id is not None) == (word == "identified")]
        elif found:
            pick = max if word == "most_recently_updated" else min
            found = [pick(found, key=lambda each: each.changed)]
    return found[0] if len(found) == 1 else None


def _error(index: int, reason: str) -> dict[str, Any]:
    return {"type": spoken(reason), "input_array": "user_identifiers", "index": index}


def _processed(done: int, errors: list[dict[str, Any]]) -> HttpAnswer:
    found = {"errors": errors} if errors else {}
    if not done:
        return HttpAnswer(400, {"message": "Valid data must be provided in the request.", **found})
    return HttpAnswer(201, {"aliases_processed": done, **found, "message": "success"})
