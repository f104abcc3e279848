"""The few ASGI messages that the stand-in takes and gives.

Source: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs
import orjson
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

from trioproxy.standin.errors import ApiError

MAX_BODY = 64 * 1024 * 1024  # bytes; the API itself takes 32 MiB


@attrs.frozen
class Request:
    """An HTTP request with all its body."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    """The names are in lower case; of a repeated header, the last."""
    body: bytes | None
    """None: there was more of it than `MAX_BODY`."""

    @cached_property
    def json(self) -> Any:  # noqa: ANN401  # whatever the caller sent
        """What the body says. Raises `ApiError`: 413 if it was too large, 400 if it is no JSON."""
        if self.body is None:
            raise ApiError(413)
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise ApiError(400, f"The body is not valid JSON: {error}") from None


async def read_request(scope: HTTPScope, receive: ASGIReceiveCallable) -> Request | None:
    """The request, once all of it came; None if the client left before."""
    body = bytearray()
    is_complete = False
    while not is_complete and len(body) <= MAX_BODY:
        event = await receive()
        if event["type"] != "http.request":
            return None
        body += event["body"]
        is_complete = not event["more_body"]
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"].decode("latin-1"),
        headers={n.decode("latin-1").lower(): v.decode("latin-1") for n, v in scope["headers"]},
        body=bytes(body) if is_complete and len(body) <= MAX_BODY else None,
    )


async def send_head(send: ASGISendCallable, status: int, headers: Mapping[str, str]) -> None:
    """Begin the answer."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def send_body(send: ASGISendCallable, chunk: bytes, *, more: bool) -> None:
    """Go on with the answer, or end it."""
    await send({"type": "http.response.body", "body": chunk, "more_body": more})


async def send_json(
    send: ASGISendCallable, status: int, content: object, headers: Mapping[str, str]
) -> None:
    """The answer, all at once."""
    body = orjson.dumps(content)
    about = {"content-type": "application/json", "content-length": str(len(body))}
    await send_head(send, status, {**about, **headers})
    await send_body(send, body, more=False)


async def run_lifespan(receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Say yes to the server's start and to its end: there is nothing to prepare."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        elif event["type"] == "lifespan.shutdown":
            await send({"type": "lifespan.shutdown.complete"})
            return
