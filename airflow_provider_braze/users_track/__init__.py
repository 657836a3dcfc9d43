"""What Braze's `/users/track` takes and answers. No airflow imports."""
