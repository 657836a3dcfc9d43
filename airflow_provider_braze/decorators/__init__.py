"""TaskFlow decorators of the Braze provider."""
