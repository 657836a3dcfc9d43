"""
### Delete old reports and rejects

Once a day, whatever pushes left below the reports folder more than 90 days ago is deleted: reports, rejects files and
their parts. The markers of what was pushed stay, so that nothing is pushed again.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

KEEP = timedelta(days=90)

with DAG(
    dag_id="redpoint_tidy_reports",
    dag_display_name="Delete old reports and rejects",
    description="Deletes reports and rejects files that are older than 90 days; markers stay",
    doc_md=__doc__,
    tags=["braze", "redpoint"],
    schedule="@daily",
    catchup=False,
    is_paused_upon_creation=True,
    max_active_runs=1,
) as dag:

    @task(task_display_name="Delete what is older than 90 days")
    def tidy_reports(folder: str) -> int:
        """Give the reports folder, or the base path above it."""
        from airflow_provider_braze.storage.tidying import tidy

        tidied = tidy(folder, KEEP)
        for url in tidied.kept:
            print(f"kept, because no push wrote it: {url}")
        if tidied.problems:
            raise RuntimeError(" ".join(tidied.problems))
        return tidied.files

    tidy_reports("{{ var.value.redpoint_base_path }}")
