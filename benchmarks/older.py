"""An older commit of this repository, unpacked beside it, so that both can push the same export in turns."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks import generate
from benchmarks.measure import ROOT

BEFORE_THE_LOOP = "e852b51"
"""The last commit that pushed on asyncio, and before blanks, stray qualifiers and words for codes were looked for."""

OLDER = "an older commit"
"""The variant that its code pushes, where it stands beside others."""


def checkout(commit: str) -> Path | None:
    """Unpack the package and the benchmarks as they were; None where that commit is not in this repository.

    It runs with the packages that are installed here, so that only our own code differs.
    """
    try:
        command = ["git", "archive", commit, "airflow_provider_braze", "benchmarks"]
        archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    folder = generate.HOME / "older" / commit
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    return folder
