"""The HTTP face of the pool: a Quart-Trio app behind a gate.

    app.py             the app: its views, behind the gate
    gate/              what each request passes before its route, and what is held for it
    routes/            the table of paths, and a view for each
    observe/           what is recorded of each request: registry, log, metrics, page
    answering.py       a request that the model answers: read, and submitted to the pool
    model_response.py  its response, to the last byte
    bodies.py          request bodies, decompressed
    dialect.py         whose shapes a caller expects
    error_handlers.py, responses.py   errors as responses

A request holds its turn, its place in the limits and its record for as long as its ASGI call
lives: whatever is to be given back is held by `gate/context.py`, and by nothing else.
"""
