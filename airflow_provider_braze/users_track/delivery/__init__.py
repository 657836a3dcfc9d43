"""Brings batches to their outcome: send, interpret, split, look up, plan."""
