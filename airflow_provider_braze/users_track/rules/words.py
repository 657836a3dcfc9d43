"""Words that people and databases write where Braze takes a code: countries and genders.

Only exact names are taken, in any case. A fuzzy search would find Great Britain in *York* and the United States in
*California*; and a country that Braze does not know erases the one that is stored.

Above: the standard fields. Below: nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

_GAPS = re.compile(r"[^\w]+|_+")

_ALIASES = {
    "BO": "Bolivia",
    "BQ": "Caribbean Netherlands; Bonaire",
    "BN": "Brunei",
    "CD": "DR Congo; DRC; Congo-Kinshasa; Congo (Kinshasa); Congo, Democratic Republic of the; "
    "Democratic Republic of Congo; Democratic Republic of the Congo",
    "CG": "Congo-Brazzaville; Congo (Brazzaville); Republic of Congo; Republic of the Congo; Congo, Republic of the",
    "CC": "Cocos Islands; Keeling Islands",
    "CI": "Ivory Coast",
    "CV": "Cape Verde",
    "CZ": "Czech Republic; Czechia",
    "FK": "Falkland Islands; Falklands; Malvinas",
    "FM": "Micronesia",
    "FO": "Faeroe Islands",
    "GB": "UK; U.K.; Great Britain; Britain; England; Scotland; Wales; Northern Ireland; United Kingdom (UK)",
    "GM": "The Gambia",
    "BS": "The Bahamas",
    "HK": "Hong Kong SAR; Hong Kong SAR China",
    "IR": "Iran",
    "KP": "North Korea; DPRK; Korea, North; Democratic People's Republic of Korea",
    "KR": "South Korea; Korea, South; Republic of Korea; Korea (South); Korea (Republic of)",
    "LA": "Laos",
    "MF": "Saint Martin; St Martin",
    "MK": "Macedonia; Republic of Macedonia; FYROM; Former Yugoslav Republic of Macedonia",
    "MM": "Burma",
    "MO": "Macau; Macao SAR; Macao SAR China",
    "MD": "Moldova",
    "NL": "Holland; The Netherlands",
    "PH": "The Philippines",
    "PS": "Palestine; State of Palestine; Palestinian Territories; Palestinian Territory; "
    "Palestinian Territory, Occupied",
    "RU": "Russia",
    "SH": "Saint Helena",
    "ST": "Sao Tome",
    "SX": "Sint Maarten",
    "SY": "Syria",
    "SZ": "Swaziland",
    "TL": "East Timor",
    "TR": "Turkey; Turkiye",
    "TW": "Taiwan",
    "TZ": "Tanzania",
    "US": "U.S.; U.S.A.; America; United States of America; The United States; The United States of America; "
    "United States (US)",
    "VA": "Vatican; Vatican City; Holy See; Vatican City State",
    "VE": "Venezuela",
    "VG": "British Virgin Islands",
    "VI": "US Virgin Islands; U.S. Virgin Islands; United States Virgin Islands",
    "VN": "Vietnam; Viet Nam",
    "AE": "UAE; U.A.E.",
}
"""By code: names in use that ISO 3166 does not list, or lists in another order of words."""

_GENDERS = {
    "M": "m male man masculine",
    "F": "f female woman feminine w",
    "O": "o other non-binary nonbinary diverse divers",
    "N": "n not-applicable",
    "P": "p prefer-not-to-say undisclosed",
}
"""By letter, what Braze's own destinations and forms call it; ``unknown`` is none of them."""


def country_code(text: str) -> str | None:
    """Give the alpha-2 code of a country by its code (alpha-2 or alpha-3) or name, in any case; None if it is none."""
    # A code is letters and nothing else: N.A. is not Namibia.
    return _codes().get(text.upper()) or _names().get(_folded(text))


def gender_letter(text: str) -> str | None:
    """Give Braze's letter for a word, in any case; None if it is none."""
    return _genders().get(_folded(text))


def _folded(text: str) -> str:
    """Spell a name as it is compared: no case, accents or punctuation, ``&`` and ``St`` written out."""
    plain = unicodedata.normalize("NFKD", text.replace("&", " and ").casefold())
    plain = "".join(each for each in plain if not unicodedata.combining(each) and each not in ".'\u2019")
    words = _GAPS.sub(" ", plain).split()
    return " ".join("saint" if word in ("st", "ste") and len(words) > 1 else word for word in words)


def _listed() -> Iterable[Any]:
    # Read with the first word that is no code: most files hold none, and DAGs are parsed all the time.
    import pycountry

    return pycountry.countries


@cache
def _codes() -> Mapping[str, str]:
    return {code: country.alpha_2 for country in _listed() for code in (country.alpha_2, country.alpha_3)}


@cache
def _names() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for country in _listed():
        names = (getattr(country, name, "") for name in ("name", "official_name", "common_name"))
        found |= {_folded(name): country.alpha_2 for name in names if name}
    for code, listed in _ALIASES.items():
        found |= {_folded(name): code for name in listed.split(";")}
    return found


@cache
def _genders() -> Mapping[str, str]:
    return {_folded(word): letter for letter, listed in _GENDERS.items() for word in listed.split()}
