"""What callers say and hear: pure translation between API bodies and the internal turn."""
