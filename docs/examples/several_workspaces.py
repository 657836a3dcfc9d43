"""Exports of several brands, each brand with its own Braze workspace, in one DAG.

A workspace is a connection. Each has its own folder, its own sensor and its own push, so that one that fails
holds up none of the others, and its own limit: pushes into different workspaces share nothing.
"""

from datetime import timedelta

from airflow.sdk import DAG, TaskGroup

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

WORKSPACES = {
    "braze_north": "{{ var.value.redpoint_base_path }}/north",
    "braze_south": "{{ var.value.redpoint_base_path }}/south",
}
"""Connection of each workspace, and where RPI writes what is for it."""

with DAG("redpoint_to_workspaces", schedule="*/15 * * * *", catchup=False, max_active_runs=1) as dag:
    for conn_id, base_path in WORKSPACES.items():
        with TaskGroup(conn_id):
            exports = RedpointExportSensor(
                task_id="find",
                base_path=base_path,
                braze_conn_id=conn_id,
                deferrable=True,
                timeout=600,
                soft_fail=True,
            )
            BrazeUserTrackOperator(
                task_id="push",
                export=exports.output,
                braze_conn_id=conn_id,
                # One slot for each push that may run at once, whichever DAG it is of.
                pool="braze",
                retries=3,
                retry_delay=timedelta(minutes=5),
            )
