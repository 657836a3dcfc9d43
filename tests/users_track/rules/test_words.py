"""Country names, codes in any case and words for genders become Braze's codes; what is not known stays a bad value."""

from __future__ import annotations

from typing import Any

import pycountry
import pytest

from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper
from airflow_provider_braze.users_track.rules import null_words, words
from airflow_provider_braze.users_track.rules.standard_fields import COUNTRY_CODES


def mapped(record: dict[str, str], **mapping: Any) -> tuple[dict[str, Any], dict[str, int]]:
    mapper = Mapper(list(record), ExportMapping(**mapping), mode="upsert")
    return mapper.map(list(record.values()))[1], dict(mapper.normalised)


def test_every_country_is_known_by_its_codes_and_names_in_any_case() -> None:
    found = set()
    for country in pycountry.countries:
        names = [country.alpha_2, country.alpha_3, country.name]
        names += [
            getattr(country, name) for name in ("official_name", "common_name") if hasattr(country, name)
        ]
        for name in names:
            for written in (name, name.lower(), name.upper(), name.title()):
                assert words.country_code(written) == country.alpha_2, written
        found.add(country.alpha_2)
    assert found == COUNTRY_CODES


@pytest.mark.parametrize(
    ("written", "code"),
    [
        *(("USA", "US"), ("us", "US"), ("U.S.A.", "US"), ("United States of America", "US")),
        *(("UK", "GB"), ("uk", "GB"), ("England", "GB"), ("Great Britain", "GB"), ("United  Kingdom", "GB")),
        *(
            ("Russia", "RU"),
            ("Turkey", "TR"),
            ("Türkiye", "TR"),
            ("Holland", "NL"),
            ("the Netherlands", "NL"),
        ),
        *(
            ("South Korea", "KR"),
            ("Korea, South", "KR"),
            ("North Korea", "KP"),
            ("Iran", "IR"),
            ("Syria", "SY"),
        ),
        *(
            ("Cote d\u2019Ivoire", "CI"),
            ("Ivory Coast", "CI"),
            ("St. Lucia", "LC"),
            ("Trinidad & Tobago", "TT"),
        ),
        *(("Viet-Nam", "VN"), ("Czech Republic", "CZ"), ("Curacao", "CW"), ("DEU", "DE"), ("germany", "DE")),
        *(
            ("DEU.", "DE"),
            ("us.", "US"),
            ("U. S. A.", "US"),
            ("the USA", "US"),
            ("USA (United States)", "US"),
        ),
        *(
            ("Gambia, The", "GM"),
            ("Netherlands (the)", "NL"),
            ("Bosnia-Herzegovina", "BA"),
            ("Congo, Rep.", "CG"),
        ),
        *(
            ("Korea, Rep.", "KR"),
            ("Iran, Islamic Rep.", "IR"),
            ("Dominican Rep.", "DO"),
            ("Niger (the)", "NE"),
        ),
        *(("Republic of Korea", "KR"), ("S. Korea", "KR"), ("N. Korea", "KP"), ("Hongkong", "HK")),
        *(("Libyan Arab Jamahiriya", "LY"), ("Macedonia, the former Yugoslav Republic of", "MK")),
        *(("Pitcairn Islands", "PN"), ("U.S. Outlying Islands", "UM"), ("Republic of Turkey", "TR")),
        *(("Taiwan (R.O.C.)", "TW"), ("South Korea (Republic of Korea)", "KR")),
        *(("Myanmar (Burma)", "MM"), ("Cote D Ivoire", "CI"), ("Turks & Caicos", "TC"), ("Viet Nam", "VN")),
    ],
)
def test_names_that_people_use(written: str, code: str) -> None:
    profile, counted = mapped({"external_id": "P1", "Land": written}, rename={"Land": "country"})
    assert (profile["country"], counted) == (code, {"Land": 1})


def test_no_name_means_two_countries() -> None:
    listed: dict[str, set[str]] = {}
    for country in pycountry.countries:
        for name in ("name", "official_name", "common_name"):
            listed.setdefault(words._folded(getattr(country, name, "")), set()).add(country.alpha_2)
    for code, names in words._ALIASES.items():
        for name in names.split(";"):
            listed.setdefault(words._folded(name), set()).add(code)
    del listed[""]
    assert [name for name, codes in listed.items() if len(codes) > 1] == []


@pytest.mark.parametrize(
    "written",
    [
        "York",
        "California",
        "Atlantis",
        "Korea",
        "N/A",
        "N.A.",
        "-",
        "EU",
        "Europe",
        "New",
        "Unit",
        "ZZ",
        "null",
        "🇩🇪",
        "the",
        "Saint",
        "Republic of",
        "US (Georgia)",
        "China (Taiwan)",
        "Virgin Islands",
    ],
)
def test_no_country_is_guessed(written: str) -> None:
    with pytest.raises(BadRecordError, match="not an ISO 3166-1 alpha-2 country"):
        mapped({"external_id": "P1", "country": written})


@pytest.mark.parametrize(
    ("written", "letter"),
    [
        *(("Female", "F"), ("female", "F"), ("f", "F"), ("WOMAN", "F"), ("w", "F")),
        *(("Male", "M"), ("m", "M"), ("Man", "M"), ("other", "O"), ("Non-binary", "O"), ("non binary", "O")),
        *(("Not applicable", "N"), ("prefer_not_to_say", "P"), ("Prefer not to say", "P")),
        *(("männlich", "M"), ("WEIBLICH", "F"), ("Prefer not to answer", "P"), ("decline to state", "P")),
    ],
)
def test_words_for_a_gender(written: str, letter: str) -> None:
    profile, counted = mapped({"external_id": "P1", "gender": written})
    assert (profile["gender"], counted) == (letter, {"gender": 1})


@pytest.mark.parametrize("written", ["unknown", "u", "x", "N/A", "mal", "femal"])
def test_no_gender_is_guessed(written: str) -> None:
    with pytest.raises(BadRecordError, match="not one of M, F, O, N, P"):
        mapped({"external_id": "P1", "gender": written})


def test_codes_are_sent_as_they_are_and_not_counted() -> None:
    profile, counted = mapped({"external_id": "P1", "country": "DE", "gender": "F"})
    assert (profile["country"], profile["gender"], counted) == ("DE", "F", {})


@pytest.mark.parametrize(
    ("record", "passes"),
    [
        ({"country": "DE"}, True),
        ({"country": "United States"}, True),
        ({"country": "us"}, False),
        ({"country": "Germany"}, False),
        ({"gender": "Female"}, False),
        ({"gender": "f"}, False),
    ],
)
def test_on_request_nothing_is_replaced(record: dict[str, str], passes: bool) -> None:
    if passes:
        profile, counted = mapped({"external_id": "P1", **record}, normalise=False)
        assert {name: profile[name] for name in record} == record
        assert counted == {}
        return
    with pytest.raises(BadRecordError):
        mapped({"external_id": "P1", **record}, normalise=False)


def test_with_a_rule_for_no_value_words_become_codes_too() -> None:
    rules = {"null_token": "-", "empty": {"gender": "null"}}
    profile, counted = mapped({"external_id": "P1", "country": "usa", "gender": ""}, **rules)
    assert (profile["country"], profile["gender"], counted) == ("US", None, {"country": 1})


@pytest.mark.parametrize(
    "written",
    [
        *(
            "NULL",
            "null",
            "Null",
            "None",
            "none",
            "N/A",
            "n/a",
            "#N/A",
            "nan",
            "NaN",
            "(null)",
            "<null>",
            "[NULL]",
        ),
        *(
            "\\N",
            "nil",
            "undefined",
            "#NULL!",
            "#N/A N/A",
            "#VALUE!",
            "<NA>",
            "NA",
            "-",
            "--",
            "?",
            " NULL ",
            "NULL\u200b",
        ),
        *("#SPILL!", "#Error!", "#CALC!", "\N{EN DASH}", "\N{EM DASH}", "()", "[]", "{}", '""', "''"),
    ],
)
@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize(
    "identifier",
    [
        "id",
        {"column": "id", "kind": "braze_id"},
        {"column": "id", "kind": "user_alias", "label": "crm"},
        {"column": "id", "kind": "email"},
        {"column": "id", "kind": "phone"},
    ],
)
def test_words_for_no_value_identify_nobody(written: str, trim: bool, identifier: Any) -> None:
    with pytest.raises(BadRecordError) as caught:
        mapped({"id": written}, identifier=identifier, trim=trim)
    assert (caught.value.column, caught.value.reason) == ("id", null_words.REASON)


def test_they_do_on_request_and_what_only_looks_like_one_does_anyway() -> None:
    assert mapped({"external_id": "NULL"}, null_identifiers=True)[0]["external_id"] == "NULL"
    for written in ("Nullman", "n-a", "Nan1", "nat", "Nil-7", "0", "unknown", "x" * 40):
        assert mapped({"external_id": written})[0]["external_id"] == written
