"""Where a person sees how far a push has come: the task's log, and Airflow's task state store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.pushes.progress import PROGRESS_KEY, in_words

if TYPE_CHECKING:
    from airflow.sdk.types import Logger


class ProgressWriter:
    """Takes a push's progress every few seconds.

    The store keeps what ``pushes.progress.Progress.as_dict`` gives, and the facts, under the key ``braze_progress``.

    :param log: the task's log; one line each time.
    :param store: the task state store.
    :param facts: what else to keep: the try, the endpoint and so on.
    """

    def __init__(self, log: Logger, store: StateStore, facts: Mapping[str, Any]) -> None:
        self._log, self._store, self._facts = log, store, facts

    def __call__(self, progress: dict[str, Any]) -> None:
        """Log one line, and write the store."""
        self._log.info("%s", in_words(progress))
        self._store.put(PROGRESS_KEY, {**progress, **self._facts})
