"""One try of a task in a process of its own, with a task state store that outlives it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from airflow_provider_braze.airflow_compat import AirflowFailException
from tests.reliability import pushing

try:
    from airflow.sdk.exceptions import TaskDeferred
except ImportError:  # Airflow 3.1
    from airflow.exceptions import TaskDeferred

KILLED_AFTER = 5.0
"""Seconds after a SIGTERM in which a task must be done with it, before Airflow kills it."""


class Store:
    """Stands for Airflow's task state store: what is set stays, whatever becomes of the worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return json.loads((self._folder / key).read_text())
        except FileNotFoundError:
            return default

    def set(self, key: str, value: Any, **_: Any) -> None:
        assert value is not None
        temporary = self._folder / f".{key}.{os.getpid()}"
        temporary.write_text(json.dumps(value))
        temporary.replace(self._folder / key)

    def delete(self, key: str) -> None:
        (self._folder / key).unlink(missing_ok=True)

    def keys(self) -> list[str]:
        return [path.name for path in self._folder.iterdir() if not path.name.startswith(".")]


class Try:
    """A started try.

    :param export: the export to push; None: rows, which are in ``given``.
    :param home: folder of the task, with its state store.
    :param number: which try it is.
    :param environment: the connection.
    :param given: further parameters of the operator.
    :param deferral: what the same try left when it was deferred.
    """

    def __init__(
        self,
        export: Path | None,
        home: Path,
        number: int,
        environment: dict[str, str],
        given: dict[str, Any],
        deferral: dict[str, Any] | None = None,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.told_at = home / f"try{number}.json"
        self.told_at.unlink(missing_ok=True)
        self.process = multiprocessing.get_context("fork").Process(
            target=_work,
            args=(export, home, number, self.told_at, environment, given, deferral),
            # It does not outlive the soak.
            daemon=True,
        )
        self.process.start()

    def kill(self, number: int) -> None:
        """Send a signal to this very process."""
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, number)

    def told(self) -> dict[str, Any] | None:
        """What it told before it ended: ``state``, ``report``, ``said``, ``deferral``; None when it was killed."""
        self.process.join()
        self.process.close()
        try:
            told: dict[str, Any] = json.loads(self.told_at.read_text())
        except FileNotFoundError:
            return None
        return told


def _log_into(path: Path) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)


def _work(
    export: Path | None,
    home: Path,
    number: int,
    told_at: Path,
    environment: dict[str, str],
    given: dict[str, Any],
    deferral: dict[str, Any] | None,
) -> None:
    _log_into(home / f"try{number}.log")
    os.environ.update(environment)
    task = pushing.operator(export and str(export), **given)
    # As Airflow's own task runner does.
    signal.signal(signal.SIGTERM, lambda *_: task.on_kill())
    ti = pushing.TaskInstance(try_number=number)
    context: Any = {"ti": ti, "task_state_store": Store(home / "state")}
    told: dict[str, Any] = {"state": "success", "said": ""}
    try:
        if deferral is None:
            told["report"] = task.execute(context)
        else:
            told["report"] = getattr(task, deferral["method"])(context, None, **deferral["kwargs"])
    except TaskDeferred as deferred:
        moment = deferred.trigger.moment.timestamp()  # type: ignore[attr-defined]
        told["state"] = "deferred"
        told["deferral"] = {"method": deferred.method_name, "kwargs": deferred.kwargs, "until": moment}
    except BaseException as error:
        told["state"] = "failed" if isinstance(error, AirflowFailException) else "up_for_retry"
        told |= {"said": f"{type(error).__name__}: {error}", "report": ti.pushed.get("report")}
    temporary = told_at.with_suffix(".part")
    temporary.write_text(json.dumps(told))
    temporary.replace(told_at)
    # Past the clean-up of the process that it was forked from.
    os._exit(0)
