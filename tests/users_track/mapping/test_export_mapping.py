from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError, MappingError
from airflow_provider_braze.users_track.mapping.export_mapping import (
    DEFAULT_TAGS,
    ExportMapping,
    Identifier,
    Tag,
    Type,
)

EVERYTHING = {
    "identifier": {"column": "Mail", "kind": "email"},
    "rename": {"Town": "home_city"},
    "omit": ["note", "internal"],
    "types": {"Income": {"name": "integer"}, "seen": {"name": "date", "format": "%d/%m/%Y"},
              "list": {"name": "array", "separator": "|"}, "bio text": {"name": "string", "cut": True}},
    "extra_to": "crm.extra",
    "tags": {"Segment": {"attribute": "segments", "action": "replace"}},
    "null_token": {"Town": "NULL"},
    "empty": {"Town": "null"},
    "constants": {"campaign": "spring", "campaigns": {"add": ["spring"]}, "country": None},
    "offer": "offers",
    "bad_values": "omit",
}  # fmt: skip


def shout(profile, record):
    return profile


def test_nothing_declared_is_the_default():
    mapping = ExportMapping.of(None)
    assert mapping == ExportMapping() == ExportMapping.of({})
    assert mapping.as_dict() == {}
    assert (mapping.extra_to, mapping.offer, mapping.bad_values, mapping.empty) == (
        "rpi_cdp_attributes",
        "rpi_offers",
        "reject",
        "omit",
    )
    assert {name: tag.attribute for name, tag in DEFAULT_TAGS.items()} == {
        "RPContactID": "rpi_contact_ids",
        "ChannelExecutionID": "rpi_channel_exec_ids",
        "output_name": "rpi_audience_outputs",
    }


def test_a_mapping_equals_its_dict_and_comes_back_from_json():
    mapping = ExportMapping.of(EVERYTHING)
    assert mapping == ExportMapping(
        identifier=Identifier("Mail", "email"),
        rename={"Town": "home_city"},
        omit=("note", "internal"),
        types={
            "Income": Type("integer"),
            "seen": Type("date", format="%d/%m/%Y"),
            "list": Type("array", separator="|"),
            "bio text": Type("string", cut=True),
        },
        extra_to="crm.extra",
        tags={"Segment": Tag("segments", "replace")},
        null_token={"Town": "NULL"},
        empty={"Town": "null"},
        constants=EVERYTHING["constants"],
        offer="offers",
        bad_values="omit",
    )
    assert mapping.as_dict() == EVERYTHING | {
        "tags": {"Segment": {"attribute": "segments", "action": "replace"}}
    }
    assert ExportMapping.of(json.loads(json.dumps(mapping.as_dict()))) == mapping


@pytest.mark.parametrize(
    "given",
    [
        {"extra_to": None},
        {"offer": None},
        {"null_token": "NULL"},
        {"empty": "keep"},
        {"identifier": "user"},
        {"identifier": {"user_alias": "crm", "label": "crm_id"}},
    ],
)
def test_each_field_comes_back_from_json(given):
    mapping = ExportMapping.of(given)
    assert mapping.as_dict().keys() == given.keys()
    assert ExportMapping.of(json.loads(json.dumps(mapping.as_dict()))) == mapping


def test_copies_and_pickles_are_equal():
    mapping = ExportMapping.of(EVERYTHING | {"transform": shout})
    assert copy.deepcopy(mapping) is mapping
    assert copy.copy(mapping) == mapping
    assert pickle.loads(pickle.dumps(mapping)) == mapping
    assert pickle.loads(pickle.dumps(mapping)).transform is shout
    assert dataclasses.replace(mapping, offer=None).offer is None
    assert "transform" not in mapping.as_dict()
    assert ExportMapping.of(mapping) is mapping


def test_a_mapping_cannot_be_changed():
    constants = {"campaigns": {"add": ["spring"]}}
    mapping = ExportMapping(constants=constants)
    with pytest.raises(dataclasses.FrozenInstanceError):
        mapping.offer = "x"
    with pytest.raises(TypeError):
        mapping.constants["x"] = 1
    constants["campaigns"]["add"].append("summer")
    assert mapping.as_dict() == {"constants": {"campaigns": {"add": ["spring"]}}}


def test_short_forms():
    assert ExportMapping(types={"a": "integer"}).types["a"] == Type("integer")
    assert ExportMapping(types={"a": {"type": "array", "separator": ","}}).types["a"] == Type(
        "array", separator=","
    )
    assert ExportMapping(tags={"a": "segments"}).tags["a"] == Tag("segments", "add")
    assert ExportMapping(extra_to="").extra_to is None
    assert ExportMapping(offer="").offer is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Customer", Identifier("Customer", "external_id")),
        ("E-Mail", Identifier("E-Mail", "email")),
        ("Phone", Identifier("Phone", "phone")),
        ("braze id", Identifier("braze id", "braze_id")),
        ({"column": "email", "kind": "external_id"}, Identifier("email", "external_id")),
        ({"email": "Mail"}, Identifier("Mail", "email")),
        ({"external_id": "id"}, Identifier("id", "external_id")),
        ({"user_alias": "crm", "label": "crm_id"}, Identifier("crm", "user_alias", "crm_id")),
        (Identifier("email"), Identifier("email", "email")),
        (None, None),
    ],
)
def test_identifiers_are_named_in_many_ways(given, expected):
    assert ExportMapping(identifier=given).identifier == expected


MISTAKES = [
    ({"identifer": "x"}, "mapping has no field 'identifer' (did you mean 'identifier'?)."),
    ({"identifier": {"email": "a", "phone": "b"}}, "exactly one identifier is needed, not email and phone"),
    ({"identifier": {"email": "a", "colum": "b"}}, "mapping identifier: no 'colum' (did you mean 'column'?)."),
    ({"identifier": {"kind": "email"}}, "must be a name, or a dict with 'column'"),
    ({"identifier": {"column": "a", "kind": "e-mail"}}, "'e-mail' is not one of external_id, braze_id, user_alias"),
    ({"identifier": {"column": "a", "kind": "user_alias"}}, "a user_alias needs a label"),
    ({"identifier": {"column": "a", "label": "b"}}, "nothing else takes one"),
    ({"identifier": {"user_alias": "a", "label": "é" * 119}}, "the label is longer than 236 bytes"),
    ({"identifier": {"user_alias": "a", "label": 5}}, "mapping identifier label must be text, not 5."),
    ({"identifier": ""}, "mapping identifier column must be text, not ''."),
    ({"identifier": 5}, "mapping identifier must be one column's name, or a dict"),
    ({"identifier": {"column": 5}}, "mapping identifier column must be text, not 5."),
    ({"rename": ["a"]}, "mapping rename must be a dict keyed by column"),
    ({"rename": {1: "a"}}, "mapping rename must be a dict keyed by column"),
    ({"rename": {"a": None}}, "mapping rename: the value of 'a' must be text, not None."),
    ({"rename": {"a": "First_Name"}}, "attribute for ever; did you mean 'first_name'?"),
    ({"rename": {"a": "b.c"}}, "mapping rename: 'b.c' is a key with '.' or '$'."),
    ({"rename": {"a": " b"}}, "mapping rename: ' b' is a key with spaces at its ends."),
    ({"rename": {"a": ""}}, "mapping rename: '' is a key that is empty or longer than 255 characters."),
    ({"rename": {"a": "user_alias"}}, "mapping rename: no column can be 'user_alias'."),
    ({"rename": {"a": "_merge_objects"}}, "mapping rename: no column can be '_merge_objects'."),
    ({"omit": "note"}, "mapping omit must be a list of column names."),
    ({"omit": 5}, "mapping omit must be a list of column names."),
    ({"omit": ["note", 5]}, "mapping omit must be a list of column names."),
    ({"types": {"a": "int"}}, "mapping types: 'int' is not one of string, integer, number, boolean, date, datetime"),
    ({"types": {"a": 5}}, "mapping types: 5 must be a name, or a dict with 'name'."),
    ({"types": {"a": {"format": "%Y"}}}, "must be a name, or a dict with 'name'."),
    ({"types": {"a": {"type": "date", "formt": "%Y"}}}, "mapping types: no 'formt' (did you mean 'format'?)."),
    ({"types": {"a": {"type": "integer", "format": "%Y"}}}, "format belongs to date or datetime, not to integer."),
    ({"types": {"a": {"type": "string", "separator": "|"}}}, "separator belongs to array, not to string."),
    ({"types": {"a": {"type": "object", "separator": ""}}}, "separator belongs to array, not to object."),
    ({"types": {"a": {"type": "array", "cut": True}}}, "cut belongs to string, not to array."),
    ({"types": {"a": {"type": "string", "cut": "false"}}}, "cut must be True or False, not 'false'."),
    ({"types": {"a": {"type": "array", "separator": ""}}}, "Leave it out for a JSON array."),
    ({"types": {"a": {"type": "date", "format": "yyyy-MM-dd"}}}, "'yyyy-MM-dd' is not a whole date"),
    ({"types": {"a": {"type": "datetime", "format": "%Y"}}}, "such as %Y-%m-%d %H:%M:%S."),
    ({"types": {"a": {"type": "date", "format": 5}}}, "mapping types format must be text, not 5."),
    ({"extra_to": 5}, "mapping extra_to must be text, not 5."),
    ({"extra_to": "a..b"}, "mapping extra_to: '' is a key that is empty"),
    ({"extra_to": "a.b c"}, "mapping extra_to: 'b c' is a key with a space, inside an object."),
    ({"extra_to": "twitter"}, "mapping extra_to: 'twitter' is Braze's own"),
    ({"extra_to": "Time Zone"}, "did you mean 'time_zone'?"),
    ({"tags": {"a": "E-mail"}}, "did you mean 'email'?"),
    ({"tags": {"a": "first_name"}}, "mapping tags: 'first_name' is Braze's own and cannot be a custom attribute."),
    ({"tags": {"a": "_merge_objects"}}, "is Braze's own"),
    ({"tags": {"a": {"attribute": "b", "action": "set"}}}, "mapping tags action: 'set' is not one of add, replace."),
    ({"tags": {"a": {"action": "add"}}}, "must be a name, or a dict with 'attribute'."),
    ({"tags": {"a": {"attribute": 5}}}, "mapping tags attribute must be text, not 5."),
    ({"tags": {"a": {"attribute": "b", "type": "x"}}}, "mapping tags: no 'type'"),
    ({"null_token": ""}, 'For empty cells there is empty="null".'),
    ({"null_token": 5}, "mapping null_token must be text, not 5."),
    ({"null_token": {"a": ""}}, 'For empty cells there is empty="null".'),
    ({"null_token": {"a": None}}, "mapping null_token: the value of 'a' must be text, not None."),
    ({"empty": "skip"}, "mapping empty: 'skip' is not one of omit, null, keep."),
    ({"empty": {"a": "skip"}}, "mapping empty: 'skip' is not one of omit, null, keep."),
    ({"empty": ["omit"]}, "mapping empty: ['omit'] is not one of omit, null, keep."),
    ({"constants": {"First_Name": "x"}}, "did you mean 'first_name'?"),
    ({"constants": {"external_id": "x"}}, "'external_id' cannot be the same for all records."),
    ({"constants": {"_update_existing_only": True}}, "cannot be the same for all records."),
    ({"constants": {"a.b": 1}}, "mapping constants: 'a.b' is a key with '.' or '$'."),
    ({"constants": {"a": "x" * 256}}, "the value of 'a' is wrong: longer than 255 characters."),
    ({"constants": {"a": {"b": None}}}, "the value of 'a' is wrong: a null inside"),
    ({"constants": {"a": ("x",)}}, "the value of 'a' is wrong: not a JSON value."),
    ({"constants": {"a": "\udc80"}}, "the value of 'a' is wrong: not a JSON value."),
    ({"constants": {"country": "Spain"}}, "the value of 'country' is wrong: not an ISO 3166-1 alpha-2 country"),
    ({"constants": {"gender": 5}}, "the value of 'gender' is wrong: not text."),
    ({"offer": 5}, "mapping offer must be text, not 5."),
    ({"offer": "Email"}, "did you mean 'email'?"),
    ({"offer": "email"}, "mapping offer: 'email' is Braze's own"),
    ({"bad_values": "drop"}, "mapping bad_values: 'drop' is not one of reject, omit."),
    ({"transform": "shout"}, "mapping transform must be a function"),
    ("upsert", "mapping must be an ExportMapping or a dict, not str. Give what json.loads makes of it"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))])
def test_a_mistake_is_named(given, message):
    with pytest.raises(MappingError) as caught:
        ExportMapping.of(given)
    assert message in str(caught.value)
    assert isinstance(caught.value, BrazeSetupError)
    assert not caught.value.retryable


def test_top_level_names_may_hold_spaces():
    mapping = ExportMapping(
        extra_to="My Things.inner", offer="Our Offers", tags={"a": "Their Tags"}, constants={"Last Push": "x"}
    )
    assert mapping.extra_to == "My Things.inner"
