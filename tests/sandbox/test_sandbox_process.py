from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from tests.sandbox.raw import track
from tests.sandbox_process import ROOT, SandboxProcess
from tests.waiting import until

COMMAND = [sys.executable, "-m", "airflow_provider_braze.sandbox"]


def test_it_is_ready_when_it_says_so():
    with SandboxProcess() as process:
        assert process.url == f"http://127.0.0.1:{process.port}"
        socket.create_connection(("127.0.0.1", process.port), timeout=1).close()


def _ask(process: SandboxProcess) -> None:
    with contextlib.suppress(OSError):
        track(process, {"external_id": "a"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_and_quickly_even_while_a_client_waits(number):
    with SandboxProcess() as process:
        process.fault(kind="hang")
        waiting = threading.Thread(target=_ask, args=(process,))
        waiting.start()
        until(lambda: process.stats()["in_flight"] == 1)
        os.kill(process.pid, number)
        # It waits ten seconds for the end, and a hanging request would last an hour.
        assert process.close() == 0
        waiting.join()


def test_it_prints_one_line_only_and_nothing_else():
    process = subprocess.Popen(
        [*COMMAND, "--api-key", "k"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    process.terminate()
    rest, errors = process.communicate(timeout=10)
    assert line.startswith("Braze sandbox listening on http://127.0.0.1:")
    assert (rest, errors, process.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--api-key"),
        (["--api-key", "k", "--rate", "fast"], "'fast'"),
        (["--api-key", "k", "--limited-key", "k2:users.nonsense"], "users.track"),
        (["--api-key", "k", "--lag", "-1"], "--lag"),
    ],
)
def test_a_wrong_option_is_named(arguments, named):
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == 2
    assert named in done.stderr


def test_a_taken_port_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--api-key", "k", "--port", port], capture_output=True, text=True, cwd=ROOT, timeout=30
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert port in done.stderr


def test_it_imports_nothing_of_airflow():
    code = "import sys, airflow_provider_braze.sandbox.__main__; sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=30).returncode == 0


def test_a_blocked_user_is_refused_and_the_others_are_not():
    with SandboxProcess("--blocked-user", "ada", "--blocked-user", "bo") as sandbox:
        reply = track(sandbox, {"external_id": "ada"}, {"external_id": "cy"}, {"external_id": "bo"})
        assert [(entry["index"], entry["type"]) for entry in reply.json["errors"]] == [
            (0, "provided external_id is blacklisted and disallowed"),
            (2, "provided external_id is blacklisted and disallowed"),
        ]
        assert list(sandbox.profiles()) == ["cy"]


def test_it_ends_with_whoever_started_it_however_that_ends() -> None:
    starter = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from airflow_provider_braze.sandbox.testing import SandboxProcess; import signal\n"
            "with SandboxProcess() as sandbox: print(sandbox.port, flush=True); signal.pause()",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert starter.stdout is not None
    port = int(starter.stdout.readline())
    starter.kill()
    starter.wait(30)
    starter.stdout.close()

    def refused() -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) != 0

    until(refused)
