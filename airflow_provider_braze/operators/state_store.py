"""Airflow's task state store (3.3+), written by a thread: a push never waits for it, and goes on without it.

Above: the operator, its checkpoints and its progress. Below: what Airflow gives a task.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

_READ_SECONDS = 10.0
"""Seconds for which the beginning of a push waits for the store: what it lacks costs sending again."""

_LAST_WRITE_SECONDS = 5.0
"""Seconds for which the end of a push waits for the store."""


class TaskStateStore(Protocol):
    """What is used of ``context["task_state_store"]``."""

    def get(self, key: str) -> Any:
        """Give a value, or None."""

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value."""

    def delete(self, key: str) -> None:
        """Forget a value."""


class StateStore:
    """Keeps the latest value of a few keys; what could not be written in time is overtaken by the next value.

    :param log: the task's log.
    :param store: the task state store; None where Airflow has none.
    """

    def __init__(self, log: Logger, store: TaskStateStore | None) -> None:
        self._log, self._store = log, store
        self._latest: dict[str, Any] = {}
        self._known: set[str] = set()
        self._unwritten: set[str] = set()
        self._changed = threading.Lock()
        self._writing: threading.Thread | None = None
        self._failed_before = False

    @property
    def exists(self) -> bool:
        """Whether Airflow has the store."""
        return self._store is not None

    def read(self, key: str) -> Any:
        """Give the value of a key, or None."""
        if self._store is None:
            return None
        found: list[Any] = []
        trouble: list[Exception] = [TimeoutError()]

        def get(store: TaskStateStore) -> None:
            try:
                found.append(store.get(key))
            except Exception as error:
                trouble.insert(0, error)

        reading = threading.Thread(target=get, args=(self._store,), name="braze-state-store", daemon=True)
        reading.start()
        reading.join(_READ_SECONDS)
        # What could not be read may be there all the same.
        self._known.add(key)
        if not found:
            self._warn("read", trouble[0])
            return None
        if found[0] is None:
            self._known.discard(key)
        return found[0]

    def may_hold(self, key: str) -> None:
        """Say that an earlier part of the same try may have kept this key: it is forgotten when there is no more."""
        self._known.add(key)

    def put(self, key: str, value: Any) -> None:
        """Keep a value, or forget the key (None), as soon as the store has time."""
        if self._store is None or (value is None and key not in self._known):
            return
        self._known.add(key)
        with self._changed:
            self._latest[key] = value
            if self._writing is None:
                self._writing = threading.Thread(target=self._write, name="braze-state-store", daemon=True)
                self._writing.start()

    @property
    def idle(self) -> bool:
        """Whether everything that was put is written, or could not be."""
        return self._writing is None

    def holds(self, key: str) -> bool | None:
        """Whether the last value of a key is written; None: it could not be."""
        if self._writing is not None:
            return False
        return None if key in self._unwritten else True

    def close(self) -> None:
        """Let the store have the last word, within a few seconds."""
        writing = self._writing
        if writing is not None:
            writing.join(_LAST_WRITE_SECONDS)

    def _write(self) -> None:
        while True:
            with self._changed:
                if not self._latest:
                    self._writing = None
                    return
                key, value = self._latest.popitem()
            self._write_one(key, value)

    def _write_one(self, key: str, value: Any) -> None:
        assert self._store is not None
        try:
            if value is None:
                self._store.delete(key)
            else:
                self._store.set(key, value)
        except Exception as error:
            self._unwritten.add(key)
            self._warn("written", error)
        else:
            self._unwritten.discard(key)

    def _warn(self, what: str, error: Exception) -> None:
        if not self._failed_before:
            self._log.warning(
                "Airflow's task state store cannot be %s (%s); the push goes on, but neither its progress nor "
                "where a retry could go on from can be relied on.",
                what,
                type(error).__name__,
            )
        self._failed_before = True
