"""Faults of an upstream, as a client of a forward proxy sees them, and the request after each."""

from collections.abc import AsyncGenerator, Awaitable, Callable

import httpx
from _comparison import Recovery
from _upstream import LENGTH

_NEXT = "/proxy/plain/instant"

_FAULTS = (
    ("closes without an answer", "close", "502"),
    ("resets the connection in the middle", "break-off", "200, broken off"),
    ("answers what is no HTTP", "garbage", "502"),
    ("does not answer", "hang", "504"),
)

Step = Callable[[], Awaitable[None]]


async def recoveries(http: httpx.AsyncClient, kill: Step, start: Step) -> AsyncGenerator[Recovery]:
    """Try each fault by the server that `http` asks; `kill` and `start` are the upstream's."""
    for what, path, expected in _FAULTS:
        got = [await _seen(http, f"/proxy/plain/{path}"), await _seen(http, _NEXT)]
        yield _recovery(what, expected, got)
    await kill()
    away = await _seen(http, _NEXT)
    await start()
    yield _recovery("is killed, and started again", "502", [away, await _seen(http, _NEXT)])
    before = await _seen(http, _NEXT)
    await kill()
    await start()
    got = [before, await _seen(http, _NEXT)]
    yield _recovery("is another one at the next request", "200", got)


def _recovery(what: str, expected: str, got: list[str]) -> Recovery:
    return Recovery(what, f"{expected}, then 200", ", then ".join(got))


async def _seen(http: httpx.AsyncClient, path: str) -> str:
    """The status, and what is odd about the body."""
    status = ""
    try:
        async with http.stream("GET", path) as response:
            status = str(response.status_code)
            body = await response.aread()
    except (httpx.RemoteProtocolError, httpx.ReadError) as error:
        return f"{status}, broken off" if status else repr(error)
    except httpx.HTTPError as error:
        return repr(error)
    if response.is_success and len(body) != LENGTH:
        return f"{status}, {len(body)} bytes"
    return status
