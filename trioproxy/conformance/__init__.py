"""What this server relies on in a Claude CLI, tried on the CLI itself.

    binding.py   whether a process takes any system prompt
    memory.py    what was found of which CLI, kept over restarts

Each trial is a few turns of one process in front of a stand-in inside this server, on loopback, in
a home of its own and with a dummy key: no credential can reach it.
"""
