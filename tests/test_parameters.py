from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.parameters import (
    as_bool,
    as_number,
    as_optional_number,
    as_optional_path,
    as_optional_seconds,
    as_optional_text,
    as_seconds,
    as_text,
    as_threshold,
    as_whole_number,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), ("true", True), ("True", True), (" FALSE ", False), ("false", False)],
)
def test_switch(value: object, expected: bool) -> None:
    assert as_bool("only_new", value) is expected


@pytest.mark.parametrize("value", ["yes", "1", 1, 0, "on", [], {}, 0.0])
def test_anything_else_is_no_switch(value: object) -> None:
    with pytest.raises(BrazeSetupError, match="only_new must be true or false"):
        as_bool("only_new", value, default=True)


@pytest.mark.parametrize("value", ["", "  ", "None", None])
def test_unset_switch(value: object) -> None:
    assert as_bool("only_new", value, default=True) is True
    with pytest.raises(BrazeSetupError, match="only_new"):
        as_bool("only_new", value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", None),
        (" ", None),
        ("None", None),
        (None, None),
        ("none", "none"),
        ("false", "false"),
        ("007", "007"),
        (" Spring Welcome ", "Spring Welcome"),
        ("夏", "夏"),
    ],
)
def test_text(value: object, expected: str | None) -> None:
    assert as_optional_text("offer", value) == expected


@pytest.mark.parametrize("value", [True, 8828, 202403, 1.5, ["a"], {"a": 1}, b"a"])
def test_not_a_text(value: object) -> None:
    with pytest.raises(BrazeSetupError, match="offer must be text"):
        as_optional_text("offer", value)


@pytest.mark.parametrize(
    "path", ['"/data/x"', "'/data/x'", "`/data/x`", " '/data/x' ", "\u201c/data/x\u201d", "''"]
)
def test_a_path_in_quotes(path: str) -> None:
    with pytest.raises(BrazeSetupError, match="reports_path is in quotes"):
        as_optional_path("reports_path", path)


@pytest.mark.parametrize("path", ["/data/'x'", "'s-Hertogenbosch/x", '/data/"', "'"])
def test_a_quote_in_a_path_is_a_character_of_it(path: str) -> None:
    assert as_optional_path("reports_path", path) == path
    assert as_optional_path("reports_path", " None") is None


def test_text_that_must_be_given() -> None:
    assert as_text("base_path", "/data") == "/data"
    with pytest.raises(BrazeSetupError, match="base_path must be given"):
        as_text("base_path", "None")


@pytest.mark.parametrize(("value", "expected"), [("30", 30), (30, 30), (0.5, 0.5), (" 1e2 ", 100), ("0", 0)])
def test_number(value: object, expected: float) -> None:
    assert as_number("settle_seconds", value) == expected


@pytest.mark.parametrize(
    "value", ["ten", "1_000", True, "-1", -0.1, "nan", "inf", float("inf"), "true", [], "1,5", 10**400]
)
def test_not_a_number(value: object) -> None:
    with pytest.raises(BrazeSetupError, match="settle_seconds must be a number of at least 0"):
        as_number("settle_seconds", value)


@pytest.mark.parametrize("value", ["", "None", None])
def test_unset_number(value: object) -> None:
    assert as_optional_number("max_age", value) is None
    assert as_number("settle_seconds", value, default=30) == 30
    with pytest.raises(BrazeSetupError, match="settle_seconds must be given"):
        as_number("settle_seconds", value)


def test_whole_number() -> None:
    assert as_whole_number("max_exports", "100") == 100
    assert as_whole_number("max_exports", 2.0) == 2
    assert as_whole_number("max_exports", "", default=7) == 7
    with pytest.raises(BrazeSetupError, match="max_exports must be a whole number"):
        as_whole_number("max_exports", "1.5")
    with pytest.raises(BrazeSetupError, match="max_exports must be a number of at least 1"):
        as_whole_number("max_exports", 0, minimum=1)


def test_points_between_thousands_are_refused_and_not_read_as_a_few() -> None:
    for text in ("500.000", " 1.000 ", "1.500.000"):
        with pytest.raises(BrazeSetupError, match="max_data_points must be a"):
            as_whole_number("max_data_points", text)
        with pytest.raises(BrazeSetupError, match="max_rejected must be a count"):
            as_threshold("max_rejected", text)
    assert as_whole_number("max_data_points", "500.0") == 500
    assert as_threshold("max_rejected", "0.050") == 0.05
    for text, number in (("1", 1), ("1.0", 1), ("0", 0), ("0.0", 0.0), ("0.5", 0.5)):
        assert repr(as_threshold("max_rejected", text)) == repr(number)


@pytest.mark.parametrize("value", ["1e300", 1e300, timedelta.max])
def test_seconds_are_no_more_than_python_can_wait_for(value: object) -> None:
    """Beyond that ``time.sleep`` raises an ``OverflowError``."""
    assert threading.Lock().acquire(timeout=as_seconds("settle_seconds", value))
    assert threading.Lock().acquire(timeout=as_optional_seconds("timeout", value) or 0)


def test_seconds() -> None:
    assert as_optional_seconds("max_age", timedelta(days=7)) == 604800
    assert as_optional_seconds("max_age", "604800") == 604800
    assert as_optional_seconds("max_age", "None") is None
    assert as_seconds("settle_seconds", timedelta(seconds=2)) == 2
    assert as_seconds("settle_seconds", "", default=30) == 30
    with pytest.raises(BrazeSetupError, match="max_age"):
        as_optional_seconds("max_age", timedelta(days=-1))
    with pytest.raises(BrazeSetupError, match="max_age"):
        as_optional_seconds("max_age", "7 days")
