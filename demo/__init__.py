"""The whole job on one machine: a sandbox for Braze, a real Airflow, and exports as RPI would write them."""
