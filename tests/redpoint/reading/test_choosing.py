"""Records that are chosen by one of their cells are those that reading all of them would give."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any
from zlib import crc32

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading import export_reader, lines
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.record_scanner import Record

HEADER = ["first_name", "ChannelExecutionID", "external_id", "city"]
AT, OF = HEADER.index("external_id"), 3


class Choice:
    """Chooses by what is left of a check sum; a cell that says "look" does not tell."""

    def __init__(self, wanted: int, at: int = AT) -> None:
        self.wanted = wanted
        self.at = at
        self.plain = rb"P[0-9]+|external_id"

    def takes(self, cell: str) -> bool:
        return crc32(cell.encode("utf-8", "surrogatepass")) % OF == self.wanted

    def among(self, cells: Sequence[str]) -> list[int] | None:
        return None if "look" in cells else [at for at, cell in enumerate(cells) if self.takes(cell)]

    def among_plain(self, cells: Sequence[bytes]) -> list[int]:
        return [at for at, cell in enumerate(cells) if crc32(cell) % OF == self.wanted]


def chosen(data: bytes, choice: Choice, most: int, **dialect: Any) -> tuple[list[Record], int]:
    """Give the wanted records, those that cannot be read among them, and how many rows were read."""
    reader = ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="x")
    found, read = [], 0
    while (rows := reader.take(most, choice)) is not None:
        if isinstance(rows, Record):
            read += 1
            found += [rows] if rows.problem or choice.takes(rows.cells[choice.at]) else []
            continue
        read += rows.rows
        assert len(rows.lines) == len(rows.texts) == len(rows.cells) == len(rows.places)
        assert [reader.cut(text) for text in rows.texts] == rows.cells
        own = [choice.takes(cells[choice.at]) for cells in rows.cells]
        assert all(own) or not rows.chosen
        found += [
            Record(line, cells, None)
            for line, cells, is_own in zip(rows.lines, rows.cells, own, strict=True)
            if is_own
        ]
    return found, read


PLAIN = st.sampled_from(
    ["", "Ann", "P1", "P2", "P3", "look", '5" pipe', "O'Neill", " x ", "é", "\udcff", "two words"]
)
WRAPPED = ['""', '"Ann"', '"P1"', '"Smith, Jr."', '"5"" pipe"', '"""VIP"""', '"a\nb"', '"a\n\nb"', '" "']
ODD = ['"', 'x"', '"Jim', 'Bob"', ' "Ann" ', '"a"b', "\0", "\r", 'x"y']


def row(cells: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(cells, st.sampled_from(["5719", "5719", ""]), cells, cells).map(",".join)


ROWS = st.one_of(
    row(PLAIN),
    row(st.one_of(PLAIN, st.sampled_from(WRAPPED))),
    row(st.sampled_from(WRAPPED)),
)
ANYTHING = st.one_of(
    ROWS,
    row(st.one_of(PLAIN, st.sampled_from(WRAPPED), st.sampled_from(ODD))),
    st.sampled_from(["", ",".join(HEADER), "a,b", "a,b,c,d,e", "\ufeff" + ",".join(HEADER)]),
)


ASTRAY = [*(f"{n},5719,P{n},a" for n in range(4)), '"a"b,5719,P1,x', '"a"b,5719,P2,x', '"a"b,5719,P3,x']
"""A qualifier that neither opens a value nor closes one, in records of each choice."""

NOT_ALWAYS_WRAPPED = [
    *(f'{n},5719,P{n},"a"' for n in range(6)),
    "6,5719,P6,bare",
    *(f'{n},5719,P{n},"a"' for n in range(7, 12)),
    '12,5719,P12,"Jim',
    '13,5719,P13,Bob"',
    *(f'{n},5719,P{n},"a"' for n in range(14, 20)),
]
"""One bare value among wrapped ones, which leaves it in doubt whether another goes on over a line."""

OVER_LINES = [
    *(f"{n},5719,P{n},a" for n in range(4)),
    '4,5719,P4,"a\nb"',
    '"5\n5",5719,P5,"a\nb"',
    '"6\n6",5719,"P6","a\n\nb, ""c""\n"',
    *(f'{n},5719,P{n},"a"' for n in range(7, 12)),
]
"""Values that go on over lines, of which one opens where another ends."""

OPEN = [*(f'{n},5719,P{n},"a"' for n in range(8)), '8,5719,P8,"a']
"""One that is not closed at the end of the export."""


@settings(max_examples=150)
@given(
    text=st.lists(st.one_of(ROWS, ROWS, ROWS, ANYTHING), min_size=1, max_size=25),
    ended=st.booleans(),
    declared=st.sampled_from([None, "double", "none"]),
    ends=st.sampled_from(
        [("\n", None), ("\n", "LF"), ("\r\n", None), ("\r\n", "CRLF"), ("\r\n", "LF"), ("\r", None)]
    ),
    wanted=st.integers(0, OF - 1),
    most=st.integers(1, 12),
    chunk=st.sampled_from([16, 64, 256, 32 * 1024]),
)
@example(["1,5719,P1,a", '2,5719,P2,"b', '3,5719,P3,c"', "4,5719,P1,d"], True, None, ("\n", None), 0, 12, 64)
@example(
    ['"1",5719,P1,a', '2,5719,"P2","b"', '3,5719,P3,"c', 'c"', "4,5719,P1,d"],
    True,
    None,
    ("\n", None),
    1,
    12,
    64,
)
@example(ASTRAY, True, "double", ("\n", None), 0, 12, 32 * 1024)
@example(ASTRAY, True, "double", ("\n", None), 1, 12, 32 * 1024)
@example(NOT_ALWAYS_WRAPPED, True, None, ("\n", None), 0, 4, 32 * 1024)
@example(NOT_ALWAYS_WRAPPED, True, None, ("\n", None), 1, 4, 32 * 1024)
@example(OPEN, False, "double", ("\n", None), 1, 12, 32 * 1024)
@example(OPEN, False, "double", ("\n", None), 2, 12, 32 * 1024)
@example(OVER_LINES, True, None, ("\n", None), 0, 12, 32 * 1024)
@example(OVER_LINES, True, None, ("\r\n", "CRLF"), 1, 12, 32 * 1024)
def test_they_are_what_reading_all_would_give(
    text: list[str],
    ended: bool,
    declared: str | None,
    ends: tuple[str, str | None],
    wanted: int,
    most: int,
    chunk: int,
) -> None:
    end, line_end = ends
    data = end.join([",".join(HEADER), *text, *[""] * ended]).encode("utf-8", "surrogateescape")
    dialect = {"delimiter": ",", "qualifier": declared, "line_end": line_end, "encoding": "utf-8"}
    choice = Choice(wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK_BYTES", chunk)
        patch.setattr(export_reader, "HEAD_BYTES", max(chunk, 64))
        try:
            every = list(ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="x"))
        except ExportRefusedError:
            # Of a few odd lines, it is not clear how values are qualified.
            reject()
        expected = [each for each in every if each.problem or choice.takes(each.cells[AT])]
        assert chosen(data, choice, most, **dialect) == (expected, len(every))


AWKWARD = [
    "a,5719,P1,\0",
    "a,5719,P1,\udcff",
    "a,5719,\udcff,b",
    ",".join(HEADER),
    "\ufeff" + ",".join(HEADER),
    '"first_name","ChannelExecutionID","external_id","city"',
    "a,5719,external_id,b",
    "a,5719,look,b",
    "a,5719,P1",
    "a,5719,P1,b,c",
    "a,5719,P1\na,5719,P1,b,c",
    "",
    'a,5719,P1,5" pipe',
    'a,5719,P1,"Jim',
    'a,5719,P1,"Jim" x',
    'a,5719, "P1" ,b',
    'a,5719,"P1",b',
    '"a","5719","P1","b"',
    "a,5719,P1,b\r",
    "a,5719,P1\r,b",
    "aa,5719,P1\r,b",
    "aaa,5719,P1\r,bb",
    'a,5719,P1,"two\nlines"',
    '"two\r\nlines",5719,P1,"of\ra, ""b""\n\n"',
    '"long ' + 60 * "value\n" + '",5719,P1,b',
]
AMONG = {
    "plain": "{n},5719,P{n},ééé🙂éé",
    "qualified": '{n},5719,P{n},"Smith, Jr."',
    "over lines": '"a\nb",5719,P{n},"{n}, é"',
    "all qualified": '"{n}","5719","P{n}","Smith, Jr."',
}


@pytest.mark.parametrize(("end", "line_end"), [("\n", None), ("\r\n", None), ("\r\n", "CRLF"), ("\n", "LF")])
@pytest.mark.parametrize("declared", ["double", "none", None])
@pytest.mark.parametrize("among", AMONG.values(), ids=AMONG)
def test_one_awkward_line_is_as_it_is_without(
    among: str, declared: str | None, end: str, line_end: str | None
) -> None:
    dialect = {"delimiter": ",", "qualifier": declared, "line_end": line_end, "encoding": "utf-8"}
    for at, awkward in enumerate(AWKWARD):
        rows = [among.format(n=n) for n in range(30)]
        text = end.join([",".join(HEADER), *rows, awkward, *rows[:25], rows[25][: (9, 2)[at // 2 % 2]]])
        data = text.encode("utf-8", "surrogateescape")
        with pytest.MonkeyPatch.context() as patch:
            # It stands in a block of its own size, and so do those around it.
            patch.setattr(lines, "CHUNK_BYTES", (100, 300)[at % 2] + at % 9)
            patch.setattr(export_reader, "HEAD_BYTES", 200)
            every = list(ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="x"))
            for wanted in range(OF):
                choice = Choice(wanted)
                expected = [each for each in every if each.problem or choice.takes(each.cells[AT])]
                assert chosen(data, choice, 1000, **dialect) == (expected, len(every)), (at, awkward[:20])


@pytest.mark.parametrize("above", ["", "\ufeff", "sep=,\n", "\ufeffsep=,\n"])
@pytest.mark.parametrize("columns", [["external_id"], ["external_id", "city"]])
def test_without_a_header_row_and_with_few_columns(columns: list[str], above: str) -> None:
    rows = [f"P{n % 5}{',x' * (len(columns) - 1)}" if n % 7 else "" for n in range(200)]
    # What is appended names the delimiter again; of two columns, that line is as wide as a record.
    data = (above + "\n".join([*rows, above + rows[1], *rows[1:6], ""])).encode()
    dialect = {"columns": columns, "line_end": "LF", "delimiter": ",", "encoding": "utf-8"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK_BYTES", 64)
        patch.setattr(export_reader, "HEAD_BYTES", 64)
        every = list(ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="x"))
        for wanted in range(OF):
            choice = Choice(wanted, 0)
            expected = [each for each in every if each.problem or choice.takes(each.cells[0])]
            assert chosen(data, choice, 1000, **dialect) == (expected, len(every))


FORMS: dict[str, dict[str, Any]] = {
    "a delimiter at each line's end": {},
    "UTF-16": {"encoding": "utf-16"},
    "Windows": {"encoding": "cp1252"},
    "no header row": {"columns": HEADER},
    "a delimiter of two bytes": {"delimiter": "\xa6"},
    "a delimiter of two characters": {"delimiter": "||"},
}
EXTRAS = [
    "",
    "a,b",
    ",",
    "a",
    '"a',
    "P1\r,5719,P2,x",
    "a,5719,P1,b\r",
    ",".join(HEADER),
    "a,5719,external_id,b",
]


@settings(max_examples=150)
@given(
    form=st.sampled_from(sorted(FORMS)),
    text=st.lists(st.one_of(ROWS, ROWS, ROWS, ROWS, st.sampled_from(EXTRAS)), min_size=1, max_size=40),
    ended=st.booleans(),
    declared=st.sampled_from([None, "double", "none"]),
    ends=st.sampled_from([("\n", None), ("\n", "LF"), ("\r\n", None), ("\r\n", "CRLF"), ("\r", "CR")]),
    wanted=st.integers(0, OF - 1),
    chunk=st.sampled_from([64, 256]),
)
@example("no header row", [f"{n},5719,P{n % 9},a" for n in range(40)], True, "double", ("\n", None), 1, 64)
@example("no header row", ["a,5719,P1,x", "P2"] * 20, False, "none", ("\r\n", "CRLF"), 1, 256)
@example("no header row", ["a,5719,P1,x", "P1\r,5719,P2,x"] * 20, True, "none", ("\r\n", None), 1, 256)
def test_they_are_in_whatever_form_it_is_written(
    form: str,
    text: list[str],
    ended: bool,
    declared: str | None,
    ends: tuple[str, str | None],
    wanted: int,
    chunk: int,
) -> None:
    end, line_end = ends
    dialect = {"delimiter": ",", "qualifier": declared, "line_end": line_end, "encoding": "utf-8"} | FORMS[
        form
    ]
    closed = "," if form.startswith("a delimiter at") else ""
    lines_of = [line + closed for line in ([] if "columns" in dialect else [",".join(HEADER)]) + text]
    written = end.join([*lines_of, *[""] * ended]).replace(",", dialect["delimiter"])
    data = written.replace("\udcff", "?").encode(dialect["encoding"])
    choice = Choice(wanted)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK_BYTES", chunk)
        patch.setattr(export_reader, "HEAD_BYTES", chunk)
        try:
            every = list(ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="x"))
        except ExportRefusedError:
            reject()
        expected = [each for each in every if each.problem or choice.takes(each.cells[AT])]
        assert chosen(data, choice, 1000, **dialect) == (expected, len(every))


@pytest.mark.parametrize("qualifier", [None, "double"])
@pytest.mark.parametrize(
    "written",
    [
        "{n},5719,P{n},Boise",
        '{n},5719,P{n},"Paris, 11e"',
        '"{n}",5719,P{n},"Winston ""Salem"""',
        '{n},5719,P{n},"two\nlines"',
        "{n},5719,P{n},",
        '"{n}","5719","P{n}","two words"',
        "{n},5719,P{n},Boise,",
    ],
)
def test_others_are_not_cut(written: str, qualifier: str | None) -> None:
    header = ",".join(HEADER) + "," * written.endswith("Boise,")
    data = "\n".join([header, *(written.format(n=n) for n in range(2000)), ""]).encode()
    reader = ExportReader(io.BytesIO(data), dialect=Dialect(delimiter=",", qualifier=qualifier), name="x")
    blocks = []
    while (rows := reader.take(250, Choice(0))) is not None:
        assert not isinstance(rows, Record)
        blocks.append(rows)
    # The first tells which execution it is.
    assert all(rows.chosen for rows in blocks[1:])
    assert sum(rows.rows for rows in blocks) == 2000
    assert 500 < sum(len(rows.cells) for rows in blocks) < 1100
