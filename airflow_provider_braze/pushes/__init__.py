"""One push from its parameters to its report: of an export, or of rows of an author's own. No airflow imports."""
