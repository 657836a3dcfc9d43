"""A list of exports in one task: the order kept, what stops it, what does not, and what a later try does."""

from __future__ import annotations

import json
import os
import signal
from collections import UserString
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset

from airflow_provider_braze.airflow_compat import AirflowFailException, AirflowSkipException
from airflow_provider_braze.exceptions import BrazeError, BrazeServerError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.storage.files.location import Location, Stat
from airflow_provider_braze.users_track.delivery import sender
from tests.connections import connect
from tests.reports import check
from tests.sandbox_process import SandboxProcess

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:
    from airflow.exceptions import TaskDeferred

CHANNEL = "Braze Onboarding and Upsert"
RUN = "scheduled__2026-11-26T10:00:00+00:00"


class TaskInstance:
    """What the operator reads of a task instance, and what it leaves there."""

    dag_id, run_id, task_id, map_index = "audiences", RUN, "push", -1

    def __init__(self, try_number: int = 1, map_index: int = -1) -> None:
        self.try_number, self.map_index = try_number, map_index
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))


class Share:
    """Exports below a base path, each of the same person with another nickname: the last one to be set is seen."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def land(
        self, number: int, text: str | None = None, *, age: float | None = None, offer: str = "Spring"
    ) -> str:
        path = self.base / CHANNEL / offer / "8828" / f"RPI_Export_{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or f"external_id,nickname\nU1,from {number}\nO{number},Bo\n")
        moment = 1_700_000_000 - (1000 - number if age is None else age)
        os.utime(path, (moment, moment))
        return str(path)

    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = RedpointExportSensor(
            task_id="find", base_path=str(self.base), settle_seconds=0, max_age=None
        ).execute({})  # type: ignore[typeddict-item]
        return found

    def markers(self) -> int:
        return len([*(self.base / "_braze" / "pushed").glob("*/*")])


Push = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)
    monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.01)


@pytest.fixture
def share(tmp_path: Path) -> Share:
    return Share(tmp_path)


@pytest.fixture
def push() -> Push:
    def run(export: Any, ti: TaskInstance | None = None, **given: Any) -> dict[str, Any]:
        operator = BrazeUserTrackOperator(task_id="push", export=export, **given)
        return operator.execute({"ti": ti} if ti else {})  # type: ignore[typeddict-item,typeddict-unknown-key]

    return run


def order(sandbox: SandboxProcess) -> list[str]:
    """Nicknames of U1, in the order in which they reached the sandbox."""
    return [
        each["rpi_cdp_attributes"]["nickname"]
        for request in sandbox.requests()
        for each in request["body"]["attributes"]
        if each["external_id"] == "U1"
    ]


def statuses(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(Path(each["path"]).stem[11:], each["status"]) for each in report["exports"]]


class TestOrder:
    def test_the_sensors_list_is_pushed_oldest_first(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        for number in (3, 1, 2):
            share.land(number)
        report = check(push([*reversed(share.items())]), status="complete", records=6, accepted=6)
        assert order(sandbox) == ["from 1", "from 2", "from 3"]
        assert statuses(report) == [("1", "complete"), ("2", "complete"), ("3", "complete")]
        assert share.markers() == 3
        for each in report["exports"]:
            own = json.loads(Path(each["report_path"]).read_text())
            check(own, status="complete", records=2, accepted=2, fingerprint=each["fingerprint"])
            assert each["counts"]["records"] == 2

    def test_paths_are_pushed_in_the_given_order(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        paths = [share.land(number) for number in (2, 3, 1)]
        push([paths[0], Path(paths[1]), paths[2], paths[0]])
        assert order(sandbox) == ["from 2", "from 3", "from 1"]

    def test_lists_of_a_mapped_sensor_are_flattened(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        class Lazy(Sequence[Any]):
            """As Airflow hands over what a mapped task returned."""

            def __init__(self, values: list[Any]) -> None:
                self.values = values

            def __getitem__(self, at: Any) -> Any:
                return self.values[at]

            def __len__(self) -> int:
                return len(self.values)

        for number in (1, 2, 3, 4):
            share.land(number)
        one, two, three, four = share.items()
        push(Lazy([[two, four], Lazy([three]), [], [one, two]]))
        assert order(sandbox) == ["from 1", "from 2", "from 3", "from 4"]

    def test_an_empty_list_is_skipped(self, push: Push, sandbox: SandboxProcess) -> None:
        for empty in ([], [[], []]):
            with pytest.raises(AirflowSkipException, match="nothing to push"):
                push(empty)
        assert sandbox.stats()["requests"] == 0

    def test_expand_says_once_that_it_keeps_no_order(
        self, share: Share, push: Push, capsys: pytest.CaptureFixture[str]
    ) -> None:
        share.land(1)
        (item,) = share.items()
        for index in range(3):
            push(item, TaskInstance(map_index=index))
        assert capsys.readouterr().out.count(".expand gives each export a task of its own") == 1


class TestWhatStopsTheList:
    def test_what_may_pass_stops_it_and_the_retry_goes_on_there(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        for number in (1, 2, 3):
            share.land(number)
        items = share.items()
        sandbox.fault(status=500, after=1, count=1000)
        ti = TaskInstance()
        with pytest.raises(
            BrazeServerError, match=r"RPI_Export_2.*stopped the list; 1 later exports wait: .*_3"
        ):
            push(items, ti)
        report = ti.pushed["report"]
        assert statuses(report) == [("1", "complete"), ("2", "partial"), ("3", "waiting")]
        assert (report["status"], report["accepted"], report["unknown"]) == ("partial", 2, 2)
        assert share.markers() == 1
        sandbox.clear_faults()
        assert len(share.items()) == 2

        report = push(items, TaskInstance(2))

        assert statuses(report) == [("1", "complete"), ("2", "complete"), ("3", "complete")]
        check(report, status="complete", records=6, accepted=6)
        assert [name for name in order(sandbox) if name == "from 1"] == ["from 1"]
        assert order(sandbox)[-2:] == ["from 2", "from 3"]

    def test_a_retry_that_cannot_see_what_was_pushed_sends_nothing(
        self, share: Share, push: Push, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its storage may answer again when it is the export's turn: younger ones have gone through since."""
        for number in (1, 2):
            share.land(number)
        items = share.items()
        push(items, TaskInstance())
        arrived, stat = len(order(sandbox)), Location.stat
        looks: list[Location] = []

        def out_of_reach_at_first(self: Location) -> Stat:
            looks.append(self)
            if len(looks) == 1:
                raise ConnectionResetError("the server hung up")
            return stat(self)

        monkeypatch.setattr(Location, "stat", out_of_reach_at_first)
        with pytest.raises(BrazeError, match=r"RPI_Export_1.* is out of reach \(the server hung up\)"):
            push(items, TaskInstance(2))
        assert len(order(sandbox)) == arrived

    def test_the_first_that_gets_no_answer_lets_no_other_go(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        for number in (1, 2):
            share.land(number)
        sandbox.fault(status=503, count=1000)
        with pytest.raises(BrazeServerError):
            push(share.items(), TaskInstance())
        assert set(order(sandbox)) <= {"from 1"}

    def test_a_wrong_key_concerns_all_of_them(
        self, share: Share, push: Push, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in (1, 2):
            share.land(number)
        connect(monkeypatch, sandbox, key="wrong")
        ti = TaskInstance()
        with pytest.raises(AirflowFailException, match="1 later exports wait"):
            push(share.items(), ti)
        assert statuses(ti.pushed["report"])[1] == ("2", "waiting")

    def test_a_share_that_is_gone_stops_it_and_a_file_that_is_gone_does_not(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        for number in (1, 2):
            share.land(number)
        gone, _ = items = share.items()
        Path(gone["path"]).unlink()
        ti = TaskInstance()
        with pytest.raises(AirflowFailException, match=r"RPI_Export_1.txt was set aside.*is not there"):
            push(items, ti)
        assert statuses(ti.pushed["report"]) == [("1", "failed"), ("2", "complete")]
        (share.base / CHANNEL).rename(share.base / "elsewhere")
        with pytest.raises(Exception, match="later exports wait"):
            push([gone["path"], items[1]["path"]], TaskInstance())

    def test_a_long_wait_stops_it_and_the_same_try_goes_on_there(
        self, share: Share, sandbox: SandboxProcess
    ) -> None:
        bad = "external_id,email\nB1,nonsense\n"
        for number, text in ((1, None), (2, bad), (3, None), (4, None)):
            share.land(number, text)
        operator = BrazeUserTrackOperator(task_id="push", export=share.items(), max_wait_on_worker=1)
        sandbox.fault(status=429, retry_after=60, after=1, count=1000)
        ti = TaskInstance()
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute({"ti": ti})  # type: ignore[typeddict-item]
        kept = json.loads(json.dumps(deferred.value.kwargs))
        assert kept["checkpoint"]["export"].endswith("RPI_Export_3.txt")
        sandbox.clear_faults()
        again = BrazeUserTrackOperator(task_id="push", export=share.items(), max_wait_on_worker=1)
        again.export = operator.export
        with pytest.raises(AirflowFailException, match=r"RPI_Export_2.txt was set aside"):
            again.resume({"ti": ti}, **kept)  # type: ignore[typeddict-item]
        assert statuses(ti.pushed["report"]) == [
            ("1", "complete"),
            ("2", "failed"),
            ("3", "complete"),
            ("4", "complete"),
        ]
        assert order(sandbox)[0] == "from 1"
        assert order(sandbox)[-2:] == ["from 3", "from 4"]
        assert order(sandbox).count("from 1") == 1


class TestWhatIsSetAside:
    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("PK\x03\x04" + "x" * 100, "zip"),
            ("name,city\nAnn,Rome\n", "identifier"),
            ("external_id,email\nB1,nonsense\n", "1 of 1 records failed"),
        ],
    )
    def test_an_export_that_no_retry_can_help_is_named_and_the_list_goes_on(
        self, share: Share, push: Push, sandbox: SandboxProcess, text: str, why: str
    ) -> None:
        share.land(1)
        share.land(2, text)
        share.land(3)
        ti = TaskInstance()
        with pytest.raises(
            AirflowFailException, match=f"1 of 3 exports failed. .*_2.txt was set aside: .*{why}"
        ):
            push(share.items(), ti)
        report = ti.pushed["report"]
        assert statuses(report) == [("1", "complete"), ("2", "failed"), ("3", "complete")]
        assert [each["set_aside"] for each in report["exports"]] == [False, True, False]
        assert why in report["exports"][1]["error"]
        assert report["status"] == "failed"
        assert order(sandbox) == ["from 1", "from 3"]

    def test_a_guard_holds_for_each(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        share.land(1)
        share.land(2, "external_id,nickname\n" + "".join(f"U{n},Bo\n" for n in range(50)))
        share.land(3)
        with pytest.raises(AirflowFailException, match=r"RPI_Export_2.txt was set aside: .*max_data_points"):
            push(share.items(), max_data_points=60)
        assert order(sandbox) == ["from 1", "from 3"]

    def test_a_threshold_holds_for_each_and_lets_the_list_go_on(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        share.land(1, "external_id,email\nA1,a@example.com\nB1,nonsense\n")
        share.land(2)
        ti = TaskInstance()
        with pytest.raises(
            AirflowFailException, match=r"1 of 2 exports failed. .*_1.txt: 1 of 2 records failed"
        ):
            push(share.items(), ti, max_rejected=0)
        assert statuses(ti.pushed["report"]) == [("1", "complete"), ("2", "complete")]
        assert share.markers() == 2

    def test_it_is_tried_again_only_where_somebody_clears_the_task_for_it(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        refused = share.land(1, "name,city\nAnn,Rome\n")
        share.land(2)
        share.land(3)
        items = share.items()
        sandbox.fault(status=500, after=1, count=1000)
        with pytest.raises(BrazeServerError):
            push(items, TaskInstance())
        sandbox.clear_faults()
        ti = TaskInstance(2)
        with pytest.raises(AirflowFailException, match=r"RPI_Export_1.txt was set aside"):
            push(items, ti)
        assert statuses(ti.pushed["report"]) == [("1", "failed"), ("2", "complete"), ("3", "complete")]
        sent = sandbox.stats()["requests"]

        report = push(items, TaskInstance(3), mapping={"identifier": "name"}, mode="upsert")

        assert sandbox.stats()["requests"] == sent + 1
        assert statuses(report) == [("1", "complete"), ("2", "complete"), ("3", "complete")]
        assert Path(refused).exists()


class TestClearing:
    def test_pushes_all_when_all_went_whole_and_goes_on_within_that_round(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        for number in (1, 2, 3):
            share.land(number)
        items = share.items()
        push(items, TaskInstance(1))
        sandbox.fault(status=500, after=1, count=1000)
        with pytest.raises(BrazeServerError):
            push(items, TaskInstance(2))
        sandbox.clear_faults()
        before = len(order(sandbox))
        push(items, TaskInstance(3))
        assert order(sandbox)[:3] == ["from 1", "from 2", "from 3"]
        assert order(sandbox)[before:] == ["from 2", "from 3"]
        push(items, TaskInstance(4))
        assert order(sandbox)[-3:] == ["from 1", "from 2", "from 3"]

    def test_another_run_skips_nothing(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        share.land(1)
        items = share.items()
        push(items, TaskInstance(1))
        other = TaskInstance(2)
        other.run_id = "manual__other"
        push(items, other)
        assert order(sandbox) == ["from 1", "from 1"]


class TestReport:
    def test_one_asset_event_has_the_sums(self, share: Share, sandbox: SandboxProcess) -> None:
        class Event:
            extra: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

        class Events:
            """As Airflow's, which finds the event of an asset; one cannot be the key of a dict on 3.1."""

            of_asset = Event()

            def __getitem__(self, key: Asset) -> Event:
                return self.of_asset

        for number in (1, 2):
            share.land(number)
        operator = BrazeUserTrackOperator(
            task_id="push", export=share.items(), outlets=[Asset("braze_pushes")]
        )
        operator.execute({"outlet_events": Events()})  # type: ignore[typeddict-item]
        extra = Events.of_asset.extra
        assert (extra["status"], extra["records"], extra["accepted"]) == ("complete", 4, 4)
        assert [each["status"] for each in extra["exports"]] == ["complete", "complete"]

    def test_whoever_looks_on_sees_from_the_beginning_what_waits(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        for number in (1, 2):
            share.land(number)
        sandbox.fault(status=429, count=1000, retry_after=600)
        ti = TaskInstance()
        with pytest.raises(TaskDeferred):
            push(ti=ti, export=share.items())
        exports = ti.pushed["report"]["exports"]
        assert [each["status"] for each in exports] == ["waiting", "waiting"]

    def test_a_report_names_its_threshold_and_what_the_pace_cost(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1)
        report = push(export=[path], max_rejected=0.05)
        (export,) = report["exports"]
        assert (export["max_rejected"], export["paced_seconds"]) == (0.05, report["paced_seconds"])
        assert export["data_points_by_attribute"] == report["data_points_by_attribute"]
        assert push(export=path)["max_rejected"] is None

    def test_a_dry_run_sums_the_plans(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        for number in (1, 2):
            share.land(number)
        report = check(push(share.items(), dry_run=True), status="planned", records=4, planned=4)
        # One of the two users of each export is in both.
        assert [each["users"] for each in report["exports"]] == [2, 2]
        assert (report["users"], report["planned_requests"]) == (3, 2)
        assert sandbox.stats()["requests"] == 0
        assert share.markers() == 0

    def test_a_timeout_leaves_the_report(
        self, share: Share, push: Push, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Timeout(BaseException):
            """As Airflow raises it when a task takes longer than its execution_timeout."""

        for number in (1, 2):
            share.land(number)
        ti = TaskInstance()
        said: list[str] = []

        def interrupt(self: Any, number: int) -> None:
            said.append(str(number))
            if number == 2:
                raise Timeout

        monkeypatch.setattr(
            "airflow_provider_braze.operators.progress_writer.ProgressWriter.begin", interrupt
        )
        with pytest.raises(Timeout):
            push(share.items(), ti)
        assert statuses(ti.pushed["report"]) == [("1", "complete"), ("2", "waiting")]

    @pytest.mark.parametrize("alone", [True, False])
    def test_a_timeout_within_a_push_leaves_it_too(
        self, share: Share, push: Push, monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, alone: bool
    ) -> None:
        class Timeout(BaseException):
            """As Airflow raises it from a signal's handler."""

        def handle(*_: Any) -> None:
            raise Timeout

        def ring(self: Any, progress: dict[str, Any]) -> None:
            if not rung:
                rung.append(progress)
                os.kill(os.getpid(), signal.SIGALRM)

        rung: list[Any] = []
        before = signal.signal(signal.SIGALRM, handle)
        monkeypatch.setattr("airflow_provider_braze.operators.progress_writer.ProgressWriter.__call__", ring)
        sandbox.fault(kind="hang", count=1000)
        path, ti = share.land(1), TaskInstance()
        try:
            with pytest.raises(Timeout):
                push(path if alone else [path, share.land(2)], ti)
        finally:
            signal.signal(signal.SIGALRM, before)
        report = ti.pushed["report"]
        assert (report["status"], report["records"]) == ("partial", 2)
        assert "Timeout" in report["error"]
        assert alone or statuses(report) == [("1", "partial"), ("2", "waiting")]

    def test_a_rejects_file_may_be_in_it(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        share.land(1, "external_id,email,nickname\nA1,a@example.com,x\nB1,nonsense,y\n")
        first = push(share.items())
        rejects = Path(first["exports"][0]["rejects_path"])
        rejects.write_text(rejects.read_text().replace("nonsense", "b@example.com"))
        report = push([str(rejects), share.land(2)])
        check(report, status="complete", records=3, accepted=3)
        assert sandbox.profiles()["B1"]["email"] == "b@example.com"


class Standing:
    """Stands for a path, and is written in another way."""

    def __init__(self, path: str | bytes) -> None:
        self.path = path

    def __fspath__(self) -> str | bytes:
        return self.path


@pytest.mark.parametrize("stands", [Path, Standing, UserString])
def test_what_stands_for_a_path(share: Share, push: Push, stands: Callable[[str], Any]) -> None:
    path = share.land(1)
    for export in (stands(path), {"path": stands(path)}, [stands(path)], [{"path": stands(path)}]):
        check(push(export), status="complete", records=2, accepted=2)


@pytest.mark.parametrize("kind", ["paths", "items"])
def test_each_file_is_pushed_once_however_its_path_is_written(
    share: Share, push: Push, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = share.land(1)
    monkeypatch.chdir(share.base)
    below = path.removeprefix(f"{share.base}/")
    spelt = [path, f"file://{path}", f"{share.base}//{below}", f"./{below}", below, Path(path),
             path.replace("/Spring/", "/./Spring//"), f"/{path}"]  # fmt: skip
    exports = spelt if kind == "paths" else [{**share.items()[0], "path": str(each)} for each in spelt]
    result = push(exports)
    assert (len(result["exports"]), result["records"], share.markers()) == (1, 2, 1)


@pytest.mark.parametrize(
    ("export", "said"),
    [
        (("a.txt", "b.txt"), "export is a tuple"),
        ([("a.txt", "b.txt")], "export is a tuple"),
        ('[{"path": "/a.txt"}]', "text that looks like a list"),
        ("[{'path': '/a.txt', 'modified': 1.0}]", "text that looks like a list"),
        ('["/a.txt", "/b.txt"]', "text that looks like a list"),
        ("{'path': '/a.txt'}", "text that looks like a list or a dict"),
        ('{"path": "/a.txt"}', "text that looks like a list or a dict"),
        ("[]", "text that looks like a list"),
        ("('/a.txt',)", "text that looks like a list"),
        ("LazyXComSequence([2 items])", "text that looks like a list"),
        (b"/a.txt", "export is bytes"),
        (bytearray(b"/a.txt"), "export is bytearray"),
        ({"/a.txt"}, "export is a set"),
        (iter(["/a.txt"]), "export is a list_iterator"),
        (202403, "export is the number 202403"),
        (1.5, "export is the number 1.5"),
        (True, "export is a bool"),
        ("/a.txt ", "blank or a line end"),
        ("/a.txt\n", "blank or a line end"),
        ("\t/a.txt", "blank or a line end"),
        ("/a.txt\u00a0", "blank or a line end"),
        ("", "export is empty"),
        ("None", "export is empty"),
        ({}, "a dict without 'path'"),
        ([None], "export is empty"),
        (["/a.txt", "/b.txt\n"], "blank or a line end"),
        ([{"channel": "x"}], "a dict without 'path'"),
        ("/a.txt\u200b", "blank or a line end"),
        ("\ufeff/a.txt", "blank or a line end"),
        ({"path": None}, "whose 'path' is a NoneType"),
        ({"path": ["/a.txt"]}, "whose 'path' is a list"),
        ([{"path": b"/a.txt"}], "whose 'path' is a bytes"),
        ([{"path": 202403}], "whose 'path' is a int"),
        ({"path": " "}, "whose 'path' is empty"),
        ({"path": "None"}, "whose 'path' is empty"),
        ({"path": Standing(b"/a.txt")}, "whose 'path' is a bytes"),
        (Standing(b"/a.txt"), "export is bytes"),
        (Standing("/a.txt\n"), "blank or a line end"),
        (UserString("/a.txt "), "blank or a line end"),
        (memoryview(b"/a.txt"), "export is a memoryview"),
    ],
)
def test_what_is_no_export_is_said_at_once(
    push: Push, sandbox: SandboxProcess, export: Any, said: str
) -> None:
    with pytest.raises(AirflowFailException, match=said):
        push(export)
    assert sandbox.stats()["requests"] == 0


def test_a_path_may_be_relative(share: Share, push: Push, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(share.land(1))
    monkeypatch.chdir(share.base)
    report = check(push([str(path.relative_to(share.base))]), records=2, accepted=2)
    assert report["exports"][0]["report_path"].startswith(f"{share.base}/_braze/")


@pytest.mark.parametrize("folder", ["[Offer]", "{x}", "(y)", "[1, 2"])
def test_a_name_with_brackets_is_no_list(
    share: Share, push: Push, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = share.land(1, offer=folder)
    monkeypatch.chdir(Path(path).parent.parent.parent)
    check(push(path), status="complete", records=2, accepted=2)
    check(
        push(f"{folder}/8828/RPI_Export_1.txt", mode="upsert", reports_path=str(share.base / "r")),
        records=2,
        accepted=2,
    )
