"""One Claude CLI process as seen on the wire. Pure: no I/O, no clock, no task."""
