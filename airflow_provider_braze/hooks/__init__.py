"""Hooks of the Braze provider."""
