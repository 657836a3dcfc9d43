"""What an export must not be, and which encoding it is in: both told by its first bytes.

Above: the reader. Below: nothing but bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from itertools import islice

from airflow_provider_braze.exceptions import ExportRefusedError

_BYTE_ORDER_MARKS = (
    # UTF-32 first: its little-endian mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

_PACKED_TWICE = "it is a {} archive inside an archive; let RPI pack it once, or not at all"
_IN_PARTS = "it is a zip archive in several parts; let RPI write one, or none"
_NO_ZIP = (
    "it is a {} archive; only zip and gzip are read: let RPI zip it, or unpack it in a task before the push"
)
_NO_PGP = "it is encrypted with PGP; decrypt it in a task before the push (docs: Encrypted exports)"
_SIGNATURES = (
    (b"PK\x03\x04", _PACKED_TWICE.format("zip")),
    (b"PK\x05\x06", _PACKED_TWICE.format("zip")),
    (b"\x1f\x8b", _PACKED_TWICE.format("gzip")),
    (b"PK\x07\x08", _IN_PARTS),
    (b"7z\xbc\xaf\x27\x1c", _NO_ZIP.format("7-Zip")),
    (b"\xfd7zXZ\x00", _NO_ZIP.format("xz")),
    (b"\x28\xb5\x2f\xfd", _NO_ZIP.format("Zstandard")),
)
_TEXT_SIGNATURES = (
    (re.compile(rb"BZh[1-9]1AY&SY"), _NO_ZIP.format("bzip2")),
    (re.compile(rb"-----BEGIN PGP [A-Z ]+-----[ \t]*[\r\n]"), _NO_PGP),
)
"""What could be the beginning of a text: so much of it that no first cell with others behind it is like that."""
_PGP_MESSAGE = re.compile(
    rb"\x84.[\x03\x06]|\x85..[\x03\x06]|\x8c.[\x04-\x06]|\xa3[\x00-\x03]|"
    rb"\xc1(?:[\x00-\xbf]|[\xc0-\xdf].|\xff....)[\x03\x06]",
    re.DOTALL,
)
"""Session keys with their version, or compressed data with its algorithm (RFC 9580, sections 4.2 and 5)."""

_JSON = re.compile(r'(\[\s*)*(\{\s*("(?:[^"\\]|\\.)*"\s*:|\}\s*$)|\["(?:[^"\\]|\\.)*"\s*[],]|\[\s*\]\s*$)')
_XML = re.compile(r"<(\?xml|!doctype|!--|[a-z][^<>]*>.*</|[a-z][^<>]*/>)", re.IGNORECASE | re.DOTALL)
_DECLARE = "or, if it is delimited text, declare dialect={'delimiter': ...}"
_TEXT_FORMATS = (
    (_JSON, f"it is JSON; set Output format to Delimited in the RPI export template, {_DECLARE}"),
    (
        _XML,
        f"it is XML or HTML; an export is delimited text: is this a summary file? Give the export, {_DECLARE}",
    ),
)
_LOOKED_AT = 4096

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
        if head.startswith(signature):
            raise ExportRefusedError(f"{name}: {reason}")
    for beginning, reason in _TEXT_SIGNATURES:
        if beginning.match(head):
            raise ExportRefusedError(f"{name}: {reason}")
    if not encoding and _PGP_MESSAGE.match(head):
        raise ExportRefusedError(f"{name}: {_NO_PGP}")


def refuse_foreign_text(lines: Iterable[str], *, name: str) -> None:
    """Refuse what is text, but not delimited. A bracket at the beginning is not enough: a cell may have it.

    :param lines: the first lines.
    :raises ExportRefusedError: saying what to set in RPI, and how to override it.
    """
    start = "".join(islice(lines, _LOOKED_AT))[:_LOOKED_AT].lstrip()
    for beginning, reason in _TEXT_FORMATS:
        if beginning.match(start):
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
