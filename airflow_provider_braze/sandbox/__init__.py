"""A stand-in for a Braze workspace: a real HTTP server with the documented semantics."""
