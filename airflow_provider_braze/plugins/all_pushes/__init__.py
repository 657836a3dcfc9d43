"""The page of all pushes: what the database holds, a row for each, totals and a chart."""
