"""Wait for a sync of Cloud Data Ingestion off the worker.

Above: the operator and the sensor, which defer to it. Below: the hook's calls.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_braze.cdi.syncs import FoundSync, PastSyncs, Sync, newest_running
from airflow_provider_braze.exceptions import BrazeError
from airflow_provider_braze.hooks.braze import BrazeHook

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

Goal = Literal["started", "newest", "idle"]
"""What is waited for: the end of the sync that was started, or of the newest there is, or that none is under way."""


def look(hook: BrazeHook, integration_id: str, goal: Goal, before: PastSyncs | None) -> dict[str, Any] | None:
    """Look once; None while there is something to wait for.

    :return: ``{"status": "ended", "sync": ...}`` with what Braze says of it, and ``candidates`` likewise where it could
        be another one too; or ``{"status": "idle"}``.
    """
    syncs = hook.newest_cdi_syncs(integration_id, before)
    if goal == "idle":
        return {"status": "idle"} if newest_running(syncs) is None else None
    found: FoundSync | None
    if goal == "newest" or before is None:
        newest = max(syncs, key=lambda each: each.began, default=None)
        found = None if newest is None else FoundSync(newest)
    else:
        found = before.find(syncs)
    if found is None or not found.sync.ended:
        return None
    event: dict[str, Any] = {"status": "ended", "sync": found.sync.said}
    if found.candidates:
        event["candidates"] = [each.said for each in found.candidates]
    return event


def ended(event: Mapping[str, Any], integration_id: str, log: Logger) -> dict[str, Any]:
    """Give what Braze says of a sync that ended well, from the event about its end.

    :raises BrazeSyncError: it ended badly.
    """
    sync = Sync.of(event["sync"])
    assert sync is not None
    candidates = list(event.get("candidates") or ())
    if candidates:
        log.warning(
            "Braze does not tell for sure which sync of %s was started here. This tells of the one of %s; all that it "
            "could be (%d) are in the result's candidates.",
            integration_id,
            sync.said["sync_start_time"],
            len(candidates),
        )
    said = {"integration_id": integration_id, **sync.check(integration_id)}
    return {**said, "ambiguous": True, "candidates": candidates} if candidates else said


class BrazeCdiSyncTrigger(BaseTrigger):
    """
    Look at an integration's syncs at intervals, and fire once.

    The event is what :func:`look` gives, ``{"status": "timeout"}``, or
    ``{"status": "failed", "message": ..., "retryable": bool}``. What may pass, such as a 500 or no answer, is waited
    out.

    :param integration_id: the integration's id.
    :param braze_conn_id: connection of type ``braze``.
    :param goal: what is waited for.
    :param before: what was listed before the sync was started, as JSON.
    :param poll_interval: seconds between two looks; a workspace allows 100 a minute, which are kept.
    :param give_up_at: when to give up, in seconds since the epoch; None for never.
    """

    def __init__(
        self,
        *,
        integration_id: str,
        braze_conn_id: str = BrazeHook.default_conn_name,
        goal: Goal = "started",
        before: Mapping[str, Any] | None = None,
        poll_interval: float = 30.0,
        give_up_at: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.integration_id = integration_id
        self.braze_conn_id = braze_conn_id
        self.goal: Goal = goal
        self.before = dict(before) if before is not None else None
        self.poll_interval = poll_interval
        self.give_up_at = give_up_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class path and the arguments to build the same trigger elsewhere."""
        names = ("integration_id", "braze_conn_id", "goal", "before", "poll_interval", "give_up_at")
        return (
            "airflow_provider_braze.triggers.cdi.BrazeCdiSyncTrigger",
            {name: getattr(self, name) for name in names},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to say."""
        yield TriggerEvent(await self._wait())  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        hook = BrazeHook(self.braze_conn_id)
        before = None if self.before is None else PastSyncs.read(self.before)
        trouble = ""
        while True:
            left = float("inf") if self.give_up_at is None else self.give_up_at - time.time()
            # Before the first look, too: the worker has just looked, and Airflow fails a task that is woken before its
            # scheduler knows that the worker has left.
            await asyncio.sleep(max(0.0, min(self.poll_interval, left)))
            try:
                # As the trigger for exports does: in the triggerer of Airflow 3.1 a plain thread finds no connection.
                found = await sync_to_async(look, thread_sensitive=False)(
                    hook, self.integration_id, self.goal, before
                )
            except BrazeError as error:
                if not error.retryable:
                    return {"status": "failed", "message": str(error), "retryable": False}
                if str(error) != trouble:
                    trouble = str(error)
                    self.log.warning("Cannot look at the syncs, waiting for better times: %s", trouble)
                found = None
            if found is not None:
                return found
            if left <= self.poll_interval:
                return {"status": "timeout"}
