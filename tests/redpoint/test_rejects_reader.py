"""Rejects files as written, as mended, and as a spreadsheet saves them."""

from __future__ import annotations

import csv
import io

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.record_scanner import Record
from airflow_provider_braze.rejects.reader import RejectsReader, is_rejects
from airflow_provider_braze.rejects.rejects_header import RejectsHeader

OWN = ["_line", "_outcome", "_reason", "_column"]
NAMES = ["external_id", "first_name"]


def rejects(*rows: list[str], delimiter: str = ",", columns: list[str] = NAMES) -> RejectsReader:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([[*OWN, *columns], *rows])
    return RejectsReader(io.BytesIO(text.getvalue().encode("utf-8", "surrogateescape")), name="rejects.csv")


def test_original_lines_and_columns() -> None:
    read = rejects(
        ["17", "unknown", "no answer", "", "P1", 'A, "B"\r\nC'], ["9", "invalid", "bad", "x", "P2", "D"]
    )
    assert read.columns == ("external_id", "first_name")
    assert list(read) == [Record(17, ["P1", 'A, "B"\r\nC'], None), Record(9, ["P2", "D"], None)]
    assert read.bytes_read > 0


@pytest.mark.parametrize("surplus", [["x"], ["x", "y"], ["12", "5719"]])
def test_a_record_that_is_still_too_wide(surplus: list[str]) -> None:
    width = 2 + len(surplus)
    assert list(rejects(["4", "invalid", "too wide", "", "P1", "A", *surplus])) == [
        Record(4, ["P1", "A", *surplus], f"{width} columns where the export had 2")
    ]


def test_a_record_that_is_still_too_narrow() -> None:
    assert list(rejects(["4", "invalid", "too narrow", "", "P1"])) == [
        Record(4, ["P1"], "1 column where the export had 2")
    ]


def test_what_could_never_be_read_is_still_not_read_when_it_comes_back_unmended() -> None:
    data = b'external_id,first_name\n"P1","O"Neill"\nP2,Zo\xeb\nP3,\0\n"P4","A"\n'
    export = ExportReader(io.BytesIO(data), name="export")
    bad = [record for record in export if record.problem]
    assert [record.line for record in bad] == [2, 3, 4]
    back = list(rejects(*([str(record.line), "invalid", "", "", *record.cells] for record in bad)))
    assert [(record.line, record.cells) for record in back] == [(record.line, record.cells) for record in bad]
    assert all(record.problem for record in back)


@pytest.mark.parametrize("token", [[], ["_push_0123456789abcdef"]])
@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("1 column where the header has 2", "1 column where the export had 2"),
        ("a qualified value is not closed", "a qualified value is not closed"),
        ("it may be one value from line 3 to line 6, or so", "it may be one value from line 3 to line 6"),
    ],
)
def test_what_was_too_narrow_stays_so_as_wide_as_one_that_is_too_wide(
    reason: str, said: str, token: list[str]
) -> None:
    """It must not come back as one that was too wide, of which empty cells are taken away."""
    short = ["4", "invalid", reason, "", "P1,A"]
    wide = ["5", "invalid", "4 columns where the header has 2", "", "P2", "B", "x", "y"]
    width = len(wide)
    first, _ = rejects([*short, "", "", ""][:width], wide, columns=[*NAMES, *token])
    assert (first.line, first.cells) == (4, ["P1,A"])
    assert str(first.problem).startswith(said)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_saved_by_a_spreadsheet(delimiter: str) -> None:
    assert list(rejects(["4", "rejected", "a, b", "", "P1", "A"], delimiter=delimiter)) == [
        Record(4, ["P1", "A"], None)
    ]


def test_a_line_number_that_is_gone() -> None:
    assert [record.problem for record in rejects(["", "rejected", "", "", "P1", "A"])] == [
        "no line number in column '_line'"
    ]


@pytest.mark.parametrize(
    ("written", "line"),
    [("3.0", 3), ("3,00", 3), (" 3 ", 3), ("1e+05", 100_000), ("1.25E+5", 125_000), ("1234567.0", 1_234_567)],
)
def test_a_line_number_that_a_program_has_saved_as_a_number(written: str, line: int) -> None:
    assert list(rejects([written, "rejected", "", "", "P1", "A"])) == [Record(line, ["P1", "A"], None)]


@pytest.mark.parametrize(
    "written", ["1.234", "1,234", "1,000", "3.5", "1e-2", "1.234e2", "1e99", "-3", "3.", "1 234"]
)
def test_a_line_number_that_could_be_another_one(written: str) -> None:
    assert [record.problem for record in rejects([written, "rejected", "", "", "P1", "A"])] == [
        "no line number in column '_line'"
    ]


def test_a_line_number_of_thousands_of_digits() -> None:
    found = list(rejects(["9" * 5000, "rejected", "", "", "P1", "A"]))
    assert [(record.line, record.problem) for record in found] == [(2, "no line number in column '_line'")]


def test_an_export_is_no_rejects_file() -> None:
    assert is_rejects(("_line", "external_id"))
    with pytest.raises(ExportRefusedError, match=r"export\.txt: it is no rejects file"):
        RejectsReader(io.BytesIO(b"external_id,first_name\nP1,A\n"), name="export.txt")


class TestSavedByASpreadsheet:
    def test_in_its_own_encoding(self) -> None:
        data = f"{';'.join([*OWN, *NAMES])}\r\n4;invalid;x;;P1;Zoë\r\n".encode("cp1252")
        assert next(iter(RejectsReader(io.BytesIO(data), name="rejects.csv"))).problem is not None
        declared = Dialect(encoding="cp1252", delimiter="tab", qualifier="none", columns=("a", "b"))
        read = RejectsReader(io.BytesIO(data), name="rejects.csv", dialect=declared)
        assert list(read) == [Record(4, ["P1", "Zoë"], None)]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
    @pytest.mark.parametrize("declared", [None, "cp1252", "Unicode", "UTF8"])
    def test_in_an_encoding_that_the_file_itself_shows(self, encoding: str, declared: str | None) -> None:
        data = f"{';'.join([*OWN, *NAMES])}\r\n4;invalid;x;;P1;Zoë\r\n".encode(encoding)
        found = RejectsHeader.of(data)
        assert found is not None
        assert (found.original, found.delimiter) == (tuple(NAMES), ";")
        read = RejectsReader(io.BytesIO(data), name="rejects.csv", dialect=Dialect(encoding=declared))
        assert list(read) == [Record(4, ["P1", "Zoë"], None)]

    @pytest.mark.parametrize(
        "above", ["", "\r\n", "a title\r\n", "sep=;\r\n", "\r\nsep=;\r\n", '"a\r\nb";\r\n']
    )
    @pytest.mark.parametrize("skipped", [1, 2, 9])
    def test_below_other_lines_than_an_export(self, above: str, skipped: int) -> None:
        data = f"{above}{';'.join([*OWN, *NAMES])}\r\n4;invalid;x;;P1;A\r\n".encode()
        read = RejectsReader(
            io.BytesIO(data), name="rejects.csv", delimiter=";", dialect=Dialect(skip_lines=skipped)
        )
        assert list(read) == [Record(4, ["P1", "A"], None)]

    def test_as_it_was_written_although_the_export_had_another_encoding(self) -> None:
        data = f"{','.join([*OWN, *NAMES])}\r\n4,invalid,x,,P1,Zoë\r\n".encode()
        read = RejectsReader(io.BytesIO(data), name="rejects.csv", dialect=Dialect(encoding="cp1252"))
        assert list(read) == [Record(4, ["P1", "Zoë"], None)]

    @pytest.mark.parametrize("padding", [1, 2, 3])
    def test_empty_columns_at_the_end(self, padding: int) -> None:
        empty = [""] * padding
        rows = [["4", "invalid", "x", "", "P1", "A", *empty], ["5", "invalid", "x", "", "P2", "", *empty]]
        read = rejects(*rows, columns=[*NAMES, *empty])
        assert read.columns == tuple(NAMES)
        assert list(read) == [Record(4, ["P1", "A"], None), Record(5, ["P2", ""], None)]

    def test_a_record_that_is_too_wide_stays_so_among_empty_columns(self) -> None:
        found = list(rejects(["4", "invalid", "x", "", "P1", "A", "B", ""], columns=[*NAMES, "", ""]))
        assert found == [Record(4, ["P1", "A", "B"], "3 columns where the export had 2")]

    def test_a_line_for_it(self) -> None:
        data = f"sep=;\r\n{';'.join([*OWN, *NAMES])}\r\n4;invalid;x;;P1;A\r\n".encode()
        assert list(RejectsReader(io.BytesIO(data), name="rejects.csv")) == [Record(4, ["P1", "A"], None)]
