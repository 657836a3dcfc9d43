from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow


@pytest.fixture(scope="session")
def airflow(sandbox_process: SandboxProcess) -> Iterator[RealAirflow]:
    """An Airflow with the shipped DAGs switched on, whose schedules do not fire by themselves."""
    connection = {"conn_type": "braze", "host": sandbox_process.url, "password": sandbox_process.key}
    with RealAirflow(
        connections=dict.fromkeys(("braze_default", "braze_sandbox", "braze_prod"), connection),
        settings={"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"},
    ) as running:
        yield running
