"""What both demos stand on: the sandbox, a base path, and an Airflow that knows both."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tests.samples import EXPORTS, land_decoys
from tests.sandbox_process import SandboxProcess
from tests.system.real_airflow import RealAirflow

DAG_ID = "redpoint_to_braze"
SETTLE_SECONDS = 5
"""RPI's shares need longer; here every byte is written by this very machine."""

_started = time.monotonic()


def say(text: str) -> None:
    """Print one line of progress with the seconds since the start."""
    print(f"[{time.monotonic() - _started:4.0f} s] {text}", flush=True)


@dataclass(frozen=True)
class Stage:
    """A running sandbox and Airflow, and the base path both demos land exports below."""

    sandbox: SandboxProcess
    airflow: RealAirflow
    base_path: Path


@contextmanager
def stage(*, port: int | None = None, scheduled: bool) -> Iterator[Stage]:
    """Start everything, and end every process and remove every file of it afterwards.

    :param port: port of Airflow's UI; a free one if not given.
    :param scheduled: whether the DAG also runs by its schedule.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    with ExitStack() as stack:
        base_path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="redpoint-exports-")))
        sandbox = stack.enter_context(SandboxProcess())
        say(f"The sandbox, our stand-in for a Braze workspace, listens on {sandbox.url}")
        connection = {"conn_type": "braze", "host": sandbox.url, "password": sandbox.key}
        say(
            "Starting Airflow: database, API server, scheduler, triggerer, DAG processor (about a minute) ..."
        )
        airflow = stack.enter_context(
            RealAirflow(
                connections=dict.fromkeys(("braze_default", "braze_sandbox", "braze_prod"), connection),
                port=port,
                settings={"AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": str(scheduled)},
            )
        )
        airflow.set_variable("redpoint_base_path", str(base_path))
        airflow.set_variable("redpoint_settle_seconds", str(SETTLE_SECONDS))
        airflow.unpause(DAG_ID)
        say(f"Airflow is up on {airflow.url}")
        try:
            yield Stage(sandbox, airflow, base_path)
        finally:
            # A second Ctrl-C must not leave half of the processes behind.
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            say("Stopping everything ...")


def land_samples(base_path: Path, *, but: int | None = None) -> None:
    """Land the sample exports a minute apart, the newest a minute ago, and the files beside them that are none."""
    now = time.time()
    for age, export in enumerate(reversed(EXPORTS), start=1):
        if export.execution_id != but:
            export.land(base_path, modified=now - 60 * age)
    land_decoys(base_path, modified=now - 60)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
