"""Triggers of the Braze provider."""
