"""File systems that only a server sees: one with little room, and one that cannot be written."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

ROOM_BYTES = 256 << 10
"""What fits into the small one."""

_SCRIPT = (
    'mount -t tmpfs -o "size=$1,mode=1777" none "$2" && mount -t tmpfs -o ro,mode=1777 none "$3" && '
    'shift 3 && exec "$@"'
)


@cache
def may_mount() -> bool:
    """Whether this user may mount a file system in a namespace of a process's own."""
    return not subprocess.run(["unshare", "-m", "true"], check=False, capture_output=True).returncode


def seeing(command: Sequence[str], small: Path, read_only: Path) -> list[str]:
    """Have a server see both; nothing is left of them when it ends, whatever ends it."""
    if not may_mount():
        return [*command]
    for folder in (small, read_only):
        folder.mkdir(exist_ok=True)
    places = (str(ROOM_BYTES), str(small), str(read_only))
    return ["unshare", "-m", "sh", "-c", _SCRIPT, "sh", *places, *command]
