"""A real Airflow API server with real rows, and nothing else of Airflow, below a sub-path."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from tests.system.real_airflow import REPOSITORY, START_SECONDS, AirflowTroubleError, RealAirflow

SUB_PATH = "/team-a"
ADMIN, USER, VIEWER, NOBODY = "adam", "ursula", "vera", "nora"


class ApiServer(RealAirflow):
    """Start and stop one API server; use it as a context manager.

    :param rows: what ``fill.py`` puts into its database.
    :param settings: further ``AIRFLOW__SECTION__KEY`` environment variables.
    :param on_sqlite: as of any Airflow of the tests.
    :param with_dags: whether it knows the shipped DAGs, so that Airflow's own pages show runs of them.
    """

    def __init__(
        self,
        rows: Mapping[str, Any],
        settings: Mapping[str, str] | None = None,
        *,
        on_sqlite: bool = False,
        with_dags: bool = False,
    ) -> None:
        super().__init__(settings=settings, on_sqlite=on_sqlite)
        self.rows = rows
        self.with_dags = with_dags
        self.port = self.url.rpartition(":")[2]
        self.url += SUB_PATH
        self._environment |= {
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
            # Whoever has no role may sign in and see nothing.
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin,{USER}:user,{VIEWER}:viewer,{NOBODY}:",
        }

    def start(self) -> None:
        """Make the database, fill it, start the server, wait until it answers."""
        self._environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = self._start_database()
        migration = self.airflow("db", "migrate")
        if migration.returncode:
            raise AirflowTroubleError(migration.stderr[-2000:])
        if self.with_dags and (parsing := self.airflow("dags", "reserialize")).returncode:
            raise AirflowTroubleError(parsing.stderr[-2000:])
        self._fill()
        self._commands = {
            "api-server": ("api-server", "--host", "127.0.0.1", "--port", self.port, "--workers", "1")
        }
        self.spawn("api-server")
        self.wait_for(self.answers, "an API server that answers", START_SECONDS)

    def _fill(self) -> None:
        path = self.home / "rows.json"
        path.write_text(json.dumps(self.rows))
        script = Path(__file__).with_name("fill.py")
        filled = subprocess.run(
            [sys.executable, str(script), str(path)],
            env=self._environment | {"PYTHONPATH": str(REPOSITORY)},
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
        )
        if filled.returncode:
            raise AirflowTroubleError(filled.stderr[-3000:])

    def password(self, user: str) -> str:
        """Return the password that Airflow made up for a user."""
        passwords = json.loads((self.home / "simple_auth_manager_passwords.json.generated").read_text())
        return str(passwords[user])

    def sign_in(self, user: str) -> str:
        """Sign in, and return the token."""
        answer = self._session.post(
            f"{self.url}/auth/token", json={"username": user, "password": self.password(user)}, timeout=10
        )
        return str(answer.json()["access_token"])

    def be_admin(self) -> None:
        """Call Airflow's public API as an administrator from now on."""
        self._session.headers["Authorization"] = f"Bearer {self.sign_in(ADMIN)}"

    def runs_of(self, dag_id: str) -> list[tuple[str, dict[str, Any], str]]:
        """List the runs of a DAG, each with its conf and the user who started it."""
        self.be_admin()
        return [(run["dag_run_id"], run["conf"], run["triggering_user_name"]) for run in self.runs(dag_id)]

    def get(self, path: str, user: str | None = VIEWER, *, cookie: bool = False) -> requests.Response:
        """Ask for a page of the tab, as a browser does in Airflow's frame or as a program does."""
        token = None if user is None else self.sign_in(user)
        return requests.get(
            f"{self.url}/braze/{path}",
            headers={"Authorization": f"Bearer {token}"} if token and not cookie else {},
            cookies={"_token": token} if token and cookie else {},
            timeout=60,
        )
