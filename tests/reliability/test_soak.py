"""The soak in its short form, and proof that it would notice a loss."""

from __future__ import annotations

import copy
import random
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push
from tests.reliability import compare
from tests.reliability.landed import MAPPING, land
from tests.reliability.trouble import some
from tests.sandbox_process import ROOT, SandboxProcess


def test_nothing_is_lost_in_a_short_soak() -> None:
    command = [sys.executable, "-m", "tests.reliability.soak"]
    command += ["--exports", "4", "--records", "3000", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"lost": 0' in done.stdout
    assert '"exports": 4' not in done.stdout, "no rows of one's own were among them"
    assert '"exports": 0' not in done.stdout


def test_a_loss_would_be_noticed(sandbox: SandboxProcess, tmp_path: Path) -> None:
    export = land(tmp_path, 300, random.Random(1), bad=0)
    report = export_push(
        export=str(export.path),
        workspace=Workspace(endpoint=sandbox.url, api_key=sandbox.key),
        braze_conn_id="b",
        run="r",
        mapping=ExportMapping.of(MAPPING),
    ).execute()
    profiles = sandbox.profiles()
    assert compare.differences(export, report, profiles) == []
    user = next(iter(profiles))

    missing = {name: profile for name, profile in profiles.items() if name != user}
    assert compare.differences(export, report, missing)
    other = copy.deepcopy(profiles)
    other[user]["custom_attributes"]["rpi_contact_ids"] = ["C1x"]
    assert compare.differences(export, report, other)
    assert compare.differences(export, report, {**profiles, "stranger": profiles[user]})
    for counts in ({"records": 299}, {"accepted": report["accepted"] - 1}, {"unknown": 1}, {"failed": 1}):
        assert compare.differences(export, {**report, **counts}, profiles), counts


@pytest.mark.parametrize("outcome", ["accepted", "rejected", "not_sent"])
def test_what_is_possible_of_a_user_whose_record_is_unknown(outcome: str, tmp_path: Path) -> None:
    export = land(tmp_path, 1, random.Random(1), bad=0)
    (line, _), *_ = export.records
    rejects = tmp_path / "rejects.csv"
    rejects.write_text(f"_line,_outcome\n{line},unknown\n")
    report = dict.fromkeys(compare.OUTCOMES, 0) | {
        "records": 1,
        "unknown": 1,
        "failed": 1,
        "status": "complete",
        "rejects_path": str(rejects),
    }
    assert compare.differences(export, report, {}) == []
    assert compare.differences(export, {**report, "unknown": 0, outcome: 1}, {})
    half = {"U0000000": {"external_id": "U0000000", "custom_attributes": {"rpi_contact_ids": ["C0"]}}}
    assert "neither absent" in compare.differences(export, report, half)[0]


def test_what_braze_says_it_never_took_it_did_not_take() -> None:
    """A 502 and a 503 may be sent again, events too, so the sandbox must not have processed one."""
    made = [fault for seed in range(300) for fault in some(random.Random(seed))]
    assert {fault.get("processed") for fault in made if fault.get("status") in (502, 503)} == {False}
    assert {fault.get("processed") for fault in made if fault.get("status") == 500} == {False, True}
