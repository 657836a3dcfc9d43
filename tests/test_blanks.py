"""Blanks are cut around every cell and column name, and counted; nothing inside a cell changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze import blanks
from airflow_provider_braze.exceptions import MappingError
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.mapping.mapper import BadRecordError, Mapper

PADDINGS = [" ", "   ", "\t", "\u00a0", "\u200b", "\ufeff", "\u3000", " \u200b ", "\ufeff\u00a0"]


def mapped(record: dict[str, str], **mapping: Any) -> tuple[dict[str, Any], dict[str, int]]:
    mapper = Mapper(list(record), ExportMapping(**mapping), mode="upsert")
    _, profile = mapper.map(list(record.values()))
    del profile["_update_existing_only"]
    return profile, dict(mapper.trimmed)


def test_what_python_strips_is_cut_and_the_invisible_ones_too() -> None:
    every = "".join(map(chr, range(0x110000)))
    assert set(blanks.BLANKS) == {each for each in every if each.isspace()} | {"\u200b", "\ufeff"}


CELL = st.text(alphabet=st.sampled_from([*blanks.BLANKS, *" \n a,\u00e9\u200c\u0301"]), max_size=5)


@given(st.lists(CELL, min_size=1, max_size=4))
def test_rows_and_columns_are_cut_alike(cells: list[str]) -> None:
    expected = [blanks.cut(cell) for cell in cells]
    row = blanks.Blanks({at: str(at) for at in range(len(cells))})
    found, names = row.cut_row(cells)
    assert list(found) == expected
    assert names == [str(at) for at, cell in enumerate(cells) if cell != expected[at]]
    column = blanks.Blanks({0: "a"})
    columns = [tuple(cells)]
    [cut] = column.cut_columns(columns, [0])
    assert list(cut) == expected
    assert column.count(columns, [cut]) == ({"a": len(names)} if names else {})


@pytest.mark.parametrize("blank", PADDINGS)
def test_padded_cells_mean_what_is_between_the_blanks(blank: str) -> None:
    record = {
        "external_id": f"P1{blank}",
        "first_name": f"{blank}Ann Lee",
        "email": f"ann@example.com{blank}",
        "dob": f"{blank}1984-02-29",
        "income": f"{blank}90{blank}",
        "output_name": f"High{blank}",
        "city": blank,
    }
    profile, trimmed = mapped(record, types={"income": "integer"}, offer=None)
    assert profile == {
        "external_id": "P1",
        "first_name": "Ann Lee",
        "email": "ann@example.com",
        "dob": "1984-02-29",
        "rpi_cdp_attributes": {"income": 90},
        "_merge_objects": True,
        "rpi_audience_outputs": {"add": ["High"]},
    }
    assert trimmed == dict.fromkeys(record, 1)


def test_they_are_kept_on_request() -> None:
    record = {"external_id": "P1  ", "first_name": " Ann", "output_name": "   "}
    profile, trimmed = mapped(record, trim=False)
    assert profile == {
        "external_id": "P1  ",
        "first_name": " Ann",
        "rpi_audience_outputs": {"add": ["   "]},
    }
    assert trimmed == {}


@pytest.mark.parametrize("trim", [True, False])
def test_blanks_beside_a_separator_belong_to_it(trim: bool) -> None:
    profile, _ = mapped({"external_id": "P1", "likes": "tea ; coffee"}, trim=trim, extra_to=None,
                        types={"likes": {"name": "array", "separator": ";"}})  # fmt: skip
    assert profile["likes"] == ["tea", "coffee"]


def test_nothing_is_counted_where_nothing_was_cut_or_nothing_is_sent() -> None:
    assert mapped({"external_id": "P1", "first_name": "Ann"})[1] == {}
    assert mapped({"external_id": "P1", "note": " x "}, omit=["note"])[1] == {}
    mapper = Mapper(["external_id", "email"], ExportMapping(), mode="upsert")
    with pytest.raises(BadRecordError):
        mapper.map(["P1 ", " nobody "])
    assert mapper.trimmed == {}


def test_a_cell_of_blanks_is_an_empty_one() -> None:
    assert mapped({"external_id": "P1", "home_city": " "}, empty="null")[0]["home_city"] is None
    assert mapped({"external_id": "P1", "home_city": " "}, empty="keep")[0]["home_city"] == ""
    assert "home_city" not in mapped({"external_id": "P1", "home_city": " "})[0]
    with pytest.raises(BadRecordError, match="empty identifier"):
        mapped({"external_id": "\u200b \ufeff"})


def test_a_padded_null_token_is_one() -> None:
    assert mapped({"external_id": "P1", "home_city": " \\N "}, null_token="\\N")[0]["home_city"] is None
    with pytest.raises(MappingError, match="has blanks at its ends"):
        ExportMapping(null_token=" - ")
    assert ExportMapping(null_token=" - ", trim=False).null_token == " - "


def test_blanks_around_column_names_are_cut_too() -> None:
    profile, trimmed = mapped({"\ufeffexternal_id ": "P1", "\u200bFirst Name": "Ann", "Zip\u200b": " 1"})
    assert profile == {
        "external_id": "P1",
        "first_name": "Ann",
        "rpi_cdp_attributes": {"zip": "1"},
        "_merge_objects": True,
    }
    assert trimmed == {"Zip": 1}


def test_a_transform_gets_the_cut_cells() -> None:
    def transform(profile: dict[str, Any], record: Any) -> dict[str, Any]:
        return {**profile, "seen": record["note"]}

    assert mapped({"external_id": "P1", "note ": " x "}, omit=["note"], transform=transform)[0]["seen"] == "x"
