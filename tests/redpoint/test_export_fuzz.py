"""Any bytes give records or our own refusal; whatever is written well is read back exactly."""

from __future__ import annotations

import csv
import io
import re
from itertools import islice

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import ExportError
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.redpoint.reading.export_reader import ExportReader
from airflow_provider_braze.redpoint.reading.lines import LineQueue, split_lines
from airflow_provider_braze.redpoint.reading.record_scanner import RecordScanner
from airflow_provider_braze.rejects.reader import RejectsReader
from tests.redpoint.taking import taken

EXAMPLES = 300

DELIMITERS = st.sampled_from([",", "\t", "|", ";"])
LINE_ENDS = st.sampled_from(["\r\n", "\n", "\r"])
QUALIFIERS = st.sampled_from(['"', "'"])
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])

AWKWARD = st.text(st.sampled_from("\"',;|\t\r\nab1 é本\0\ufeff"), max_size=12)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.text(
    st.sampled_from("\"',;|\t\r\nab1 é本"), max_size=12
)
PIECES = st.sampled_from(
    [
        b'"',
        b"'",
        b",",
        b"\t",
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xed\xa0\x80",
        b"external_id",
        b"5719",
        b",,",
    ]
)
HEADED = st.lists(PIECES | st.binary(max_size=4), max_size=60).map(
    lambda parts: b"external_id,b,c\n" + b"".join(parts)
)
DIALECTS = st.fixed_dictionaries(
    {},
    optional={
        "delimiter": DELIMITERS | st.just("||"),
        "qualifier": st.sampled_from(["double", "single", "none"]),
        "encoding": st.sampled_from(
            ["utf-8", "utf-16", "cp1252", "utf-32", "shift_jis", "cp037", "iso2022_jp"]
        ),
        "line_end": st.sampled_from(["CRLF", "LF", "CR"]),
        "columns": st.just(("external_id", "b", "c")),
    },
)


class Trickle(io.BytesIO):
    """A file that gives as little as it likes, as network file systems do."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self.most = most

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self.most if size is None or size < 0 else min(size, self.most))


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.binary(max_size=400) | HEADED, dialect=DIALECTS)
def test_any_bytes(data: bytes, dialect: dict[str, object]) -> None:
    try:
        export = ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="fuzz")
        found = list(export)
    except ExportError:
        return
    assert [record.line for record in found] == sorted({record.line for record in found})
    assert all(record.problem or len(record.cells) == len(export.columns) for record in found)
    assert export.bytes_read == len(data)
    again = ExportReader(Trickle(data, 1), dialect=Dialect.from_dict(dialect), name="fuzz")
    assert [*islice(again, 2), *again] == found
    together = ExportReader(io.BytesIO(data), dialect=Dialect.from_dict(dialect), name="fuzz")
    assert taken(together, most=3) == found


@settings(max_examples=EXAMPLES, deadline=None)
@given(data=HEADED.map(lambda data: b"_line," + data))
def test_any_rejects_file(data: bytes) -> None:
    try:
        found = list(RejectsReader(io.BytesIO(data), name="fuzz"))
    except ExportError:
        return
    assert all(record.problem or len(record.cells) == 3 for record in found)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    text=AWKWARD | st.lists(AWKWARD, max_size=4).map('","'.join), delimiter=DELIMITERS, qualifier=QUALIFIERS
)
def test_the_fast_and_the_thorough_way_read_alike(text: str, delimiter: str, qualifier: str) -> None:
    for line_end in (None, "\r\n", "\n", "\r"):
        ways = [
            list(
                RecordScanner(
                    LineQueue(split_lines(text, line_end)),
                    delimiter=delimiter,
                    qualifier=qualifier,
                    line_end=line_end,
                    counts=counts,
                )
            )
            for counts in (False, True)
        ]
        assert ways[0] == ways[1]


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    lines=st.lists(
        AWKWARD | st.sampled_from(["a,b\r\n", '"a",b\n', '"a\n', 'b",c\r\n', "n,m\n", '5" a,b\n', "a,b,c\n"]),
        max_size=12,
    ),
    qualifier=st.sampled_from(['"', ""]),
    line_end=st.sampled_from([None, "\r\n", "\n"]),
    most=st.sampled_from([1, 2, 5, 100]),
    suspicious=st.booleans(),
)
# A stray qualifier in each of two lines: the lines may not become one record, with blanks beside a real one or without.
@example(lines=['b",c\r\n', '"'], qualifier='"', line_end=None, most=5, suspicious=False)
@example(lines=[' "c",y"\n', 'z"\n'], qualifier='"', line_end="\n", most=5, suspicious=False)
@example(lines=['"c" ,y"\n', 'z",d\n', "n,m\n"], qualifier='"', line_end=None, most=100, suspicious=False)
def test_rows_are_the_same_one_by_one_and_together(
    lines: list[str], qualifier: str, line_end: str | None, most: int, suspicious: bool
) -> None:
    ways = []
    for _ in range(2):
        queue = LineQueue(
            split_lines("".join(lines), line_end), suspicious=suspicious or "\0" in "".join(lines)
        )
        scanner = RecordScanner(queue, delimiter=",", qualifier=qualifier, line_end=line_end)
        scanner.expect(2, "the header has 2", ["n", "m"])
        ways.append(scanner)
    assert taken(ways[0], most) == list(ways[1])


def has_lines_like_records(value: str, delimiter: str) -> bool:
    """Tell whether a line of a value but its first may have an identifier and a delimiter after it."""
    _, *further = re.split("[\r\n]", value)
    return any(line.partition(delimiter)[0].strip() and delimiter in line for line in further)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.integers(2, 5).flatmap(lambda n: st.lists(st.lists(VALUES, min_size=n, max_size=n), max_size=8)),
    delimiter=DELIMITERS,
    qualifier=QUALIFIERS,
    line_end=LINE_ENDS,
    encoding=ENCODINGS,
    wrapped=st.booleans(),
    declared=st.booleans(),
    most=st.sampled_from([1, 7, 1 << 20]),
)
@example(
    rows=[["", "", ""], ["", ",\r,", ""]],
    delimiter=",",
    qualifier='"',
    line_end="\r\n",
    encoding="utf-8",
    wrapped=False,
    declared=False,
    most=1,
)
# Its second line is as wide as the header and has an identifier: that is doubt, and no value is made of it.
@example(
    rows=[["", "\n0;"]],
    delimiter=";",
    qualifier='"',
    line_end="\r\n",
    encoding="utf-8",
    wrapped=False,
    declared=True,
    most=1,
)
def test_what_is_written_well_is_read_back(
    rows: list[list[str]],
    delimiter: str,
    qualifier: str,
    line_end: str,
    encoding: str,
    wrapped: bool,
    declared: bool,
    most: int,
) -> None:
    # What nobody can tell from records of their own is for others to test: lines of a value that may be records.
    assume(
        declared
        or wrapped
        or not any(has_lines_like_records(value, delimiter) for row in rows for value in row)
    )
    names = [f"column {at}" for at in range(len(rows[0]) if rows else 3)]
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if wrapped else csv.QUOTE_MINIMAL
    writer = csv.writer(
        text, delimiter=delimiter, quotechar=qualifier, lineterminator="\r\n", quoting=quoting
    )
    written = [[f"P{at}", *row[1:]] for at, row in enumerate(rows)]
    # csv quotes each value with a CR or LF only under this line end, so the wanted one is put in afterwards.
    for row in [names, *written]:
        writer.writerow(row)
        text.seek(text.tell() - 2)
        text.truncate()
        text.write(line_end)
    given = {"delimiter": delimiter, "qualifier": qualifier, "encoding": encoding, "line_end": line_end}
    # What only the author can know: an apostrophe that qualifies now and then, a byte order without a mark.
    if not declared:
        given = {} if wrapped or qualifier == '"' else {"qualifier": qualifier}
    export = ExportReader(
        Trickle(text.getvalue().encode(encoding), most), dialect=Dialect.from_dict(given), name="fuzz"
    )
    assert export.columns == tuple(names)
    # As a push says.
    export.identified_by(0)
    assert [(record.cells, record.problem) for record in export] == [(row, None) for row in written]
    assert list(export) == []
