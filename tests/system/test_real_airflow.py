from __future__ import annotations

import subprocess
import sys

import psutil

from tests.system.real_airflow import end_process_trees

# Ignores SIGTERM, as a busy worker may, and has a child in a session of its own.
STUBBORN = """
import signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("ready", flush=True)
signal.pause()
"""


def test_nothing_that_was_started_is_left_behind() -> None:
    root = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert root.stdout is not None
    with root.stdout as output:
        output.readline()
    (child,) = psutil.Process(root.pid).children()

    end_process_trees(root, grace=0.2)

    assert root.returncode is not None
    assert not child.is_running()
