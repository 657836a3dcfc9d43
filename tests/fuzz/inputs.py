"""What the fuzzer feeds: good inputs, damaged. Whoever draws them, decides: a seed, or hypothesis."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any
from uuid import UUID

from tests import samples

KEY = "fuzz-key-0123-4567"

PIECES: Sequence[bytes] = (
    b'"', b'""', b"'", b",", b"\t", b"|", b";", b"||", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"=", b"\0", b"\x1a",
    b"\xff", b"\xfe", b"\xed\xa0\x80", b"\xc3", b"\xef\xbb\xbf", b"\xff\xfe", b"\x00\xd8", b"\xf0\x9f\x99\x82",
    b"PK\x03\x04", b"\x1f\x8b", b"-----BEGIN PGP MESSAGE-----", b"<?xml", b"{", b"}", b"[", b"NaN", b"Infinity",
    b"external_id", b"_line,", b"_outcome", b"5719", b",,", b'","', b"\xe2\x80\xa8", b"\xc2\x85", b"\x0b", b"\x1f",
    b"\x00,\x00", b"\x0a\x00", b"1e999", b"a" * 300, b"," * 200, b'"' * 99, b"\n" * 50,
    b"9" * 5000,
)  # fmt: skip
"""What separates, qualifies, ends or misleads; whole lines of damage are made by copying."""

LARGE = (b"x" * 65_530, b"x,y\r\n" * 13_107, b'"' * 40_001)
"""Longer than what is looked at first, and than what is read at once when there are two."""


_HARM = ("put", "put", "put", "put instead", "cut out", "copy", "cut off")


def damaged(
    rng: Random, good: Sequence[bytes], slices: Sequence[bytes], large: Sequence[bytes] = ()
) -> bytes:
    """Take one of the good inputs and do up to six kinds of harm to it."""
    data = rng.choice(good)
    for _ in range(rng.randrange(7)):
        first, last = sorted((rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))
        how = rng.choice(_HARM)
        if how == "cut out":
            data = data[:first] + data[last:]
        elif how == "copy":
            data = data[:last] + data[first:last] + data[last:]
        elif how == "cut off":
            data = data[:first]
        else:
            block_slice = _piece(rng, slices, large)
            data = data[:first] + block_slice + data[first + len(block_slice) * (how == "put instead") :]
    return data


def _piece(rng: Random, slices: Sequence[bytes], large: Sequence[bytes]) -> bytes:
    kind = rng.randrange(500)
    if kind == 0 and large:
        return rng.choice(large)
    return bytes(rng.randrange(256) for _ in range(kind % 5)) if kind < 60 else rng.choice(slices)


EXPORTS = (
    *(export.content for export in samples.EXPORTS),
    b"external_id,first_name\nU1,Ann\n",
    b"'external_id';'b'\r\n'1';'O''Neill'\r\n",
    "external_id\tcity\r\nU1\tMünchen\r\n".encode("utf-16"),
    "external_id|city\nU1|夏\n".encode("utf-32"),
    "external_id,city\r\nU1,Zürich\r\n".encode("cp1252"),
    b"",
    b"external_id",
    b"\n",
)
REJECTS = (
    b"_line,_outcome,_reason,_column,external_id,b\n3,invalid,no,b,U1,x\n7,unknown,lost,,U2,y\n",
    b"_line;_outcome;external_id;b\r\n2;rejected;U1;x;surplus\r\n",
)
DIALECTS: Sequence[dict[str, Any]] = (
    *[{}] * 6,
    {"encoding": "utf-8"},
    {"encoding": "cp1252"},
    {"encoding": "utf-16"},
    {"encoding": "shift_jis"},
    {"encoding": "cp037"},
    {"encoding": "iso2022_jp"},
    {"delimiter": ","},
    {"delimiter": "||"},
    {"qualifier": "none"},
    {"qualifier": "single", "delimiter": ";"},
    {"line_end": "LF"},
    {"line_end": "CR"},
    {"columns": ("external_id", "b", "c")},
    {"columns": ("external_id", "b"), "delimiter": "\t", "encoding": "utf-8"},
)

NAMES = (
    "external_id", "External ID", "external_Id", "First Name", "email_subscribe", "a.b", "$x", "_own", "", " ", "n\nl",
    "x" * 300, "zip ", "a b",
    "\ud800", "push_tokens", "_merge_objects", "rpi_offers", "rpi_cdp_attributes", "user_alias", "custom_events",
)  # fmt: skip
GOOD_NAMES = (
    "first_name", "Email", "phone", "country", "dob", "gender", "time_zone", "language", "home_city", "RPContactID",
    "ChannelExecutionID", "output_name", "income", "zip", "likes", "meta", "since", "seen", "vip", "É",
)  # fmt: skip
CELLS = (
    "", " ", "NULL", "NaN", "-inf", "1e999", "01520", "true", "2026-02-30", "2026-01-01T00:00:00Z", "M", "ES",
    "ann@example.com", "@", "+34600000001", "a|b|", '{"a":1}', '{"a":NaN}', "[1,[2]]", "[" * 120 + "]" * 120,
    "{" * 2000,
    "9" * 400, "9" * 5000, "-0", "0x10", "1_000", "\0", "\x1f", "\ud800", "\udcff", "x" * 256, "x" * 989, "🙂" * 260,
    "=cmd()", "\n", "\u202e", "Infinity", "é", "é", "{{ 7*7 }}", "1,5", "Europe/Madrid", "../x", "١٢",
)  # fmt: skip
MAPPINGS: Sequence[dict[str, Any]] = (
    {}, {}, {},
    {"bad_values": "omit"},
    {"extra_to": None},
    {"extra_to": "a.b.c"},
    {"null_token": "NULL"},
    {"null_token": "NULL", "empty": "null"},
    {"empty": "keep"},
    {"offer": None},
    {"types": {"income": "integer"}},
    {"types": {"income": "number", "vip": "boolean"}},
    {"types": {"since": "date", "seen": "datetime"}},
    {"types": {"likes": {"type": "array", "separator": "|"}, "meta": "object"}},
    {"types": {"meta": "object"}, "bad_values": "omit", "extra_to": None},
    {"types": {"zip": {"type": "string", "cut": True}}},
    {"identifier": {"column": "Email", "kind": "email"}},
    {"identifier": {"column": "phone", "kind": "phone"}},
    {"identifier": {"column": "zip", "kind": "user_alias", "label": "crm"}},
    {"tags": {"likes": "interests"}},
    {"tags": {"likes": {"attribute": "interests", "action": "replace"}}},
    {"constants": {"visits": {"inc": 1}, "campaigns": {"add": ["x"]}}},
    {"rename": {"zip": "home_city"}, "omit": ["income"]},
)  # fmt: skip

_ODD: Sequence[Any] = (
    None, True, False, 0, 1, 2, 3, -1, 74, 10**30, 1.5, 1e300, "", "0", "attributes", "events", "purchases", "success",
    "queued", KEY, f"Invalid API key: {KEY}", "Max input length exceeded", "'external_id' is odd", "Ann", "x" * 5000,
    [], {}, [[]], {"type": "x"}, ["a", 1, None], [{"index": 0}],
)  # fmt: skip
_FIELDS = (
    "message",
    "errors",
    "error",
    "attributes_processed",
    "events_processed",
    "purchases_processed",
    "users",
    "x",
)
_ENTRY_FIELDS = (
    "type",
    "message",
    "input_array",
    "index",
    "external_id",
    "user_aliases",
    "alias_name",
    "alias_label",
)


_ANSWERS = [
    json.dumps(answer).encode()
    for answer in (
        {"message": "success", "attributes_processed": 2, "events_processed": 1},
        {
            "message": "success",
            "errors": [{"type": "EMAIL_BAD_FORMAT", "input_array": "attributes", "index": 0}],
        },
        {"message": "success", "errors": [{"type": f"no index {KEY}"}], "attributes_processed": 1},
        {"message": "queued"},
        {"message": f"Invalid API key: {KEY}"},
        {"users": [{"external_id": "U0", "user_aliases": [{"alias_name": "a", "alias_label": "b"}]}]},
        {"error": "unexpected token"},
    )
] + [b"<html><body>502</body></html>", b"", b"null", b"[]", b'"x"', b"7"]
_TOKENS = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\", b"\\u0000", b"\\ud800", b"null", b"true", b"NaN", b"-", b"1e400",
    b"[" * 200, b"[" * 2000, b'{"a":' * 500, b"9" * 40, b"9" * 5000, b"\xff", b"\xed\xa0\x80", b"\0", b"\xef\xbb\xbf",
    b'"errors":[{}],', b'"index":', b'"input_array":"events",', KEY.encode(), b"\n", b" " * 70,
)  # fmt: skip
WIRE = (
    b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 21\r\n\r\n{"message":"success"}',
    b'HTTP/1.1 201 X\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n{"message":"success"}\r\n0\r\n\r\n',
    b"HTTP/1.1 500 X\r\nConnection: close\r\n\r\n<html>",
    b"HTTP/1.1 307 X\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 X\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}",
)
WIRE_PIECES = (
    b"\r\n", b"\n", b":", b" ", b"\0", b"\xff", b"HTTP/1.1", b"HTTP/9.9", b"100 Continue\r\n\r\n", b"-1", b"9" * 30,
    b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"ffffffffffffffff\r\n", b"Set-Cookie: a=b\r\n", b"X: " + b"y" * 9000 + b"\r\n", b"0\r\n\r\n", KEY.encode(),
)  # fmt: skip
STATUSES = (
    200, 201, 201, 201, 202, 204, 301, 307, 400, 400, 401, 403, 404, 408, 413, 415, 418, 422, 429, 500, 502, 503, 504,
    599, 999,
)  # fmt: skip
HEADERS = (
    "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "Date", "X-Ratelimit-Retry-After",
)  # fmt: skip
VALUES = (
    "", "0", "1", "-1", "2.5", "nan", "inf", "1e999", "9" * 400, "1795000000", "soon", "1_0", "٣", KEY, "\0",
    "x" * 9000,
    "Sun, 22 Nov 2026 10:00:00 GMT", "Sun, 22 Nov 2026 10:00:00 -0000", "Mon, 99 Foo 0000 99:99:99 X",
    "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359",
)  # fmt: skip


def file_and_dialect(rng: Random) -> tuple[bytes, dict[str, Any] | None]:
    """Give an export and what is declared of it, or a rejects file and None."""
    if rng.randrange(5):
        return damaged(rng, EXPORTS, PIECES, LARGE), rng.choice(DIALECTS)
    return damaged(rng, REJECTS, PIECES), None


def records(rng: Random) -> tuple[list[str], list[list[str]], dict[str, Any], str]:
    """Give columns, rows, a mapping and a mode."""
    # Most names at random are refused together with the whole mapping, and then nothing would be mapped.
    columns = rng.sample(GOOD_NAMES, rng.randrange(1, 9))
    if not rng.randrange(4):
        columns.append(rng.choice(NAMES))
    if rng.randrange(8):
        columns.append("external_id")
    rows = [[_cell(rng) for _ in columns] for _ in range(rng.randrange(4))]
    for row in rows:
        row[-1] = rng.choice(("U1", "U2", row[-1]))
    return columns, rows, rng.choice(MAPPINGS), rng.choice(("upsert", "append"))


def _cell(rng: Random) -> str:
    if rng.randrange(2):
        return rng.choice(("", "", "U1", "7"))
    if rng.randrange(6):
        return rng.choice(CELLS)
    last = rng.choice((0x7F, 0x3FF, 0x30FF, 0xFFFF, 0x1F6FF, 0x10FFFF))
    return "".join(chr(last - rng.randrange(128)) for _ in range(rng.randrange(1, 4)))


def answer(rng: Random) -> tuple[int, bytes, dict[str, str]]:
    """Give a status, a body and headers."""
    headers = {rng.choice(HEADERS): rng.choice(VALUES) for _ in range(rng.randrange(4))}
    return rng.choice(STATUSES), _body(rng), headers


def _body(rng: Random) -> bytes:
    if rng.randrange(2):
        return damaged(rng, _ANSWERS, _TOKENS)
    fields = {rng.choice(_FIELDS): rng.choice(_ODD) for _ in range(rng.randrange(5))}
    if where := rng.choice(("errors", "errors", "errors", "users", "")):
        fields[where] = [_entry(rng) for _ in range(rng.randrange(5))]
    return json.dumps(fields).encode()


def _entry(rng: Random) -> Any:
    if not rng.randrange(4):
        return rng.choice(_ODD)
    return {rng.choice(_ENTRY_FIELDS): rng.choice(_ODD) for _ in range(rng.randrange(5))}


def wire(rng: Random) -> bytes:
    """Give what a server writes for an answer, down to its status line."""
    return damaged(rng, WIRE, WIRE_PIECES)


class _Raising:
    def __str__(self) -> str:
        raise LookupError(KEY)

    __repr__ = __str__


class _Nameless:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # type: ignore[override]
        raise LookupError(KEY)


_ODD_VALUES = (
    "", "P1", "\ud800", "a\0b", "NaN", "<float>", True, None, 0, -1, 2**63, 10**5000, 1.5, -0.0,
    float("nan"), float("inf"), float("-inf"), Decimal("1.10"), Decimal("NaN"), Decimal("1e999999"), 1j,
    b"x", bytearray(b"x"), date.min, datetime.max, timedelta(1), UUID(int=1), Fraction(1, 3), range(3), ...,
    _Raising(), _Nameless(), object, "[" * 5000, "{" * 5000, "x" * 100_000,
)  # fmt: skip
_ODD_KEYS = (
    "x",
    "a",
    "",
    "NaN",
    "null",
    "\ud800",
    1,
    1.5,
    "1",
    True,
    None,
    float("nan"),
    float("inf"),
    b"x",
    (1, 2),
)


def row(rng: Random) -> Any:
    """Give a row of an author's own."""
    if not rng.randrange(8):
        return _value(rng, 0)
    return {"external_id": rng.choice(("U1", "U1", *_ODD_VALUES)), "x": _value(rng, 0)}


def _value(rng: Random, depth: int) -> Any:
    kind = rng.randrange(9 if depth < 4 else 5)
    if kind < 5:
        return rng.choice(_ODD_VALUES)
    some = [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    if kind == 5:
        return {rng.choice(_ODD_KEYS): each for each in some}
    if kind == 6:
        return tuple(some)
    if kind == 7:
        deep: Any = some
        for _ in range(rng.choice((1, 60, 3000))):
            deep = [deep] if rng.randrange(2) else {"x": deep}
        return deep
    # One that holds itself.
    return some.append(some) or some
