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
_NAMED_TWICE = re.compile(r"([^()]+)\(([^()]+)\)\s*")
_JOINING = frozenset({"the", "of", "and"})
_WRITTEN_OUT = {"st": "saint", "ste": "saint", "rep": "republic", "dem": "democratic", "fed": "federation"}

_ALIASES = {
    "AG": "Antigua",
    "AX": "Åland",
    "BA": "Bosnia",
    "BL": "St Barts; St Barths",
    "BO": "Bolivia",
    "BQ": "Caribbean Netherlands; Bonaire",
    "BN": "Brunei",
    "CN": "PRC; P.R. China; Mainland China",
    "CD": "DR Congo; DRC; Congo-Kinshasa; Congo (Kinshasa); Congo, Democratic Republic of the; "
    "Democratic Republic of Congo; Democratic Republic of the Congo",
    "CG": "Congo-Brazzaville; Congo (Brazzaville); Republic of Congo; Republic of the Congo; Congo, Republic of the",
    "CC": "Cocos Islands; Keeling Islands",
    "CI": "Ivory Coast; Cote d Ivoire",
    "CV": "Cape Verde",
    "CZ": "Czech Republic",
    "FK": "Falkland Islands; Falklands; Malvinas",
    "FM": "Micronesia",
    "FO": "Faeroe Islands; Faroes; Faeroes",
    "GB": "UK; U.K.; Great Britain; Britain; England; Scotland; Wales; Northern Ireland",
    "HK": "Hongkong; Hong Kong SAR; Hong Kong SAR China",
    "IE": "Republic of Ireland; Irish Republic; Eire",
    "IR": "Iran",
    "KN": "St Kitts",
    "KP": "North Korea; N. Korea; DPRK; Korea, North; Democratic People's Republic of Korea",
    "KR": "Republic of Korea; South Korea; S. Korea; Korea, South; Republic of South Korea",
    "LA": "Laos; Lao PDR",
    "MF": "Saint Martin; St Martin",
    "MK": "Macedonia; Republic of Macedonia; FYROM; Former Yugoslav Republic of Macedonia; "
    "Macedonia, the Former Yugoslav Republic of",
    "MM": "Burma",
    "MO": "Macau; Macao SAR; Macao SAR China",
    "LY": "Libyan Arab Jamahiriya",
    "MD": "Moldova",
    "NL": "Holland",
    "PN": "Pitcairn Islands",
    "PS": "Palestine; State of Palestine; Palestinian Territories; Palestinian Territory; "
    "Palestinian Territory, Occupied; West Bank and Gaza",
    "RU": "Russia",
    "SA": "KSA",
    "SH": "Saint Helena",
    "ST": "Sao Tome",
    "SX": "Sint Maarten; St Maarten",
    "SY": "Syria",
    "SZ": "Swaziland",
    "TC": "Turks and Caicos",
    "TL": "East Timor",
    "TR": "Turkey; Turkiye; Republic of Turkey",
    "TT": "Trinidad",
    "TW": "Taiwan; Taiwan, ROC; Taiwan, R.O.C.",
    "TZ": "Tanzania",
    "UM": "US Outlying Islands",
    "US": "U.S.; U.S.A.; U S; U S A; America; United States of America",
    "VA": "Vatican; Vatican City; Holy See; Vatican City State",
    "VC": "Saint Vincent",
    "VE": "Venezuela",
    "VG": "British Virgin Islands",
    "VI": "US Virgin Islands; United States Virgin Islands; USVI",
    "VN": "Vietnam",
    "WS": "Western Samoa",
    "AE": "UAE; U.A.E.",
}
"""By code: names in use that ISO 3166 does not list, or lists in another order of words."""

_GENDERS = {
    "M": "m male man masculine männlich",
    "F": "f female woman feminine w weiblich",
    "O": "o other non-binary nonbinary diverse divers",
    "N": "n not-applicable",
    "P": "p prefer-not-to-say prefer-not-to-answer prefer-not-to-disclose prefer-not-to-state rather-not-say "
    "undisclosed decline-to-answer decline-to-state",
}
"""By letter, what Braze's own destinations and forms call it; ``unknown`` is none of them."""


def country_code(text: str) -> str | None:
    """Give the alpha-2 code of a country by its code (alpha-2 or alpha-3) or name, in any case; None if it is none."""
    # A code is letters and nothing else, but for a full stop behind it: N.A. is not Namibia.
    code = _codes().get(text.upper().removesuffix(".")) or _names().get(_folded(text))
    if code is None and (twice := _NAMED_TWICE.fullmatch(text)):
        # United States (US): both have to be names of one country.
        first, second = (country_code(name.strip()) for name in twice.groups())
        code = first if first == second else None
    return code


def gender_letter(text: str) -> str | None:
    """Give Braze's letter for a word, in any case; None if it is none."""
    return _genders().get(_folded(text))


def _folded(text: str) -> str:
    """Spell a name as it is compared: no case, accents, punctuation, articles or joining words, ``St`` written out."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(each for each in plain if not unicodedata.combining(each) and each not in ".'\u2019")
    words = _GAPS.sub(" ", plain).split()
    if len(words) > 1:
        words = [_WRITTEN_OUT.get(word, word) for word in words if word not in _JOINING]
    return " ".join(words)


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
