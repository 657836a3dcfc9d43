from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze import blanks
from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper
from tests import samples

ROW = ["1000000231", "5719", "P0001", "José", 'O"Neill', "jose@example.com", "ES", "1984-02-29", "M", "A Coruña",
       "+34600000001", "High Value, Spain", "Bachelor's", "52000", "", "01520"]  # fmt: skip


def mapper_of(columns, mode="upsert", offer="", **mapping):
    return Mapper(columns, ExportMapping(**mapping), mode=mode, offer=offer)


def mapped(record, offer="", mode="upsert", **mapping):
    """Map one record, given as column to cell; the profile object without flags and identifier."""
    _, profile = mapper_of(list(record), mode, offer, **mapping).map(list(record.values()))
    return {
        name: value for name, value in profile.items() if name not in ("external_id", "_update_existing_only")
    }


def refused(record, **mapping):
    with pytest.raises(BadRecordError) as caught:
        mapped(record, **mapping)
    return caught.value.column, caught.value.reason


def test_a_record_of_the_redpoint_template():
    identity, profile = mapper_of(samples.UPSERT_COLUMNS.split(","), offer="Spring").map(ROW)
    assert identity == ("external_id", "P0001")
    assert profile == {
        "external_id": "P0001",
        "_update_existing_only": False,
        "_merge_objects": True,
        "first_name": "José",
        "last_name": 'O"Neill',
        "email": "jose@example.com",
        "country": "ES",
        "dob": "1984-02-29",
        "gender": "M",
        "home_city": "A Coruña",
        "phone": "+34600000001",
        "rpi_contact_ids": {"add": ["1000000231"]},
        "rpi_channel_exec_ids": {"add": ["5719"]},
        "rpi_audience_outputs": {"add": ["High Value, Spain"]},
        "rpi_offers": {"add": ["Spring"]},
        "rpi_cdp_attributes": {"education": "Bachelor's", "income": "52000", "zip": "01520"},
    }


def test_append_only_touches_those_who_exist():
    record = {"external_id": "P1", "output_name": ""}
    assert mapper_of(list(record), "append").map(["P1", ""]) == (
        ("external_id", "P1"),
        {"external_id": "P1", "_update_existing_only": True},
    )


def test_no_object_is_sent_for_empty_extra_columns():
    assert mapped({"external_id": "P1", "zip": ""}) == {}


def test_each_record_has_lists_of_its_own():
    mapper = mapper_of(["external_id", "output_name"], offer="Spring")
    first = mapper.map(["P1", "A"])[1]
    first["rpi_offers"]["add"].append("changed")
    first["rpi_audience_outputs"]["add"].append("changed")
    second = mapper.map(["P1", "A"])[1]
    assert (second["rpi_offers"], second["rpi_audience_outputs"]) == ({"add": ["Spring"]}, {"add": ["A"]})


# Identifiers


@pytest.mark.parametrize(
    ("identifier", "cell", "identity", "fields"),
    [
        ({"external_id": "id"}, "0012", ("external_id", "0012"), {"external_id": "0012"}),
        ({"external_id": "id"}, "x" * 987, ("external_id", "x" * 987), {"external_id": "x" * 987}),
        ({"external_id": "id"}, "é" * 493, ("external_id", "é" * 493), {"external_id": "é" * 493}),
        ({"braze_id": "id"}, "5f", ("braze_id", "5f"), {"braze_id": "5f"}),
        ({"email": "id"}, "Jo@Example.com", ("email", "jo@example.com"), {"email": "Jo@Example.com"}),
        ({"phone": "id"}, "+1 (555) 010-9999", ("phone", "15550109999"), {"phone": "+1 (555) 010-9999"}),
        ({"phone": "id"}, "555 010 9999", ("phone", "15550109999"), {"phone": "555 010 9999"}),
        ({"phone": "id"}, " +5550109999", ("phone", "5550109999"), {"phone": "+5550109999"}),
        ({"phone": "id"}, "+555 010 9999", ("phone", "5550109999"), {"phone": "+555 010 9999"}),
        (
            {"user_alias": "id", "label": "crm"},
            "A1",
            ("user_alias", "A1", "crm"),
            {"user_alias": {"alias_name": "A1", "alias_label": "crm"}},
        ),
    ],
)
def test_identifiers(identifier, cell, identity, fields):
    found, profile = mapper_of(["id"], identifier=identifier).map([cell])
    assert found == identity
    assert profile == {**fields, "_update_existing_only": False}


@pytest.mark.parametrize(
    ("identifier", "cell", "reason"),
    [
        ({"external_id": "id"}, "", "empty identifier"),
        ({"external_id": "id"}, " \t", "empty identifier"),
        ({"external_id": "id"}, "x" * 988, "longer than 987 bytes"),
        ({"external_id": "id"}, "é" * 494, "longer than 987 bytes"),
        ({"email": "id"}, "", "empty identifier"),
        ({"email": "id"}, "nobody", "not a valid email"),
        ({"phone": "id"}, "unknown", "a phone without digits"),
        ({"phone": "id"}, "1" * 256, "longer than 255 characters"),
        ({"braze_id": "id"}, "x" * 256, "longer than 255 bytes"),
        ({"user_alias": "id", "label": "crm"}, "é" * 119, "longer than 236 bytes"),
    ],
)
@pytest.mark.parametrize("bad_values", ["reject", "omit"])
def test_a_bad_identifier_makes_the_record_invalid(identifier, cell, reason, bad_values):
    assert refused({"id": cell}, identifier=identifier, bad_values=bad_values) == ("id", reason)


def test_the_null_token_for_all_is_no_identifier():
    for identifier in ({"external_id": "id"}, {"braze_id": "id"}):
        assert refused({"id": "NULL"}, identifier=identifier, null_token="NULL") == ("id", "empty identifier")
    allowed = {"null_token": {"first_name": "-"}, "null_identifiers": True}
    assert mapped({"external_id": "NULL", "first_name": "-"}, **allowed) == {"first_name": None}


def test_another_column_may_hold_what_could_identify():
    assert mapped({"external_id": "P1", "email": "a@example.com", "phone": "1"}) == {
        "email": "a@example.com",
        "phone": "1",
    }


# Values


def test_text_stays_text():
    assert mapped(
        {"external_id": "P1", "zip": "01520", "when": "2026-01-01", "flag": "true", "x": "a  b"}
    ) == {
        "rpi_cdp_attributes": {"zip": "01520", "when": "2026-01-01", "flag": "true", "x": "a  b"},
        "_merge_objects": True,
    }


def test_declared_types():
    types = {
        "n": "integer",
        "d": {"type": "date", "format": "%d/%m/%Y"},
        "t": "datetime",
        "a": {"type": "array", "separator": "|"},
        "o": "object",
        "s": "string",
        "dob": {"type": "date", "format": "%d/%m/%Y"},
    }
    record = {"external_id": "P1", "n": "007", "d": "29/02/1984", "t": "2026-01-01T10:00:00+01:00", "a": "x|y",
              "o": '{"k": 1}', "s": "x", "dob": "01/02/1990"}  # fmt: skip
    assert mapped(record, types=types) == {
        "dob": "1990-02-01",
        "rpi_cdp_attributes": {
            "n": 7,
            "d": {"$time": "1984-02-29T00:00:00Z"},
            "t": {"$time": "2026-01-01T09:00:00Z"},
            "a": ["x", "y"],
            "o": {"k": 1},
            "s": "x",
        },
        "_merge_objects": True,
    }
    assert mapped(record, types=types, extra_to=None) == {
        "dob": "1990-02-01",
        "n": 7,
        "d": "1984-02-29",
        "t": "2026-01-01T09:00:00Z",
        "a": ["x", "y"],
        "o": {"k": 1},
        "s": "x",
    }


def test_extra_columns_go_into_a_deeper_object():
    assert mapped({"external_id": "P1", "zip": "1"}, extra_to="crm.extra.more") == {
        "crm": {"extra": {"more": {"zip": "1"}}},
        "_merge_objects": True,
    }


LONG = "é" * 256
TOO_LONG = "longer than 255 characters"
MANY = [f"c{n}" for n in range(70)]


@pytest.mark.parametrize(
    ("record", "mapping", "column", "reason"),
    [
        ({"first_name": LONG}, {}, "first_name", TOO_LONG),
        ({"Zip Code": LONG}, {}, "Zip Code", TOO_LONG),
        ({"output_name": LONG}, {}, "output_name", TOO_LONG),
        ({"home_city": LONG}, {"empty": "null"}, "home_city", TOO_LONG),
        ({"email": "nobody"}, {}, "email", "not a valid email"),
        ({"Country": "Atlantis"}, {}, "Country", "not an ISO 3166-1 alpha-2 country, which would erase the stored one"),
        ({"n": "x"}, {"types": {"n": "integer"}}, "n", "not an integer"),
        ({"n": "x"}, {"types": {"n": "integer"}, "extra_to": None, "null_token": "-"}, "n", "not an integer"),
        ({"output_name": "[1]"}, {"types": {"output_name": "array"}, "offer": None}, None, None),
        ({"output_name": '[{"a": 1}]'}, {"types": {"output_name": "array"}}, "output_name",
         "an object or array where single values belong"),
        (dict.fromkeys(MANY, "\x01" * 255) , {}, "rpi_cdp_attributes", "more than 100 KB as JSON together"),
        ({"a": json.dumps(["é" * 250] * 190), "b": json.dumps(["é" * 250] * 190)},
         {"types": {"a": "array", "b": "array"}}, "rpi_cdp_attributes", "more than 100 KB as JSON together"),
        (dict.fromkeys(MANY, "x\udc80" * 127), {}, "rpi_cdp_attributes", "not a JSON value"),
    ],
)  # fmt: skip
def test_a_bad_value_makes_the_record_invalid_or_is_left_out(record, mapping, column, reason):
    record = {"external_id": "P1"} | record
    if column is None:
        mapped(record, **mapping)
        return
    assert refused(record, **mapping) == (column, reason)
    mapper = mapper_of([*record, "last_name"], bad_values="omit", **mapping)
    for _ in range(2):
        assert mapper.map([*record.values(), "N"])[1] == {
            "external_id": "P1",
            "last_name": "N",
            "_update_existing_only": False,
        }
    assert mapper.omitted == {column: 2}


def test_many_values_are_left_out_of_one_record_and_the_rest_is_sent():
    mapper = mapper_of(
        ["external_id", "email", "n", "output_name"], types={"n": "integer"}, bad_values="omit"
    )
    assert mapper.map(["P1", "x", "x", "A"])[1]["rpi_audience_outputs"] == {"add": ["A"]}
    mapper.map(["P1", "a@example.com", "x", ""])
    assert mapper.omitted == {"email": 1, "n": 2}


def test_what_was_left_out_of_an_invalid_record_is_not_counted():
    def fail(profile, record):
        raise RuntimeError

    mapper = mapper_of(["external_id", "email"], bad_values="omit", transform=fail)
    with pytest.raises(BadRecordError):
        mapper.map(["P1", "x"])
    with pytest.raises(BadRecordError):
        mapper.map(["P1", "a@example.com"])
    assert mapper.omitted == {}


def test_texts_are_cut_on_request():
    types = {name: {"type": "string", "cut": True} for name in ("first_name", "zip", "output_name")}
    record = {"external_id": "P1", "first_name": LONG, "zip": LONG, "output_name": LONG}
    assert mapped(record, types=types) == {
        "first_name": LONG[:255],
        "rpi_cdp_attributes": {"zip": LONG[:255]},
        "rpi_audience_outputs": {"add": [LONG[:255]]},
        "_merge_objects": True,
    }


def test_a_large_object_within_the_limit_is_sent():
    wide = {"external_id": "P1"} | dict.fromkeys(MANY, "x" * 255)
    assert len(mapped(wide)["rpi_cdp_attributes"]) == 70
    exact = {"external_id": "P1", "a": json.dumps(["x" * 250] * 395)}
    assert len(mapped(exact, types={"a": "array"})["rpi_cdp_attributes"]["a"]) == 395


def test_an_object_may_have_100_kb_exactly():
    record = {"external_id": "P1"} | {f"c{n:03}": "v" * 254 for n in range(380)}
    record |= {"c000": "v" * 54, "c001": "v" * 133}
    assert len(json.dumps(mapped(record)["rpi_cdp_attributes"], separators=(",", ":"))) == 100_000
    assert refused(record | {"c001": "v" * 134}) == (
        "rpi_cdp_attributes",
        "more than 100 KB as JSON together",
    )


@pytest.mark.parametrize(
    "columns", [[f"{n:03}" + "k" * 252 for n in range(390)], [f"c{n:04}" for n in range(8400)]]
)
def test_keys_count_too(columns):
    record = {"external_id": "P1"} | dict.fromkeys(columns, "v")
    assert refused(record) == ("rpi_cdp_attributes", "more than 100 KB as JSON together")


def test_a_tag_may_have_255_characters():
    assert mapped({"external_id": "P1", "output_name": "x" * 255}) == {
        "rpi_audience_outputs": {"add": ["x" * 255]}
    }


def test_where_the_execution_id_is():
    assert mapper_of(["external_id", "channel execution id"]).execution_id_index == 1
    assert mapper_of(["external_id"]).execution_id_index is None


def test_the_offer_may_be_left_out():
    assert "rpi_offers" not in Mapper(["external_id"], ExportMapping(), mode="upsert").map(["P1"])[1]


# Nulls and empty cells


@pytest.mark.parametrize(
    ("rules", "cells", "expected"),
    [
        ({}, ["", "", ""], {}),
        ({"empty": "null"}, ["", "", ""], {"first_name": None, "email": None}),
        ({"empty": "keep"}, ["", "", ""], {"first_name": ""}),
        ({"empty": {"email": "null"}}, ["", "", ""], {"email": None}),
        ({"null_token": "-"}, ["-", "-", "-"], {"first_name": None, "email": None}),
        ({"null_token": {"email": "-"}}, ["", "-", ""], {"email": None}),
        ({"null_token": {"email": "-"}}, ["-", "-", ""], {"first_name": "-", "email": None}),
        ({"null_token": "-", "empty": "keep"}, ["", "-", ""], {"first_name": "", "email": None}),
        (
            {"null_token": "-", "empty": "null"},
            ["A", "a@example.com", ""],
            {"first_name": "A", "email": "a@example.com"},
        ),
    ],
)
def test_empty_cells_and_null_tokens(rules, cells, expected):
    record = dict(zip(["external_id", "first_name", "email", "zip"], ["P1", *cells], strict=True))
    assert mapped(record, **rules) == expected


def test_the_null_token_for_all_is_no_tag():
    record = {"external_id": "P1", "output_name": "-", "a": "-", "b": "x"}
    assert mapped(record, null_token="-", tags={"a": "t", "b": "t"}) == {"t": {"add": ["x"]}}


# Tags


def test_tags_are_added_or_replaced():
    record = {"external_id": "P1", "a": "x", "b": "y"}
    tags = {"a": "added", "b": {"attribute": "replaced", "action": "replace"}}
    assert mapped(record, tags=tags) == {"added": {"add": ["x"]}, "replaced": ["y"]}
    assert mapper_of(list(record), tags=tags).replaced_tags == {"replaced"}
    assert mapped(record | {"b": ""}, tags=tags) == {"added": {"add": ["x"]}}


def test_columns_and_offer_share_an_attribute():
    record = {"external_id": "P1", "a": "x", "b": "y|x|Spring", "c": ""}
    mapping = {"tags": dict.fromkeys("abc", "t"), "types": {"b": {"type": "array", "separator": "|"}}}
    assert mapped(record, offer="Spring", **mapping) == {
        "t": {"add": ["x", "y", "Spring"]},
        "rpi_offers": {"add": ["Spring"]},
    }
    assert mapped(record, offer="Spring", **mapping | {"tags": dict.fromkeys("abc", "rpi_offers")}) == {
        "rpi_offers": {"add": ["Spring", "x", "y"]}
    }
    assert mapped({"external_id": "P1", "a": ""}, offer="Spring", tags={"a": "rpi_offers"}) == {
        "rpi_offers": {"add": ["Spring"]}
    }


def test_an_attribute_is_either_added_to_or_replaced():
    with pytest.raises(MappingError, match="'t' is both added to and replaced"):
        mapper_of(["external_id", "a", "b"], tags={"a": "t", "b": {"attribute": "t", "action": "replace"}})
    with pytest.raises(MappingError, match="'rpi_offers' is both added to and replaced"):
        mapper_of(["external_id", "a"], tags={"a": {"attribute": "rpi_offers", "action": "replace"}})


def test_no_offer_no_tag():
    assert mapped({"external_id": "P1"}, offer="") == {}
    assert mapped({"external_id": "P1"}, offer="Spring") == {"rpi_offers": {"add": ["Spring"]}}
    mapper = Mapper(["external_id"], ExportMapping(offer=None), mode="upsert", offer="Spring")
    assert "rpi_offers" not in mapper.map(["P1"])[1]
    mapper = Mapper(["external_id"], ExportMapping(offer="o"), mode="upsert", offer="Spring")
    assert mapper.map(["P1"])[1]["o"] == {"add": ["Spring"]}


def test_tags_of_one_record_are_at_most_500():
    types = {"a": {"type": "array", "separator": ","}}
    some = ",".join(map(str, range(500)))
    record = {"external_id": "P1", "a": some, "b": "0"}
    tags = {"a": "t", "b": "t"}
    assert len(mapped(record, tags=tags, types=types)["t"]["add"]) == 500
    assert refused(record | {"b": "500"}, tags=tags, types=types) == ("b", "more than 500 items")
    left = mapped(record | {"b": "500"}, tags=tags, types=types, bad_values="omit")
    assert left["t"]["add"] == list(map(str, range(500)))


# Constants and transform


def test_constants_are_in_every_object():
    constants = {"campaign": "spring", "campaigns": {"add": ["spring"]}, "old": None}
    assert mapped({"external_id": "P1"}, constants=constants) == constants


def test_a_transform_has_the_last_word():
    seen = []

    def transform(profile, record):
        seen.append(dict(record))
        profile["full_name"] = f"{profile.pop('first_name')} {record['Last']}"
        profile["campaigns"].append(record["Last"])
        return profile

    mapper = mapper_of(
        ["external_id", "first_name", "Last"],
        transform=transform,
        constants={"campaigns": ["a"]},
        omit=["Last"],
    )
    for last in ("B", "C"):
        assert mapper.map(["P1", "A", last])[1] == {
            "external_id": "P1",
            "_update_existing_only": False,
            "full_name": f"A {last}",
            "campaigns": ["a", last],
        }
    assert seen[0] == {"external_id": "P1", "first_name": "A", "Last": "B"}


def adding(given):
    return lambda profile, _: profile | given


def raising(profile, record):
    raise KeyError(record["first_name"])


def identifying(profile, record):
    return profile | {"external_id": "P2"}


def forgetting(profile, record):
    return {"first_name": "x"}


def nothing(profile, record):
    return None


def with_two(profile, record):
    return profile | {"braze_id": "x"}


@pytest.mark.parametrize(
    ("transform", "reason"),
    [
        (raising, "the mapping's transform raised KeyError"),
        (nothing, "the mapping's transform returned no profile object"),
        (identifying, "the mapping's transform changed the identifier"),
        (forgetting, "the mapping's transform changed the identifier"),
        (with_two, "the mapping's transform changed the identifier"),
    ],
)
def test_a_transform_that_fails_makes_the_record_invalid(transform, reason):
    for bad_values in ("reject", "omit"):
        found = refused(
            {"external_id": "P1", "first_name": "Zoë"}, transform=transform, bad_values=bad_values
        )
        assert found == ("", reason)


@pytest.mark.parametrize(
    ("identifier", "given", "good"),
    [
        ({"email": "id"}, {"phone": "2"}, True),
        ({"email": "id"}, {"email": "b@example.com"}, False),
        ({"email": "id"}, {"external_id": "2"}, False),
        ({"phone": "id"}, {"email": "b@example.com"}, False),
        ({"phone": "id"}, {"phone": "2"}, False),
        ({"user_alias": "id", "label": "l"}, {"email": "b@example.com", "phone": "2"}, True),
        ({"user_alias": "id", "label": "l"}, {"external_id": "2"}, False),
        ({"external_id": "id"}, {"email": "b@example.com", "phone": "2"}, True),
    ],
)
def test_a_transform_may_not_change_who_is_meant(identifier, given, good):
    cell = "a@example.com" if "email" in identifier else "15550109999"
    mapper = mapper_of(["id"], identifier=identifier, transform=adding(given))
    if good:
        assert mapper.map([cell])[1].items() >= given.items()
    else:
        with pytest.raises(BadRecordError, match="changed the identifier"):
            mapper.map([cell])


def test_a_transform_may_not_change_an_alias_in_place():
    def transform(profile, record):
        profile["user_alias"]["alias_name"] = "other"
        return profile

    mapper = mapper_of(["id"], identifier={"user_alias": "id", "label": "l"}, transform=transform)
    with pytest.raises(BadRecordError, match="changed the identifier"):
        mapper.map(["A1"])


def test_what_a_transform_changes_in_place_is_checked():
    def transform(profile, record):
        profile["rpi_cdp_attributes"]["zip"] = None
        return profile

    column, reason = refused({"external_id": "P1", "zip": "1"}, transform=transform)
    assert column == "rpi_cdp_attributes"
    assert "a null inside an object" in reason


def test_the_mode_stays_whatever_a_transform_does():
    def transform(profile, record):
        return {"external_id": profile["external_id"], "x": 1}

    _, profile = mapper_of(["external_id"], "append", transform=transform).map(["P1"])
    assert profile == {"external_id": "P1", "x": 1, "_update_existing_only": True}


@pytest.mark.parametrize(
    ("given", "column", "reason"),
    [
        ({"email": "nobody"}, "email", "not a valid email"),
        ({"x": "s" * 256}, "", TOO_LONG),
        ({"rpi_cdp_attributes": {"a": None}}, "rpi_cdp_attributes",
         "a null inside an object or array, on which Braze drops the whole update"),
        ({"secret@example.com": 1}, "", "a key with '.' or '$'"),
        ({"First_Name": None}, "", "a key that is Braze's own, or a standard field misspelt"),
        ({"First_Name": "x"}, "", "a key that is Braze's own, or a standard field misspelt"),
        ({"alias_name": "x"}, "", "a key that is Braze's own, or a standard field misspelt"),
        ({5: "x"}, "", "a key that is not text"),
        ({"x": {1, 2}}, "", "not a JSON value"),
    ],
)  # fmt: skip
def test_what_a_transform_returns_is_checked(given, column, reason):
    record = {"external_id": "P1", "email": "a@example.com", "zip": "1"}
    found = refused(record, transform=adding(given))
    assert found == (column, f"the mapping's transform gave {reason}")
    mapper = mapper_of(list(record), transform=adding(given), bad_values="omit")
    profile = mapper.map(list(record.values()))[1]
    assert not given.keys() & profile.keys()
    assert mapper.omitted == {column: 1}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (Decimal("1.10"), 1.1),
        (Decimal("5"), 5),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (numpy.bool_(True), True),
        (numpy.int64(3), 3),
        (numpy.float32(0.5), 0.5),
        (numpy.datetime64("2026-01-02"), "2026-01-02"),
        ((Decimal("1.5"), "x"), [1.5, "x"]),
        ({"a": [{"b": date(2026, 1, 2)}]}, {"a": [{"b": "2026-01-02"}]}),
    ],
)
def test_a_transform_may_give_what_pythons_libraries_have(given, sent):
    found = mapped({"external_id": "P1"}, transform=adding({"x": given}))["x"]
    assert (found, type(found)) == (sent, type(sent))


@pytest.mark.parametrize(
    "given",
    [Decimal("0.1234567890123456789012345"), Decimal("NaN"), Decimal("sNaN"), timedelta(1), b"x", 1j,
     numpy.datetime64("NaT"), numpy.array([1]), [b"x"]],
)  # fmt: skip
def test_what_is_no_json_is_never_made_a_text(given):
    assert refused({"external_id": "P1"}, transform=adding({"x": given})) == (
        "",
        "the mapping's transform gave not a JSON value",
    )


def test_a_transform_may_set_the_flag_of_objects_and_no_other():
    record = {"external_id": "P1"}
    assert mapped(record, transform=adding({"x": {"a": 1}, "_merge_objects": True})) == {
        "x": {"a": 1},
        "_merge_objects": True,
    }


# What no reason says of itself, so that it can only be there if a cell was quoted: any text may be one of its words
# ("emai" is a part of "email").
TOLD_BY_CELLS_ONLY = ["\ue000", "7316058492", "ann@private.example", "1984-02-29", "xxxx"]
CELLS = st.one_of(
    st.sampled_from(
        ["", "NULL", " ", "P1", "ann@private.example", "ES", "1984-02-29", "M", "7", "[1]", "{}", "x" * 256]
    ),
    st.sampled_from(["7316058492", "-7316058492.5", "7316058492-01-01", "[7316058492", '{"7316058492": 1,}']),
    st.builds("{}\ue000{}".format, st.text(max_size=6), st.text(max_size=6)),
    st.text(max_size=12),
    st.text(alphabet=st.characters(codec=None), max_size=6),
)
COLUMNS = ["external_id", "email", "dob", "country", "n", "a", "o", "t", "zip", "output_name"]


@given(
    st.lists(CELLS, min_size=len(COLUMNS), max_size=len(COLUMNS)),
    st.sampled_from(["reject", "omit"]),
    st.sampled_from([None, "rpi_cdp_attributes"]),
    st.sampled_from([None, "NULL"]),
)
def test_any_record_becomes_an_object_or_is_invalid_without_its_values(
    cells, bad_values, extra_to, null_token
):
    types = {"n": "number", "a": "array", "o": "object", "t": "datetime"}
    mapper = mapper_of(COLUMNS, types=types, bad_values=bad_values, extra_to=extra_to, null_token=null_token)
    try:
        identity, profile = mapper.map(cells)
    except BadRecordError as bad:
        column, told = bad.column, bad.reason
    else:
        column, told = "zip", ""
        assert identity == ("external_id", blanks.cut(cells[0]))
        assert profile["external_id"] == identity[1]
    assert column in COLUMNS
    assert not any(private in told for private in TOLD_BY_CELLS_ONLY)
