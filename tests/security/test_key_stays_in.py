"""A push meets every failure of the fault matrix, and some that shout the API key back: the key is nowhere afterwards.

Airflow's own secrets masker is switched off meanwhile: it is the second line, and not what is tested here.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk import DAG

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.hooks import braze as hook_module
from airflow_provider_braze.hooks import calls
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.users_track.delivery import lookup, sender
from tests.connections import connect
from tests.reliability import matrix, pushing
from tests.reliability.landed import BLOCKED_OPTIONS, MAPPING, land
from tests.sandbox_process import SandboxProcess
from tests.security.where import Everything, files_with, process_texts, texts_of

KEY = "3f9a-very-secret-key-0815"
ALWAYS = matrix.ALWAYS


@pytest.fixture(scope="module")
def workspace() -> Iterator[SandboxProcess]:
    with SandboxProcess(*BLOCKED_OPTIONS, key=KEY) as process:
        yield process


class Watched:
    """Everything that a push says, beside the files that it writes."""

    def __init__(self) -> None:
        self.handler = Everything()
        self.texts: list[str] = []

    def push(self, export: str, **given: Any) -> tuple[dict[str, Any] | None, BaseException | None]:
        """Push as a task does: rendered first; keep what it returns, leaves and raises."""
        ti = pushing.TaskInstance()
        context: Any = {"ti": ti, "params": {}}
        with DAG("d", schedule=None):
            operator = BrazeUserTrackOperator(
                task_id="push", export=export, **{"mapping": MAPPING, "max_rejected": 10**9, **given}
            )
        operator.render_template_fields(context)
        report: dict[str, Any] | None = None
        error: BaseException | None = None
        try:
            report = operator.execute(context)
        except Exception as raised:
            error = raised
        self.texts += [repr(report), repr(ti.pushed), *texts_of(error), repr(vars(operator)), process_texts()]
        self.texts += [repr(getattr(operator, name)) for name in operator.template_fields]
        return report or ti.pushed.get("report"), error

    def call(self, hook: BrazeHook, function: Callable[[BrazeHook], Any]) -> BaseException | None:
        """Call the hook; keep what it returns and raises."""
        error: BaseException | None = None
        try:
            self.texts.append(repr(function(hook)))
        except Exception as raised:
            error = raised
        self.texts += [*texts_of(error), repr(hook), process_texts()]
        return error


@pytest.fixture
def watched(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Watched]:
    """Watch, and at the end look for the key."""
    monkeypatch.setattr(matrix, "RECORDS", 60)
    monkeypatch.setattr(hook_module, "mask_secret", lambda _: None)
    monkeypatch.setattr(calls, "_FIRST_PAUSE", 0.001)
    watching, root = Watched(), logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("", "asyncio", "urllib3", "requests")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    root.addHandler(watching.handler)
    try:
        yield watching
    finally:
        root.removeHandler(watching.handler)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    printed = capfd.readouterr()
    said = [*watching.texts, *watching.handler.texts, printed.out, printed.err]
    assert any(said)
    assert [text for text in said if KEY in text] == []
    assert files_with(KEY, tmp_path) == []


@pytest.mark.parametrize("case", matrix.cases(), ids=lambda case: case.name)
def test_in_each_failure_of_the_matrix(
    watched: Watched,
    workspace: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    case: matrix.Case,
) -> None:
    monkeypatch.setattr(pushing, "push", watched.push)
    # Those of TLS start one of their own.
    monkeypatch.setattr(matrix, "SandboxProcess", functools.partial(SandboxProcess, key=KEY))
    met = matrix.meet(case, workspace, tmp_path, short=True)
    watched.texts += [f"{met.report} {met.said} {met.profiles}"]
    assert met.error == case.error
    assert met.wrong == []


SHOUTS = [
    {
        "status": status,
        "text": text,
        "headers": {"Location": f"https://{KEY}.example/{KEY}", "Retry-After": KEY},
    }
    for status in (201, 202, 307, 400, 401, 403, 404, 415, 422, 503)
    for text in (
        f'{{"message": "Invalid API key: {KEY}"}}',
        f'{{"message": "success", "errors": [{{"type": "{KEY}", "{KEY}": ["{KEY}"]}}, "{KEY}"]}}',
        f'{{"message": "success", "errors": [{{"type": "no {KEY}", "input_array": "attributes", "index": 0}}]}}',
        f"<html>{KEY}</html>",
    )
]
"""Answers that hold the key, wherever one could stand; Braze's own 401 does."""


@pytest.mark.parametrize("fault", SHOUTS, ids=lambda fault: f"{fault['status']} {fault['text'][:24]}")
@pytest.mark.parametrize("path", ["/users/track", "/users/export/ids"])
def test_in_an_answer_that_holds_it(
    watched: Watched,
    workspace: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    fault: dict[str, Any],
    path: str,
) -> None:
    for module in (sender, lookup):
        monkeypatch.setattr(module, "_FIRST_BACKOFF", 0.001)
    workspace.reset()
    connect(monkeypatch, workspace, objects_per_request=20)
    landed = land(tmp_path, 20, random.Random(5))
    workspace.fault(**fault, path=path, count=ALWAYS)
    looks_up = {"confirm": True, "mode": "append"} if path != "/users/track" else {}
    report, error = watched.push(str(landed.path), **looks_up)
    assert report is not None
    assert report["failed"] or error is None or report["error"]
    hook = BrazeHook()
    watched.call(hook, lambda hook: hook.track_users([{"external_id": "U1", "x": 1}]))
    error = watched.call(hook, lambda hook: hook.export_users(["U1"]))
    assert error is None or isinstance(error, BrazeError)
    watched.call(hook, lambda hook: hook.test_connection())


@pytest.mark.parametrize(
    "kind", ["drop", "reset", "cut", "invalid_json", "wrong_counts", "errors_without_index"]
)
def test_in_the_hooks_own_calls(
    watched: Watched, workspace: SandboxProcess, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    workspace.reset()
    connect(monkeypatch, workspace)
    workspace.fault(kind=kind, count=ALWAYS)
    for call in (
        lambda hook: hook.track_users([{"external_id": "U1", "x": 1}]),
        lambda hook: hook.export_users(["U1"]),
        lambda hook: hook.run("/users/identify", {}).status_code,
        lambda hook: hook.test_connection(),
    ):
        error = watched.call(BrazeHook(), call)
        assert error is None or isinstance(error, BrazeError)


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "https://rest.braze.invalid", "https://127.0.0.1:1"])
def test_where_nobody_answers(watched: Watched, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    connect(monkeypatch, host=host, key=KEY)
    error = watched.call(BrazeHook(), lambda hook: hook.track_users([{"external_id": "U1", "x": 1}]))
    assert isinstance(error, BrazeError)
    watched.call(BrazeHook(), lambda hook: hook.test_connection())


@pytest.mark.parametrize(
    "host", ["https://user:{key}@rest.example", "https://rest.example/{key}", "{key}://x"]
)
def test_where_it_was_filled_into_the_wrong_field(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str
) -> None:
    connect(monkeypatch, host=host.format(key=KEY), key=KEY)
    _, error = watched.push(str(land(tmp_path, 1, random.Random(5)).path))
    assert error is not None


@pytest.mark.parametrize("kind", ["a file is in its place", "a pipe is in its place"])
def test_when_the_reports_folder_cannot_be_written(
    watched: Watched, workspace: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    workspace.reset()
    connect(monkeypatch, workspace)
    folder = tmp_path / "reports"
    os.mkfifo(folder) if kind == "a pipe is in its place" else folder.write_text("x")
    landed = land(tmp_path, 5, random.Random(5))
    _, error = watched.push(str(landed.path), reports_path=str(folder))
    assert "reports folder" in str(error)


def test_no_cell_is_in_a_log_a_report_or_an_exception(
    watched: Watched,
    workspace: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Records that we refuse, that Braze refuses and quotes, that were not sent: cells are in the rejects file only."""
    workspace.reset()
    connect(monkeypatch, workspace)
    odd = {"type": "'Gwendolyn' is odd", "input_array": "attributes", "index": 0}
    quoted = json.dumps({"message": "success", "errors": [odd]})
    workspace.faults({"status": 201, "text": quoted}, {"status": 403, "count": ALWAYS})
    path = tmp_path / "Braze Append" / "Offer" / "8828" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text(
        "external_id,first_name,country,income\n1,Gwendolyn,,\n2,Gwendolyn,Gwendolyn,\n3,Gwendolyn,,Gwendolyn\n"
        '4,Gwendolyn\n5,"Gwendolyn"x,,\n,Gwendolyn,,\n'
    )
    for given in ({}, {"dry_run": True}, {}):
        report, _ = watched.push(str(path), **given)
        assert report is not None
        assert report["failed"]
    printed = "".join(capfd.readouterr())
    said = [*watched.texts, *watched.handler.texts, printed]
    assert (
        "Gwendolyn" in workspace.control("GET", "/sandbox/requests")[0]["body"]["attributes"][0]["first_name"]
    )
    assert [text for text in said if "Gwendolyn" in text] == []
    assert {file.name for file in files_with("Gwendolyn", tmp_path)} == {"rejects.csv", path.name}


def test_the_search_finds_what_is_there(tmp_path: Path, workspace: SandboxProcess) -> None:
    """The searching itself is tested: an exception's chain, a request's headers, files, logs, and the command line."""
    request = requests.Request("POST", "http://x", headers={"Authorization": f"Bearer {KEY}"}).prepare()
    error = BrazeError("clean")
    error.__context__ = requests.ConnectionError("no", request=request)
    assert any(KEY in text for text in texts_of(error))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"\0" + KEY.encode())
    assert files_with(KEY, tmp_path) == [tmp_path / "deep" / "log"]
    handler = Everything()
    handler.handle(logging.LogRecord("x", logging.DEBUG, "", 1, "a %s", (KEY,), None))
    assert KEY in handler.texts[0]
    assert KEY in Path(f"/proc/{workspace.pid}/cmdline").read_text()
    assert "pytest" in process_texts() or "python" in process_texts()
