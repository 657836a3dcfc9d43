"""Standard profile fields: what each takes, and what a bad value does (Braze docs: user attributes object).

A bad value does one of three things: the whole object is refused (``refusals``), the stored value is erased
(``country``), or nothing at all happens (``KEEP``).

Above: the store. Below: dates, identifiers and published lists; none of the provider's own checks.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Final

from airflow_provider_braze.sandbox.checks import dates
from airflow_provider_braze.sandbox.checks.identifiers import is_email
from airflow_provider_braze.sandbox.checks.iso_codes import COUNTRIES, COUNTRY_NAMES, LANGUAGES
from airflow_provider_braze.users_track.rules.time_zones import RAILS

MAX_STRING = 255


class _Keep:
    """The type of ``KEEP``."""


KEEP: Final = _Keep()
"""Said of a value that leaves what is stored as it is."""

_GROUP_ID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")

SUBSCRIPTION_STATES = ("opted_in", "subscribed", "unsubscribed")
GENDERS = ("M", "F", "O", "N", "P")


def _text(value: Any) -> Any:
    return value if isinstance(value, str) and len(value) <= MAX_STRING else KEEP


def _country(value: Any) -> Any:
    if not isinstance(value, str):
        return None
    return value if value in COUNTRIES else COUNTRY_NAMES.get(value)


@cache
def _time_zones() -> frozenset[str]:
    return RAILS | zoneinfo.available_timezones()


def _one_of(allowed: Callable[[], Iterable[str]]) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, str) and value in allowed() else KEEP


def _of_type(kind: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, kind) else KEEP


def _moment(value: Any) -> Any:
    stored = dates.as_stored(value) if isinstance(value, str) else None
    return KEEP if stored is None else stored


def _day(value: Any) -> Any:
    day = dates.day(value)
    return KEEP if day is None else day


def _as_it_is(value: Any) -> Any:
    return value


STORED_AS: dict[str, Callable[[Any], Any]] = {
    "first_name": _text,
    "last_name": _text,
    "home_city": _text,
    "image_url": _text,
    "email": lambda value: value.lower(),
    "phone": _text,
    "country": _country,
    "language": _one_of(lambda: LANGUAGES),
    "time_zone": _one_of(_time_zones),
    "dob": _day,
    "gender": _one_of(lambda: GENDERS),
    "email_subscribe": _as_it_is,
    "push_subscribe": _as_it_is,
    "subscription_groups": _as_it_is,
    "email_open_tracking_disabled": _of_type(bool),
    "email_click_tracking_disabled": _of_type(bool),
    "current_location": lambda value: {name: value[name] for name in ("longitude", "latitude")},
    "date_of_first_session": _moment,
    "date_of_last_session": _moment,
    "marked_email_as_spam_at": _moment,
    "push_tokens": _as_it_is,
    "facebook": _of_type(dict),
    "twitter": _of_type(dict),
}
"""Of each field, what is stored for a sent value that is not null and was not refused; KEEP leaves the old one."""

NEVER_STORED = frozenset(
    {
        "external_id",
        "user_alias",
        "braze_id",
        "alias_name",
        "alias_label",
        "_update_existing_only",
        "_merge_objects",
        "push_token_import",
        "email_subscription_info",
        # Removed from Braze, and not taken as a custom attribute either.
        "bio",
    }
)
"""Names of an object that are neither fields nor custom attributes."""


def refusals(item: dict[str, Any]) -> list[str]:
    """Return every reason for which an attributes object is refused, identifiers left aside."""
    reasons: list[str] = []
    for name in item.keys() & _CHECKS.keys():
        if item[name] is not None:
            reasons.extend(_CHECKS[name](item[name]))
    if item.get("push_token_import") is True and (
        "external_id" in item or "braze_id" in item or not item.get("push_tokens")
    ):
        reasons.append("BAD_PUSH_TOKEN_IMPORT")
    return sorted(reasons)


def _check_email(value: Any) -> list[str]:
    return [] if is_email(value) else ["EMAIL_BAD_FORMAT"]


def _check_email_subscribe(value: Any) -> list[str]:
    return [] if value in SUBSCRIPTION_STATES else ["BAD_EMAIL_SUBSCRIPTION_STATE"]


def _check_push_subscribe(value: Any) -> list[str]:
    return [] if value in SUBSCRIPTION_STATES else ["BAD_PUSH_SUBSCRIPTION_STATE"]


def _check_location(value: Any) -> list[str]:
    place = value if isinstance(value, dict) else {}
    is_place = _is_within(place.get("longitude"), 180) and _is_within(place.get("latitude"), 90)
    return [] if is_place else ["BAD_LOCATION_UPDATE"]


def _is_within(value: Any, limit: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -limit <= value <= limit


def _check_groups(value: Any) -> list[str]:
    if not isinstance(value, list):
        return ["BAD_SUBSCRIPTION_GROUP_ARRAY"]
    return [reason for group in value for reason in _check_group(group)]


def _check_group(group: Any) -> list[str]:
    if not isinstance(group, dict) or not {"subscription_group_id", "subscription_state"} <= group.keys():
        return ["BAD_SUBSCRIPTION_GROUP_HASH"]
    reasons = []
    identifier = group["subscription_group_id"]
    if not isinstance(identifier, str) or not _GROUP_ID.fullmatch(identifier):
        reasons.append("BAD_SUBSCRIPTION_GROUP_ID")
    if group["subscription_state"] not in ("subscribed", "unsubscribed"):
        reasons.append("BAD_SUBSCRIPTION_GROUP_STATE")
    return reasons


def _check_tokens(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(token, dict) for token in value):
        return ["BAD_PUSH_TOKEN_VALUE"]
    return [reason for token in value for reason in _check_token(token)]


def _check_token(token: dict[str, Any]) -> list[str]:
    reasons = []
    if not isinstance(token.get("app_id"), str) or not token["app_id"]:
        reasons.append("BAD_PUSH_TOKEN_APP_ID")
    if not isinstance(token.get("token"), str) or not token["token"]:
        reasons.append("BAD_PUSH_TOKEN_STRING")
    device = token.get("device_id")
    if device is not None and not (isinstance(device, str) and 8 <= len(device.encode()) <= 255):
        reasons.append("BAD_DEVICE_ID")
    return reasons


_CHECKS: dict[str, Callable[[Any], list[str]]] = {
    "email": _check_email,
    "email_subscribe": _check_email_subscribe,
    "push_subscribe": _check_push_subscribe,
    "subscription_groups": _check_groups,
    "current_location": _check_location,
    "push_tokens": _check_tokens,
    "email_subscription_info": lambda _: ["INVALID_ATTRIBUTE_EMAIL_SUBSCRIPTION_INFO"],
}
