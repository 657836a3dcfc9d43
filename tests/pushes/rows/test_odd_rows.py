"""Rows of an author's own that nobody expects: each is one invalid row, or what Braze understands; none ends a push."""

from __future__ import annotations

import enum
import json
import sys
from collections import OrderedDict, UserDict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.pushes.rows.given_rows import GivenRows
from airflow_provider_braze.pushes.rows.row_values import BadRowError, as_json, as_text
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.redpoint.dialect import Dialect
from airflow_provider_braze.users_track.batching.merge_window import MergeWindow
from airflow_provider_braze.users_track.batching.profile_object import ProfileObject
from airflow_provider_braze.users_track.records import RecordReference
from airflow_provider_braze.users_track.rules.values import to_json
from tests.reports import check, rejects
from tests.sandbox_process import SandboxProcess

PushRows = Callable[..., dict[str, Any]]


class Color(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    YES = "yes"


class Price(Decimal, enum.Enum):
    LOW = "1.10"


class Share(float, enum.Enum):
    HALF = 0.5


class Endless(float, enum.Enum):
    YES = float("inf")


class Flags(enum.Flag):
    BOLD = 1


class Money(Decimal):
    def __str__(self) -> str:
        return f"EUR {super().__str__()}"


class Odd(int):
    def __repr__(self) -> str:
        return "three"


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Moment(datetime):
    """As pandas' Timestamp, whose text has nanoseconds."""

    def isoformat(self, sep: str = "T", timespec: str = "auto") -> str:
        return "2026-01-02T03:04:05.000000001"


class NAType:
    """As pandas has it: no truth comes of comparing it."""

    def __eq__(self, other: object) -> Any:
        return self

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None  # type: ignore[assignment]


class NaTType(datetime):
    """As pandas has it: a time that equals nothing."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


class Table:
    """As pandas has them: going through it gives the names of its columns."""

    columns = ("external_id",)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


class Raising:
    def __str__(self) -> str:
        raise LookupError("a value")

    __repr__ = __str__


class Nameless:
    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # type: ignore[override]
        raise LookupError("a value")


class RaisingDict(UserDict[str, Any]):
    def items(self) -> Any:
        raise LookupError("a value")


def loop() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["again"] = {"and": [found]}
    return found


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def doubled(levels: int) -> list[Any]:
    """As text it would never end, though it holds but a few lists."""
    found: list[Any] = []
    for _ in range(levels):
        found = [found, found]
    return found


ODD: dict[str, tuple[Any, str]] = {
    "a tuple as key": ({(1, 2): 1}, "not JSON: a key of type tuple"),
    "bytes as key": ({b"a": 1}, "not JSON: a key of type bytes"),
    "None as key": ({None: 1}, "not JSON: a key of type NoneType"),
    "a truth as key": ({True: 1}, "not JSON: a key of type bool"),
    "keys that are one": ({1: 1, "1": 2}, "not JSON: two keys that are the same as text"),
    "a loop": (loop(), "not JSON: it holds itself"),
    "3,000 levels": (nested(3000), "nested deeper than 100 levels"),
    "a text without end": (doubled(90), "larger than a request may be (4000000 bytes)"),
    "the same long text often": ([["x" * 1_000_000] * 9], "larger than a request may be (4000000 bytes)"),
    "5,000 digits": (10**5000, "a number that is too large"),
    "no float": (Decimal("1E+400"), "a number that is too large"),
    "NaN": (float("nan"), "not JSON: a value of type float that is infinite or not a number"),
    "a Decimal NaN": (Decimal("NaN"), "not JSON: a value of type Decimal that is infinite or not a number"),
    "a NaN that raises": (
        Decimal("sNaN"),
        "not JSON: a value of type Decimal that is infinite or not a number",
    ),
    "an infinite Decimal": (
        Decimal("-Infinity"),
        "not JSON: a value of type Decimal that is infinite or not a number",
    ),
    "an infinite number with a name": (
        Endless.YES,
        "not JSON: a value of type Endless that is infinite or not a number",
    ),
    "infinite, of numpy": (
        numpy.float16("inf"),
        "not JSON: a value of type float16 that is infinite or not a number",
    ),
    "NaN of numpy's own float": (
        numpy.float64("nan"),
        "not JSON: a value of type float64 that is infinite or not a number",
    ),
    "inf": (float("inf"), "not JSON: a value of type float that is infinite or not a number"),
    "half a character": ("\ud800", "not JSON: UnicodeEncodeError"),
    "a key that is no number": (
        {float("nan"): 1},
        "not JSON: a value of type float that is infinite or not a number",
    ),
    "str that raises": (Raising(), "not JSON: a value of type Raising"),
    "a dict that raises": (RaisingDict(), "not JSON: LookupError"),
    "bytes": (b"x", "not JSON: a value of type bytes"),
    "an object": (object(), "not JSON: a value of type object"),
    "a function": (len, "not JSON: a value of type builtin_function_or_method"),
    "an enum": (Color.RED, "not JSON: a value of type Color"),
    "a time": (time(1, 2), "not JSON: a value of type time"),
    "a duration": (timedelta(1), "not JSON: a value of type timedelta"),
    "complex": (1j, "not JSON: a value of type complex"),
    "a generator": ((n for n in range(3)), "not JSON: a value of type generator"),
    "a year that no date has": (
        numpy.datetime64("20260-01-02"),
        "not JSON: a value of type datetime64",
    ),
    "a time before all dates, finer than a second": (
        numpy.datetime64("-0100-01-02T00:00:00", "us"),
        "not JSON: a value of type datetime64",
    ),
    "a truth of numpy as key": ({numpy.bool_(True): 1}, "not JSON: a key of type bool"),
    "a duration of numpy": (numpy.timedelta64(1, "D"), "not JSON: a value of type timedelta64"),
    "a duration finer than Python's": (
        numpy.timedelta64(1, "ns"),
        "not JSON: a value of type timedelta64",
    ),
    "bytes of numpy": (numpy.bytes_(b"x"), "not JSON: a value of type bytes_"),
    "a record of numpy": (numpy.void(b"abc"), "not JSON: a value of type void"),
    "a masked value": (numpy.ma.masked, "not JSON: a value of type MaskedConstant"),
    "complex of numpy": (numpy.complex64(1), "not JSON: a value of type complex64"),
    "NaN of numpy": (
        numpy.float32("nan"),
        "not JSON: a value of type float32 that is infinite or not a number",
    ),
    "pandas' NA": (NAType(), "not JSON: a value of type NAType"),
    "pandas' NaT": (NaTType(2026, 1, 2), "not JSON: a value of type NaTType"),
    "flags": (Flags.BOLD, "not JSON: a value of type Flags"),
    "a fraction": (Fraction(1, 2), "not JSON: a value of type Fraction"),
    "no time": (numpy.datetime64("NaT"), "not JSON: a value of type datetime64"),
    "an array of numpy": (numpy.array([1]), "not JSON: a value of type ndarray"),
    "a longer float": (numpy.longdouble(1), "not JSON: a value of type longdouble"),
}

SHORT = {name: value for name, (value, reason) in ODD.items() if not reason.startswith("larger")}

UNDERSTOOD: dict[str, tuple[Any, str]] = {
    "a Decimal": (Decimal("1.10"), "1.10"),
    "finer than a float": (Decimal("0.1234567890123456789012345"), "0.1234567890123456789012345"),
    "a whole Decimal": (Decimal(5), "5"),
    "a date": (date(2026, 1, 2), '"2026-01-02"'),
    "a naive datetime": (datetime(2026, 1, 2, 3, 4, 5), '"2026-01-02T03:04:05"'),
    "UTC": (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05Z"'),
    "elsewhere": (
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-5))),
        '"2026-01-02T03:04:05-05:00"',
    ),
    "a local mean time": (
        datetime(1890, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(minutes=53, seconds=28))),
        '"1890-01-02T02:10:37Z"',
    ),
    "a datetime of another kind": (Moment(2026, 1, 2, 3, 4, 5, tzinfo=UTC), '"2026-01-02T03:04:05Z"'),
    "a Decimal of another kind": (Money("1.10"), "1.10"),
    "a Decimal with a name": (Price.LOW, "1.10"),
    "a float with a name": (Share.HALF, "0.5"),
    "an int of another kind": (Odd(3), "3"),
    "a str of another kind": (Text("x"), '"x"'),
    "int8": (numpy.int8(-1), "-1"),
    "float16": (numpy.float16(1.5), "1.5"),
    "a month of numpy": (numpy.datetime64("2026-01"), '"2026-01-01"'),
    "a second of numpy": (numpy.datetime64("2026-01-02T03:04:05"), '"2026-01-02T03:04:05"'),
    "a number of numpy as key": ({numpy.int64(1): 2}, '{"1":2}'),
    "a UUID": (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    "int64": (numpy.int64(-5), "-5"),
    "uint64": (numpy.uint64(2**64 - 1), "18446744073709551615"),
    "float32": (numpy.float32(0.5), "0.5"),
    "float64": (numpy.float64(0.1), "0.1"),
    "bool_": (numpy.bool_(True), "true"),
    "str_": (numpy.str_("x"), '"x"'),
    "nanoseconds": (numpy.datetime64("2026-01-02T03:04:05.123456789"), '"2026-01-02T03:04:05.123456"'),
    "a day of numpy": (numpy.datetime64("2026-01-02"), '"2026-01-02"'),
    "an int with a name": (Level.HIGH, "3"),
    "a str with a name": (Word.YES, '"yes"'),
    "a set": ({"b", "a"}, '["a","b"]'),
    "a tuple": ((1, (2,)), "[1,[2]]"),
    "a number as key": ({1: 2}, '{"1":2}'),
    "a dict of another kind": (MappingProxyType(OrderedDict(a=Decimal("2.50"))), '{"a":2.50}'),
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_row_is_invalid_alone(push_rows: PushRows, odd: str) -> None:
    value, reason = ODD[odd]
    rows = [{"external_id": "U1", "x": 1}, {"external_id": "U2", "x": value}, {"external_id": "U3", "x": 1}]
    report = push_rows(attributes=rows, save=lambda _: None)
    check(report, records=3, accepted=2, invalid=1, status="complete")
    assert report["failed_rows"] == [{"index": 1, "outcome": "invalid", "reason": reason}]


@pytest.mark.parametrize(
    "row",
    [None, 5, "text", ["list"], b"bytes", Raising(), RaisingDict(), {(1,): 1}],
    ids=lambda row: type(row).__name__,
)
def test_so_is_what_is_no_dict(push_rows: PushRows, tmp_path: Path, row: Any) -> None:
    report = push_rows(attributes=[row, {"external_id": "U1", "x": 1}], reports_path=str(tmp_path))
    check(report, records=2, accepted=1, invalid=1, status="complete")


def test_so_is_one_that_raises_when_it_is_asked_what_it_is(push_rows: PushRows, tmp_path: Path) -> None:
    rows = [Nameless(), {"external_id": "U1", "x": Nameless()}, {"external_id": "U1", "x": 1}]
    report = push_rows(attributes=rows, reports_path=str(tmp_path))
    check(report, records=3, accepted=1, invalid=2, reasons={"not JSON: LookupError": 2})


@pytest.mark.parametrize(
    "identifier",
    [Raising(), 10**5000, numpy.array([1, 2]), b"U1", float("nan")],
    ids=["raising", "long", "array", "bytes", "NaN"],
)
def test_so_is_one_with_an_odd_identifier(push_rows: PushRows, identifier: Any) -> None:
    report = push_rows(attributes=[{"external_id": identifier, "visits": {"inc": 1}}], save=lambda _: None)
    check(report, records=1, invalid=1, status="failed")


def test_all_of_them_together_are_written_down_and_invalid_again(
    push_rows: PushRows, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    """As JSON as far as there is any; what has none is never sent as a text that stands for it."""
    rows = [{"external_id": f"U{n}", "x": value} for n, value in enumerate(SHORT.values())]
    events = [
        {"external_id": "U1", "name": "e", "time": "2026-03-01T12:00:00Z", "properties": ODD["bytes"][0]}
    ]
    report = push_rows(
        attributes=rows, events=events, save=lambda _: None, max_data_points=10**6, reports_path=str(tmp_path)
    )
    check(report, records=len(rows) + 1, invalid=len(rows) + 1, status="failed")
    written = rejects(report)
    assert len(written) == len(rows) + 1
    assert f'"external_id": "U{list(SHORT).index("bytes")}", "x": <bytes>' in {
        row["object"].strip("{}") for row in written
    }
    again = push_rows(rejects=ExportItem.of(report["rejects_path"], {}), run="again")
    check(again, records=len(rows) + 1, invalid=len(rows) + 1, status="failed")
    assert sandbox.profiles() == {}


@pytest.mark.parametrize(
    "cell",
    ["[" * 100_000, '{"a":' * 20_000, "1" * 5_000, "", "\ud800", '{"external_id": "U1", "x": NaN}', "null"],
)
def test_an_odd_cell_of_a_rejects_file_is_invalid_alone(
    push_rows: PushRows, tmp_path: Path, cell: str
) -> None:
    report = push_rows(attributes=[{"x": 1}, {"x": 2}], reports_path=str(tmp_path))
    path = Path(report["rejects_path"])
    text = path.read_text()
    quoted = cell.replace('"', '""').encode("utf-8", "surrogatepass")
    mended = text.replace('"{""x"": 2}"', '"{""external_id"": ""U1"", ""x"": 1.50}"').encode()
    path.write_bytes(mended.replace(b'"{""x"": 1}"', b'"%s"' % quoted))
    again = push_rows(rejects=ExportItem.of(str(path), {}), run="again")
    check(again, records=2, accepted=1, invalid=1, status="complete")


@pytest.mark.parametrize("mode", ["auto", "append", "upsert"])
@pytest.mark.parametrize("given", ["auto", "append", "upsert"])
def test_rejects_take_the_mode_of_their_push(
    push_rows: PushRows, sandbox: SandboxProcess, tmp_path: Path, mode: str, given: str
) -> None:
    sandbox.fault(status=400)
    report = push_rows(
        attributes=[{"external_id": "U1", "x": 1}], mode=mode, run="first", reports_path=str(tmp_path)
    )
    check(report, records=1, rejected=1, status="failed")
    again = push_rows(rejects=ExportItem.of(report["rejects_path"], {}), mode=given, run="again")
    meant = mode if given == "auto" else given
    assert again["mode"] == meant
    assert list(sandbox.profiles()) == ([] if meant == "append" else ["U1"])


@pytest.mark.parametrize(
    "rows",
    ["[" * 100_000, "{", b"[]", bytearray(b"[]"), {}, 5, Table()],
    ids=lambda rows: f"{type(rows).__name__} {len(str(rows))}",
)
def test_what_gives_no_rows_is_said_at_once(push_rows: PushRows, rows: Any) -> None:
    with pytest.raises(BrazeSetupError, match="attributes must be a list"):
        push_rows(attributes=rows)


@pytest.mark.parametrize("value", UNDERSTOOD)
def test_other_types_become_what_braze_understands(value: str) -> None:
    held, wanted = UNDERSTOOD[value]
    row = {"external_id": "U1", "x": held}
    assert to_json(as_json(row)) == b'{"external_id":"U1","x":%s}' % wanted.encode()
    assert to_json(as_json(json.loads(as_text(row), parse_float=Decimal))) == to_json(as_json(row))


def test_they_arrive_as_that(push_rows: PushRows, sandbox: SandboxProcess) -> None:
    event = {
        "name": "paid",
        "time": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "properties": {"sum": Decimal("9.90")},
    }
    report = push_rows(
        attributes=[{"external_id": UUID(int=7), "spent": Decimal("12.50"), "since": date(2026, 1, 2)}],
        events=[{"external_id": UUID(int=7), **event}],
    )
    check(report, records=2, accepted=2, status="complete")
    profile = sandbox.profiles()[str(UUID(int=7))]
    assert profile["custom_attributes"]["spent"] == 12.5
    assert profile["custom_attributes"]["since"].startswith("2026-01-02")


def test_a_phone_is_the_same_user_however_it_is_written(push_rows: PushRows, sandbox: SandboxProcess) -> None:
    phones = ["+1 555 123 4567", "(555) 123-4567", "15551234567", "+44 555 123 4567"]
    report = push_rows(attributes=[{"phone": phone, "n": at} for at, phone in enumerate(phones)])
    check(report, records=4, accepted=2, merged=2, status="complete")
    assert sorted(each["custom_attributes"]["n"] for each in sandbox.all_profiles()) == [2, 3]


def test_a_number_stays_exact_when_rows_are_merged() -> None:
    window = MergeWindow()
    for name in ("a", "b"):
        content = as_json({"external_id": "U1", name: Decimal("0.1234567890123456789012345")})
        window.add(ProfileObject("attributes", ("external_id", "U1"), content, [RecordReference(0, ())]))
    window.finish()
    batch = window.take()
    assert batch is not None
    assert batch.body(None).count(b"0.1234567890123456789012345") == 2


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(st.characters())
        | st.binary(max_size=3)
        | st.decimals()
        | st.dates()
        | st.datetimes(timezones=st.none() | st.timezones())
        | st.uuids()
        | st.timedeltas(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.tuples(inner)
            | st.dictionaries(st.text(max_size=3) | st.integers() | st.binary(max_size=2), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_whatever_a_row_holds_it_is_sent_as_what_it_is_or_invalid(value: Any) -> None:
    row = {"external_id": "U1", "x": value}
    digests = {GivenRows.read({"attributes": [row]}).digest() for _ in range(2)}
    assert len(digests) == 1
    text = as_text(row)
    assert "\n" not in text
    text.encode()
    try:
        content = as_json(row)
    except BadRowError:
        # What cannot be sent cannot be sent from the rejects file either.
        with pytest.raises((BadRowError, ValueError)):
            as_json(json.loads(text, parse_float=Decimal))
        return
    item = ProfileObject("attributes", ("external_id", "U1"), content, [RecordReference(0, ())])
    back = as_json(json.loads(text, parse_float=Decimal))
    again = ProfileObject("attributes", ("external_id", "U1"), back, [RecordReference(0, ())])
    assert item.encode() == again.encode()
    assert _numbers(item.body) == _numbers(again.body)


def _numbers(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal, parse_int=Decimal) if body else None


class Lengthy:
    """A class of one's own with a length and items, and no more."""

    def __init__(self, rows: list[Any]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: int) -> Any:
        return self._rows[at]


@pytest.mark.parametrize("kind", [tuple, Lengthy, lambda rows: dict(enumerate(rows)).values(), numpy.array])
def test_what_has_a_length_is_data(kind: Callable[[list[Any]], Any]) -> None:
    rows = [{"external_id": f"U{n}", "x": n} for n in range(3)]
    found = GivenRows.read({"attributes": kind(rows)})
    assert found.digest() == GivenRows.read({"attributes": rows}).digest()
    assert [row.content for row in found.rows(with_cells=False)] == rows


def test_what_does_not_tell_whether_it_is_true_is_data_too(push_rows: PushRows) -> None:
    rows = [{"external_id": f"U{n}", "x": n} for n in range(3)]
    check(push_rows(attributes=numpy.array(rows)), records=3, accepted=3)


def test_what_comes_one_by_one_is_none() -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"external_id": "U1"}

    assert GivenRows.read({"attributes": rows}).digest() is None
    assert GivenRows.read({"attributes": rows()}).digest() is None


def test_one_dict_that_is_filled_anew_for_each_row(push_rows: PushRows, sandbox: SandboxProcess) -> None:
    """The guard goes through the rows twice, so that an iterator's have to be held."""

    def rows() -> Iterator[dict[str, Any]]:
        row: dict[str, Any] = {"o": {}}
        for n in range(3):
            row["external_id"], row["o"]["n"] = f"U{n}", n
            yield row

    check(push_rows(attributes=rows(), max_data_points=1000), records=3, accepted=3)
    held = {name: profile["custom_attributes"]["o"] for name, profile in sandbox.profiles().items()}
    assert held == {f"U{n}": {"n": n} for n in range(3)}


def test_it_needs_no_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "numpy")
    with pytest.raises(BadRowError, match="a value of type int64"):
        as_json({"external_id": "U1", "x": numpy.int64(1)})


def test_rejects_that_a_spreadsheet_saved_in_its_own_encoding(push_rows: PushRows, tmp_path: Path) -> None:
    rows = [{"external_id": "A", "city": "Zürich", "email": "nobody"}, {"external_id": "B", "city": "Bern"}]
    report = push_rows(attributes=rows, reports_path=str(tmp_path), run="first")
    assert (report["rejected"], report["accepted"]) == (1, 1)
    path = Path(report["rejects_path"])
    path.write_bytes(path.read_text("utf-8").replace("nobody", "jo@example.com").encode("cp1252"))
    item = ExportItem.of(str(path), {})
    assert push_rows(rejects=item, run="unread")["invalid"] == 1
    again = push_rows(rejects=item, run="again", dialect=Dialect(encoding="cp1252"))
    assert again["accepted"] == 1


@pytest.mark.parametrize("odd", [loop(), nested(3000)], ids=["a loop", "3,000 levels"])
def test_the_rest_of_such_a_row_is_written_down(odd: Any) -> None:
    """So whoever reads the rejects sees whose it is."""
    text = as_text({"external_id": "U1", "x": odd})
    assert text.startswith('{"external_id": "U1", "x": ')
    assert text.count("<...>") == 1


def test_what_holds_itself_is_written_once() -> None:
    row: dict[str, Any] = {"external_id": "U1"}
    row["x"] = row
    assert as_text(row) == '{"external_id": "U1", "x": <...>}'
