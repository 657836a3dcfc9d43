"""How fast the push is, beside what and on what: see docs/benchmarks.md. Start with ``make bench``."""
