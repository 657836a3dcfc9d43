"""What a person at a terminal sees and deletes of the memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.__main__ import main
from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.memory.persistence.buckets import bucket_of
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.connections import connect
from tests.jobs import rows_push
from tests.sandbox_process import SandboxProcess

ROWS = [
    {"external_id": "U1", "tier": "A", "first_name": "Ada", "born": "2026-01-02", "tags": {"add": ["x"]}},
    {"external_id": "U2", "o": {"k": "v"}, "_merge_objects": True},
]
Push = Callable[[], dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "_braze"


@pytest.fixture
def push(sandbox: SandboxProcess, folder: Path) -> Push:
    where = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
    wish = Wish(only_changed=True)

    def run() -> dict[str, Any]:
        return rows_push(workspace=where, attributes=ROWS, reports_path=str(folder), memory=wish).execute()

    return run


def test_show(push: Push, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "show", str(folder)]) == 2
    push()
    push()
    capsys.readouterr()
    assert main(["memory", "show", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "2 users" in said
    assert "data points saved: 5" in said
    assert main(["memory", "show", "--json", "--conn-id", "braze_default", str(folder)]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert main(["memory", "show", "--conn-id", "other", str(folder)]) == 2
    assert "of the connection 'other'; there are those of braze_default." in capsys.readouterr().err
    assert main(["find", "U1", str(folder), "--conn-id", "other"]) == 0
    assert (shown["users"], shown["data_points_saved"]) == (2, 5)
    assert "Ada" not in said


def test_forget_a_user_an_attribute_and_all(push: Push, folder: Path) -> None:
    push()
    assert push()["unchanged"] == 2
    assert main(["memory", "forget", str(folder)]) == 2
    assert main(["memory", "forget", "--user", "U1", str(folder)]) == 0
    assert (report := push())["unchanged"] == 1
    assert report["data_points"] == 4
    assert main(["memory", "forget", "--attribute", "tier", str(folder)]) == 0
    assert push()["data_points_by_attribute"] == {"tier": 1}
    assert main(["memory", "forget", "--all", str(folder)]) == 0
    assert push()["unchanged"] == 0


def test_a_push_that_runs_is_not_disturbed(
    push: Push, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    push()
    lock = (folder / "memory" / "braze_default" / f"{bucket_of('U1'):02}" / "lock").open("r+")
    import fcntl

    fcntl.flock(lock, fcntl.LOCK_EX)
    assert main(["memory", "forget", "--all", str(folder)]) == 2
    assert "uses the memory" in capsys.readouterr().err
    assert main(["memory", "show", str(folder)]) == 0
    lock.close()
    assert push()["unchanged"] == 2


def test_find_says_when_something_was_accepted(
    push: Push, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = push()
    assert main(["find", "U1", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{report['started_at'][:16]}" in said
    assert "of which Braze accepted something last" in said
    assert main(["find", "U3", str(folder)]) == 0
    assert "accepted something" not in capsys.readouterr().out


def test_check_names_what_braze_holds_otherwise(
    push: Push,
    folder: Path,
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    connect(monkeypatch, sandbox)
    push()
    check = ["memory", "check", "--user", "U1", "--user", "U2", str(folder)]
    assert main(check) == 0
    assert "2 users checked, 0 values differ" in capsys.readouterr().out
    sandbox.put_profiles([{"external_id": "U2", "custom_attributes": {"o": {"k": "another"}}}])
    assert main(check) == 1
    assert "o.k: 1 values" in capsys.readouterr().out
    sandbox.clear_profiles()
    assert main(check) == 1
    assert "no profile" in capsys.readouterr().out


def test_plan_prices_with_the_memory(
    sandbox: SandboxProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Braze Append" / "Offer" / "1" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("external_id,tier\nU1,A\nU2,B\n")
    where = Workspace(endpoint=sandbox.url, api_key=sandbox.key)
    rows = [{"external_id": "U1", "rpi_cdp_attributes": {"tier": "A"}, "_merge_objects": True}]
    rows_push(
        workspace=where,
        attributes=rows,
        reports_path=str(tmp_path / "_braze"),
        memory=Wish(only_changed=True),
    ).execute()
    capsys.readouterr()
    assert main(["plan", str(path), "--only-changed", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["data_points_saved"] == 1
    assert planned["data_points"] == 3
    assert main(["plan", str(path), "--only-changed"]) == 0
    assert "data points without the memory" in capsys.readouterr().out
