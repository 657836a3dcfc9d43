"""A file read ahead by a thread: in order, whole, its errors raised where it is read, blocking nobody."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_braze.storage.files import read_ahead
from airflow_provider_braze.storage.files.read_ahead import ReadAhead
from tests.waiting import until


class Slow(io.BytesIO):
    """A share: each read may be held up, and may fail at last."""

    def __init__(self, content: bytes, error: OSError | None = None) -> None:
        super().__init__(content)
        self.reads = 0
        self.error = error
        self.before_read: Callable[[], object] = lambda: None

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        self.before_read()
        piece = super().read(size)
        if not piece and self.error:
            raise self.error
        return piece


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(read_ahead, "BLOCK_BYTES", 1000)
    before = threading.active_count()
    yield
    until(lambda: threading.active_count() == before)


def whole(file: ReadAhead, size: int) -> bytes:
    return b"".join(iter(lambda: file.read(size), b""))


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 12_345])
@pytest.mark.parametrize("size", [1, 7, 1000, 5000])
def test_everything_comes_once_and_in_order(length: int, size: int) -> None:
    content = bytes(n % 251 for n in range(length))
    with ReadAhead(Slow(content)) as file:
        assert whole(file, size) == content
        assert file.read(size) == b""


def test_no_more_is_read_ahead_than_a_few_blocks() -> None:
    share = Slow(bytes(100_000))
    with ReadAhead(share) as file:
        until(lambda: share.reads == 2)
        time.sleep(0.05)
        assert share.reads == 2
        file.read(10)
        until(lambda: share.reads == 3)
        time.sleep(0.05)
        assert share.reads == 3


def test_an_error_is_raised_after_what_came_before_it_and_again() -> None:
    with ReadAhead(Slow(b"abc", error=OSError(116, "Stale file handle"))) as file:
        assert file.read(10) == b"abc"
        for _ in range(2):
            with pytest.raises(OSError, match="Stale"):
                file.read(10)


def test_whoever_asks_first_is_never_blocked() -> None:
    share, woken, found = Slow(bytes(5000)), threading.Semaphore(0), b""
    let_go = threading.Semaphore(0)
    share.before_read = let_go.acquire
    with ReadAhead(share) as file:
        # The share gives nothing yet.
        assert not file.ready(woken.release)
        while True:
            while not file.ready(woken.release):
                let_go.release()
                assert woken.acquire(timeout=30)
            piece = file.read(700)
            if not piece:
                break
            found += piece
    assert found == bytes(5000)


def test_stopping_wakes_whoever_waits() -> None:
    share, woken, let_go = Slow(b"abc"), threading.Event(), threading.Event()
    share.before_read = let_go.wait
    with ReadAhead(share) as file:
        assert not file.ready(woken.set)
        file.stop()
        assert woken.is_set()
        assert file.ready(woken.set)
        let_go.set()


def test_the_file_is_closed_when_nobody_reads_to_its_end() -> None:
    share = Slow(bytes(100_000))
    with ReadAhead(share) as file:
        file.read(10)
    assert share.closed
    with pytest.raises(ValueError, match="closed"):
        whole(file, 1000)
