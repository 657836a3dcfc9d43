"""A qualifier that nobody declared opens a value, and the line ends: does the value go on, or is it a stray character?

Two readings are possible then, and each can be wrong: a stray one makes a value of all the people up to the next one,
and a line of a long text can look like a person. What was read up to the closing line decides, or it stays in doubt.

The scanner and the reader of spanning records stand above, and ask; below is the cutter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from airflow_provider_braze.blanks import BLANKS
from airflow_provider_braze.redpoint.reading.cutting import NOT_CLOSED, NOT_DOUBLED, Cutter

_SURE_COLUMNS = 4
"""So many columns make it next to impossible that a line of a text is as wide as the header by chance."""

_UNWRAPPED_RECORDS = 100
"""After so many records without any wrapped value, a qualifier that opens one is read as an ordinary character."""

_MAY_BE_ONE = "it may be one value from "


def is_uncut(reason: str) -> bool:
    """Tell whether a reason says that a line was not cut into cells: it stands in one cell as a whole."""
    return reason.startswith((NOT_CLOSED, NOT_DOUBLED, _MAY_BE_ONE))


@dataclass(frozen=True, slots=True)
class Doubt:
    """Lines that can be read in two ways.

    :param last: the last of them.
    :param edges: those where a value would open or close.
    :param sure: each of the others is a record of its own for sure.
    :param literal: the edges are read with the qualifier as an ordinary character.
    :param reason: why a line that is not read is not.
    """

    last: int = 0
    edges: frozenset[int] = frozenset()
    sure: bool = True
    literal: bool = True
    reason: str = ""

    def refuses(self, line: int) -> bool:
        """Whether a line is no record."""
        return not (self.literal if line in self.edges else self.sure)

    def sure_after(self, line: int) -> int | None:
        """Count the lines after this one that are records of their own for sure; None: this doubt is over."""
        if line >= self.last:
            return None
        if not self.sure:
            return 0
        return min((edge for edge in self.edges if edge > line), default=self.last + 1) - line - 1


class Wrapping:
    """Which values have been wrapped in qualifiers so far, by column.

    :param width: of a record.
    """

    def __init__(self, cutter: Cutter, width: int) -> None:
        self.records = 0
        self.any = False
        self._cutter = cutter
        self._wrapped: set[int] = set()
        # Those in which each value was wrapped or empty.
        self._never_bare = list(range(width))
        self._width = width
        # Columns that were always wrapped, and always empty, when that last changed.
        self._known: tuple[set[int], set[int]] | None = None

    def always(self, column: int) -> bool:
        """Whether values of a column were wrapped, all that were not empty."""
        return column in self._wrapped and column in self._never_bare

    def note_names(self, text: str, names: Sequence[str], in_front: int) -> None:
        """Learn from the header row; a name that is not wrapped says nothing of the values below it."""
        wrapped = self._cutter.wrapped_columns(text, names) if self._cutter.qualifier in text else set()
        self._wrapped |= {column + in_front for column in wrapped}
        self.any = bool(wrapped)

    def note(
        self, texts: Sequence[str], rows: Sequence[Sequence[str]], *, cut_together: bool = False
    ) -> None:
        """Learn from records that were read well.

        :param cut_together: they are what the cutter cut last, so that what it has seen by the way is true of them.
        """
        self.records += len(rows)
        if self.any and not self._never_bare:
            return
        if cut_together and self._cutter.all_wrapped:
            self.any = True
            self._wrapped.update(range(len(rows[0])))
            return
        qualifier = self._cutter.qualifier
        self._note_plain([row for text, row in zip(texts, rows, strict=True) if qualifier not in text])
        if cut_together and self._cutter.as_usual:
            return
        qualified = [(text, row) for text, row in zip(texts, rows, strict=True) if qualifier in text]
        if qualified and not self._are_as_before([text for text, _ in qualified]):
            self._note_qualified(qualified)

    def note_outside(self, records: int, outside: bytes, end: bytes) -> None:
        """Learn the same from what stands outside of qualifiers, in UTF-8, with a line end before each record."""
        self.records += records
        self.any = self.any or self._cutter.qualifier.encode() in outside
        if not self._never_bare:
            return
        delimiter, qualifier = self._cutter.delimiter, self._cutter.qualifier
        # Behind the last line end is none.
        cells = outside.decode().replace(end.decode(), delimiter).split(delimiter)[1:-1]
        found = {at: {cell[:1] for cell in cells[at :: self._width]} for at in self._never_bare}
        self._wrapped |= {at for at, starts in found.items() if qualifier in starts}
        self._never_bare = [at for at, starts in found.items() if starts <= {"", qualifier}]

    def _note_plain(self, rows: Sequence[Sequence[str]]) -> None:
        if self._never_bare:
            self._never_bare = [at for at in self._never_bare if not any(map(itemgetter(at), rows))]

    def _note_qualified(self, records: Sequence[tuple[str, Sequence[str]]]) -> None:
        for text, row in records:
            if text.split(self._cutter.delimiter) == row:
                # None of them opens a value.
                self._note_plain([row])
                continue
            self.any = True
            wrapped = self._cutter.wrapped_columns(text, row)
            self._wrapped |= wrapped
            self._never_bare = [at for at in self._never_bare if at in wrapped or not row[at]]

    def _are_as_before(self, texts: Sequence[str]) -> bool:
        """Whether records have nothing to be learnt from: what was always wrapped, or always empty, is so in them."""
        if not self.any:
            return False
        always, never = self._wrapped.intersection(self._never_bare), {*self._never_bare} - self._wrapped
        known = always, never
        if known != self._known:
            # Not yet: what was just learnt may change with the next record, and the pattern is costly to make.
            self._known, self._cutter.usual = known, None
            return False
        if self._cutter.usual is None:
            self._cutter.usual = self._cutter.like(self._width, always=always, never=never)
        return self._cutter.usual.fullmatch("\0".join(texts)) is not None


class Judge:
    """Decides on values that go on over the next line.

    :param width: of a record.
    :param identifier_at: where its identifier stands, if that is known.
    :param execution_at: where its ChannelExecutionID stands, if anywhere.
    """

    def __init__(
        self, cutter: Cutter, width: int, *, identifier_at: int | None = None, execution_at: int | None = None
    ) -> None:
        self.wrapping = Wrapping(cutter, width)
        self._delimiter = cutter.delimiter
        self._qualifier = cutter.qualifier
        self._width = width
        self.identifier_at = identifier_at
        self._execution_at = execution_at
        self._execution_id = ""

    def note(
        self, texts: Sequence[str], rows: Sequence[Sequence[str]], *, cut_together: bool = False
    ) -> None:
        """Learn from records that were read well; a text is empty when it was read without qualifiers."""
        if not self._execution_id and self._execution_at is not None:
            self._execution_id = rows[0][self._execution_at]
        self.wrapping.note(texts, rows, cut_together=cut_together)

    @property
    def knows_execution(self) -> bool:
        """Whether it has seen the export's ChannelExecutionID, if there is one: only records tell it."""
        return self._execution_at is None or bool(self._execution_id)

    def may_be_whole(self, text: str) -> bool:
        """Whether a line is as wide as the header when it is read literally."""
        return text.count(self._delimiter) == self._width - 1

    def is_whole(self, text: str) -> bool:
        """Whether a line is as wide as the header when it is read literally, and has an identifier."""
        if not self.may_be_whole(text):
            return False
        at = self.identifier_at
        return at is None or bool(text.split(self._delimiter)[at].strip(BLANKS))

    def surely_goes_on(self, texts: Sequence[str]) -> bool:
        """Whether a value surely goes on from the first of some lines to the last.

        There is no doubt where one of them is not whole.
        """
        if not self.may_be_whole(texts[0]):
            return True
        if any(self._qualifier in text for text in texts[1:-1]):
            return False
        return not all(map(self.may_be_whole, texts[1:]))

    def doubt(self, first: int, texts: Sequence[str], edges: Sequence[int], *, closed: bool) -> Doubt:
        """Say how each of some whole lines is to be read.

        :param first: the number of the first, where the value would open.
        :param texts: the lines.
        :param edges: the indexes of those where a value would open or close.
        :param closed: whether it would close.
        """
        sure = self._width >= _SURE_COLUMNS or self._have_own_execution_id(texts)
        between = sum(map(bool, texts)) - len(edges) if sure else 0
        bare = not self.wrapping.any and not any(map(self._has_wrapped, texts))
        last = first + len(texts) - 1
        return Doubt(
            last,
            frozenset(first + edge for edge in edges),
            # Where it never closes, nothing says that the lines below belong to it.
            sure or not closed,
            bare and self.wrapping.records + between >= _UNWRAPPED_RECORDS,
            self._reason(first, last, closed=closed),
        )

    def _reason(self, first: int, last: int, *, closed: bool) -> str:
        lines = f"line {first}" if first == last else f"line {first} to line {last}"
        if not closed:
            return (
                f"{NOT_CLOSED}: it would go on from {lines}, or {self._qualifier} is a stray "
                "character there; dialect.qualifier decides it"
            )
        return (
            f"{_MAY_BE_ONE}{lines}, or {self._qualifier} is a stray character in records of their own; "
            "dialect.qualifier decides it"
        )

    def _have_own_execution_id(self, texts: Iterable[str]) -> bool:
        at = self._execution_at
        if at is None:
            return False
        cells = [text.split(self._delimiter) for text in texts if text]
        found = {row[at] if at < len(row) else "" for row in cells} | ({self._execution_id} - {""})
        return len(found) == 1 and "" not in found

    def _has_wrapped(self, text: str) -> bool:
        qualifier = self._qualifier
        return text.count(qualifier) > 1 and any(
            len(cell) > 1 and cell[0] == qualifier == cell[-1] for cell in text.split(self._delimiter)
        )
