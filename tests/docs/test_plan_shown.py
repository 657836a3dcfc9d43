"""The plan that the page shows is what the command prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests import samples
from tests.docs.pages import DOCS, blocks


def test_the_plan_is_what_the_command_prints(tmp_path: Path) -> None:
    (shown,) = (
        block.text for block in blocks(DOCS / "recipes.md") if "mode append; nothing was sent" in block.text
    )
    export = samples.EXPORTS[1].land(tmp_path)

    command = [sys.executable, "-m", "airflow_provider_braze", "plan", str(export)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert "".join(f"{line.rstrip()}\n" for line in printed.splitlines()).startswith(shown)
