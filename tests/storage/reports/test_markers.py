from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.push_identity import PushIdentity

WHOLE = Marker(
    PushIdentity("nightly", "r", "push", 0, 2, "0f"),
    "2026-11-26T02:00:00+00:00",
    "/rpi/_braze/f/p/report.json",
    "/rpi/c/o/1/x.txt",
    1795100000.25,
    frozenset({"email", "first_name"}),
)


PART = replace(WHOLE, path=None, modified=None, set_fields=None, brought=True)


@pytest.mark.parametrize(
    "marker",
    [
        WHOLE,
        Marker(),
        Marker(report="r", set_fields=frozenset()),
        replace(WHOLE, shards={"1/2": PART, "2/2": Marker()}),
    ],
)
def test_is_read_as_it_was_written(marker: Marker) -> None:
    assert Marker.read(marker.written()) == marker


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"pushed",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"report": 7, "modified": 1e400, "set_fields": "email"}',
        b'{"shards": ["1/2"]}',
        b'{"shards": {"1/2": "0f"}}',
    ],
)
def test_whatever_else_it_holds_it_tells_nothing(content: bytes) -> None:
    assert Marker.read(content) == Marker()


def test_a_number_that_no_file_has() -> None:
    assert Marker.read(b'{"modified": 1%s}' % (b"0" * 400)).modified is None
