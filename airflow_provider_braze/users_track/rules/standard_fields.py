"""Braze's standard profile fields: exact names, and what each accepts (Braze docs: user attributes object).

A misspelt name would become a custom attribute for ever, and some bad values erase what is stored, so both are
found here, before anything is sent.

Above: the mapping, merging and the memory. Below: the checks, values, words and names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any, NamedTuple

from airflow_provider_braze.users_track.rules import checks, limits, moments, values, words
from airflow_provider_braze.users_track.rules.names import squash
from airflow_provider_braze.users_track.rules.time_zones import is_time_zone

IDENTIFIERS = ("external_id", "braze_id", "user_alias", "email", "phone")
"""What a profile can be found by, in Braze's order of precedence."""

PRIMARY_IDENTIFIERS = ("external_id", "braze_id", "user_alias")
"""An object may hold only one of these; email and phone identify only in their absence."""

FLAGS = ("_update_existing_only", "_merge_objects", "push_token_import")

RESERVED = (*PRIMARY_IDENTIFIERS, "alias_name", "alias_label", *FLAGS, "email_subscription_info", "bio")
"""Names that are no attributes: identifiers, flags, and what Braze refuses or ignores."""

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

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""As RFC 9562 writes it. Python's own takes braces, ``urn:uuid:`` and hyphens anywhere, which Braze is not known to."""

_SPACES = r"\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""What ``\\s`` means, listed: a set of nothing but characters is a third faster to look one up in."""

_LABEL = rf"[^{_SPACES}@.,;<>()\"]"
_LOCAL = rf"[^{_SPACES}@,;<>()\"]"
_EMAIL = rf"{_LOCAL}++@(?:{_LABEL}++\.)+{_LABEL}{{2,}}+"
_ONE_EMAIL = re.compile(rf"{_EMAIL}\Z")


def _emails(local: str, label: str) -> re.Pattern[str]:
    one = rf"(?:{local}++@(?:{label}++\.)+{label}{{2,}}+)?"
    return re.compile(rf"{one}(?:\n{one})*+\Z")


def _in_ascii(characters: str) -> str:
    """Give the ASCII characters of a set as a set that lists them, which takes a third less time to look one up in."""
    listed = filter(re.compile(characters).match, map(chr, range(128)))
    return f"[{re.escape(''.join(listed))}]"


_EMAILS = _emails(_LOCAL, _LABEL)
_ASCII_EMAILS = _emails(_in_ascii(_LOCAL), _in_ascii(_LABEL))


class Field(NamedTuple):
    """A standard field.

    :param type: the name of the one :class:`Type` that it takes.
    :param read: reader of its cells.
    :param check: check of its JSON values, null aside; raises ``ValueError``.
    """

    type: str
    read: values.Reader
    check: Callable[[Any], Any]


def email(cell: str) -> str:
    """Check that a text has the shape of an e-mail address."""
    if ".." in cell or not _ONE_EMAIL.match(cell):
        raise ValueError("not a valid email")
    return cell if len(cell) <= limits.STRING_CHARACTERS else checks.text(cell)


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


def normalised_country(cell: str) -> str:
    """Read a country's code, in any case, or its name."""
    return cell if cell in COUNTRY_CODES else words.country_code(cell) or country(cell)


def normalised_gender(cell: str) -> str:
    """Read a gender's letter or a word for it."""
    return cell if cell in GENDERS else words.gender_letter(cell) or gender(cell)


NORMALISED: Mapping[str, values.Reader] = {"country": normalised_country, "gender": normalised_gender}
"""Field name to the reader of cells that hold words where Braze takes codes."""


def time_zone(cell: str) -> str:
    """Check a time zone."""
    if not is_time_zone(cell):
        raise ValueError("not an IANA time zone")
    return cell


def dob(cell: str) -> str:
    """Check a date of birth: ``YYYY-MM-DD``, and not in the future."""
    values.past(date.fromisoformat(values.iso_date(cell)))
    return cell


def subscription_state(cell: str) -> str:
    """Check an e-mail or push subscription state; case and spaces count."""
    if cell not in SUBSCRIPTION_STATES:
        raise ValueError("not one of opted_in, subscribed, unsubscribed")
    return cell


def subscription_groups(groups: list[Any]) -> list[Any]:
    """Check subscription groups."""
    for group in checks.array(groups):
        if not isinstance(group, dict):
            raise ValueError("a subscription group that is not an object")
        identifier = group.get("subscription_group_id")
        if not isinstance(identifier, str) or not _UUID.fullmatch(identifier):
            raise ValueError(
                "a subscription_group_id that is not a UUID as Braze shows it, with hyphens only"
            )
        if group.get("subscription_state") not in GROUP_STATES:
            raise ValueError("a subscription_state that is not subscribed or unsubscribed")
    return groups


def location(place: dict[str, Any]) -> dict[str, Any]:
    """Check a location: an object with longitude and latitude."""
    for axis, most in (("longitude", 180), ("latitude", 90)):
        degrees = place.get(axis)
        if not isinstance(degrees, int | float) or isinstance(degrees, bool) or not -most <= degrees <= most:
            raise ValueError(f"not an object with the numbers longitude and latitude: {axis} is wrong")
    return checks.json_object(place)


def push_tokens(tokens: list[Any]) -> list[Any]:
    """Check push tokens."""
    for token in checks.array(tokens):
        if not isinstance(token, dict) or not all(
            isinstance(token.get(name), str) and token[name] for name in ("app_id", "token")
        ):
            raise ValueError("a push token without app_id and token")
        device = token.get("device_id", "12345678")
        if (
            not isinstance(device, str)
            or not 8 <= len(device.encode("utf-8", "replace")) <= limits.DEVICE_ID_BYTES
        ):
            raise ValueError(f"a device_id that is not 8 to {limits.DEVICE_ID_BYTES} bytes long")
    return tokens


def _text(read: values.Reader, type: str = "string") -> Field:
    def check(value: Any) -> None:
        if not isinstance(value, str):
            raise ValueError("not text")
        read(value)

    return Field(type, read, check)


def _json(type: str, kind: type, check: Callable[[Any], Any]) -> Field:
    what = "a JSON object" if kind is dict else "a JSON array"

    def check_kind(value: Any) -> None:
        if not isinstance(value, kind):
            raise ValueError(f"not {what}")
        check(value)

    return Field(type, lambda cell: check(values.decode(cell, kind, what)), check_kind)


def _is_boolean(value: Any) -> None:
    if not isinstance(value, bool):
        raise ValueError("not a boolean")


_BOOLEAN = Field("boolean", values.boolean, _is_boolean)
_TIME = Field("datetime", moments.read, _text(moments.check).check)

FIELDS: Mapping[str, Field] = {
    "first_name": _text(checks.text),
    "last_name": _text(checks.text),
    "email": _text(email),
    "phone": _text(checks.text),
    "country": _text(country),
    "language": _text(checks.text),
    "home_city": _text(checks.text),
    "image_url": _text(checks.text),
    "time_zone": _text(time_zone),
    "dob": _text(dob, "date"),
    "gender": _text(gender),
    "email_subscribe": _text(subscription_state),
    "push_subscribe": _text(subscription_state),
    "subscription_groups": _json("array", list, subscription_groups),
    "email_open_tracking_disabled": _BOOLEAN,
    "email_click_tracking_disabled": _BOOLEAN,
    "current_location": _json("object", dict, location),
    "date_of_first_session": _TIME,
    "date_of_last_session": _TIME,
    "marked_email_as_spam_at": _TIME,
    "push_tokens": _json("array", list, push_tokens),
    "facebook": _json("object", dict, checks.json_object),
    "twitter": _json("object", dict, checks.json_object),
}
"""Braze's standard fields."""


def _are_emails(cells: str) -> bool:
    emails = _ASCII_EMAILS if cells.isascii() else _EMAILS
    return ".." not in cells and emails.match(cells) is not None


AS_IS: Mapping[values.Reader, Callable[[str], bool]] = {email: _are_emails}
"""Readers of cells that differ from record to record, and what tells that cells which are not too long are as they are
to be sent, or empty.

It takes many cells at once, joined by line feeds, of which none may hold one itself.
"""

READERS: Mapping[str, values.Reader] = {name: field.read for name, field in FIELDS.items()}
"""Field name to the reader of its cells."""


def check(name: str, value: Any) -> None:
    """Check the value of any attribute, standard or custom, as Braze takes it.

    :raises ValueError: with a reason that holds none of the value.
    """
    if name in FIELDS:
        if value is not None:
            FIELDS[name].check(value)
    else:
        checks.attribute(value)


_SQUASHED = {squash(name): name for name in (*FIELDS, *PRIMARY_IDENTIFIERS)}
_RESERVED = frozenset(map(squash, RESERVED))
_LETTERS = {"".join(sorted(squashed)): name for squashed, name in _SQUASHED.items()}


def standard_name(name: str) -> str | None:
    """Give the standard field that a column's name means, in any case, with spaces, underscores or hyphens."""
    found = _SQUASHED.get(squash(name))
    return found if found in FIELDS else None


def is_reserved(name: str) -> bool:
    """Tell whether a name, in any spelling, is one of those that are no attributes."""
    return squash(name) in _RESERVED


@lru_cache(maxsize=4096)
def misspelt(name: str) -> str | None:
    """Give the standard field that a name misspells: other case, spaces or hyphens, or swapped letters."""
    if name in FIELDS or name in RESERVED:
        return None
    squashed = squash(name)
    return _SQUASHED.get(squashed) or _LETTERS.get("".join(sorted(squashed)))
