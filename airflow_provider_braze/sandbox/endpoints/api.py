"""Braze's endpoints: from a request's headers and bytes to an answer, without a server around them.

Above: the server. Below: the endpoints by subject, the rate limits, and the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.sandbox.checks.identifiers import BadIdentifierError, identify
from airflow_provider_braze.sandbox.checks.refusal_reasons import spoken
from airflow_provider_braze.sandbox.endpoints.cdi import Cdi
from airflow_provider_braze.sandbox.endpoints.messaging import Messaging
from airflow_provider_braze.sandbox.endpoints.routes import BULK, ENDPOINTS, EXPORT, TRACK, route_of
from airflow_provider_braze.sandbox.endpoints.users import Users
from airflow_provider_braze.sandbox.traffic.http_answers import HttpAnswer, refusal
from airflow_provider_braze.sandbox.traffic.rate import RateLimit, empty_headers
from airflow_provider_braze.sandbox.traffic.sent import Sent
from airflow_provider_braze.sandbox.traffic.stats import Stats
from airflow_provider_braze.sandbox.workspace.profile_store import ProfileStore

MAX_OBJECTS = 75
"""In attributes, events and purchases together (Braze docs: API limits)."""

MAX_BODY_BYTES = 4_000_000
"""Braze docs say 4 MB; the smaller reading is taken, so that what passes here passes there."""

MAX_BULK_OBJECTS, MAX_BULK_BYTES, MAX_OBJECTS_OF_A_USER = 1000, 2_000_000, 100
"""Of one request to /users/track/bulk (Braze docs: its page; API limits)."""

MAX_EXPORT_IDS = 50

NOTHING_VALID = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
NOT_JSON = "Error while parsing request body. Please check your syntax."
TOO_MANY_OBJECTS = "Max Input Length Exceeded"
TOO_MANY_IDS = "The max number of external_ids and aliases per request was exceeded"
RATE_LIMITED = "Rate Limited"
ACCESS_DENIED = "Access Denied"


@dataclass(slots=True)
class Rules:
    """How this workspace differs from another.

    :param keys: each REST API key with its permissions, None for all.
    :param limits: limits of the other endpoints, by their names in ``routes``; without one there is none.
    :param objects_per_request: how many objects one request may hold.
    :param bulk_objects_per_request: the same for ``/users/track/bulk``, whatever array they are in.
    :param per_array: count them in each array by itself, as legacy contracts do.
    :param oversize_status: the status for a body that is too large; Braze's endpoints differ, 413 or 400.
    :param require_fields: refuse an export without ``fields_to_export``, as newer workspaces do.
    :param codes: name refusals by Braze's documented codes instead of its sentences.
    """

    keys: Mapping[str, frozenset[str] | None]
    track_limit: RateLimit = field(default_factory=RateLimit)
    export_limit: RateLimit = field(default_factory=RateLimit)
    limits: Mapping[str, RateLimit] = field(default_factory=dict)
    objects_per_request: int = MAX_OBJECTS
    bulk_objects_per_request: int = MAX_BULK_OBJECTS
    per_array: bool = False
    oversize_status: int = 413
    require_fields: bool = False
    codes: bool = False


class Api:
    """The endpoints of one workspace."""

    def __init__(
        self, store: ProfileStore, rules: Rules, stats: Stats, messaging: Messaging, cdi: Cdi
    ) -> None:
        self._store = store
        self.rules = rules
        self._stats = stats
        self._limits = {"track": rules.track_limit, "export": rules.export_limit, **rules.limits}
        self._no_limit = RateLimit(family=rules.track_limit.family)
        self._answers: dict[str, Callable[[Sent], HttpAnswer]] = {
            TRACK: self._track,
            BULK: self._track_bulk,
            EXPORT: self._export,
            **Users(store.profiles).answers,
            **{path: messaging.answer for method, path in ENDPOINTS if method == "GET"},
            **cdi.answers,
        }

    def limit_of(self, sent: Sent) -> RateLimit:
        """Return the rate limit that a request counts for."""
        endpoint = ENDPOINTS.get(route_of(sent.method, sent.path.rstrip("/")))
        return self._limits.get(endpoint.limit if endpoint else "track", self._no_limit)

    def answer(self, sent: Sent) -> HttpAnswer:
        """Process one request."""
        limit = self.limit_of(sent)
        refused = self._refused(sent, limit)
        if refused is not None:
            return refused
        answer = self._answers[route_of(sent.method, sent.path)[1]](sent)
        answer.headers |= limit.headers()
        return answer

    def _refused(self, sent: Sent, limit: RateLimit) -> HttpAnswer | None:
        """Return what a request gets that is refused before anything in it is looked at."""
        endpoint = ENDPOINTS.get(route_of(sent.method, sent.path.rstrip("/")))
        if endpoint is None:
            return refusal(404, "Not Found")
        scheme, _, key = sent.authorization.partition(" ")
        if scheme != "Bearer" or key not in self.rules.keys:
            # Braze echoes the key it was sent. So does the sandbox: clients must show that they redact it.
            return refusal(401, f"Invalid API key: {key or sent.authorization}", empty_headers())
        permissions = self.rules.keys[key]
        # A slash at the end is no other endpoint, and yet it is denied.
        if sent.path.endswith("/") or (permissions is not None and endpoint.permission not in permissions):
            return refusal(403, ACCESS_DENIED, limit.headers())
        if not limit.take():
            return refusal(429, RATE_LIMITED, limit.refusal_headers())
        return self._unreadable(sent, limit) if endpoint.has_body else None

    def _unreadable(self, sent: Sent, limit: RateLimit) -> HttpAnswer | None:
        if sent.content_type.partition(";")[0].strip().lower() != "application/json":
            return refusal(415, "Unsupported Media Type", limit.headers())
        if sent.oversize:
            status = 400 if sent.path == BULK else self.rules.oversize_status
            return refusal(status, "Request Entity Too Large", limit.headers())
        if not isinstance(sent.value, dict):
            return HttpAnswer(400, {"error": NOT_JSON}, limit.headers())
        return None

    def _track(self, sent: Sent) -> HttpAnswer:
        arrays = sent.arrays()
        sizes = [len(items) for items in arrays.values()]
        if (max(sizes, default=0) if self.rules.per_array else sum(sizes)) > self.rules.objects_per_request:
            return refusal(400, TOO_MANY_OBJECTS)
        return self._take(arrays)

    def _track_bulk(self, sent: Sent) -> HttpAnswer:
        # Which words Braze has for these is not documented.
        if len(sent.body) > MAX_BULK_BYTES:
            return refusal(400, "Request Entity Too Large")
        arrays = sent.arrays()
        if sum(map(len, arrays.values())) > self.rules.bulk_objects_per_request:
            return refusal(400, TOO_MANY_OBJECTS)
        users = Counter(sent.users())
        if max(users.values(), default=0) > MAX_OBJECTS_OF_A_USER:
            return refusal(400, "Too many objects of one user profile")
        return self._take(arrays)

    def _take(self, arrays: dict[str, list[Any]]) -> HttpAnswer:
        sizes = [len(items) for items in arrays.values()]
        tracked = self._store.track(arrays)
        taken = sum(tracked.processed.values())
        self._stats.objects += sum(sizes)
        self._stats.refused_objects += sum(sizes) - taken
        errors = [
            {
                "type": spoken(refused.reason, as_code=self.rules.codes),
                "input_array": refused.input_array,
                "index": refused.index,
            }
            for refused in tracked.refusals
        ]
        found = {"errors": errors} if errors else {}
        if not taken:
            return HttpAnswer(400, {"message": NOTHING_VALID, **found})
        counts = {f"{name}_processed": count for name, count in tracked.processed.items() if arrays[name]}
        return HttpAnswer(201, {**counts, **found, "message": "success"})

    def _export(self, sent: Sent) -> HttpAnswer:
        body = sent.value
        fields = body.get("fields_to_export")
        if fields is None and self.rules.require_fields:
            return refusal(400, "'fields_to_export' is required")
        if fields is not None and not (
            isinstance(fields, list) and all(isinstance(name, str) for name in fields)
        ):
            return refusal(400, "'fields_to_export' must be an array of strings")
        try:
            asked = _asked_for(body)
        except BadIdentifierError as error:
            return refusal(400, spoken(str(error)))
        users: dict[str, dict[str, Any]] = {}
        invalid: list[str] = []
        for item in asked:
            found = self._store.export(identify(item))
            users.update((profile["braze_id"], profile) for profile in found)
            if not found and "external_id" in item:
                invalid.append(str(item["external_id"]))
        shown = list(users.values())
        if fields is not None:
            shown = [{name: user[name] for name in fields if name in user} for user in shown]
        unmatched = {"invalid_user_ids": invalid} if invalid else {}
        return HttpAnswer(201, {"users": shown, **unmatched, "message": "success"})


def _asked_for(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the users that an export body asks for, as objects that can be identified."""
    ids, aliases = body.get("external_ids") or [], body.get("user_aliases") or []
    if not isinstance(ids, list) or not isinstance(aliases, list):
        raise BadIdentifierError("'external_ids' and 'user_aliases' must be arrays")
    if len(ids) + len(aliases) > MAX_EXPORT_IDS:
        raise BadIdentifierError(TOO_MANY_IDS)
    single = {"braze_id": "braze_id", "email_address": "email", "phone": "phone"}
    # One page says that each of these goes alone; its own example, and live clients, give several kinds at once.
    named = [{meant: body[name]} for name, meant in single.items() if body.get(name) is not None]
    asked = [{"external_id": text} for text in ids] + [{"user_alias": alias} for alias in aliases] + named
    if not asked:
        raise BadIdentifierError("No users to export were given")
    for item in asked:
        identify(item)
    return asked
