"""Memory that does not grow with the file, whatever good and bad records it mixes: in pushes, dry runs and plans."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.__main__ import main
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from tests.connections import connect
from tests.sandbox_process import SandboxProcess

HEADER = b"external_id,first_name,remark,zip\n"
GOOD = b"U1,Ann,x,01520\n"
LONG = b"x" * 4000

MIXES = {
    "one good record, then cells that are too many": GOOD + b"U2,Bo,%b,1,2\n" % LONG,
    "one good record, then NUL characters": GOOD + b"U2,Bo,\0%b,1\n" % LONG,
    "one good record, then bytes of no character": GOOD + b"U2,Bo,\xff%b,1\n" % LONG,
    "one good record, then no identifiers": GOOD + b",Bo,%b,1\n" % LONG,
    "one good record, then open qualifiers": GOOD + b'U2,"Bo,%b,1\nU3,Cy,"%b,1\n' % (LONG, LONG),
    "one user again and again": GOOD + b"U1,Ann,%b,01520\n" % LONG,
    "only bad records": b"U2,Bo,\0%b,1\n" % LONG,
}


def push(path: Path, base: Path) -> Any:
    return _execute(path, base)


def dry_run(path: Path, base: Path) -> Any:
    return _execute(path, base, dry_run=True)


def plan(path: Path, base: Path) -> Any:
    return main(["plan", str(path), "--mode", "upsert"])


def _execute(path: Path, base: Path, **given: Any) -> Any:
    operator = BrazeUserTrackOperator(
        task_id="push",
        export=str(path),
        reports_path=str(base / "_braze"),
        mode="upsert",
        max_rejected=10**9,
        **given,
    )
    try:
        return operator.execute({})
    except Exception as error:
        # A push that failed in every record says so; memory is what is asked for here.
        assert "failed" in str(error)  # noqa: PT017
        return None


def _peak(run: Callable[[Path, Path], Any], path: Path, base: Path) -> int:
    tracemalloc.start()
    try:
        run(path, base)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("run", [push, dry_run, plan])
@pytest.mark.parametrize("mix", MIXES)
def test_memory_does_not_grow_with_the_file(
    run: Callable[[Path, Path], Any],
    mix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: SandboxProcess,
) -> None:
    connect(monkeypatch, sandbox)
    start, record = (GOOD, MIXES[mix][len(GOOD) :]) if MIXES[mix].startswith(GOOD) else (b"", MIXES[mix])
    peaks = []
    for megabytes in (10, 26):
        path = tmp_path / f"RPI_Export_{megabytes}.txt"
        path.write_bytes(HEADER + start + record * (megabytes * 1_000_000 // len(record)))
        peaks.append(_peak(run, path, tmp_path))
    assert peaks[1] < peaks[0] + 8_000_000
    assert peaks[1] < 90_000_000
