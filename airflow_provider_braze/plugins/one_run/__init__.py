"""What Airflow's database holds of one run: its pushes, and what else of ours it did."""
