"""A file that a thread reads ahead of its reader, so that a slow share never holds up the loop of a push.

Above: the source of an export's records. Below: the file, packed or not.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO

from airflow_provider_braze.storage.files.archives import Unpacked

BLOCK_BYTES = 1 << 19
"""Bytes read from a storage at once; in small pieces, a remote file would be a thousand times slower."""

_BLOCKS_AHEAD = 2
"""Blocks that wait for the reader."""

_PATIENCE = 1.0
"""Seconds to wait at the end for a thread that sits in a slow read; it ends by itself after that."""


class ReadAhead:
    """Reads a file in blocks, in a thread, and hands them out in order.

    :meth:`read` blocks like any file's, unless :meth:`ready` has said that there is something to give.

    :param file: binary and open for reading; closed at the end.
    :param position: tells how far into the file the reading has come, where that is not how much was read: in an
        archive. It is ahead by what waits for the reader.
    """

    def __init__(self, file: BinaryIO | Unpacked, position: Callable[[], int] | None = None) -> None:
        self.position = position
        self._file = file
        self._block = b""
        self._at = 0
        self._ahead: deque[bytes | BaseException] = deque()
        self._changed = threading.Condition()
        self._tell: Callable[[], object] | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._read_on, name="read-ahead", daemon=True)
        self._thread.start()

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join(_PATIENCE)

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes; none at the end of the file.

        :raises OSError: whatever the file raised.
        """
        if self._at == len(self._block):
            self._block, self._at = self._next_block(), 0
        piece = self._block[self._at : self._at + size]
        self._at += len(piece)
        return piece

    def ready(self, wake: Callable[[], object]) -> bool:
        """Whether a read returns at once, be it with the end or an error.

        :param wake: called once, from any thread, when it does; also after :meth:`stop`.
        """
        if self._at < len(self._block) or self._ahead or self._stopped:
            return True
        with self._changed:
            if self._ahead or self._stopped:
                return True
            self._tell = wake
        return False

    def stop(self) -> None:
        """Read nothing further; whoever waits goes on."""
        with self._changed:
            self._stopped = True
            self._wake()

    def _wake(self) -> None:
        self._changed.notify_all()
        tell, self._tell = self._tell, None
        if tell is not None:
            tell()

    def _next_block(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._ahead or self._stopped)
            if not self._ahead:
                raise ValueError("the file was closed while it was read")
            block = self._ahead[0]
            # The end and an error stay, for whoever reads again.
            if block and isinstance(block, bytes):
                self._ahead.popleft()
                self._changed.notify_all()
        if isinstance(block, BaseException):
            raise block
        return block

    def _read_on(self) -> None:
        with self._file:
            block: bytes | BaseException = b"not read yet"
            while block and isinstance(block, bytes):
                with self._changed:
                    self._changed.wait_for(lambda: len(self._ahead) < _BLOCKS_AHEAD or self._stopped)
                    if self._stopped:
                        return
                try:
                    block = self._file.read(BLOCK_BYTES)
                except BaseException as error:
                    block = error
                with self._changed:
                    self._ahead.append(block)
                    self._wake()
