"""What version 0.1.0 (commit e852b51) left of two pushes, kept as it wrote it; only its base path is filled in."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

FILES = Path(__file__).parent / "older_version"
WRITTEN = {"RPI_Export_5719.txt": 1795100000, "RPI_Export_5720.txt": 1795100100}
"""Its exports, and when they were last modified: their fingerprints tell."""


def put(base: Path) -> Path:
    """Put the exports, and the reports folder, below a base path."""
    shutil.copytree(FILES, base, dirs_exist_ok=True)
    for report in base.rglob("report.json"):
        report.write_text(report.read_text("utf-8").replace("{base}", str(base)), "utf-8")
    for name, modified in WRITTEN.items():
        (export,) = base.rglob(name)
        os.utime(export, (modified, modified))
    return base
