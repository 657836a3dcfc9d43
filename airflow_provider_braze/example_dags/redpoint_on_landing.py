"""
### Redpoint exports to Braze, as they land

Starts by itself when Redpoint Interaction has finished writing an export, and pushes it into Braze; several that land
together are pushed one at a time, oldest first. What is marked as pushed is left out, so that an export which is
offered twice is pushed once. In a run that finds nothing left to push the tasks are
*skipped*, and the run is *Success*.

**Use this DAG or `redpoint_to_braze`, not both**: that one looks every 15 minutes and has a form. Both ship paused;
switch one of them on. This one needs a running triggerer.

**By hand** it pushes nothing: there is no file that started it. Use `redpoint_with_approval` for that.

| set up once | as | |
|---|---|---|
| where the exports lie | Variable `redpoint_base_path` | the folder or URL above `[Channel]/[Offer]/[Workflow ID]` |
| the Braze workspace | connection `braze_default` | another one: its id in Variable `redpoint_braze_conn_id` |
| only what changed is sent | Variable `redpoint_only_changed` | `true`; everything if not set (docs: *Data points*) |
| when a file counts as landed | Variable `redpoint_settle_seconds` | seconds without a change, 30 if not set |

A change of a Variable is seen at the next look, 30 seconds later at most. An export whose push failed is offered
again with the next one that lands, before it, or after an hour, as long as it is not older than a week.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_braze.airflow_compat import AirflowSkipException
from airflow_provider_braze.forms import MEMORY_PATH, ONLY_CHANGED_BY_VARIABLE
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.redpoint.discovery.offers import left_to_push
from airflow_provider_braze.triggers.redpoint import RedpointExportTrigger

BRAZE_CONN_ID = "{{ var.value.get('redpoint_braze_conn_id', 'braze_default') }}"
# Each push is an event of this asset, with the report's counts: other DAGs may be scheduled by it.
PUSHES = Asset("braze_pushes")

redpoint_exports = Asset(
    name="redpoint_exports",
    watchers=[
        AssetWatcher(
            name="landed",
            # Nothing is rendered here: the triggerer reads the Variables, at each look.
            trigger=RedpointExportTrigger(
                base_path_variable="redpoint_base_path",
                settle_seconds_variable="redpoint_settle_seconds",
                braze_conn_id_variable="redpoint_braze_conn_id",
                poke_interval=30,
            ),
        )
    ],
)

with DAG(
    dag_id="redpoint_on_landing",
    dag_display_name="Redpoint exports to Braze, as they land",
    description="Started by each export that lands; pushes it into Braze, one at a time, oldest first",
    doc_md=__doc__,
    tags=["braze", "redpoint"],
    schedule=[redpoint_exports],
    catchup=False,
    is_paused_upon_creation=True,
    # Two runs at once could push one export twice, or two of one person in the wrong order.
    max_active_runs=1,
) as dag:

    @task(task_display_name="What has landed and is not pushed yet")
    def landed_exports(braze_conn_id: str, triggering_asset_events: Any = None) -> list[dict[str, Any]]:
        """Collect the exports of every event that started this run: several may share one."""
        events = [event for of_asset in triggering_asset_events.values() for event in of_asset]
        # Of the watcher alone: whoever may make events, in the UI or by REST, may not say which files a worker reads.
        payloads = [
            event.extra["payload"]
            for event in events
            if event.extra.get("from_trigger") and not event.extra.get("from_rest_api")
        ]
        # Older ones, which were offered before, must not be overtaken by those that have just landed.
        offered = [item for each in payloads for item in (*each.get("older", []), *each.get("items", []))]
        if not offered:
            raise AirflowSkipException(
                "Started by hand, so no export started this run and nothing is pushed. "
                "Use redpoint_with_approval to push by hand."
            )
        left = left_to_push(offered, braze_conn_id)
        print(f"{len(offered)} offered in {len(events)} events, {len(left)} of them left to push.")
        if not left:
            raise AirflowSkipException("Everything that started this run is pushed already.")
        return left

    BrazeUserTrackOperator(
        task_id="push_export",
        task_display_name="Push to Braze",
        braze_conn_id=BRAZE_CONN_ID,
        only_changed=ONLY_CHANGED_BY_VARIABLE,
        memory_path=MEMORY_PATH,
        # The whole list in one task, oldest first: a later export of the same person must win, also after a retry.
        export=landed_exports(BRAZE_CONN_ID),
        retries=2,
        retry_delay=timedelta(seconds=30),
        outlets=[PUSHES],
    )
