"""Know a rejects file by its header row, whatever it is called and however a spreadsheet has saved it.

Above: the reader of rejects files, and what finds the report of the push that wrote one. Below: the
words in which the reader of exports tells a wrong width.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from airflow_provider_braze.blanks import cut
from airflow_provider_braze.redpoint.reading.cutting import told_width
from airflow_provider_braze.redpoint.reading.foreign import encoding_of

OWN_COLUMNS = ("_line", "_outcome", "_reason", "_column")
"""Columns that the rejects file adds in front."""

_REASON = OWN_COLUMNS[2]

_TOKEN = "_push_"
"""Begins the last name of the header row: the token of the push that wrote the file, as its report has it.

It is no column: the records have no cell for it, so that theirs stay where they are.
"""

_WHOLE_TOKEN = re.compile(rf"{_TOKEN}[0-9a-f]{{8,}}")

_BEGINNING = re.compile(r"\A(?:[._]|X(?=[._]))+")

_MADE_UP = re.compile(r"(?:Unnamed: ?|Column ?|column_?|Field_?|[XV]\.?|_duplicated_|_)\d*")
"""Names that programs make up for columns without one: pandas, Power Query, DuckDB, R, Polars."""

_INDEX = re.compile(r"Unnamed: ?\d+")

_MOST_ABOVE = 10
"""Rows among which the header row is looked for: a person or a program may have put a title above it."""

HEAD_BYTES = 1 << 16
"""Of a file, in which the header row of a rejects file lies."""

_DELIMITERS = ",;\t|"
_ESCAPE = "\\"
_LINE_END = re.compile(r"\r\n|\r|\n")


class RejectsHeader(NamedTuple):
    """The header row of a rejects file.

    :param columns: all of them, as they are written.
    :param delimiter: which the program that saved the file has put between them.
    :param token: of the push that wrote the file; None where an older version did, or somebody has deleted it.
    :param resaved: records have an empty cell below the token: a program has saved it that makes all rows as wide as
        the widest.
    :param above: how many lines stand above it.
    :param line_end: that of its own line; None where nothing follows.
    :param encoding: in which it was read; ``utf-8`` stands for every encoding that writes ASCII as it is.
    """

    columns: tuple[str, ...]
    delimiter: str
    token: str | None = None
    resaved: bool = False
    above: int = 0
    line_end: str | None = None
    encoding: str = "utf-8"

    @property
    def original(self) -> tuple[str, ...]:
        """The columns of the export."""
        return tuple(original_name(column) for column in columns_in(self.columns) if not is_own(column))

    @classmethod
    def of(cls, head: bytes) -> RejectsHeader | None:
        """Read it from the first bytes of a file; None where that is no rejects file."""
        encoding, whole = _decoded(head[:HEAD_BYTES])
        text = whole.lstrip()
        empty = len(_LINE_END.findall(whole[: len(whole) - len(text)]))
        for delimiter in _DELIMITERS:
            rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            with suppress(csv.Error):
                above = 0
                for row in islice(rows, _MOST_ABOVE):
                    columns = tuple(spelt(cell.strip()) for cell in row)
                    if is_rejects(columns):
                        token = next((column for column in columns if is_token(column)), None)
                        token = token and token.removeprefix(_TOKEN)
                        end = next(islice(_LINE_END.finditer(text), rows.line_num - 1, None), None)
                        resaved = _fill_the_token(rows, columns)
                        return cls(
                            columns, delimiter, token, resaved, empty + above, end and end[0], encoding
                        )
                    above = rows.line_num
        return None


def spelt(column: str) -> str:
    """Give one of our own names as we write it, though somebody has put blanks around it or made it upper case."""
    plain = cut(column)
    plain = plain.lower() if plain.isupper() else plain
    return plain if plain in OWN_COLUMNS or _WHOLE_TOKEN.fullmatch(plain) else column


def is_rejects(columns: tuple[str, ...]) -> bool:
    """Whether these are the columns of a rejects file, none or some of whose own were deleted."""
    columns = tuple(map(spelt, columns))
    line, *others = OWN_COLUMNS
    if _renamed_by_a_program(columns):
        return True
    found = sum(own in columns for own in others)
    if line in columns:
        return columns[0] == line or found > 0
    return found > 1 or any(map(_WHOLE_TOKEN.fullmatch, columns))


def _renamed_by_a_program(columns: tuple[str, ...]) -> bool:
    """Whether our own names stand side by side without what begins them: some programs take no underscore there.

    R makes ``X_line`` of it. Such a file is known, so that it is never pushed as an export; its names must be put back.
    """
    plain = " ".join(_BEGINNING.sub("", column).lower() for column in columns)
    return " ".join(own.removeprefix("_") for own in OWN_COLUMNS) in plain


def token_name(token: str) -> str:
    """Write a push's token as the last name of the header row."""
    return _TOKEN + token


def is_token(column: str) -> bool:
    """Whether a name of the header row is the token of the push."""
    return column.startswith(_TOKEN)


def columns_in(names: Sequence[str]) -> list[str]:
    """Give the names of a header row that are columns: not the token, and not what a program has put behind it.

    Cells that records have there are theirs all the same: surplus ones, of a record that is too wide. What a program
    has put in front, as an index of the rows, gets a name that is none of the export's.
    """
    width = len(names)
    while width > 1 and not names[width - 1].strip():
        width -= 1
    at = width - 1
    while at > 0 and _is_made_up(names[at]):
        at -= 1
    found = [*names[: at if at > 0 and is_token(spelt(names[at])) else width]]
    if not found[0].strip() or _INDEX.fullmatch(found[0].strip()):
        found[0] = "_index"
    return found


def _is_made_up(name: str) -> bool:
    return not name.strip() or _MADE_UP.fullmatch(name.strip()) is not None


def is_own(column: str) -> bool:
    """Whether a column of a rejects file is no column of the export: ours, or one that people have added."""
    return column.startswith("_")


def written_name(column: str) -> str:
    """Write the name of an export's column so that it is not taken for one of the rejects file's own."""
    return _ESCAPE + column if column.startswith(("_", _ESCAPE)) else column


def original_name(column: str) -> str:
    """Read what ``written_name`` wrote."""
    return column[1:] if column.startswith((f"{_ESCAPE}_", _ESCAPE * 2)) else column


def _fill_the_token(rows: Iterator[list[str]], columns: tuple[str, ...]) -> bool:
    """Whether a record has an empty cell below the token; of one that was too wide it may be the record's own."""
    at = len(columns) - 1
    if not is_token(columns[at]) or _REASON not in columns:
        return False
    reason, width = columns.index(_REASON), sum(not is_own(column) for column in columns)
    with suppress(csv.Error):
        return any(
            len(row) > at and not row[at].strip() and (told_width(row[reason]) or 0) <= width for row in rows
        )
    return False


def _decoded(head: bytes) -> tuple[str, str]:
    """Read text, and tell in which encoding; our own columns are ASCII, which most encodings write in the same way."""
    encoding = encoding_of(head, declared=None, name="")
    text = head.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
    return encoding, text.removeprefix("\ufeff")
