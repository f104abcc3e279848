"""The HTTP client side of this server: requests to upstreams, over a pool of connections to each.

    upstream.py     where requests may go, and the target that a path means there   (pure)
    headers.py      which headers go on, and how long a body is                      (pure)
    retry.py        whether a request may be sent once more                          (pure)
    body.py         a request's body, as it comes
    connection.py   one connection, and what can go wrong on it: the only file that knows httpx
    pool.py         the connections to one upstream: who gets which, which are kept
    stats.py        what is counted
    client.py       all upstreams: an answer for a request; upkeep
    api.py          the Anthropic API, asked by this server for itself

A connection serves one request at a time (HTTP/1.1), and its pool decides in one synchronous
step. httpcore's own pool is not used: it looks at all of its connections at each request and at
each return, and asks the kernel about each idle one, so that it falls off with many of them.
"""
