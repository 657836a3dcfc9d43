"""Syncs of Cloud Data Ingestion: which run is ours, and what became of it."""
