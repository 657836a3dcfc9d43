"""One push of rows of an author's own."""
