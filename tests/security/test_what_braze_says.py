"""Braze quotes a record in every writing that one can think of: what of it is not in a rejects file is nowhere else."""

from __future__ import annotations

import base64
import html
import json
import logging
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.exceptions import BrazeRequestError
from airflow_provider_braze.hooks.braze import BrazeHook
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.connections import connect
from tests.reliability import pushing
from tests.sandbox_process import SandboxProcess
from tests.security.where import Everything

NAME, EMAIL = "Gwendolyn Ó'Quilty & Zorn", "gwendolyn+1@quilty.example"
PIECES = ("wendol", "quilty", "zorn", NAME.encode().hex(), base64.b64encode(NAME.encode()).decode()[:12])
"""What no log, report or error may hold, in any case of its letters."""

WRITINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "upper case": str.upper,
    "HTML": html.escape,
    "numbers of HTML": lambda text: "".join(f"&#{ord(c)};" if not c.isalnum() else c for c in text),
    "percent": urllib.parse.quote,
    "a query": urllib.parse.quote_plus,
    "escapes": lambda text: text.encode("unicode_escape").decode(),
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)),
    "cut off": lambda text: text[:11],
    "its end": lambda text: text[-11:],
    "another encoding": lambda text: text.encode().decode("cp1252"),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
}

EXPORT = f'external_id,first_name,email\nP1,"{NAME}",{EMAIL}\nP2,Ann,ann@example.com\n'


def answers(writing: Callable[[str], str]) -> Iterator[dict[str, Any]]:
    for text in (f"'{writing(NAME)}' is odd", f"{writing(EMAIL)}: Access Denied for {writing(NAME)}"):
        for status in (403, 404, 415):
            yield {"status": status, "text": json.dumps({"message": text})}
            yield {"status": status, "text": json.dumps({"error": text})}
        for status in (400, 413, 422):
            yield {"status": status, "text": json.dumps({"message": text, "errors": [{"type": text}]})}
        named = {"type": text, "input_array": "attributes", "index": 0}
        for error in (named, {"type": text}, {"message": text}, text):
            yield {"status": 201, "text": json.dumps({"message": "success", "errors": [error]})}
        yield {"status": 201, "text": json.dumps({"message": text})}
        yield {"status": 201, "text": json.dumps({"error": text})}
        yield {"status": 503, "text": json.dumps({"message": text})}


def leaks(*texts: str) -> list[str]:
    return [text for text in texts if any(piece.lower() in text.lower() for piece in PIECES)]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.texts
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("name", WRITINGS)
def test_no_writing_of_a_value_gets_out(
    sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    logged: list[str],
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    connect(monkeypatch, sandbox)
    path = tmp_path / "Braze Append" / "Offer" / "8828" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text(EXPORT)
    said: list[str] = []
    quoted = 0
    for fault in answers(WRITINGS[name]):
        if fault["status"] != 503:
            sandbox.fault(**fault, count=100)
            ti = pushing.TaskInstance()
            operator = BrazeUserTrackOperator(task_id="push", export=str(path), max_rejected=10**9)
            try:
                operator.execute({"ti": ti, "params": {}})  # type: ignore[typeddict-item]
            except Exception as error:
                said += traceback.format_exception(error)
            said.append(repr(ti.pushed))
            report = next(tmp_path.rglob("report.json"))
            said.append(report.read_text())
            rejects = json.loads(report.read_text())["rejects_path"]
            quoted += rejects is not None and "," in Path(rejects).read_text()
        sandbox.fault(**fault, count=1)
        try:
            BrazeHook().track_users([{"external_id": "P1", "first_name": NAME, "email": EMAIL}])
        except BrazeRequestError as error:
            said += traceback.format_exception(error)
        for folder in (tmp_path / "_braze").iterdir():
            for file in folder.rglob("*.json"):
                file.unlink()
    assert quoted
    assert leaks(*said, *logged, *capfd.readouterr()) == []


def test_the_rejects_file_has_it_whole(
    sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connect(monkeypatch, sandbox)
    path = tmp_path / "Braze Append" / "Offer" / "8828" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text(EXPORT)
    error = {"type": f"{html.escape(NAME)} is odd", "input_array": "attributes", "index": 0}
    sandbox.fault(status=201, text=json.dumps({"message": "success", "errors": [error]}))
    operator = BrazeUserTrackOperator(task_id="push", export=str(path), max_rejected=1)
    report = operator.execute({"ti": pushing.TaskInstance(), "params": {}})  # type: ignore[typeddict-item]
    assert report["reasons"] == {"… …; … is odd": 1}
    assert f"{html.escape(NAME)} is odd" in Path(report["rejects_path"]).read_text()
