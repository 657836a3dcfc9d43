"""Users who are deleted, merged or identified are forgotten by the memory of what Braze was told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.operators.test_users import _connection, act
from tests.sandbox_process import SandboxProcess

__all__ = ["_connection"]

ROWS = [{"external_id": f"P{n}", "tier": "A"} for n in range(4)]


def push(folder: Path, **given: Any) -> dict[str, Any]:
    task = BrazeUserTrackOperator(
        task_id="push", attributes=ROWS, only_changed=True, reports_path=str(folder), **given
    )
    report: dict[str, Any] = task.execute({})
    return report


@pytest.mark.parametrize(
    ("action", "rows", "sent"),
    [
        ("delete", [{"external_id": "P1"}], ["P1"]),
        (
            "merge",
            [{"identifier_to_merge": {"external_id": "P1"}, "identifier_to_keep": {"external_id": "P2"}}],
            ["P1", "P2"],
        ),
        ("delete", [{"user_alias": {"alias_name": "ann", "alias_label": "shop"}}], ["P0", "P1", "P2", "P3"]),
    ],
)
def test_they_are_sent_whole_again(
    sandbox: SandboxProcess, tmp_path: Path, action: str, rows: Any, sent: list[str]
) -> None:
    push(tmp_path)
    assert push(tmp_path)["unchanged"] == 4
    bound = {"expect_at_most": 10} if action == "delete" else {}
    act(action, rows, reports_path=str(tmp_path), **bound)
    report = push(tmp_path)
    assert (report["accepted"], report["unchanged"]) == (len(sent), 4 - len(sent))
    assert {user: profile["custom_attributes"] for user, profile in sandbox.profiles().items()} == {
        f"P{n}": {"tier": "A"} for n in range(4)
    }


@pytest.mark.parametrize("reports", [True, False])
def test_where_the_memory_has_a_folder_of_its_own(
    sandbox: SandboxProcess, tmp_path: Path, reports: bool
) -> None:
    folder, elsewhere = tmp_path / "reports", str(tmp_path / "memories")
    push(folder, memory_path=elsewhere)
    given = {"reports_path": str(folder)} if reports else {}
    act("delete", [{"external_id": "P1"}], memory_path=elsewhere, expect_at_most=10, **given)
    report = push(folder, memory_path=elsewhere)
    assert (report["accepted"], report["unchanged"]) == (1, 3)
    assert set(sandbox.profiles()) == {f"P{n}" for n in range(4)}
