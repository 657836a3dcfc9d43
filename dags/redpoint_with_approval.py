"""
### Redpoint exports to Braze, with approval

Plans first: reads and checks every export that has landed, and sends nothing. Where the plans together stay within
both limits of the form, the exports are pushed. Above one of them, or when an export cannot be planned, a person is
asked, who sees the workspace, the exports and the sum of the plans: in the UI under *Required Actions*, or by REST.
*Reject*, and no answer within 12 hours, end the run without a push.

**By hand:** press *Trigger*, say which exports, and set the limits.
**By REST:** `POST /api/v2/dags/redpoint_with_approval/dagRuns`.
To run it by itself give it a schedule, and switch `redpoint_to_braze` and `redpoint_on_landing` off.

It is set up as `redpoint_to_braze` is, by the same Variables and connection.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Asset, Param, task

from airflow_provider_braze.forms import connection_param
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

# Of those that the Variable redpoint_braze_conn_ids names, the form may choose one.
BRAZE_CONN_ID = "{{ params.connection or var.value.get('redpoint_braze_conn_id', 'braze_default') }}"
# Each push is an event of this asset, with the report's counts: other DAGs may be scheduled by it.
PUSHES = Asset("braze_pushes")

HOURS_TO_ANSWER = 12
MOST_NAMED = 20

# Texts that cannot leave the base path. The form shows the comment when it refuses a value.
FOLDER_NAME = {
    "pattern": r"^(?!\.{1,2}$)[^/\\]*$",
    "maxLength": 255,
    "$comment": "the name of one folder, without a slash or backslash",
}

with DAG(
    dag_id="redpoint_with_approval",
    dag_display_name="Redpoint exports to Braze, with approval",
    description="Plans the push of every landed export, and asks a person before a large one",
    doc_md=__doc__,
    tags=["braze", "redpoint"],
    schedule=None,
    catchup=False,
    is_paused_upon_creation=True,
    # While a person is asked, later exports wait: they must not overtake.
    max_active_runs=1,
    params={
        "channel": Param(
            None,
            type=["null", "string"],
            **FOLDER_NAME,
            title="Channel",
            description="Push only exports of this Redpoint channel. Empty: every channel.",
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
            type=["null", "string", "integer"],
            examples=["8828"],
            **FOLDER_NAME,
            title="Workflow ID",
            description="Push only exports of this workflow: the name of its folder. Empty: every one.",
        ),
        "connection": connection_param(),
        "ask_above_users": Param(
            10_000,
            type="integer",
            minimum=0,
            title="Ask above this many users",
            description="A person is asked before more users than this are pushed.",
        ),
        "ask_above_data_points": Param(
            100_000,
            type="integer",
            minimum=0,
            title="Ask above this many data points",
            description="A person is asked before a push that may cost more data points than this.",
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
        settle_seconds="{{ var.value.get('redpoint_settle_seconds', 30) }}",
        braze_conn_id=BRAZE_CONN_ID,
        deferrable=True,
        poke_interval=30,
        # No other run may begin before this one ends: soon, where there is nothing to push.
        give_up_after=0,
        timeout=timedelta(minutes=10).total_seconds(),
        soft_fail=True,
    )

    plan_export = BrazeUserTrackOperator(
        task_id="plan_export",
        task_display_name="Plan",
        dry_run=True,
        braze_conn_id=BRAZE_CONN_ID,
        export=find_exports.output,
        retries=2,
        retry_delay=timedelta(seconds=30),
    )

    # An export that cannot be planned is left for the person to decide on; no exports leave nothing to decide.
    @task(task_display_name="Add up the plans", trigger_rule="none_skipped", multiple_outputs=False)
    def sum_of_plans(
        exports: list[dict[str, Any]], plan: dict[str, Any] | None, ti: Any = None, run_id: Any = None
    ) -> dict[str, Any]:
        """Say how large the push would be, and of what."""
        # A plan that failed returns nothing, but leaves its report.
        found = plan or ti.xcom_pull(task_ids="plan_export", key="report") or {}
        planned = [each for each in found.get("exports", ()) if each["status"] == "planned"]
        return {
            "exports": len(exports),
            "unplanned": len(exports) - len(planned),
            "users": found.get("users", 0),
            "failed": found.get("failed", 0),
            "data_points": found.get("data_points", 0),
            "workspace": next((each["endpoint"] for each in planned if each.get("endpoint")), "unknown"),
            "names": [
                " / ".join(
                    str(each.get(part) or "?") for part in ("channel", "offer", "channel_execution_id")
                )
                for each in exports[:MOST_NAMED]
            ],
            "url": f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/dags/redpoint_with_approval/runs/"
            f"{quote(run_id or '', safe='')}/plugin/braze",
        }

    @task.branch(task_display_name="Within the limits?")
    def by_size(size: dict[str, int], params: dict[str, Any] | None = None) -> str:
        """Ask only where a limit is passed, or may be."""
        limits = params or {}
        within = (
            not size["unplanned"]
            and size["users"] <= limits["ask_above_users"]
            and size["data_points"] <= limits["ask_above_data_points"]
        )
        return "push_export" if within else "ask"

    planned = sum_of_plans(find_exports.output, plan_export.output)
    PLANNED = "ti.xcom_pull(task_ids='sum_of_plans')"
    ask = ApprovalOperator(
        task_id="ask",
        task_display_name="Ask a person",
        subject=f"Push {{{{ '{{:,}}'.format({PLANNED}.users) }}}} users to Braze?",
        body=(
            f"{{% set plan = {PLANNED} %}}"
            "{{ plan.exports }} exports, {{ '{:,}'.format(plan.users) }} users, at most "
            "{{ '{:,}'.format(plan.data_points) }} data points, an estimate; "
            "{{ '{:,}'.format(plan.failed) }} records cannot be sent, "
            "{{ plan.unplanned }} exports could not be planned. "
            "Who is in two of the exports counts twice.\n\n"
            f"Workspace: `{{{{ plan.workspace }}}}`, connection `{BRAZE_CONN_ID}`.\n\n"
            "{% for name in plan.names %}- {{ name }}\n{% endfor %}"
            f"{{% if plan.exports > {MOST_NAMED} %}}- and {{{{ plan.exports - {MOST_NAMED} }}}} more\n{{% endif %}}"
            "\n[Each plan is in the tab Braze of this run]({{ plan.url }}).\n\n"
            f"No answer within {HOURS_TO_ANSWER} hours means *Reject*: then nothing is pushed, and the exports are "
            "found again by the next run."
        ),
        # Who is not asked in time has not agreed.
        defaults="Reject",
        response_timeout=timedelta(hours=HOURS_TO_ANSWER),
    )

    push_export = BrazeUserTrackOperator(
        task_id="push_export",
        task_display_name="Push to Braze",
        braze_conn_id=BRAZE_CONN_ID,
        # The whole list in one task, oldest first: a later export of the same person must win, also after a retry.
        export=find_exports.output,
        retries=2,
        retry_delay=timedelta(seconds=30),
        # Nobody is asked about a small push.
        trigger_rule="none_failed_min_one_success",
        outlets=[PUSHES],
    )

    by_size(planned) >> [ask, push_export]
    ask >> push_export
