"""Blanks at the ends of cells, wherever they stand in a file: many rows come to what each cell comes to alone."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.blanks import BLANKS
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.pushes.sources.export_source import ExportSource, ResolvedExport
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.discovery.path import ExportPath
from airflow_provider_braze.redpoint.reading import export_reader, lines
from airflow_provider_braze.redpoint.reading import record_scanner as records
from airflow_provider_braze.users_track.batching.merge_window import RecordBlock
from airflow_provider_braze.users_track.ledger.ledger import Ledger
from airflow_provider_braze.users_track.ledger.sink import NullSink
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping

COLUMNS = ("external_id", "first_name", "rating", "city", "note")
ENCODINGS = {"utf-8": BLANKS, "utf-16-le": BLANKS, "cp1252": " \t\v\f\x1c\x1d\x1e\x1f\xa0\n"}


def outcome(data: bytes, *, small: int | None, **dialect: Any) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Read and map a file; its objects, and the cells that were cut by column."""
    with pytest.MonkeyPatch.context() as patch:
        if small is not None:
            patch.setattr(export_reader, "HEAD_BYTES", small)
            patch.setattr(lines, "CHUNK_BYTES", small)
            patch.setattr(records, "_MOST_TOGETHER", 3)
        item = ExportItem("RPI_Export_1.txt", ExportPath("", "", "", "RPI_Export_1.txt"))
        mapping = ExportMapping(extra_to=None, types={"rating": "integer"}, offer=None)
        reading = ResolvedExport(item, "upsert", mapping, Dialect.from_dict(dialect))
        source, ledger = ExportSource(io.BytesIO(data), reading), Ledger(NullSink())
        found: list[dict[str, Any]] = []
        for items in source.objects(ledger):
            for each in items if isinstance(items, list) else [items]:
                if isinstance(each, RecordBlock):
                    found += map(json.loads, each.bodies)
                elif each is not None and not isinstance(each, int):
                    found.append(dict(each.content))
    return found, source.counts_by_column()["trimmed"]


def model(rows: list[list[str]]) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What must come of them, cell by cell."""
    found, trimmed = [], Counter[str]()
    for row in rows:
        cells = [cell.strip(BLANKS) for cell in row]
        trimmed.update(name for name, cell, cut in zip(COLUMNS, row, cells, strict=True) if cell != cut)
        values = {name: cell for name, cell in zip(COLUMNS, cells, strict=True) if cell}
        found.append({"_update_existing_only": False, **values, "rating": int(values["rating"])})
    return found, dict(trimmed)


def written(rows: list[list[str]], *, delimiter: str, wrapped: str, outside: list[str]) -> str:
    """Write rows down; outside are blanks around the qualifiers of the first value of each."""

    def cell(text: str, column: int, around: str) -> str:
        must = any(char in text for char in (delimiter, '"', "\n"))
        if must or wrapped == "all" or (wrapped == "text" and column in (1, 3)):
            return around + '"' + text.replace('"', '""') + '"' + around
        return text

    return "".join(
        delimiter.join(
            cell(text, at, outside[number % len(outside)] * (at == 1)) for at, text in enumerate(row)
        )
        + "\n"
        for number, row in enumerate([[*COLUMNS], *rows])
    )


@st.composite
def files(draw: st.DrawFn) -> tuple[list[list[str]], dict[str, Any]]:
    """Draw rows with blanks in a few places, and how they are written down."""
    encoding = draw(st.sampled_from(sorted(ENCODINGS)))
    delimiter = draw(st.sampled_from([",", "\t", "|"]))
    wrapped = draw(st.sampled_from(["", "text", "all"]))
    known = "éü" if encoding == "cp1252" else "éさ\u200c"
    rows = []
    for number in range(draw(st.integers(1, 12))):
        inner = st.text(st.sampled_from([*"ab ,", *known]), max_size=3).map(lambda text: f"x{text}y")
        name, city = draw(st.tuples(inner, st.one_of(st.just(""), inner)))
        rows.append([f"P{number}", name, "7", city, draw(inner)])
    blanks = st.sampled_from(ENCODINGS[encoding]).filter(
        lambda blank: wrapped == "all" or blank not in "\n\t"
    )
    for _ in range(draw(st.integers(0, 3))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        at, blank = draw(st.integers(0, len(COLUMNS) - 1)), draw(blanks)
        row[at] = draw(st.sampled_from([blank + row[at], row[at] + blank, blank + row[at] + blank]))
    around = [*filter(lambda blank: blank not in delimiter + "\n", ENCODINGS[encoding])]
    rarely = st.lists(st.sampled_from(["", "", "", *around]), min_size=1, max_size=5)
    return rows, {
        "delimiter": delimiter,
        "wrapped": wrapped,
        "encoding": encoding,
        "outside": draw(rarely) if wrapped else [""],
    }


@settings(max_examples=100)
@example(
    ([["P1", "x", "7", "", "y "]], {"delimiter": ",", "wrapped": "", "encoding": "utf-8", "outside": [""]}),
    64,
)
@example(
    (
        [["P1", "x", "7", "", "\ty"]],
        {"delimiter": "\t", "wrapped": "all", "encoding": "utf-8", "outside": [""]},
    ),
    64,
)
@example(
    (
        [["P1", "x", "7", "", "y\n"]],
        {"delimiter": ",", "wrapped": "all", "encoding": "utf-8", "outside": [""]},
    ),
    64,
)
@given(files(), st.integers(1, 90))
def test_whatever_stands_wherever_it_is_cut_as_cell_by_cell(
    file: tuple[list[list[str]], dict[str, Any]], small: int
) -> None:
    rows, how = file
    text = written(rows, delimiter=how["delimiter"], wrapped=how["wrapped"], outside=how["outside"])
    dialect = {
        "delimiter": how["delimiter"],
        "encoding": how["encoding"],
        "qualifier": "double",
        "line_end": "LF",
    }
    data = text.encode(how["encoding"])
    expected = model(rows)
    assert outcome(data, small=small, **dialect) == expected
    assert outcome(data, small=None, **dialect) == expected


@pytest.mark.parametrize("blank", BLANKS)
@pytest.mark.parametrize("at", range(4))
def test_each_blank_is_cut_in_each_column_whatever_stands_around(blank: str, at: int) -> None:
    rows = [[f"P{number}", "Zoë x", "7", "さくら", "a b"] for number in range(40)]
    for number in (0, 7, 39):
        rows[number][at] = f"{rows[number][at]}{blank}"
    text = written(rows, delimiter="|", wrapped="all", outside=[""])
    dialect = {"delimiter": "|", "qualifier": "double", "line_end": "LF"}
    found = outcome(text.encode(), small=None, **dialect)
    assert found == model(rows)
    assert found[1] == {COLUMNS[at]: 3}


def test_an_invisible_blank_inside_a_cell_stays() -> None:
    rows = [["P\u200b1", "a\ufeffb", "7", "", "\u200bc"]]
    text = written(rows, delimiter=",", wrapped="", outside=[""])
    assert outcome(text.encode(), small=None, delimiter=",") == model(rows)
