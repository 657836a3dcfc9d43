"""Know a rejects file by its header row, whatever it is called and however a spreadsheet has saved it.

Above: the reader of rejects files, and what finds the report of the push that wrote one. Below: nothing.
"""

from __future__ import annotations

import codecs
import csv
import io
from typing import NamedTuple

OWN_COLUMNS = ("_line", "_outcome", "_reason", "_column")
"""Columns that the rejects file adds in front."""

HEAD_BYTES = 1 << 16
"""Of a file, in which the header row of a rejects file lies."""

_DELIMITERS = ",;\t|"
_ESCAPE = "\\"
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class RejectsHeader(NamedTuple):
    """The header row of a rejects file.

    :param columns: all of them, as they are written.
    :param delimiter: which the program that saved the file has put between them.
    """

    columns: tuple[str, ...]
    delimiter: str

    @property
    def original(self) -> tuple[str, ...]:
        """The columns of the export."""
        return tuple(original_name(column) for column in self.columns if not is_own(column))

    @classmethod
    def of(cls, head: bytes) -> RejectsHeader | None:
        """Read it from the first bytes of a file; None where that is no rejects file."""
        text = _decoded(head[:HEAD_BYTES])
        first, _, rest = text.partition("\n")
        if first.strip().lower().startswith("sep="):  # for spreadsheets
            text = rest
        for delimiter in _DELIMITERS:
            try:
                row = next(csv.reader(io.StringIO(text.lstrip(), newline=""), delimiter=delimiter))
            except (csv.Error, StopIteration):
                continue
            columns = tuple(cell.strip() for cell in row)
            if is_rejects(columns):
                return cls(columns, delimiter)
        return None


def is_rejects(columns: tuple[str, ...]) -> bool:
    """Whether these are the columns of a rejects file, none or some of whose own were deleted."""
    line, *others = OWN_COLUMNS
    return line in columns and (columns[0] == line or any(own in columns for own in others))


def is_own(column: str) -> bool:
    """Whether a column of a rejects file is no column of the export: ours, or one that people have added."""
    return column.startswith("_")


def written_name(column: str) -> str:
    """Write the name of an export's column so that it is not taken for one of the rejects file's own."""
    return _ESCAPE + column if column.startswith(("_", _ESCAPE)) else column


def original_name(column: str) -> str:
    """Read what ``written_name`` wrote."""
    return column[1:] if column.startswith((f"{_ESCAPE}_", _ESCAPE * 2)) else column


def _decoded(head: bytes) -> str:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return head[len(bom) :].decode(encoding, "replace")
    # Our own columns are ASCII, which every other encoding of a spreadsheet writes in the same way.
    return head.decode("utf-8", "surrogateescape")
