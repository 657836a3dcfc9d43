"""The page *Test your DAG*: its tests run as they stand there, with the fixture that its entry point brings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

PAGE = DOCS / "test-your-dag.md"
FILES = dict(
    re.findall(
        r'^```python title="([\w/]+\.py)"\n(.*?)^```$', PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
)
TESTS = sorted(name for name in FILES if name.startswith("test_"))


@pytest.mark.parametrize("name", TESTS)
def test_its_tests_pass(name: str, tmp_path: Path) -> None:
    for each, text in FILES.items():
        (tmp_path / each).parent.mkdir(exist_ok=True)
        (tmp_path / each).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name]
    # As a user runs them, without what another Airflow of this machine or of our own tests is told.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{FILES[name].count('def test_')} passed" in done.stdout


def test_there_are_some() -> None:
    assert len(TESTS) == 3
