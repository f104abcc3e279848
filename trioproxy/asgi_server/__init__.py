"""All that depends on Hypercorn (0.17.3 and 0.18). Read its source again at each upgrade.

    asgi.py         the types of ASGI, and scopes that the app does not serve
    connection.py   a client's connection: its faults are its own, and it can be closed
    watcher.py      deadlines for sending, and clients that hang up
    serve.py        `trioproxy serve`: listeners for these connections
    workers.py      the plain `hypercorn` command, and several workers

Nothing here knows the pool, the web app or the dialects: an app is an ASGI callable.
"""
