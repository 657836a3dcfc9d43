"""Read a record over as many lines as its qualified values go on, and say so where it is in doubt whether they do.

The scanner in ``record_scanner`` stands above; below are the queue of lines, the cutter and the judge.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from contextlib import suppress

from airflow_provider_braze.redpoint.reading.cutting import NOT_CLOSED, Cutter
from airflow_provider_braze.redpoint.reading.doubt import Doubt, Judge
from airflow_provider_braze.redpoint.reading.lines import MAX_RECORD, LineQueue

_MOST_LINES = 100_000
"""Over which a value may go on: so many are kept at most while its end is looked for."""


class SpanningReader:
    """Reads one record at a time, by looking at each line.

    :param lines: where to take further lines from, and to put back those that do not belong to the record.
    :param cutter: tells where values open and close.
    :param strip: takes the line end away.
    :param judges: whether the qualifier was found out only, so that it may be a stray character.
    """

    def __init__(
        self, lines: LineQueue, cutter: Cutter, strip: Callable[[str], str], *, judges: bool
    ) -> None:
        self.judges = judges
        self.judge: Judge | None = None
        self.doubt = Doubt()
        # Records that could not be read; those of them in which one line was enough to see it.
        self.troubled = 0
        self.troubled_alone = 0
        # Of the record in hand: the lines taken beyond its first.
        self.taken: list[str] = []
        self._lines = lines
        self._cutter = cutter
        self._strip = strip
        # Lines before this one were looked through in vain, so a value in them may not go on over the next: without
        # that, hostile input would have each line look through the same megabytes again.
        self._alone_before = 0
        # Of the record in hand: its length, whether a value in it would go on, how many of the lines taken were looked
        # at, and whether all these and the first are whole when they are read literally.
        self._length = 0
        self._goes_on = False
        self._looked_at = 0
        self._all_whole = False

    def read(self, line: str, text: str, number: int) -> tuple[list[str], str | None]:
        """Read a record; give its cells, and why it cannot be read or None. The line alone is lost then.

        :param line: its first line.
        :param text: the same without the line end.
        :param number: of that line.
        """
        if self.judges and self.judge is None:
            # The header row: it is as wide as its own first line.
            self.judge = Judge(self._cutter, text.count(self._cutter.delimiter) + 1)
        self._length, self._goes_on, self._looked_at = len(line), False, 0
        self._all_whole = self.judge is not None and self.judge.is_whole(text)
        qualified_values = self._cutter.qualified_values
        try:
            return self._walk(line, text, number), None
        except csv.Error as error:
            trouble = str(error)
        self.troubled += 1
        self.troubled_alone += not self._goes_on
        self._cutter.qualified_values = qualified_values
        # Only this line is at fault for sure: whatever was looked at beyond it is read again for itself.
        self._lines.queue.extendleft(reversed(self.taken))
        self._alone_before = max(self._alone_before, number + len(self.taken))
        self.taken = []
        return [text], trouble

    def _walk(self, line: str, text: str, number: int) -> list[str]:
        """Go from one qualified value to the next, over following lines when a value goes on there.

        :raises csv.Error: a value is not qualified well, or it is in doubt whether it is one.
        """
        cutter, first = self._cutter, text
        cells: list[str] = []
        start = cutter.walk(text, 0, cells)
        while start >= 0:
            self._goes_on = True
            if number < self._alone_before:
                raise csv.Error(NOT_CLOSED)
            try:
                value, line, at = self._read_on(line[start:])
            except csv.Error:
                self._doubt_it(number, first, len(cells), None)
                raise
            text = self._strip(line)
            self._doubt_it(number, first, len(cells), (text, at))
            cutter.add(value, cells)
            start = -1 if at > len(text) else cutter.walk(text, at, cells)
        return cells

    def _read_on(self, value: str) -> tuple[str, str, int]:
        """Follow an open value over the next lines; give the whole, the line where it closes, and what follows it.

        :raises csv.Error: it does not close, or not well: then that line is not taken.
        """
        queue = self._lines.queue
        parts = [value]
        while self._length <= MAX_RECORD and len(self.taken) < _MOST_LINES and (queue or self._lines.fill()):
            line = queue.popleft()
            self.taken.append(line)
            self._length += len(line)
            closing = self._cutter.closing(line, 0)
            if closing >= 0:
                parts.append(line[:closing])
                try:
                    return "".join(parts), line, self._cutter.after(self._strip(line), closing)
                except csv.Error:
                    queue.appendleft(self.taken.pop())
                    raise
            parts.append(line)
        raise csv.Error(NOT_CLOSED)

    def _doubt_it(self, number: int, first: str, column: int, closed: tuple[str, int] | None) -> None:
        """Ask whether a value that goes on over lines is one.

        :param closed: the line where it closes, and where the next cell starts there.
        :raises csv.Error: it is in doubt.
        """
        judge = self.judge
        while judge and self._all_whole and self._looked_at < len(self.taken):
            text = self._strip(self.taken[self._looked_at])
            # An empty line is none, unless a value closes after it: a text may well have one.
            self._all_whole = judge.is_whole(text) or not (text or closed)
            self._looked_at += 1
        if judge is None or not self._all_whole or judge.wrapping.always(column):
            return
        edges = [0]
        with suppress(csv.Error):
            while closed:
                edges.append(len(self.taken))
                line, at = closed
                start = -1 if at > len(line) else self._cutter.walk(line, at, [])
                if start < 0:
                    break
                # Where this value closes, another opens.
                _, line, at = self._read_on(line[start:])
                closed = self._strip(line), at
        texts = [first, *map(self._strip, self.taken)]
        self.doubt = judge.doubt(number, texts, edges, closed=closed is not None)
        raise csv.Error(self.doubt.reason)
