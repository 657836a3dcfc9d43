"""Import it before anything of Airflow: a home of its own, that goes when the process does, unless one is set."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_HERE = os.getpid()


def _remove(folder: str) -> None:
    # Not at the end of a worker, which was forked from the process whose home it is.
    if os.getpid() == _HERE:
        shutil.rmtree(folder, ignore_errors=True)


if "AIRFLOW_HOME" not in os.environ:
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-reliability-")
    atexit.register(_remove, os.environ["AIRFLOW_HOME"])
