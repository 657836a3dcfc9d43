"""
### Redpoint exports to Braze

Waits for exports that Redpoint Interaction has finished writing, and pushes each of them into Braze, one at a time
and oldest first: what fails for a while holds up those after it, so that none overtakes. Every push leaves a report
and, for records that failed, a rejects file in the reports folder.

**By itself:** every 15 minutes. A run in which nothing new lands ends as *skipped*.

**By hand:** press *Trigger* and fill in the form. Everything may stay as it is: then all that is new is pushed.

**By REST:** `POST /api/v2/dags/redpoint_to_braze/dagRuns` with the form's fields as `conf`.

| set up once | as | |
|---|---|---|
| where the exports lie | Variable `redpoint_base_path` | the folder or URL above `[Channel]/[Offer]/[Workflow ID]` |
| the Braze workspace | connection `braze_default` | another one: its id in Variable `redpoint_braze_conn_id` |
| when a file counts as landed | Variable `redpoint_settle_seconds` | seconds without a change, 30 if not set |
| channels with other names | `CHANNEL_MODES` at the top of this file | each with its mode; the form lists them |
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

# The names of your Redpoint channels, and what a push of their exports may do: the form lists them, the sensor looks
# only into their folders. "upsert" creates profiles or changes them, "append" only touches those that exist.
CHANNEL_MODES = {
    "Braze Onboarding and Upsert": "upsert",
    "Braze Append": "append",
}

# Texts that cannot leave the base path, and thresholds. The form shows the comment when it refuses a value.
FOLDER_NAME = {
    "pattern": r"^(?!\.{1,2}$)[^/\\]*$",
    "maxLength": 255,
    "$comment": "the name of one folder, without a slash or backslash",
}
COUNT_OR_SHARE = {
    "pattern": r"^([0-9]+|0?\.[0-9]+)?$",
    "minimum": 0,
    "anyOf": [{"type": ["null", "string", "integer"]}, {"exclusiveMaximum": 1}],
    "$comment": "a count, or a share below 1 such as 0.05",
}

# Fields without a section come first, and only theirs are open when the form opens.
HOW, GUARDS = "How to push them", "When to refuse"

BRAZE_CONN_ID = "{{ var.value.get('redpoint_braze_conn_id', 'braze_default') }}"
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
        "offer": Param(
            None,
            type=["null", "string"],
            **FOLDER_NAME,
            title="Offer",
            description="Push only exports of this offer: the name of its folder. Empty: every offer.",
        ),
        "workflow_id": Param(
            None,
            # A number by REST; with examples, Airflow shows one line of text for what may be either.
            type=["null", "string", "integer"],
            examples=["8828"],
            **FOLDER_NAME,
            title="Workflow ID",
            description="Push only exports of this Redpoint workflow: the name of its folder. Empty: every one.",
        ),
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
        "dry_run": Param(
            False,
            type="boolean",
            section=HOW,
            title="Dry run",
            description="Read and check everything, send nothing, report the plan.",
        ),
        "push_again": Param(
            False,
            type="boolean",
            section=HOW,
            title="Push again even if already pushed",
            description="Off: exports that were pushed whole are left out.",
        ),
        "max_rejected": Param(
            None,
            type=["null", "string", "number"],
            examples=["0", "100", "0.05"],
            **COUNT_OR_SHARE,
            section=GUARDS,
            title="Most failed records",
            description=(
                "A push with more failed records than this fails: a count, or a share below 1 such as 0.05. "
                "Empty: more than 1 % of at least 100 records, or all of them."
            ),
        ),
        "max_data_points": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            section=GUARDS,
            title="Most data points",
            description=(
                "An export that would cost more data points than this is refused before anything is sent. "
                "Empty: no limit."
            ),
        ),
    },
) as dag:
    find_exports = RedpointExportSensor(
        task_id="find_exports",
        task_display_name="Find exports that have landed",
        base_path="{{ var.value.redpoint_base_path }}",
        channel="{{ params.channel }}",
        offer="{{ params.offer }}",
        workflow_id="{{ params.workflow_id }}",
        # Who fills in the form knows what they choose; RPI's call must not make its export overtake an older one.
        with_older="{{ dag_run.run_id.startswith('rpi-') }}",
        channel_modes=CHANNEL_MODES,
        settle_seconds="{{ var.value.get('redpoint_settle_seconds', 30) }}",
        only_new="{{ not params.push_again }}",
        braze_conn_id=BRAZE_CONN_ID,
        deferrable=True,
        poke_interval=30,
        # Shorter than the schedule's interval, so that waiting runs never pile up.
        timeout=timedelta(minutes=10).total_seconds(),
        soft_fail=True,
    )

    BrazeUserTrackOperator(
        task_id="push_export",
        task_display_name="Push to Braze",
        mode="{{ params.mode }}",
        dry_run="{{ params.dry_run }}",
        max_rejected="{{ params.max_rejected }}",
        max_data_points="{{ params.max_data_points }}",
        channel_modes=CHANNEL_MODES,
        braze_conn_id=BRAZE_CONN_ID,
        # The whole list in one task, oldest first: a later export of the same person must win, also after a retry.
        export=find_exports.output,
        retries=2,
        retry_delay=timedelta(seconds=30),
        outlets=[PUSHES],
    )
