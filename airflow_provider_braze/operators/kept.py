"""A little state in Airflow's task state store (3.3+) that must be there before something is done, not soon after.

What a push keeps may be late, and goes through ``state_store``; here who writes waits until it is kept.

Above: the operator of syncs. Below: Airflow's store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger


class Kept:
    """One value of a task, known to its later tries.

    :param log: the task's log.
    :param context: of the running task.
    :param key: the value's name.
    :param bound_to: what it is about, as JSON; what was kept of anything else is not used.
    """

    def __init__(self, log: Logger, context: Context, key: str, bound_to: list[str]) -> None:
        self._log, self._key, self._bound_to = log, key, bound_to
        self._store: Any = context.get("task_state_store")

    @property
    def is_there(self) -> bool:
        """Whether Airflow has the store."""
        return self._store is not None

    def read(self) -> dict[str, Any] | None:
        """Give what an earlier try has kept; None where there is nothing.

        A store that cannot be read raises: to take that for nothing could do something a second time.
        """
        found = self._store.get(self._key) if self._store is not None else None
        if not isinstance(found, Mapping) or found.get("bound_to") != self._bound_to:
            return None
        return dict(found)

    def write(self, value: Mapping[str, Any] | None) -> None:
        """Keep a value, or forget it (None)."""
        if self._store is None:
            return
        try:
            if value is None:
                self._store.delete(self._key)
            else:
                self._store.set(self._key, {**value, "bound_to": self._bound_to})
        except Exception as error:
            self._log.warning(
                "Airflow's task state store cannot be written (%s): after a kill, a retry would not know of this.",
                type(error).__name__,
            )
