"""What Braze takes: limits, standard fields, checks of values, data points. Knows of nothing else here."""
