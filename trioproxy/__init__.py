"""The Anthropic API, answered by a pool of warm Claude CLI processes.

The layers, each of which knows only those below it:

    cli/          the command line
    serving.py    `trioproxy serve`: Hypercorn inside, and how it stops
    app.py        ASGI lifespan -> root nursery -> pool and web app
    startup_error.py  how a server ends that cannot start
    web/          Quart: routes, errors, what each request meets before and after them
    asgi_server/  all that depends on Hypercorn: connections, and watching over their sockets
    forward/      Trio: the HTTP that this server itself speaks to upstreams
    pool/         Trio: the processes, who owns them, who answers next
    dialects/     pure: API bodies <-> `Turn`; events -> bytes
    claude/       pure: the CLI's wire, the exchange of one turn, argv and environment
    percentiles.py  of the latest times
    api_keys.py   who a caller is
    errors.py     every failure that a caller or an operator can see
    refusals.py   why a request is refused
    settings/     what an operator can say
    logs.py       how the server logs

`claude/` and `dialects/` import no trio, quart or httpx; `pool/` knows no HTTP; only
`pool/process.py`, `pool/guard.py` and `cli/subprocesses.py` start processes, and only
`forward/connection.py` uses httpx.
tests/test_layers.py holds this up.

`standin/` is an offline stand-in for the Anthropic API, beside them all.
"""

__version__ = "0.1.0"
