# ruff: noqa: E501 - a mistake and its message are one line
from __future__ import annotations

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError, MappingError
from airflow_provider_braze.users_track.mapping.columns import settle
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping, Identifier
from tests import samples

HEADER = samples.UPSERT_COLUMNS.split(",")


def layout(columns, **mapping):
    return settle(tuple(columns), ExportMapping(**mapping))


def targets(group):
    return {column.name: column.target for column in group}


def test_the_redpoint_template_by_default():
    found = layout(HEADER)
    assert (found.identifier, found.identifier_index) == (Identifier("external_id", "external_id"), 2)
    assert targets(found.top) == {
        name: name
        for name in ("first_name", "last_name", "email", "country", "dob", "gender", "home_city", "phone")
    }
    assert targets(found.nested) == {name: name for name in ("education", "income", "marital_status", "zip")}
    assert {column.name: (tag.attribute, tag.action) for column, tag in found.tags} == {
        "RPContactID": ("rpi_contact_ids", "add"),
        "ChannelExecutionID": ("rpi_channel_exec_ids", "add"),
        "output_name": ("rpi_audience_outputs", "add"),
    }
    assert found.execution_id_index == 1


def test_names_are_found_however_the_header_spells_them():
    found = layout(["RP Contact ID", "channelexecutionid", "External ID", "First Name", "LAST_NAME", "TimeZone",
                    "Output Name", "Marital Status"])  # fmt: skip
    assert found.identifier.kind == "external_id"
    assert targets(found.top) == {
        "First Name": "first_name",
        "LAST_NAME": "last_name",
        "TimeZone": "time_zone",
    }
    assert targets(found.nested) == {"Marital Status": "marital_status"}
    assert [column.index for column, _ in found.tags] == [0, 1, 6]
    assert found.execution_id_index == 1


def test_columns_that_differ_in_a_gap_are_two():
    found = layout(["external_id", "a b", "ab"], types={"a b": "integer"})
    assert targets(found.nested) == {"a b": "a_b", "ab": "ab"}
    assert [column.name for column in found.nested if column.read] == ["a b"]
    found = layout(["external_id", "a b", "ab"], types={"ab": "integer"})
    assert [column.name for column in found.nested if column.read] == ["ab"]


def test_columns_that_start_with_an_underscore_are_never_sent():
    found = layout(["_line", "_outcome", "external_id", " _x", "x"])
    assert targets(found.nested) == {"x": "x"}
    assert found.top == ()


def test_a_column_goes_where_the_mapping_says():
    found = layout(
        ["id", "Town", "Segment", "Zip Code", "note", "Shoe"],
        identifier={"email": "id"},
        rename={"town": "home_city", "shoe": "shoe_size"},
        omit=["NOTE"],
        tags={"segment": "segments"},
        extra_to="crm.extra",
    )
    assert found.identifier == Identifier("id", "email")
    assert targets(found.top) == {"Town": "home_city"}
    assert targets(found.nested) == {"Zip Code": "zip_code", "Shoe": "shoe_size"}
    assert [(column.name, tag.attribute) for column, tag in found.tags] == [("Segment", "segments")]
    assert found.execution_id_index is None


def test_extra_columns_at_the_top_level():
    found = layout(["external_id", "Zip Code", "Shoe"], extra_to=None, rename={"Shoe": "Shoe Size"})
    assert targets(found.top) == {"Zip Code": "zip_code", "Shoe": "Shoe Size"}
    assert found.nested == ()


def test_a_default_tag_column_can_be_another_field_left_out_or_another_tag():
    columns = ["external_id", "output_name"]
    assert targets(layout(columns, rename={"output_name": "segment"}).nested) == {"output_name": "segment"}
    assert layout(columns, omit=["output_name"]).tags == ()
    found = layout(columns, tags={"Output Name": {"attribute": "segments", "action": "replace"}})
    assert [(tag.attribute, tag.action) for _, tag in found.tags] == [("segments", "replace")]


def test_another_identifier_on_request():
    assert layout(["braze_id", "x"]).identifier == Identifier("braze_id", "braze_id")
    assert layout(["id", "x"], rename={"id": "external_id"}).identifier == Identifier("id", "external_id")
    found = layout(["external_id", "braze_id"], omit=["braze_id"])
    assert found.identifier.kind == "external_id"
    found = layout(["external_id", "email", "phone"], identifier="email", omit=["external_id"])
    assert found.identifier.kind == "email"
    assert targets(found.top) == {"phone": "phone"}
    found = layout(["crm", "x"], identifier={"user_alias": "crm", "label": "crm_id"})
    assert (found.identifier.kind, found.identifier.label, found.identifier_index) == (
        "user_alias",
        "crm_id",
        0,
    )
    assert (
        layout(["external_id", "braze_id"], tags={"braze_id": "braze_ids"}).identifier.kind == "external_id"
    )


ID = "external_id"
EXTRA = "goes into the object rpi_cdp_attributes, where Braze drops the whole update on a null"
MISTAKES = [
    ([ID, "zip"], {"omit": ["zpi"]}, "mapping omit: the export has no column 'zpi' (did you mean 'zip'?)."),
    ([ID, "First Name"], {"rename": {"FRIST_NAME": "x"}},
     "mapping rename: the export has no column 'FRIST_NAME' (did you mean 'First Name'?)."),
    ([ID, "a"], {"types": {"qqq": "string"}},
     "mapping types: the export has no column 'qqq' (there are: external_id, a)."),
    ([ID, "a"], {"tags": {"b": "segments"}}, "mapping tags: the export has no column 'b'"),
    ([ID, "a"], {"null_token": {"b": "x"}}, "mapping null_token: the export has no column 'b'"),
    ([ID, "a"], {"empty": {"b": "null"}}, "mapping empty: the export has no column 'b'"),
    ([ID, "a b", "ab"], {"omit": ["A-B"]}, "'A-B' may be the column 'a b' or 'ab'"),
    ([ID, "x"], {"identifier": "External_I"}, "none of the export's 2 columns is 'External_I' (did you mean 'external_id'?)"),
    # Two identifiers, or one that is not sent as such.
    ([ID, "braze_id"], {}, "but 'braze_id' is one beside 'external_id'"),
    ([ID, "x"], {"identifier": "x"}, "but 'external_id' is one beside 'x'"),
    ([ID, "x"], {"rename": {"x": "braze_id"}}, "but 'x' is one beside 'external_id'"),
    ([ID, "x"], {"identifier": ID, "omit": [ID]}, "mapping omit: the column 'external_id' identifies the user as external_id."),
    (["id"], {"identifier": "id", "rename": {"id": "customer"}}, "mapping rename: the column 'id' identifies the user"),
    ([ID], {"types": {ID: "integer"}}, "mapping types: the column 'external_id' identifies the user, so it takes no types."),
    (["id"], {"identifier": "id", "tags": {"id": "ids"}}, "mapping tags: the column 'id' identifies the user"),
    ([ID, "first_name"], {"empty": {ID: "null"}}, "mapping empty: the column 'external_id' identifies the user"),
    (["p", "email"], {"identifier": {"phone": "p"}}, "'email', but that is an identifier too, which Braze prefers to the phone"),
    (["p"], {"identifier": {"phone": "p"}, "constants": {"email": "a@example.com"}}, "'email' would be a constant"),
    (["mail", "email"], {"identifier": {"email": "mail"}}, "'email' would be 'email', but that is the identifier"),
    (["mail"], {"identifier": {"email": "mail"}, "constants": {"email": "a@example.com"}}, "'email' would be a constant"),
    # A null rule where nothing can be unset.
    ([ID, "first_name", "zip"], {"null_token": {"zip": "NULL"}}, f"mapping null_token: the column 'zip' {EXTRA}"),
    ([ID, "first_name", "first_nam"], {"empty": {"first_nam": "null"}}, "so it takes no empty (did you mean 'first_name'?)."),
    ([ID, "zip"], {"empty": {"zip": "keep"}}, f"mapping empty: the column 'zip' {EXTRA}, so it takes no empty."),
    ([ID, "zip"], {"null_token": {"zip": "omit"}}, "mapping null_token: the column 'zip'"),
    ([ID, "output_name"], {"null_token": {"output_name": "NULL"}}, "mapping null_token: the column 'output_name' holds tags"),
    ([ID, "email"], {"empty": {"email": "keep"}}, "mapping empty: 'email' cannot be kept empty"),
    ([ID, "x"], {"empty": {"x": "keep"}, "types": {"x": "integer"}, "extra_to": None}, "'x' cannot be kept empty"),
    # Contradictions.
    ([ID, "x"], {"omit": ["x"], "rename": {"x": "y"}}, "mapping rename: the column 'x' is left out, so it takes no rename."),
    ([ID, "x"], {"omit": ["x"], "types": {"x": "integer"}}, "mapping types: the column 'x' is left out"),
    ([ID, "x"], {"omit": ["x"], "tags": {"x": "xs"}}, "mapping tags: the column 'x' is left out"),
    ([ID, "_x"], {"rename": {"_x": "x"}}, "mapping rename: the column '_x' starts with _, so it is never sent"),
    ([ID, "x"], {"tags": {"x": "xs"}, "rename": {"x": "y"}}, "mapping rename: the column 'x' holds tags"),
    ([ID, "output_name"], {"types": {"output_name": "integer"}}, "the tag column 'output_name' takes string or array"),
    ([ID, "dob"], {"types": {"dob": "string"}}, "Braze's field 'dob' takes date, not string."),
    ([ID, "phone"], {"types": {"phone": "integer"}}, "Braze's field 'phone' takes string, not integer."),
    ([ID, "Twitter"], {"types": {"Twitter": "array"}}, "Braze's field 'twitter' takes object, not array."),
    ([ID, "email"], {"types": {"email": {"type": "string", "cut": True}}}, "Braze's field 'email' cannot be cut."),
    # One field, two sources.
    ([ID, "Zip Code", "zip_code"], {}, "The column 'zip_code' would be 'zip_code', but that is the column 'Zip Code'"),
    ([ID, "zip.code", "zip code"], {}, "The column 'zip code' would be 'zip_code', but that is the column 'zip.code'"),
    ([ID, "first_name", "FirstName"], {}, "The column 'FirstName' would be 'first_name', but that is the column 'first_name'"),
    ([ID, "first_name", "x"], {"rename": {"x": "first_name"}}, "The column 'x' would be 'first_name'"),
    ([ID, "x"], {"extra_to": None, "constants": {"x": 1}}, "The column 'x' would be 'x', but that is a constant"),
    ([ID, "first_name"], {"constants": {"first_name": "A"}}, "The column 'first_name' would be 'first_name', but that is a"),
    ([ID, "x"], {"extra_to": None, "offer": "x"}, "The column 'x' would be 'x', but that is an array of tags"),
    ([ID, "x", "y"], {"extra_to": None, "tags": {"y": "x"}}, "The column 'x' would be 'x', but that is an array of tags"),
    ([ID], {"constants": {"rpi_offers": "x"}}, "'rpi_offers' would be an array of tags, but is a constant"),
    ([ID, "output_name"], {"constants": {"rpi_audience_outputs": "x"}}, "'rpi_audience_outputs' would be an array of tags"),
    ([ID, "x"], {"constants": {"rpi_cdp_attributes": {"a": 1}}}, "would be the object of the extra columns, but is a constant"),
    ([ID, "x"], {"extra_to": "rpi_offers.x"}, "'rpi_offers' would be the object of the extra columns"),
    # Names that Braze cannot hold, or would keep for ever.
    ([ID, "emial"], {"extra_to": None}, "the custom attribute 'emial'; did you mean 'email'?"),
    ([ID, "Alias Name"], {"extra_to": None}, "cannot be the custom attribute 'alias_name': rename or omit it."),
    ([ID, "email_subscription_info"], {"extra_to": None}, "cannot be the custom attribute 'email_subscription_info'"),
    ([ID, "k" * 256], {}, "would be a key that is empty or longer than 255 characters; give it a name with rename."),
    ([ID, "x"], {"rename": {"x": "shoe size"}}, "The column 'x' would be a key with a space, inside an object"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "mapping", "message"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))]
)
def test_a_mistake_is_named(columns, mapping, message):
    with pytest.raises(MappingError) as caught:
        layout(columns, **mapping)
    assert message in str(caught.value)


def test_what_is_nearly_a_mistake_is_none():
    layout([ID, "zip"], empty={"zip": "omit"})
    layout([ID], extra_to="rpi_offers")
    layout([ID, "emial"])
    layout([ID, "phone", "email"], identifier={"email": "email"}, omit=[ID])
    layout([ID, "x", "y"], tags={"x": "rpi_offers", "y": "rpi_offers"})


def test_an_export_without_identifier_is_refused_without_its_first_row():
    row = ["1000000231", "5719", "P0001", "José", "jose@example.com"]
    with pytest.raises(ExportRefusedError) as caught:
        layout(row)
    assert "None of the export's 5 columns is external_id. Add it" in str(caught.value)
    with pytest.raises(MappingError) as caught_mapping:
        layout(row, identifier="customer", omit=["note"])
    for cell in row:
        assert cell not in str(caught.value)
        assert cell not in str(caught_mapping.value)
    with pytest.raises(ExportRefusedError) as caught:
        layout(["RPContactID", "external-user-id"])
    assert "(did you mean 'external-user-id'?)" in str(caught.value)
    with pytest.raises(ExportRefusedError):
        layout([ID, "x"], omit=[ID])


def rules(column):
    return (column.null_token, column.null, column.empty)


def test_one_null_token_for_all_unsets_at_the_top_and_is_empty_elsewhere():
    found = layout([ID, "first_name", "zip", "output_name"], null_token="NULL", empty="null")
    assert rules(found.top[0]) == ("NULL", "null", "null")
    assert rules(found.nested[0]) == ("NULL", "omit", "omit")
    assert rules(found.tags[0][0]) == ("NULL", "omit", "omit")
    assert found.identifier_null == "NULL"


def test_rules_by_column():
    found = layout(
        [ID, "first_name", "x"], extra_to=None, null_token={"x": "-"}, empty={"First Name": "keep"}
    )
    assert rules(found.top[0]) == (None, "null", "keep")
    assert rules(found.top[1]) == ("-", "null", "omit")
    assert found.identifier_null is None


def test_keep_for_all_is_for_what_takes_text():
    found = layout([ID, "first_name", "email", "x", "y"], extra_to=None, types={"y": "integer"}, empty="keep")
    assert {column.name: column.empty for column in found.top} == {
        "first_name": "keep",
        "email": "omit",
        "x": "keep",
        "y": "omit",
    }
