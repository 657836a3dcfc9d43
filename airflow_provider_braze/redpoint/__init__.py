"""What Redpoint Interaction writes: paths, landing, dialects and records. No airflow imports."""
