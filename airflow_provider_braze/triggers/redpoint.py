"""Watch for finished exports off the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.redpoint.findings import Memory, look
from airflow_provider_braze.redpoint.search import ExportSearch

# asgiref and not asyncio.to_thread: in the triggerer of Airflow 3.1 a plain thread does not find a connection
# ("isn't defined"), because its question to the supervisor must be asked on the triggerer's own event loop.
_look_in_thread = sync_to_async(look, thread_sensitive=False)


class RedpointExportTrigger(BaseEventTrigger):
    """
    Look below a base path at intervals until at least one export has landed, then fire once.

    The event is ``{"status": "landed", "items": [...]}`` with the items that ``RedpointExportSensor`` returns,
    ``{"status": "skipped", "message": ...}`` when there is nothing to wait for, or
    ``{"status": "failed", "message": ..., "retryable": bool}``.

    :param base_path: as the sensor takes it.
    :param poke_interval: seconds between two looks.
    :param memory: what an earlier look of the same wait remembered.
    :param parameters: the other parameters of ``RedpointExportSensor``, from ``channel`` to ``max_exports``.
        They are never rendered.
    """

    def __init__(
        self,
        *,
        base_path: str,
        poke_interval: float = 60.0,
        memory: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.search = ExportSearch.read(base_path=base_path, **parameters)
        self.poke_interval = poke_interval
        self.memory = memory

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class path and the arguments to build the same trigger elsewhere."""
        return (
            "airflow_provider_braze.triggers.redpoint.RedpointExportTrigger",
            {**self.search.as_kwargs(), "poke_interval": self.poke_interval, "memory": self.memory},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to say."""
        memory = Memory.of(self.memory)
        while True:
            try:
                findings = await _look_in_thread(self.search, memory)
            except BrazeError as error:
                yield _event({"status": "failed", "message": str(error), "retryable": error.retryable})
                return
            for warning in findings.warnings:
                self.log.warning(warning)
            for note in findings.notes:
                self.log.info(note)
            if findings.items:
                yield _event({"status": "landed", "items": findings.items})
                return
            if findings.in_vain:
                yield _event({"status": "skipped", "message": findings.in_vain})
                return
            memory = findings.memory
            await asyncio.sleep(self.poke_interval)


def _event(payload: dict[str, Any]) -> TriggerEvent:
    return TriggerEvent(payload)  # type: ignore[no-untyped-call]
