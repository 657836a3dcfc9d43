from __future__ import annotations

import fsspec
import pytest

from airflow_provider_braze.redpoint.discovery.landing import Landing, is_export, landing, marked_exports
from airflow_provider_braze.redpoint.discovery.listing import ListedFile
from airflow_provider_braze.redpoint.discovery.path import ExportPath
from airflow_provider_braze.storage.files.location import Location, Stat

LOCAL = fsspec.filesystem("file")


def listed(
    name: str = "RPI_Export_1.txt",
    *,
    size: int = 10,
    modified: float | None = 1000.0,
    etag: str | None = None,
) -> ListedFile:
    path = f"/base/Braze Append/Spring/8/{name}"
    return ListedFile(
        ExportPath("Braze Append", "Spring", "8", name),
        Location(LOCAL, path, path),
        Stat(size, modified, etag),
    )


def decide(*files: ListedFile, at: float, before: Landing | None = None, settle: float = 30) -> Landing:
    sightings = before.sightings if before else {}
    return landing(files, sightings=sightings, started=at, finished=at, settle_seconds=settle)


def test_one_listing_is_not_enough() -> None:
    first = decide(listed(), at=100)
    assert not first.landed
    assert first.waiting == [listed()]


@pytest.mark.parametrize(("later", "landed"), [(29.9, False), (30, True), (3000, True)])
def test_two_equal_listings_far_enough_apart(later: float, landed: bool) -> None:
    first = decide(listed(), at=100)
    assert bool(decide(listed(), at=100 + later, before=first).landed) is landed


def test_listings_in_between_do_not_restart_the_wait() -> None:
    result = decide(listed(), at=100)
    for at in (110, 120):
        result = decide(listed(), at=at, before=result)
        assert not result.landed
    assert decide(listed(), at=130, before=result).landed


@pytest.mark.parametrize("grown", [{"size": 11}, {"modified": 1000.5}, {"etag": "b"}])
def test_any_change_restarts_the_wait(grown: dict[str, float]) -> None:
    first = decide(listed(), at=100)
    second = decide(listed(**grown), at=140, before=first)
    assert not second.landed
    assert not decide(listed(**grown), at=169, before=second).landed
    assert decide(listed(**grown), at=170, before=second).landed


def test_a_file_that_was_away_starts_anew() -> None:
    away = decide(at=120, before=decide(listed(), at=100))
    assert not away.sightings
    assert not decide(listed(), at=140, before=away).landed


def test_each_file_for_itself() -> None:
    old, new = listed("RPI_Export_1.txt"), listed("RPI_Export_2.txt")
    second = decide(old, new, at=140, before=decide(old, at=100))
    assert second.landed == [old]
    assert second.waiting == [new]
    assert len(second.sightings) == 1


def test_a_slow_listing_counts_from_its_end() -> None:
    first = landing([listed()], sightings={}, started=100, finished=150, settle_seconds=30)
    early = landing([listed()], sightings=first.sightings, started=160, finished=185, settle_seconds=30)
    assert not early.landed
    assert landing([listed()], sightings=early.sightings, started=180, finished=181, settle_seconds=30).landed


def test_a_clock_set_back_costs_one_wait_only() -> None:
    first = decide(listed(), at=5000)
    second = decide(listed(), at=100, before=first)
    assert not second.landed
    assert decide(listed(), at=130, before=second).landed


def test_no_settling_asked_for() -> None:
    assert decide(listed(), at=100, settle=0).landed


def test_unknown_mtime_settles_by_size() -> None:
    first = decide(listed(modified=None), at=100)
    assert decide(listed(modified=None), at=130, before=first).landed


def test_on_an_object_store_visible_is_landed() -> None:
    result = landing([listed()], sightings={}, started=1, finished=1, settle_seconds=30, appears_whole=True)
    assert result.landed
    assert not result.sightings


def test_with_markers_only_the_marker_decides() -> None:
    files = [listed("RPI_Export_1.txt"), listed("RPI_Export_1.txt.done"), listed("RPI_Export_2.txt")]
    marked = marked_exports(files, ".done")
    result = landing(
        [files[0], files[2]],
        sightings={},
        started=1,
        finished=1,
        settle_seconds=0,
        appears_whole=True,
        marked=marked,
    )
    assert result.landed == [files[0]]
    assert result.waiting == [files[2]]


def test_the_marker_lies_beside_its_export() -> None:
    other = ListedFile(
        ExportPath("Braze Append", "Spring", "9", "RPI_Export_1.txt.done"),
        Location(LOCAL, "/m", "/m"),
        Stat(0, 1.0, None),
    )
    assert not marked_exports([listed("RPI_Export_1.txt"), other], ".done")


@pytest.mark.parametrize("name", ["RPI_Export_5719.txt", "rpi_export_5719.TXT", "RPI_Export_Source_5719.txt"])
def test_exports(name: str) -> None:
    assert is_export(name)


@pytest.mark.parametrize(
    "name",
    [
        "RPI_Export_5719_Content.txt",
        "RPI_Export_5719_Source.txt",
        "RPI_Export_5719.txt_summary.xml",
        "RPI_Export_5719.txt_summary.txt",
        "RPI_Export_5719.txt_sample",
        "RPI_Export_5719.txt _sample",
        "RPI_Export_5719.txt_sample.txt",
        "RPI_EXPORT_5719_CONTENT.TXT",
        "RPI_Export_5719_source.tar.gz",
    ],
)
@pytest.mark.parametrize("pattern", ["RPI_Export_*.txt", "*", "RPI*", "*_*"])
def test_companions_never_match(name: str, pattern: str) -> None:
    assert not is_export(name, pattern)


def test_other_patterns() -> None:
    assert is_export("Kunden 2026.csv", "Kunden*.csv")
    assert not is_export("RPI_Export_1.txt", "Kunden*.csv")
    assert not is_export("RPI_Export_1.txt.filepart")
