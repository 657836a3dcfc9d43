"""What every push has in common: the job, one attempt at it while it runs, its progress and its report."""
