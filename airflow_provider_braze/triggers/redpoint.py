"""Watch for finished exports off the worker.

Above: the sensor, which defers to it, and assets that are watched. Below: one look at the folders.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow.sdk import Variable
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_braze.exceptions import BrazeError, BrazeSetupError
from airflow_provider_braze.parameters import as_optional_seconds, as_seconds, is_final
from airflow_provider_braze.redpoint.discovery.offers import Offers, older_than
from airflow_provider_braze.redpoint.discovery.poll import PollResult, PollState, poll
from airflow_provider_braze.redpoint.discovery.search import ExportSearch, read_parameter

_VARIABLE = "_variable"
_FROM_VARIABLE = "(from a Variable)"


class RedpointExportTrigger(BaseEventTrigger):
    """
    Look below a base path at intervals, for a deferred task or for an asset.

    For a deferred task it fires once: ``{"status": "landed", "items": [...]}`` with the items that
    ``RedpointExportSensor`` returns, ``{"status": "skipped", "message": ...}`` when there is nothing to wait for,
    ``{"status": "gave_up", "message": ..., "asked_in_vain": bool}`` when nothing has landed at ``give_up_at``, or
    ``{"status": "failed", "message": ..., "retryable": bool}``.

    In an ``AssetWatcher`` it never ends. Every export that lands is offered in a ``landed`` event, together with
    those that landed with it; under ``older`` the event names those that landed before and are not pushed yet, which
    must not be overtaken. What cannot be read is logged and waited out. Each is offered at least once: whoever
    takes the events up leaves out what is marked as pushed, as ``redpoint.offers.left_to_push`` does.

    :param base_path: as the sensor takes it. In a watcher nothing is rendered.
    :param poke_interval: seconds between two looks.
    :param memory: what an earlier look of the same wait remembered.
    :param give_up_at: for a deferred task: when to look for the last time, in seconds since the epoch; None for never.
    :param offer_again_after: seconds, or a timedelta, after which a watcher offers an export again that is still
        not marked as pushed; None for never.
    :param parameters: the other parameters of ``RedpointExportSensor``, from ``channel`` to ``push_again``;
        ``max_exports`` is for a watcher the most exports of one event. ``<parameter>_variable`` instead of any of
        them, such as ``base_path_variable``, names an Airflow Variable that is read in the triggerer at each look;
        where it does not exist, the default holds.
    """

    def __init__(
        self,
        *,
        base_path: str | None = None,
        poke_interval: float | timedelta = 60.0,
        memory: dict[str, Any] | None = None,
        offer_again_after: timedelta | float | None = 3600.0,
        give_up_at: float | None = None,
        **parameters: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.variables = {
            name.removesuffix(_VARIABLE): str(parameters.pop(name))
            for name in sorted(parameters)
            if name.endswith(_VARIABLE)
        }
        if "base_path" in self.variables:
            if base_path is not None:
                raise BrazeSetupError("Give either base_path or base_path_variable.")
            base_path = _FROM_VARIABLE
        for name, value in {"base_path": base_path, **parameters}.items():
            if isinstance(value, str) and not is_final(value):
                raise BrazeSetupError(
                    f"{name} is a template ({value!r}), and nothing is rendered in a trigger: give the value itself, "
                    f"or with {name}{_VARIABLE} the name of an Airflow Variable."
                )
        self.search = ExportSearch.read(base_path=base_path, **parameters)
        for name in self.variables:
            if name not in self.search.as_kwargs():
                raise TypeError(f"unexpected parameter {name + _VARIABLE!r}")
        # A number stays what it is: it is part of the identity of a watcher.
        seconds = as_seconds("poke_interval", poke_interval)
        self.poke_interval = poke_interval if isinstance(poke_interval, int | float) else seconds
        self.memory = memory
        self.give_up_at = give_up_at
        self.offer_again_after = as_optional_seconds("offer_again_after", offer_again_after)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the class path and the arguments to build the same trigger elsewhere."""
        parameters = {
            name: value for name, value in self.search.as_kwargs().items() if name not in self.variables
        }
        return (
            "airflow_provider_braze.triggers.redpoint.RedpointExportTrigger",
            {
                **parameters,
                **{name + _VARIABLE: variable for name, variable in self.variables.items()},
                "poke_interval": self.poke_interval,
                "memory": self.memory,
                "offer_again_after": self.offer_again_after,
                "give_up_at": self.give_up_at,
            },
        )

    @property
    def watches(self) -> bool:
        """Whether a triggerer runs it for an asset: then there is no task that it could be running for."""
        return self.trigger_id is not None and self.task_instance is None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to say, or for ever."""
        async for payload in self._watch() if self.watches else self._wait():
            yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _wait(self) -> AsyncIterator[dict[str, Any]]:
        memory = PollState.of(self.memory)
        while True:
            try:
                _, result = await self._look(memory)
            except BrazeError as error:
                yield {"status": "failed", "message": str(error), "retryable": error.retryable}
                return
            for warning in result.warnings:
                self.log.warning(warning)
            for note in result.notes:
                self.log.info(note)
            if result.items:
                yield {"status": "landed", "items": result.items}
                return
            if result.in_vain:
                yield {"status": "skipped", "message": result.in_vain}
                return
            memory = result.memory
            left = math.inf if self.give_up_at is None else self.give_up_at - time.time()
            if left <= 0 and result.nothing:
                nothing = result.nothing
                yield {"status": "gave_up", "message": nothing.reason, "asked_in_vain": nothing.asked_in_vain}
                return
            await asyncio.sleep(max(0.0, min(self.poke_interval, left)))

    async def _watch(self) -> AsyncIterator[dict[str, Any]]:
        memory = PollState()
        offers = Offers(
            # Below Airflow 3.3 there is no such attribute.
            getattr(self, "asset_state_store", None),
            again_after=self.offer_again_after,
            # Known with the first look: a Variable may say it.
            max_age=None,
        )
        troubles: frozenset[str] = frozenset()
        while True:
            said = {*await self._keep(offers)}
            due: list[dict[str, Any]] = []
            older: list[dict[str, Any]] = []
            try:
                # All of them: exports that wait to be pushed must not hide those that landed after them.
                search, result = await self._look(memory, max_exports=sys.maxsize)
            except Exception as error:
                said.add(
                    f"Cannot look for exports, waiting for better times: {error or type(error).__name__}"
                )
            else:
                memory, offers.max_age = result.memory, search.max_age
                due = offers.due(result.items, time.time())[: search.max_exports]
                older = older_than(due, result.items)
                for warning in result.warnings:
                    self.log.warning(warning)
            for trouble in said - troubles:
                self.log.warning(trouble)
            if troubles and not said:
                self.log.info("Watching again as it should be.")
            troubles = frozenset(said)
            if due:
                self.log.info("Offering %s.", ", ".join(item["path"] for item in due))
                yield {"status": "landed", "items": due, "older": older}
                offers.note(due, time.time())
            await asyncio.sleep(self.poke_interval)

    async def _keep(self, offers: Offers) -> list[str]:
        """Keep what was offered across restarts, and say what is wrong with that."""
        try:
            await offers.keep(time.time())
        except Exception as error:
            return [
                f"What was offered cannot be kept in Airflow's asset state store ({type(error).__name__}: {error}). "
                "After a restart of the triggerer, exports that are not pushed yet are offered again."
            ]
        return []

    async def _look(self, memory: PollState, **changes: Any) -> tuple[ExportSearch, PollResult]:
        """Look once; give also what was asked for, as the Variables say now, but for the changes."""
        # asgiref and not asyncio.to_thread: in the triggerer of Airflow 3.1 a plain thread finds no connection
        # ("isn't defined") and no Variable: its question to the supervisor must be asked on the triggerer's own loop.
        return await sync_to_async(self._look_now, thread_sensitive=False)(memory, changes)

    def _look_now(self, memory: PollState, changes: dict[str, Any]) -> tuple[ExportSearch, PollResult]:
        search = replace(self.search, **self._read_variables())
        return search, poll(replace(search, **changes), memory)

    def _read_variables(self) -> dict[str, Any]:
        values = {}
        for name, variable in self.variables.items():
            try:
                values[name] = read_parameter(name, Variable.get(variable, default=None))
            except BrazeSetupError as error:
                raise BrazeSetupError(f"Variable {variable}: {error}") from error
        return values
