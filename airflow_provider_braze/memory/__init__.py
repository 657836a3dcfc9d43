"""The memory of what Braze was told, so that only what changed is sent. No airflow imports."""
