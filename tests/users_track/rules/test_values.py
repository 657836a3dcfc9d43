from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.sandbox.checks import custom_attributes
from airflow_provider_braze.sandbox.checks.profile_fields import KEEP
from airflow_provider_braze.users_track.mapping.declarations import Type
from airflow_provider_braze.users_track.rules import checks, moments, values


def read(cell, name, **options):
    return Type(name, **options).reader()(cell)


@pytest.mark.parametrize(
    ("declared", "cell", "expected"),
    [
        (("string",), "007", "007"),
        (("string",), "x" * 255, "x" * 255),
        (("string", {"cut": True}), "é" * 300, "é" * 255),
        (("integer",), "007", 7),
        (("integer",), "-12", -12),
        (("integer",), "+3", 3),
        (("integer",), "9" * 18, 10**18 - 1),
        (("number",), "1.50", 1.5),
        (("number",), "-.5", -0.5),
        (("number",), "2", 2),
        (("number",), "1e3", 1000.0),
        (("boolean",), "TRUE", True),
        (("boolean",), " t ", True),
        (("boolean",), "1", True),
        (("boolean",), "False", False),
        (("boolean",), "f", False),
        (("boolean",), "0", False),
        (("date",), "1984-02-29", "1984-02-29"),
        (("date", {"format": "%d/%m/%Y"}), "29/02/1984", "1984-02-29"),
        (("date", {"format": "%d.%m.%y"}), "01.02.03", "2003-02-01"),
        (("datetime",), "2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        (("datetime",), "2026-01-02 03:04", "2026-01-02T03:04:00Z"),
        (("datetime",), "2026-01-02", "2026-01-02T00:00:00Z"),
        (("datetime",), "20260102T030405+0200", "2026-01-02T01:04:05Z"),
        (("datetime",), "2026-W01-5", "2026-01-02T00:00:00Z"),
        (("datetime",), "2026-01-02_03:04", "2026-01-02T03:04:00Z"),
        (("datetime", {"format": "%d/%m/%Y %H:%M"}), "02/01/2026 15:30", "2026-01-02T15:30:00Z"),
        (("datetime", {"format": "%Y-%m-%d %H:%M %z"}), "2026-01-02 15:30 +0230", "2026-01-02T13:00:00Z"),
        (("date", {"format": "%d%m%Y"}), "01112026", "2026-11-01"),
        (("date", {"format": "%d%b%y"}), "1nov26", "2026-11-01"),
        (("date", {"format": "%Y%m%d"}), "20261101", "2026-11-01"),
        (("date", {"format": "%d.%m.%Y%%%H%M"}), "1.1.2026%0130", "2026-01-01"),
        (("datetime", {"format": "%y%m%d%H%M%S%f"}), "2611010203045", "2026-11-01T02:03:04.500000Z"),
        (("datetime", {"format": "%Y%m%dT%H%M%S%z"}), "20261101T020304+02:00", "2026-11-01T00:03:04Z"),
        (("datetime", {"format": "%d %b 20%y %H%M %p"}), "1 Nov 2026  0130  PM", "2026-11-01T01:30:00Z"),
        (("array",), '["a", "b"]', ["a", "b"]),
        (("array",), '[{"a": 1}]', [{"a": 1}]),
        (("array",), "[]", []),
        (("array", {"separator": "|"}), "a| b ||c", ["a", "b", "c"]),
        (("array", {"separator": ";"}), "\ufeffa b;\xa0c\u200b;\u200b", ["a b", "c"]),
        (("array", {"separator": "||"}), "a||b", ["a", "b"]),
        (("object",), '{"a": {"b": [1, true, "x"]}}', {"a": {"b": [1, True, "x"]}}),
        (("object",), '{"at": {"$time": "2026-01-01"}}', {"at": {"$time": "2026-01-01"}}),
    ],
)
def test_cells_are_read(declared, cell, expected):
    name, *options = declared
    found = read(cell, name, **(options[0] if options else {}))
    assert found == expected
    assert type(found) is type(expected)


def test_many_are_written_as_each_by_itself():
    # A short one behind a long one: all are written over the same place.
    some = ["s" * 5000, {"price": Decimal("1.10")}, "", None, ["é", {"a": True}], "t" * 600]
    assert values.each_to_json(iter(some)) == [*map(values.to_json, some)]
    assert values.each_to_json([]) == []
    with pytest.raises(UnicodeEncodeError):
        values.each_to_json(["before", "half a pair: \ud83d", "behind"])


LONG = "s" * 256
BAD = [
    (("string",), LONG, "longer than 255 characters"),
    (("integer",), "1.0", "not an integer"),
    (("integer",), " 1", "not an integer"),
    (("integer",), "1_000", "not an integer"),
    (("integer",), "٣", "not an integer"),
    (("integer",), "1" * 19, "not an integer"),
    (("integer",), "12\n", "not an integer"),
    (("number",), "1,5", "not a number"),
    (("number",), "nan", "not a number"),
    (("number",), "inf", "not a number"),
    (("number",), ".", "not a number"),
    (("number",), "1e999", "not a finite number"),
    (("number",), "-1e999", "not a finite number"),
    (("boolean",), "yes", "not a boolean (true, t, 1, false, f, 0)"),
    (("date",), "29/02/1984", "not a date in the format %Y-%m-%d"),
    (("date",), "2026-W01-1", "not a date in the format %Y-%m-%d"),
    (("date",), "20260101", "not a date in the format %Y-%m-%d"),
    (("date",), "2023-02-29", "not a date in the format %Y-%m-%d"),
    (("date",), "3001-01-01", "a year after 3000"),
    (("date", {"format": "%d/%m/%Y"}), "1984-02-29", "not a date in the format %d/%m/%Y"),
    (("date", {"format": "%d/%m/%Y"}), "01/01/3001", "a year after 3000"),
    (("datetime",), "yesterday", "not a time in the format ISO 8601"),
    (("datetime",), "3001-01-01T00:00:00Z", "a year after 3000"),
    (("datetime",), "3000-12-31T23:00:00-02:00", "a year after 3000"),
    (("datetime",), "0001-01-01T00:00:00+02:00", "a year before 1 in UTC"),
    (("datetime", {"format": "%d/%m/%Y %H"}), "x", "not a time in the format %d/%m/%Y %H"),
    (("datetime", {"format": "%d/%m/%Y %H"}), "01/01/3001 10", "a year after 3000"),
    # Days with an offset, and a number of milliseconds.
    *[
        (("datetime",), cell, "not a time in the format ISO 8601")
        for cell in (
            "2026-03-01+02:00",
            "2026-03-01-05:00",
            "20260301-0500",
            "1710010112345",
            "2026-W09-7+02",
        )
    ],
    # A zero is gone, and with it the order of day and month, or of hour and minute.
    *[
        (("date", {"format": format}), cell, f"not a date in the format {format}")
        for format, cell in (
            ("%d%m%Y", "1112026"),
            ("%m%d%y", "11126"),
            ("%Y%m%d", "2026111"),
            ("%y%j", "4834"),
            ("%d.%m.%Y %H%M", "1.1.2026 130"),
            ("%d %m %Y %H%M %p", "1 1 2026 130 PM"),
            ("%Y%m%d%H%M%S%f", "20261101020304"),
        )
    ],
    (("datetime", {"format": "%d%m%Y %H:%M"}), "1112026 10:00", "not a time in the format %d%m%Y %H:%M"),
    (("array",), "a,b", "not a JSON array"),
    (("array",), '{"a": 1}', "not a JSON array"),
    (("array",), "[" * 5000, "not a JSON array"),
    (("array",), '["\\ud800"]', "not a JSON array"),
    (("array",), '["\udc80"]', "not a JSON array"),
    (("array",), "[null]", "a null inside an object or array, on which Braze drops the whole update"),
    (("array",), '[{"a": 1}, "b"]', "an array that mixes objects with other values"),
    (("array",), '[["a"]]', "an array inside an array"),
    (("array",), f'["{LONG}"]', "longer than 255 characters"),
    (("array",), json.dumps(["x"] * 501), "more than 500 items"),
    (("array", {"separator": ","}), ",".join("x" * 501), "more than 500 items"),
    (("array", {"separator": ","}), ",".join(["é" * 250] * 400), "more than 100 KB as JSON"),
    (("object",), "[]", "not a JSON object"),
    (("object",), "{", "not a JSON object"),
    (("object",), '{"a": null}', "a null inside an object or array, on which Braze drops the whole update"),
    (
        ("object",),
        '{"a": [{"b": null}]}',
        "a null inside an object or array, on which Braze drops the whole update",
    ),
    (("object",), '{"a b": 1}', "a key with a space, inside an object"),
    (("object",), '{"a.b": 1}', "a key with '.' or '$'"),
    (("object",), '{"$a": 1}', "a key with '.' or '$'"),
    (("object",), '{"": 1}', "a key that is empty or longer than 255 characters"),
    (("object",), f'{{"{LONG}": 1}}', "a key that is empty or longer than 255 characters"),
    (("object",), f'{{"a": "{LONG}"}}', "longer than 255 characters"),
    (("object",), '{"a": {"$time": "soon"}}', "not a time in the format ISO 8601"),
    (("object",), '{"a": {"$time": 5}}', "a $time that is not text"),
    (("object",), json.dumps({f"k{n}": "é" * 250 for n in range(400)}), "more than 100 KB as JSON"),
]


@pytest.mark.parametrize(
    ("declared", "cell", "reason"), BAD, ids=[f"{d[0]}-{n}" for n, (d, _, _) in enumerate(BAD)]
)
def test_a_bad_cell_has_a_reason_without_the_cell(declared, cell, reason):
    name, *options = declared
    with pytest.raises(ValueError, match=r"\w") as caught:
        read(cell, name, **(options[0] if options else {}))
    assert str(caught.value) == reason


@given(st.text(), st.sampled_from(["integer", "number", "boolean", "date", "datetime", "array", "object"]))
def test_any_cell_is_read_or_has_a_reason(cell, name):
    try:
        value = read(cell, name)
    except ValueError as error:
        reason = str(error)
    else:
        reason = ""
        json.dumps(value, allow_nan=False)
    # A short cell may be in the reason by chance, as "form" is in "format".
    assert len(cell) < 8 or cell not in reason


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=True) | st.sampled_from(
    ["", "x", "2026-01-01", "soon", LONG]
)  # fmt: skip
KEYS = st.sampled_from(
    ["a", "b c", "d.e", "$f", "$time", "add", "remove", "inc", "$add", "$remove", "$update", "", LONG]
)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=6,
)


@given(ANY)
def test_what_passes_as_an_attribute_is_stored_by_the_sandbox(value):
    try:
        checks.attribute(value)
    except ValueError:
        return
    if isinstance(value, dict) and checks.is_change(value) and "$time" not in value:
        return  # what a change does depends on what is stored
    if value is not None:
        assert custom_attributes.changed(None, value, merge=False) is not KEEP


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"add": "a"}, "add takes an array"),
        ({"remove": {"a": 1}}, "remove takes an array"),
        ({"add": [["a"]]}, "an object or array where single values belong"),
        ({"add": ["a"], "remove": [{"a": 1}]}, "an object or array where single values belong"),
        ({"add": [str(n) for n in range(501)]}, "more than 500 items"),
        ({"inc": 1.5}, "an inc that is not an integer"),
        ({"inc": True}, "an inc that is not an integer"),
        ({"$add": {"a": 1}}, "$add takes an array"),
        ({"$add": [{"a": None}]}, "a null inside an object or array, on which Braze drops the whole update"),
        ({"$update": [{"a": "é" * 60_000}]}, "more than 100 KB as JSON"),
        ({"$time": "soon"}, "not a time in the format ISO 8601"),
        ({"a": {1: 2}}, "a key that is not text"),
        (float("nan"), "not a finite number"),
        ([float("inf")], "not a finite number"),
        ({"a", "b"}, "not a JSON value"),
        (b"bytes", "not a JSON value"),
        ("x\udc80", None),
        ({"a": "x\udc80"}, "not a JSON value"),
    ],
)
def test_what_is_no_attribute_has_a_reason(value, reason):
    if reason is None:
        checks.attribute(value)
        return
    with pytest.raises(ValueError, match=r"\w") as caught:
        checks.attribute(value)
    assert str(caught.value) == reason


def test_changes_pass_as_attributes():
    for value in (
        {"add": ["a"], "remove": ["b"]},
        {"inc": -3},
        {"$time": "2026-01-01T00:00:00Z"},
        {"$add": [{"a": 1}], "$remove": [{"$identifier_key": "a", "$identifier_value": 1}]},
        {"$update": [{"$identifier_key": "a", "$identifier_value": 1, "$new_object": {"b": 2}}]},
    ):
        checks.attribute(value)
    assert not checks.is_change({})
    assert not checks.is_change({"add": [], "x": 1})


def test_a_value_nested_without_end_has_a_reason():
    value: list = []
    value.append({"a": value})
    with pytest.raises(ValueError, match="nested too deeply"):
        checks.json_object({"a": value})
    with pytest.raises(ValueError, match="nested too deeply"):
        checks.json_bytes(value)


def test_the_largest_array_and_object_pass():
    items = ["x" * 197] * 500
    assert len(json.dumps(items, separators=(",", ":"))) == 100_001
    with pytest.raises(ValueError, match="100 KB"):
        checks.array(items)
    items[0] = items[0][1:]
    assert checks.array(items) is items


def test_unions_keep_the_order_and_tell_1_from_true():
    assert checks.union(["a", 1], [True, "a", 1, "b", "b"]) == ["a", 1, True, "b"]
    assert checks.union(["a", "a"], []) == ["a"]


@pytest.mark.parametrize(
    ("format", "kind", "good"),
    [
        ("%Y-%m-%d", "date", True),
        ("%d.%m.%y", "date", True),
        ("%x", "date", True),
        ("%Y-%m-%d %H:%M:%S", "date", True),
        ("yyyy-MM-dd", "date", False),
        ("%d/%m", "date", False),
        ("%Q", "date", False),
        ("%", "date", False),
        ("%Y-%m-%d", "datetime", False),
        ("%Y-%m-%d %I:%M", "datetime", False),
        ("%Y-%m-%d %I:%M %p", "datetime", True),
        ("%Y-%m-%dT%H:%M:%S%z", "datetime", True),
    ],
)
def test_a_format_names_a_whole_date_or_time(format, kind, good):
    assert values.is_format(format, kind) is good


def test_times_inside_objects_are_wrapped():
    assert values.nested(values.iso_date)("2026-01-02") == {"$time": "2026-01-02T00:00:00Z"}
    assert values.nested(moments.time)("2026-01-02T03:00") == {"$time": "2026-01-02T03:00:00Z"}
    with pytest.raises(ValueError, match="not a date"):
        values.nested(values.iso_date)("soon")
