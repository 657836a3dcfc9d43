"""``BrazeUsersOperator`` against the sandbox over HTTP: every action, every trouble, an outcome for every row."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import (
    BrazeServerError,
    BrazeSetupError,
    BrazeUnreachableError,
    PushStoppedError,
)
from airflow_provider_braze.operators.users import BrazeUsersOperator
from airflow_provider_braze.user_actions import delivery
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

ALIAS = {"alias_name": "ann", "alias_label": "shop"}


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


def act(action: str, rows: Any = None, context: Any = None, **given: Any) -> dict[str, Any]:
    operator = BrazeUsersOperator(task_id="users", action=action, rows=rows, **given)
    report: dict[str, Any] = operator.execute(context or {})
    assert report["records"] == sum(
        report[name]
        for name in ("accepted", "rejected", "invalid", "unknown", "not_sent", "merged", "planned")
    )
    return report


def people(count: int) -> list[dict[str, Any]]:
    return [{"external_id": f"P{number}"} for number in range(count)]


class Tasks:
    """What a running task has of Airflow, as far as it is used."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


# --- each action ----------------------------------------------------------------------------------------------


def test_delete(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(130), {"external_id": "kept"})

    report = act("delete", people(120), expect_at_most=120)

    assert (report["status"], report["accepted"], report["requests"]) == ("complete", 120, 3)
    assert report["data_points"] == 0
    assert set(sandbox.profiles()) == {f"P{number}" for number in range(120, 130)} | {"kept"}
    assert [len(each["body"]["external_ids"]) for each in sandbox.requests()] == [50, 50, 20]


def test_delete_those_of_one_dict_that_is_filled_anew_for_each_row(sandbox: SandboxProcess) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        row: dict[str, Any] = {}
        for number in range(3):
            row["external_id"] = f"P{number}"
            yield row

    sandbox.put_profiles(people(5))
    assert act("delete", rows(), expect_at_most=3)["accepted"] == 3
    assert set(sandbox.profiles()) == {"P3", "P4"}


@pytest.mark.parametrize(
    ("row", "profile"),
    [
        ("P1", {"external_id": "P1"}),
        ({"external_id": 7}, {"external_id": "7"}),
        ({"user_alias": ALIAS}, {"user_aliases": [ALIAS]}),
        (ALIAS, {"user_aliases": [ALIAS]}),
        ({"braze_id": "b" * 24}, {"braze_id": "b" * 24}),
        (
            {"email": "A@example.com", "prioritization": ["identified"]},
            {"external_id": "P", "email": "a@example.com"},
        ),
        ({"phone": "+4412345", "prioritization": ["unidentified"]}, {"braze_id": "c", "phone": "+4412345"}),
    ],
)
def test_whoever_is_named_in_any_way(sandbox: SandboxProcess, row: Any, profile: dict[str, Any]) -> None:
    sandbox.put_profiles(profile)

    assert act("delete", [row], expect_at_most=1)["accepted"] == 1
    assert sandbox.all_profiles() == []


def test_identify(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(
        {"user_aliases": [ALIAS], "custom_attributes": {"tier": "gold"}},
        {"external_id": "P2", "first_name": "Ben"},
        {"braze_id": "c", "email": "ben@example.com", "custom_attributes": {"city": "Bath"}},
    )
    rows = [
        {"external_id": "P1", "user_alias": ALIAS},
        {"external_id": "P2", "email": "ben@example.com", "prioritization": ["unidentified"]},
    ]

    assert act("identify", rows)["accepted"] == 2
    found = sandbox.profiles()
    assert found["P1"]["custom_attributes"] == {"tier": "gold"}
    assert (found["P2"]["email"], found["P2"]["custom_attributes"]) == ("ben@example.com", {"city": "Bath"})
    assert len(found) == len(sandbox.all_profiles()) == 2


def test_aliases(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles({"external_id": "P1"})

    assert act("alias_new", [{"external_id": "P1", **ALIAS}, {**ALIAS, "alias_name": "ben"}])["accepted"] == 2
    rename = {"alias_label": "shop", "old_alias_name": "ann", "new_alias_name": "anna"}
    assert act("alias_update", [rename])["accepted"] == 1
    assert sandbox.profiles()["P1"]["user_aliases"] == [{"alias_name": "anna", "alias_label": "shop"}]
    assert len(sandbox.all_profiles()) == 2


def test_merge(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(
        {"external_id": "old", "email": "a@example.com", "first_name": "Old"},
        {"external_id": "new", "first_name": "New"},
    )
    row = {"identifier_to_merge": {"external_id": "old"}, "identifier_to_keep": {"external_id": "new"}}

    # 202 is how Braze says that it took a merge.
    assert act("merge", [row])["accepted"] == 1
    (left,) = sandbox.all_profiles()
    assert (left["external_id"], left["first_name"], left["email"]) == ("new", "New", "a@example.com")


def test_subscription_status(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(60))
    group = {"subscription_group_id": "g1", "subscription_state": "subscribed"}

    report = act("subscription_status", [f"P{number}" for number in range(60)], common_fields=group)

    assert (report["accepted"], report["requests"]) == (60, 2)
    assert all(each["subscription_groups"] == [group] for each in sandbox.all_profiles())
    act("subscription_status", [{"external_id": "P1", **group, "subscription_state": "unsubscribed"}])
    assert sandbox.profiles()["P1"]["subscription_groups"][0]["subscription_state"] == "unsubscribed"


# --- rows from anywhere -----------------------------------------------------------------------------------------


def test_rows_from_a_function_and_from_a_template(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(4))

    def rows() -> Iterator[Any]:
        yield "P0"
        yield {"external_id": "P1"}

    assert act("delete", rows, expect_at_most=2)["accepted"] == 2
    assert act("delete", json.dumps(["P2"]), expect_at_most="1")["accepted"] == 1
    assert act("delete", iter(["P3"]), expect_at_most=1)["accepted"] == 1
    assert sandbox.all_profiles() == []


def test_rows_from_a_column_of_an_export(sandbox: SandboxProcess, tmp_path: Path) -> None:
    sandbox.put_profiles(people(3))
    export = tmp_path / "leavers.csv"
    export.write_text("External ID,name\nP0,Ann\n P1 ,Ben\n,Nobody\n", "utf-8")

    report = act(
        "delete", export=str(export), expect_at_most=2, max_rejected=1, reports_path=str(tmp_path / "r")
    )

    assert (report["accepted"], report["invalid"]) == (2, 1)
    assert set(sandbox.profiles()) == {"P2"}
    with open(report["rejects_path"], newline="") as file:
        (rejected,) = (rows := csv.DictReader(file))
    # It says whose it is, as its report does.
    assert [*(rows.fieldnames or ())][-2:] == ["row", f"_push_{report['token']}"]
    assert (rejected["_line"], rejected["_outcome"], rejected["_reason"]) == (
        "4",
        "invalid",
        rejected["_reason"],
    )
    assert "no identifier" in rejected["_reason"]
    assert json.loads(Path(report["report_path"]).read_text())["accepted"] == 2


def test_a_word_for_no_value_in_a_column_is_nobody(sandbox: SandboxProcess, tmp_path: Path) -> None:
    sandbox.put_profiles(people(3))
    export = tmp_path / "found.csv"
    export.write_text("id,crm\nP0,c-1\nNULL,c-2\n n/a ,c-3\nP1,#N/A\n", "utf-8")

    columns = {"external_id": "id", "alias_name": "crm"}
    report = act(
        "alias_new",
        export=str(export),
        column=columns,
        common_fields={"alias_label": "crm"},
        max_rejected=3,
        reports_path=str(tmp_path / "r"),
    )

    assert (report["accepted"], report["invalid"]) == (1, 3)
    with open(report["rejects_path"], newline="") as file:
        assert {row["_reason"].partition(": ")[2] for row in csv.DictReader(file)} == {
            "a word for no value where the identifier belongs"
        }
    # Whoever gives such an identifier in a row means it.
    assert act("delete", ["NULL"], expect_at_most=1)["accepted"] == 1


def test_rows_from_several_columns(sandbox: SandboxProcess, tmp_path: Path) -> None:
    sandbox.put_profiles({"external_id": "P0"})
    export = tmp_path / "aliases.csv"
    export.write_text("id,crm\nP0,c-1\n", "utf-8")

    columns = {"external_id": "id", "alias_name": "crm"}
    act("alias_new", export=str(export), column=columns, common_fields={"alias_label": "crm"})

    assert sandbox.profiles()["P0"]["user_aliases"] == [{"alias_name": "c-1", "alias_label": "crm"}]
    with pytest.raises(AirflowFailException, match="no column 'nope'; there are: id, crm"):
        act("delete", export=str(export), column="nope", expect_at_most=5)


# --- the bound ----------------------------------------------------------------------------------------------------


def test_more_than_expected_are_not_begun_with(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(60))

    with pytest.raises(
        AirflowFailException, match=r"delete is asked for 60 rows, more than expect_at_most \(59\)"
    ):
        act("delete", people(60), expect_at_most=59)
    assert sandbox.stats()["requests"] == 0
    # What cannot be sent deletes nobody.
    assert act("delete", [*people(59), {"tier": "x"}], expect_at_most=59, max_rejected=1)["accepted"] == 59


def test_rows_that_grow_meanwhile_stop_at_the_bound(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(200))
    calls: list[int] = []

    def rows() -> Iterator[dict[str, Any]]:
        calls.append(1)
        yield from people(100 if len(calls) == 1 else 200)

    tasks = Tasks()
    with pytest.raises(AirflowFailException, match="more than expect_at_most"):
        act("delete", rows, expect_at_most=100, context={"ti": tasks})
    assert len(sandbox.profiles()) == 100
    assert tasks.xcoms["report"]["status"] == "partial"


def test_a_deletion_needs_its_bound_unless_it_is_dry(sandbox: SandboxProcess) -> None:
    with pytest.raises(BrazeSetupError, match="delete needs expect_at_most"):
        BrazeUsersOperator(task_id="users", action="delete", rows=[])
    operator = BrazeUsersOperator(
        task_id="users", action="delete", rows=["P1"], expect_at_most="{{ params.x }}"
    )
    operator.expect_at_most = "None"
    with pytest.raises(AirflowFailException, match="delete needs expect_at_most"):
        operator.execute({})
    sandbox.put_profiles(people(2))
    report = act("delete", ["P0", "P1", {}], dry_run=True)
    assert (report["status"], report["planned"], report["invalid"]) == ("planned", 2, 1)
    assert (len(sandbox.profiles()), sandbox.stats()["requests"]) == (2, 0)


# --- what Braze says ----------------------------------------------------------------------------------------------


def test_rows_that_braze_names_are_rejected_and_the_others_accepted(sandbox: SandboxProcess) -> None:
    errors = [{"type": "EMAIL_BAD_FORMAT", "input_array": "user_identifiers", "index": 1}]
    sandbox.fault(
        status=201, text=json.dumps({"aliases_processed": 2, "errors": errors, "message": "success"})
    )

    report = act("alias_new", [{**ALIAS, "alias_name": f"a{n}"} for n in range(3)], max_rejected=1)

    assert (report["accepted"], report["rejected"]) == (2, 1)
    (failed,) = report["failed_rows"]
    assert (failed["index"], failed["outcome"]) == (1, "rejected")


def test_a_bad_row_does_not_take_its_batch_with_it(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(49))
    bad = {"email": "nobody", "prioritization": ["identified"]}
    rows = [{"email": f"p{n}@example.com", "prioritization": ["identified"]} for n in range(40)]

    report = act("delete", [*rows[:20], bad, *rows[20:]], expect_at_most=50, max_rejected=1)

    assert (report["accepted"], report["rejected"], report["status"]) == (40, 1, "complete")
    assert [each["index"] for each in report["failed_rows"]] == [20]


def test_half_a_character_does_not_take_its_batch_with_it(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(2))

    report = act("delete", ["P0", "\ud800", "P1"], expect_at_most=3, max_rejected=1)

    assert (report["accepted"], report["invalid"], report["status"]) == (2, 1, "complete")
    assert report["failed_rows"][0]["reason"] == "not JSON: external_id holds half a character"
    assert not sandbox.profiles()


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ('{"deleted": 2}', "accepted"),
        ('{"deleted": 2, "message": "success"}', "accepted"),
        ('{"message": "SUCCESS"}', "accepted"),
        ('{"deleted": 1}', "unknown"),
        ('{"message": "queued"}', "unknown"),
        ('{"message": "success", "errors": ["something"]}', "unknown"),
        ('{"message": "success", "error": "something"}', "unknown"),
        ("{}", "unknown"),
        ("[]", "unknown"),
        ("", "unknown"),
    ],
)
def test_only_success_is_success(sandbox: SandboxProcess, text: str, outcome: str) -> None:
    sandbox.fault(status=201, text=text)

    report = act("delete", ["P1", "P2"], expect_at_most=2, max_rejected=2)
    assert report[outcome] == 2


def test_an_error_beside_the_list_of_errors_leaves_the_others_unknown(sandbox: SandboxProcess) -> None:
    errors = [{"index": 0, "type": "no such user"}]
    sandbox.fault(status=201, text=json.dumps({"message": "success", "errors": errors, "error": "something"}))

    report = act("delete", ["P1", "P2"], expect_at_most=2, max_rejected=2)
    assert (report["rejected"], report["unknown"], report["accepted"]) == (1, 1, 0)


def test_a_count_that_does_not_fit_is_said(sandbox: SandboxProcess) -> None:
    sandbox.fault(status=201, text='{"deleted": 1, "message": "success"}')

    report = act("delete", ["P1", "P2"], expect_at_most=2)
    assert report["accepted"] == 2
    assert report["notes"] == ["Braze counted 1 users where 2 were to be expected."]


@pytest.mark.parametrize("status", [401, 403, 404, 415])
def test_a_refusal_of_the_key_stops_and_is_not_retried(sandbox: SandboxProcess, status: int) -> None:
    sandbox.put_profiles(people(150))
    sandbox.fault(status=status, after=1)
    tasks = Tasks()

    with pytest.raises(AirflowFailException):
        act("delete", people(150), expect_at_most=150, context={"ti": tasks})
    report = tasks.xcoms["report"]
    assert (report["status"], report["accepted"], report["not_sent"]) == ("partial", 50, 50)


def test_what_passes_is_waited_out(sandbox: SandboxProcess) -> None:
    sandbox.put_profiles(people(100))
    sandbox.faults(
        {"status": 429, "retry_after": 0, "rate_headers": "seconds"},
        {"status": 500},
        {"kind": "drop", "processed": True},
    )

    report = act("delete", people(100), expect_at_most=100)

    assert (report["accepted"], report["requests"], report["retries"]) == (100, 5, 3)
    assert sandbox.all_profiles() == []


@pytest.mark.parametrize(
    ("fault", "error"), [({"status": 503}, BrazeServerError), ({"kind": "drop"}, BrazeUnreachableError)]
)
def test_what_does_not_pass_leaves_a_true_report(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, fault: dict[str, Any], error: type[Exception]
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.001)
    sandbox.put_profiles(people(200))
    sandbox.fault(after=1, count=99, **fault)
    tasks = Tasks()

    with pytest.raises(error):
        act("delete", people(200), expect_at_most=200, context={"ti": tasks})
    report = tasks.xcoms["report"]
    assert (report["accepted"], report["unknown"], report["status"]) == (50, 50, "partial")


def test_the_key_and_values_stay_out_of_what_is_said(sandbox: SandboxProcess, tmp_path: Path) -> None:
    text = json.dumps({"message": f"bad ann@example.com, key {sandbox.key}"})
    sandbox.fault(status=400, text=text, count=9)
    row = {"email": "ann@example.com", "prioritization": ["identified"]}

    with pytest.raises(AirflowFailException) as raised:
        act("delete", [row], expect_at_most=1, reports_path=str(tmp_path))
    files = "".join(path.read_text() for path in tmp_path.rglob("report.json"))
    assert sandbox.key not in files + str(raised.value)
    assert "ann@example.com" not in files + str(raised.value)


def test_nor_do_they_get_out_where_an_earlier_answer_was_lost(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.001)
    text = json.dumps({"message": "'zoe&#43;quilty&#64;example.com' is not valid"})
    sandbox.faults({"status": 503}, {"status": 400, "text": text})
    row = {"email": "zoe+quilty@example.com", "prioritization": ["identified"]}
    tasks = Tasks()

    report = act("delete", [row], {"ti": tasks}, expect_at_most=1, max_rejected=1, reports_path=str(tmp_path))
    assert report["unknown"] == 1
    assert report["reasons"] == {"'…' is not valid": 1}
    files = "".join(path.read_text() for path in tmp_path.rglob("report.json"))
    assert "quilty" not in files + repr((report, tasks.xcoms))


def test_the_limit_of_the_endpoint_is_kept() -> None:
    with SandboxProcess("--limit", "subscription=4/1") as sandbox, pytest.MonkeyPatch.context() as patch:
        connect(patch, sandbox)
        sandbox.put_profiles(people(300))
        group = {"subscription_group_id": "g1", "subscription_state": "subscribed"}
        report = act("subscription_status", people(300), common_fields=group)

    assert report["accepted"] == 300


def test_a_connections_own_pace_is_kept_where_it_is_slower(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    connect(monkeypatch, sandbox, requests_per_second=2)

    act("delete", people(8 * 50), expect_at_most=400)
    assert sandbox.stats()["max_requests_in_3s"] <= 6


def test_several_requests_are_under_way_and_each_users_rows_keep_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = {"subscription_group_id": "g1"}

    def rows() -> Iterator[dict[str, Any]]:
        # Everybody is unsubscribed in the end; some are named in every turn, others once in a while.
        for turn in range(24):
            state = "subscribed" if turn % 2 == 0 else "unsubscribed"
            for number in range(50):
                user = number if number < 5 else 1000 * (turn // 2) + number
                yield {"external_id": f"P{user}", "subscription_state": state}

    with SandboxProcess("--latency-ms", "100") as sandbox:
        connect(monkeypatch, sandbox, requests_per_second=1000)
        sandbox.put_profiles([{"external_id": f"P{number}"} for number in range(12_000)])
        report = act("subscription_status", rows, common_fields=group)
        alone = sandbox.stats()["max_in_flight"]
        profiles = sandbox.profiles()
        act("subscription_status", people(3000), common_fields={**group, "subscription_state": "subscribed"})
        together = sandbox.stats()["max_in_flight"]

    assert (report["accepted"], report["records"]) == (1200, 1200)
    told = [each for each in profiles.values() if each.get("subscription_groups")]
    assert {each["subscription_groups"][0]["subscription_state"] for each in told} == {"unsubscribed"}
    # The five who are in every request let no other one go before it is answered.
    assert alone == 1
    assert together > 1


def test_trouble_makes_it_one_request_at_a_time_and_loses_nobody(
    monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess
) -> None:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.001)
    connect(monkeypatch, sandbox, requests_per_second=1000)
    sandbox.faults(*[{"status": 500, "after": 3 * number} for number in range(1, 6)])

    report = act("delete", people(1500), expect_at_most=1500)
    refused = sandbox.stats()["by_status"]["500"]
    assert refused >= 1
    assert (report["accepted"], report["requests"], report["retries"]) == (1500, 30 + refused, refused)


def test_a_stop_leaves_a_true_report(sandbox: SandboxProcess) -> None:
    tasks = Tasks()

    def rows() -> Iterator[dict[str, Any]]:
        for number in range(120):
            yield {"alias_name": f"a{number}"}
        # As Airflow's signal handler does, in the middle of anything.
        operator.on_kill()

    operator = BrazeUsersOperator(
        task_id="users", action="alias_new", rows=rows, common_fields={"alias_label": "shop"}
    )
    with pytest.raises(PushStoppedError):
        operator.execute({"ti": tasks})
    report = tasks.xcoms["report"]
    assert (report["records"], report["accepted"], report["not_sent"]) == (120, 100, 20)


# --- what an author writes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"action": "remove", "rows": []}, "action must be one of delete, identify"),
        ({"action": "merge"}, "either rows, or export"),
        ({"action": "merge", "rows": [], "export": "/x.csv"}, "either rows, or export"),
        ({"action": "merge", "rows": [], "column": "id"}, "column is of an export"),
        ({"action": "merge", "export": "/x.csv", "column": 7}, "column must be text"),
        ({"action": "merge", "export": "/x.csv", "column": {}}, "column must name a column"),
        ({"action": "merge", "export": ("/x.csv",)}, "export is a tuple"),
        ({"action": "merge", "export": ["/x.csv"]}, "takes one export"),
        ({"action": "merge", "rows": [], "common_fields": ["a"]}, "common_fields must be a dict"),
        ({"action": "delete", "rows": [], "expect_at_most": "many"}, "expect_at_most must be"),
        ({"action": "delete", "rows": [], "expect_at_most": -1}, "expect_at_most must be"),
        ({"action": "merge", "rows": [], "dry_run": "maybe"}, "dry_run must be"),
        ({"action": "merge", "rows": [], "max_rejected": "5%"}, "max_rejected must be"),
        ({"action": "merge", "rows": [], "braze_conn_id": 7}, "braze_conn_id must be text"),
        ({"action": "merge", "rows": [], "dialect": {"delimitr": ","}}, "dialect has no 'delimitr'"),
    ],
)
def test_a_wrong_literal_fails_when_the_dag_is_parsed(given: dict[str, Any], said: str) -> None:
    with DAG("wrong", schedule=None), pytest.raises(BrazeSetupError, match=said):
        BrazeUsersOperator(task_id="users", **given)


def test_what_is_rendered_waits_for_the_run() -> None:
    template = "{{ params.x }}"
    with DAG("right", schedule=None):
        operator = BrazeUsersOperator(
            task_id="users",
            action=template,
            rows=template,
            common_fields={"subscription_group_id": template},
            expect_at_most=template,
            dry_run=template,
            reports_path=template,
            braze_conn_id=template,
            max_rejected=template,
        )
    operator.render_template_fields({"params": {"x": "x"}})
    assert operator.common_fields == {"subscription_group_id": "x"}


def test_too_many_failed_rows_fail_the_task(sandbox: SandboxProcess) -> None:
    with pytest.raises(AirflowFailException, match="2 of 3 records failed, more than 1"):
        act("alias_new", [ALIAS, {}, {}], max_rejected=1)
    with pytest.raises(AirflowFailException, match="rows must be a list of rows"):
        act("alias_new", "not json")


def test_without_files_the_log_says_why_rows_failed(
    sandbox: SandboxProcess, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    act("alias_new", [ALIAS, {}, {}], max_rejected=3)
    assert "The most frequent reason (2): " in capsys.readouterr().out
    act("alias_new", [ALIAS, {}, {}], max_rejected=3, reports_path=str(tmp_path))
    assert f"Report: {tmp_path}" in capsys.readouterr().out


def test_no_rows_are_no_trouble() -> None:
    assert act("delete", [], expect_at_most=0)["status"] == "complete"
