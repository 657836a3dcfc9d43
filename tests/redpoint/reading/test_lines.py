"""Lines of bytes that come in any pieces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_provider_braze.redpoint.reading.lines import LineReader

CLEAN = "näh\r\n佐藤\r\n".encode()


class Pieces:
    """A file that gives these pieces, one a read."""

    def __init__(self, *pieces: bytes) -> None:
        self._left: Iterator[bytes] = iter(pieces)
        self.reads = 0

    def read(self, size: int, /) -> bytes:
        self.reads += 1
        return next(self._left, b"")


def read(file: Pieces, encoding: str = "utf-8") -> tuple[list[str], bool]:
    reader = LineReader(file, head=b"", encoding=encoding, line_end=None)
    lines: list[str] = []
    while reader.fill():
        lines += reader.queue
        reader.queue.clear()
    return lines, reader.suspicious


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "cp1252", "utf-16-le"])
@pytest.mark.parametrize(
    ("text", "suspicious"), [("näh\r\nyes\r\n", False), ("näh\r\nye\0s\r\n", True), ("yes", False)]
)
def test_what_is_suspicious(text: str, encoding: str, suspicious: bool) -> None:
    assert read(Pieces(text.encode(encoding)), encoding) == (text.splitlines(keepends=True), suspicious)


@pytest.mark.parametrize("odd", [b"", b"Zo\xeb\r\n", b"Zo\xe4\xbd\r\n", b"Zo\xe4\xbd"])
def test_utf_8_in_any_two_pieces(odd: bytes) -> None:
    data = CLEAN + odd + CLEAN
    expected = data.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    for cut in range(1, len(data)):
        assert read(Pieces(data[:cut], data[cut:])) == (expected, bool(odd))


def test_one_read_for_more_lines() -> None:
    file = Pieces(b"a\nb\n", b"c\n", b"d", b"e\nf\n")
    reader = LineReader(file, head=b"", encoding="utf-8", line_end="\n")
    for wanted, waiting, reads in [(1, 2, 1), (2, 2, 1), (3, 3, 2), (9, 3, 3), (9, 5, 4)]:
        assert reader.fill(wanted)
        assert (len(reader.queue), file.reads) == (waiting, reads)
    reader.queue.clear()
    assert not reader.fill(9)
