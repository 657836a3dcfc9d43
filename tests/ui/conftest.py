from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import REPOSITORY, RealAirflow

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.plugins.api_server import ApiServer
    from tests.ui.screen import Screen

HERE = Path(__file__).parent
SHOTS = REPOSITORY / "build" / "ui"

CHROMIUM = Path("/usr/bin/chromium")

# Only the environment of Airflow 3.3 has Playwright.
if importlib.util.find_spec("playwright") is None:
    collect_ignore_glob = ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = f"{CHROMIUM} is not installed: apt-get install chromium"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.ui)
            item.add_marker(pytest.mark.skipif(not CHROMIUM.exists(), reason=reason))


@pytest.fixture(scope="session")
def airflow(
    sandbox_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RealAirflow]:
    """One Airflow for all tests in the browser, whose schedules do not fire by themselves."""
    connection = {"conn_type": "braze", "host": sandbox_process.url, "password": sandbox_process.key}
    # The shipped DAGs, and those of these tests.
    dags = tmp_path_factory.mktemp("dags")
    for folder in (REPOSITORY / "airflow_provider_braze" / "example_dags", HERE / "dags"):
        for file in folder.glob("*.py"):
            shutil.copy(file, dags)
    with RealAirflow(
        dags_folder=dags,
        connections={"braze_default": connection},
        settings={"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False"},
    ) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    from tests.ui.screen import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def window(browser: Browser, airflow: RealAirflow) -> Iterator[Screen]:
    from tests.ui.screen import screen

    with screen(browser, airflow.url) as opened:
        yield opened


@pytest.fixture(scope="session")
def reports_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports folder of the pushes that the API server shows."""
    return tmp_path_factory.mktemp("_braze")


@pytest.fixture(scope="session")
def server(
    sandbox_process: SandboxProcess, reports_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ApiServer]:
    """An API server below a sub-path, for the tests of what the tab shows."""
    from tests.plugins.api_server import ApiServer
    from tests.plugins.invented import of_100
    from tests.ui import shown
    from tests.ui.real_states import RUN_OF_STATES, real_states

    tasks = [
        {
            "task_id": shown.TASK_ID,
            "map_index": n,
            "name": "Push to Braze",
            "label": f"Offer / {6000 + n}",
            **push,
        }
        for n, push in enumerate(shown.pushes(shown.rejects_file(reports_folder)))
    ]
    states = real_states(sandbox_process, tmp_path_factory.mktemp("states"))
    with ApiServer(
        {shown.DAG_ID: {shown.RUN: tasks, shown.RUN_OF_100: [of_100()], RUN_OF_STATES: states}},
        {"AIRFLOW__BRAZE__REJECTS_IN_UI": "True"},
        with_dags=True,
    ) as running:
        yield running


@pytest.fixture(scope="session")
def viewers_window(browser: Browser, server: ApiServer) -> Iterator[Screen]:
    from tests.plugins.api_server import VIEWER
    from tests.ui.screen import screen
    from tests.ui.shown import sign_in

    with screen(browser, server.url) as opened:
        sign_in(opened, server, VIEWER)
        yield opened


@pytest.fixture
def viewer(viewers_window: Screen) -> Iterator[Screen]:
    """The window of somebody who may only look."""
    yield viewers_window
    viewers_window.leave()


@pytest.fixture
def ui(window: Screen, sandbox: SandboxProcess, request: pytest.FixtureRequest) -> Iterator[Screen]:
    """The window; what it showed when a test failed is in build/ui."""
    failed = request.session.testsfailed
    yield window
    if request.session.testsfailed > failed:
        SHOTS.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", request.node.name)
        window.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    window.leave()


@pytest.fixture
def no_connections(airflow: RealAirflow) -> None:
    """Forget what earlier tests made in the UI; what comes from the environment stays."""
    for connection in airflow.api("GET", "connections")["connections"]:
        airflow.api("DELETE", f"connections/{connection['connection_id']}")


@pytest.fixture
def base_path(airflow: RealAirflow, tmp_path: Path) -> Path:
    """A fresh folder that the DAGs look into."""
    airflow.set_variable("redpoint_base_path", str(tmp_path))
    airflow.set_variable("redpoint_settle_seconds", "0")
    airflow.set_variable("redpoint_braze_conn_id", "braze_default")
    return tmp_path
