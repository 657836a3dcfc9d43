from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder, safe_name
from tests.inbox import ObjectStore


@pytest.fixture(params=["disk", "disk with odd name", "object store"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ReportsFolder:
    if request.param == "object store":
        return ReportsFolder.at(f"{ObjectStore().url}/_braze")
    return ReportsFolder.at(str(tmp_path / ("[Channel] * ?" if "odd" in request.param else "_braze")))


def test_empty_until_something_is_marked(folder: ReportsFolder) -> None:
    assert folder.pushed("braze_default") == frozenset()
    assert folder.refused("braze_default") == frozenset()
    assert folder.refusals("braze_default", "f1") == 0
    assert folder.last_report("f1") is None


def test_pushed_is_known_for_each_connection(folder: ReportsFolder) -> None:
    folder.mark_pushed("braze_default", "f1")
    folder.mark_pushed("braze_default", "f1")
    folder.mark_pushed("braze_default", "f2")
    folder.mark_pushed("other/../workspace", "f3")
    assert folder.pushed("braze_default") == {"f1", "f2"}
    assert folder.pushed("other/../workspace") == {"f3"}
    assert folder.pushed("third") == frozenset()


def test_markers_tell_who_pushed_and_when(folder: ReportsFolder) -> None:
    marker = Marker(
        PushIdentity("nightly", "r", "push"), "2026-11-26T02:00:00+00:00", "/r/report.json", "/x.txt", 1.5
    )
    folder.mark_pushed("braze_default", "f1", marker)
    folder.mark_pushed("braze_default", "f2")
    assert folder.markers("braze_default", {"f1", "f3"}) == {"f1": marker}
    assert folder.markers("braze_default").keys() == {"f1", "f2"}
    assert folder.markers("braze_default")["f2"].report is None


def test_refusals_are_counted_by_run(folder: ReportsFolder) -> None:
    for run in ("scheduled__2026-01-01T00:00:00+00:00/1", "manual 2", "manual 2", "manual 3"):
        folder.mark_refused("braze_default", "f1", run)
    assert folder.refusals("braze_default", "f1") == 3
    assert folder.refused("braze_default") == {"f1"}
    assert folder.refusals("other", "f1") == 0


def test_what_was_begun_when_somebody_was_killed_counts_for_nothing(folder: ReportsFolder) -> None:
    """Markers are written under another name first, which a kill leaves there."""
    folder.mark_pushed("braze_default", "f1.1c0ffee5.part")
    folder.mark_refused("braze_default", "f2", "run.1c0ffee5.part")
    assert (folder.pushed("braze_default"), folder.refusals("braze_default", "f2")) == (frozenset(), 0)


def test_last_report_is_the_newest(folder: ReportsFolder) -> None:
    runs = ["b-first", "a-second", "c-without-a-report"]
    for run in runs:
        location = folder.run("f1", run)
        location.fs.makedirs(location.path)
        if "without" not in run:
            location.fs.pipe_file(location.child("report.json").path, b"{}")
    if "file" in folder.root.fs.protocol:
        # 9.5 is after 10 in the alphabet, and before it in time.
        os.utime(folder.run("f1", "b-first").child("report.json").path, (9.5, 9.5))
        os.utime(folder.run("f1", "a-second").child("report.json").path, (10, 10))
    report = folder.last_report("f1")
    assert report is not None
    assert report.url == folder.run("f1", "a-second").child("report.json").url
    assert report.exists()


def test_check_writable_leaves_nothing(folder: ReportsFolder) -> None:
    folder.check_writable()
    assert folder.root.fs.ls(folder.root.path, detail=False) == []


def test_check_writable_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrazeSetupError, match="set reports_path"):
        ReportsFolder.at(str(tmp_path / "file" / "_braze")).check_writable()


@given(st.text(min_size=1), st.text(min_size=1))
def test_safe_names_are_one_segment_and_tell_texts_apart(one: str, other: str) -> None:
    name = safe_name(one)
    assert name
    assert len(name) < 255
    assert not {"/", "\\", "\0"} & set(name)
    assert name not in (".", "..")
    assert (name == safe_name(other)) == (one == other)


@pytest.mark.parametrize("text", ["", ".", "..", "x" * 300, "\udcff", "a/../b"])
def test_odd_names(text: str) -> None:
    assert safe_name(text).strip(".")
    assert len(safe_name(text)) < 255


def test_plain_names_stay_readable() -> None:
    assert safe_name("braze_default") == "braze_default"
