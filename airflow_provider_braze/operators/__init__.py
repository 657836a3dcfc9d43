"""Operators of the Braze provider."""
