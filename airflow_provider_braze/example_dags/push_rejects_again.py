"""
### Push rejects again

Takes the rejects file of one push, mended, and pushes it into Braze with the mode and the mapping of that push.

1. Download the rejects from the card of the push in the tab *Braze*, or take them from the reports folder.
2. Mend the cells, and leave the columns that start with `_` in place. Records that you delete are not pushed.
3. Put the file beside the report that the card names, under any name.
4. Press *Push rejects again* on the card, where all is filled in; or *Trigger* here, with the id that the card names.
   The file that was changed last is taken.

The new report names the old one as its `parent`. What fails again is in a new rejects file, which has an id of its own.

It is set up as `redpoint_to_braze` is, by the same Variables and connection.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Asset, Param, task

from airflow_provider_braze.airflow_compat import AirflowFailException
from airflow_provider_braze.exceptions import BrazeSetupError
from airflow_provider_braze.forms import (
    BRAZE_CONN_ID,
    MEMORY_PATH,
    ONLY_CHANGED_BY_VARIABLE,
    connection_param,
    dry_run_param,
    file_param,
    refuse_unknown_fields,
)
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.pushes.rejects_by_id import ID_PATTERN, find_rejects
from airflow_provider_braze.redpoint.discovery.search import read_parameter

# Each push is an event of this asset, with the report's counts: other DAGs may be scheduled by it.
PUSHES = Asset("braze_pushes")

with DAG(
    dag_id="push_rejects_again",
    dag_display_name="Push rejects again",
    description="Pushes the mended rejects of one push, with the mode and the mapping of that push",
    doc_md=__doc__,
    tags=["braze", "redpoint"],
    schedule=None,
    catchup=False,
    is_paused_upon_creation=True,
    max_active_runs=1,
    params={
        "rejects": Param(
            type="string",
            pattern=ID_PATTERN,
            **{
                "$comment": "the id that the card of the push names: the last two folders of its report's path"
            },
            title="Rejects",
            description="Which push: the id that its card in the tab Braze names.",
        ),
        "file_name": file_param(
            "File", "Which file beside the report. Empty: the one that was changed last."
        ),
        "connection": connection_param(),
        "dry_run": dry_run_param(),
    },
) as dag:

    @task(task_display_name="Find the rejects", pre_execute=refuse_unknown_fields)
    def rejects_file(base_path: str, push_id: str, file_name: str, braze_conn_id: str) -> str:
        """Find the file; what was pushed through one connection goes through it again."""
        try:
            path, report = find_rejects(base_path, push_id, None if file_name == "None" else file_name)
        except BrazeSetupError as error:
            raise AirflowFailException(str(error)) from error
        conn_id = read_parameter("braze_conn_id", braze_conn_id)
        if (before := report.get("braze_conn_id", conn_id)) != conn_id:
            raise AirflowFailException(
                f"These were pushed through {before!r}, not {conn_id!r}: choose it as connection "
                "in the form, or set the Variable redpoint_braze_conn_id to it."
            )
        print(f"{path}, of {report.get('export', 'rows')}")
        return path

    BrazeUserTrackOperator(
        task_id="push_export",
        task_display_name="Push to Braze",
        braze_conn_id=BRAZE_CONN_ID,
        dry_run="{{ params.dry_run }}",
        only_changed=ONLY_CHANGED_BY_VARIABLE,
        memory_path=MEMORY_PATH,
        export=rejects_file(
            "{{ var.value.redpoint_base_path }}",
            "{{ params.rejects }}",
            "{{ params.file_name }}",
            BRAZE_CONN_ID,
        ),
        retries=2,
        retry_delay=timedelta(seconds=30),
        outlets=[PUSHES],
    )
