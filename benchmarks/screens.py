"""``python -m benchmarks.screens``: how long the largest pages of the Braze tab take, on PostgreSQL and on SQLite.

A real API server answers from a database with 10,000 pushes and 100,000 other tasks, and Debian's Chromium shows what
it answers. It prints a table for docs/airflow-ui.md; the machine must be quiet.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Any

from playwright.sync_api import Browser

from tests.plugins.api_server import VIEWER, ApiServer
from tests.plugins.invented import of_100
from tests.system.postgres import Postgres
from tests.system.real_airflow import REPOSITORY, AirflowTroubleError
from tests.ui.screen import chromium, screen
from tests.ui.test_braze_tab import DAG_ID, RUN_OF_100, sign_in

PUSHES, OTHERS = 10_000, 100_000
LOOKS = 10
PAGES = {
    f"all pushes, 100 of {PUSHES:,}": "pushes",
    "all pushes of one DAG, failed ones": "dags/redpoint_to_braze_0?state=failed",
    "a run with 100 exports": f"dags/{DAG_ID}/runs/{RUN_OF_100}",
}
# A promise, because the page's content security policy lets nothing be evaluated later, as `wait_for_function` would.
PAINTED = """() => new Promise(painted => {
    const look = () => {
        const [paint] = performance.getEntriesByName('first-contentful-paint');
        paint ? painted(paint.startTime) : requestAnimationFrame(look);
    };
    look();
})"""


class FullServer(ApiServer):
    """An API server whose database holds many pushes besides the rows that are given."""

    def _fill(self) -> None:
        super()._fill()
        filled = subprocess.run(
            [sys.executable, "-m", "benchmarks.many_pushes", str(PUSHES), str(OTHERS)],
            env=self._environment | {"PYTHONPATH": str(REPOSITORY)},
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        if filled.returncode:
            raise AirflowTroubleError(filled.stderr[-3000:])


def ask(server: ApiServer, token: str, path: str) -> Any:
    """Ask the server for a page of the tab."""
    headers = {"Authorization": f"Bearer {token}"}
    return server._session.get(f"{server.url}/braze/{path}", headers=headers, timeout=60)


def measure(server: ApiServer, browser: Browser, path: str) -> tuple[float, float, float, int]:
    """Give seconds of the first answer, of the usual one, and until something is painted; and the page's bytes."""
    token = server.sign_in(VIEWER)
    seconds, size = [], 0
    for _ in range(LOOKS):
        began = time.perf_counter()
        answer = ask(server, token, path)
        answer.raise_for_status()
        seconds.append(time.perf_counter() - began)
        size = len(answer.content)
    painted = []
    for _ in range(LOOKS):
        with screen(browser, server.url) as ui:
            sign_in(ui, server, VIEWER)
            ui.open(f"braze/{path}")
            ui.page.locator("#rows").wait_for()
            painted.append(float(ui.page.evaluate(PAINTED)) / 1000)
    return seconds[0], statistics.median(seconds[1:]), statistics.median(painted), size


def main() -> None:
    """Measure, and print."""
    print("| page | database | first answer | answer | first paint | size |\n|---|---|---|---|---|---|")
    for name in ("PostgreSQL", "SQLite"):
        with ExitStack() as stack:
            settings = {}
            if name == "PostgreSQL":
                settings["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = stack.enter_context(Postgres()).url
            server = stack.enter_context(FullServer({DAG_ID: {RUN_OF_100: [of_100()]}}, settings))
            browser = stack.enter_context(chromium())
            # Whatever is asked first of a server that has just started waits for that start, too.
            ask(server, server.sign_in(VIEWER), f"dags/{DAG_ID}/runs/none")
            for page, path in PAGES.items():
                first, usual, painted, size = measure(server, browser, path)
                print(
                    f"| {page} | {name} | {first:.2f} s | {usual:.2f} s | {painted:.2f} s | {size / 1000:.0f} kB |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
