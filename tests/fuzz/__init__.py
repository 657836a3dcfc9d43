"""A million hostile inputs: ``python -m tests.fuzz``, or ``make fuzz``."""
