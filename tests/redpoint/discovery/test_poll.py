from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.redpoint.discovery.poll import PollResult, PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch
from airflow_provider_braze.storage.files.location import locate
from airflow_provider_braze.storage.reports.markers import Marker
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.inbox import CHANNEL, ObjectStore, land


def look_once(
    base: Path | str, memory: PollState | None = None, *, later: float = 0, **parameters: Any
) -> PollResult:
    search = ExportSearch.read(**{"base_path": str(base), "settle_seconds": 0} | parameters)
    return poll(search, memory or PollState(), clock=lambda: time.time() + later)


def names(result: PollResult) -> list[str]:
    return [item["path"].rpartition("/")[2] for item in result.items]


def reports_of(base: Path) -> ReportsFolder:
    return ReportsFolder.at(f"{base}/_braze")


def test_an_item(tmp_path: Path) -> None:
    path = land(tmp_path, "RPI_Export_5720.txt", text="12345", age=60)
    (item,) = look_once(f"{tmp_path}/").items
    assert item.pop("fingerprint")
    assert item == {
        "path": str(path),
        "base_path": str(tmp_path),
        "reports_path": f"{tmp_path}/_braze",
        "channel": "Braze Append",
        "offer": "Spring Welcome",
        "workflow_id": "8828",
        "channel_execution_id": "5720",
        "mode": "append",
        "size": 5,
        "modified": path.stat().st_mtime,
    }
    assert json.loads(json.dumps(item)) == item


def test_two_looks_settle_a_file_and_keep_the_memory_as_json(tmp_path: Path) -> None:
    land(tmp_path)
    first = look_once(tmp_path, settle_seconds=30)
    assert (first.items, first.waiting) == ([], 1)
    memory = PollState.of(json.loads(json.dumps(first.memory.kept())))
    assert memory == first.memory
    assert names(look_once(tmp_path, memory, later=31, settle_seconds=30)) == ["RPI_Export_1.txt"]
    assert not look_once(tmp_path, memory, later=29, settle_seconds=30).items
    assert not look_once(tmp_path, later=31, settle_seconds=30).items


def test_memory_fits_into_the_state_store(tmp_path: Path) -> None:
    for number in range(2000):
        land(tmp_path, f"RPI_Export_{number}.txt")
    kept = look_once(tmp_path, settle_seconds=30).memory.kept()
    assert len(json.dumps(kept)) < 65535
    assert len(kept["sightings"]) == 1000


def test_oldest_first_then_by_path(tmp_path: Path) -> None:
    moment = time.time() - 100
    for number, modified in ((1, moment + 20), (2, moment), (4, moment + 10), (3, moment + 10)):
        os.utime(land(tmp_path, f"RPI_Export_{number}.txt"), (modified, modified))
    expected = [f"RPI_Export_{number}.txt" for number in (2, 3, 4, 1)]
    assert names(look_once(tmp_path)) == expected


def test_the_oldest_are_taken_and_the_rest_counted(tmp_path: Path) -> None:
    for number in range(5):
        land(tmp_path, f"RPI_Export_{number}.txt", age=100 - number)
    result = look_once(tmp_path, max_exports=2)
    assert names(result) == ["RPI_Export_0.txt", "RPI_Export_1.txt"]
    assert [note for note in result.notes if note.startswith("3 more exports are held back")]


@pytest.mark.parametrize(
    ("selectors", "expected"),
    [
        ({}, {"1", "2", "3"}),
        ({"channel": "Braze Append"}, {"1", "2"}),
        ({"offer": "Spring Welcome"}, {"1", "3"}),
        ({"channel": "Braze Append", "workflow_id": "8829"}, {"2"}),
        ({"workflow_id": "8828", "offer": "Autumn"}, set()),
        ({"channel": "Email"}, {"4"}),
    ],
)
def test_selectors(tmp_path: Path, selectors: dict[str, str], expected: set[str]) -> None:
    land(tmp_path, "RPI_Export_1.txt", folder="Braze Append/Spring Welcome/8828")
    land(tmp_path, "RPI_Export_2.txt", folder="Braze Append/Summer Sale/8829")
    land(tmp_path, "RPI_Export_3.txt", folder="Braze Onboarding and Upsert\\Spring Welcome\\8830")
    land(tmp_path, "RPI_Export_4.txt", folder="Email/Spring/8831")
    result = look_once(tmp_path, **selectors)
    assert {item["channel_execution_id"] for item in result.items} == expected


def test_modes_come_from_the_channel(tmp_path: Path) -> None:
    land(tmp_path, folder="Braze Onboarding and Upsert/o/1")
    land(tmp_path, folder="Email/o/1")
    (item,) = look_once(tmp_path).items
    assert item["mode"] == "upsert"
    (item,) = look_once(tmp_path, channel="Email").items
    assert item["mode"] is None
    (item,) = look_once(tmp_path, channel_modes={"Email": "append"}).items
    assert item["mode"] == "append"


def test_other_channels_are_named_in_one_warning_once(tmp_path: Path) -> None:
    land(tmp_path)
    land(tmp_path, folder="Email/o/1")
    land(tmp_path, folder="Push\\o\\1")
    land(tmp_path, folder=".snapshot/o/1")
    land(tmp_path, "readme.txt", folder="")
    first = look_once(tmp_path, settle_seconds=30)
    assert first.warnings == ["Not looked into, because channel_modes does not name them: 'Email'; 'Push'."]
    assert not look_once(tmp_path, first.memory).warnings
    land(tmp_path, folder="SMS/o/1")
    (again,) = look_once(tmp_path, first.memory).warnings
    assert "'SMS'" in again
    assert not look_once(tmp_path, channel="Email").warnings


def test_a_name_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    land(tmp_path)
    (tmp_path / "Braze Append/Spring Welcome/8828" / os.fsdecode(b"RPI_Export_\xff.txt")).write_text("x")
    result = look_once(tmp_path)
    assert names(result) == ["RPI_Export_1.txt"]
    assert "not UTF-8" in result.warnings[0]


def test_what_is_pushed_is_left_out_for_that_connection(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt")
    path = land(tmp_path, "RPI_Export_2.txt")
    for item in look_once(tmp_path).items:
        reports_of(tmp_path).mark_pushed("braze_default", item["fingerprint"])
    assert not look_once(tmp_path).items
    assert len(look_once(tmp_path, braze_conn_id="other").items) == 2
    assert len(look_once(tmp_path, only_new=False).items) == 2
    path.write_text("grown")
    assert names(look_once(tmp_path)) == ["RPI_Export_2.txt"]


def test_reports_elsewhere(tmp_path: Path) -> None:
    base, reports = tmp_path / "base", tmp_path / "reports"
    land(base)
    (item,) = look_once(base, reports_path=str(reports)).items
    assert item["reports_path"] == str(reports)
    ReportsFolder.at(str(reports)).mark_pushed("braze_default", item["fingerprint"])
    assert not look_once(base, reports_path=str(reports)).items
    assert look_once(base).items
    with pytest.raises(BrazeSetupError, match="reports_path"):
        look_once(base, reports_path=f"{base}/")


def test_a_refused_export_is_offered_three_times_and_blocks_nothing(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt", age=10)
    bad = look_once(tmp_path).items[0]
    land(tmp_path, "RPI_Export_2.txt")
    for run in range(3):
        result = look_once(tmp_path)
        assert names(result) == ["RPI_Export_1.txt", "RPI_Export_2.txt"]
        assert not result.warnings
        reports_of(tmp_path).mark_refused("braze_default", bad["fingerprint"], f"run {run}")
    result = look_once(tmp_path, max_exports=1)
    assert names(result) == ["RPI_Export_2.txt"]
    (warning,) = result.warnings
    assert "Refused 3 times" in warning
    assert bad["path"] in warning
    assert len(look_once(tmp_path, braze_conn_id="other").items) == 2
    assert len(look_once(tmp_path, only_new=False).items) == 2


def test_max_age(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt", age=8 * 86400)
    land(tmp_path, "RPI_Export_2.txt", age=6 * 86400)
    result = look_once(tmp_path)
    assert names(result) == ["RPI_Export_2.txt"]
    assert "1 older than max_age" in result.notes[0]
    assert len(look_once(tmp_path, max_age=None).items) == 2
    assert len(look_once(tmp_path, max_age="").items) == 2
    assert not look_once(tmp_path, max_age="3600").items


def test_a_workflow_that_is_pushed_needs_no_waiting(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt", age=30 * 86400)
    land(tmp_path, "RPI_Export_2.txt", age=60)
    reports = reports_of(tmp_path)
    newest = ""
    for item in look_once(tmp_path, max_age=None).items:
        assert look_once(tmp_path, workflow_id="8828").in_vain is None
        reports.mark_pushed("braze_default", item["fingerprint"])
        folder = reports.run(item["fingerprint"], "run")
        folder.fs.makedirs(folder.path)
        folder.fs.pipe_file(folder.child("report.json").path, b"{}")
        newest = folder.child("report.json").url
    in_vain = look_once(tmp_path, workflow_id="8828").in_vain
    assert in_vain is not None
    assert newest in in_vain
    assert "workflow 8828" in in_vain
    assert look_once(tmp_path).in_vain is None
    assert look_once(tmp_path, workflow_id="8829").in_vain is None
    assert look_once(tmp_path, workflow_id="8828", only_new=False).in_vain is None
    assert look_once(tmp_path, workflow_id="8828", braze_conn_id="other").in_vain is None
    # What cannot be read may be what is waited for.
    unreadable = land(tmp_path, os.fsdecode(b"RPI_Export_\xff.txt"))
    assert look_once(tmp_path, workflow_id="8828").in_vain is None
    unreadable.unlink()
    assert look_once(tmp_path, workflow_id="8828").in_vain is not None
    land(tmp_path, "RPI_Export_3.txt")
    assert look_once(tmp_path, workflow_id="8828").in_vain is None


def test_markers(tmp_path: Path) -> None:
    land(tmp_path, "RPI_Export_1.txt")
    land(tmp_path, "RPI_Export_2.txt")
    land(tmp_path, "RPI_Export_2.txt.done", text="")
    result = look_once(tmp_path, marker_suffix=".done", file_pattern="RPI_Export_?.txt")
    assert names(result) == ["RPI_Export_2.txt"]
    assert result.waiting == 1


def test_an_object_store_needs_one_look() -> None:
    store = ObjectStore()
    store.put("Braze Append\\Spring\\8\\RPI_Export_1.txt", b"123")
    store.put("Braze Append/Spring/8/RPI_Export_2.txt", b"123")
    store.put("_braze/o/8/RPI_Export_3.txt")
    result = look_once(store.url, settle_seconds=30)
    assert len(result.items) == 2
    assert not result.warnings
    for item in result.items:
        assert locate(item["path"]).stat().size == item["size"] == 3
        assert item["base_path"] == store.url
        assert item["reports_path"] == f"{store.url}/_braze"
    ReportsFolder.at(f"{store.url}/_braze").mark_pushed("braze_default", result.items[0]["fingerprint"])
    assert len(look_once(store.url).items) == 1


def test_a_base_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(BrazeSetupError, match="does not exist"):
        look_once(tmp_path / "nothing")
    with pytest.raises(BrazeSetupError, match="does not exist"):
        look_once(f"{ObjectStore().url.replace('memory://', 'memory://no-')}/nothing")
    assert not look_once(f"{ObjectStore().url}/nothing").items


def test_an_empty_base_waits(tmp_path: Path) -> None:
    result = look_once(tmp_path)
    assert (result.items, result.waiting, result.in_vain) == ([], 0, None)
    assert not look_once(ObjectStore().url).items


class TestMarkersThatNoReportIsBehind:
    """Whoever may write to the reports folder may suppress an export: it is said, not hidden."""

    @pytest.mark.parametrize("content", [b"", b"{}", b'{"report": null}', b"\xff\xfe", b"[" * 100_000])
    def test_are_named(self, tmp_path: Path, content: bytes) -> None:
        land(tmp_path, "RPI_Export_1.txt")
        land(tmp_path, "RPI_Export_2.txt")
        first = next(item for item in look_once(tmp_path).items if item["path"].endswith("_1.txt"))
        marker = tmp_path / "_braze" / "pushed" / "braze_default" / first["fingerprint"]
        marker.parent.mkdir(parents=True)
        marker.write_bytes(content)
        result = look_once(tmp_path)
        assert names(result) == ["RPI_Export_2.txt"]
        (warning,) = result.warnings
        assert "there is no report" in warning
        assert "RPI_Export_1.txt" in warning
        assert "RPI_Export_2.txt" not in warning

    def test_are_named_once_in_a_wait(self, tmp_path: Path) -> None:
        land(tmp_path)
        (item,) = look_once(tmp_path).items
        reports_of(tmp_path).mark_pushed("braze_default", item["fingerprint"])
        result = look_once(tmp_path)
        assert len(result.warnings) == 1
        assert not look_once(tmp_path, PollState.of(result.memory.kept())).warnings

    def test_one_that_names_its_report_is_believed_and_read_once(self, tmp_path: Path) -> None:
        land(tmp_path)
        (item,) = look_once(tmp_path).items
        reports = reports_of(tmp_path)
        # The report itself may have been deleted since, as personal data.
        reports.mark_pushed("braze_default", item["fingerprint"], Marker(report="/gone/report.json"))
        result = look_once(tmp_path)
        assert not result.warnings
        assert result.memory.trusted == {item["fingerprint"]}


def test_older_ones_go_with_what_is_selected_and_not_alone(tmp_path: Path) -> None:
    def found(**selected: Any) -> list[str]:
        return [item["path"].rpartition("_")[2] for item in look_once(tmp_path, **selected).items]

    wanted = {"workflow_id": "8829", "offer": "Summer", "with_older": True}
    land(tmp_path, "RPI_Export_1.txt", folder=f"{CHANNEL}/Spring/8828", age=90)
    land(tmp_path, "RPI_Export_2.txt", folder="Other Channel/Spring/8828", age=80)
    assert found(**wanted) == []
    land(tmp_path, "RPI_Export_3.txt", folder=f"{CHANNEL}/Summer/8829", age=60)
    land(tmp_path, "RPI_Export_4.txt", folder=f"{CHANNEL}/Spring/8828", age=50)
    assert found(**wanted) == ["1.txt", "3.txt"]
    assert found(**{**wanted, "with_older": False}) == ["3.txt"]
    assert found(**wanted, only_new=False) == ["3.txt"]
    assert found(with_older=True) == ["1.txt", "3.txt", "4.txt"]
    first, third = look_once(tmp_path, **wanted).items
    reports = ReportsFolder.at(third["reports_path"])
    reports.mark_pushed("braze_default", first["fingerprint"])
    assert found(**wanted) == ["3.txt"]
    reports.mark_pushed("braze_default", third["fingerprint"])
    assert look_once(tmp_path, **wanted).in_vain is not None
