"""The cards of the Braze tab: one for each push, and the table that many of them become."""
