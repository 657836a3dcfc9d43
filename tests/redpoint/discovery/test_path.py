from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.redpoint.discovery.path import ExportPath, fingerprint

WELCOME = ExportPath("Braze Append", "Spring Welcome", "8828", "RPI_Export_5720.txt")


@pytest.mark.parametrize(
    "relative",
    [
        "Braze Append/Spring Welcome/8828/RPI_Export_5720.txt",
        "Braze Append\\Spring Welcome\\8828\\RPI_Export_5720.txt",
        "/Braze Append\\Spring Welcome/8828//RPI_Export_5720.txt",
    ],
)
def test_below_base(relative: str) -> None:
    assert ExportPath.below_base(relative) == WELCOME


@pytest.mark.parametrize(
    "relative", ["", "RPI_Export_1.txt", "a/b/RPI_Export_1.txt", "a/b/c/d/RPI_Export_1.txt"]
)
def test_not_in_the_layout(relative: str) -> None:
    assert ExportPath.below_base(relative) is None


@pytest.mark.parametrize(
    "path",
    [
        "/rpifileoutputdir/Braze Append/Spring Welcome/8828/RPI_Export_5720.txt",
        "\\\\share\\rpi\\Braze Append\\Spring Welcome\\8828\\RPI_Export_5720.txt",
        "s3://aws@bucket/Braze Append/Spring Welcome/8828/RPI_Export_5720.txt",
        "file:///data/Braze Append/Spring Welcome/8828/RPI_Export_5720.txt",
        "gs://bucket/rpi/Braze Append\\Spring Welcome\\8828\\RPI_Export_5720.txt",
    ],
)
def test_of_any_path(path: str) -> None:
    assert ExportPath.of(path) == WELCOME


def test_of_a_path_with_fewer_segments() -> None:
    assert ExportPath.of("s3://bucket/8828/RPI_Export_1.txt") == ExportPath(
        "", "", "8828", "RPI_Export_1.txt"
    )
    assert ExportPath.of("export.csv") == ExportPath("", "", "", "export.csv")


_SEGMENT = st.text(min_size=1).filter(lambda text: "/" not in text and "\\" not in text)


@given(st.tuples(_SEGMENT, _SEGMENT, _SEGMENT, _SEGMENT), st.sampled_from("/\\"))
def test_any_name_comes_back(parts: tuple[str, str, str, str], separator: str) -> None:
    assert ExportPath.below_base(separator.join(parts)) == ExportPath(*parts)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("RPI_Export_5720.txt", "5720"),
        ("rpi_export_007.TXT", "007"),
        ("RPI_Export_5720_Content.txt", "5720"),
        ("RPI_Export_5720", "5720"),
        ("RPI_Export_57a.txt", None),
        ("RPI_Export_\uff15.txt", None),
        ("My RPI_Export_1.txt", None),
        ("customers.txt", None),
    ],
)
def test_channel_execution_id(name: str, expected: str | None) -> None:
    assert ExportPath("c", "o", "w", name).channel_execution_id == expected


def test_fingerprint_tells_states_apart() -> None:
    states = [
        fingerprint(WELCOME, 10, 1000.0),
        fingerprint(WELCOME, 11, 1000.0),
        fingerprint(WELCOME, 10, 1001.0),
        fingerprint(WELCOME, 10, 1000.0, "etag"),
        fingerprint(ExportPath("Braze Append", "Spring Welcome", "8828", "RPI_Export_5721.txt"), 10, 1000.0),
        fingerprint(ExportPath("Braze Append", "Spring Welcome", "8829", "RPI_Export_5720.txt"), 10, 1000.0),
        fingerprint(WELCOME, 10, None),
    ]
    assert len(set(states)) == len(states)


def test_fingerprint_counts_whole_seconds_and_prefers_the_etag() -> None:
    assert fingerprint(WELCOME, 10, 1000.1) == fingerprint(WELCOME, 10, 1000.9)
    assert fingerprint(WELCOME, 10, 1.0, "etag") == fingerprint(WELCOME, 10, 2.0, "etag")
