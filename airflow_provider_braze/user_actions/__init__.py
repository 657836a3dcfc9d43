"""Deleting, identifying, merging and subscribing users: batches of 50, and an outcome for every row."""
