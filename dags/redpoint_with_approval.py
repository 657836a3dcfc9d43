"""
### Redpoint exports to Braze, with approval

Plans first: reads and checks every export that has landed, and sends nothing. Where the plans together stay within
both limits of the form, the exports are pushed. Above one of them, or when an export cannot be planned, a person is
asked, who sees the sum of the plans: in the UI under *Required Actions*, or by REST. *Reject*, and no answer within
12 hours, end the run without a push.

**By hand:** press *Trigger* and set the limits. **By REST:** `POST /api/v2/dags/redpoint_with_approval/dagRuns`.
To run it by itself give it a schedule, and switch `redpoint_to_braze` and `redpoint_on_landing` off.

It is set up as `redpoint_to_braze` is, by the same Variables and connection.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Asset, Param, task

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

BRAZE_CONN_ID = "{{ var.value.get('redpoint_braze_conn_id', 'braze_default') }}"
# Each push is an event of this asset, with the report's counts: other DAGs may be scheduled by it.
PUSHES = Asset("braze_pushes")

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
        settle_seconds="{{ var.value.get('redpoint_settle_seconds', 30) }}",
        braze_conn_id=BRAZE_CONN_ID,
        deferrable=True,
        poke_interval=30,
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
        exports: list[dict[str, Any]], plan: dict[str, Any] | None, ti: Any = None
    ) -> dict[str, int]:
        """Say how large the push would be."""
        # A plan that failed returns nothing, but leaves its report.
        found = plan or ti.xcom_pull(task_ids="plan_export", key="report") or {}
        planned = [each for each in found.get("exports", ()) if each["status"] == "planned"]
        return {
            "exports": len(exports),
            "unplanned": len(exports) - len(planned),
            "users": found.get("users", 0),
            "failed": found.get("failed", 0),
            "data_points": found.get("data_points", 0),
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
        subject=f"Push {{{{ {PLANNED}.users }}}} users to Braze?",
        body=(
            f"{{% set plan = {PLANNED} %}}"
            "{{ plan.exports }} exports, {{ plan.users }} users, at most {{ plan.data_points }} data points; "
            "{{ plan.failed }} records cannot be sent, {{ plan.unplanned }} exports could not be planned. "
            "Each plan is in the reports folder, and the XCom of its plan_export."
        ),
        # Who is not asked in time has not agreed.
        defaults="Reject",
        response_timeout=timedelta(hours=12),
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
