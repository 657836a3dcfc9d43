"""Sensors of the Braze provider."""
