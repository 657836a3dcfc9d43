"""What a push makes of cells, as Braze then holds it and as the report counts it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from tests.reports import check, rejects
from tests.sandbox_process import SandboxProcess

Push = Callable[..., dict[str, Any]]
Land = Callable[..., Path]

HEADER = "external_id ,first_name,country,gender,ChannelExecutionID\n"
PADDED = (
    HEADER + "P1   ,\u00a0Ann ,usa,Female,5719  \nP2,   ,DE,M,5719\nP1,Ann\u200b,us,f,5719\n"
    "NULL,Bob,DE,M,5719\n  ,Bob,DE,M,5719\n P4 ,Bob,Atlantis,M,5719\n"
)
SLOW = {"null_token": "\\N", "tags": {"first_name": "names"}}
"""Options with which records are mapped one by one."""


@pytest.mark.parametrize("mapping", [None, SLOW])
def test_blanks_are_cut_and_words_become_codes(
    push: Push, land: Land, sandbox: SandboxProcess, mapping: Any
) -> None:
    report = push(land(PADDED), mapping=mapping and ExportMapping.of(mapping))
    check(
        report,
        status="complete",
        records=6,
        invalid=3,
        accepted=2,
        merged=1,
        trimmed={"external_id": 1, "first_name": 3, "ChannelExecutionID": 1},
        normalised={"country": 2, "gender": 2},
        execution_id_mismatches=0,
    )
    assert any("Blanks around the identifier" in note for note in report["notes"])
    profiles = sandbox.profiles()
    assert profiles.keys() == {"P1", "P2"}
    assert (profiles["P1"]["country"], profiles["P1"]["gender"]) == ("US", "F")
    assert [row["external_id "] for row in rejects(report)] == ["NULL", "  ", " P4 "]


def test_both_stay_as_they_are_on_request(push: Push, land: Land, sandbox: SandboxProcess) -> None:
    path = land("external_id,first_name\nP1 , Ann\nNULL,Bo\n")
    mapping = ExportMapping(trim=False, normalise=False, null_identifiers=True)
    check(push(path, mapping=mapping), records=2, accepted=2, trimmed={}, normalised={}, notes=[])
    assert sandbox.profiles()["P1 "]["first_name"] == " Ann"
    assert "NULL" in sandbox.profiles()


def test_rejects_are_read_as_their_report_says(push: Push, land: Land, sandbox: SandboxProcess) -> None:
    path = land("external_id,first_name,email\nP1 , Ann,nobody\n")
    report = push(path)
    assert (report["mapping"]["trim"], report["mapping"]["normalise"]) == (True, True)
    rejected = Path(report["rejects_path"])
    rejected.write_text(rejected.read_text().replace("nobody", "ann@example.com"))
    again = check(
        push(rejected, run="run-2"), records=1, accepted=1, trimmed={"external_id": 1, "first_name": 1}
    )
    assert again["mapping"] == report["mapping"]
    assert sandbox.profiles().keys() == {"P1"}


def test_rejects_of_a_version_that_cut_nothing_are_read_so(
    push: Push, land: Land, sandbox: SandboxProcess
) -> None:
    report = push(land("external_id,first_name,gender,email\nP1 ,Ann,,nobody\nP2,Bo,female,no\n"))
    written = Path(report["report_path"])
    written.write_text(json.dumps(report | {"mapping": {}}))
    rejected = Path(report["rejects_path"])
    rejected.write_text(
        rejected.read_text().replace("nobody", "ann@example.com").replace(",no\n", ",bo@b.cc\n")
    )
    again = check(push(rejected, run="run-2"), records=2, accepted=1, invalid=1, trimmed={}, normalised={})
    assert (again["mapping"]["trim"], again["mapping"]["normalise"]) == (False, False)
    assert sandbox.profiles().keys() == {"P1 "}


def test_rows_of_ones_own_are_sent_as_given(
    push_rows: Callable[..., dict[str, Any]], sandbox: SandboxProcess
) -> None:
    push_rows(attributes=[{"external_id": "P1 ", "first_name": " Ann"}, {"external_id": "NULL", "x": " y "}])
    profiles = sandbox.profiles()
    assert profiles["P1 "]["first_name"] == " Ann"
    assert profiles["NULL"]["custom_attributes"] == {"x": " y "}


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [
        ("language,en", "language,English", "en"),
        ("language,en", "language,fil", "fil"),
        ("language,English", "language,gsw", "gsw"),
        ("language,de", "language,de", "de"),
        ("time_zone,Europe/Paris", "time_zone,Eastern Time (US & Canada)", "Eastern Time (US & Canada)"),
        ("date_of_first_session,2026-03-01", "date_of_first_session,03/02/2026", "2026-03-02T00:00:00.000Z"),
    ],
)
@pytest.mark.parametrize("mapping", [None, SLOW])
def test_what_two_records_of_one_user_leave(
    push: Push, land: Land, sandbox: SandboxProcess, first: str, second: str, held: str, mapping: Any
) -> None:
    name = first.partition(",")[0]
    text = "".join(f"P1,,{row.partition(',')[2]}\n" for row in (first, second))
    report = push(
        land(f"external_id,first_name,{name}\n{text}"), mapping=mapping and ExportMapping.of(mapping)
    )
    assert report["failed"] == 0
    assert sandbox.profiles()["P1"][name] == held


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("language", "en", "English"),
        ("date_of_first_session", "2026-03-01", "20260302"),
        ("time_zone", "Europe/Paris", "Paris, France"),
        ("gender", "F", "female"),
        ("dob", "1984-02-29", "29.02.1984"),
    ],
)
def test_what_braze_ignores_in_a_row_takes_nothing_away(
    push_rows: Callable[..., dict[str, Any]], sandbox: SandboxProcess, name: str, first: str, second: str
) -> None:
    push_rows(attributes=[{"external_id": "P1", name: value} for value in (first, second)])
    together = sandbox.profiles()["P1"][name]
    push_rows(attributes=[{"external_id": "P2", name: first}])
    assert together == sandbox.profiles()["P2"][name]


def test_a_row_that_braze_refuses_takes_no_other_of_its_user_with_it(
    push_rows: Callable[..., dict[str, Any]], sandbox: SandboxProcess
) -> None:
    person = {"external_id": "P1"}
    refused = person | {"email_subscription_info": {"state": "opted_in"}}
    report = push_rows(attributes=[person | {"x": 1}, refused, person | {"y": 2}])
    assert (report["accepted"], report["rejected"]) == (2, 1)
    assert sandbox.profiles()["P1"]["custom_attributes"] == {"x": 1, "y": 2}


@pytest.mark.parametrize(
    "alias",
    [{}, {"alias_name": "a"}, {"alias_label": "crm"}, {"alias_name": "", "alias_label": "crm"}, "a", [],
     {"alias_name": "a", "alias_label": None}, {"alias_name": "a", "alias_label": " "}],
)  # fmt: skip
@pytest.mark.parametrize("besides", [{}, {"external_id": "P1"}, {"email": "ann@example.com"}])
def test_a_row_with_half_an_alias_is_invalid(
    push_rows: Callable[..., dict[str, Any]], sandbox: SandboxProcess, alias: Any, besides: dict[str, str]
) -> None:
    whole = {"user_alias": {"alias_name": "a", "alias_label": "crm"}, "_update_existing_only": False}
    report = push_rows(attributes=[{"user_alias": alias, "x": 1, **besides}, whole])
    assert (report["invalid"], report["accepted"]) == (1, 1)
    assert report["reasons"] == {"a user_alias without alias_name or alias_label": 1}
    assert len(sandbox.all_profiles()) == 1


@pytest.mark.parametrize("kind", ["external_id", "braze_id"])
@pytest.mark.parametrize(
    "odd", [1001.0, 1001.5, Decimal("1001.0"), Decimal("1E+3"), True, ["P1"], {"id": "P1"}]
)
def test_an_id_is_text_or_a_whole_number(
    push_rows: Callable[..., dict[str, Any]], sandbox: SandboxProcess, kind: str, odd: Any
) -> None:
    """pandas makes 1001.0 of the id 1001 where another row has none, and that may become another user."""
    event = {"name": "chat", "time": "2026-03-01T10:00:00Z"}
    report = push_rows(attributes=[{kind: odd, "email": "ann@example.com"}], events=[{kind: odd, **event}])
    assert (report["records"], report["invalid"]) == (2, 2)
    assert report["reasons"] == {f"{kind} is neither text nor a whole number": 2}
    assert sandbox.stats()["requests"] == 0


def test_a_whole_number_is_an_id(push_rows: Callable[..., dict[str, Any]], sandbox: SandboxProcess) -> None:
    # As a database's driver gives them.
    rows = [{"external_id": id, "x": 1} for id in (1001, Decimal("1002"), "1003")]
    assert push_rows(attributes=rows)["accepted"] == 3
    assert sandbox.profiles().keys() == {"1001", "1002", "1003"}


def test_push_tokens_of_nobody_known_are_imported(
    push_rows: Callable[..., dict[str, Any]], sandbox: SandboxProcess
) -> None:
    rows = [
        {"push_token_import": True, "push_tokens": [{"app_id": "app", "token": token}]}
        for token in ("t1", "t2")
    ]
    nobody = {"push_token_import": False, "push_tokens": [{"app_id": "app", "token": "t3"}]}
    report = push_rows(attributes=[*rows, nobody])
    assert (report["accepted"], report["invalid"], report["data_points"]) == (2, 1, 0)
    known = {"external_id": "P1", "push_token_import": False}
    assert push_rows(attributes=[known], dry_run=True)["data_points"] == 0
    assert report["reasons"] == {"no identifier": 1}
    tokens = [profile["push_tokens"][0]["token"] for profile in sandbox.all_profiles()]
    assert sorted(tokens) == ["t1", "t2"]


def test_an_export_like_brazes_own_csv_template(push: Push, land: Land, sandbox: SandboxProcess) -> None:
    group = "2b8f3e0a-5a5c-4f6e-9c0f-1f4f5f6a7b8c"
    report = push(
        land(
            "user_alias_name,user_alias_label,email_subscribe,subscription_group_id,subscription_state\n"
            f"C-17,crm,opted_in,{group},subscribed\nC-17,crm,,{group},unsubscribed\nC-18,,,,\n"
        )
    )
    check(report, records=3, accepted=2, invalid=1)
    [profile] = sandbox.all_profiles()
    assert profile["user_aliases"] == [{"alias_name": "C-17", "alias_label": "crm"}]
    assert profile["email_subscribe"] == "opted_in"
    [held] = profile["subscription_groups"]
    assert (held["subscription_group_id"], held["subscription_state"]) == (group, "unsubscribed")
    assert "custom_attributes" not in profile or "rpi_cdp_attributes" not in profile["custom_attributes"]


def test_blanks_before_qualifiers(push: Push, land: Land, sandbox: SandboxProcess) -> None:
    path = land('"external_id", "first_name" , "zip"\n"P1", "Ann" ,  " 01520 "\n"P2 ", "Bo, jr.", "1"\n')
    report = push(path)
    check(report, records=2, accepted=2)
    assert {"external_id": 1, "zip": 1}.items() <= report["trimmed"].items()
    held = sandbox.profiles()
    assert (held["P1"]["first_name"], held["P2"]["first_name"]) == ("Ann", "Bo, jr.")
    assert held["P1"]["custom_attributes"]["rpi_cdp_attributes"] == {"zip": "01520"}
