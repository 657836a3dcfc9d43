"""From bytes to physical lines, in bounded memory whatever the bytes are.

Everything that reads stands above; below is a file that is only ever read onwards.
"""

from __future__ import annotations

import codecs
import io
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Protocol

CHUNK_BYTES = 64 * 1024
"""Few enough for the lines of a chunk, and all that is made of them together, to stay in a processor's own cache; and
lines enough that mostly as many can be taken as are mapped together: a smaller block takes nearly as long."""

MAX_RECORD = 4 * 1024 * 1024
"""Characters of the longest record that is read; Braze takes at most 4 MB for a whole request."""

_OTHER_LINE_ENDS = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""Where ``str.splitlines`` ends a line, and an export does not."""

KEEP_BYTES = "airflow_provider_braze.keep_bytes"
"""Decoding error handler: as ``surrogateescape`` where that can, one U+DCFF where the units are wider than a byte."""


def _keep_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    undecodable = error.object[error.start : error.end]
    if error.encoding.startswith(("utf-16", "utf-32")) or min(undecodable, default=0) < 0x80:
        return "\udcff", error.end
    return "".join(chr(0xDC00 + byte) for byte in undecodable), error.end


class Readable(Protocol):
    """Binary, and open for reading."""

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes; none at the end."""


codecs.register_error(KEEP_BYTES, _keep_bytes)


def is_readable(text: str) -> bool:
    """Whether every byte of a text could be decoded (no lone surrogate stands for one that could not)."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_clean(text: str) -> bool:
    """Whether a text is readable and holds no NUL."""
    try:
        # In bytes, a NUL is looked for ten times as fast.
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def is_utf8(block: bytes) -> bool:
    """Whether bytes can be decoded as UTF-8."""
    try:
        return block.isascii() or bool(block.decode())
    except UnicodeDecodeError:
        return False


def are_plain(texts: Sequence[str]) -> bool:
    """Whether all of some texts are clean, and none is too long."""
    return is_clean("".join(texts)) and max(map(len, texts)) <= MAX_RECORD


def ends_raw(text: str) -> bool:
    """Tell whether it ends in a raw CR or LF, which csv would take for a line end and drop, although a value does."""
    return text.endswith(("\r", "\n"))


class LineQueue:
    """Physical lines with their line ends, to be taken from the left of ``queue``; lines can be put back there.

    ``suspicious`` becomes true, and stays so, once a line was read that is too long or holds a NUL or an undecodable
    byte: until then, nobody has to look for these in each line.
    """

    def __init__(self, lines: Iterable[str] = (), *, suspicious: bool = True) -> None:
        self.queue: deque[str] = deque(lines)
        self.suspicious = suspicious

    def fill(self, wanted: int = 1) -> bool:  # noqa: ARG002 - all lines are there from the start
        """Make sure that there is a line in the queue, better so many; False at the end of the export."""
        return bool(self.queue)

    def block(self) -> bytes:
        """Give the next lines together, in UTF-8 and not taken out; none where they can only be given one by one."""
        return b""

    def used(self, block: bytes) -> None:
        """Take out such lines."""


class LineReader(LineQueue):
    """The lines of a binary file.

    :param file: where to read on, at any block size that suits it.
    :param head: what was read of it before.
    :param encoding: as Python names it.
    :param line_end: the only thing that ends a line; None: each of CRLF, LF and CR.
    """

    def __init__(self, file: Readable, *, head: bytes, encoding: str, line_end: str | None) -> None:
        super().__init__(suspicious=False)
        self.bytes_read = 0
        self._file = file
        self._head = head
        self._decoder_of = codecs.getincrementaldecoder(encoding)
        # What UTF-8 takes without an error holds no lone surrogate, and a NUL where its bytes do.
        self._strict = codecs.lookup(encoding).name == "utf-8"
        self._decoder = self._decoder_of("strict" if self._strict else KEEP_BYTES)
        self._line_end = line_end
        # An unfinished line at the end of a chunk, as it came; how long it is by now.
        self._unfinished: list[str] = []
        self._length = 0
        self._started = self._ended = False

    def fill(self, wanted: int = 1) -> bool:
        """Read on until there is a line in the queue, and once if there are fewer than wanted; False at the end."""
        enough = len(self.queue) >= wanted
        while not self._ended and not (enough and self.queue):
            enough = True
            chunk = self._head or self._file.read(CHUNK_BYTES)
            self._head = b""
            self._ended = not chunk
            self.bytes_read += len(chunk)
            text = self._decode(chunk)
            if text and not self._started:
                self._started = True
                text = text.removeprefix("\ufeff")
            self._cut(text)
        return bool(self.queue)

    def block(self) -> bytes:
        """Read on, and give the next lines as they are in the file, if these are sure; they are not taken out.

        None are sure where lines wait in the queue, and of a file that is no UTF-8, or may have odd bytes.
        """
        is_sure = self._started and self._strict and not self.suspicious
        if self.queue or not is_sure or self._length > CHUNK_BYTES:
            return b""
        end = (self._line_end or "\n").encode()
        if end not in self._head:
            begun = "".join(self._unfinished).encode() + self._decoder.getstate()[0]
            self._unfinished.clear()
            self._length = 0
            self._decoder.reset()
            self.bytes_read -= len(begun)
            self._head = begun + self._head + self._file.read(CHUNK_BYTES)
        return self._head[: self._head.rfind(end) + len(end)] if end in self._head else b""

    def used(self, block: bytes) -> None:
        """Take out the lines that were given."""
        self._head = self._head[len(block) :]
        self.bytes_read += len(block)

    def _decode(self, chunk: bytes) -> str:
        try:
            text = self._decoder.decode(chunk, self._ended)
        except UnicodeDecodeError:
            self._strict = False
            state = self._decoder.getstate()
            self._decoder = self._decoder_of(KEEP_BYTES)
            self._decoder.setstate(state)
            text = self._decoder.decode(chunk, self._ended)
        self.suspicious = self.suspicious or (b"\0" in chunk if self._strict else not is_clean(text))
        return text

    def _cut(self, text: str) -> None:
        if self._unfinished and self._unfinished[-1].endswith("\r"):
            # It is only now known whether this was a line end of its own or half of one.
            text = self._unfinished.pop() + text
        lines = split_lines(text, self._line_end)
        rest = ""
        if lines and not self._ended and not lines[-1].endswith(self._line_end or "\n"):
            rest = lines.pop()
        if self._unfinished and (lines or self._ended):
            lines[:1] = ["".join((*self._unfinished, *lines[:1]))]
            self.suspicious = self.suspicious or len(lines[0]) > MAX_RECORD
            self._unfinished.clear()
            self._length = 0
        self.queue.extend(lines)
        if rest:
            # Of an endless line, just enough is kept to show that it is one, and where it ends.
            self._unfinished.append(rest if self._length <= MAX_RECORD else rest[-1])
            self._length += len(rest)


class EndStripper:
    """Takes the line end away, and a delimiter before it.

    :param line_end: as declared; None: each of CRLF, LF and CR.
    :param delimiter: ``""`` for none.
    :param no_record: a line of which nothing is left, as of an empty one: what is appended to a file repeats it.
    """

    def __init__(self, line_end: str | None, delimiter: str, no_record: str = "") -> None:
        self.line_end, self.delimiter, self.no_record = line_end, delimiter, no_record
        self._without: Callable[[str, str], str] = str.removesuffix if line_end else str.rstrip
        self._end = line_end or "\r\n"
        self._no_records = {no_record, f"\ufeff{no_record}"} if no_record else frozenset()

    def one(self, line: str) -> str:
        """Strip one line."""
        text = self._without(line, self._end)
        # A set hashes the text even where it holds none.
        if self._no_records and text in self._no_records:
            return ""
        return text.removesuffix(self.delimiter)

    def all(self, lines: Iterable[str]) -> list[str]:
        """Strip many lines: each in a fifth of the time that one by itself takes."""
        texts = list(map(self._without, lines, repeat(self._end)))
        if self._no_records:
            texts = ["" if text in self._no_records else text for text in texts]
        return [text.removesuffix(self.delimiter) for text in texts] if self.delimiter else texts


def split_lines(text: str, line_end: str | None) -> list[str]:
    """Cut a text into lines that keep their line ends; the last may have none."""
    if "\n" not in text and "\r" not in text:
        return [text] if text else []
    if line_end is None:
        if any(other in text for other in _OTHER_LINE_ENDS):
            return io.StringIO(text, newline="").readlines()
        return text.splitlines(keepends=True)
    lines = [line + line_end for line in text.split(line_end)]
    last = lines.pop().removesuffix(line_end)
    return [*lines, last] if last else lines
