"""A push parted by user among several tasks: markers, what is refused, retried and offered again, and every name."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeServerError, BrazeSetupError, ReportError
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.exports.marking import Marking
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.users_track.delivery import sender
from tests.connections import connect
from tests.operators.test_list import Share, TaskInstance, statuses
from tests.reports import check, rejects
from tests.sandbox_process import SandboxProcess

USERS = [f"U{n}" for n in range(20)]
FIRST = [user for user in USERS if Shard(1, 2).takes(("external_id", user))]
SECOND = [user for user in USERS if user not in FIRST]

Push = Callable[..., dict[str, Any]]


def text(nickname: str = "Bo", *bad: str) -> str:
    return "external_id,nickname\n" + "".join(f"{user},{nickname}\n" for user in (*USERS, *bad))


class Mapped(TaskInstance):
    """A task instance of ``.expand(shard=...)``."""

    max_tries: int

    def __init__(self, number: int, try_number: int = 1, run_id: str = "run_1") -> None:
        super().__init__(try_number, number - 1)
        self.run_id = run_id


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)
    monkeypatch.setattr(sender, "_FIRST_BACKOFF", 0.01)


@pytest.fixture
def share(tmp_path: Path) -> Share:
    return Share(tmp_path)


@pytest.fixture
def push() -> Push:
    def run(export: Any, shard: str | None, ti: TaskInstance | None = None, **given: Any) -> dict[str, Any]:
        operator = BrazeUserTrackOperator(task_id="push", export=export, shard=shard, **given)
        return operator.execute({"ti": ti} if ti else {})  # type: ignore[typeddict-item,typeddict-unknown-key]

    return run


def marks(share: Share) -> list[str]:
    return sorted(path.name[-6:] for path in (share.base / "_braze" / "shards").glob("*/*"))


def sent(sandbox: SandboxProcess) -> list[str]:
    return [each["external_id"] for request in sandbox.requests() for each in request["body"]["attributes"]]


def refuse(*_: Any) -> None:
    raise OSError("killed")


class TestWhole:
    def test_the_export_is_marked_when_all_shards_are_whole(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1, text())
        one = check(
            push(path, "1/2"), status="complete", records=len(FIRST), accepted=len(FIRST), shard="1/2"
        )
        assert sorted(sent(sandbox)) == sorted(FIRST)
        assert (share.markers(), marks(share)) == (0, ["1-of-2"])
        assert len(share.items()) == 1
        two = check(push(path, " 2 / 2 "), status="complete", records=len(SECOND), accepted=len(SECOND))
        assert sorted(sent(sandbox)) == sorted(USERS)
        assert (share.markers(), marks(share)) == (1, [])
        (marker,) = (share.base / "_braze" / "pushed").glob("*/*")
        told = json.loads(marker.read_text())
        assert told["report"] == two["report_path"]
        assert told["set_fields"] == ["rpi_cdp_attributes.nickname"]
        assert "--1of2--" in one["report_path"]
        assert json.loads(Path(one["report_path"]).read_text())["shard"] == "1/2"

    def test_a_record_without_a_user_is_of_the_first(self, share: Share, push: Push) -> None:
        path = share.land(1, text("Bo", "NULL", "", "x,too wide"))
        found = {number: push(path, f"{number}/3", max_rejected=10) for number in (3, 2, 1)}
        assert {number: report["invalid"] for number, report in found.items()} == {1: 3, 2: 0, 3: 0}
        assert [row["_line"] for row in rejects(found[1])] == ["22", "23", "24"]
        assert sum(report["records"] for report in found.values()) == 23
        assert share.markers() == 1

    def test_a_list_is_pushed_in_order_by_each(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        for number in (3, 1, 2):
            share.land(number, text(f"from {number}"))
        items = share.items()
        for number in (1, 2):
            report = push(items, f"{number}/2", Mapped(number))
            assert statuses(report) == [("1", "complete"), ("2", "complete"), ("3", "complete")]
            assert {report["shard"], *(each["shard"] for each in report["exports"])} == {f"{number}/2"}
            assert [each["late"] for each in report["exports"]] == [None] * 3
        assert share.markers() == 3
        held = {
            each["custom_attributes"]["rpi_cdp_attributes"]["nickname"] for each in sandbox.all_profiles()
        }
        assert held == {"from 3"}

    def test_without_records_a_shard_is_whole(self, share: Share, push: Push) -> None:
        path = share.land(1, f"external_id,nickname\n{SECOND[0]},Bo\n")
        check(push(path, "1/2"), status="complete", records=0)
        check(push(path, "2/2"), status="complete", records=1, accepted=1)
        assert share.markers() == 1

    def test_where_every_record_of_all_failed_the_export_is_refused_once(
        self, share: Share, push: Push
    ) -> None:
        path = share.land(1, "external_id,nickname\nNULL,Bo\n")
        with pytest.raises(AirflowFailException, match="1 of 1 records failed"):
            push(path, "1/2")
        check(push(path, "2/2"), status="complete", records=0)
        assert share.markers() == 0
        assert len([*(share.base / "_braze" / "refused").glob("*/*/*")]) == 1

    def test_what_is_refused_for_what_it_is_is_noted_once(self, share: Share, push: Push) -> None:
        path = share.land(1, "no_identifier,nickname\n1,Bo\n")
        for number in (1, 2, 3, 4):
            with pytest.raises(AirflowFailException, match="external_id"):
                push(path, f"{number}/4")
        assert len([*(share.base / "_braze" / "refused").glob("*/*/*")]) == 1

    def test_its_rejects_are_pushed_again_in_shards(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1, text().replace("nickname", "age"))
        with pytest.raises(AirflowFailException, match="20 of 20 records failed"):
            push(path, None, mapping={"types": {"age": "integer"}})
        (file,) = (share.base / "_braze").rglob("rejects.csv")
        file.write_text(file.read_text().replace(",Bo", ",7"))
        found = [push(str(file), f"{number}/2")["accepted"] for number in (1, 2)]
        assert found == [len(FIRST), len(SECOND)]
        assert share.markers() == 1


class TestRetry:
    def test_a_failed_shard_is_retried_alone(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        for number in (1, 2):
            share.land(number, text(f"from {number}"))
        items = share.items()
        push(items, "1/2", Mapped(1))
        sandbox.fault(status=500, after=1, count=1000)
        with pytest.raises(BrazeServerError):
            push(items, "2/2", Mapped(2))
        assert (share.markers(), marks(share)) == (1, ["1-of-2"])
        sandbox.clear_faults()
        sandbox.reset_stats()
        report = push(items, "2/2", Mapped(2, 2))
        assert statuses(report) == [("1", "complete"), ("2", "complete")]
        assert sorted(sent(sandbox)) == sorted(SECOND)
        assert (share.markers(), marks(share)) == (2, [])

    def test_all_cleared_are_pushed_again(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        path = share.land(1, text())
        for number in (1, 2):
            push([path], f"{number}/2", Mapped(number))
        sandbox.reset_stats()
        for number in (1, 2):
            report = push([path], f"{number}/2", Mapped(number, 2))
            assert report["accepted"] == len((FIRST, SECOND)[number - 1])
        assert sorted(sent(sandbox)) == sorted(USERS)
        assert (share.markers(), marks(share)) == (1, [])

    def test_one_cleared_while_another_is_to_come_is_pushed_again(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1, text())
        push([path], "1/2", Mapped(1))
        assert push([path], "1/2", Mapped(1, 2))["accepted"] == len(FIRST)
        assert (share.markers(), marks(share)) == (0, ["1-of-2"])

    def test_offered_again_only_the_missing_shard_is_pushed(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        """Pushed again, the first one's users would be set back behind what came after."""
        share.land(1, text("from 1"))
        push(share.items(), "1/2", Mapped(1))
        share.land(2, text("from 2"))
        push(share.items()[1:], "1/2", Mapped(1, run_id="run_2"))
        sandbox.reset_stats()
        items = share.items()
        assert len(items) == 2
        report = push(items, "1/2", Mapped(1, run_id="run_3"))
        check(report, status="complete", records=0)
        assert sent(sandbox) == []
        (own, _) = (json.loads(Path(each["report_path"]).read_text()) for each in report["exports"])
        assert "Shard 1/2 of this export went through before, in the run run_1" in own["notes"][0]
        report = push(items, "2/2", Mapped(2, run_id="run_3"))
        check(report, status="complete", records=2 * len(SECOND), accepted=2 * len(SECOND))
        assert (share.markers(), marks(share)) == (2, [])

    @pytest.mark.parametrize("killed", [False, True])
    def test_offered_again_it_leaves_alone_also_what_others_of_its_run_have_seen_through_before(
        self, share: Share, push: Push, sandbox: SandboxProcess, killed: bool
    ) -> None:
        """The order of the shards of one run is nobody's: what was quicker to mark the export undid what was newer."""
        share.land(1, text("from 1"))
        items = share.items()
        push(items, "1/2", Mapped(1))
        if killed:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Marking, "_see_through", refuse)
                with pytest.raises(ReportError):
                    push(items, "2/2", Mapped(2))
        share.land(2, text("from 2"))
        push(share.items()[1:], "1/2", Mapped(1, run_id="run_2"))
        items = share.items()
        assert len(items) == 2
        report = push(items, "2/2", Mapped(2, run_id="run_3"))
        assert statuses(report) == [("1", "complete"), ("2", "complete")]
        assert (share.markers(), marks(share)) == (2, [])
        sandbox.reset_stats()
        # Cleared, it does what it did.
        for try_number in (1, 2):
            report = push(items, "1/2", Mapped(1, try_number, run_id="run_3"))
            check(report, status="complete", records=0)
            assert [each["late"] for each in report["exports"]] == [None, None]
            assert ["went through before, in the run" in each["notes"][0] for each in report["exports"]] == [
                True
            ] * 2
        assert sent(sandbox) == []
        assert (share.markers(), marks(share)) == (2, [])
        report = push(items, "2/2", Mapped(2, 2, run_id="run_3"))
        assert report["accepted"] == (1 if killed else 2) * len(SECOND)
        # Whoever asks for them anew gets them anew.
        assert push(items, "1/2", Mapped(1, run_id="run_4"))["accepted"] == 2 * len(FIRST)

    def test_an_older_export_is_late_to_a_shard_that_a_newer_one_went_out_to(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        newer = share.land(2, text("newer"))
        older = share.land(1, text("older"))
        push(newer, "1/2")
        found = {
            shard: push(older, shard, late="hold", dry_run=True)["late"] for shard in ("1/2", "2/2", "1/3")
        }
        assert {shard: bool(late) for shard, late in found.items()} == {
            "1/2": True,
            "2/2": False,
            "1/3": True,
        }
        check(push(older, "2/2", late="hold"), status="complete", records=len(SECOND), accepted=len(SECOND))
        # What went out in part is finished.
        report = push(older, "1/2", late="hold")
        check(report, status="complete", records=len(FIRST), accepted=len(FIRST))
        assert report["late"]["newer"] == newer
        assert share.markers() == 1


class TestAnotherNumber:
    @pytest.mark.parametrize("shard", ["1/3", "3/3", "1/1", None, "1/4"])
    def test_of_a_half_pushed_export_is_refused_before_anything_is_sent(
        self, share: Share, push: Push, sandbox: SandboxProcess, shard: str | None
    ) -> None:
        path = share.land(1, text())
        push(path, "2/2")
        sandbox.reset_stats()
        with pytest.raises(
            AirflowFailException,
            match=r"Of 2 shards, 2/2 went through before.*back to 2.*or delete the files",
        ):
            push(path, shard)
        assert sandbox.stats()["requests"] == 0
        plan = push(path, shard, dry_run=True)
        assert "A push would be refused. Of 2 shards" in plan["notes"][0]
        push(path, "1/2")
        assert share.markers() == 1
        # Whole, it may be pushed again in whichever way.
        assert push(path, shard)["status"] == "complete"

    def test_in_a_list_nothing_overtakes_it(self, share: Share, push: Push, sandbox: SandboxProcess) -> None:
        push(share.land(1, text("from 1")), "1/2")
        share.land(2, text("from 2"))
        sandbox.reset_stats()
        with pytest.raises(AirflowFailException, match="stopped the list; 1 later exports wait"):
            push(share.items(), "1/3", Mapped(1))
        assert sandbox.stats()["requests"] == 0
        assert not [*(share.base / "_braze").glob("refused/*/*")]

    def test_after_the_marks_were_deleted_all_of_it_is_pushed(self, share: Share, push: Push) -> None:
        path = share.land(1, text())
        push(path, "2/2")
        for mark in (share.base / "_braze" / "shards").glob("*/*"):
            mark.unlink()
        assert push(path, None)["accepted"] == len(USERS)
        assert share.markers() == 1


class TestGuards:
    def test_what_an_export_costs_is_asked_of_all_of_it(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1, text())
        for shard in ("1/2", "2/2"):
            with pytest.raises(AirflowFailException, match="40 data points, more than max_data_points"):
                push(path, shard, max_data_points=39)
        assert sandbox.stats()["requests"] == 0
        assert push(path, "1/2", max_data_points=40)["data_points"] == 2 * len(FIRST)

    def test_plans_add_up(self, share: Share, push: Push) -> None:
        path = share.land(1, text())
        plans = [push(path, f"{number}/3", dry_run=True) for number in (1, 2, 3)]
        assert sum(plan["users"] for plan in plans) == len(USERS)
        assert sum(plan["planned"] for plan in plans) == len(USERS)
        whole = push(path, None, dry_run=True)
        assert plans[0]["seconds_at_limit"] == pytest.approx(3 * whole["seconds_at_limit"], abs=0.001)
        assert (share.markers(), marks(share)) == (0, [])


class TestRows:
    ROWS: ClassVar[list[Any]] = [
        {"external_id": user, "nickname": f"{user} {n}"} for n in range(2) for user in USERS
    ]
    EVENTS: ClassVar[list[Any]] = [
        {"external_id": user, "name": "seen", "time": "2026-11-26T10:00:00Z"} for user in USERS
    ]

    def test_rows_of_ones_own(self, sandbox: SandboxProcess) -> None:
        bad = {"nickname": "nobody"}
        reports = [
            BrazeUserTrackOperator(
                task_id="push", attributes=[*self.ROWS, bad], events=self.EVENTS, shard=f"{number}/2"
            ).execute({})  # type: ignore[typeddict-item]
            for number in (1, 2)
        ]
        for number, own in enumerate((FIRST, SECOND), start=1):
            invalid = int(number == 1)
            check(
                reports[number - 1],
                status="complete",
                shard=f"{number}/2",
                records=3 * len(own) + invalid,
                accepted=2 * len(own),
                merged=len(own),
                invalid=invalid,
            )
        assert reports[0]["failed_rows"][0]["index"] == 40
        assert sandbox.stats()["overlapping_users"] == 0
        held = sandbox.profiles()
        assert {user: held[user]["custom_attributes"]["nickname"] for user in USERS} == {
            user: f"{user} 1" for user in USERS
        }

    def test_a_phone_spelt_in_two_ways_is_one_user(self, sandbox: SandboxProcess) -> None:
        phones = ("+1 555 010-{:04}", "1555010{:04}")
        rows = [{"phone": spelt.format(n), "nickname": "Bo"} for n in range(30) for spelt in phones]
        for number in (1, 2):
            report = BrazeUserTrackOperator(task_id="push", attributes=rows, shard=f"{number}/2").execute({})  # type: ignore[typeddict-item]
            assert report["records"] % 2 == 0
            assert 0 < report["records"] < 60


def test_a_wrong_literal_fails_when_the_dag_is_parsed_and_a_template_when_it_runs(
    share: Share, push: Push
) -> None:
    for wrong in ("4/3", "0/2", "a/b", "2", 2, "1/1000"):
        with DAG("wrong", schedule=None), pytest.raises(BrazeSetupError, match="shard"):
            BrazeUserTrackOperator(task_id="push", export="x.csv", shard=wrong)  # type: ignore[arg-type]
    with DAG("right", schedule=None):
        task = BrazeUserTrackOperator(task_id="push", export=share.land(1), shard="{{ params.shard }}")
    assert "shard" in task.template_fields
    task.render_template_fields({"params": {"shard": "4/3"}})  # type: ignore[typeddict-unknown-key,typeddict-item]
    with pytest.raises(AirflowFailException, match="one of 1/3 to 3/3, not '4/3'"):
        task.execute({})  # type: ignore[typeddict-item]


def test_shards_of_one_task_are_not_warned_of_their_order(
    share: Share, push: Push, capsys: pytest.CaptureFixture[str]
) -> None:
    path = share.land(1, text())
    for number in (1, 2):
        push([path], f"{number}/2", Mapped(number))
    assert ".expand" not in capsys.readouterr().out


def test_without_rate_headers_a_shard_keeps_its_part_of_the_rate(
    share: Share, push: Push, sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted by what the limiter is given, and not by a clock."""
    parts: list[int] = []
    from airflow_provider_braze.pushes.exports import export_list
    from airflow_provider_braze.users_track.delivery import push as delivery
    from airflow_provider_braze.users_track.transport.limiter import Limiter

    class Told(Limiter):
        def __init__(self, *given: Any, shards: int = 1, **more: Any) -> None:
            parts.append(shards)
            super().__init__(*given, shards=shards, **more)

    monkeypatch.setattr(export_list, "Limiter", Told)
    monkeypatch.setattr(delivery, "Limiter", Told)
    path = share.land(1, text())
    push([path], "1/4")
    push(path, "2/4")
    push([path], "3/4", Mapped(3))
    assert parts == [4] * 3


def test_the_marks_folder_is_no_push_and_no_channel(share: Share, push: Push) -> None:
    path = share.land(1, text())
    push(path, "1/2")
    assert os.listdir(share.base / "_braze" / "shards") == ["braze_default"]
    assert [item["path"] for item in share.items()] == [path]


class Killed(BaseException):
    """Nothing goes on after it, as after a SIGKILL."""


class TestEndedBeforeItCouldSaySo:
    """A worker that dies, or a full reports folder, between a shard's report and its mark."""

    RETRIES = 3

    @contextlib.contextmanager
    def killed(self, error: BaseException, at: str = "mark") -> Iterator[None]:
        """End whatever pushes, when it comes to that step."""

        def fail(*_: Any) -> None:
            raise error

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Marking, at, fail)
            with pytest.raises((Killed, ReportError)):
                yield

    def again(self, number: int, *, cleared: bool = False) -> Mapped:
        ti = Mapped(number, 2)
        ti.max_tries = self.RETRIES + cleared
        return ti

    @pytest.mark.parametrize("as_list", [True, False])
    @pytest.mark.parametrize("shard", ["2/2", None])
    @pytest.mark.parametrize("error", [Killed(), OSError(28, "No space left on device")])
    def test_a_retry_writes_the_mark_and_sends_nothing(
        self,
        share: Share,
        push: Push,
        sandbox: SandboxProcess,
        shard: str | None,
        error: BaseException,
        *,
        as_list: bool,
    ) -> None:
        path = share.land(1, text())
        export = [path] if as_list else path
        if shard:
            push(export, "1/2", Mapped(1), retries=self.RETRIES)
        with self.killed(error):
            push(export, shard, Mapped(2), retries=self.RETRIES)
        assert share.markers() == 0
        sandbox.reset_stats()
        report = push(export, shard, self.again(2), retries=self.RETRIES)
        own = SECOND if shard else USERS
        check(report, status="complete", records=len(own), accepted=len(own))
        assert sandbox.stats()["requests"] == 0
        assert (share.markers(), marks(share)) == (1, [])
        (marker,) = (share.base / "_braze" / "pushed").glob("*/*")
        told = json.loads(marker.read_text())
        assert (told["try_number"], told["set_fields"]) == (1, ["rpi_cdp_attributes.nickname"])
        assert Path(told["report"]).is_file()

    def test_one_that_was_left_between_its_mark_and_the_exports_is_seen_through(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1, text())
        push([path], "1/2", Mapped(1), retries=self.RETRIES)
        with self.killed(Killed(), "_pushed"):
            push([path], "2/2", Mapped(2), retries=self.RETRIES)
        assert (share.markers(), marks(share)) == (0, ["1-of-2", "2-of-2"])
        sandbox.reset_stats()
        push([path], "2/2", self.again(2), retries=self.RETRIES)
        assert sandbox.stats()["requests"] == 0
        assert (share.markers(), marks(share)) == (1, [])

    def test_while_others_are_to_come_only_its_own_mark_is_written(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1, text())
        with self.killed(Killed()):
            push([path], "2/2", Mapped(2), retries=self.RETRIES)
        for _ in range(2):
            sandbox.reset_stats()
            push([path], "2/2", self.again(2), retries=self.RETRIES)
            assert sandbox.stats()["requests"] == 0
            assert (share.markers(), marks(share)) == (0, ["2-of-2"])

    @pytest.mark.parametrize("as_list", [True, False])
    def test_a_task_that_was_cleared_pushes_again(
        self, share: Share, push: Push, sandbox: SandboxProcess, *, as_list: bool
    ) -> None:
        path = share.land(1, text())
        export = [path] if as_list else path
        push(export, "2/2", Mapped(2), retries=self.RETRIES)
        sandbox.reset_stats()
        push(export, "2/2", self.again(2, cleared=True), retries=self.RETRIES)
        assert sorted(sent(sandbox)) == sorted(SECOND)

    def test_an_export_that_has_changed_since_is_pushed(
        self, share: Share, push: Push, sandbox: SandboxProcess
    ) -> None:
        path = share.land(1, text())
        push(path, "2/2", Mapped(2), retries=self.RETRIES)
        share.land(1, text("Anna"))
        sandbox.reset_stats()
        push(path, "2/2", self.again(2), retries=self.RETRIES)
        assert sorted(sent(sandbox)) == sorted(SECOND)
