"""From profile objects to batches: the merge window."""
