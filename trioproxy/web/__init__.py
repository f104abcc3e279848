"""The HTTP face of the pool."""
