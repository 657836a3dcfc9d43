"""
### Redpoint exports to Braze

Waits for exports that Redpoint Interaction has finished writing, and pushes each of them into Braze, one at a time
and oldest first: what fails for a while holds up those after it, so that none overtakes. Every push leaves a report
and, for records that failed, a rejects file in the reports folder.

**By itself:** every 15 minutes. It looks twice, as far apart as a file needs to be known as landed, and ends; in a run
in which nothing new has landed, both tasks are *skipped*, and the run is *Success*.

**By hand:** press *Trigger* and fill in the form. Everything may stay as it is: then all that is new is pushed. Where
there is nothing to push, the run ends after these two looks, and the tab *Braze* says why. What was asked for by name
and is not there *fails* the run.

**By REST:** `POST /api/v2/dags/redpoint_to_braze/dagRuns` with the form's fields as `conf`.

| set up once | as | |
|---|---|---|
| where the exports lie | Variable `redpoint_base_path` | the folder or URL above `[Channel]/[Offer]/[Workflow ID]` |
| the Braze workspace | connection `braze_default` | another one: its id in Variable `redpoint_braze_conn_id` |
| only what changed is sent | Variable `redpoint_only_changed` | `true`; everything if not set (docs: *Data points*) |
| how many workers push at once | Variable `redpoint_shards` | each a part of the users; 1 if not set |
| when a file counts as landed | Variable `redpoint_settle_seconds` | seconds without a change, 30 if not set |
| a choice of workspaces | Variable `redpoint_braze_conn_ids` | their ids, such as `braze_sandbox, braze_prod` |
| channels with other names | `CHANNEL_MODES` at the top of this file | each with its mode; the form lists them |
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, Param, Variable

from airflow_provider_braze.forms import (
    BRAZE_CONN_ID,
    MEMORY_PATH,
    ONLY_CHANGED,
    connection_param,
    count_param,
    dry_run_param,
    execution_id_param,
    max_age_param,
    max_rejected_param,
    minutes_param,
    offer_param,
    only_changed_param,
    refuse_unknown_fields,
    workflow_id_param,
)
from airflow_provider_braze.operators.braze import TASK_DOC, BrazeUserTrackOperator
from airflow_provider_braze.pushes.sources.shards import every_shard
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

# The names of your Redpoint channels, and what a push of their exports may do: the form lists them, the sensor looks
# only into their folders. "upsert" creates profiles or changes them, "append" only touches those that exist.
CHANNEL_MODES = {
    "Braze Onboarding and Upsert": "upsert",
    "Braze Append": "append",
}

MOST_WAIT_MINUTES = 12

# Fields without a section come first, and only theirs are open when the form opens.
HOW, GUARDS = "How to push them", "When to refuse"

# Read with the file, because it decides how many tasks there are. While an export is half pushed, leave it as it is.
SHARDS = every_shard("The Variable redpoint_shards", Variable.get("redpoint_shards", default="1"))

# Each push is an event of this asset, with the report's counts: other DAGs may be scheduled by it.
PUSHES = Asset("braze_pushes")

with DAG(
    dag_id="redpoint_to_braze",
    dag_display_name="Redpoint exports to Braze",
    description="Waits for Redpoint exports and pushes each into Braze, one at a time, oldest first",
    doc_md=__doc__,
    tags=["braze", "redpoint"],
    schedule="*/15 * * * *",
    catchup=False,
    is_paused_upon_creation=True,
    # Two runs at once could push two exports of one person in the wrong order.
    max_active_runs=1,
    params={
        "channel": Param(
            None,
            type=["null", "string"],
            enum=[None, *CHANNEL_MODES],
            values_display={"None": "every channel", **{name: name for name in CHANNEL_MODES}},
            title="Channel",
            description="Push only exports of this Redpoint channel.",
        ),
        "offer": offer_param(),
        "workflow_id": workflow_id_param(),
        "channel_execution_id": execution_id_param(),
        "max_age_days": max_age_param(7),
        "wait_minutes": minutes_param(
            "Wait so many minutes",
            "How long to wait for an export that is still to come. "
            "0: look, and once more where a file is still landing. Other runs wait meanwhile.",
            most=MOST_WAIT_MINUTES,
        ),
        "connection": connection_param(HOW),
        "mode": Param(
            "auto",
            type="string",
            enum=["auto", "upsert", "append"],
            values_display={
                "auto": "as the channel says",
                "upsert": "upsert: create profiles or change them",
                "append": "append: only touch profiles that exist",
            },
            section=HOW,
            title="Mode",
            description="Whether people whom Braze does not know yet get a profile.",
        ),
        "only_changed": only_changed_param(HOW),
        "dry_run": dry_run_param(HOW),
        "push_again": Param(
            False,
            type="boolean",
            section=HOW,
            title="Push again even if already pushed",
            description=(
                "Off: exports that were pushed whole are left out. On: needs an offer, a workflow ID or an execution "
                "ID, and sets people back to what these exports say; with the switch above, too, it only shows them."
            ),
        ),
        "max_rejected": max_rejected_param(GUARDS),
        "max_data_points": count_param(
            "Most data points",
            "An export that would cost more data points than this is refused before anything is sent. "
            "Empty: no limit.",
            least=1,
            section=GUARDS,
        ),
    },
) as dag:
    find_exports = RedpointExportSensor(
        task_id="find_exports",
        task_display_name="Find exports that have landed",
        pre_execute=refuse_unknown_fields,
        base_path="{{ var.value.redpoint_base_path }}",
        channel="{{ params.channel }}",
        offer="{{ params.offer }}",
        workflow_id="{{ params.workflow_id }}",
        channel_execution_id="{{ params.channel_execution_id }}",
        max_age="{{ params.max_age_days | float * 86400 }}",
        # Who fills in the form knows what they choose; RPI's call must not make its export overtake an older one.
        with_older="{{ dag_run.run_id.startswith('rpi-') }}",
        channel_modes=CHANNEL_MODES,
        settle_seconds="{{ var.value.get('redpoint_settle_seconds', 30) }}",
        push_again="{{ params.push_again }}",
        braze_conn_id=BRAZE_CONN_ID,
        deferrable=True,
        poke_interval=30,
        # Soon, because no other run may begin before this one ends.
        give_up_after="{{ params.wait_minutes | float * 60 }}",
        # Shorter than the schedule's interval, so that waiting runs never pile up.
        timeout=timedelta(minutes=14).total_seconds(),
        soft_fail=True,
    )

    push: dict[str, Any] = {
        "task_id": "push_export",
        "task_display_name": "Push to Braze",
        "mode": "{{ params.mode }}",
        "dry_run": "{{ params.dry_run }}",
        "max_rejected": "{{ params.max_rejected }}",
        "max_data_points": "{{ params.max_data_points }}",
        "only_changed": ONLY_CHANGED,
        "memory_path": MEMORY_PATH,
        "channel_modes": CHANNEL_MODES,
        "braze_conn_id": BRAZE_CONN_ID,
        # The whole list in one task, oldest first: a later export of the same person must win, also after a retry.
        "export": find_exports.output,
        "retries": 2,
        "retry_delay": timedelta(seconds=30),
        "outlets": [PUSHES],
    }
    if len(SHARDS) == 1:
        BrazeUserTrackOperator(**push)
    else:
        # Each shard pushes the whole list, for its own people alone.
        BrazeUserTrackOperator.partial(
            **push, doc_md=TASK_DOC, map_index_template="shard {{ task.shard }}"
        ).expand(shard=SHARDS)
