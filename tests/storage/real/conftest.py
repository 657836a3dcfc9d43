"""The servers, each started when the first test asks for it and ended with the test session."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_braze.storage.protocols import sessions
from tests.storage.real.doors import Door, MissingError
from tests.storage.real.ftp_doors import ExplicitFtps, Ftp, ImplicitFtps
from tests.storage.real.object_doors import S3, Azure, Gcs, ObjectDoor
from tests.storage.real.ssh_and_smb import Sftp, Smb

DOORS: tuple[type[Door], ...] = (Sftp, Ftp, ExplicitFtps, ImplicitFtps, Smb, S3, Gcs, Azure)
SESSION_DOORS = tuple(door for door in DOORS if door.has_sessions)
OBJECT_DOORS = (S3, Gcs, Azure)

REQUIRED = os.environ.get("CI") == "true"
"""Where everything was installed, a server that cannot be started is a failure."""


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask a storage again at once: the server that one test takes away, the next one uses."""
    monkeypatch.setattr(sessions, "REST_SECONDS", 0.0)


@pytest.fixture(scope="session")
def opened() -> Iterator[Callable[[type[Door]], Door]]:
    """Give the running server of a kind."""
    doors: dict[type[Door], Door | MissingError] = {}
    homes: list[Path] = []

    def door_of(kind: type[Door]) -> Door:
        if kind not in doors:
            # Short, and open to the user that a server runs as.
            homes.append(Path(tempfile.mkdtemp(prefix=f"{kind.name}-")))
            homes[-1].chmod(0o755)
            try:
                doors[kind] = door = kind(homes[-1])
                door.open()
            except MissingError as missing:
                doors[kind] = missing
        found = doors[kind]
        if isinstance(found, MissingError):
            if REQUIRED:
                pytest.fail(f"{kind.name}: {found}")
            pytest.skip(f"{kind.name}: {found}")
        return found

    yield door_of
    for door in doors.values():
        if isinstance(door, Door):
            door.close()
    for home in homes:
        shutil.rmtree(home, ignore_errors=True)


def _each(doors: Sequence[type[Door]]) -> list[Any]:
    # Of one group: with several workers, a server runs in one of them.
    return [pytest.param(door, id=door.name, marks=pytest.mark.xdist_group(door.name)) for door in doors]


@pytest.fixture(params=_each(DOORS))
def door(request: pytest.FixtureRequest, opened: Callable[[type[Door]], Door]) -> Door:
    """Each storage in turn."""
    return opened(request.param)


@pytest.fixture(params=_each(SESSION_DOORS))
def session_door(request: pytest.FixtureRequest, opened: Callable[[type[Door]], Door]) -> Door:
    """Each storage that is reached through sessions."""
    return opened(request.param)


@pytest.fixture(params=_each(OBJECT_DOORS))
def object_door(request: pytest.FixtureRequest, opened: Callable[[type[Door]], Door]) -> ObjectDoor:
    """Each object store in turn."""
    door = opened(request.param)
    assert isinstance(door, ObjectDoor)
    return door
