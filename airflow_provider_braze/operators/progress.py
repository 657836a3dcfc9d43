"""Where a person sees how far a push has come: the task's log, and Airflow's task state store."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from logging import Logger
from typing import Any, Protocol

from airflow_provider_braze.pushes.progress import PROGRESS_KEY, in_words

_LAST_WRITE_SECONDS = 5.0
"""Seconds for which the end of a push waits for the store."""


class Store(Protocol):
    """What is used of ``context["task_state_store"]``, which Airflow has from 3.3 on."""

    def set(self, key: str, value: Any) -> None:
        """Keep a JSON value."""


class ProgressWriter:
    """Takes a push's progress every few seconds, and never holds it up: the store is written by a thread.

    The store keeps what ``pushes.progress.Progress.as_dict`` gives, and the facts, under the key ``braze_progress``.

    :param log: the task's log; one line each time.
    :param store: the task state store; None where Airflow has none.
    :param facts: what else to keep: the try, the endpoint and so on.
    """

    def __init__(self, log: Logger, store: Store | None, facts: Mapping[str, Any]) -> None:
        self._log, self._store, self._facts = log, store, facts
        self._writing: threading.Thread | None = None
        self._latest: dict[str, Any] | None = None
        self._failed_before = False

    def __call__(self, progress: dict[str, Any]) -> None:
        """Log one line, and write the store unless it is still busy with the last word."""
        self._log.info("%s", in_words(progress))
        self._latest = {**progress, **self._facts}
        if self._store is not None and (self._writing is None or not self._writing.is_alive()):
            self._write(self._store)

    def close(self) -> None:
        """Let the store have the last word, within a few seconds."""
        if self._store is None or self._writing is None:
            return
        self._writing.join(_LAST_WRITE_SECONDS)
        if self._latest is not None and not self._writing.is_alive():
            self._write(self._store)
            self._writing.join(_LAST_WRITE_SECONDS)

    def _write(self, store: Store) -> None:
        value, self._latest = self._latest, None
        self._writing = threading.Thread(
            target=self._set, args=(store, value), name="braze-progress", daemon=True
        )
        self._writing.start()

    def _set(self, store: Store, value: Any) -> None:
        try:
            store.set(PROGRESS_KEY, value)
        except Exception as error:
            if not self._failed_before:
                self._log.warning(
                    "The progress cannot be kept in Airflow's task state store (%s); the push goes on.",
                    type(error).__name__,
                )
            self._failed_before = True
