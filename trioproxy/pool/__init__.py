"""The pool of warm Claude processes."""
