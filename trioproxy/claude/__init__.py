"""One Claude CLI process as seen on the wire. Pure: no I/O, no clock, no task.

binary.py, command.py, inherited.py   which CLI, and how it is started
wire.py         lines: encoded, decoded, bounded
turn.py         what a caller asks for, in the form that the CLI needs
prompts.py      the system prompts that a process knows
session.py      a process: its prompts, its settings, its health check
exchange.py     one turn on it, as a state machine
merging.py      several API calls of one answer as one message
failure.py      its errors, in the API's own words
models.py       the models that it lists, and which one a turn means
"""
