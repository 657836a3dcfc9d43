"""Whole pushes with the memory: what is sent, how it is counted, and what the workspace holds in the end."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeSetupError, TooManyDataPointsError
from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.pushes.attempt.reporting import too_many_failed
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.pushes.conftest import APPEND
from tests.reports import check
from tests.sandbox_process import ROOT, SandboxProcess

Push = Callable[..., dict[str, Any]]
Land = Callable[..., Path]

ONLY_CHANGED = Wish(only_changed=True)
STILL = ExportMapping(omit=("RPContactID", "ChannelExecutionID"))
"""Without the two columns that differ in each execution."""

COLUMNS = ("external_id", "first_name", "zip", "tier", "score")

STRANGERS = [{"external_id": f"S{n}", "y": "A"} for n in range(5_001)]
"""So many that a user's records before and behind them are not merged."""


def text(rows: dict[int, dict[str, Any]], *, execution: int = 5719) -> str:
    """An export of some people, with RPI's two columns, which differ in each execution."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["RPContactID", "ChannelExecutionID", *COLUMNS])
    for number, row in rows.items():
        values = {"first_name": "Ann", "zip": f"0{number}", "tier": "gold", "score": "5", **row}
        writer.writerow(
            [number + execution * 1000, execution, f"U{number}", *(values[n] for n in COLUMNS[1:])]
        )
    return file.getvalue()


def everybody(count: int, **changes: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {n: changes.get(f"u{n}", {}) for n in range(count)}


@pytest.fixture
def land_people(land: Land) -> Callable[..., Path]:
    def write(people: dict[int, dict[str, Any]], execution: int = 5719, **given: Any) -> Path:
        return land(text(people, execution=execution), name=f"RPI_Export_{execution}.txt", **given)

    return write


def profiles(sandbox: SandboxProcess) -> dict[str, dict[str, Any]]:
    return {
        user: {**profile["custom_attributes"], "first_name": profile.get("first_name")}
        for user, profile in sandbox.profiles().items()
    }


class TestByAttribute:
    def test_only_what_differs_is_sent(
        self, push: Push, land_people: Callable[..., Path], sandbox: SandboxProcess
    ) -> None:
        first = push(land_people(everybody(200)), memory=ONLY_CHANGED)
        check(first, status="complete", records=200, accepted=200, requests=3, values_saved=0)
        assert first["data_points"] == 200 * 7
        changed = everybody(200, u7={"tier": "silver"}, u11={"first_name": "Bea"})
        second = push(land_people(changed, 5720), memory=ONLY_CHANGED, run="two")
        check(second, status="complete", records=200, accepted=200, requests=3)
        assert second["data_points_by_attribute"] == {
            "rpi_contact_ids": 200,
            "rpi_channel_exec_ids": 200,
            "rpi_cdp_attributes": 1,
            "first_name": 1,
        }
        assert second["data_points_saved_by_attribute"] == {
            "rpi_cdp_attributes": 200 * 3 - 1,
            "rpi_offers": 200,
            "first_name": 199,
        }
        assert second["values_saved"] == second["data_points_saved"] == 200 * 5 - 2
        assert second["data_points_saved_since"] == second["data_points_saved"]
        assert second["memory_since"] <= second["started_at"] or second["memory_since"]
        found = profiles(sandbox)
        assert found["U7"]["rpi_cdp_attributes"] == {"zip": "07", "tier": "silver", "score": "5"}
        assert found["U11"]["first_name"] == "Bea"
        assert found["U3"]["rpi_channel_exec_ids"] == ["5719", "5720"]

    def test_who_is_unchanged_is_not_sent(self, push: Push, land_people: Callable[..., Path]) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL}
        push(land_people(everybody(400)), **options)
        changed = everybody(400, u7={"tier": "silver"}, u390={"tier": "silver"})
        second = push(land_people(changed, 5720), run="two", **options)
        check(second, status="complete", records=400, accepted=2, unchanged=398, requests=1, data_points=2)
        again = push(land_people(changed, 5720), run="three", **options)
        check(again, status="complete", records=400, unchanged=400, requests=0, data_points=0)
        assert too_many_failed({**again, "failed": 1, "records": 401}, None) is None

    def test_one_bad_record_among_unchanged_ones_is_no_failure(self, push: Push, land: Land) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL}
        content = text(everybody(99))
        push(land(content), **options)
        second = push(land(content + "1,5719,too,few\n"), run="two", **options)
        check(second, status="complete", records=100, unchanged=99, invalid=1)
        assert too_many_failed(second, None) is None

    def test_off_is_as_it_was(self, push: Push, land_people: Callable[..., Path], tmp_path: Path) -> None:
        report = push(land_people(everybody(10)))
        assert not {"only_changed", "values_saved", "memory_since"} & report.keys()
        assert not list(tmp_path.rglob("memory*"))

    def test_many_records_of_a_user_are_compared_merged(self, push: Push, land: Land) -> None:
        header = "external_id,tier\n"
        options = {"memory": ONLY_CHANGED}
        push(land(header + "U1,A\n"), **options)
        second = push(land(header + "U1,B\nU1,A\n", name="two.txt"), run="two", **options)
        check(second, status="complete", records=2, unchanged=2)
        third = push(land(header + "U1,A\nU1,B\n", name="three.txt"), run="three", **options)
        check(third, status="complete", records=2, accepted=1, merged=1)

    def test_rejects_pushed_again(self, push: Push, land: Land) -> None:
        options = {"memory": ONLY_CHANGED}
        first = push(land("external_id,email\nU1,a@example.org\nU2,nobody\n"), **options)
        check(first, status="complete", records=2, accepted=1, invalid=1)
        path = Path(first["rejects_path"])
        path.write_text(path.read_text().replace("nobody", "b@example.org"))
        second = push(path, run="two", **options)
        check(second, status="complete", records=1, accepted=1)
        check(push(path, run="three", **options), status="complete", records=1, unchanged=1)

    @pytest.mark.parametrize("order", ["reversed", "every third first", "some gone, some new"])
    def test_whatever_the_order_of_the_export(
        self, push: Push, land_people: Callable[..., Path], order: str
    ) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL}
        push(land_people(everybody(3500)), **options)
        numbers = {
            "reversed": range(3499, -1, -1),
            "every third first": sorted(range(3500), key=lambda n: n % 3),
            "some gone, some new": [n for n in range(3600) if n % 7],
        }[order]
        report = push(land_people({n: {} for n in numbers}, 5720), run="two", **options)
        new = sum(n >= 3500 for n in numbers)
        check(report, status="complete", records=len(numbers), accepted=new, unchanged=len(numbers) - new)
        assert report["values_saved"] == 5 * (len(numbers) - new)
        again = push(land_people({n: {} for n in numbers}, 5721), run="three", **options)
        check(again, status="complete", records=len(numbers), unchanged=len(numbers), requests=0)


class TestWithoutIt:
    def test_a_push_without_it_takes_back_what_it_sends(
        self, push: Push, land_people: Callable[..., Path], sandbox: SandboxProcess
    ) -> None:
        options = {"mapping": STILL}
        push(land_people(everybody(50)), memory=ONLY_CHANGED, **options)
        push(land_people(everybody(50, u7={"tier": "B"}), 5720), run="plain", **options)
        check(
            push(land_people(everybody(50), 5721), memory=ONLY_CHANGED, run="two", **options),
            status="complete",
            records=50,
            accepted=50,
        )
        assert profiles(sandbox)["U7"]["rpi_cdp_attributes"]["tier"] == "gold"

    def test_of_another_connection_it_is_another_memory(
        self, push: Push, land_people: Callable[..., Path]
    ) -> None:
        path = land_people(everybody(5))
        push(path, memory=ONLY_CHANGED)
        report = push(path, memory=ONLY_CHANGED, braze_conn_id="other", run="two")
        check(report, status="complete", records=5, accepted=5)


class TestRows:
    ROWS = ({"external_id": "U1", "tier": "A"}, {"external_id": "U2", "tags": {"add": ["x"]}})
    EVENTS = ({"external_id": "U1", "name": "seen", "time": "2026-01-02T03:04:05Z"},)

    def test_events_always_go(self, push_rows: Push, tmp_path: Path) -> None:
        options = {"attributes": list(self.ROWS), "events": list(self.EVENTS), "memory": ONLY_CHANGED}
        check(
            push_rows(**options, reports_path=str(tmp_path / "r")), status="complete", records=3, accepted=3
        )
        second = push_rows(**options, reports_path=str(tmp_path / "r"), run="two")
        check(second, status="complete", records=3, accepted=1, unchanged=2, requests=1)

    def test_without_a_folder_it_is_refused(self, push_rows: Push) -> None:
        with pytest.raises(BrazeSetupError, match="reports_path or memory_path"):
            push_rows(attributes=list(self.ROWS), memory=ONLY_CHANGED)

    def test_with_a_memory_path_of_its_own(self, push_rows: Push, tmp_path: Path) -> None:
        wish = Wish(only_changed=True, path=str(tmp_path / "m"))
        push_rows(attributes=list(self.ROWS), memory=wish)
        check(push_rows(attributes=list(self.ROWS), memory=wish), status="complete", records=2, unchanged=2)
        assert list((tmp_path / "m" / "braze_default").rglob("memory.sqlite"))

    def test_increments_always_go(self, push_rows: Push, tmp_path: Path, sandbox: SandboxProcess) -> None:
        options = {"reports_path": str(tmp_path / "r"), "memory": ONLY_CHANGED}
        rows = [{"external_id": "U1", "visits": {"inc": 2}, "tier": "A"}]
        sandbox.put_profiles([{"external_id": "U1", "custom_attributes": {"visits": 10}}])
        push_rows(attributes=rows, **options)
        check(push_rows(attributes=rows, **options), status="complete", records=1, accepted=1, data_points=1)
        assert profiles(sandbox)["U1"]["visits"] == 14


class TestAppend:
    def test_only_of_who_is_known(
        self, push: Push, land_people: Callable[..., Path], sandbox: SandboxProcess
    ) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL}
        push(land_people(everybody(3)), **options)
        path = land_people(everybody(5), 5720, channel=APPEND)
        check(push(path, run="two", **options), status="complete", records=5, accepted=2, unchanged=3)
        check(push(path, run="three", **options), status="complete", records=5, accepted=2, unchanged=3)

    def test_with_confirm_unchanged_users_are_looked_up_too(
        self, push: Push, land_people: Callable[..., Path], sandbox: SandboxProcess
    ) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL, "confirm": True}
        sandbox.put_profiles([{"external_id": f"U{n}"} for n in range(4)])
        path = land_people(everybody(5), channel=APPEND)
        check(push(path, **options), status="complete", records=5, accepted=4, not_found=1)
        check(push(path, run="two", **options), status="complete", records=5, unchanged=4, not_found=1)
        sandbox.reset()
        check(push(path, run="three", **options), status="complete", records=5, not_found=5)
        sandbox.put_profiles([{"external_id": f"U{n}"} for n in range(4)])
        check(push(path, run="four", **options), status="complete", records=5, accepted=4, not_found=1)


class TestDoubt:
    """What Braze answered in another way than with success at the first try is not remembered."""

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "drop", "processed": True},
            {"kind": "drop", "processed": False},
            {"status": 500, "processed": True},
            {"status": 503},
            {"status": 202, "processed": True},
            {"status": 400},
        ],
    )
    def test_doubt_is_forgotten(
        self, push: Push, land_people: Callable[..., Path], sandbox: SandboxProcess, fault: dict[str, Any]
    ) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL}
        people = everybody(20)
        push(land_people(people), **options)
        other = everybody(20, u1={"tier": "B"}, u2={"tier": "B"})
        sandbox.fault(**fault)
        push(land_people(other, 5720), run="two", **options)
        back = push(land_people(people, 5721), run="three", **options)
        check(back, status="complete", records=20, accepted=2, unchanged=18)
        found = profiles(sandbox)
        assert {
            user: profile["rpi_cdp_attributes"]["tier"] for user, profile in found.items()
        } == dict.fromkeys(found, "gold")

    def test_a_429_leaves_no_doubt(
        self, push: Push, land_people: Callable[..., Path], sandbox: SandboxProcess
    ) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL}
        sandbox.fault(status=429, retry_after=0)
        push(land_people(everybody(20)), **options)
        check(
            push(land_people(everybody(20)), run="two", **options),
            status="complete",
            records=20,
            unchanged=20,
        )

    def test_rejected_is_forgotten(self, push_rows: Push, tmp_path: Path, sandbox: SandboxProcess) -> None:
        options = {"reports_path": str(tmp_path / "r"), "memory": ONLY_CHANGED}
        good = {"external_id": "U1", "tier": "A"}
        push_rows(attributes=[good], **options)
        bad = {"external_id": "U1", "tier": "B", "email": "nobody"}
        check(push_rows(attributes=[bad], **options), status="failed", records=1, rejected=1)
        check(push_rows(attributes=[good], **options), status="complete", records=1, accepted=1)


KILLED = """
import json, os, sys
from pathlib import Path
from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.pushes.resuming import checkpoint
from airflow_provider_braze.pushes.attempt import running
from airflow_provider_braze.users_track.batching import merge_window
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push

path, url, key, store = sys.argv[1:]
checkpoint.EVERY, running.LOOK_EVERY, merge_window.LOOK_AHEAD_RECORDS = 0.0, 0.02, 500

def keep(kept):
    Path(store + ".new").write_text(json.dumps(kept))
    os.replace(store + ".new", store)
    print("kept", flush=True)

export_push(
    workspace=Workspace(endpoint=url, api_key=key, max_in_flight=2),
    braze_conn_id="braze_default",
    run="try1",
    export=path,
    mapping=ExportMapping(omit=("RPContactID", "ChannelExecutionID")),
    memory=Wish(only_changed=True),
    save=keep,
    checkpoint=json.loads(Path(store).read_text()) if Path(store).exists() else None,
).execute()
"""


@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_push_that_is_killed_and_resumed_sends_nothing_when_it_is_repeated(
    push: Push,
    land_people: Callable[..., Path],
    tmp_path: Path,
    after: int,
) -> None:
    people = everybody(4000, **{f"u{n}": {"tier": "silver"} for n in range(0, 4000, 3)})
    path, store = land_people(people), tmp_path / "checkpoint.json"
    with SandboxProcess("--latency-ms", "30") as slow:
        where = Workspace(endpoint=slow.url, api_key=slow.key)
        options = {"memory": ONLY_CHANGED, "mapping": STILL, "workspace": where}
        # Half of them were told before, so that some are unchanged.
        push(land_people(everybody(2000), 5718), **options)
        command = [sys.executable, "-c", KILLED, str(path), slow.url, slow.key, str(store)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for _ in range(after):
                assert process.stdout.readline()
            process.send_signal(signal.SIGKILL)
        kept = json.loads(store.read_text())
        report = push(path, run="try2", checkpoint=kept, save=lambda _: None, **options)
        changed = len(range(0, 2000, 3)) + 2000
        check(report, status="complete", records=4000, accepted=changed, unchanged=4000 - changed)
        assert report["resumed_after"] == kept["account"]["settled"]["records"]
        assert report["values_saved"] == 2000 * 5 - len(range(0, 2000, 3)), (
            "counted as if it had not been killed"
        )
        again = push(path, run="again", **options)
        check(again, status="complete", records=4000, unchanged=4000, requests=0)
        found = profiles(slow)
        assert {user: each["rpi_cdp_attributes"]["tier"] for user, each in found.items()} == {
            f"U{n}": "gold" if n % 3 else "silver" for n in range(4000)
        }


class TestPrice:
    def test_a_dry_run_prices_with_the_memory(
        self, push: Push, land_people: Callable[..., Path], sandbox: SandboxProcess
    ) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL}
        push(land_people(everybody(300)), **options)
        requests = sandbox.stats()["requests"]
        path = land_people(everybody(300, u7={"tier": "B"}), 5720)
        planned = push(path, dry_run=True, run="two", **options)
        check(
            planned,
            status="planned",
            records=300,
            planned=1,
            unchanged=299,
            data_points=1,
            planned_requests=1,
        )
        assert planned["data_points_saved"] == 300 * 5 - 1
        assert sandbox.stats()["requests"] == requests
        check(push(path, run="three", **options), status="complete", records=300, accepted=1, unchanged=299)

    def test_max_data_points_counts_what_would_really_go(
        self, push: Push, land_people: Callable[..., Path]
    ) -> None:
        options = {"memory": ONLY_CHANGED, "mapping": STILL, "max_data_points": 400}
        with pytest.raises(TooManyDataPointsError):
            push(land_people(everybody(100)), **options)
        push(land_people(everybody(100)), **{**options, "max_data_points": 500})
        changed = everybody(100, u7={"tier": "B"})
        report = push(land_people(changed, 5720), run="two", **{**options, "max_data_points": 1})
        check(report, status="complete", records=100, accepted=1, unchanged=99)

    @pytest.mark.parametrize(
        "rows",
        [
            [{"external_id": "U1", "x": "B"}, *STRANGERS, {"external_id": "U1", "x": "A"}],
            [{"external_id": "U1", "x": "B"}, *STRANGERS, {"external_id": "U1", "x": "B"}],
            [{"external_id": "U1", "x": "A"}, *STRANGERS, {"external_id": "U1", "x": "A"}],
            [{"email": "ann@example.com", "x": "B"}, {"external_id": "U1", "x": "A"}],
            [{"email": "ann@example.com", "x": "B"}, *STRANGERS, {"external_id": "U1", "x": "A"}],
        ],
        ids=["changed back", "changed twice", "the same twice", "by email", "by email, much before"],
    )
    def test_what_a_push_changes_itself_is_priced(
        self, push_rows: Push, tmp_path: Path, rows: list[dict[str, Any]]
    ) -> None:
        """Of a user whose records lie too far apart to be merged, or whose attribute somebody else may have got."""
        options = {"memory": Wish(only_changed=True, refresh_after=None), "reports_path": str(tmp_path)}
        push_rows(attributes=[{"external_id": "U1", "x": "A"}, *STRANGERS], run="one", **options)
        planned = push_rows(attributes=rows, run="two", dry_run=True, **options)
        points = planned["data_points"]
        if points:
            with pytest.raises(TooManyDataPointsError, match=f"cost {points} data points"):
                push_rows(attributes=rows, run="three", max_data_points=points - 1, **options)
        pushed = push_rows(attributes=rows, run="four", max_data_points=points, **options)
        assert pushed["data_points"] == points
        assert pushed["data_points_saved"] == planned["data_points_saved"]


def test_a_limit_of_requests_is_kept_when_little_is_left_of_each_taking(
    push: Push, land_people: Callable[..., Path], workspace: Workspace
) -> None:
    options = {"memory": ONLY_CHANGED, "mapping": STILL, "workspace": workspace}
    push(land_people(everybody(6000)), **options)
    changed = {n: {"tier": "B"} if n % 40 == 0 else {} for n in range(6000)}
    second = push(land_people(changed, 5720), run="two", **options)
    check(second, status="complete", records=6000, accepted=150, unchanged=5850, requests=2)
