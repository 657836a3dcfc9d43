"""Folders as RPI fills them, for tests: on disk, and on an object store."""

from __future__ import annotations

import os
import time
import uuid
from pathlib import Path

import fsspec

CHANNEL = "Braze Append"
FOLDER = f"{CHANNEL}/Spring Welcome/8828"


def land(
    base: Path, name: str = "RPI_Export_1.txt", *, folder: str = FOLDER, text: str = "x", age: float = 0
) -> Path:
    """Write one file below a base path, last modified ``age`` seconds ago."""
    path = base / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    moment = time.time() - age
    os.utime(path, (moment, moment))
    return path


class ObjectStore:
    """A bucket of its own in fsspec's memory filesystem, reached through Airflow's ``ObjectStoragePath``."""

    def __init__(self) -> None:
        from airflow.sdk.io import attach

        self.fs = fsspec.filesystem("memory")
        attach("memory", fs=self.fs)
        self.name = f"bucket-{uuid.uuid4().hex}"
        self.url = f"memory://{self.name}/rpi"
        self.fs.makedirs(f"/{self.name}/rpi")

    def put(self, key: str, content: bytes = b"x") -> None:
        self.fs.pipe_file(f"/{self.name}/rpi/{key}", content)
