"""From the operator's parameters and Airflow's context to the job: what is asked of any push, and what it goes on from.

The operator stands above; below are ``pushes/attempt/job.py``, which says what each part means, and the store of
checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_braze.operators.memory_parameters import MemoryParameters, wish_of
from airflow_provider_braze.operators.state_store import StateStore
from airflow_provider_braze.parameters import (
    as_bool,
    as_optional_path,
    as_optional_seconds,
    as_optional_text,
    as_optional_whole_number,
    as_threshold,
)
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.resuming.checkpoint import CHECKPOINT_KEY
from airflow_provider_braze.pushes.sources.export_item import AUTO
from airflow_provider_braze.pushes.sources.shards import Shard
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.transport.workspace import Workspace

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import Logger


class JobParameters(MemoryParameters, Protocol):
    """The operator's parameters that are used here, rendered."""

    durable: bool
    retries: int | None
    max_data_points: Any
    max_rejected: Any
    max_wait_on_worker: Any
    mode: Any
    reports_path: Any
    retry_events: Any
    shard: Any
    task_id: str

    @property
    def dry_run(self) -> Any:
        """To mypy a method of Airflow's, which the operator puts a parameter in the place of."""

    @property
    def log(self) -> Logger:
        """The task's log."""


def job_of(
    task: JobParameters,
    context: Context,
    workspace: Workspace,
    conn_id: str,
    *,
    store: StateStore,
    checkpoint: Mapping[str, Any] | None,
) -> Job:
    """Read what is asked of any push, and find what it goes on from.

    :param conn_id: connection of the workspace.
    :param store: keeps its checkpoints.
    :param checkpoint: what the task left when it was deferred.
    :raises BrazeSetupError: a parameter cannot be used.
    """
    shard = Shard.read("shard", task.shard)
    in_airflow = context.get("ti") is not None
    return Job(
        workspace=workspace.shared_by(shard.of),
        braze_conn_id=conn_id,
        identity=push_identity(context, task.task_id, shard.text),
        mode=as_optional_text("mode", task.mode) or AUTO,
        reports_path=as_optional_path("reports_path", task.reports_path),
        dry_run=as_bool("dry_run", task.dry_run, default=False),
        max_data_points=as_optional_whole_number("max_data_points", task.max_data_points),
        max_rejected=as_threshold("max_rejected", task.max_rejected),
        shard=shard,
        retry_events=as_bool("retry_events", task.retry_events, default=False),
        memory=wish_of(task),
        # Outside of Airflow nothing goes on after a wait.
        max_wait=as_optional_seconds("max_wait_on_worker", task.max_wait_on_worker) if in_airflow else None,
        checkpoint=_checkpoint(context, store, task.log, checkpoint) if task.durable else checkpoint,
        save=partial(store.put, CHECKPOINT_KEY) if task.durable and store.exists else None,
        is_saved=partial(store.holds, CHECKPOINT_KEY),
        sent_before=_sent_before(context, task, store),
        is_retry=_is_retry(context, task),
        max_tries=getattr(context.get("ti"), "max_tries", None),
        log=task.log.info,
    )


def push_identity(context: Mapping[str, Any], task_id: str, shard: str | None = None) -> PushIdentity:
    """Tell whose push this is; outside of Airflow there is neither a DAG nor a run, and the time stands for both.

    :param shard: which part of the push, where it has several.
    """
    ti = context.get("ti")
    run_id = getattr(ti, "run_id", None)
    if not run_id:
        return PushIdentity(
            run_id=f"script-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}", task_id=task_id, shard=shard
        )
    map_index = getattr(ti, "map_index", None)
    return PushIdentity(
        dag_id=getattr(ti, "dag_id", None),
        run_id=run_id,
        task_id=task_id,
        map_index=-1 if map_index is None else map_index,
        try_number=getattr(ti, "try_number", 1),
        shard=shard,
    )


def _sent_before(context: Context, task: JobParameters, store: StateStore) -> bool:
    """Tell whether an earlier try may have sent some of it and left no checkpoint, because none was to be kept."""
    return getattr(context.get("ti"), "try_number", 1) > 1 and not (task.durable and store.exists)


def _is_retry(context: Context, task: JobParameters) -> bool:
    """Tell whether the try before this one did not end well.

    To clear a task raises its ``max_tries`` above its ``retries``, whatever it had come to: of that one nobody can say.
    """
    ti = context.get("ti")
    return getattr(ti, "try_number", 1) > 1 and getattr(ti, "max_tries", None) == task.retries


def _checkpoint(
    context: Context, store: StateStore, log: Logger, left: Mapping[str, Any] | None
) -> Mapping[str, Any] | None:
    """Give the checkpoint that a push goes on from, if there is one.

    :param left: what the task left when it was deferred, which is newer than what the store has.
    """
    if left is not None:
        store.may_hold(CHECKPOINT_KEY)
        return left
    ti = context.get("ti")
    if getattr(ti, "try_number", None) == 1:
        return None
    if ti is not None and not store.exists:
        log.info("Before Airflow 3.3 nothing is kept of an earlier try: this one pushes from the start.")
    checkpoint: Mapping[str, Any] | None = store.read(CHECKPOINT_KEY)
    return checkpoint
