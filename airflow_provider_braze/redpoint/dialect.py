"""How an export is written down: delimiter, qualifier, encoding, line end, and columns without a header row.

Above: the reader, and whoever is given a dialect. Below: only the errors.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from airflow_provider_braze.exceptions import BrazeSetupError

DELIMITERS: Mapping[str, str] = MappingProxyType({"comma": ",", "tab": "\t", "pipe": "|", "semicolon": ";"})
"""The delimiters that can be found out, by RPI's name. Any other must be declared."""

QUALIFIERS: Mapping[str, str] = MappingProxyType(
    {"double": '"', "doublequote": '"', "single": "'", "singlequote": "'", "none": ""}
)
MOST_SKIPPED_LINES = 1000
_MOST_DIGITS = 6

LINE_ENDS: Mapping[str, str] = MappingProxyType({"crlf": "\r\n", "lf": "\n", "cr": "\r"})

# RPI's names are .NET's, where "Unicode" is UTF-16; a byte order without a mark is little-endian there.
_DOTNET_ENCODINGS = {"unicode": "utf-16-le", "bigendianunicode": "utf-16-be"}
_SAME_ENCODING = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}
# They are Python codecs, but not ways to write a file; UTF-7 has no bound on what must be read ahead.
_UNREADABLE_ENCODINGS = {"utf-7", "idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What the author declares about an export; what is None is found out from its first 64 KiB.

    :param delimiter: between values: ``comma``, ``tab``, ``pipe``, ``semicolon``, ``space``, or the text itself.
    :param qualifier: around values: ``double``, ``single`` or ``none``, or the character itself (``""`` is none).
    :param encoding: a Python codec name or RPI's (``UTF8``, ``Unicode``, ``BigEndianUnicode``, ``ASCII``, ...).
    :param line_end: ``CRLF``, ``LF`` or ``CR``, or the characters themselves. Declared, nothing else ends a line;
        not declared, each of them does.
    :param columns: the names of the columns of an export without a header row, with or without the two that RPI
        puts in front.
    :param skip_lines: how many lines stand before the header row, or before the first record where there is none: a
        title, a comment (at most 1,000; default none).

    :raises BrazeSetupError: when a value is none of these.
    """

    delimiter: str | None = None
    qualifier: str | None = None
    encoding: str | None = None
    line_end: str | None = None
    columns: tuple[str, ...] | None = None
    skip_lines: int | None = None

    def __post_init__(self) -> None:
        for name, read in _READERS.items():
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, read(given))
        if self.delimiter and self.qualifier and self.qualifier in self.delimiter:
            raise _wrong("delimiter", self.delimiter, "a delimiter without the qualifier in it")

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Dialect:
        """Read what a DAG author or a form gives.

        :raises BrazeSetupError: naming the key or the value that is wrong, and the right ones.
        """
        if not isinstance(given, Mapping):
            how = (
                " Give what json.loads makes of it; no template is rendered here."
                if isinstance(given, str)
                else ""
            )
            raise BrazeSetupError(f"dialect must be a dict, not {type(given).__name__}.{how}")
        known = [field.name for field in fields(cls)]
        for key in given:
            if key not in known:
                raise BrazeSetupError(f"dialect has no {key!r}; its keys are {', '.join(known)}")
        return cls(**given)


def _wrong(key: str, value: object, right: str) -> BrazeSetupError:
    return BrazeSetupError(f"dialect[{key!r}] is {value!r}; give {right}")


def _text(key: str, value: object, right: str) -> str:
    if not isinstance(value, str):
        raise _wrong(key, value, right)
    return value


def _delimiter(value: object) -> str | None:
    if value == "":
        return None
    right = f"{', '.join(DELIMITERS)}, space, or one or two characters that are no letters, digits or quotes"
    text = _text("delimiter", value, right)
    text = {**DELIMITERS, "space": " ", "\\t": "\t"}.get(text.lower(), text)
    if len(text) > 2 or any(char.isalnum() or char in "\"'_\r\n\0" for char in text):
        raise _wrong("delimiter", value, right)
    return text


def _qualifier(value: object) -> str:
    right = "double, single or none"
    text = _text("qualifier", value, right)
    text = QUALIFIERS.get(text.lower(), text)
    if text not in QUALIFIERS.values():
        raise _wrong("qualifier", value, right)
    return text


def _line_end(value: object) -> str | None:
    if value == "":
        return None
    right = "CRLF, LF or CR"
    text = _text("line_end", value, right)
    text = LINE_ENDS.get(text.lower(), text.replace("\\r", "\r").replace("\\n", "\n"))
    if text not in LINE_ENDS.values():
        raise _wrong("line_end", value, right)
    return text


def _encoding(value: object) -> str | None:
    if value == "":
        return None
    right = "a text encoding such as UTF8, Unicode, BigEndianUnicode, UTF32, ASCII or cp1252"
    text = _text("encoding", value, right)
    try:
        # Decoding tells a text encoding from codecs such as "hex"; looking its name up does not.
        name = codecs.lookup(_DOTNET_ENCODINGS.get(text.lower(), text)).name
        b" ".decode(name, "replace")
    except (LookupError, ValueError):
        raise _wrong("encoding", value, right) from None
    name = _SAME_ENCODING.get(name, name)
    if name in _UNREADABLE_ENCODINGS or name.replace("-", "_") in _UNREADABLE_ENCODINGS:
        raise _wrong("encoding", value, right)
    return name


def _columns(value: object) -> tuple[str, ...]:
    right = "a list of column names, each given once"
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise _wrong("columns", value, right)
    names = tuple(value)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise _wrong("columns", value, right)
    if len({*names}) < len(names):
        raise _wrong("columns", value, right)
    return names


def _skip_lines(value: object) -> int | None:
    if value == "":
        return None
    right = f"how many lines stand before the header row, 0 to {MOST_SKIPPED_LINES}"
    if isinstance(value, str) and value.isdecimal() and len(value) < _MOST_DIGITS:
        # A form's text.
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_SKIPPED_LINES:
        raise _wrong("skip_lines", value, right)
    return value


_READERS: Mapping[str, Callable[[object], object]] = MappingProxyType(
    {
        "delimiter": _delimiter,
        "qualifier": _qualifier,
        "encoding": _encoding,
        "line_end": _line_end,
        "columns": _columns,
        "skip_lines": _skip_lines,
    }
)
