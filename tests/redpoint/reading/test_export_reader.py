"""The export reader against exact bytes: what is found out, what is kept, what is named, what is refused."""

from __future__ import annotations

import codecs
import io
import tracemalloc
from itertools import islice

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.export_reader import HEAD_BYTES, ExportReader
from airflow_provider_braze.redpoint.reading.lines import MAX_RECORD
from airflow_provider_braze.redpoint.reading.record_scanner import Record
from tests.redpoint.taking import taken

HEADER = "RPContactID,ChannelExecutionID,external_id,first_name"
NAMES = tuple(HEADER.split(","))


def read(data: bytes | str, **dialect: object) -> ExportReader:
    encoded = data.encode() if isinstance(data, str) else data
    return ExportReader(io.BytesIO(encoded), dialect=Dialect.from_dict(dialect), name="RPI_Export_1.txt")


def records(data: bytes | str, **dialect: object) -> list[Record]:
    return list(read(data, **dialect))


def cells(data: bytes | str, **dialect: object) -> list[list[str]]:
    found = records(data, **dialect)
    assert [record.problem for record in found] == [None] * len(found)
    return [record.cells for record in found]


def refusal(data: bytes | str, **dialect: object) -> str:
    with pytest.raises(ExportRefusedError) as refused:
        read(data, **dialect)
    assert str(refused.value).startswith("RPI_Export_1.txt: ")
    return str(refused.value)


class TestFindingOut:
    @pytest.mark.parametrize("delimiter", [",", "\t", "|", ";"])
    @pytest.mark.parametrize("line_end", ["\r\n", "\n", "\r"])
    @pytest.mark.parametrize("qualifier", ['"', "'"])
    def test_each_delimiter_line_end_and_qualifier(
        self, delimiter: str, line_end: str, qualifier: str
    ) -> None:
        q, inside = qualifier, f"a{delimiter}b{qualifier * 2}c"
        lines = [
            delimiter.join(NAMES),
            delimiter.join(f"{q}{value}{q}" for value in ("1", "2", "P1", inside)),
            delimiter.join(f"{q}{value}{q}" for value in ("1", "2", "P2", "")),
        ]
        export = read(line_end.join(lines) + line_end)
        assert list(export) == [
            Record(2, ["1", "2", "P1", f"a{delimiter}b{qualifier}c"], None),
            Record(3, ["1", "2", "P2", ""], None),
        ]
        assert export.columns == NAMES
        assert export.dialect == Dialect(
            delimiter=delimiter, qualifier=qualifier, encoding="utf-8", line_end=line_end
        )

    @pytest.mark.parametrize(
        ("mark", "encoding"),
        [
            (b"", "utf-8"),
            (codecs.BOM_UTF8, "utf-8"),
            (codecs.BOM_UTF16_LE, "utf-16-le"),
            (codecs.BOM_UTF16_BE, "utf-16-be"),
            (codecs.BOM_UTF32_LE, "utf-32-le"),
            (codecs.BOM_UTF32_BE, "utf-32-be"),
            (b"", "utf-16-le"),
            (b"", "utf-16-be"),
            (b"", "utf-32-le"),
            (b"", "utf-32-be"),
        ],
    )
    def test_each_encoding_with_and_without_a_mark(self, mark: bytes, encoding: str) -> None:
        export = read(mark + f"{HEADER}\n1,2,P1,さくら Żak 🙂\n".encode(encoding))
        assert [record.cells[3] for record in export] == ["さくら Żak 🙂"]
        assert export.columns == NAMES
        assert export.dialect.encoding == encoding

    def test_a_declared_single_byte_encoding(self) -> None:
        assert cells(f"{HEADER}\n1,2,P1,Zoë\n".encode("cp1252"), encoding="cp1252") == [
            ["1", "2", "P1", "Zoë"]
        ]

    def test_a_declared_encoding_that_may_begin_like_an_encrypted_message(self) -> None:
        assert cells("£,external_id\n1,P1\n".encode("cp1252"), encoding="cp1252") == [["1", "P1"]]

    def test_a_mark_that_contradicts_the_declared_encoding(self) -> None:
        assert "dialect['encoding'] is 'utf-8'" in refusal(codecs.BOM_UTF16_LE + b"a\0", encoding="utf-8")

    def test_commas_inside_values_do_not_make_a_comma_the_delimiter(self) -> None:
        rows = "".join(f"1|2|P{n}|Smith, John, Jr., Esq.\n" for n in range(50))
        assert read(HEADER.replace(",", "|") + "\n" + rows).dialect.delimiter == "|"

    def test_a_header_name_with_another_delimiter_in_it(self) -> None:
        export = read("external_id|City, State|zip\nP1|Boise, ID|83701\nP2|Reno, NV|89501\n")
        assert export.columns == ("external_id", "City, State", "zip")

    def test_two_delimiters_that_fit_alike_are_not_guessed(self) -> None:
        message = refusal("a,b|c,d|e\n1,2|3,4|5\n")
        assert "dialect={'delimiter': ...}" in message
        assert cells("a,b|c,d|e\n1,2|3,4|5\n", delimiter="comma") == [["1", "2|3", "4|5"]]

    @pytest.mark.parametrize("name", ["O'Neill", "'s-Hertogenbosch", "'Til Dawn'", '5" pipe', "'"])
    def test_apostrophes_and_inch_marks_are_letters(self, name: str) -> None:
        rows = [f"1,2,P1,{name}", "1,2,P2,O'Brien", '1,2,P3,"Lee, Ann"', "1,2,P4,'t Hart"]
        found = cells("\n".join([HEADER, *rows]))
        assert [row[3] for row in found] == [name, "O'Brien", "Lee, Ann", "'t Hart"]

    def test_a_single_quote_only_where_it_is_needed(self) -> None:
        found = cells(f"{HEADER}\n1,2,P1,O'Neill\n1,2,P2,'Paris, 11e'\n1,2,P3,Lee\n")
        assert [row[3] for row in found] == ["O'Neill", "Paris, 11e", "Lee"]

    def test_double_quotes_that_do_not_qualify(self) -> None:
        export = read(HEADER.replace(",", "\t") + '\n1\t2\tP1\t"Bob" Smith\n1\t2\tP2\tLee\n')
        assert [record.cells[3] for record in export] == ['"Bob" Smith', "Lee"]
        assert export.dialect.qualifier == ""

    def test_quotes_that_may_or_may_not_qualify_are_not_guessed(self) -> None:
        rows = "".join(f'1\t2\tP{n}\t"Bob" {n}\n' for n in range(9))
        message = refusal(HEADER.replace(",", "\t") + "\n" + rows + '1\t2\tP9\t"Bob"\n')
        assert "dialect={'qualifier': 'double'}" in message

    def test_a_qualifier_that_shows_only_after_what_is_looked_at(self) -> None:
        rows = [f"1,2,P{n},plain" for n in range(20_000)]
        found = cells("\n".join([HEADER, *rows, '1,2,P,"Lee, ""Ann"""']))
        assert found[-1] == ["1", "2", "P", 'Lee, "Ann"']

    def test_a_value_open_where_the_first_look_ends(self) -> None:
        rows = [f'"1","2","P{n}","two\r\nlines of {"x" * 500}"' for n in range(400)]
        export = read("\r\n".join([HEADER, *rows]))
        assert len({record.cells[3] for record in export}) == 1
        assert export.dialect.qualifier == '"'

    def test_the_first_qualified_value_open_where_the_first_look_ends(self) -> None:
        row = f"1,2,P1,{'A' * 500}\n"
        plain = row * (HEAD_BYTES // len(row) - 1)
        value = "x\n" * 10_000
        assert cells(f'{HEADER}\n{plain}1,2,P2,"{value}"\n')[-1] == ["1", "2", "P2", value]

    def test_a_header_wider_than_the_first_look(self) -> None:
        names = [f"column_number_{n}" for n in range(10_000)]
        export = read(",".join(names) + "\n" + ",".join("x" * 10_000) + "\n" + "y\n")
        assert export.columns == tuple(names)
        assert [record.problem for record in export] == [None, "1 column where the header has 10000"]

    @pytest.mark.parametrize("header", ["external_id", "External ID", '"external_id"'])
    def test_a_single_column(self, header: str) -> None:
        assert cells(f"{header}\nP1\n\nP2\n") == [["P1"], ["P2"]]

    @pytest.mark.parametrize("delimiter", [",", "\t", "|", ";"])
    @pytest.mark.parametrize("declared", [True, False], ids=["declared", "found out"])
    @pytest.mark.parametrize(
        "lines",
        [["id", "P1~", "P2~"], ["id~", "P1", "P2"], ["id~", "P1~", "P2~"], ["id~", "P1", "P2~"], ["id", "P1~", "P2"]],
        ids=",".join,
    )  # fmt: skip
    def test_a_delimiter_at_the_end_of_the_only_column(
        self, lines: list[str], declared: bool, delimiter: str
    ) -> None:
        text = "\n".join(lines).replace("~", delimiter)
        dialect = {"delimiter": delimiter} if declared else {}
        assert cells(text, **dialect) == [["P1"], ["P2"]]

    @pytest.mark.parametrize("delimiter", [",", "\t", "|", ";"])
    def test_the_only_column_with_two_delimiters_at_its_end(self, delimiter: str) -> None:
        """They are nobody's name."""
        for text in ("id\nP1~~\nP2~~\n", "id~\nP1~~\nP2~~\n"):
            assert "declare dialect=" in refusal(text.replace("~", delimiter))

    @pytest.mark.parametrize("delimiter", ["|", ";"])
    def test_the_only_column_may_hold_what_delimits_others(self, delimiter: str) -> None:
        names = [f"auth0{delimiter}1", f"auth0{delimiter}2", f"auth0{delimiter}"]
        assert cells("\n".join(["id", *names])) == [[name] for name in names]

    def test_a_delimiter_at_the_end_of_only_the_records_is_a_cell_too_many(self) -> None:
        """Of several columns: a delimiter too many may as well stand before them."""
        found = records("external_id,first_name,city\nP1,,Ann,\nP2,,Bo,\n")
        assert {record.problem for record in found} == {
            "4 columns where the header has 3; what is too many is empty"
        }
        assert "no name for column 3" in refusal("external_id,first_name,\nP1,Ann\nP2,Bo\n")

    @pytest.mark.parametrize("header", ["id", "id;", "id;b", "id;b;", "id;b;c;d"])
    @pytest.mark.parametrize("named", ["sep=;", '"sep=;"', "SEP=;;;;"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "with a BOM"])
    @pytest.mark.parametrize("dialect", [{}, {"skip_lines": 1}, {"line_end": "CRLF"}], ids=str)
    def test_a_line_that_names_the_delimiter_is_nobody_when_it_is_appended_again(
        self, header: str, named: str, mark: str, dialect: dict[str, object]
    ) -> None:
        if "skip_lines" in dialect:
            dialect = {**dialect, "delimiter": ";"}
        rows = [header.replace("id", f"P{n}") for n in range(2000)]
        parts = [[f"{mark}{named}", header, *rows[:1000]], [f"{mark}{named}", header, *rows[1000:]]]
        found = cells("\r\n".join([*parts[0], *parts[1], ""]), **dialect)
        assert [row[0] for row in found] == [f"P{n}" for n in range(2000)]

    def test_a_delimiter_that_is_not_looked_for(self) -> None:
        assert "dialect={'delimiter': ...}" in refusal("external_id~zip\nP1~01520\n")
        assert "dialect={'delimiter': ...}" in refusal("external_id zip\nP1 01520\nP2 01521\n")
        assert "dialect={'delimiter': ...}" in refusal("external_id,zip\nP1,01520\n", delimiter="|")
        assert cells("external_id~zip\nP1~01520\n", delimiter="~") == [["P1", "01520"]]
        assert cells('id||zip\n"P""|"||01520\n', delimiter="||") == [['P"|', "01520"]]


class TestTheTwoValuesInFront:
    def test_named_in_the_header(self) -> None:
        assert read("rp_contact_id,Channel Execution ID,external_id\n1,2,P1\n").columns[0] == "rp_contact_id"

    @pytest.mark.parametrize("header", ["external_id", "external_id,output_name"])
    def test_not_named_in_the_header(self, header: str) -> None:
        values = ["P1", "Spring"][: header.count(",") + 1]
        export = read(f"{header}\n1,5723,{','.join(values)}\n9,5723,{','.join(values)}\nP1\n")
        assert export.columns == ("RPContactID", "ChannelExecutionID", *header.split(","))
        found = list(export)
        assert [record.cells for record in found[:2]] == [["1", "5723", *values], ["9", "5723", *values]]
        width = len(values)
        assert found[2].problem == f"1 column where the header has {width} and RPI puts 2 in front"

    def test_two_stray_delimiters_are_not_these_values(self) -> None:
        export = read("external_id,first_name,zip\nP1,A,B,C,01520\n")
        assert export.columns == ("external_id", "first_name", "zip")
        assert [record.problem for record in export] == ["5 columns where the header has 3"]


class TestColumns:
    def test_declared_columns_of_a_headerless_export(self) -> None:
        assert cells("1\t2\tP1\tA\n", columns=NAMES) == [["1", "2", "P1", "A"]]
        export = read("1\t2\tP1\tA\n", columns=NAMES[2:])
        assert export.columns == NAMES
        assert [record.line for record in export] == [1]

    @pytest.mark.parametrize("header", [HEADER, HEADER.upper(), "external ID,First Name"])
    def test_a_header_row_although_columns_are_declared(self, header: str) -> None:
        export = read(f"{header}\n1,2,P1,A\n", columns=["external_id", "first_name"])
        assert list(export) == [Record(2, ["1", "2", "P1", "A"], None)]
        assert len(export.columns) == 4

    def test_declared_columns_that_no_delimiter_gives(self) -> None:
        message = refusal("1,2,P1,A\n3,4,P2,B\n", columns=["external_id", *"abcdefg"])
        assert "8 declared columns" in message

    @pytest.mark.parametrize("header", ["external_id,External ID", "a,b,A ", "x,x"])
    def test_a_doubled_name(self, header: str) -> None:
        first, last = header.split(",")[0], header.split(",")[-1]
        message = refusal(f"{header}\n")
        assert repr(first) in message
        assert repr(last) in message
        assert "'Header row'" in message

    def test_a_nameless_column(self) -> None:
        assert "no name for column 3, 5" in refusal("a,b,,c, \n1,2,3,4,5\n")

    def test_a_doubled_declared_name(self) -> None:
        assert "'zip' and 'ZIP'" in refusal("1,2\n", columns=["zip", "ZIP"])

    @pytest.mark.parametrize("data", ["", "\n\r\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE])
    def test_empty(self, data: bytes | str) -> None:
        assert "it is empty: no header row" in refusal(data)
        assert records(data, columns=["external_id", "zip"]) == []

    @pytest.mark.parametrize(
        "data", [HEADER, HEADER + "\r\n", codecs.BOM_UTF8 + HEADER.encode(), f"\n{HEADER}\n\n"]
    )
    def test_a_header_only(self, data: bytes | str) -> None:
        export = read(data)
        assert export.columns == NAMES
        assert list(export) == []

    def test_the_header_row_again_after_an_append(self) -> None:
        again = codecs.BOM_UTF8 + f"{HEADER}\n1,2,P1,A\n".encode()
        assert [(record.line, record.cells[2]) for record in records(again + again)] == [(2, "P1"), (4, "P1")]


class TestLinesBeforeTheHeader:
    @pytest.mark.parametrize("skipped", [1, 3])
    @pytest.mark.parametrize("columns", [None, NAMES])
    def test_skipped(self, skipped: int, columns: object) -> None:
        title = ["Spring, 2026", '"not closed', ""][:skipped]
        lines = [*title, *([] if columns else [HEADER]), "1,2,P1,A"]
        found = records("\n".join(lines), skip_lines=skipped, columns=columns)
        assert found == [Record(len(lines), ["1", "2", "P1", "A"], None)]

    def test_more_than_there_are(self) -> None:
        assert "it is empty" in refusal(f"{HEADER}\n", skip_lines=7)

    @pytest.mark.parametrize(
        ("line", "delimiter"),
        [("sep=;", ";"), ('"sep=;"', ";"), ("SEP=\t", "\t"), ("sep=~", "~"), ("sep=;;;", ";")],
    )
    def test_a_line_that_names_the_delimiter(self, line: str, delimiter: str) -> None:
        rows = [HEADER.replace(",", delimiter), "1,2,P1,A|B".replace(",", delimiter)]
        assert records("\r\n".join([line, *rows])) == [Record(3, ["1", "2", "P1", "A|B"], None)]

    def test_the_declared_delimiter_counts(self) -> None:
        assert cells("sep=;\na;b,c\n1;2,3\n", delimiter=",") == [["1;2", "3"]]

    @pytest.mark.parametrize(
        "title",
        [
            ["# made by hand"],
            ["Spring 2026", "", "Loyalty"],
            ["# a", "# b, c"],
            ["Spring 2026", ""],
            ["Spring 2026", "", "", "made by hand", "", ""],
            ["", "", "Spring 2026", ""],
            ["Spring 2026", *[""] * 30],
            [*[""] * 30, "Spring 2026"],
            ["sep=,", "Spring 2026"],
            ["sep=,", "", "Spring 2026", ""],
            ["Spring 2026", "sep=,", ""],
        ],
    )
    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_a_title_that_nobody_declared(self, title: list[str], line_end: str) -> None:
        rows = [HEADER, "1,2,P1,A", "1,2,P2,B"]
        message = refusal(line_end.join([*title, *rows]))
        assert f"stands in line {len(title) + 1}, " in message
        assert f"dialect={{'skip_lines': {len(title)}}}" in message
        # What it asks for helps.
        found = records(line_end.join([*title, *rows]), skip_lines=len(title))
        assert [record.line for record in found] == [len(title) + 2, len(title) + 3]

    def test_empty_lines_above_the_line_that_names_the_delimiter(self) -> None:
        assert records(f"\n\nsep=~\n\n{HEADER}\n1,2,P1,A".replace(",", "~")) == [
            Record(6, ["1", "2", "P1", "A"], None)
        ]

    def test_a_title_padded_by_a_spreadsheet(self) -> None:
        assert "'skip_lines'" in refusal(f"Spring,,,\n{HEADER}\n1,2,P1,A\n")


class TestADelimiterAtTheEnd:
    @pytest.mark.parametrize("delimiter", [",", "\t", "|", ";"])
    def test_of_header_and_rows(self, delimiter: str) -> None:
        rows = [HEADER, "1,2,P1,A", '"1","2","P2","a\nb"', "1,2,P3,", '"1","2","P4,","x,"']
        export = read("".join(f"{row},\n" for row in rows).replace(",", delimiter))
        assert export.columns == NAMES
        assert [record.cells[2:] for record in export] == [
            ["P1", "A"], ["P2", "a\nb"], ["P3", ""], [f"P4{delimiter}", f"x{delimiter}"],
        ]  # fmt: skip

    def test_of_rows_without_a_header(self) -> None:
        assert cells("1,2,P1,A,\n1,2,P2,,\n", columns=NAMES) == [["1", "2", "P1", "A"], ["1", "2", "P2", ""]]
        assert cells("1,2,P1,\n1,2,P2,\n", columns=NAMES) == [["1", "2", "P1", ""], ["1", "2", "P2", ""]]

    @pytest.mark.parametrize("delimiter", [",", "\t", "::"])
    @pytest.mark.parametrize("columns", [None, NAMES, NAMES[2:]], ids=["header", "columns", "in front"])
    def test_of_records_most_of_whose_lines_end_within_a_value(self, delimiter: str, columns: object) -> None:
        rows = [["1", "2", "P1", "a\n\nb\nc"], ["1", "2", "P2", "d\r\ne\r\nf"], ["1", "2", "P3", "g\n\n\nh"]]
        text = "" if columns else delimiter.join(NAMES) + delimiter + "\n"
        for row in rows:
            text += delimiter.join(f'"{cell}"' for cell in row) + delimiter + "\n"
        assert cells(text, columns=columns, delimiter=delimiter) == rows

    @pytest.mark.parametrize("delimiter", [",", "\t", "|", ";"])
    def test_of_one_column(self, delimiter: str) -> None:
        assert cells("external_id,\nP1,\nP2,\n".replace(",", delimiter)) == [["P1"], ["P2"]]

    def test_a_nameless_column_with_values_is_one(self) -> None:
        assert "no name for column 3" in refusal("a,b,\n1,2,3\n4,5,6\n")

    def test_a_stray_delimiter_makes_a_record_too_wide(self) -> None:
        found = records("external_id,name,city,\nP1,Smith, John,,\nP2,A,B,\n")
        assert [record.problem is None for record in found] == [False, True]


class TestWhatAFileIs:
    @pytest.mark.parametrize(
        "first", ["{6F96-11}", "[external_id]", "<segment>", "[1]", "<b", "{x: 1}", "{", "<>"]
    )
    @pytest.mark.parametrize("columns", [None, ["id", "external_id"]])
    def test_a_bracket_at_the_beginning_is_no_other_format(self, first: str, columns: object) -> None:
        assert cells(f"{first}\texternal_id\n1\tP1\n", columns=columns)[-1] == ["1", "P1"]

    @pytest.mark.parametrize("first", ['{"a": 1}', '["a"]', "<a>b</a>"])
    def test_a_declared_dialect_is_believed(self, first: str) -> None:
        assert "declare dialect={'delimiter': ...}" in refusal(f"{first}\tP1\n{first}\tP2\n")
        wanted = [[first, "P1"], [first, "P2"]]
        assert cells(f"{first}\tP1\n{first}\tP2\n", columns=["x", "external_id"], qualifier="none") == wanted

    @pytest.mark.parametrize("char", "£Á„…Œ")
    def test_an_ansi_header_is_no_encrypted_message(self, char: str) -> None:
        data = f"{char}rea\texternal_id\n1\tP1\n".encode("cp1252")
        assert "dialect={'encoding': ...}" in refusal(data)
        assert cells(data, encoding="cp1252") == [["1", "P1"]]
        assert records(data, columns=["x", "external_id"])[1].cells == ["1", "P1"]


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "hint"),
        [
            (b"PK\x03\x04\x14\0\0\0", "zip"),
            (b"\x1f\x8b\x08\0\0\0", "gzip"),
            (b"-----BEGIN PGP MESSAGE-----\n\nabc", "PGP"),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\r\nVersion: 1\r\n", "PGP"),
            (b"BZh91AY&SYC!abc\0", "bzip2"),
            (b"BZh11AY&SY\0", "bzip2"),
            (b"\x85\x02\x0c\x03abc\n\xff", "PGP"),
            (b"\xa3\x01\x5b\xd9abc", "PGP"),
            (b'{"external_id": "P1"}\n', "Delimited"),
            (codecs.BOM_UTF8 + b' \n [{"external_id": "P1"}]', "Delimited"),
            (b'<?xml version="1.0"?>\n<rows/>', "XML"),
            (b"P0001     Bob       Lee       01520\nP0002     Ann       Li        01521\n", "fixed-width"),
            (b"external_id first_name\nP0001       Bob       \nP0002       Ann\n", "fixed-width"),
            (b"\x7fELF\x02\x01\x01" + bytes(40) + b"\n" + bytes(range(256)), "NUL"),
            ("straße,zip\nP1,01520\n".encode("cp1252"), "dialect={'encoding': ...}"),
            (
                b'"external_id,zip\nP1,01520\n',
                "the header row cannot be read: a qualified value is not closed",
            ),
            (b"x" * (MAX_RECORD + 2), "no line ends"),
            (b"\n" * (MAX_RECORD + 200_000), "no line ends"),
        ],
    )
    def test_what_is_no_export_says_what_to_change(self, data: bytes, hint: str) -> None:
        assert hint in refusal(data)

    @pytest.mark.parametrize("name", ["BZh91AY", "-----BEGIN PGP", "-----BEGIN PGP MESSAGE-----", "%PDF-1.7"])
    def test_a_cell_that_is_written_like_the_beginning_of_one_is_a_cell(self, name: str) -> None:
        assert read(f"{name},external_id\n1,P1\n").columns == (name, "external_id")
        assert cells(f"{name},P1\n", columns=["x", "external_id"]) == [[name, "P1"]]

    def test_a_name_like_a_zip_is_no_zip(self) -> None:
        assert read("PK_ID,external_id\n1,P1\n").columns == ("PK_ID", "external_id")


class TestLines:
    def test_line_ends_inside_qualified_values_are_kept_and_counted(self) -> None:
        found = records(f'{HEADER}\r\n1,2,"P\r\n1","a\nb\rc"\r\n\r\n1,2,P2,d\r\n')
        assert found == [
            Record(2, ["1", "2", "P\r\n1", "a\nb\rc"], None),
            Record(7, ["1", "2", "P2", "d"], None),
        ]

    def test_a_raw_line_end_makes_two_bad_records(self) -> None:
        found = records(f"{HEADER}\r\n1,2,P1,Salt Lake\nCity\r\n1,2,P2\nx,A\r\n1,2,P3,A\r\n")
        assert [(record.line, record.problem) for record in found] == [
            (2, None),
            (3, "1 column where the header has 4"),
            (4, "3 columns where the header has 4"),
            (5, "2 columns where the header has 4"),
            (6, None),
        ]

    @pytest.mark.parametrize(("line_end", "other"), [("\r\n", "\n"), ("\n", "\r"), ("\r", "\n")])
    def test_only_a_declared_line_end_ends_a_line(self, line_end: str, other: str) -> None:
        rows = [HEADER, f"1,2,P1,a{other}b", f'1,2,"P,2",a{other}b', "1,2,P3,c"]
        assert cells(line_end.join(rows), line_end=line_end) == [
            ["1", "2", "P1", f"a{other}b"],
            ["1", "2", "P,2", f"a{other}b"],
            ["1", "2", "P3", "c"],
        ]

    def test_a_carriage_return_before_a_declared_line_feed_is_kept(self) -> None:
        assert cells(f"{HEADER}\n1,2,P1,a\r\n", line_end="LF") == [["1", "2", "P1", "a\r"]]
        assert cells(f'{HEADER}\n1,2,"P,1",a\r\n', line_end="LF") == [["1", "2", "P,1", "a\r"]]

    @pytest.mark.parametrize("line_end", [None, "CRLF"])
    @pytest.mark.parametrize("other", "\v\f\x1c\x1d\x1e\x85\u2028\u2029")
    def test_what_ends_a_line_only_elsewhere_is_a_character(self, line_end: str | None, other: str) -> None:
        rows = [HEADER, f"1,2,P1,a{other}b", f"1,2,P2,{other}"]
        assert cells("\r\n".join(rows), line_end=line_end) == [
            ["1", "2", "P1", f"a{other}b"],
            ["1", "2", "P2", other],
        ]

    @pytest.mark.parametrize("line_end", [None, "CRLF"])
    def test_line_ends_across_chunks(self, line_end: str | None) -> None:
        class ByteByByte(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                return super().read(size if self.tell() < HEAD_BYTES else 1)

        rows = [f"1,2,P{n % 10},{'x' * 117}" for n in range(600)]
        file = ByteByByte("\r\n".join([HEADER, *rows]).encode())
        found = list(ExportReader(file, dialect=Dialect(line_end=line_end), name="slow"))
        assert [record.line for record in found] == list(range(2, 602))
        assert {(len(record.cells[3]), record.problem) for record in found} == {(117, None)}

    def test_progress(self) -> None:
        data = (HEADER + "\n" + "1,2,P1,A\n" * 100_000).encode()
        export = read(data)
        assert export.bytes_read <= 128 * 1024
        assert sum(1 for _ in export) == 100_000
        assert export.bytes_read == len(data)

    def test_iterating_goes_on_where_it_was_left(self) -> None:
        export = read(HEADER + "\n" + "".join(f"1,2,P{n},A\n" for n in range(10)))
        assert [record.cells[2] for record in islice(export, 4)] == ["P0", "P1", "P2", "P3"]
        assert [(record.line, record.cells[2]) for record in islice(export, 2)] == [(6, "P4"), (7, "P5")]


class TestBadRecords:
    def test_a_wrong_width_keeps_its_cells(self) -> None:
        assert records(f"{HEADER}\n1,2,P1\n1,2,P2,A,B\n1,2,P3,A\n") == [
            Record(2, ["1", "2", "P1"], "3 columns where the header has 4"),
            Record(3, ["1", "2", "P2", "A", "B"], "5 columns where the header has 4"),
            Record(4, ["1", "2", "P3", "A"], None),
        ]

    def test_an_undoubled_qualifier_costs_one_record(self) -> None:
        line = '"1","2","P1","O"Neill"'
        assert records(f'{HEADER}\n{line}\n"1","2","P2","A"\n') == [
            Record(2, [line], "a qualifier inside a qualified value is not doubled"),
            Record(3, ["1", "2", "P2", "A"], None),
        ]
        assert (
            records(f"{HEADER}\n{line}\n")[0].problem == "a qualifier inside a qualified value is not doubled"
        )

    @pytest.mark.parametrize("later", ['1,2,"P,9",B', "1,2,P9,B", '1,2,P9,"two\nlines"'])
    def test_an_open_qualifier_costs_one_record(self, later: str) -> None:
        rows = [f"1,2,P{n},A" for n in range(5)]
        found = records("\n".join([HEADER, '1,2,P1,"x, y"', '1,2,P,"open', *rows, later, "1,2,P10,C"]))
        bad = [record for record in found if record.problem]
        assert [(record.line, record.cells) for record in bad] == [(3, ['1,2,P,"open'])]
        assert len(found) == 9
        assert found[-1].cells == ["1", "2", "P10", "C"]

    def test_an_open_qualifier_is_not_followed_for_ever(self) -> None:
        rows = "1,2,P1,A\n" * (MAX_RECORD // 8)
        found = read(f'{HEADER}\n1,2,"P,1",A\n1,2,P1,"open\n{rows}')
        assert sum(record.problem is None for record in found) == 1 + MAX_RECORD // 8

    def test_lines_that_look_in_vain_do_so_once(self) -> None:
        # Each line closes the value of the line before and opens another; the last spoils them all.
        rows = 'x","y\n' * 100_000
        found = records(f'{HEADER}\n1,2,"P,1",A\n1,2,P1,"open\n{rows}1,2,P1,"A"B"\n')
        assert len(found) == 100_003

    @pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
    def test_an_undecodable_byte_is_kept(self, encoding: str) -> None:
        found = records(f"{HEADER}\n1,2,P1,A\n".encode() + b"1,2,P2,Zo\xeb\n1,2,P3,B\n", encoding=encoding)
        assert [record.problem is None for record in found] == [True, False, True]
        assert found[1].problem == f"a byte that is not {encoding}; is dialect['encoding'] right?"
        assert found[1].cells[3].encode("utf-8", "surrogateescape") == b"Zo\xeb"

    @pytest.mark.parametrize(("encoding", "lone"), [("utf-16-le", b"\x00\xd8"), ("utf-16-be", b"\xd8\x00")])
    def test_a_lone_surrogate(self, encoding: str, lone: bytes) -> None:
        data = f"{HEADER}\n1,2,P1,".encode(encoding) + lone + "\n1,2,P2,A\n".encode(encoding)
        found = records(data)
        assert [record.problem is None for record in found] == [False, True]
        assert found[0].cells[3] == "\udcff"

    def test_half_a_character_at_the_end(self) -> None:
        assert records(f"{HEADER}\n1,2,P1,é".encode()[:-1])[0].problem is not None
        assert records(f"{HEADER}\n1,2,P1,A".encode("utf-16")[:-1])[0].problem is not None

    @pytest.mark.parametrize("row", ["1,2,P\0,A", '1,2,"P,\0",A', '"1","2","P\n\0","A"'])
    def test_a_nul(self, row: str) -> None:
        found = records(f'{HEADER}\n1,2,"P,1",A\n{row}\n1,2,P2,A\n')
        assert [record.problem for record in found] == [None, "a NUL character", None]

    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("content", ["x", ",", '"', '",'])
    def test_an_endless_line_costs_one_record_and_little_memory(self, line_end: str, content: str) -> None:
        class Endless(io.RawIOBase):
            """64 MiB of one line between good records, without ever being in memory as a whole."""

            def __init__(self) -> None:
                start = f"{HEADER}{line_end}1,2,P1,A{line_end}" + f"1,2,P1,A{line_end}" * 8
                middle = (content * 2**20)[: 2**20]
                self.parts = [
                    start.encode(),
                    *[middle.encode()] * 64,
                    f"{line_end}1,2,P2,A{line_end}".encode(),
                ]

            def read(self, size: int = -1) -> bytes:
                if not self.parts:
                    return b""
                part, rest = self.parts[0][:size], self.parts[0][size:]
                self.parts[:1] = [rest] if rest else []
                return part

        tracemalloc.start()
        export = ExportReader(Endless(), name="endless")  # type: ignore[arg-type]
        found = list(export)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        bad = [record for record in found if record.problem]
        assert [(record.line, record.cells) for record in bad] == [(11, [])]
        assert bad[0].problem == "longer than 4,194,304 characters"
        assert found[-1] == Record(12, ["1", "2", "P2", "A"], None)
        assert peak < 100 * 2**20


def test_a_record_is_cut_alike_before_and_after_its_export_has_changed() -> None:
    """Blanks and a line end at the start of a value look like blanks in front of it, once nothing is usual any more."""
    wrapped = [f'"P{n}"\t"5"" pipe"\t" \r\nb"' for n in range(40)]
    rows = [*wrapped, "P40\tx\ty", *(f'P{n}\t"x"\ty' for n in range(41, 44))]
    data = "\r\n".join(["external_id\tsize\tnote", *rows, ""]).encode()

    found = taken(read(data, line_end="CRLF"), 10)

    assert [record.cells[2] for record in found] == [*[" \r\nb"] * 40, *["y"] * 4]
