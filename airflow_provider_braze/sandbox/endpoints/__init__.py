"""Braze's endpoints: from a request to its answer, without a server around them."""
