"""What a try of a task goes on from: what an earlier one has kept in Airflow, or what it left when it was deferred."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.parameters import as_optional_seconds
from airflow_provider_braze.pushes.checkpoint import CHECKPOINT_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger


def load_resume_state(
    context: Context,
    store: StateStore,
    log: Logger,
    *,
    durable: bool,
    max_wait_on_worker: Any,
    checkpoint: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Say what a push goes on from, what keeps its checkpoints, and which wait is too long for its worker.

    :param durable: the operator's parameter, as is ``max_wait_on_worker``.
    :param checkpoint: what the task left when it was deferred.
    :return: parameters of the push.
    """
    ti = context.get("ti")
    max_wait = None if ti is None else as_optional_seconds("max_wait_on_worker", max_wait_on_worker)
    common: dict[str, Any] = {"max_wait": max_wait, "say": log.info}
    if not durable:
        return {**common, "checkpoint": checkpoint}
    has_store = context.get("task_state_store") is not None
    is_new_try = getattr(ti, "try_number", None) != 1
    if ti is not None and is_new_try and checkpoint is None and not has_store:
        log.info("Before Airflow 3.3 nothing is kept of an earlier try: this one pushes from the start.")
    if checkpoint is not None:
        store.may_hold(CHECKPOINT_KEY)
    elif is_new_try:
        checkpoint = store.read(CHECKPOINT_KEY)
    return {
        **common,
        "checkpoint": checkpoint,
        "keep": partial(store.put, CHECKPOINT_KEY) if has_store else None,
        "is_kept": lambda: store.idle,
    }
