"""What an export must not be, and which encoding it is in: both told by its first bytes."""

from __future__ import annotations

import codecs
import re

from airflow_provider_braze.exceptions import ExportRefusedError

_BYTE_ORDER_MARKS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_NO_ZIP = "it is a {} archive; switch off zipping of the export in RPI"
_NO_PGP = "it is encrypted with PGP; switch off PGP encryption of the export in RPI"
_SIGNATURES = (
    (b"PK\x03\x04", _NO_ZIP.format("zip")),
    (b"PK\x05\x06", _NO_ZIP.format("zip")),
    (b"\x1f\x8b", _NO_ZIP.format("gzip")),
    (b"BZh91AY", _NO_ZIP.format("bzip2")),
    (b"7z\xbc\xaf\x27\x1c", _NO_ZIP.format("7-Zip")),
    (b"\xfd7zXZ\x00", _NO_ZIP.format("xz")),
    (b"\x28\xb5\x2f\xfd", _NO_ZIP.format("Zstandard")),
    (b"-----BEGIN PGP", _NO_PGP),
    # First octets of OpenPGP messages (RFC 9580, section 4.2): session key, compressed data. No UTF-8 begins so.
    (b"\x84", _NO_PGP),
    (b"\x85", _NO_PGP),
    (b"\x8c", _NO_PGP),
    (b"\xa3", _NO_PGP),
    (b"\xc1", _NO_PGP),
)
_TEXT_FORMATS = (
    (("{", "["), "it is JSON; set Output format to Delimited in the RPI export template"),
    (("<",), "it is XML or HTML; an export is delimited text: is this a summary file?"),
)
_NUL_PATTERNS = (
    ("utf-32-le", rb"(?:[^\0]\0\0\0)"),
    ("utf-32-be", rb"(?:\0\0\0[^\0])"),
    ("utf-16-le", rb"(?:[^\0]\0)"),
    ("utf-16-be", rb"(?:\0[^\0])"),
)


def refuse_foreign_bytes(head: bytes, *, name: str, encoding: str | None) -> None:
    """Refuse what is packed or encrypted.

    :param encoding: as declared. Some encodings begin a text with the octets of an encrypted message.
    :raises ExportRefusedError: saying what to set in RPI.
    """
    for signature, reason in _SIGNATURES:
        if head.startswith(signature) and not (encoding and len(signature) == 1):
            raise ExportRefusedError(f"{name}: {reason}")


def refuse_foreign_text(text: str, *, name: str) -> None:
    """Refuse what is text, but not delimited.

    :raises ExportRefusedError: saying what to set in RPI.
    """
    start = text.lstrip()
    for openings, reason in _TEXT_FORMATS:
        if start.startswith(openings):
            raise ExportRefusedError(f"{name}: {reason}")


def encoding_of(head: bytes, *, declared: str | None, name: str) -> str:
    """Tell the encoding: the byte order mark, else what is declared, else where the NULs of UTF-16/32 are, else UTF-8.

    :raises ExportRefusedError: when the mark contradicts the declared encoding.
    """
    marked = next((encoding for mark, encoding in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    if marked and declared and not _agree(marked, declared):
        raise ExportRefusedError(
            f"{name}: it begins with the byte order mark of {marked}, but dialect['encoding'] is {declared!r}"
        )
    return marked or declared or _encoding_by_nuls(head)


def _agree(marked: str, declared: str) -> bool:
    # UTF-16 declared without a byte order stands as little-endian here, and the mark may say big-endian.
    return marked.removesuffix("-be").removesuffix("-le") == declared.removesuffix("-be").removesuffix("-le")


def _encoding_by_nuls(head: bytes) -> str:
    # The first name in a header row starts in ASCII, of which UTF-16 and UTF-32 write the upper bytes as NUL.
    for encoding, unit in _NUL_PATTERNS:
        if re.match(unit + b"{3}", head):
            return encoding
    return "utf-8"
