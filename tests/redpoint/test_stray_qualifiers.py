"""A qualifier that nobody declared, open at the end of its line: a value that goes on, or a stray character?"""

from __future__ import annotations

import gzip
import io
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.export_reader import HEAD_BYTES, ExportReader
from airflow_provider_braze.redpoint.reading.lines import MAX_RECORD
from airflow_provider_braze.redpoint.reading.record_scanner import Record
from tests.redpoint.taking import taken

HEADER = ["RPContactID", "ChannelExecutionID", "external_id", "nickname", "city"]
WIDE = "\t".join(HEADER)
NARROW = "external_id\tnickname"


def row(number: int, nickname: str = "Ann") -> str:
    return f"{number}\t5719\tP{number}\t{nickname}\tBoise"


def pair(number: int, nickname: str = "Ann") -> str:
    return f"P{number}\t{nickname}"


WRAPPED = '"' + WIDE.replace("\t", '"\t"') + '"'
WHOLE_LINES = f"x\tBoise\n{row(9)}\n8\t5719\tP8\ty"
"""A text whose lines are records when they are read literally, once it stands as a nickname."""


def records(lines: list[str], *, most: int = 1000, end: str = "\n", **dialect: object) -> list[Record]:
    data = "".join(line + end for line in lines).encode()
    readers = [
        ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="RPI_Export_5719.txt")
        for _ in range(3)
    ]
    found = list(readers[0])
    assert taken(readers[1], most) == found
    assert [*islice(readers[2], 3), *taken(readers[2], 7)] == found
    return found


def outcome(found: list[Record], *names: str) -> list[str | None]:
    """Give what became of each line: the nickname, or None for a record that is invalid."""
    at = 3 if not names else names.index("nickname")
    return [None if record.problem else record.cells[at] for record in found]


class TestDoubt:
    def test_a_row_that_is_too_wide_says_nothing_of_the_one_before_it(self) -> None:
        """They are cut one by one then: the last of them has each value wrapped, and the others have not."""
        too_wide = WRAPPED + '\t"x"'
        found = records([WIDE, row(1), too_wide, row(2, '"Jim'), row(3), row(4, 'Bob"'), row(5)])
        assert outcome(found) == ["Ann", None, None, "Ann", None, "Ann"]

    def test_a_few_records_between_two_stray_ones(self) -> None:
        found = records([WIDE, row(1), row(2, '"Jim'), row(3), row(4), row(5, 'Bob"'), row(6)])
        assert outcome(found) == ["Ann", None, "Ann", "Ann", None, "Ann"]
        for record in (found[1], found[4]):
            assert "from line 3 to line 6" in (record.problem or "")
            assert "dialect.qualifier decides it" in (record.problem or "")
        assert found[1].cells == [row(2, '"Jim')]

    @pytest.mark.parametrize("first", [100, 1, 5_000])
    @pytest.mark.parametrize("qualifier", ['"', "'"])
    def test_many_records_between_two_stray_ones(self, first: int, qualifier: str) -> None:
        lines = [WIDE, *(row(n) for n in range(1, 30_001))]
        lines[first], lines[first + 19_900] = (
            row(first, f"{qualifier}Jim"),
            row(first + 19_900, f"Bob{qualifier}"),
        )
        assert len("\n".join(lines[:first])) > HEAD_BYTES or first < 5_000
        found = records(lines)
        assert [record.problem for record in found] == [None] * 30_000
        assert [record.cells[2] for record in found] == [f"P{n}" for n in range(1, 30_001)]
        assert found[first - 1].cells[3] == f"{qualifier}Jim"
        assert found[first + 19_899].cells[3] == f"Bob{qualifier}"

    def test_the_next_line(self) -> None:
        assert outcome(records([WIDE, row(1, '"Jim'), row(2, 'Bob"'), row(3)])) == [None, None, "Ann"]

    def test_never_closed(self) -> None:
        found = records([WIDE, row(1), row(2, '"Jim'), row(3), row(4), "", ""])
        assert outcome(found) == ["Ann", None, "Ann", "Ann"]
        assert "it would go on from line 3 to line 7" in (found[1].problem or "")
        assert "dialect.qualifier decides it" in (found[1].problem or "")

    def test_never_closed_after_many_records_without_a_wrapped_one(self) -> None:
        found = records([WIDE, *(row(n) for n in range(100)), row(100, '"Jim'), row(101)])
        assert outcome(found)[100:] == ['"Jim', "Ann"]

    def test_never_closed_with_few_columns(self) -> None:
        found = records([NARROW, pair(1), pair(2, '"Jim'), pair(3), pair(4)])
        assert outcome(found, "external_id", "nickname") == ["Ann", None, "Ann", "Ann"]

    def test_one_that_does_not_close_well(self) -> None:
        found = records([WIDE, row(1, '"Jim'), row(2), row(3, '"Joe'), row(4), row(5, 'Bob"')])
        assert outcome(found) == [None, "Ann", None, "Ann", None]

    def test_where_one_closes_another_opens(self) -> None:
        both = row(4, 'Bob"').replace("Boise", '"Reno')
        lines = [WIDE, row(1), row(2, '"Jim'), row(3), both, row(5), row(6, 'Eve"'), row(7)]
        assert outcome(records(lines)) == ["Ann", None, "Ann", None, "Ann", None, "Ann"]

    def test_a_value_was_wrapped_before(self) -> None:
        plain = [row(n) for n in range(200)]
        lines = [WIDE, row(0, '"Lee"'), *plain, row(1, '"Jim'), row(2), row(3, 'Bob"')]
        assert outcome(records(lines)) == ["Lee", *["Ann"] * 200, None, "Ann", None]

    def test_a_record_around_which_nothing_is_sure(self) -> None:
        lines = [NARROW, pair(1), pair(2, '"Jim'), pair(3), pair(4, 'Bob"'), pair(5)]
        found = records(lines)
        assert outcome(found, "external_id", "nickname") == ["Ann", None, None, None, "Ann"]
        assert {record.problem for record in found[1:4]} == {found[1].problem}

    def test_few_columns_with_many_records_before(self) -> None:
        plain = [pair(n) for n in range(100)]
        found = records([NARROW, *plain, pair(2, '"Jim'), pair(3), pair(4, 'Bob"'), pair(5)])
        assert outcome(found, "external_id", "nickname")[100:] == ['"Jim', None, 'Bob"', "Ann"]

    @pytest.mark.parametrize(("second", "expected"), [("7", "Ann"), ("8", None)])
    def test_few_columns_with_the_execution_id_of_the_file(self, second: str, expected: str | None) -> None:
        names = ("ChannelExecutionID", "external_id", "nickname")
        lines = ["\t".join(names), "7\tP1\tAnn", '7\tP2\t"Jim', f"{second}\tP3\tAnn", '7\tP4\tBob"']
        assert outcome(records(lines), *names) == ["Ann", None, expected, None]

    def test_in_the_header_row(self) -> None:
        with pytest.raises(ExportRefusedError, match=r"header row cannot be read: .*dialect\.qualifier"):
            records([WIDE.replace("city", '"city'), row(1), row(2).replace("Boise", 'Boise"')])

    def test_a_wide_line_without_an_identifier_is_no_record(self) -> None:
        text = "a\tb\t\tc\td"
        found = records([WIDE, row(1, f'"Jim\n{text}\nBob"')])
        assert outcome(found) == [f"Jim\n{text}\nBob"]

    @pytest.mark.parametrize("lone", ['"x"', '"a note"', '""', '"1"\t"2"', '"x" ', ' "x"'])
    @pytest.mark.parametrize("before", [1, 4, 90])
    def test_a_line_of_another_width_says_nothing_of_the_columns(self, lone: str, before: int) -> None:
        # It is all between qualifiers, while each record before it is bare.
        plain = [row(n) for n in range(before)]
        lines = [WIDE, *plain, lone, row(901, '"Jim'), row(902), row(903, 'Bob"'), row(904)]
        assert outcome(records(lines))[before:] == [None, None, "Ann", None, "Ann"]


class TestValues:
    def test_a_line_that_is_not_whole_makes_it_a_value(self) -> None:
        found = records([WIDE, *(row(n) for n in range(200)), row(1, '"two\nlines"'), row(2, '"a\n\nb"')])
        assert outcome(found)[200:] == ["two\nlines", "a\n\nb"]

    @pytest.mark.parametrize("header", [WIDE, WRAPPED])
    def test_a_column_that_is_always_wrapped(self, header: str) -> None:
        lines = [row(1, '"Ann"'), row(2, ""), row(3, '""'), row(4, f'"{WHOLE_LINES}"'), row(5, '"Eve"')]
        assert outcome(records([header, *lines])) == ["Ann", "", "", WHOLE_LINES, "Eve"]

    def test_a_wrapped_header_row_is_enough(self) -> None:
        assert outcome(records([WRAPPED, row(1, f'"{WHOLE_LINES}"')])) == [WHOLE_LINES]
        assert outcome(records([WIDE, row(1, f'"{WHOLE_LINES}"')])) == [None, "Ann", None]

    def test_a_column_that_was_wrapped_but_not_always(self) -> None:
        lines = [WIDE, row(1, '"Ann"'), row(2, "Bo"), row(3, '"Jim'), row(4, 'Bob"')]
        assert outcome(records(lines)) == ["Ann", "Bo", None, None]

    def test_another_column_that_was_always_wrapped(self) -> None:
        lines = [WIDE, row(1).replace("Boise", '"Reno"'), row(3, '"Jim'), row(4, 'Bob"')]
        assert outcome(records(lines)) == ["Ann", None, None]

    @pytest.mark.parametrize("qualifier", ["double", '"'])
    def test_a_declared_qualifier_decides(self, qualifier: str) -> None:
        lines = [WIDE, row(1, '"Jim'), row(2), row(3, 'Bob"')]
        text = f"Jim\tBoise\n{row(2)}\n3\t5719\tP3\tBob"
        assert outcome(records(lines, qualifier=qualifier)) == [text]
        assert outcome(records(lines, qualifier="none")) == ['"Jim', "Ann", 'Bob"']


@pytest.mark.parametrize("end", ["\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "cp1252"])
@pytest.mark.parametrize("columns", [None, HEADER, HEADER[2:]])
def test_other_dialects(end: str, encoding: str, columns: list[str] | None) -> None:
    lines = [WIDE, row(1), row(2, "'Jim"), row(3), row(4, "Bob'"), row(5, "'")]
    data = "".join(line + end for line in lines[bool(columns) :]).encode(encoding)
    dialect = Dialect.from_dict({"columns": columns, "encoding": encoding, "delimiter": "tab"})
    reader = ExportReader(gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data))), dialect=dialect, name="x")
    found = [record for record in reader if not record.problem]
    assert {tuple(record.cells) for record in found} <= {tuple(line.split("\t")) for line in lines}
    assert {"P1", "P3"} <= {record.cells[2] for record in found}


def test_one_that_never_closes_costs_no_memory_and_no_record() -> None:
    class Long(io.RawIOBase):
        """A long file, of which nobody holds more than a piece."""

        left = 40
        piece = ("".join(f"{row(n)}\n" for n in range(40_000))).encode()
        head = (f"{WIDE}\n" + row(1, '"Jim') + "\n").encode()

        def read(self, size: int = -1) -> bytes:
            if not self.head:
                self.left -= 1
                self.head = self.piece if self.left >= 0 else b""
            part, self.head = self.head[:size], self.head[size:]
            return part

    export = ExportReader(Long(), name="long")  # type: ignore[arg-type]
    kept = good = 0
    while (read := export.take(1000)) is not None:
        good += (read.problem is None) if isinstance(read, Record) else len(read.lines)
        kept = max(kept, sum(map(len, islice(export._lines.queue, 200_000))))
    assert good == 1 + 40 * 40_000
    assert kept < MAX_RECORD + 200_000


# What is in the cells says whose they are: the lines of a text hold "t", the cells of a record its number.
NICKNAMES = st.sampled_from(
    ["{}", "{}", "{}", "", '"{}', '{}"', '"{}"', '"', '""', '5" {}', '"{}" x', "'{}", "{}'"]
)
TEXTS = st.lists(
    st.sampled_from(["t", "", "t{d}t", "t{d}t{d}t", "t{d}t{d}t{d}t{d}t", "t{d}t{d}t{d}t"]), min_size=2
)


@st.composite
def exports(draw: st.DrawFn) -> tuple[list[str], dict[str, str], int]:
    """Give lines with stray qualifiers and with texts over lines, the dialect, and the column of the identifier."""
    delimiter = draw(st.sampled_from("\t,;|"))
    width = draw(st.integers(2, 6))
    names = ["external_id", "ChannelExecutionID", *"abcd"][:width]
    lines = [delimiter.join(names)]
    number = 0
    for _ in range(draw(st.sampled_from([0, 0, 99, 130, 4000]))):
        number += 1
        lines.append(delimiter.join([f"P{number}", *["x"] * (width - 1)]))
    # Where a stray one and a text meet, the text makes it a value.
    stray = number > 90 or draw(st.booleans())
    for _ in range(draw(st.integers(1, 12))):
        number += 1
        cells = [draw(NICKNAMES if stray else st.just("x")).format(f"r{number}") for _ in names]
        if not stray and draw(st.booleans()):
            text = "\n".join(draw(TEXTS)).format(d=delimiter)
            cells[draw(st.integers(1, width - 1))] = f'"r{number}{text}t"'
        spellings = ["P{}", "P{}", '"P{}', '"P{}"', 'P{}"'] if stray else ["P{}"]
        cells[0] = draw(st.sampled_from(spellings)).format(number)
        lines.append(delimiter.join(cells))
    return lines, {"delimiter": delimiter}, width


@given(export=exports(), most=st.sampled_from([1, 3, 1000]))
def test_no_text_gets_into_another_record(export: tuple[list[str], dict[str, str], int], most: int) -> None:
    lines, dialect, width = export
    try:
        found = records(lines, most=most, **dialect)
    except ExportRefusedError as refused:
        assert "dialect" in str(refused)  # noqa: PT017
        return
    numbers = []
    for record in found:
        if not record.problem:
            assert len(record.cells) == width
            own = record.cells[0].strip('"')
            assert own.startswith("P"), record
            numbers.append(int(own[1:]))
    assert numbers == sorted(set(numbers))
