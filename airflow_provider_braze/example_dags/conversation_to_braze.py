"""
### A conversation to Braze

The other way in: no file, but a few rows of an author's own. Records one conversation of a customer, as an event
and as attributes on the profile, then goes on by what came of it.

**By hand or by REST**, whenever a conversation has ended: `POST /api/v2/dags/conversation_to_braze/dagRuns`.

Needs two connections of the type *Braze*: `braze_sandbox` and `braze_prod`.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_braze.forms import refuse_unknown_fields

with DAG(
    dag_id="conversation_to_braze",
    dag_display_name="A conversation to Braze",
    description="Records one conversation as an event with attributes, and branches on the outcome",
    doc_md=__doc__,
    tags=["braze"],
    schedule=None,
    catchup=False,
    is_paused_upon_creation=True,
    params={
        "environment": Param(
            "sandbox",
            type="string",
            enum=["sandbox", "prod"],
            title="Environment",
            description="Which workspace: the connection braze_sandbox or braze_prod.",
        ),
        "external_id": Param(
            type="string",
            minLength=1,
            maxLength=987,
            title="External ID",
            description="Whose conversation it was.",
        ),
        "topic": Param("general", type="string", minLength=1, maxLength=255, title="Topic"),
        "resolved": Param(
            False, type="boolean", title="Resolved", description="Whether the customer got an answer."
        ),
    },
) as dag:

    @task.braze_track(
        braze_conn_id="braze_{{ params.environment }}",
        # The name that Braze assigned to you as a partner; leave it out if there is none.
        partner="airflow-conversations",
        # Both rows may fail without failing the task: the branch below decides what then.
        max_rejected=2,
        pre_execute=refuse_unknown_fields,
    )
    def record_conversation(params: dict[str, Any], dag_run: Any) -> dict[str, list[dict[str, Any]]]:
        """Give what the conversation says of its customer; values keep their types, and a retry gives the same."""
        ended_at = dag_run.run_after.isoformat()
        who = {"external_id": params["external_id"]}
        return {
            "attributes": [
                {
                    **who,
                    "last_conversation_topic": params["topic"],
                    "last_conversation_at": {"$time": ended_at},
                }
            ],
            "events": [
                {
                    **who,
                    "name": "conversation_ended",
                    "time": ended_at,
                    "properties": {"topic": params["topic"], "resolved": params["resolved"]},
                }
            ],
        }

    @task.branch
    def by_outcome(report: dict[str, Any]) -> str:
        """Go on by what Braze made of the two rows: accepted says queued, no more."""
        return "recorded" if report["accepted"] == report["records"] else "needs_a_look"

    @task
    def recorded(report: dict[str, Any]) -> None:
        """Stand in for what a team does next."""
        print(f"Braze accepted all {report['records']} rows.")

    @task
    def needs_a_look(report: dict[str, Any]) -> None:
        """Stand in for a message to whoever can mend it."""
        print(
            f"Braze accepted {report['accepted']} of {report['records']} rows: see the log of record_conversation."
        )

    report = record_conversation()
    by_outcome(report) >> [recorded(report), needs_a_look(report)]
