"""A zip or gzip archive with one export in it, read as if it were not packed: in constant memory, never as a copy.

Above: whoever opens exports. Below: files that are open for reading.
"""

from __future__ import annotations

import gzip
import os
import re
import struct
import zipfile
import zlib
from types import TracebackType
from typing import BinaryIO, NoReturn, cast

from airflow_provider_braze.exceptions import ExportRefusedError

SUFFIXES = (".zip", ".gz")
"""How a packed export's name ends; whether it is packed is told by its first bytes alone."""

MOST_TIMES = 250
"""How many times as long as the archive its content may be: exports pack to a tenth, a bomb to a thousandth."""

FREE_BYTES = 64 << 20
"""So much may come out of any archive, however short: it takes no longer than a push of that size does anyhow."""

_GZIP, _ZIP, _EMPTY_ZIP = b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods that unpack in 64 KB of memory; others take what the archive asks for."""

_DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    struct.error,
    ValueError,
    LookupError,
    ArithmeticError,
    RuntimeError,
)
"""What zipfile raises where an archive has suffered: whatever its bytes lead to. That of its storage is an OSError."""

_MOST_MEMBERS = 16
"""RPI may put a sample and a summary beside the export."""

_MOST_DIRECTORY_BYTES = 1 << 20
_END_RECORD = struct.Struct("<4s4H2LH")
_END_LOCATOR = struct.Struct("<4sLQL")
_END_RECORD_64 = struct.Struct("<4sQ2H2L4Q")
_IN_END_RECORD_64 = (0xFFFF, 0xFFFFFFFF)
"""What the end of an archive says where its numbers stand in that of a large one, which a writer may use for any."""

COMPANION = re.compile(r"_(content|source|summary|sample)(\.[^.]*)*$", re.IGNORECASE)
"""What RPI writes beside an export: content and source of a message, summary and sample of the file."""

_HIDDEN = re.compile(r"(^|/)(\.|__MACOSX/)")
"""What a desktop puts into an archive that a person has made."""


class Unpacked:
    """What is packed in an archive.

    :param packed: the archive, open for reading; closed with this.
    :param content: what it holds, being unpacked.
    :param size: of the archive in bytes.
    :param name: for messages.
    """

    def __init__(self, packed: BinaryIO, content: BinaryIO, size: int, name: str) -> None:
        self._packed, self._content, self._name = packed, content, name
        self._most = FREE_BYTES + MOST_TIMES * size
        self._read = 0

    @property
    def packed_read(self) -> int:
        """How far into the archive the reading has come."""
        return self._packed.tell() if not self._packed.closed else 0

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes of what is packed.

        :raises ExportRefusedError: the archive is damaged, cut off or a bomb.
        """
        try:
            data = self._content.read(size)
        except EOFError:
            raise ExportRefusedError(
                f"{self._name}: the archive is cut off: it ends before its content does. It was not written or "
                "copied to its end; have it written again."
            ) from None
        except (zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
            raise ExportRefusedError(
                f"{self._name}: the archive is damaged ({error}); have it written again."
            ) from None
        self._read += len(data)
        if self._read > self._most:
            _refuse_bomb(self._name)
        return data

    def close(self) -> None:
        """Close the archive."""
        self._content.close()
        self._packed.close()

    def __enter__(self) -> Unpacked:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def unpacked(file: BinaryIO, name: str) -> Unpacked | None:
    """Unpack a file that is a zip or gzip archive by its first bytes; None for any other, which is left at its start.

    :param file: it can look ahead and be read from anywhere, as a buffered one can.
    :param name: for messages.
    :raises ExportRefusedError: it is damaged, a bomb, encrypted, or holds more than one export.
    """
    start: bytes = file.peek(4)[:4]  # type: ignore[attr-defined]
    if not start.startswith((_GZIP, _ZIP, _EMPTY_ZIP)):
        return None
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if start.startswith(_GZIP):
        return Unpacked(file, cast(BinaryIO, gzip.GzipFile(fileobj=file, mode="rb")), size, name)
    return Unpacked(file, _member(file, size, name), size, name)


def _member(file: BinaryIO, size: int, name: str) -> BinaryIO:
    _check_directory(file, size, name)
    try:
        archive = zipfile.ZipFile(file)
    except _DAMAGED as error:
        raise _damaged(name, error) from None
    found = [each for each in archive.infolist() if not each.filename.endswith("/")]
    exports = [
        each for each in found if not (COMPANION.search(each.filename) or _HIDDEN.search(each.filename))
    ]
    if len(exports) != 1:
        raise ExportRefusedError(
            f"{name}: the zip archive holds {len(exports)} exports and not one: have RPI zip each for itself."
        )
    (member,) = exports
    if member.flag_bits & 1:
        raise ExportRefusedError(
            f"{name}: the zip archive has a password; decrypt it in a task before the push (docs: Encrypted exports)."
        )
    if member.compress_type not in _METHODS:
        raise ExportRefusedError(
            f"{name}: the zip archive is packed by method {member.compress_type}; only Deflate is read."
        )
    if member.file_size > FREE_BYTES + MOST_TIMES * size:
        _refuse_bomb(name)
    if not 0 <= member.header_offset < size:
        raise _damaged(name, "a file in it begins outside of it")
    try:
        return cast(BinaryIO, archive.open(member))
    except _DAMAGED as error:
        raise _damaged(name, error) from None


def _check_directory(file: BinaryIO, size: int, name: str) -> None:
    """Look at an archive's end before its directory is read whole: it could be as long as the file."""
    file.seek(max(0, size - _END_RECORD.size - 0xFFFF))
    tail = file.read()
    at = tail.rfind(_EMPTY_ZIP)
    if at < 0 or len(tail) - at < _END_RECORD.size:
        raise ExportRefusedError(
            f"{name}: the zip archive is cut off: it has no end. It was not written or copied to its end; have it "
            "written again."
        )
    *_, members, directory_bytes, begins, _ = _END_RECORD.unpack(tail[at : at + _END_RECORD.size])
    if members == _IN_END_RECORD_64[0] or _IN_END_RECORD_64[1] in (directory_bytes, begins):
        members, directory_bytes, begins = _told_at_large(file, size, tail[:at], name)
    if members > _MOST_MEMBERS or directory_bytes > _MOST_DIRECTORY_BYTES:
        raise ExportRefusedError(
            f"{name}: the zip archive holds {members} files and not one export: have RPI zip each for itself."
        )
    if begins + directory_bytes > size - len(tail) + at:
        # A place before the file's start, where nobody can read, would look like trouble of its storage.
        raise _damaged(name, "its directory does not end before its end")
    file.seek(0)


def _told_at_large(file: BinaryIO, size: int, before: bytes, name: str) -> tuple[int, int, int]:
    """Read how many members a large archive has, how long its directory is, and where that begins.

    :param before: what stands before its end.
    """
    try:
        signature, _, at, _ = _END_LOCATOR.unpack(before[-_END_LOCATOR.size :])
        file.seek(min(at, size))
        end = _END_RECORD_64.unpack(file.read(_END_RECORD_64.size))
        if (signature, end[0]) == (b"PK\x06\x07", b"PK\x06\x06"):
            return end[7], end[8], end[9]
    except (struct.error, OverflowError, ValueError):
        pass
    raise _damaged(name, "no end of a large one")


def _damaged(name: str, why: object) -> ExportRefusedError:
    return ExportRefusedError(f"{name}: the zip archive is damaged ({why}); have it written again.")


def _refuse_bomb(name: str) -> NoReturn:
    raise ExportRefusedError(
        f"{name}: more than {MOST_TIMES} times as much comes out of the archive as went in: this is no export. "
        "If it is one, let RPI write it without zip."
    )
