"""The command line, as a person types it."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests import samples


@pytest.fixture
def upsert(tmp_path: Path) -> Path:
    return samples.EXPORTS[0].land(tmp_path)


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "airflow_provider_braze", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "120", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_plans_an_export(upsert: Path) -> None:
    done = run("plan", upsert)
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 records, mode upsert; nothing was sent." in done.stdout
    assert "jose@example.com" not in done.stdout
    assert not (upsert.parents[3] / "_braze").exists()


def test_shows_values_only_on_request(upsert: Path) -> None:
    assert "jose@example.com" in run("plan", upsert, "--show-values").stdout


def test_gives_json(upsert: Path) -> None:
    plan = json.loads(run("plan", upsert, "--json", "--requests-per-second", "0.5").stdout)
    assert (plan["records"], plan["planned"], plan["users"], plan["planned_requests"]) == (3, 3, 3, 1)
    assert plan["seconds_at_limit"] == 2.0
    assert plan["data_points_by_attribute"]["rpi_cdp_attributes"] == 8
    assert plan["sample_payloads"][0]["email"] == "***"


def test_names_the_records_that_could_not_be_sent(tmp_path: Path) -> None:
    done = run("plan", samples.EXPORTS[5].land(tmp_path))
    assert done.returncode == 1
    assert "line 3: 17 columns where the header has 16" in done.stdout
    assert "Reno" not in done.stdout


def test_shows_names_as_they_are(tmp_path: Path) -> None:
    """Names and reasons come from the file: neither markup, nor emoji, nor commands to the terminal."""
    path = tmp_path / "Braze Append" / "Offer" / "1" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("external_id,[/x],[bold]b,:smile:,\x1b[2Jc,[/]\nP1,1,2,3,4,5\nP2,1\n")
    mapping = tmp_path / "mapping.json"
    types = {"[/x]": "boolean", "[bold]b": "boolean", "\x1b[2Jc": "boolean"}
    mapping.write_text(json.dumps({"extra_to": None, "types": types, "bad_values": "omit"}))
    for extra in ([], ["--show-values"], ["--mapping", mapping]):
        done = run("plan", path, *extra)
        assert (done.returncode, done.stderr) == (1, "")
        assert "\x1b" not in done.stdout
    for name in ("[bold]b", ":smile:", "\ufffd[2Jc", "[/]"):
        assert name in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_terminal_that_takes_few_characters_is_told_all(tmp_path: Path, encoding: str) -> None:
    """A column's name ended the command with a traceback, and its code said that records could not be sent."""
    path = tmp_path / "Braze Append" / "Offer" / "1" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("external_id,\u0142\U0001f600\nP1,1\n", encoding="utf-8")

    shown = run("plan", path, "--show-values", PYTHONIOENCODING=encoding)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\\u0142\\U0001f600" in shown.stdout
    done = run("plan", path, "--show-values", "--json", PYTHONIOENCODING=encoding)
    (payload,) = json.loads(done.stdout)["sample_payloads"]
    assert payload["rpi_cdp_attributes"]["\u0142\U0001f600"] == "1"


def test_a_name_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    push = tmp_path / "_braze" / ("a" * 64) / "run"
    push.mkdir(parents=True)
    for name in (b"report.json", b"\xe9 mended.csv"):
        path = os.path.join(os.fsencode(push), name)
        Path(os.fsdecode(path)).touch()
        os.utime(path, (1, 1))

    done = run("tidy", "--older-than", "1d", tmp_path, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stderr) == (0, "")
    assert "kept, because no push wrote it" in done.stdout


def test_shows_the_column_of_a_failed_record_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "Braze Append" / "Offer" / "1" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("external_id,[/x]\nP1,nonsense\n")
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"types": {"[/x]": "boolean"}}))
    done = run("plan", path, "--mapping", mapping)
    assert (done.returncode, done.stderr) == (1, "")
    assert "line 2: [/x]: " in done.stdout


def test_takes_a_mapping_and_a_dialect(tmp_path: Path) -> None:
    export = tmp_path / "export.txt"
    export.write_text("P1~5\nP2~x\n")
    mapping = tmp_path / "mapping.json"
    # As editors on Windows save it.
    mapping.write_text(json.dumps({"identifier": "pid", "types": {"score": "integer"}}), "utf-8-sig")
    done = run(
        "plan",
        export,
        "--mode",
        "append",
        "--mapping",
        mapping,
        "--delimiter",
        "~",
        "--columns",
        "pid, score",
        "--json",
    )
    plan = json.loads(done.stdout)
    assert (plan["planned"], plan["invalid"], plan["reasons"]) == (1, 1, {"score: not an integer": 1})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.txt", "--mode", "upsert"], "nowhere.txt"),
        (["nowhere.txt"], "does not lie in [Channel]"),
    ],
)
def test_says_what_is_wrong(arguments: list[str], said: str) -> None:
    done = run("plan", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_needs_no_airflow() -> None:
    code = "import sys, airflow_provider_braze.__main__; print('airflow' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def test_shows_its_progress_in_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "Braze Append" / "Offer" / "1" / "RPI_Export_1.txt"
    path.parent.mkdir(parents=True)
    path.write_text("external_id\n" + "".join(f"U{n}\n" for n in range(30_000)))
    master, terminal = pty.openpty()
    command = [sys.executable, "-m", "airflow_provider_braze", "plan", str(path)]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=terminal, env={**os.environ, "TERM": "xterm"}
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:
        pass  # The terminal is gone with the process.
    finally:
        os.close(master)
    assert process.wait() == 0
    assert b"Planning" in shown
    assert b"%" in shown


def test_a_file_that_is_not_there_is_what_is_said(tmp_path: Path) -> None:
    done = run("plan", tmp_path / "people.csv", "--mode", "upsert")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{tmp_path}/people.csv is not there" in done.stderr


def test_a_memory_that_is_nowhere_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("external_id,first_name\nP1,Ann\n")
    done = run("plan", path, "--mode", "upsert", "--only-changed")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "--memory-path" in done.stderr


def test_where_there_is_no_memory_none_is_to_be_chosen(upsert: Path) -> None:
    (upsert.parents[3] / "_braze").mkdir()
    done = run("plan", upsert, "--only-changed")
    assert done.returncode == 2
    assert "There is no memory" in done.stderr
