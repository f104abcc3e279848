"""What this server relies on in a Claude CLI, tried on the CLI itself.

    parts.py     the turns that are tried, by what they show: data
    arrived.py   pure: what is wrong with what the API was asked
    trial.py     one process in front of a stand-in, and the turns of a part on it
    version.py   which CLI it is, and whether the tests ran with one as new
    memory.py    which CLIs have passed, kept over restarts
    start.py     what the start of a server has to know

Each trial is a few turns of one process in front of a stand-in inside this server, on loopback, in
a home of its own and with a dummy key or login: no credential can reach it. The start of a server
tries the first part, `trioproxy doctor --deep` all of them.
"""
