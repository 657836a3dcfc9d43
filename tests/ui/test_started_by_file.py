from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.samples import EXPORTS
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow
from tests.ui.screen import Screen

DAG_ID = "redpoint_on_landing"
COMMA = EXPORTS[0]


@pytest.fixture
def watching(airflow: RealAirflow, base_path: Path) -> Iterator[None]:
    """The DAG watches; nothing else runs by itself."""
    with airflow.started_by_landing(DAG_ID, paused="redpoint_to_braze"):
        yield


@pytest.mark.usefixtures("watching")
def test_a_run_starts_by_itself_when_a_file_lands(
    ui: Screen, airflow: RealAirflow, sandbox: SandboxProcess, base_path: Path
) -> None:
    ui.open(f"dags/{DAG_ID}/runs")
    expect(ui.page.get_by_text("No Dag Runs found")).to_be_visible()

    COMMA.land(base_path, modified=time.time() - 60)

    # The page is not touched: Airflow shows the run when it is there.
    row = ui.page.get_by_role("row").filter(has_text="Asset Triggered")
    expect(row).to_be_visible(timeout=150_000)
    expect(row.get_by_text("Success")).to_be_visible(timeout=120_000)
    assert set(sandbox.profiles()) == {"P0001", "P0002", "P0003"}
