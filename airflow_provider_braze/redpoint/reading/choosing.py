"""Read only those records that are wanted, and of the others no more than it takes to be sure that they are records.

The scanner in ``record_scanner`` stands above; below are the cutter and the judge.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from airflow_provider_braze.redpoint.reading.cutting import Cutter
from airflow_provider_braze.redpoint.reading.doubt import Judge


class Choice(Protocol):
    """Which records are wanted, as far as one cell of each tells."""

    @property
    def at(self) -> int:
        """The index of that cell."""

    def among(self, cells: Sequence[str], /) -> Sequence[int] | None:
        """Give the indexes of the wanted ones, in order; None where one of the cells has to be looked at for itself."""


class PlainRecords(NamedTuple):
    """Consecutive data rows without a problem.

    ``lines`` are the physical lines where they start, ``texts`` what is written there (without the last line end), and
    ``cells`` what the scanner's ``cut`` makes of each. ``rows`` were read, and ``places`` are the indexes among them of
    those that are given: of all, or where they were ``chosen`` of the wanted ones.
    """

    lines: Sequence[int]
    texts: list[str]
    cells: list[list[str]]
    places: Sequence[int]
    rows: int
    chosen: bool


class Chosen(NamedTuple):
    """The wanted ones of some texts: their indexes, themselves, and their cells."""

    places: Sequence[int]
    texts: list[str]
    cells: list[list[str]]


class Chooser:
    """Chooses by the outlines of texts, which take a fraction of the time that cutting them does.

    :param cutter: tells outlines, and cuts.
    :param width: of a record, in cells.
    :param header: the header row, which may come again and is no record.
    """

    def __init__(self, cutter: Cutter, width: int, header: list[str]) -> None:
        self._cutter = cutter
        self._width = width
        # With values in front of each row that the header does not name, none repeats it.
        self._header = header if len(header) == width else []

    def choose(self, texts: Sequence[str], choice: Choice, judge: Judge | None) -> Chosen | None:
        """Choose among texts that stand on lines of their own and hold no NUL.

        :param judge: learns from them what it would from their cells.
        :return: None where outlines do not tell which are wanted, or that all are records; then nothing is learnt.
        """
        delimiter, qualifier, at = self._cutter.delimiter, self._cutter.qualifier, choice.at
        outlines = self._cutter.outlines(texts) if all(texts) else None
        if outlines is None or {outline.count(delimiter) for outline in outlines} != {self._width - 1}:
            return None
        told_by = [outline.split(delimiter, at + 1)[at] for outline in outlines]
        if (qualifier and qualifier in "".join(told_by)) or self._may_be_headers(told_by, at):
            return None
        places = choice.among(told_by)
        if places is None:
            return None
        wanted = [texts[place] for place in places]
        try:
            cells = self._cutter.cut(wanted)
        except csv.Error:
            # There is a value longer than csv takes.
            return None
        return Chosen(places, wanted, cells) if judge is None or judge.note_outlines(outlines) else None

    def _may_be_headers(self, cells: Sequence[str], at: int) -> bool:
        header = self._header
        return bool(header) and (header[at] in cells or f"\ufeff{header[at]}" in cells)
