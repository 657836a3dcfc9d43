"""Mapped many at once, records become what they become one by one, or are left to be mapped one by one."""

from __future__ import annotations

import csv
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_braze.users_track.mapping.by_column import MOST_ID_CHARACTERS
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.mapper import Mapper
from airflow_provider_braze.users_track.rules import limits
from tests.users_track.comparing import by_column_of, compare, together

COLUMNS = [
    *(
        "RPContactID",
        "ChannelExecutionID",
        "external_id",
        "first_name",
        "email",
        "country",
        "dob",
        "output_name",
    ),
    *("education", "income", "time_zone"),
]
ROW = ["1000000231", "5719", "P1", "José", "jose@example.com", "ES", "1984-02-29", "High", "PhD", "52000",
       "Europe/Madrid"]  # fmt: skip

CELLS = [
    ["", "1000000231", "x" * 256, "ü" * 255],
    ["", "5719", "5720"],
    [
        "P1",
        "P2",
        "ü",
        "",
        " ",
        "NULL",
        "P1  ",
        "\u200bP1",
        " n/a",
        "p" * 249,
        "p" * 250,
        "ü" * 300,
        "p" * 998,
    ],
    ["José", "", "NULL", " José\u00a0", "   ", "x" * 255, "x" * 256, '"', "\\", "a\nb", "null", "\ud800"],
    [
        "jose@example.com",
        "",
        "no",
        "a..b@example.com",
        ".a@example.com",
        "a@b.c",
        "a@b.co\n",
        "a@b.co\nc@d.co",
        "\n",
        "NULL",
        f"{'a' * 243}@example.com",
        f"{'a' * 244}@example.com",
    ],
    ["ES", "", "Spain", "es ", "XX", "NULL"],
    ["1984-02-29", "", "1985-02-29", "3001-01-01", "NULL"],
    ["High", "", "x" * 256, "None", "High\ufeff", "\u3000"],
    ["PhD", "", "None", "\tPhD", " ", "x" * 256, "NULL"],
    ["52000", "", "1.5", " 90 ", "nan", "0", "x"],
    ["Europe/Madrid", "", "Mars", "NULL"],
]


def changed(changes: list[tuple[int, str]]) -> list[str]:
    row = [*ROW]
    for at, cell in changes:
        row[at] = cell
    return row


def odd_rows() -> list[list[str]]:
    """Give rows with one odd cell each, and some that are empty but for the identifier."""
    one = [changed([(at, cell)]) for at, cells in enumerate(CELLS) for cell in cells]
    nested = [changed([(8, ""), (9, "")]), changed([(at, "") for at in range(len(ROW)) if at != 2])]
    return [ROW, *one, *nested, ROW]


ROWS = st.lists(
    st.integers(0, len(CELLS) - 1).flatmap(lambda at: st.tuples(st.just(at), st.sampled_from(CELLS[at]))),
    max_size=4,
).map(changed)
MAPPINGS: list[dict[str, Any]] = [
    {},
    {"extra_to": None},
    {"extra_to": "rpi.cdp.more"},
    {"types": {"income": "number"}},
    {"types": {"income": "number", "dob": "date"}, "extra_to": ""},
    {
        "offer": None,
        "constants": {"campaign": "spring", "campaigns": {"add": ["a", "b"]}, "at": {"x": 1, "y": 2}},
    },
    {"empty": {"first_name": "keep", "dob": "null"}},
    {"extra_to": None, "null_token": {"first_name": "NULL", "education": "NULL"}},
    {"null_token": {"first_name": "NULL", "country": "NULL"}},
    {"identifier": {"column": "external_id", "kind": "braze_id"}},
    {"bad_values": "omit"},
    {"tags": {"education": "degrees"}},
]


def check(rows: list[list[str]], given_mapping: dict[str, Any], mode: str) -> None:
    compare(Mapper(COLUMNS, ExportMapping(**given_mapping), mode=mode, offer="Spring"), rows)


@pytest.mark.parametrize("mode", ["upsert", "append"])
@pytest.mark.parametrize("given_mapping", MAPPINGS)
def test_any_odd_cell(given_mapping: dict[str, Any], mode: str) -> None:
    readable = [row for row in odd_rows() if "\ud800" not in row]
    check(readable, given_mapping, mode)
    for row in readable:
        check([row], given_mapping, mode)


@settings(max_examples=300, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=6), given_mapping=st.sampled_from(MAPPINGS))
def test_it_is_the_mapper_or_leaves_it_to_it(rows: list[list[str]], given_mapping: dict[str, Any]) -> None:
    check(rows, given_mapping, "upsert")


def test_only_what_may_be_no_identifier_is_in_doubt() -> None:
    mapper = Mapper(
        ["external_id", "first_name"], ExportMapping(null_token="NULL", offer=None), mode="upsert"
    )
    longest = "p" * MOST_ID_CHARACTERS["external_id"]
    ids = ["P1", "x", longest, "", " ", "NULL", f"{longest}p", "P2"]
    mapped = together(by_column_of(mapper), [[cell, "Ann"] for cell in ids])
    assert mapped.needs_slow_path == [3, 4, 5, 6]
    assert list(mapped.ids) == ["P1", "x", longest, "P2"]


def test_a_lone_surrogate_puts_all_in_doubt() -> None:
    mapper = Mapper(["external_id", "email", "first_name"], ExportMapping(), mode="upsert")
    rows = [["P1", "", "Ann"], ["P2", "no", "Ann"], ["P3", "", "\ud800"]]
    assert together(by_column_of(mapper), rows) == ([], [], {}, [0, 1, 2], {}, {})
    # As of an offer whose folder's name is no UTF-8.
    mapper = Mapper(["external_id"], ExportMapping(), mode="upsert", offer="\udce9")
    assert together(by_column_of(mapper), [["P1"], ["P2"]]).needs_slow_path == [0, 1]


def test_a_plain_record_is_beyond_doubt() -> None:
    for given_mapping in MAPPINGS:
        mapper = Mapper(COLUMNS, ExportMapping(**given_mapping), mode="upsert", offer="Spring")
        assert together(by_column_of(mapper), [ROW, ROW]).needs_slow_path == []


@pytest.mark.parametrize(
    "given_mapping",
    [
        {"transform": lambda profile, _: profile},
        {"identifier": {"column": "email", "kind": "email"}, "omit": ("external_id",)},
        {"types": {"education": "object"}},
        {"types": {"education": {"name": "array", "separator": ","}}},
        {"rename": {"education": "subscription_groups"}},
        {"rename": {"education": 'the "degree"'}, "extra_to": None},
        {"constants": {"a\\b": 1}},
        {"null_token": "NULL"},
        {"tags": {"education": {"attribute": "degrees", "action": "replace"}}},
    ],
)
def test_what_needs_a_look_at_each_record(given_mapping: dict[str, Any]) -> None:
    mapper = Mapper(COLUMNS, ExportMapping(**given_mapping), mode="upsert", offer="Spring")
    assert mapper.by_column() is None


def test_an_object_that_may_be_too_large_is_in_doubt() -> None:
    columns = ["external_id", *(f"note {at}" for at in range(100))]
    mapper = Mapper(columns, ExportMapping(), mode="upsert")
    small, large = ["P1", *["x"] * 100], ["P2", *["x" * 250] * 100]
    assert sum(map(len, large)) * 6 > limits.NESTED_BYTES
    assert together(by_column_of(mapper), [small, large, small]).needs_slow_path == [1]


def test_many_different_values_are_not_all_remembered() -> None:
    mapper = Mapper(["external_id", "dob"], ExportMapping(), mode="upsert")
    by_column = by_column_of(mapper)
    rows = [[f"P{at}", f"{1000 + at // 300}-{1 + at // 25 % 12:02}-{1 + at % 25:02}"] for at in range(9000)]
    assert together(by_column, rows).needs_slow_path == []
    ((_, _, values),) = by_column._read
    assert 5000 <= len(values) <= 5001
    assert together(by_column, rows).bodies == together(by_column, rows).bodies


def test_what_is_remembered_does_not_grow_with_the_columns_or_the_cells() -> None:
    columns = ["external_id", *(f"n{at}" for at in range(100)), "text"]
    types = dict.fromkeys(columns[1:-1], "number") | {"text": {"name": "string", "cut": True}}
    by_column = by_column_of(Mapper(columns, ExportMapping(types=types), mode="upsert"))
    rows = [["P1", *[str(at)] * 100, f"{at} {'x' * 64}"] for at in range(1000)]
    together(by_column, rows)
    assert by_column._nested is not None
    *numbers, texts = [values for _, values in by_column._nested._read]
    assert {len(values) for values in numbers} == {50_000 // 101}
    assert len(texts) == 1


@pytest.mark.parametrize("text", ["a,", '"",b', "é,,", "さくら,,x", "😀,"])
def test_every_empty_cell_is_the_same_text(text: str) -> None:
    empty = ""
    for cells in (next(csv.reader([text])), text.replace('"', "").split(",")):
        assert [cell for cell in cells if not cell]
        assert all(cell is empty for cell in cells if not cell)
