"""Gives each export that lands a task of its own: the task that pushes has no map index until something has landed."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

with DAG("one_task_for_each", schedule=None) as dag:
    exports = RedpointExportSensor(
        task_id="find_exports",
        base_path="{{ var.value.redpoint_base_path }}",
        settle_seconds=0,
        deferrable=True,
        poke_interval=1,
        timeout=600,
    )
    BrazeUserTrackOperator.partial(task_id="push_export", task_display_name="Push to Braze").expand(
        export=exports.output
    )
