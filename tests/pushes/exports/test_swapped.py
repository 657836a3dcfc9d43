"""An export that somebody swaps for a link once it was checked: nothing from outside the base path reaches Braze."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import ExportRefusedError
from airflow_provider_braze.storage.reports.pushed_before import PushedBefore
from airflow_provider_braze.storage.reports.reports_folder import ReportsFolder
from tests.sandbox_process import SandboxProcess

HEADER = "external_id,first_name\n"


@pytest.mark.parametrize("level", [0, 1, 2, 3], ids=["the file", "workflow", "offer", "channel"])
@pytest.mark.parametrize("given", [{}, {"max_data_points": 100}, {"dry_run": True}])
def test_between_its_check_and_its_opening(
    push: Callable[..., dict[str, Any]],
    land: Callable[..., Path],
    sandbox: SandboxProcess,
    tmp_path: Path,
    level: int,
    given: dict[str, Any],
) -> None:
    path = land(HEADER + "U1,Ann\n")
    outside = tmp_path / "outside" / path.relative_to(tmp_path / "rpi")
    outside.parent.mkdir(parents=True)
    outside.write_text(HEADER + "SECRET,Bo\n")

    def swap(folder: ReportsFolder) -> PushedBefore:
        """What is asked before an export is opened, by somebody who has waited for that moment."""
        place, leads_to = [path, *path.parents][level], [outside, *outside.parents][level]
        place.rename(tmp_path / "moved away")
        place.symlink_to(leads_to)
        assert path.read_text() == outside.read_text()
        return PushedBefore(folder, "braze_default")

    with pytest.raises(ExportRefusedError, match="link") as caught:
        push(path, pushed_before=swap, reports_path=str(tmp_path / "reports"), **given)
    assert sandbox.stats()["requests"] == 0
    assert caught.value.report is not None
    assert caught.value.report["records"] == 0
    (rejects,) = [list(tmp_path.rglob("rejects.csv"))]
    assert rejects == []


def test_a_second_push_after_the_link_was_put_there(
    push: Callable[..., dict[str, Any]], land: Callable[..., Path], sandbox: SandboxProcess, tmp_path: Path
) -> None:
    path = land(HEADER + "U1,Ann\n")
    push(path)
    path.rename(tmp_path / "outside.txt")
    path.symlink_to(tmp_path / "outside.txt")
    with pytest.raises(ExportRefusedError, match="leads out of"):
        push(path, run="second")
    assert sandbox.stats()["requests"] == 1
