"""Where data came from and went to, for OpenLineage and for Airflow's assets."""
