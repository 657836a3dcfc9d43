"""The header row: the names of an export's columns, and the two values that RPI puts in front of each row.

Above: the reader, and whoever compares names of columns. Below: lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.reading.lines import is_readable

PREPENDED = ("RPContactID", "ChannelExecutionID")
"""What RPI adds at the beginning of each row; whether its header row names them is not documented."""

_GAPS = re.compile(r"[\s_]+")


@lru_cache(maxsize=4096)
def normalised(name: str) -> str:
    """Spell a column or attribute name as it is compared: ``External ID`` and ``external_Id`` are one name."""
    return _GAPS.sub("_", name.strip()).casefold()


def same_names(some: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two rows of names are the same, however they are spelt."""
    return list(map(normalised, some)) == list(map(normalised, others))


def lacks_prepended(header: Sequence[str]) -> bool:
    """Whether a header names neither of the two values that RPI puts in front."""
    known = {name.casefold() for name in PREPENDED}
    return not any(_GAPS.sub("", name).casefold() in known for name in header)


def check_names(header: Sequence[str], *, name: str, declared: bool) -> None:
    """Refuse a header that does not name each column once.

    :raises ExportRefusedError: naming the columns.
    """
    hint = (
        ""
        if declared
        else (
            "; is the first row a header row? In RPI, switch on 'Header row' in the export template, "
            "or declare the names in dialect={'columns': [...]}; lines above it are left out with 'skip_lines'"
        )
    )
    nameless = [str(at) for at, column in enumerate(header, 1) if not column.strip()]
    if nameless:
        raise ExportRefusedError(f"{name}: no name for column {', '.join(nameless[:10])}{hint}")
    seen: dict[str, str] = {}
    for column in header:
        key = normalised(column)
        if key in seen:
            raise ExportRefusedError(f"{name}: the columns {seen[key]!r} and {column!r} have one name{hint}")
        seen[key] = column


def check_readable(row: str, *, name: str, encoding: str) -> None:
    """Refuse a header row that is no text in the encoding of the export.

    :raises ExportRefusedError: naming the encoding.
    """
    if "\0" in row:
        raise ExportRefusedError(
            f"{name}: NUL characters in the first row: this is no text in {encoding}; "
            "declare dialect={'encoding': ...} if it is text in another encoding"
        )
    if not is_readable(row):
        raise ExportRefusedError(
            f"{name}: the first row is not {encoding}; set Encoding to UTF8 in the RPI export template, "
            "or declare dialect={'encoding': ...}"
        )
