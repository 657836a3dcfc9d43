"""What may lie in place of a good export, pushed by the operator: each record has its outcome, nothing is shifted."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.redpoint.reading.lines import MAX_RECORD
from tests.connections import connect
from tests.reports import check, rejects
from tests.sandbox_process import ROOT, SandboxProcess

CHANNEL = "Braze Onboarding and Upsert"
HEADER = b"external_id,first_name,zip\n"
GOOD = b"U1,Ann,01520\n"

Land = Callable[..., Path]
Execute = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch, sandbox: SandboxProcess) -> None:
    connect(monkeypatch, sandbox)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "rpi"


@pytest.fixture
def land(base: Path) -> Land:
    def write(content: bytes = b"", name: str = "RPI_Export_1.txt") -> Path:
        path = base / CHANNEL / "Offer" / "8828" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def execute() -> Execute:
    def run(export: Any, **given: Any) -> dict[str, Any]:
        given = {"max_rejected": 1_000_000, **given}
        operator = BrazeUserTrackOperator(
            task_id="push", export=export if isinstance(export, dict) else str(export), **given
        )
        return operator.execute({})  # type: ignore[typeddict-item]

    return run


def refused(execute: Execute, export: Any, message: str, **given: Any) -> None:
    """Fail at once, for good, and say what is wrong."""
    began = time.monotonic()
    with pytest.raises(AirflowFailException, match=message):
        execute(export, **given)
    assert time.monotonic() - began < 30


class TestRecords:
    """One bad record costs itself only: it is in the rejects file as it was, and its neighbours arrive."""

    @pytest.mark.parametrize(
        ("bad", "reason", "cells"),
        [
            (b"U2,B\0o,012\n", "a NUL character", ["U2", "B\0o", "012"]),
            (b"U2,Bo\n", "2 columns where the header has 3", ["U2", "Bo"]),
            (b"U2\n", "1 column where the header has 3", ["U2"]),
            (b"U2,Bo,012,x,y,z\n", "6 columns where the header has 3", ["U2", "Bo", "012", "x", "y", "z"]),
            (b"U2,Jos\xe9,012\n", "a byte that is not utf-8", ["U2", "Jos\udce9", "012"]),
            (b"U2,\xed\xa0\xbd,012\n", "a byte that is not utf-8", ["U2", "\udced\udca0\udcbd", "012"]),
            (b'U2,"Bo"x,012\n', "a qualifier inside a qualified value", ['U2,"Bo"x,012']),
            (b'U2,"Bo,012\n', "a qualified value is not closed", ['U2,"Bo,012']),
            (b",Bo,012\n", "empty identifier", ["", "Bo", "012"]),
        ],
    )
    def test_in_the_middle_of_good_ones(
        self, execute: Execute, land: Land, sandbox: SandboxProcess, bad: bytes, reason: str, cells: list[str]
    ) -> None:
        quoted = b'U0,"Zo",00501\n'
        report = check(
            execute(land(HEADER + quoted + GOOD + bad + b"U3,Cy,03\n")), records=4, accepted=3, invalid=1
        )
        (row,) = _rejected_cells(report)
        assert row[0] == "4"
        assert row[2].startswith(reason)
        assert row[4:] == cells
        profiles = sandbox.profiles()
        assert sorted(profiles) == ["U0", "U1", "U3"]
        assert profiles["U3"]["first_name"] == "Cy"
        assert profiles["U3"]["custom_attributes"]["rpi_cdp_attributes"] == {"zip": "03"}

    def test_half_a_character_of_utf16(self, execute: Execute, land: Land) -> None:
        text = "external_id,first_name\nU1,Ann\nU2,x\ud83dy\nU3,Cy\n"
        content = b"\xff\xfe" + text.encode("utf-16-le", "surrogatepass")
        report = check(execute(land(content)), records=3, accepted=2, invalid=1)
        assert rejects(report)[0]["_reason"].startswith("a byte that is not utf-16")

    @pytest.mark.parametrize("number", ["NaN", "nan", "Infinity", "-inf", "1e999", "9" * 400])
    def test_a_number_that_json_cannot_hold(
        self, execute: Execute, land: Land, sandbox: SandboxProcess, number: str
    ) -> None:
        content = f"external_id,income\nU1,5\nU2,{number}\n".encode()
        report = execute(land(content), mapping={"types": {"income": "number"}})
        check(report, records=2, accepted=1, invalid=1)
        assert rejects(report)[0]["_column"] == "income"
        # Undeclared, it is text like any other.
        text = number[:255]
        check(execute(land(content.replace(number.encode(), text.encode()))), records=2, accepted=2)
        assert sandbox.profiles()["U2"]["custom_attributes"]["rpi_cdp_attributes"] == {"income": text}

    def test_a_row_of_ones_own_with_half_a_character_or_no_number(self, execute: Execute) -> None:
        rows = [
            {"external_id": "U1", "x": float("nan")},
            {"external_id": "U2", "x": "\ud800"},
            {"external_id": "U\udcff", "x": 1},
            {"external_id": "U4", "x": 1},
        ]
        operator = BrazeUserTrackOperator(task_id="push", attributes=rows, max_rejected=10)
        check(operator.execute({}), records=4, accepted=1, invalid=3)  # type: ignore[typeddict-item]


def _rejected_cells(report: dict[str, Any]) -> list[list[str]]:
    with Path(report["rejects_path"]).open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file))[1:]


class TestWholeFiles:
    def test_a_header_only_is_a_success(self, execute: Execute, land: Land) -> None:
        check(execute(land(HEADER)), status="complete", records=0, requests=0)

    @pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"\0" * 1000])
    def test_an_empty_file(self, execute: Execute, land: Land, content: bytes) -> None:
        refused(execute, land(content), "empty|NUL|no delimited text|cannot be read")

    @pytest.mark.parametrize("header", [b"external_id,zip,zip\n", b"external_id,Zip Code,zip_code\n"])
    def test_doubled_headers(
        self, execute: Execute, land: Land, sandbox: SandboxProcess, header: bytes
    ) -> None:
        refused(execute, land(header + b"U1,1,2\n"), "(?i)zip")
        assert sandbox.stats()["requests"] == 0

    def test_ten_thousand_columns(self, execute: Execute, land: Land, sandbox: SandboxProcess) -> None:
        names = [f"c{n}" for n in range(9_999)]
        full = ["x" * 20] * len(names)
        sparse = ["first", *[""] * (len(names) - 2), "last"]
        lines = [["external_id", *names], ["U1", *full], ["U2", *sparse], ["U3", *sparse[:-1]]]
        content = "".join(",".join(line) + "\n" for line in lines).encode()
        report = check(execute(land(content)), records=3, accepted=1, invalid=2)
        assert sandbox.profiles()["U2"]["custom_attributes"]["rpi_cdp_attributes"] == {
            "c0": "first",
            "c9998": "last",
        }
        reasons = {row["external_id"]: row["_reason"] for row in _wide_rejects(report)}
        assert "KB as JSON together" in reasons["U1"]
        assert reasons["U3"] == "9999 columns where the header has 10000"

    def test_one_line_of_a_gigabyte(self, sandbox: SandboxProcess, land: Land) -> None:
        """In a process of its own, whose memory is measured; the line is a hole in the file, so the disk has none."""
        path = land(HEADER + GOOD)
        with path.open("r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(b"U2,")
            file.seek(1 << 30, os.SEEK_CUR)
            file.write(b",3\nU3,Cy,03\n")
        done = subprocess.run(
            [sys.executable, "-c", PUSH, str(path), sandbox.url, sandbox.key],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        path.unlink()
        report = check(found["report"], status="complete", records=3, accepted=2, invalid=1)
        (row,) = rejects(report)
        assert (row["_line"], row["_reason"]) == ("3", f"longer than {MAX_RECORD:,} characters")
        assert found["peak_mb"] < 200


def _wide_rejects(report: dict[str, Any]) -> list[dict[str, str]]:
    cells = _rejected_cells(report)
    return [{"_reason": row[2], "external_id": row[4]} for row in cells]


PUSH = """
import json, sys
from tests.jobs import export_push
from airflow_provider_braze.users_track.transport.workspace import Workspace
export, url, key = sys.argv[1:]
report = export_push(export=export, workspace=Workspace(endpoint=url, api_key=key), run="r").execute()
# Not getrusage: its peak begins with that of the process that started this one.
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps({"report": report, "peak_mb": int(peak) // 1024}))
"""


class TestNoFile:
    """What is not an export at all is refused before it is opened."""

    def test_a_folder(self, execute: Execute, land: Land) -> None:
        path = land().with_name("RPI_Export_2.txt")
        path.mkdir()
        refused(execute, path, "is a folder, not an export")

    def test_a_pipe_is_not_waited_for(self, execute: Execute, land: Land) -> None:
        path = land().with_name("RPI_Export_2.txt")
        os.mkfifo(path)
        refused(execute, path, "a pipe, a device or a socket")
        refused(
            execute, {"path": str(path), "base_path": str(path.parents[3])}, "a pipe, a device or a socket"
        )

    def test_a_device(self, execute: Execute, tmp_path: Path) -> None:
        refused(
            execute, "/dev/zero", "a pipe, a device or a socket", mode="upsert", reports_path=str(tmp_path)
        )

    def test_a_socket(
        self, execute: Execute, land: Land, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        path = land().with_name("RPI_Export_2.txt")
        monkeypatch.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
        refused(execute, path, "a pipe, a device or a socket")

    @pytest.mark.parametrize("as_item", [False, True])
    @pytest.mark.parametrize("kind", ["file", "folder", "dots"])
    def test_what_leads_out_of_the_base_path(
        self, execute: Execute, land: Land, base: Path, sandbox: SandboxProcess, as_item: bool, kind: str
    ) -> None:
        outside = base.parent / "private"
        outside.mkdir()
        (outside / "RPI_Export_2.txt").write_bytes(HEADER + GOOD)
        path = land().with_name("RPI_Export_2.txt")
        if kind == "file":
            path.symlink_to(outside / "RPI_Export_2.txt")
        elif kind == "folder":
            path.with_name("9").symlink_to(outside)
            (base / CHANNEL / "Offer" / "9").symlink_to(outside)
            path = base / CHANNEL / "Offer" / "9" / "RPI_Export_2.txt"
        else:
            path = Path(f"{path.parent}/../../../../private/RPI_Export_2.txt")
            as_item = True
        export: Any = {"path": str(path), "base_path": str(base), "channel": CHANNEL} if as_item else path
        refused(execute, export, "leads out of", mode="upsert")
        assert sandbox.stats()["requests"] == 0

    def test_a_link_within_the_base_path_is_good(self, execute: Execute, land: Land, base: Path) -> None:
        path = land().with_name("RPI_Export_2.txt")
        (base / "staging.txt").write_bytes(HEADER + GOOD)
        path.symlink_to(base / "staging.txt")
        check(execute(path), records=1, accepted=1)

    @pytest.mark.parametrize("path", ["/mnt/rpi/\0/x", "\ud800"])
    def test_what_is_no_path(self, execute: Execute, path: str, tmp_path: Path) -> None:
        refused(execute, path, "is no path", mode="upsert", reports_path=str(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "RPI_Export_1 'quoted'.txt",
        'RPI_Export_1 "quoted".txt',
        "RPI_Export_1\nINFO - all is well.txt",
        "RPI_Export_1\t\r.txt",
        "RPI_Export_1 <script>alert(1)</script>.txt".replace("/", ""),
        "RPI_Export_1 {{ 7 * 7 }} $(id) %s.txt",
        "RPI_Export_1 \u202etxt.夏",
    ],
)
def test_any_name_is_pushed_and_marked(execute: Execute, land: Land, base: Path, name: str) -> None:
    report = check(
        execute(land(HEADER + GOOD + b"broken\n", name)), status="complete", records=2, accepted=1, invalid=1
    )
    assert report["export"].endswith(name)
    assert json.loads(Path(report["report_path"]).read_text())["export"] == report["export"]
    assert (base / "_braze" / "pushed" / "braze_default" / report["fingerprint"]).exists()
    check(execute(report["rejects_path"]), records=1, invalid=1)


def test_a_formula_is_data_in_the_rejects_file_and_in_braze(
    execute: Execute, land: Land, sandbox: SandboxProcess
) -> None:
    """Nothing is put before it: the cell must be pushed again as it was."""
    formulas = ["=cmd|' /C calc'!A0", "+1+1", "-1", "@SUM(A1)", "\t=1"]
    lines = "".join(f'U{n},"{formula}",Atlantis\n' for n, formula in enumerate(formulas))
    report = check(
        execute(land(f"external_id,first_name,country\n{lines}".encode())),
        status="failed",
        records=5,
        invalid=5,
    )
    assert [row["first_name"] for row in rejects(report)] == formulas
    path = Path(report["rejects_path"])
    path.write_text(path.read_text().replace("Atlantis", "ES"))
    check(execute(path), records=5, accepted=5)
    # But for the blanks around it, which are cut from every cell.
    sent = [sandbox.profiles()[f"U{n}"]["first_name"] for n in range(5)]
    assert sent == [formula.strip() for formula in formulas]
