"""Every storage that exports come through, each a real server with throw-away keys, behind one interface for tests."""

from __future__ import annotations

import json
import os
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from airflow_provider_braze.storage.files.location import locate
from tests.storage.real.front import NO_ROOM, READ_ONLY
from tests.storage.real.mounts import may_mount, seeing
from tests.storage.real.process import Server


class MissingError(Exception):
    """A door that cannot be opened on this machine, and what to install."""


def need(program: str, package: str) -> str:
    found = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise MissingError(f"{program} is missing: apt-get install {package}")
    return found


def need_module(module: str, package: str) -> None:
    try:
        __import__(module)
    except ImportError:
        raise MissingError(f"{module} is missing: pip install {package}") from None


class Door(ABC):
    """A server, an Airflow connection to it, and a folder for exports."""

    name: ClassVar[str]
    has_sessions: ClassVar[bool] = False
    """Whether it is reached through sessions that can be dropped."""

    awkward: ClassVar[str] = "Ünï %41#x [a]\\y"
    """A folder name that makes trouble, as far as the storage can have it."""

    impossible: ClassVar[str] = ""
    """Characters that no name there can have."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.conn_id = f"door_{self.name}"
        self.server = self._server()

    @abstractmethod
    def _server(self) -> Server:
        """Write its settings."""

    @abstractmethod
    def connection(self) -> dict[str, Any]:
        """The Airflow connection."""

    @property
    @abstractmethod
    def root(self) -> str:
        """URL of a folder that can be written."""

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Make bucket or folder, once the server runs."""

    def open(self) -> None:
        os.environ[f"AIRFLOW_CONN_{self.conn_id.upper()}"] = json.dumps(self.connection())
        self.server.start()
        self.prepare()

    def close(self) -> None:
        self.server.stop()
        os.environ.pop(f"AIRFLOW_CONN_{self.conn_id.upper()}", None)

    def impatient(self, seconds: float, port: int | None = None) -> str:
        """URL of the same folder, by a connection that waits no longer for an answer, be it at another port."""
        conn_id = f"impatient_{self.name}_{port or 0}_{seconds}".replace(".", "_").replace("-", "_")
        told = self.connection()
        extra = {**told.get("extra", {}), "timeout": seconds}
        connection = {**told, "extra": extra, "port": port or told["port"]}
        os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
        return self.root.replace(f"{self.conn_id}@", f"{conn_id}@")

    def drop_sessions(self) -> None:
        self.server.end_sessions()

    def restart(self) -> None:
        self.server.stop()
        self.server.start()

    @property
    def restartable(self) -> str:
        """URL of the same folder, by which :meth:`restart` is felt."""
        return self.root

    @property
    @abstractmethod
    def no_room(self) -> str:
        """URL of a folder for which the server has little room."""

    @property
    @abstractmethod
    def read_only(self) -> str:
        """URL of a folder that the server lets nobody write."""

    def make_room(self) -> None:  # noqa: B027 - a disk has it again once files are deleted
        """Have an object store take writes again."""

    def put(self, url: str, content: bytes) -> None:
        """Write one file as RPI would: by another client where that is possible."""
        location = locate(url)
        location.fs.pipe_file(location.path, content)

    def put_all(self, base: str, files: Mapping[str, bytes]) -> None:
        """Write files below a folder."""
        for name, content in files.items():
            self.put(f"{base}/{name}", content)

    def read(self, url: str) -> bytes:
        location = locate(url)
        content: bytes = location.fs.cat_file(location.path)
        return content


class DiskDoor(Door):
    """A server whose files lie in a folder of this machine."""

    has_sessions = True

    def __init__(self, home: Path) -> None:
        self.folder = home / "files"
        self.folder.mkdir()
        super().__init__(home)

    def seeing_mounts(self, command: list[str]) -> list[str]:
        """Have the server see a folder with little room, and one that cannot be written."""
        return seeing(command, self.folder / NO_ROOM, self.folder / READ_ONLY)

    @property
    def no_room(self) -> str:
        return self._mounted(NO_ROOM)

    @property
    def read_only(self) -> str:
        return self._mounted(READ_ONLY)

    def _mounted(self, name: str) -> str:
        if not may_mount():
            raise MissingError("this user may not mount a file system, which a full one is")
        return f"{self.root.rstrip('/')}/{name}"

    def local(self, url: str) -> Path:
        assert url.startswith(self.root)
        return self.folder / url.removeprefix(self.root).strip("/")

    def put(self, url: str, content: bytes) -> None:
        path = self.local(url)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.allow(path)

    def allow(self, path: Path) -> None:
        """Let the server write what a test laid there."""

    def read(self, url: str) -> bytes:
        return self.local(url).read_bytes()


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


Make = Callable[[Path], Door]
