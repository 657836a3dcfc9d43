"""The page *Test your DAG*: its tests run as they stand there, with the fixture that its entry point brings."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import DOCS

PAGE = DOCS / "test-your-dag.md"
FILES = dict(
    re.findall(r'^```python title="(\w+\.py)"\n(.*?)^```$', PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
)


@pytest.mark.parametrize("name", sorted(FILES))
def test_its_tests_pass(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{FILES[name].count('def test_')} passed" in done.stdout


def test_there_are_some() -> None:
    assert len(FILES) == 2
