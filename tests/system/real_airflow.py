"""A real Airflow for tests and the demo: every component a process of its own, on loopback, in a fresh home.

``airflow standalone`` is not used because its log servers listen on all interfaces.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import requests

from tests.ports import free_port
from tests.system.postgres import IS_INSTALLED, Postgres

REPOSITORY = Path(__file__).resolve().parents[2]
COMPONENTS = {"metadatabase", "scheduler", "triggerer", "dag_processor"}
FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
START_SECONDS = 240.0
STOP_SECONDS = 5.0


class AirflowTroubleError(RuntimeError):
    """Airflow did not start, or did not do in time what was waited for."""


def end_process_trees(*roots: subprocess.Popen[bytes], grace: float = STOP_SECONDS) -> None:
    """Ask processes to end, and after a while kill what is left of them and of all that they had started.

    psutil tells a process from a later one that was given the same id.
    """
    trees: list[psutil.Process] = []
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(root.pid)
            trees += [process, *process.children(recursive=True)]
            process.terminate()
    _, alive = psutil.wait_procs(trees, timeout=grace)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=30)
    for root in roots:
        root.wait(timeout=30)


class RealAirflow:
    """Start, drive and stop one Airflow; use it as a context manager.

    :param dags_folder: the DAG files it runs.
    :param connections: Airflow connections by id, each as its JSON object.
    :param python: interpreter of the Airflow to run.
    :param port: port of the API server and UI; a free one if not given.
    :param settings: further ``AIRFLOW__SECTION__KEY`` environment variables.
    :param on_sqlite: keep its state in SQLite also where PostgreSQL is installed, which takes no broken JSON.
    """

    def __init__(
        self,
        *,
        dags_folder: Path = REPOSITORY / "airflow_provider_braze" / "example_dags",
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        python: str = sys.executable,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
        on_sqlite: bool = False,
    ) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="airflow-home-"))
        self.url = f"http://127.0.0.1:{port or free_port()}"
        self.python = python
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[str, ...]] = {}
        self._postgres = Postgres() if IS_INSTALLED and not on_sqlite else None
        self._session = requests.Session()
        self._session.trust_env = False
        self._environment = self._make_environment(dags_folder, connections or {})
        self._environment |= settings or {}

    def _make_environment(
        self, dags_folder: Path, connections: Mapping[str, Mapping[str, Any]]
    ) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
        return {
            **inherited,
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__SECRET_KEY": secrets.token_hex(16),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__CORE__AUTH_MANAGER": (
                "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
            # The forms read Variables when a DAG is parsed, and a busy machine is slow to answer.
            "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "200",
            "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "240",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            # A worker that asks twice because a busy machine was slow to answer is told that its task runs already.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "PYTHONUNBUFFERED": "1",
            **{
                f"AIRFLOW_CONN_{name.upper()}": json.dumps(dict(value)) for name, value in connections.items()
            },
        }

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(keep_home=kind is not None and "KEEP_AIRFLOW_HOME" in os.environ)

    def start(self) -> None:
        """Make the database, start the four components, wait until all of them are healthy."""
        port = self.url.rpartition(":")[2]
        self._environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = self._start_database()
        migration = self.airflow("db", "migrate")
        if migration.returncode:
            raise AirflowTroubleError(
                f"airflow db migrate failed:\n{migration.stdout[-2000:]}{migration.stderr[-2000:]}"
            )
        self._commands = {
            "api-server": ("api-server", "--host", "127.0.0.1", "--port", port, "--workers", "1"),
            "scheduler": (
                "scheduler",
                "--skip-serve-logs",
            ),
            "triggerer": (
                "triggerer",
                "--skip-serve-logs",
            ),
            "dag-processor": ("dag-processor",),
        }
        for name in self._commands:
            self.spawn(name)
        self.wait_for(self._healthy, "all of its components healthy", START_SECONDS)

    def _start_database(self) -> str:
        """Start what Airflow keeps its state in, and return its URL.

        On PostgreSQL where it is installed, as in CI and as Airflow is run in earnest. SQLite, for a demo elsewhere,
        locks whole and refuses who waits too long: on a busy machine a component now and then finds it locked.
        """
        if self._postgres is None:
            return f"sqlite:///{self.home}/airflow.db?timeout=60"
        self._postgres.start()
        return self._postgres.url

    def airflow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command of Airflow's CLI in this Airflow's home."""
        command = [self.python, "-m", "airflow", *arguments]
        return subprocess.run(
            command, env=self._environment, cwd=self.home, capture_output=True, text=True, check=False
        )

    def spawn(self, name: str, **settings: str) -> None:
        """Start one component, with further ``AIRFLOW__SECTION__KEY`` environment variables if need be."""
        with (self.home / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [self.python, "-m", "airflow", *self._commands[name]],
                env=self._environment | settings,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A Ctrl-C in the terminal must reach us alone, so that we end the components in order.
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """Kill one component and all that it had started, as a machine that fails does."""
        process = psutil.Process(self.processes.pop(name).pid)
        for each in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        process.wait(timeout=30)

    def end(self, name: str) -> None:
        """Ask one component to end."""
        end_process_trees(self.processes.pop(name))

    def _healthy(self) -> bool:
        for name, process in self.processes.items():
            if process.poll() is not None:
                raise AirflowTroubleError(
                    f"airflow {name} ended with {process.returncode}:\n{self.component_log(name)}"
                )
        try:
            health = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
            self._session.headers["Authorization"] = f"Bearer {self.token()}"
        except (requests.RequestException, ValueError, KeyError):
            return False
        return all((health.get(name) or {}).get("status") == "healthy" for name in COMPONENTS)

    def answers(self) -> bool:
        """Tell whether the API server answers."""
        try:
            return self._session.get(f"{self.url}/api/v2/version", timeout=5).ok
        except requests.RequestException:
            return False

    def token(self) -> str:
        """Ask for a token, as a user who may do everything."""
        return str(self._session.get(f"{self.url}/auth/token", timeout=5).json()["access_token"])

    def component_log(self, name: str) -> str:
        """Return the end of what a component printed."""
        return (self.home / f"{name}.log").read_text(errors="replace")[-3000:]

    def wait_for(self, condition: Callable[[], Any], what: str, seconds: float, pause: float = 0.5) -> Any:
        """Ask until the answer is true, and return it.

        :raises AirflowTroubleError: it did not become true in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := condition():
                return answer
            time.sleep(pause)
        logs = "\n".join(f"--- {name}\n{self.component_log(name)}" for name in self.processes)
        raise AirflowTroubleError(f"Airflow did not have {what} within {seconds:.0f} s.\n{logs}")

    def api(self, method: str, path: str, **body: Any) -> Any:
        """Call the public REST API below ``/api/v2`` and return its JSON."""
        response = self._session.request(method, f"{self.url}/api/v2/{path}", json=body or None, timeout=90)
        if not response.ok:
            raise AirflowTroubleError(
                f"{method} {path} answered {response.status_code}: {response.text[:1000]}"
            )
        return response.json() if response.content else None

    def unpause(self, dag_id: str) -> None:
        """Wait until a DAG has been parsed, then switch it on."""
        self.wait_for(lambda: self._parsed(dag_id), f"the DAG {dag_id}", 300)
        self.api("PATCH", f"dags/{dag_id}", is_paused=False)

    def _parsed(self, dag_id: str) -> bool:
        errors = self.api("GET", "importErrors")["import_errors"]
        if errors:
            raise AirflowTroubleError(
                f"{errors[0]['filename']} cannot be imported:\n{errors[0]['stack_trace']}"
            )
        return any(dag["dag_id"] == dag_id for dag in self.api("GET", "dags")["dags"])

    def pause(self, dag_id: str) -> None:
        """Switch a DAG off."""
        self.wait_for(lambda: self._parsed(dag_id), f"the DAG {dag_id}", 300)
        self.api("PATCH", f"dags/{dag_id}", is_paused=True)

    def parse_again(self, dag_id: str) -> None:
        """Have a DAG's file parsed now: only then does Airflow start, or end, what watches its assets."""
        self.api("PUT", f"parseDagFile/{self.api('GET', f'dags/{dag_id}')['file_token']}")

    @contextlib.contextmanager
    def started_by_landing(self, dag_id: str, *, paused: str) -> Iterator[None]:
        """Let what lands start a DAG while the ``with`` block lasts.

        Airflow starts none by itself before and afterwards. Meanwhile every schedule fires: the DAG that has one
        and is switched on is paused, and stays so.
        """
        self.pause(paused)
        self.end("scheduler")
        self.spawn("scheduler", AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE="True")
        self.unpause(dag_id)
        self.parse_again(dag_id)
        try:
            yield
        finally:
            self.pause(dag_id)
            self.parse_again(dag_id)
            self.end("scheduler")
            self.spawn("scheduler")

    def runs(self, dag_id: str) -> list[dict[str, Any]]:
        """Return the runs of a DAG, oldest first."""
        runs: list[dict[str, Any]] = self.api("GET", f"dags/{dag_id}/dagRuns?order_by=run_after&limit=100")[
            "dag_runs"
        ]
        return runs

    def set_variable(self, name: str, value: str) -> None:
        """Set an Airflow Variable, as its page in the UI does."""
        create = {
            "action": "create",
            "entities": [{"key": name, "value": value}],
            "action_on_existence": "overwrite",
        }
        if errors := self.api("PATCH", "variables", actions=[create])["create"]["errors"]:
            raise AirflowTroubleError(f"The Variable {name} cannot be set: {errors}")

    def trigger(self, dag_id: str, **form: Any) -> str:
        """Start a run as the UI's form does, and return its id."""
        return str(self.api("POST", f"dags/{dag_id}/dagRuns", logical_date=None, conf=form)["dag_run_id"])

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Have a task of a run tried again, as *Clear* in the UI does."""
        self.api(
            "POST",
            f"dags/{dag_id}/clearTaskInstances",
            dry_run=False,
            dag_run_id=run_id,
            task_ids=[task_id],
            only_failed=False,
            reset_dag_runs=True,
        )

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Tell the state of one run."""
        return str(self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 180) -> str:
        """Wait until a run is over, and return its state; print why, if it failed."""
        self.wait_for(
            lambda: self.run_state(dag_id, run_id) in FINISHED, f"the end of {dag_id} {run_id}", seconds
        )
        state = self.run_state(dag_id, run_id)
        if state == "failed":
            self._print_failures(dag_id, run_id)
        return state

    def _print_failures(self, dag_id: str, run_id: str) -> None:
        """Print what a run's tasks came to and the log of each that failed; pytest shows it with a failure."""
        print(f"{dag_id} {run_id} failed: {self.states(dag_id, run_id)}")
        for task in self.tasks(dag_id, run_id):
            if task["state"] == "failed":
                name, index, tries = task["task_id"], task["map_index"], max(task["try_number"], 1)
                log = self.log(dag_id, run_id, name, try_number=tries, map_index=index)
                print(f"--- {name}[{index}] try {tries}\n{log[-6000:]}")
        print(f"--- scheduler\n{self.component_log('scheduler')}")

    def wait_for_worker_to_leave(self, run_id: str, task_id: str) -> None:
        """Wait until the scheduler knows that the worker of a task that waits has ended.

        A task that is woken before that fails, as "finished with state success, but the task instance's state
        attribute is queued": the scheduler learns of an end up to some seconds late on a busy machine.
        """
        event = re.compile(rf"Received executor event .* task_id='{task_id}', run_id='{re.escape(run_id)}'")
        log = self.home / "scheduler.log"
        self.wait_for(
            lambda: event.search(log.read_text(errors="replace")), f"the end of {task_id}'s worker", 120
        )

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return the task instances of a run, mapped ones included, in the order of task and map index."""
        found = self.api("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=200")["task_instances"]
        return sorted(found, key=lambda task: (task["task_id"], task["map_index"]))

    def states(self, dag_id: str, run_id: str) -> dict[str, list[str]]:
        """Return the states of a run's tasks: task id to one state for each map index."""
        states: dict[str, list[str]] = {}
        for task in self.tasks(dag_id, run_id):
            states.setdefault(task["task_id"], []).append(str(task["state"]))
        return states

    def xcom(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """Return what a task returned."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        return self.api("GET", f"{path}?map_index={map_index}&deserialize=false&stringify=false")["value"]

    def reports(self, dag_id: str, run_id: str, task_id: str = "push_export") -> list[dict[str, Any]]:
        """Return the reports of the exports that a task has pushed, in the order of their turns."""
        pushed = self.xcom(dag_id, run_id, task_id)["exports"]
        return [json.loads(Path(each["report_path"]).read_text("utf-8")) for each in pushed]

    def log(self, dag_id: str, run_id: str, task_id: str, *, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try of a task, one line for each event."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        content = self.api("GET", f"{path}?map_index={map_index}&full_content=true")["content"]
        return "\n".join(
            json.dumps(line, ensure_ascii=False) if isinstance(line, dict) else line for line in content
        )

    def stop(self, *, keep_home: bool = False) -> None:
        """End every process that was started, and remove the home."""
        end_process_trees(*self.processes.values())
        self.processes.clear()
        self._session.close()
        if self._postgres is not None:
            self._postgres.stop()
        if not keep_home:
            shutil.rmtree(self.home, ignore_errors=True)
