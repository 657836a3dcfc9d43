"""
### Redpoint exports to Braze, with approval

Plans first: reads and checks every export that has landed, and sends nothing. Where the plans together stay within
both limits of the form, the exports are pushed. Above one of them, or when an export cannot be planned, a person is
asked, who sees the workspace, the exports and the sum of the plans: in the UI under *Required Actions*, or by REST.
*Reject*, and no answer within 12 hours, end the run without a push: it is *Success*, and the push is *skipped*.
An export that was replaced since it was found is not pushed: the run fails and names it, and the next plans it anew.

**By hand:** press *Trigger*, say which exports, and set the limits.
**By REST:** `POST /api/v2/dags/redpoint_with_approval/dagRuns`.
To run it by itself give it a schedule, and switch `redpoint_to_braze` and `redpoint_on_landing` off.

It is set up as `redpoint_to_braze` is, by the same Variables and connection.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, Asset, task

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.forms import (
    BRAZE_CONN_ID,
    MEMORY_PATH,
    ONLY_CHANGED,
    connection_param,
    count_param,
    execution_id_param,
    folder_param,
    max_age_param,
    offer_param,
    only_changed_param,
    refuse_unknown_fields,
    workflow_id_param,
)
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.parameters import as_whole_number
from airflow_provider_braze.redpoint.discovery.search import read_parameter
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor
from airflow_provider_braze.users_track.transport.clusters import cluster_of

# Each push is an event of this asset, with the report's counts: other DAGs may be scheduled by it.
PUSHES = Asset("braze_pushes")

HOURS_TO_ANSWER = 12
MOST_NAMED = 20


def question(size: dict[str, Any], where: dict[str, str], exports: list[dict[str, Any]]) -> str:
    """Write, in Markdown, what the person who is asked has to know."""
    named = [
        "- "
        + " / ".join(plain(each.get(part) or "?") for part in ("channel", "offer", "channel_execution_id"))
        for each in exports[:MOST_NAMED]
    ]
    if len(exports) > MOST_NAMED:
        named.append(f"- and {len(exports) - MOST_NAMED:,} more")
    saved = size.get("data_points_saved", 0)
    more = f" ({size['data_points'] + saved:,} if everything were sent)" if saved else ""
    kinds = size["users_identified_by"]
    # Nobody can tell that an external id and an e-mail address are of the same person.
    counted = (
        f"Users are identified in several ways ({', '.join(kinds)}); who is there in two of them is counted twice."
        if len(kinds) > 1
        else "Each user is counted once, however many of the exports they are in."
    )
    return f"""\
{size["exports"]:,} exports, {users(size)}, at most {size["data_points"]:,} data points{more}, an estimate; \
{size["failed"]:,} records cannot be sent, {size["unplanned"]:,} exports could not be planned. \
{counted}

Workspace: `{where["endpoint"]}`, connection `{where["connection"]}`. \
Cluster: {cluster_of(where["endpoint"]) or "none of Braze's list"}.

{chr(10).join(named)}

[Each plan is in the tab Braze of this run]({where["plans"]}).

No answer within {HOURS_TO_ANSWER} hours means *Reject*: then nothing is pushed, and the exports are found again by \
the next run.
"""


def users(size: dict[str, Any]) -> str:
    """Say how many users there are, as far as that is known."""
    most = "at most " if len(size["users_identified_by"]) > 1 else ""
    return f"{most}{size['users']:,} users"


def plain(text: Any) -> str:
    """Write a folder's name so that Markdown takes nothing in it for a sign of its own."""
    return re.sub(r"([\\`*\[\]<>])", r"\\\1", " ".join(str(text).split()))


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
        "channel": folder_param(
            "Channel", "Push only exports of this Redpoint channel. Empty: every channel."
        ),
        "offer": offer_param(),
        "workflow_id": workflow_id_param(),
        "channel_execution_id": execution_id_param(),
        "max_age_days": max_age_param(7),
        "connection": connection_param(),
        "only_changed": only_changed_param(),
        "ask_above_users": count_param(
            "Ask above this many users",
            "A person is asked before more users than this are pushed.",
            default=10_000,
        ),
        "ask_above_data_points": count_param(
            "Ask above this many data points",
            "A person is asked before a push that may cost more data points than this.",
            default=100_000,
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
        only_changed=ONLY_CHANGED,
        memory_path=MEMORY_PATH,
        braze_conn_id=BRAZE_CONN_ID,
        export=find_exports.output,
        retries=2,
        retry_delay=timedelta(seconds=30),
    )

    # An export that cannot be planned is left for the person to decide on; no exports leave nothing to decide.
    @task(task_display_name="Add up the plans", trigger_rule="none_skipped", multiple_outputs=False)
    def sum_of_plans(
        exports: list[dict[str, Any]] | None,
        plan: dict[str, Any] | None,
        braze_conn_id: str = "",
        ti: Any = None,
        run_id: Any = None,
    ) -> dict[str, Any]:
        """Say how large the push would be, and write the question."""
        if exports is None:
            raise AirflowFailException("No exports were found: the task before this one says why.")
        # A plan that failed returns nothing, but leaves its report.
        found = plan or ti.xcom_pull(task_ids="plan_export", key="report") or {}
        planned = [each for each in found.get("exports", ()) if each["status"] == "planned"]
        size = {
            "exports": len(exports),
            "unplanned": len(exports) - len(planned),
            **{name: found.get(name, 0) for name in ("users", "failed", "data_points", "data_points_saved")},
            "users_identified_by": found.get("users_identified_by", []),
        }
        where = {
            "endpoint": found.get("endpoint") or "unknown",
            "connection": read_parameter("braze_conn_id", braze_conn_id),
            "plans": f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/dags/redpoint_with_approval"
            f"/runs/{quote(run_id or '', safe='')}/plugin/braze",
        }
        return {
            **size,
            "subject": f"Push {users(size)} to Braze?",
            "question": question(size, where, exports),
        }

    @task.branch(task_display_name="Within the limits?")
    def by_size(size: dict[str, Any], params: dict[str, Any] | None = None) -> str:
        """Ask only where a limit is passed, or may be."""
        limits = params or {}
        within = not size["unplanned"] and all(
            size[name] <= as_whole_number(name, limits[f"ask_above_{name}"])
            for name in ("users", "data_points")
        )
        return "push_export" if within else "ask"

    planned = sum_of_plans(find_exports.output, plan_export.output, BRAZE_CONN_ID)
    ask = ApprovalOperator(
        task_id="ask",
        task_display_name="Ask a person",
        subject="{{ ti.xcom_pull(task_ids='sum_of_plans').subject }}",
        body="{{ ti.xcom_pull(task_ids='sum_of_plans').question }}",
        # Who is not asked in time has not agreed.
        defaults="Reject",
        response_timeout=timedelta(hours=HOURS_TO_ANSWER),
    )

    push_export = BrazeUserTrackOperator(
        task_id="push_export",
        task_display_name="Push to Braze",
        only_changed=ONLY_CHANGED,
        memory_path=MEMORY_PATH,
        braze_conn_id=BRAZE_CONN_ID,
        # The whole list in one task, oldest first: a later export of the same person must win, also after a retry.
        export=find_exports.output,
        # Hours may lie between plan and push: what was replaced meanwhile, nobody has seen.
        replaced="refuse",
        retries=2,
        retry_delay=timedelta(seconds=30),
        # Nobody is asked about a small push.
        trigger_rule="none_failed_min_one_success",
        outlets=[PUSHES],
    )

    by_size(planned) >> [ask, push_export]
    ask >> push_export
