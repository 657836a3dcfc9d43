"""Braze's standard profile fields: exact names, and what each accepts (Braze docs: user attributes object).

A misspelt name would become a custom attribute for ever, and some bad values erase what is stored, so both are
found here, before anything is sent.
"""

from __future__ import annotations

import re
import zoneinfo
from functools import cache
from typing import Any

from airflow_provider_braze.users_track import values

IDENTIFIERS = ("external_id", "braze_id", "user_alias", "email", "phone")
"""What a profile can be found by, in Braze's order of precedence."""

PRIMARY_IDENTIFIERS = ("external_id", "braze_id", "user_alias")
"""An object may hold only one of these; email and phone identify only in their absence."""

RESERVED = (*PRIMARY_IDENTIFIERS, "alias_name", "alias_label", "_update_existing_only", "_merge_objects")

COUNTRY_NAMES = frozenset({"Australia", "United States"})
"""Country names Braze is known to map; any other text than a code may set the stored country to null."""

COUNTRY_CODES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    """.split()  # noqa: SIM905
)
"""ISO 3166-1 alpha-2."""

GENDERS = frozenset("MFONP")
SUBSCRIPTION_STATES = frozenset({"opted_in", "subscribed", "unsubscribed"})
GROUP_STATES = frozenset({"subscribed", "unsubscribed"})

_EMAIL = re.compile(r"[^\s@,;<>()\"]+@[^\s@,;<>()\"]+\.[^\s@.,;<>()\"]{2,}\Z")


def email(cell: str) -> str:
    """Check that a text has the shape of an e-mail address."""
    if not _EMAIL.match(cell) or ".." in cell:
        raise ValueError("not a valid email")
    return values.text(cell)


def country(cell: str) -> str:
    """Check a country: a bad one would erase the country that is stored."""
    if cell not in COUNTRY_CODES and cell not in COUNTRY_NAMES:
        raise ValueError("not an ISO 3166-1 alpha-2 country, which would erase the stored one")
    return cell


def gender(cell: str) -> str:
    """Check a gender."""
    if cell not in GENDERS:
        raise ValueError("not one of M, F, O, N, P")
    return cell


def time_zone(cell: str) -> str:
    """Check an IANA time zone."""
    if cell not in _time_zones():
        raise ValueError("not an IANA time zone")
    return cell


def subscription_state(cell: str) -> str:
    """Check an e-mail or push subscription state; case and spaces count."""
    if cell not in SUBSCRIPTION_STATES:
        raise ValueError("not one of opted_in, subscribed, unsubscribed")
    return cell


def subscription_groups(cell: str) -> list[Any]:
    """Read subscription groups from JSON."""
    groups: list[Any] = values.array_reader(None)(cell)
    for group in groups:
        if not isinstance(group, dict) or not isinstance(group.get("subscription_group_id"), str):
            raise ValueError("a subscription group without subscription_group_id")
        if group.get("subscription_state") not in GROUP_STATES:
            raise ValueError("a subscription_state that is not subscribed or unsubscribed")
    return groups


def location(cell: str) -> dict[str, Any]:
    """Read a location from JSON: an object with longitude and latitude."""
    place = values.json_object(cell)
    if not all(isinstance(place.get(axis), int | float) for axis in ("longitude", "latitude")):
        raise ValueError("not an object with the numbers longitude and latitude")
    return place


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


_DATE = values.date_reader(values.ISO_DATE)
_TIME = values.datetime_reader(None)

READERS: dict[str, values.Reader] = {
    "first_name": values.text,
    "last_name": values.text,
    "email": email,
    "phone": values.text,
    "country": country,
    "language": values.text,
    "home_city": values.text,
    "image_url": values.text,
    "time_zone": time_zone,
    "dob": _DATE,
    "gender": gender,
    "email_subscribe": subscription_state,
    "push_subscribe": subscription_state,
    "subscription_groups": subscription_groups,
    "email_open_tracking_disabled": values.boolean,
    "email_click_tracking_disabled": values.boolean,
    "current_location": location,
    "date_of_first_session": _TIME,
    "date_of_last_session": _TIME,
    "marked_email_as_spam_at": _TIME,
    "push_tokens": values.array_reader(None),
    "facebook": values.json_object,
    "twitter": values.json_object,
}
"""Field name to the reader of its cells."""


def squash(name: str) -> str:
    """Reduce a name to what people mean by it: no case, spaces, underscores or hyphens."""
    return re.sub(r"[\s_-]+", "", name).lower()


_SQUASHED = {squash(name): name for name in (*READERS, *PRIMARY_IDENTIFIERS)}
_LETTERS = {"".join(sorted(squashed)): name for squashed, name in _SQUASHED.items()}


def misspelt(name: str) -> str | None:
    """Give the standard field that a name misspells: other case, spaces or hyphens, or swapped letters."""
    if name in READERS or name in RESERVED:
        return None
    squashed = squash(name)
    return _SQUASHED.get(squashed) or _LETTERS.get("".join(sorted(squashed)))
