"""Be told by e-mail of pushes that went wrong, and of a run that is not over in time.

Copy it beside your DAGs. It needs a connection ``smtp_default``, and a triggerer, which sends the deadline's message.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.smtp.notifications.smtp import SmtpNotifier
from airflow.sdk import DAG
from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference

from airflow_provider_braze.notifications.braze import BrazePushNotifier
from airflow_provider_braze.operators.braze import BrazeUserTrackOperator
from airflow_provider_braze.sensors.redpoint import RedpointExportSensor

TEAM = "crm-team@example.com"

# One message a run, when it is over and there is something to tell.
tell = BrazePushNotifier(SmtpNotifier(to=TEAM), failed_share=0.01, data_points=500_000, wait_minutes=15)

# One more while it is not over: exports that did not land, a push that waits for Braze, a worker that hangs.
by_seven = DeadlineAlert(
    reference=DeadlineReference.DAGRUN_QUEUED_AT,
    interval=timedelta(hours=2),
    callback=AsyncCallback(
        SmtpNotifier,
        kwargs={
            "to": TEAM,
            "subject": "The audiences are not in Braze by seven",
            "html_content": "The run of audiences_by_seven has taken two hours: see its tab Braze.",
        },
    ),
)

with DAG(
    "audiences_by_seven",
    schedule="0 5 * * *",
    catchup=False,
    max_active_runs=1,
    deadline=by_seven,
    on_success_callback=tell,
    on_failure_callback=tell,
) as dag:
    exports = RedpointExportSensor(task_id="find", base_path="/mnt/rpi", timeout=3 * 3600, deferrable=True)
    BrazeUserTrackOperator(task_id="push", export=exports.output)
