"""A request as it arrived and its answer, limits and faults on its way, and what is counted of it."""
