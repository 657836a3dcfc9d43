"""Notifiers of the Braze provider."""
