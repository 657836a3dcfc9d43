"""Pushes of rows or of an export, each in a process of its own that may be killed: ``python -m tests.memory.pusher``.

Commands come as JSON, one a line; each is answered with the number of a forked process, and with how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.memory import opening
from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.memory.persistence import place
from airflow_provider_braze.memory.persistence.store import MemoryStore
from airflow_provider_braze.pushes.attempt import running
from airflow_provider_braze.pushes.resuming import checkpoint
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.delivery import sender
from airflow_provider_braze.users_track.mapping.export_mapping import ExportMapping
from airflow_provider_braze.users_track.transport.workspace import Workspace
from tests.jobs import export_push, rows_push


def push(asked: dict[str, Any]) -> None:
    """Push once; what becomes of it is written to a file."""
    checkpoint.EVERY, running.LOOK_EVERY, sender._FIRST_BACKOFF = 0.0, 0.01, 0.01
    # All relays lead to the same workspace.
    belongs_to = opening.belongs_to
    opening.belongs_to = lambda workspace, **given: belongs_to(
        replace(workspace, endpoint="sandbox"), **given
    )
    tempfile.tempdir = asked["scratch"]
    if asked["share"]:
        place._OF_THIS_MACHINE = frozenset()
    if asked["dies"]:
        _die(*asked["dies"])
    kept = Path(asked["checkpoint"])

    def keep(state: dict[str, Any]) -> None:
        new = kept.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(kept)

    common: dict[str, Any] = {
        # One user in each request, and one request after the other: the n-th is the same in each run.
        "workspace": Workspace(
            endpoint=asked["url"], api_key=asked["key"], objects_per_request=1, max_in_flight=1
        ),
        "identity": PushIdentity(run_id=asked["run"], token=asked["token"]),
        "reports_path": asked["reports"],
        "memory": Wish(**asked["wish"]),
        "checkpoint": json.loads(kept.read_text()) if kept.exists() else None,
        "save": keep,
    }
    asked_for = (
        export_push(export=asked["export"], mapping=ExportMapping(**asked["mapping"]), **common)
        if asked["export"]
        else rows_push(attributes=asked["rows"], **common)
    )
    try:
        report = asked_for.execute()
    except BrazeError as error:
        # Without one, what it says is of no use to a test.
        report = error.report or {}
    Path(asked["report"]).write_text(json.dumps(report))


def _die(number: int, when: str) -> None:
    """Have this process killed at the n-th transaction of the memory: before it is in the file, or right after."""
    left = number
    transaction, write = MemoryStore.transaction, MemoryStore._write_new_numbers

    def kill() -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    def written(store: MemoryStore) -> None:
        write(store)
        if when == "before":
            kill()

    @contextmanager
    def done(store: MemoryStore) -> Any:
        with transaction(store):
            yield
        if when == "after":
            kill()

    setattr(MemoryStore, write.__name__, written)
    setattr(MemoryStore, transaction.__name__, done)


def main() -> None:
    """Take commands until there are no more."""
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            try:
                push(json.loads(line))
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
