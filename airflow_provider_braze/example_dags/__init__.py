"""DAGs that are ready to be copied into a folder of Airflow's; each is paused until somebody switches it on."""
