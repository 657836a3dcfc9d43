"""One run of a DAG by an Airflow of its own: a process, a home and a database that nothing else has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_PATIENCE = 500
"""Seconds; one alone takes some twenty."""

_BEGIN = """
import runpy, subprocess, sys

subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=True)
dag = runpy.run_path(sys.argv[1])["dag"]
"""


def run_dag(file: Path, program: str, home: Path, **environment: str) -> str:
    """Run a program that has the ``dag`` of a file, and give what it printed.

    :param file: of the DAG; what lies beside it can be imported.
    :param program: calls ``dag.test()``, and prints what the test looks at.
    :param home: a folder for Airflow, and where the program runs.
    :param environment: what there is besides; nothing of this process's own Airflow is.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    own = {
        "AIRFLOW_HOME": str(home / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(file.parent),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(file.parent), os.environ.get("PYTHONPATH")])),
    }
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + program, str(file)],
        cwd=home,
        env=inherited | own | environment,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout
