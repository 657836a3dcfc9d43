"""Run the unit tests of what changed since main: those that changed themselves, and those that import what did.

``make check`` is for the minutes between two commits; what CI runs is ``make test``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_provider_braze"

SLOW = ("tests/system", "tests/ui", "tests/benchmarks", "tests/reliability", "tests/docs/test_pages.py")
"""What takes minutes, whatever changed: left to ``make test``, unless it changed itself."""


def changed(since: str) -> set[str]:
    """Name the files that differ from where this branch left another one, committed or not."""
    commands = (
        ["diff", "--name-only", "--merge-base", since],
        ["ls-files", "--others", "--exclude-standard"],
    )
    found: set[str] = set()
    for command in commands:
        done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True, check=True)
        found |= set(done.stdout.splitlines())
    return found


def tests_of(files: set[str]) -> list[str]:
    """Choose tests: of a module those that import it by its name."""
    modules = [
        file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for file in files
        if file.endswith(".py") and file.startswith((PACKAGE, "tests/"))
    ]
    names = [re.escape(module) for module in modules if module.count(".")]
    # Both `from a.b.c import d` and `from a.b import c`.
    names += [
        rf"{re.escape(parent)} import (?:[^\n(]*|\([^)]*)\b{re.escape(name)}"
        for parent, _, name in (module.rpartition(".") for module in modules)
        if "." in parent
    ]
    imports = re.compile(rf"\b(?:{'|'.join(names)})\b") if names else None
    chosen = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        test = path.relative_to(ROOT).as_posix()
        imported = imports is not None and imports.search(path.read_text("utf-8")) is not None
        if test in files or (imported and not test.startswith(SLOW)):
            chosen.append(test)
    return chosen


def main() -> int:
    """Run them, and give pytest's own exit status; 0 where nothing is to be run."""
    files = changed(sys.argv[1] if len(sys.argv) > 1 else "main")
    tests = tests_of(files)
    print(f"{len(files)} files changed, {len(tests)} test files are theirs.", flush=True)
    if not tests:
        return 0
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not system and not ui", *tests]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
