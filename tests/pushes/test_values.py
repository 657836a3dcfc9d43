"""What a push makes of cells, as Braze then holds it and as the report counts it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.users_track.mapping import ExportMapping
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
