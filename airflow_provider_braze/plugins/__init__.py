"""The Braze tab on DAG runs and task instances in Airflow's UI."""
