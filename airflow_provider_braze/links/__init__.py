"""Links beside a task, out of Airflow."""
