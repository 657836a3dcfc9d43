"""The outcome of every record, and their counts."""
