"""The reports folder is full, read-only or gone: the push says so, and neither its outcomes nor its report are lost.

On a real file system of its own where this user may mount one, and in a process that may only write small files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import ReportError
from tests.reports import check
from tests.sandbox_process import ROOT, SandboxProcess

HEADER = "RPContactID,ChannelExecutionID,external_id,first_name,zip\n"

_MAY_MOUNT = not subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode

PUSH = """
import json, os, resource, subprocess, sys
from airflow_provider_braze.exceptions import BrazeError
from tests.jobs import export_push
from airflow_provider_braze.users_track.transport.workspace import Workspace

export, folder, url, key, kind = sys.argv[1:]
where = Workspace(endpoint=url, api_key=key, max_in_flight=1)

def sh(*command):
    subprocess.run(command, check=True)

def told(_):
    # Everything is sent, and the report not yet written.
    global kind
    if kind == "read-only":
        sh("mount", "-o", "remount,ro", folder)
    elif kind == "gone":
        sh("umount", "-l", folder)
    kind = ""

if kind in ("full", "full before", "read-only", "gone"):
    sh("mount", "-t", "tmpfs", "-o", "size=16k", "none", folder)
    if kind == "full before":
        sh("sh", "-c", f"head -c 20000 /dev/zero > '{folder}/filler' || true")
elif kind == "small":
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))
push = export_push(export=export, workspace=where, braze_conn_id="b", run="r", reports_path=folder, progress=told)
try:
    report, error = push.execute(), None
except BrazeError as raised:
    report, error = raised.report, raised
left = [os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names]
print(json.dumps({"report": report, "error": type(error).__name__, "said": str(error), "left": left}))
"""


def push(tmp_path: Path, sandbox: SandboxProcess, kind: str, text: str) -> dict[str, Any]:
    """Push in a process of its own, whose mounts nobody else sees."""
    export = tmp_path / "rpi" / "Braze Onboarding and Upsert" / "Offer" / "1" / "RPI_Export_5719.txt"
    export.parent.mkdir(parents=True)
    export.write_text(HEADER + text)
    folder = tmp_path / "reports"
    folder.mkdir()
    command = [sys.executable, "-c", PUSH, str(export), str(folder), sandbox.url, sandbox.key, kind]
    if kind != "small":
        command = ["unshare", "-m", *command]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def good(count: int) -> str:
    return "".join(f"{n},5719,U{n},Ann,0{n}\n" for n in range(count))


def bad(count: int) -> str:
    return "".join(f"{n},5719,B{n},{'x' * 200}\n" for n in range(count))


needs_mounts = pytest.mark.skipif(not _MAY_MOUNT, reason="this user may not mount a file system")


@needs_mounts
def test_full_while_rejects_are_written(tmp_path: Path, sandbox: SandboxProcess) -> None:
    told = push(tmp_path, sandbox, "full", good(7000) + bad(2000))
    assert told["error"] == "RejectsError"
    assert "No space left on device" in told["said"]
    report = told["report"]
    assert report["status"] == "partial"
    assert report["accepted"] == len(sandbox.profiles()) > 0
    check(report, **{name: report[name] for name in ("records", "accepted", "invalid", "not_sent")})
    assert not [name for name in told["left"] if name.startswith("pushed")]


@needs_mounts
def test_full_before_anything_is_sent(tmp_path: Path, sandbox: SandboxProcess) -> None:
    told = push(tmp_path, sandbox, "full before", good(80))
    assert (told["error"], told["report"]) == ("ReportError", None)
    assert "is full (No space left on device): make room" in told["said"]
    assert sandbox.stats()["requests"] == 0
    assert told["left"] == ["filler"]


@needs_mounts
@pytest.mark.parametrize(("kind", "said"), [("read-only", "Read-only file system"), ("gone", "No such file")])
def test_lost_while_it_is_pushed(tmp_path: Path, sandbox: SandboxProcess, kind: str, said: str) -> None:
    told = push(tmp_path, sandbox, kind, good(80))
    assert (told["error"], said in told["said"]) == ("ReportError", True)
    check(told["report"], status="complete", records=80, accepted=80, report_path=None)
    # Without its marker the export is offered again; and nothing is written where the share was.
    assert told["left"] == []


@pytest.mark.parametrize(
    ("text", "error", "status", "counts"),
    [
        (good(80), "ReportError", "complete", {"accepted": 80}),
        (good(80) + bad(3), "RejectsError", "partial", {"accepted": 80, "invalid": 3}),
    ],
)
def test_no_room_for_what_is_written_at_the_end(
    tmp_path: Path, sandbox: SandboxProcess, text: str, error: str, status: str, counts: dict[str, int]
) -> None:
    told = push(tmp_path, sandbox, "small", text)
    assert (told["error"], "File too large" in told["said"]) == (error, True)
    report = told["report"]
    assert report["records"] == 80 + counts.get("invalid", 0)
    assert {name: report[name] for name in counts} == counts
    assert report["status"] == status
    assert report["rejects_path"] is None
    assert not [name for name in told["left"] if name.startswith("pushed")]


def test_the_error_is_ours_and_can_be_retried() -> None:
    assert ReportError("x").retryable
