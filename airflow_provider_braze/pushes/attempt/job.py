"""The job: what is asked of any push, whatever it pushes, and what it is given by whoever runs it.

The operator makes one of its parameters and of Airflow's; a list hands it on to each of its exports, with what is the
export's own put in its place.

Above: the operator, which makes it, and every push. Below: only types of what it holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_braze.memory.memory import Wish
from airflow_provider_braze.memory.previewing import Previews
from airflow_provider_braze.pushes.attempt.progress import Tell
from airflow_provider_braze.pushes.resuming.checkpoint import Save
from airflow_provider_braze.pushes.sources.export_item import AUTO
from airflow_provider_braze.pushes.sources.shards import EVERYTHING, Shard
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.users_track.delivery.user_count import UserCount
from airflow_provider_braze.users_track.transport.limiter import Limiter
from airflow_provider_braze.users_track.transport.workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """
    What is asked of any push.

    :param workspace: where to.
    :param braze_conn_id: names the workspace in the report and the reports folder.
    :param identity: whose push it is, for its names in the reports folder and its report.
    :param mode: ``upsert``, ``append`` or ``auto``.
    :param reports_path: reports folder.
    :param dry_run: send nothing, plan only.
    :param max_data_points: refuse a push that would cost more.
    :param max_rejected: most failed records, as the task's threshold; only told in the report.
    :param retry_events: send events, purchases and increments again when an answer was lost, at the risk that they
        count twice.
    :param progress: takes the progress every few seconds, as JSON.
    :param checkpoint: what an earlier try saved; one of something else, or of the same pushed another way, is not used.
    :param save: saves checkpoints, so that a later try can go on from them.
    :param is_saved: whether what was given to ``save`` is in its store by now; None: it could not be brought there.
    :param sent_before: whether an earlier try may have sent some of it, of which there is no checkpoint.
    :param is_retry: whether the try before this one did not end well: what it reported as whole is not pushed again. A
        task that was cleared is none, it pushes anew. It counts where an earlier try has not kept its ``max_tries``.
    :param max_tries: most tries that Airflow gives the task, which clearing it raises.
    :param log: takes a remark for the log.
    :param max_wait: seconds of pause ordered by Braze beyond which the push stops; None: it waits however long.
    :param limiter: makes what decides when a request may go (default: one for this push alone).
    :param shard: whose records are pushed (default: all).
    :param memory: what is asked of the memory of what Braze was told (default: nothing is left out).
    :param users: counts the users of a plan together with those of others (default: by themselves).
    :param previews: what plans before this one would have changed in the memory (default: it is the first).
    """

    workspace: Workspace
    braze_conn_id: str
    identity: PushIdentity = field(default_factory=PushIdentity)
    mode: str = AUTO
    reports_path: str | None = None
    dry_run: bool = False
    max_data_points: int | None = None
    max_rejected: int | float | None = None
    retry_events: bool = False
    progress: Tell | None = None
    checkpoint: Mapping[str, Any] | None = None
    save: Save | None = None
    is_saved: Callable[[], bool | None] = lambda: True
    sent_before: bool = False
    is_retry: bool = False
    max_tries: int | None = None
    log: Callable[[str], None] = lambda _: None
    max_wait: float | None = None
    limiter: Callable[[], Limiter] | None = None
    shard: Shard = EVERYTHING
    memory: Wish = field(default_factory=Wish)
    users: UserCount | None = None
    previews: Previews | None = None
