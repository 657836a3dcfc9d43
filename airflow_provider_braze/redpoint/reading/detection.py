"""Find out an export's delimiter and qualifier, by which of them make the rows as wide as the header.

Counting characters would mislead: a qualified value may hold any number of commas, and an apostrophe is more often
a letter of a name than a qualifier.

Above: the reader. Below: the header, and records as each guess cuts them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.redpoint.dialect import DELIMITERS, Dialect
from airflow_provider_braze.redpoint.reading.header import PREPENDED, lacks_prepended, same_names
from airflow_provider_braze.redpoint.reading.lines import LineQueue
from airflow_provider_braze.redpoint.reading.record_scanner import RecordScanner

_ROWS = 1_000
_MOST_TITLES = 10
# How much better the best delimiter must fit than the second best to be clear.
_CLEARLY = 1.5
_ONE_NAME = re.compile(r"[\w.$-]+( [\w.$-]+)*")


@dataclass(slots=True)
class Reading:
    """What the first rows look like, read with one delimiter and one qualifier."""

    delimiter: str
    qualifier: str
    ends_in_delimiter: bool = False
    width: int = 0
    header: list[str] = field(default_factory=list)
    has_header_row: bool = False
    has_wrapped_header: bool = False
    widths: Counter[int] = field(default_factory=Counter)
    rows: int = 0
    # Rows two wider than the header that show an execution ID where RPI would have put it.
    prepended_rows: int = 0
    # Records with a qualified value, such values, and records whose qualifiers do not add up; those of them in which
    # one line is enough to see it. Where a value would go on over lines, each is decided for itself.
    qualified: int = 0
    qualified_values: int = 0
    troubled: int = 0
    troubled_alone: int = 0
    wrapped_in_trouble: int = 0

    @property
    def prepended(self) -> bool:
        """Whether rows begin with the two values that RPI puts in front, and the header does not name them."""
        return self.prepended_rows > self.widths[self.width]

    @property
    def full_width(self) -> int:
        """How many cells a record should have."""
        return self.width + len(PREPENDED) * self.prepended

    @property
    def fitting(self) -> int:
        """How many rows are as wide as they should be."""
        return self.prepended_rows if self.prepended else self.widths[self.width]

    @property
    def share(self) -> float:
        """The share of rows that are as wide as they should be."""
        return self.fitting / self.rows if self.rows else 0.0

    @property
    def score(self) -> float:
        """How well this explains the rows; 0 when it cuts nothing."""
        if not self.width:
            return 0.0
        share = self.share if self.rows else float(self.has_header_row)
        # A header row says something even when all rows under it are broken.
        return (self.full_width - 1) * (share + 0.05 * self.has_header_row)


def find_out(
    lines: Sequence[str],
    dialect: Dialect,
    *,
    name: str,
    whole: bool,
    prepended: bool = True,
    trim: bool = True,
    skipped: int = 0,
) -> Reading:
    """Choose the delimiter and the qualifier that are not declared.

    :param lines: the first lines of the export.
    :param dialect: what is declared.
    :param name: of the export, for messages.
    :param whole: whether these are all its lines.
    :param prepended: whether RPI may have put two values in front of each row.
    :param trim: pass over blanks around a qualified value.
    :param skipped: how many lines stand before the first of these.
    :raises ExportRefusedError: when they are not clear.
    """
    try:
        return _find_out(lines, dialect, name=name, whole=whole, prepended=prepended, trim=trim)
    except ExportRefusedError as refused:
        titles = _titles(lines, dialect, name=name, trim=trim) if dialect.skip_lines is None else 0
        if not titles:
            raise
        raise ExportRefusedError(
            f"{name}: what looks like the header row stands in line {skipped + titles + 1}, below a title or comments; "
            f"declare dialect={{'skip_lines': {skipped + titles}}}"
        ) from refused


def _find_out(
    lines: Sequence[str], dialect: Dialect, *, name: str, whole: bool, prepended: bool, trim: bool
) -> Reading:
    def scan(queue: LineQueue, delimiter: str, qualifier: str, *, ends: bool) -> RecordScanner:
        return RecordScanner(
            queue,
            delimiter=delimiter,
            qualifier=qualifier,
            line_end=dialect.line_end,
            counts=True,
            trim=trim,
            ends_in_delimiter=ends,
        )

    def read(delimiter: str, qualifier: str) -> Reading:
        ends = _may_end_in(lines, delimiter, dialect.columns) and _end_in(
            scan(_FirstLines(lines), delimiter, qualifier, ends=False), delimiter, dialect.columns
        )
        queue = _FirstLines(lines)
        scanner = scan(queue, delimiter, qualifier, ends=ends)
        reading = Reading(delimiter, qualifier, ends_in_delimiter=ends)
        _read(reading, scanner, dialect, is_cut_off=lambda: queue.ran_out and not whole, prepended=prepended)
        return reading

    delimiters = [dialect.delimiter] if dialect.delimiter else list(DELIMITERS.values())
    readings = [_best_qualifier(read, delimiter, dialect.qualifier) for delimiter in delimiters]
    # Of one column, all there is to see of a delimiter is that it ends each record.
    best, *others = sorted(
        readings, key=lambda reading: (reading.score, reading.ends_in_delimiter), reverse=True
    )
    if not best.width:
        # Its header row cannot be read with any delimiter, and whoever reads it next says why.
        return best
    if not best.score:
        _check_single_column(best, lines, name, dialect)
    if best.score and others and best.score < _CLEARLY * others[0].score:
        raise ExportRefusedError(
            f"{name}: its first rows fit {_named(best.delimiter)} as well as {_named(others[0].delimiter)} "
            "as delimiter; say which in dialect={'delimiter': ...}"
        )
    _check_qualifier(best, dialect, name)
    return best


def _titles(lines: Sequence[str], dialect: Dialect, *, name: str, trim: bool) -> int:
    """Count the first lines without which an export would be clear: a title or comments, and empty lines."""
    written = [at for at, line in enumerate(lines) if line.strip("\r\n")]
    for skipped in written[1 : _MOST_TITLES + 1]:
        with suppress(ExportRefusedError):
            found = _find_out(lines[skipped:], dialect, name=name, whole=False, prepended=True, trim=trim)
            widest = max(line.count(found.delimiter) for line in lines[:skipped]) + 1
            if widest < found.full_width and found.rows and found.share == 1.0:
                return skipped
    return 0


def _may_end_in(lines: Sequence[str], delimiter: str, columns: Sequence[str] | None) -> bool:
    """Whether a delimiter may end the records, which takes less time to see than to read them."""
    texts = (text for line in lines[:_ROWS] if (text := line.rstrip("\r\n")))
    if columns is None:
        # A value of a first record may go on over the next line; a header row seldom has one.
        header = next(texts, "")
        if delimiter in header:
            return header.endswith(delimiter)
    return any(text.endswith(delimiter) for text in texts)


def _end_in(scanner: RecordScanner, delimiter: str, columns: Sequence[str] | None) -> bool:
    """Whether a delimiter at a record's end makes no cell: the header row has one too many, and so have the records.

    Records may do without it. And where there is one column, the header row may: of more columns, nobody could say that
    a record with one cell too many is not a column off.
    """
    records = (record.cells for record in islice(scanner, _ROWS))
    first = next(records, [])
    last = first[-1] if first else ""
    if columns is None and len(first) == 1 and delimiter not in last:
        ends = [len(cells) == 2 and not cells[1] for cells in records]
        return any(ends) and 2 * sum(ends) >= len(ends)
    if last or (columns is not None and len(first) - 1 - len(columns) not in (0, len(PREPENDED))):
        return False
    ending = read = 1
    for cells in records:
        read += 1
        # Of one that cannot be cut, the cell is the line.
        ending += not (cells and cells[-1]) or (len(cells) == 1 and cells[0].endswith(delimiter))
        # Of the only column, nothing else can be meant; of more, the last value of a record may be empty.
        ending += columns is None and len(first) == 2 and len(cells) == 1 and bool(cells[0])
    return bool(first) and 2 * ending >= read


class _FirstLines(LineQueue):
    """The first lines of an export, which notice when somebody wanted more of them."""

    ran_out = False

    def fill(self, wanted: int = 1) -> bool:
        self.ran_out = self.ran_out or not self.queue
        return super().fill(wanted)


def _read(
    reading: Reading,
    scanner: RecordScanner,
    dialect: Dialect,
    *,
    is_cut_off: Callable[[], bool],
    prepended: bool,
) -> None:
    if dialect.columns is not None:
        reading.header, reading.width = list(dialect.columns), len(dialect.columns)
    troubled = alone = 0
    for at, record in enumerate(islice(scanner, _ROWS)):
        cells = record.cells
        if scanner.troubled_records > troubled:
            # A value that is open where the first lines end may well be closed after them.
            if not is_cut_off():
                reading.troubled += 1
                reading.troubled_alone += scanner.troubled_alone > alone
                reading.wrapped_in_trouble += at == 0 or _looks_wrapped(
                    cells, reading.delimiter, reading.qualifier
                )
            troubled, alone = scanner.troubled_records, scanner.troubled_alone
            if not reading.width:
                # Without a header row, this delimiter and this qualifier explain nothing.
                break
        elif not reading.width or (at == 0 and _names_them(cells, reading.header)):
            reading.header, reading.width, reading.has_header_row = cells, len(cells), True
            reading.has_wrapped_header = scanner.qualified_values == len(cells)
        else:
            _count_row(reading, cells, prepended=prepended)
        reading.qualified += scanner.qualified_values > reading.qualified_values
        reading.qualified_values = scanner.qualified_values


def _names_them(cells: list[str], declared: list[str]) -> bool:
    """Whether the first row of an export with declared columns is a header row all the same."""
    return same_names(cells, declared) or same_names(cells, [*PREPENDED, *declared])


def _looks_wrapped(cells: list[str], delimiter: str, qualifier: str) -> bool:
    """Whether a line that cannot be read was written with qualifiers all the same."""
    text = cells[0] if cells else ""
    return qualifier + delimiter + qualifier in text or (text[:1] == text[-1:] == qualifier)


def _count_row(reading: Reading, cells: list[str], *, prepended: bool) -> None:
    reading.rows += 1
    reading.widths[len(cells)] += 1
    wider = len(cells) == reading.width + len(PREPENDED)
    # Two stray delimiters make a row two wider as well; they do not put a number in second place.
    if prepended and wider and cells[1].isdecimal() and lacks_prepended(reading.header):
        reading.prepended_rows += 1


def _best_qualifier(read: Callable[[str, str], Reading], delimiter: str, declared: str | None) -> Reading:
    """Choose among double, single and no qualifier, in this order where they explain the rows equally well.

    A file that shows no qualifier in its first rows is read with the double one: it may show one later, and then
    a value that was cut in pieces would be worse than a record that is rejected.
    """
    if declared is not None:
        return read(delimiter, declared)
    double, single = read(delimiter, '"'), read(delimiter, "'")
    if _is_single(single, double):
        return single
    if double.troubled_alone and not double.qualified and not double.wrapped_in_trouble:
        return read(delimiter, "")
    return double


def _is_single(single: Reading, double: Reading) -> bool:
    """Whether the rows need the single quote: names that hold or begin with one (O'Neill, 's-Hertogenbosch) do not."""
    if single.has_wrapped_header:
        return True
    if not single.qualified or single.qualified < 3 * single.troubled:
        return False
    if single.share != double.share or double.qualified:
        return single.share > double.share
    every_row = single.rows >= 3 and single.qualified >= single.rows
    return every_row or 3 * single.qualified_values >= sum(
        width * rows for width, rows in (*single.widths.items(), (single.width, 1))
    )


def _check_qualifier(reading: Reading, dialect: Dialect, name: str) -> None:
    if dialect.qualifier is None and reading.troubled_alone > 3 * (
        reading.qualified + reading.wrapped_in_trouble
    ):
        raise ExportRefusedError(
            f"{name}: some values look qualified by {reading.qualifier} and most do not; "
            "say whether they are in dialect={'qualifier': 'double'}, 'single' or 'none'"
        )


def _check_single_column(reading: Reading, lines: Sequence[str], name: str, dialect: Dialect) -> None:
    """Refuse an export that nothing cuts into columns, unless it has but one."""
    texts = [text for line in lines[:_ROWS] if (text := line.strip("\r\n"))]
    spaced = [text for text in texts if "  " in text.strip()]
    if 2 * len(spaced) > len(texts):
        raise ExportRefusedError(
            f"{name}: it looks like fixed-width columns; set Output format to Delimited in the RPI export template"
        )
    ends = [] if dialect.delimiter or reading.ends_in_delimiter else DELIMITERS.values()
    ended = any(2 * sum(text.endswith(end) for text in texts[1:]) >= len(texts[1:]) > 0 for end in ends)
    if ended or 2 * reading.fitting < reading.rows or (texts and not _is_one_name(reading, texts)):
        wanted = f"into the {reading.width} declared columns" if dialect.columns else "into columns"
        tried = _named(dialect.delimiter) if dialect.delimiter else ", ".join(DELIMITERS)
        raise ExportRefusedError(
            f"{name}: its first rows cannot be cut {wanted} by {tried}; declare dialect={{'delimiter': ...}}"
        )


def _is_one_name(reading: Reading, texts: list[str]) -> bool:
    header = reading.header[0] if reading.header else ""
    in_rows = sum(" " in text for text in texts[1:])
    by_space = " " in header and 2 * in_rows > len(texts[1:]) > 0
    return bool(_ONE_NAME.fullmatch(header)) and not by_space


def _named(delimiter: str) -> str:
    return next((name for name, text in DELIMITERS.items() if text == delimiter), repr(delimiter))
