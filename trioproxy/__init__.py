"""The Anthropic and the OpenAI API, answered by a pool of warm Claude CLI processes.

How a request travels:

    client
      |  HTTP            asgi_server/connection.py   a client's connection; closed when it hangs up
      v
    gate                 web/gate/middleware.py      who may ask, how much; ends with its client
      |                  web/routes/                 one view for each path
      v
    Turn                 dialects/                   the body, checked: what the caller asks for
      |  channel         pool/pool.py                a worker that is ready, or the queue
      v
    worker               pool/worker.py              one task for each process
      |  stdin           claude/exchange.py          the turn as lines for the CLI
      v                  pool/process.py
    Claude CLI
      |  stdout          pool/line_stream.py         lines as they come
      v
    events               claude/exchange.py          which of them are the answer, and how it ended
      |  channel         pool/job.py                 the caller's end: a `Lease`
      v
    bytes                dialects/                   events in the caller's dialect
                         web/answering.py            the response, until its last byte

`/proxy/` goes from web/routes/forward.py to forward/, and no further.

The layers, each of which knows only those below it:

    cli/          the command line
    serving.py    `trioproxy serve`: until a signal, and how it stops
    app.py        `hypercorn trioproxy.app:app`: the ASGI lifespan
    server.py     all that a server consists of, opened in order
    conformance/  what this server relies on in a Claude CLI, tried on the CLI itself
    validation.py  settings that concern each other, or the world
    workplace.py  where the processes run
    startup_error.py  how a server ends that cannot start
    web/          Quart: the gate, the routes, what is recorded of each request
    asgi_server/  all that depends on Hypercorn: connections, and watching over their sockets
    forward/      Trio: the HTTP client side, for upstreams
    pool/         Trio: the processes, who owns them, who answers next
    dialects/     pure: API bodies <-> `Turn`; events -> bytes
    claude/       pure: the CLI's wire, the exchange of one turn, argv and environment
    percentiles.py  of the latest times
    api_keys.py   who a caller is
    errors.py     every failure that a caller or an operator can see
    refusals.py   why a request is refused
    settings/     what an operator can set
    logs.py       how the server logs

`claude/` and `dialects/` import no trio, quart or httpx; `pool/` knows no HTTP; only
`pool/process.py`, `pool/guard.py` and `pool/program.py` start processes, only
`forward/connection.py` uses httpx, and only `asgi_server/` and `standin/` use Hypercorn.
tests/test_layers.py checks all of this.

`standin/` is an offline stand-in for the Anthropic API, beside them all.
"""

__version__ = "0.1.0"
