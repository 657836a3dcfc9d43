"""Blanks around qualified values: they make no value another one."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.cutting import BLANKS
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.record_scanner import Record
from tests.redpoint.taking import taken

HEADER = "external_id,first_name,city"


def read(data: str, *, trim: bool = True, **dialect: object) -> list[Record]:
    found = []
    for most in (None, 1, 1000):
        reader = ExportReader(
            io.BytesIO(data.encode()), dialect=Dialect.from_dict(dialect), name="blanks", trim=trim
        )
        found.append(list(reader) if most is None else taken(reader, most))
    assert found[0] == found[1] == found[2]
    return found[0]


def cells(data: str, **options: object) -> list[list[str]]:
    return [record.cells for record in read(data, **options) if not record.problem]  # type: ignore[arg-type]


def test_all_blanks_are_known() -> None:
    stripped = {char for char in map(chr, range(0x110000)) if not char.strip()}
    assert set(BLANKS) == stripped | {"\u200b", "\ufeff"}


@pytest.mark.parametrize("blank", [" ", "   ", "\xa0", "\u200b", "\t "])
def test_a_qualifier_after_blanks_opens_a_value(blank: str) -> None:
    rows = f'{blank}"P1",{blank}"Ann, B",x\n"P2",{blank}"a""b"{blank},{blank}"Rome"{blank}\nP3,{blank}Bo,y\n'
    assert cells(f"{HEADER}\n{rows}") == [
        ["P1", "Ann, B", "x"],
        ["P2", 'a"b', "Rome"],
        ["P3", f"{blank}Bo", "y"],
    ]


def test_in_the_header_row() -> None:
    reader = ExportReader(io.BytesIO(b'"external_id", "first_name"\n"P1", "Ann"\n'), name="blanks")
    assert reader.columns == ("external_id", "first_name")
    assert [record.cells for record in reader] == [["P1", "Ann"]]


def test_a_value_over_lines() -> None:
    assert cells(f'{HEADER}\nP1, "a\nb" , "c\n\nd"\n') == [["P1", "a\nb", "c\n\nd"]]


def test_a_stray_qualifier_after_a_blank_takes_nobody_in() -> None:
    found = read(f'{HEADER}\nP1, "Jim,x\nP2,Ann,x\nP3,Bob" ,x\n')
    assert [record.problem is None for record in found] == [False, False, False]


def test_a_delimiter_is_no_blank() -> None:
    assert cells('external_id\tb\tc\nP1\t\t"x"\nP2\t \t "y"\n') == [["P1", "", "x"], ["P2", " ", "y"]]
    assert cells('external_id b c\nP1  "x y"\n', delimiter="space") == [["P1", "", "x y"]]


def test_without_trimming_a_blank_makes_it_a_character() -> None:
    assert cells(f'{HEADER}\nP1, "Ann",x\n', trim=False) == [["P1", ' "Ann"', "x"]]
    assert read(f'{HEADER}\nP1,"Ann" ,x\n', trim=False, qualifier="double")[0].problem is not None


@given(
    rows=st.lists(
        st.lists(st.text('a ,"\u200b', max_size=4), min_size=3, max_size=3), min_size=1, max_size=5
    ),
    blanks=st.lists(st.sampled_from(["", " ", "\xa0 "]), min_size=1, max_size=9),
)
def test_whatever_is_written_with_blanks_is_read_back(rows: list[list[str]], blanks: list[str]) -> None:
    blank = itertools.cycle(blanks)
    text = "".join(
        ",".join(next(blank) + '"' + cell.replace('"', '""') + '"' + next(blank) for cell in row) + "\n"
        for row in rows
    )
    assert cells(f"{HEADER}\n{text}", qualifier="double") == rows
