"""``make audit`` fails for a known vulnerability, and for nothing else; what was not asked, it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

KNOWN = {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
CLEAN = {"name": "b", "version": "1", "vulns": []}
SKIPPED = {"name": "c", "skip_reason": "not found"}


def audit(tmp_path: Path, answer: Any) -> tuple[int, str]:
    """Run it with a pip-audit that answers so."""
    (tmp_path / "pip_audit.py").write_text(f"import sys\nprint({answer!r})\nsys.exit('no route to host')\n")
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", "lock.txt"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("packages", "fails", "said"),
    [
        ([CLEAN], False, "1 of 1 packages audited by pypi, 0 known"),
        ([KNOWN, CLEAN], True, "a 1: PYSEC-1, mended in 2"),
        ([KNOWN, SKIPPED], True, "1 of 2 packages audited"),
        ([CLEAN, SKIPPED], False, "NOT AUDITED, because the service does not know these versions: c"),
        ([SKIPPED], False, "NOT AUDITED: the service answers, and knows none of these versions."),
    ],
)
def test_only_a_known_vulnerability_fails(
    tmp_path: Path, packages: list[Any], fails: bool, said: str
) -> None:
    code, out = audit(tmp_path, json.dumps({"dependencies": packages}))
    assert bool(code) is fails
    assert said in out


def test_a_service_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    code, out = audit(tmp_path, "")
    assert (code, out) == (
        0,
        "NOT AUDITED: the advisory service (pypi) cannot be reached: no route to host\n",
    )
