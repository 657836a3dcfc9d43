from __future__ import annotations

import json
import os
import shutil
import stat
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import (
    BrazeAuthError,
    BrazeServerError,
    BrazeSetupError,
    ExportChangedError,
    ExportError,
    ExportGoneError,
    ExportRefusedError,
    MappingError,
    ReportError,
    TooManyDataPointsError,
)
from airflow_provider_braze.pushes.sources.export_item import ExportItem
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.delivery import sender
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests import samples
from tests.pushes.conftest import APPEND
from tests.reports import check, rejects
from tests.sandbox_process import SandboxProcess

Push = Callable[..., dict[str, Any]]
Land = Callable[..., Path]

HEADER = "RPContactID,ChannelExecutionID,external_id,first_name,output_name,zip\n"


def rows(count: int, start: int = 0) -> str:
    return "".join(f"{n},5719,U{n},Ann,High Value,0{n}\n" for n in range(start, start + count))


class TestReport:
    def test_has_every_field_and_no_personal_value(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        path = land(HEADER + "1,5719,U1,Gwendolyn,High Value,01520\n2,5719,U2,Bo\n")
        report = check(
            push(path), status="complete", mode="upsert", records=2, accepted=1, invalid=1, requests=1
        )
        written = Path(report["report_path"]).read_text()
        assert json.loads(written) == report
        assert "Gwendolyn" not in written
        assert "U1" not in written
        assert report["channel"] == "Braze Onboarding and Upsert"
        assert (report["offer"], report["workflow_id"]) == ("Spring Welcome", "8828")
        assert report["reasons"] == {"4 columns where the header has 6": 1}
        assert report["endpoint"] == sandbox.url
        assert report["retries"] == 0

    def test_lies_with_the_rejects_in_the_reports_folder(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(1) + "broken\n")
        report = push(path, run="manual__2026/11:21")
        base = path.parents[3]
        folder = base / "_braze" / report["fingerprint"]
        assert [Path(report["report_path"]).parent.parent, Path(report["rejects_path"]).parent.parent] == [
            folder,
            folder,
        ]
        assert not list(base.rglob("*.part"))

    def test_files_are_for_their_owner_only(self, push: Push, land: Land) -> None:
        report = push(land(HEADER + rows(1) + "broken\n"))
        for name in ("report_path", "rejects_path"):
            assert stat.S_IMODE(os.stat(report[name]).st_mode) == 0o600

    def test_a_header_alone_is_a_success(self, push: Push, land: Land, sandbox: SandboxProcess) -> None:
        check(push(land(HEADER)), status="complete", records=0, requests=0)
        assert sandbox.stats()["requests"] == 0

    def test_counts_other_execution_ids_than_the_files(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        report = push(land(HEADER + rows(3).replace(",5719,U1", ",5700,U1")))
        assert report["execution_id_mismatches"] == 1
        assert "ChannelExecutionID" in report["notes"][0]
        attributes = sandbox.profiles()["U1"]["custom_attributes"]
        assert attributes["rpi_channel_exec_ids"] == ["5700"]

    def test_a_bad_value_can_be_left_out_and_is_counted(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        path = land("external_id,country,first_name\nU1,Atlantis,Ann\nU2,ES,Bo\n")
        report = push(path, mapping=ExportMapping(bad_values="omit"))
        check(report, records=2, accepted=2, omitted_values={"country": 1})
        assert "country" not in sandbox.profiles()["U1"]


class TestMarkers:
    def marks(self, path: Path, kind: str) -> list[str]:
        return [mark.parent.name for mark in (path.parents[3] / "_braze" / kind).rglob("*") if mark.is_file()]

    def test_a_complete_push_is_marked_for_its_connection(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(1))
        report = push(path, braze_conn_id="braze_eu")
        marker = path.parents[3] / "_braze" / "pushed" / "braze_eu" / report["fingerprint"]
        assert json.loads(marker.read_bytes())["report"] == report["report_path"]
        assert self.marks(path, "refused") == []

    def test_some_failed_records_do_not_keep_it_from_being_complete(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(1) + "broken\n")
        assert push(path)["status"] == "complete"
        assert self.marks(path, "pushed") == ["braze_default"]

    def test_a_push_that_brought_nothing_through_is_failed_and_refused(self, push: Push, land: Land) -> None:
        path = land(HEADER + "broken\n")
        check(push(path), status="failed", records=1, invalid=1)
        assert self.marks(path, "pushed") == []
        assert len(self.marks(path, "refused")) == 1

    def test_a_dry_run_marks_nothing(self, push: Push, land: Land) -> None:
        path = land("first_name\nAnn\n")
        with pytest.raises(ExportRefusedError):
            push(path, dry_run=True)
        path = land(HEADER + rows(1))
        push(path, dry_run=True)
        assert self.marks(path, "pushed") == self.marks(path, "refused") == []

    def test_an_appended_export_has_another_fingerprint(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(1))
        first = push(path)["fingerprint"]
        path.write_text(HEADER + rows(2))
        assert push(path)["fingerprint"] != first


class TestRefused:
    def test_a_zip_of_several_exports_is_refused_with_a_report(self, push: Push, land: Land) -> None:
        path = land("")
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("RPI_Export_5719.txt", HEADER + rows(1))
            archive.writestr("RPI_Export_5720.txt", HEADER + rows(1))
        with pytest.raises(ExportRefusedError, match=r"(?i)zip") as caught:
            push(path)
        check(caught.value.report or {}, status="failed", records=0, requests=0)
        assert "zip" in json.loads(Path(caught.value.report["report_path"]).read_text())["error"].lower()
        assert len([f for f in (path.parents[3] / "_braze" / "refused").rglob("*") if f.is_file()]) == 1

    def test_no_identifier_column(self, push: Push, land: Land, sandbox: SandboxProcess) -> None:
        with pytest.raises(ExportRefusedError, match="external_id"):
            push(land("first_name,zip\nAnn,01520\n"))
        assert sandbox.stats()["requests"] == 0

    def test_a_mapping_that_does_not_fit_sends_nothing(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        path = land(HEADER + rows(1))
        with pytest.raises(MappingError, match="frist"):
            push(path, mapping=ExportMapping(omit=("frist name",)))
        assert sandbox.stats()["requests"] == 0
        assert not (path.parents[3] / "_braze" / "refused").exists()

    def test_a_folder(self, push: Push, land: Land) -> None:
        with pytest.raises(ExportRefusedError, match="folder"):
            push(land(HEADER).parent, mode="upsert", reports_path=str(land(HEADER).parents[3] / "r"))

    def test_one_that_cannot_be_looked_at(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(1)) / "RPI_Export_5720.txt"
        with pytest.raises(ExportError, match=r"cannot be looked at .*Not a directory"):
            push(path, mode="upsert", reports_path=str(path.parent.parent / "reports"))

    def test_a_missing_file_may_come_back(self, push: Push, land: Land) -> None:
        path = land(HEADER)
        path.unlink()
        with pytest.raises(ExportChangedError, match="not there") as caught:
            push(path)
        assert caught.value.retryable


class TestSetup:
    def test_mode_of_an_unknown_channel(self, push: Push, land: Land) -> None:
        with pytest.raises(BrazeSetupError, match="channel_modes"):
            push(land(HEADER, channel="SMS"))

    @pytest.mark.parametrize(("mode", "known"), [("upsert", False), ("append", True)])
    def test_an_explicit_mode_wins(
        self, push: Push, land: Land, sandbox: SandboxProcess, mode: str, known: bool
    ) -> None:
        push(land(HEADER + rows(1), channel=APPEND), mode=mode)
        assert sandbox.requests()[-1]["body"]["attributes"][0]["_update_existing_only"] is known

    def test_a_misspelt_mode(self, push: Push, land: Land) -> None:
        with pytest.raises(BrazeSetupError, match="'upsrt'"):
            push(land(HEADER), mode="upsrt")

    def test_a_path_outside_the_layout_needs_a_reports_path(self, push: Push, tmp_path: Path) -> None:
        path = tmp_path / "export.txt"
        path.write_text(HEADER + rows(1))
        with pytest.raises(BrazeSetupError, match="reports_path"):
            push(path, mode="upsert")
        report = push(path, mode="upsert", reports_path=str(tmp_path / "reports"))
        assert report["report_path"].startswith(str(tmp_path / "reports"))

    def test_a_reports_folder_that_cannot_be_written_fails_first(
        self, push: Push, land: Land, sandbox: SandboxProcess, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(BrazeSetupError, match="reports_path"):
            push(land(HEADER + rows(1)), reports_path=str(tmp_path / "file" / "reports"))
        assert sandbox.stats()["requests"] == 0

    def test_a_folder_of_the_push_that_cannot_be_made_is_told_likewise(
        self, push: Push, land: Land, sandbox: SandboxProcess, tmp_path: Path
    ) -> None:
        path = land(HEADER + rows(1))
        first = push(path)
        in_the_way = Path(first["report_path"]).parent.parent
        shutil.rmtree(in_the_way)
        in_the_way.write_text("in the way")
        sandbox.reset_stats()
        with pytest.raises(ReportError, match=r"cannot be read or written .*: Not a directory") as raised:
            push(path)
        assert raised.value.retryable
        assert sandbox.stats()["requests"] == 0

    def test_an_item_of_the_sensor_says_it_all(self, push: Push, land: Land, tmp_path: Path) -> None:
        path = land(HEADER + rows(1), channel="Any Channel")
        item = {
            "path": str(path),
            "base_path": str(path.parents[3]),
            "reports_path": str(tmp_path / "reports"),
            "channel": "Any Channel",
            "offer": "Spring Welcome",
            "workflow_id": "8828",
            "channel_execution_id": "5719",
            "mode": "append",
        }
        report = check(push(item), mode="append", records=1, accepted=1)
        assert report["report_path"].startswith(str(tmp_path / "reports"))


class TestChanges:
    """The export changes while it is pushed: nothing is called complete."""

    @pytest.fixture
    def slow(
        self, sandbox: SandboxProcess, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> Workspace:
        sandbox.fault(kind="late", count=3, seconds=0.7)
        return replace(workspace, max_in_flight=1)

    @pytest.mark.parametrize("change", ["appended", "replaced", "removed"])
    def test_is_detected(self, push: Push, land: Land, slow: Workspace, change: str) -> None:
        path = land(HEADER + rows(100))

        def interfere() -> None:
            time.sleep(0.3)
            if change == "appended":
                with path.open("a") as file:
                    file.write(rows(1, 500))
            elif change == "replaced":
                other = path.with_suffix(".new")
                other.write_text(HEADER + rows(7))
                other.replace(path)
            else:
                path.unlink()

        thread = threading.Thread(target=interfere)
        thread.start()
        with pytest.raises(ExportChangedError) as caught:
            push(path, workspace=slow)
        thread.join()
        assert caught.value.report["status"] == "partial"
        assert not (path.parents[3] / "_braze" / "pushed").exists()


class TestStopped:
    def test_a_wrong_key_stops_at_once(
        self, push: Push, land: Land, workspace: Workspace, sandbox: SandboxProcess
    ) -> None:
        with pytest.raises(BrazeAuthError) as caught:
            push(
                land(HEADER + rows(1000)), workspace=replace(workspace, api_key="wrong-4711", max_in_flight=1)
            )
        report = caught.value.report
        check(report, status="failed", records=report["records"], not_sent=report["records"], requests=1)
        assert not [
            file
            for file in Path(report["report_path"]).parents[2].rglob("*")
            if file.is_file() and b"wrong-4711" in file.read_bytes()
        ]

    def test_when_braze_is_down_the_rest_is_not_sent(
        self,
        push: Push,
        land: Land,
        workspace: Workspace,
        sandbox: SandboxProcess,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.01)
        sandbox.fault(status=500, count=10_000)
        with pytest.raises(BrazeServerError) as caught:
            push(land(HEADER + rows(300)), workspace=replace(workspace, max_in_flight=1))
        report = caught.value.report
        check(report, status="partial", records=300, unknown=75, not_sent=225, requests=6, retries=5)
        assert caught.value.retryable

    def test_a_429_on_demand_is_waited_out(self, push: Push, land: Land, sandbox: SandboxProcess) -> None:
        sandbox.fault(status=429, count=1)
        check(
            push(land(HEADER + rows(2))), status="complete", records=2, accepted=2, requests=2, rate_limited=1
        )

    def test_a_missing_header_row_is_told(self, push: Push, land: Land) -> None:
        with pytest.raises(ExportRefusedError, match=r"dialect=\{'columns'"):
            push(land("1,5719,P1,Jo,012\n2,5719,P2,Bo,013\n"))


class TestDryRun:
    def test_sends_nothing_and_plans_everything(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        report = push(land(HEADER + rows(100) + "broken\n"), dry_run=True)
        check(
            report,
            status="planned",
            records=101,
            planned=100,
            invalid=1,
            requests=0,
            users=100,
            users_identified_by=["external_id"],
            planned_requests=2,
        )
        assert sandbox.stats()["requests"] == 0
        assert report["data_points_by_attribute"]["first_name"] == 100
        assert report["data_points"] == 100 * 6
        sample = report["sample_payloads"][0]
        assert sample["external_id"] == sample["first_name"] == "***"
        assert sample["rpi_cdp_attributes"] == {"zip": "***"}

    def test_the_plan_is_what_the_push_then_sends(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(160) + rows(40))
        planned, done = push(path, dry_run=True, run="plan"), push(path)
        assert planned["planned_requests"] == done["requests"]
        assert planned["planned_bytes"] == done["bytes"]
        assert planned["data_points_by_attribute"] == done["data_points_by_attribute"]
        assert planned["users"] == done["objects"] == 160


class TestDataPointGuard:
    def test_refuses_before_the_first_request(self, push: Push, land: Land, sandbox: SandboxProcess) -> None:
        path = land(HEADER + rows(10))
        with pytest.raises(TooManyDataPointsError, match="60 data points"):
            push(path, max_data_points=59)
        assert sandbox.stats()["requests"] == 0
        check(push(path, max_data_points=60), records=10, accepted=10)


class TestConfirm:
    def test_tells_whom_braze_does_not_know(self, push: Push, land: Land, sandbox: SandboxProcess) -> None:
        sandbox.put_profiles([{"external_id": f"U{n}"} for n in range(0, 200, 2)])
        report = push(land(HEADER + rows(200), channel=APPEND), confirm=True)
        check(report, status="complete", records=200, accepted=100, not_found=100)
        assert {row["external_id"] for row in rejects(report)} == {f"U{n}" for n in range(1, 200, 2)}
        assert sandbox.stats()["by_path"]["/users/export/ids"] == 4
        assert report["requests"] == sandbox.stats()["requests"]

    def test_an_upsert_has_nothing_to_confirm(self, push: Push, land: Land, sandbox: SandboxProcess) -> None:
        check(push(land(HEADER + rows(2)), confirm=True), records=2, accepted=2)
        assert "/users/export/ids" not in sandbox.stats()["by_path"]

    def test_a_missing_permission_stops_the_push(
        self, push: Push, land: Land, workspace: Workspace, sandbox: SandboxProcess
    ) -> None:
        limited = replace(workspace, api_key=sandbox.track_only_key)
        with pytest.raises(Exception, match=r"users\.export\.ids") as caught:
            push(land(HEADER + rows(2), channel=APPEND), confirm=True, workspace=limited)
        check(caught.value.report, status="failed", records=2, not_sent=2, requests=1)


class TestRejectsAgain:
    def test_mended_cells_go_through_with_what_the_report_says(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        path = land("external_id,country,income,zip\nU1,ES,52000,01520\nU2,Atlantis,x,00501\n")
        first = push(path, mapping=ExportMapping(types={"income": "integer"}, extra_to="crm"), run="first")
        check(first, records=2, accepted=1, invalid=1)
        rejected = Path(first["rejects_path"])
        mended = rejected.read_text().replace("Atlantis", "FR").replace(",x,", ",48000,")
        rejected.write_text(mended)
        second = push(rejected, run="second")
        check(second, status="complete", mode="upsert", records=1, accepted=1, parent=first["report_path"])
        assert sandbox.profiles()["U2"]["custom_attributes"] == {
            "crm": {"income": 48000, "zip": "00501"},
            "rpi_offers": ["Spring Welcome"],
        }

    def test_what_fails_again_keeps_its_line(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(5) + "broken\n")
        first = push(path, run="first")
        second = push(Path(first["rejects_path"]), run="second")
        check(second, status="failed", records=1, invalid=1)
        assert [row["_line"] for row in rejects(second)] == ["7"]
        third = push(Path(second["rejects_path"]), run="third")
        assert [row["_line"] for row in rejects(third)] == ["7"]
        assert third["parent"] == second["report_path"]

    def test_needs_the_report_beside_it(self, push: Push, land: Land, tmp_path: Path) -> None:
        first = push(land(HEADER + rows(1) + "broken\n"))
        alone = tmp_path / "rejects.csv"
        shutil.copy(first["rejects_path"], alone)
        with pytest.raises(BrazeSetupError, match=r"report\.json"):
            push(alone)

    def test_increments_that_may_have_arrived_are_not_sent_again(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        sandbox.put_profiles({"external_id": "U0", "custom_attributes": {"visits": 10}})
        mapping = ExportMapping(constants={"visits": {"inc": 1}})
        sandbox.fault(kind="drop", count=1, processed=True)
        first = push(land(HEADER + rows(1)), mapping=mapping, run="first")
        check(first, status="failed", records=1, unknown=1)
        second = push(Path(first["rejects_path"]), run="second")
        check(second, records=1, unknown=1, requests=0)
        assert sandbox.profiles()["U0"]["custom_attributes"]["visits"] == 11
        third = push(Path(second["rejects_path"]), run="third", retry_events=True)
        check(third, status="complete", records=1, accepted=1)

    def test_increments_are_sent_again_on_request(
        self, push: Push, land: Land, sandbox: SandboxProcess
    ) -> None:
        mapping = ExportMapping(constants={"visits": {"inc": 1}})
        sandbox.fault(kind="drop", count=1)
        check(
            push(land(HEADER + rows(1)), mapping=mapping, retry_events=True), records=1, accepted=1, retries=1
        )

    def test_needs_a_transform_again(self, push: Push, land: Land) -> None:
        mapping = ExportMapping(transform=lambda profile, record: {**profile, "x": record["zip"]})
        first = push(land(HEADER + rows(1) + "broken\n"), mapping=mapping)
        with pytest.raises(BrazeSetupError, match="transform"):
            push(Path(first["rejects_path"]))


RETRY = {"is_retry": True, "identity": PushIdentity(run_id="run-1", try_number=2)}


class TestARetry:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """What the storage is asked about the export before it is opened."""
        asked: list[str] = []

        def note(name: str) -> None:
            ask = getattr(ExportItem, name)

            def noted(item: ExportItem) -> Any:
                asked.append(name)
                return ask(item)

            monkeypatch.setattr(ExportItem, name, noted)

        note("_rejects_header")
        note("look")
        return asked

    def test_asks_once_where_the_export_lies(self, push: Push, land: Land, asked: list[str]) -> None:
        check(push(land(HEADER + rows(2)), **RETRY), status="complete", records=2, accepted=2)
        assert asked == ["_rejects_header", "look"]

    def test_asks_once_where_an_earlier_try_brought_it_through(
        self, push: Push, land: Land, sandbox: SandboxProcess, asked: list[str]
    ) -> None:
        path = land(HEADER + rows(2))
        first = push(path)
        asked.clear()
        assert push(path, **RETRY) == first
        assert asked == ["_rejects_header", "look"]
        assert sandbox.stats()["objects"] == 2

    def test_pushes_what_has_changed_since(self, push: Push, land: Land, sandbox: SandboxProcess) -> None:
        push(land(HEADER + rows(2)))
        check(push(land(HEADER + rows(3)), **RETRY), status="complete", records=3, accepted=3)
        assert sandbox.stats()["objects"] == 5

    def test_says_that_the_export_is_gone(self, push: Push, land: Land) -> None:
        path = land(HEADER + rows(2))
        path.unlink()
        with pytest.raises(ExportGoneError, match="is not there"):
            push(path, **RETRY)


def test_an_item_that_says_no_more_than_its_path_is_pushed_as_the_path_is(
    push: Callable[..., dict[str, Any]], land: Callable[..., Path], tmp_path: Path
) -> None:
    path = land("external_id,first_name\nU1,Ann\n")
    by_path, by_item = push(path), push({"path": str(path)})

    for name in ("mode", "channel", "offer", "workflow_id", "data_points", "accepted"):
        assert by_item[name] == by_path[name], name
    assert Path(by_item["report_path"]).is_relative_to(tmp_path / "rpi" / "_braze")


def test_the_folders_of_a_file_in_no_layout_are_no_offer(
    push: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "drop" / "of" / "today" / "people.csv"
    path.parent.mkdir(parents=True)
    path.write_text("external_id,first_name\nU1,Ann\n")

    report = push({"path": str(path)}, mode="upsert", reports_path=str(tmp_path / "reports"))

    assert (report["channel"], report["offer"], report["workflow_id"]) == ("", "", "")
    assert report["data_points_by_attribute"] == {"first_name": 1}


@pytest.mark.parametrize("mode", ["upsert", "append"])
def test_the_six_samples_in_both_modes(
    push: Push, sandbox: SandboxProcess, tmp_path: Path, mode: str
) -> None:
    everyone = [
        "P0001",
        "P0002",
        "P0003",
        "P0101",
        "P0102",
        "0000103",
        "P0201",
        "P0202",
        "P0203",
        "P0301",
        "P9999",
    ]
    if mode == "append":
        sandbox.put_profiles([{"external_id": known} for known in everyone if known != "P9999"])
    for export in samples.EXPORTS:
        report = push(export.land(tmp_path), mode=mode)
        check(
            report,
            **{name: report[name] for name in ("records", "accepted", "merged", "invalid") if report[name]},
        )
    created = set(sandbox.profiles())
    assert created == (set(everyone) if mode == "upsert" else set(everyone) - {"P9999"})
    assert sandbox.profiles()["P0102"]["home_city"] == "New\nYork"
    assert sandbox.profiles()["P0202"]["first_name"] == "Mary"
    assert sandbox.profiles()["P0202"]["last_name"] == "A|B"
