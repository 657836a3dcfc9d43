from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.dialect import Dialect


def test_nothing_declared_is_nothing_known() -> None:
    assert dataclasses.asdict(Dialect.from_dict({})) == dict.fromkeys(
        ["delimiter", "qualifier", "encoding", "line_end", "columns", "skip_lines"]
    )


@pytest.mark.parametrize(
    ("key", "given", "meant"),
    [
        ("delimiter", "tab", "\t"),
        ("delimiter", "Comma", ","),
        ("delimiter", "\\t", "\t"),
        ("delimiter", "space", " "),
        ("delimiter", "||", "||"),
        ("delimiter", "", None),
        ("qualifier", "DoubleQuote", '"'),
        ("qualifier", "single", "'"),
        ("qualifier", "none", ""),
        ("qualifier", "", ""),
        ("encoding", "UTF8", "utf-8"),
        ("encoding", "utf-8-sig", "utf-8"),
        ("encoding", "Unicode", "utf-16-le"),
        ("encoding", "BigEndianUnicode", "utf-16-be"),
        ("encoding", "UTF32", "utf-32-le"),
        ("encoding", "windows-1252", "cp1252"),
        ("encoding", "", None),
        ("line_end", "CRLF", "\r\n"),
        ("line_end", "\n", "\n"),
        ("line_end", "\\r", "\r"),
        ("columns", ["external_id", "zip"], ("external_id", "zip")),
        ("skip_lines", 2, 2),
        ("skip_lines", "3", 3),
        ("skip_lines", "", None),
    ],
)
def test_names_and_characters(key: str, given: object, meant: object) -> None:
    assert getattr(Dialect.from_dict({key: given}), key) == meant


@pytest.mark.parametrize(
    ("key", "given", "hint"),
    [
        ("delimiter", "x", "pipe"),
        ("delimiter", "_", "pipe"),
        ("delimiter", '"', "pipe"),
        ("delimiter", "|||", "pipe"),
        ("delimiter", 9, "pipe"),
        ("skip_lines", -1, "before the header row"),
        ("skip_lines", 1001, "before the header row"),
        ("skip_lines", True, "before the header row"),
        ("skip_lines", 1.5, "before the header row"),
        ("skip_lines", "two", "before the header row"),
        ("qualifier", "backtick", "double, single or none"),
        ("qualifier", False, "double, single or none"),
        ("encoding", "utf-9", "Unicode"),
        ("encoding", "hex", "Unicode"),
        ("encoding", "idna", "Unicode"),
        ("encoding", "undefined", "Unicode"),
        ("encoding", "UTF7", "Unicode"),
        ("encoding", "a\0b", "Unicode"),
        ("line_end", "LFCR", "CRLF, LF or CR"),
        ("columns", "external_id,zip", "list"),
        ("columns", [], "list"),
        ("columns", ["external_id", "zip", "external_id"], "each given once"),
        ("columns", ["external_id", " "], "list"),
        ("columns", 3, "list"),
    ],
)
def test_a_wrong_value_names_dialect_the_key_and_what_is_right(key: str, given: object, hint: str) -> None:
    with pytest.raises(BrazeSetupError) as refused:
        Dialect.from_dict({key: given})
    assert f"dialect[{key!r}]" in str(refused.value)
    assert hint in str(refused.value)


def test_a_wrong_key_names_the_right_ones() -> None:
    with pytest.raises(
        BrazeSetupError, match=r"dialect has no 'separator'; its keys are delimiter, qualifier"
    ):
        Dialect.from_dict({"separator": ","})


def test_not_a_dict() -> None:
    with pytest.raises(BrazeSetupError, match="dialect must be a dict, not str"):
        Dialect.from_dict("tab")  # type: ignore[arg-type]
