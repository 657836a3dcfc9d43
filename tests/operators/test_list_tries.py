"""A list over several tries, and beside other runs: what was begun, what has one name, who came between."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeServerError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.attempt import reporting
from airflow_provider_braze.pushes.exports.export import _ExportAttempt
from airflow_provider_braze.pushes.exports.marking import Marking
from airflow_provider_braze.rejects.writer import RejectsFile
from tests.connections import connect
from tests.operators.test_list import Push, Share, TaskInstance, connection, order, push, share, statuses
from tests.reports import check, rejects
from tests.sandbox_process import SandboxProcess

__all__ = ["connection", "push", "share"]


class OtherRun(TaskInstance):
    """Another run of the same DAG."""

    run_id = "manual__other"


class Retried(TaskInstance):
    """The second try of a task with one retry, that nobody has cleared."""

    max_tries = 0

    def __init__(self) -> None:
        super().__init__(2)


class Killed(BaseException):
    """Nothing goes on after it, as after a SIGKILL."""


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    """One record a request, and one request at a time."""
    connect(monkeypatch, sandbox, objects_per_request=1, max_in_flight=1)


class TestOneName:
    """Beside RPI's folders nothing but name, size and time tells two exports apart."""

    @pytest.fixture
    def twins(self, tmp_path: Path) -> list[str]:
        paths = [tmp_path / folder / "people.csv" for folder in ("new", "old")]
        for path in paths:
            path.parent.mkdir()
            path.write_text(f"external_id,nickname,email\n{path.parent.name},from {path.parent.name},bad\n")
            os.utime(path, (1_700_000_000, 1_700_000_000))
        return [str(path) for path in paths]

    @pytest.fixture
    def where(self, tmp_path: Path) -> dict[str, Any]:
        return {"mode": "upsert", "reports_path": str(tmp_path / "reports"), "max_rejected": 0.5}

    def test_a_retry_does_not_take_one_for_the_other(
        self, twins: list[str], where: dict[str, Any], push: Push, sandbox: SandboxProcess
    ) -> None:
        for path in twins:
            Path(path).write_text(Path(path).read_text().replace("bad", "a@b.cc"))
            os.utime(path, (1_700_000_000, 1_700_000_000))
        sandbox.fault(status=500, after=1, count=1000)
        with pytest.raises(BrazeServerError):
            push(twins, TaskInstance(), **where)
        sandbox.clear_faults()
        sandbox.reset_stats()

        report = push(twins, TaskInstance(2), **where)

        check(report, status="complete", records=2, accepted=2)
        assert [
            each["external_id"] for request in sandbox.requests() for each in request["body"]["attributes"]
        ] == ["old"]

    def test_a_retry_after_a_kill_loses_none(
        self,
        twins: list[str],
        where: dict[str, Any],
        push: Push,
        sandbox: SandboxProcess,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        begin = _ExportAttempt.execute

        def killed_at_the_second(self: _ExportAttempt) -> dict[str, Any]:
            if self.resolved.item.path == twins[1]:
                raise Killed
            return begin(self)

        for path in twins:
            Path(path).write_text(Path(path).read_text().replace("bad", "a@b.cc"))
            os.utime(path, (1_700_000_000, 1_700_000_000))
        monkeypatch.setattr(_ExportAttempt, "execute", killed_at_the_second)
        with pytest.raises(Killed):
            push(twins, TaskInstance(), **where)
        monkeypatch.setattr(_ExportAttempt, "execute", begin)

        report = push(twins, Retried(), **where)

        check(report, status="complete", records=2, accepted=2)
        assert set(sandbox.profiles()) == {"new", "old"}

    def test_each_keeps_its_rejects(self, twins: list[str], where: dict[str, Any], push: Push) -> None:
        ti = TaskInstance()
        with pytest.raises(AirflowFailException, match="2 of 2 exports failed"):
            push(twins, ti, **where)
        own = [
            json.loads(Path(each["report_path"]).read_text("utf-8"))
            for each in ti.pushed["report"]["exports"]
        ]
        assert [each["export"] for each in own] == twins
        assert [row["external_id"] for each in own for row in rejects(each)] == ["new", "old"]


class TestWhatWasBegun:
    """On an Airflow without a store, a retry counts what it sends of an export that an earlier try had begun."""

    @pytest.mark.usefixtures("one_by_one")
    @pytest.mark.parametrize("first", ["held", "refused", "whole"])
    def test_whatever_became_of_those_before_it(
        self, share: Share, push: Push, sandbox: SandboxProcess, first: str
    ) -> None:
        share.land(2)
        share.land(3)
        items = share.items()
        older: Any = share.land(1)
        if first == "held":
            push(share.land(2, offer="Winter"), OtherRun())
        elif first == "refused":
            older = str(share.base / CHANNEL_UNKNOWN / "Offer" / "8828" / "RPI_Export_1.txt")
            Path(older).parent.mkdir(parents=True)
            Path(older).write_text("external_id,nickname\nU1,from 1\n")
        exports = [older, items[1]]
        sandbox.reset_stats()
        sandbox.fault(status=500, after=3 if first == "whole" else 1, count=1000)
        with pytest.raises(BrazeServerError):
            push(exports, TaskInstance(), late="hold")
        sandbox.clear_faults()
        ti = TaskInstance(2)
        try:
            report = push(exports, ti, late="hold")
        except AirflowFailException:
            report = ti.pushed["report"]
        assert [each["status"] for each in report["exports"]] == [
            {"held": "held", "refused": "failed", "whole": "complete"}[first],
            "complete",
        ]
        assert [each.get("sent_again", 0) for each in report["exports"]] == [0, 2]
        assert report["upper_bounds"] == ["sent_again"]

    @pytest.mark.usefixtures("one_by_one")
    @pytest.mark.parametrize("alone", [True, False])
    def test_hold_does_not_leave_what_went_out_in_part(
        self, share: Share, push: Push, sandbox: SandboxProcess, alone: bool
    ) -> None:
        older = share.land(1)
        export: Any = older if alone else [older]
        sandbox.fault(status=500, after=1, count=1000)
        with pytest.raises(BrazeServerError):
            push(export, TaskInstance(), late="hold")
        sandbox.clear_faults()
        newer = share.land(2)
        push(newer, OtherRun())

        report = push(export, TaskInstance(2), late="hold")

        own = report if alone else report["exports"][0]
        assert (own["status"], own["late"]["newer"]) == ("complete", newer)
        # A run that has sent nothing of it leaves it alone.
        assert push(export, OtherRun(), late="hold")["status"] == "held"


CHANNEL_UNKNOWN = "Elsewhere"


def test_the_exports_of_one_list_leave_out_what_one_before_them_told(
    share: Share, push: Push, sandbox: SandboxProcess
) -> None:
    same = "external_id,nickname\nU1,Bo\nU2,Al\n"
    report = push([share.land(number, same) for number in (1, 2, 3)], only_changed=True)
    assert [each["counts"]["unchanged"] for each in report["exports"]] == [0, 2, 2]
    assert sandbox.stats()["objects"] == 2


class TestMeanwhile:
    """Two exports that are pushed at the same time, as by two runs: whichever comes to its end last says so."""

    @pytest.fixture
    def meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
        """Do something at the end of the next push, when its records have gone out and it is not marked yet."""
        check_unchanged = _ExportAttempt._check_unchanged

        def do(act: Callable[[], Any]) -> None:
            acts = [act]

            def and_act(self: _ExportAttempt) -> None:
                if acts:
                    acts.pop()()
                check_unchanged(self)

            monkeypatch.setattr(_ExportAttempt, "_check_unchanged", and_act)

        return do

    @pytest.mark.parametrize("alone", [True, False])
    def test_the_older_one_that_ends_last_is_late(
        self, share: Share, push: Push, meanwhile: Any, capsys: pytest.CaptureFixture[str], alone: bool
    ) -> None:
        older, newer = share.land(1), share.land(2)
        meanwhile(lambda: push(newer, OtherRun()))
        report = push(older if alone else [older], TaskInstance())
        own = report if alone else report["exports"][0]
        assert own["late"] == {"newer": newer, "fields": ["rpi_cdp_attributes.nickname"]}
        said = f"Late: {older} is older than {newer}, and both were pushed at the same time"
        assert said in own["notes"][0]
        assert said in capsys.readouterr().out
        written = json.loads(Path(own["report_path"]).read_text("utf-8"))
        assert (written["late"], written["notes"]) == (own["late"], own["notes"])

    def test_a_report_that_cannot_be_written_again_stays_and_the_push_is_whole(
        self, share: Share, push: Push, meanwhile: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        older, newer = share.land(1), share.land(2)
        meanwhile(lambda: push(newer, OtherRun()))
        write_whole = reporting.write_whole

        def no_room_for_more(location: Any, content: bytes) -> None:
            if json.loads(content)["late"]:
                raise OSError(28, "No space left on device")
            write_whole(location, content)

        monkeypatch.setattr(reporting, "write_whole", no_room_for_more)
        report = push(older, TaskInstance())
        assert (report["status"], report["late"]["newer"]) == ("complete", newer)
        written = json.loads(Path(report["report_path"]).read_text("utf-8"))
        assert (written["status"], written["late"]) == ("complete", None)
        assert share.markers() == 2

    def test_the_newer_one_that_ends_last_names_the_older_one(
        self, share: Share, push: Push, meanwhile: Any
    ) -> None:
        older, newer = share.land(1), share.land(2)
        meanwhile(lambda: push(older, OtherRun()))
        report = push(newer, TaskInstance())
        assert report["late"] is None
        assert (
            f"Late: {older} is older than {newer}, and both were pushed at the same time"
            in report["notes"][0]
        )

    @pytest.mark.parametrize("other", ["external_id,last_name\nU1,Po\n", "external_id,nickname\n"])
    def test_who_set_nothing_of_the_same_is_not_named(
        self, share: Share, push: Push, meanwhile: Any, other: str
    ) -> None:
        older, newer = share.land(1), share.land(2, other)
        meanwhile(lambda: push(newer, OtherRun()))
        report = push(older, TaskInstance())
        assert (report["late"], report["notes"]) == (None, [])

    def test_another_connection_is_not_named(
        self,
        share: Share,
        push: Push,
        meanwhile: Any,
        sandbox: SandboxProcess,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        connect(monkeypatch, sandbox, conn_id="braze_other")
        older, newer = share.land(1), share.land(2)
        meanwhile(lambda: push(newer, OtherRun(), braze_conn_id="braze_other"))
        report = push(older, TaskInstance())
        assert (report["late"], report["notes"]) == (None, [])

    def test_in_a_list_what_came_since_the_export_before_is_seen(
        self, share: Share, push: Push, meanwhile: Any, sandbox: SandboxProcess
    ) -> None:
        """A listing of a moment ago would not know of it."""
        for number in (1, 2):
            share.land(number)
        items = share.items()
        newest = share.land(3)
        meanwhile(lambda: push(newest, OtherRun()))
        report = push(items, TaskInstance(), late="hold")
        assert statuses(report) == [("1", "complete"), ("2", "held")]
        assert [each["late"]["newer"] for each in report["exports"]] == [newest, newest]
        assert order(sandbox) == ["from 1", "from 3"]

    def test_of_its_own_list_none_is(self, share: Share, push: Push) -> None:
        paths = [share.land(number) for number in (1, 2, 3)]
        report = push(paths, TaskInstance())
        assert [each["notes"] for each in report["exports"]] == [[], [], []]


def test_a_retry_knows_what_went_through_and_is_gone_since(
    share: Share, push: Push, sandbox: SandboxProcess
) -> None:
    """As by whoever moves away what was pushed."""
    for number in (1, 2):
        share.land(number)
    items = share.items()
    sandbox.fault(status=500, after=1, count=1000)
    with pytest.raises(BrazeServerError):
        push(items, TaskInstance())
    sandbox.clear_faults()
    Path(items[0]["path"]).unlink()

    report = push(items, Retried())

    assert statuses(report) == [("1", "complete"), ("2", "complete")]
    check(report, status="complete", records=4, accepted=4)
    # One that was never pushed is set aside, as before.
    Path(items[1]["path"]).unlink()
    with pytest.raises(AirflowFailException, match=r"2 of 2 exports failed.*is not there"):
        push(items, OtherRun(2))


@pytest.mark.parametrize("tries", [1, 2])
def test_what_was_replaced_since_the_sensor_found_it_goes_where_it_belongs_now(
    share: Share, push: Push, sandbox: SandboxProcess, tries: int
) -> None:
    for number in (1, 2, 3):
        share.land(number)
    items = share.items()
    if tries == 2:
        sandbox.fault(status=500, after=1, count=1000)
        with pytest.raises(BrazeServerError):
            push(items, TaskInstance())
        sandbox.clear_faults()
        sandbox.reset_stats()
    share.land(1, "external_id,nickname\nU1,from 9\n", age=0)

    report = push(items, TaskInstance(tries))

    assert order(sandbox) == ["from 2", "from 3", "from 9"]
    assert statuses(report) == [("2", "complete"), ("3", "complete"), ("1", "complete")]
    assert [each["late"] for each in report["exports"]] == [None, None, None]


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("tries", [1, 2])
def test_what_was_replaced_is_not_pushed_where_somebody_agreed_to_what_was_there(
    share: Share, push: Push, sandbox: SandboxProcess, tries: int, alone: bool
) -> None:
    for number in (1, 2):
        share.land(number)
    items = share.items()
    given = items[0] if alone else items
    if tries == 2:
        sandbox.fault(status=500, count=1000)
        with pytest.raises(BrazeServerError):
            push(given, TaskInstance(), replaced="refuse")
        sandbox.clear_faults()
        sandbox.reset_stats()
    share.land(1, "external_id,nickname\nU1,from 9\n", age=0)
    with pytest.raises(AirflowFailException, match=r"RPI_Export_1.txt was replaced since it was found"):
        push(given, TaskInstance(tries), replaced="refuse")
    assert order(sandbox) == ([] if alone else ["from 2"])
    assert not [*(share.base / "_braze" / "refused").glob("*/*")]
    # It is found as it is now, and what is as it was found is pushed.
    items = share.items()
    assert [Path(each["path"]).stem[11:] for each in items] == (["2", "1"] if alone else ["1"])
    check(push(items[-1], OtherRun(), replaced="refuse"), status="complete", records=1, accepted=1)
    assert "replaced" in BrazeUserTrackOperator.template_fields
    # Of a path nobody has said what it was, and rejects are told by their report.
    assert push(items[-1]["path"], replaced="refuse")["accepted"] == 1


@pytest.mark.parametrize("alone", [True, False])
def test_what_went_to_another_workspace_counts_for_nothing(
    share: Share, push: Push, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """As by a template of the connection that was mended before the task was tried again."""
    connect(monkeypatch, sandbox, conn_id="braze_other")
    for number in (1, 2):
        share.land(number)
    items = share.items()
    if alone:
        push(items[0], TaskInstance())
    else:
        sandbox.fault(status=500, after=1, count=1000)
        with pytest.raises(BrazeServerError):
            push(items, TaskInstance())
    sandbox.clear_faults()
    sandbox.reset_stats()

    report = push(items[0] if alone else items, Retried(), braze_conn_id="braze_other")

    assert report["records"] == report["accepted"] == (2 if alone else 4)
    assert order(sandbox) == (["from 1"] if alone else ["from 1", "from 2"])
    assert len([*(share.base / "_braze/pushed/braze_other").iterdir()]) == (1 if alone else 2)
    # The same one is whole.
    sandbox.reset_stats()
    push(items[0] if alone else items, Retried(), braze_conn_id="braze_other")
    assert sandbox.stats()["requests"] == 0


class TestCleared:
    """To clear a task adds the tries that there were to the most that there may be: so each try knows of it."""

    @staticmethod
    def a_try(number: int, max_tries: int) -> TaskInstance:
        ti = TaskInstance(number)
        ti.max_tries = max_tries  # type: ignore[attr-defined]
        return ti

    @pytest.mark.parametrize("alone", [True, False])
    def test_of_the_try_after_it_airflow_may_not_hear_the_end_either(
        self, share: Share, push: Push, sandbox: SandboxProcess, alone: bool
    ) -> None:
        for number in (1, 2):
            share.land(number)
        export: Any = share.items()[0] if alone else share.items()
        first = push(export, self.a_try(1, max_tries=0))
        anew = push(export, self.a_try(2, max_tries=1))
        assert (first["accepted"], anew["accepted"]) == (first["records"], first["records"])
        assert order(sandbox) == ["from 1", *([] if alone else ["from 2"])] * 2
        sandbox.reset_stats()

        report = push(export, self.a_try(3, max_tries=1))

        check(report, status="complete", records=first["records"], accepted=first["records"])
        assert sandbox.stats()["requests"] == 0
        push(export, self.a_try(4, max_tries=4))
        assert sandbox.stats()["objects"] == first["records"]

    def test_what_it_leaves_out_gets_the_marker_that_it_lacks(
        self, share: Share, push: Push, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed between report and marker, and cleared instead of retried: the export was offered again for ever."""
        for number in (1, 2):
            share.land(number)
        items = share.items()

        def killed(*_: Any) -> None:
            raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(Marking, "mark", killed)
            with pytest.raises(Killed):
                push(items, self.a_try(1, max_tries=0))
        assert share.markers() == 0

        report = push(items, self.a_try(2, max_tries=1))

        check(report, status="complete", records=4, accepted=4)
        assert order(sandbox) == ["from 1", "from 2"]
        assert share.markers() == 2


def test_no_export_is_set_aside_because_the_reports_folder_cannot_be_written(
    share: Share, push: Push, sandbox: SandboxProcess
) -> None:
    """Could the next one be written again, it would overtake the one that was set aside."""
    for number in (1, 2):
        share.land(number)
    items = share.items()
    (share.base / "_braze").write_text("in the way")
    ti = TaskInstance()
    with pytest.raises(
        AirflowFailException, match=r"set reports_path.*stopped the list; 1 later exports wait"
    ):
        push(items, ti)
    assert [each["status"] for each in ti.pushed["report"]["exports"]] == ["failed", "waiting"]
    assert sandbox.stats()["requests"] == 0


@pytest.mark.parametrize("rows", [True, False])
def test_what_a_killed_try_has_written_of_its_rejects_goes_when_a_later_one_is_through(
    share: Share, push: Push, monkeypatch: pytest.MonkeyPatch, rows: bool
) -> None:
    """Killed before its first checkpoint, which would have named it."""
    path = share.land(1, "external_id,email\nU1,bad\nU2,a@example.com\n")
    given: dict[str, Any] = {"max_rejected": 1}
    if rows:
        given |= {
            "attributes": [{"nickname": "nobody"}, {"external_id": "U2"}],
            "reports_path": str(share.base),
        }

    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    def left() -> list[str]:
        return sorted(file.name for file in share.base.rglob("rejects.csv*"))

    with monkeypatch.context() as patch:
        patch.setattr(RejectsFile, "close", killed)
        for number in (1, 2):
            with pytest.raises(Killed):
                push(None if rows else path, TaskInstance(number), **given)
    assert left() == ["rejects.csv.1.part"] * 2

    check(push(None if rows else path, TaskInstance(3), **given), records=2, accepted=1, invalid=1)
    assert left() == ["rejects.csv"]
