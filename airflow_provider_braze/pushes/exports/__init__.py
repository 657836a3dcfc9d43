"""One push of one export, or of a list: what is late, half pushed or whole before, and the markers it leaves."""
